"""Rigid motions and similarities of space against SciPy, Umeyama's SVD and finite differences."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from visionops.geometry.projective import find_rigid, find_similarity3d

from .gradients import strict


def points(n, d=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def umeyama(p, q, weights, scaled):
    """The closed form by NumPy's SVD."""
    w = weights / weights.sum()
    cp, cq = w @ p, w @ q
    u, s, vt = np.linalg.svd((w[:, None] * (q - cq)).T @ (p - cp))
    sign = np.diag([1, 1, np.linalg.det(u @ vt)])
    r = u @ sign @ vt
    scale = (s * sign.diagonal()).sum() / (w @ ((p - cp) ** 2).sum(1)) if scaled else 1.0
    m = np.eye(4)
    m[:3, :3], m[:3, 3] = scale * r, cq - scale * r @ cp
    return m


MIRROR = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))


@pytest.mark.parametrize(("function", "scaled"), [(find_rigid, False), (find_similarity3d, True)])
class TestInSpace:
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_is_umeyamas(self, function, scaled, mirrored):
        p = points(10)
        q = 2 * p @ (MIRROR if mirrored else torch.eye(3).double()) + 0.3 * points(10, seed=1) + 5
        weights = torch.linspace(0, 2, 10).double()
        m, valid = function(p, q, weights=weights, return_valid=True)
        assert valid
        np.testing.assert_allclose(m.numpy(), umeyama(p.numpy(), q.numpy(), weights.numpy(), scaled), atol=1e-10)

    @pytest.mark.parametrize("angle", [0.0, 1.0, np.pi])
    @pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, 0.0, 0.8)])
    def test_gradients_on_exact_points(self, function, scaled, angle, axis):
        turn = torch.from_numpy(Rotation.from_rotvec(angle * np.array(axis)).as_matrix())
        p = points(5)
        q = p @ turn.T + torch.tensor([1.0, 2.0, 3.0])
        torch.testing.assert_close(function(p, q)[:3, :3], turn, atol=1e-12, rtol=0)
        strict(function, p, q)

    def test_gradients_on_noisy_and_weighted_points(self, function, scaled):
        p, w = points(5), torch.linspace(0.5, 2, 5).double()
        strict(lambda p, q, w: function(p, q, weights=w), p, p + 0.3 * points(5, seed=1), w)

    def test_coplanar_points_are_enough(self, function, scaled):
        p = points(6) * torch.tensor([1.0, 1.0, 0.0])
        turn = torch.from_numpy(Rotation.from_rotvec([0.3, 1.0, 2.0]).as_matrix())
        m, valid = function(p, p @ turn.T, return_valid=True)
        assert valid
        torch.testing.assert_close(m[:3, :3], turn)
        strict(function, p, p @ turn.T)

    @pytest.mark.parametrize("spread", [0.0, 1.0])
    def test_collinear_and_coincident(self, function, scaled, spread):
        line = torch.arange(4.0).double()[:, None] * torch.tensor([1.0, 2.0, 3.0]) * spread + 1
        leaves = [line.clone().requires_grad_(), (line + 2).requires_grad_()]
        m, valid = function(*leaves, return_valid=True)
        assert not valid
        torch.testing.assert_close(m[:3, :3] @ m[:3, :3].T, torch.eye(3).double())
        torch.testing.assert_close(line @ m[:3, :3].T + m[:3, 3], line + 2)
        assert all((g == 0).all() for g in torch.autograd.grad(m.sum(), leaves))

    def test_nan_of_weight_0_and_of_weight_1(self, function, scaled):
        p, q = points(6), points(6, seed=1)
        expected = function(p[:5], q[:5])
        p[5] = float("nan")
        p.requires_grad_()
        m = function(p, q, weights=torch.tensor([1.0] * 5 + [0.0]).double())
        torch.testing.assert_close(m, expected)
        assert torch.autograd.grad(m.sum(), p)[0].isfinite().all()
        m, valid = function(p, q, return_valid=True)
        assert m.isnan().any() and not valid
        assert (torch.autograd.grad(m.sum(), p)[0] == 0).all()

    def test_refuses(self, function, scaled):
        with pytest.raises(ValueError, match=r"points1 must be of shape \(\*batch, n, "):
            function(torch.zeros(5, 4), torch.zeros(5, 4))
        with pytest.raises(ValueError, match="points1 must be at least 3 points"):
            function(torch.zeros(2, 3), torch.zeros(2, 3))


class TestFindRigid:
    def test_is_scipys(self):
        p = points(10)
        q = p + 0.5 * points(10, seed=1)
        a, b = p - p.mean(0), q - q.mean(0)
        expected, _ = Rotation.align_vectors(b.numpy(), a.numpy())
        np.testing.assert_allclose(find_rigid(p, q)[:3, :3].numpy(), expected.as_matrix(), atol=1e-10)

    def test_in_the_plane(self):
        p, angle = points(6, 2), torch.tensor(2.5).double()
        turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]).double()
        m, valid = find_rigid(p, p @ turn.T + 3, return_valid=True)
        assert valid and m.shape == (3, 3)
        torch.testing.assert_close(m[:2, :2], turn)
        torch.testing.assert_close(m[:, 2], torch.tensor([3.0, 3.0, 1.0]).double())
        strict(find_rigid, p, p + 0.3 * points(6, 2, seed=1))
