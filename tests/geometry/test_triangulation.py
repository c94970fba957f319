"""Triangulation and optimal correction against OpenCV, SciPy and finite differences."""

import cv2
import numpy as np
import pytest
import scipy.optimize
import torch
from scipy.spatial.transform import Rotation

from visionops.geometry.epipolar import (
    essential_from_pose,
    fundamental_from_projections,
    optimal_correction,
    sampson_distance,
    triangulate,
    triangulate_views,
)

from .gradients import strict

K = np.array([[500.0, 1.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
P1 = torch.from_numpy(K @ np.eye(3, 4))
P2 = torch.from_numpy(K @ np.c_[cv2.Rodrigues(np.array([0.1, -0.3, 0.05]))[0], [1.0, 0.1, -0.3]])
P3 = torch.from_numpy(K @ np.c_[cv2.Rodrigues(np.array([-0.2, 0.1, 0.0]))[0], [-0.5, 0.9, 0.1]])
NORMALIZED = tuple(torch.linalg.solve(torch.from_numpy(K), p) for p in (P1, P2, P3))


def scene(n, noise=0.0, seed=0, cameras=(P1, P2)):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.uniform((-2, -2, 4), (2, 2, 9), (n, 3)))
    views = []
    for p in cameras:
        y = x @ p[:, :3].T + p[:, 3]
        views.append(y[:, :2] / y[:, 2:] + noise * torch.from_numpy(rng.normal(size=(n, 2))))
    return x, *views


class TestTriangulate:
    @pytest.mark.parametrize("noise", [0.0, 3.0])
    def test_is_opencvs(self, noise):
        x, p, q = scene(20, noise)
        expected = cv2.triangulatePoints(P1.numpy(), P2.numpy(), p.numpy().T, q.numpy().T)
        found, valid = triangulate(P1, P2, p, q, return_valid=True)
        assert valid.all()
        np.testing.assert_allclose(found.numpy(), (expected[:3] / expected[3]).T, rtol=1e-7, atol=1e-7)
        if not noise:
            torch.testing.assert_close(found, x, rtol=1e-8, atol=1e-8)
            single = triangulate(P1.float(), P2.float(), p.float(), q.float())
            torch.testing.assert_close(single.double(), x, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_gradients(self, noise):
        _, p, q = scene(3, noise, cameras=NORMALIZED[:2])
        strict(triangulate, *NORMALIZED[:2], p, q)

    def test_parallel_rays_are_far_away(self):
        shift = torch.eye(3, 4).double()
        shift[0, 3] = 1.0
        ray = torch.tensor([[0.5, -0.2]]).double().requires_grad_()
        x, valid = triangulate(torch.eye(3, 4).double(), shift, ray, ray, return_valid=True)
        assert not valid and x.isfinite().all() and x.abs().max() > 1e6
        (g,) = torch.autograd.grad((x / x.norm()).sum(), ray)
        assert g.isfinite().all()
        torch.testing.assert_close((x / x[..., 2:])[0, :2], ray[0])

    def test_one_ray_and_one_centre(self):
        forward = torch.eye(3, 4).double()
        forward[2, 3] = 1.0
        points = torch.zeros(1, 2).double().requires_grad_()
        for second in (forward, torch.eye(3, 4).double()):
            x, valid = triangulate(torch.eye(3, 4).double(), second, points, points, return_valid=True)
            assert not valid and x.isfinite().all()
            assert (torch.autograd.grad(x.sum(), points)[0] == 0).all()

    def test_nan_stays_in_its_point(self):
        x, p, q = scene(4)
        p[1, 0] = float("nan")
        q.requires_grad_()
        found, valid = triangulate(P1, P2, p, q, return_valid=True)
        assert valid.tolist() == [True, False, True, True] and found[1].isnan().all()
        torch.testing.assert_close(found[0], x[0])
        (g,) = torch.autograd.grad(found.sum(), q)
        assert g.isfinite().all() and (g[1] == 0).all() and (g[0] != 0).any()

    def test_batches_broadcast(self):
        x, p, q = scene(4)
        found = triangulate(P1, torch.stack([P2, 2 * P2])[:, None], p, torch.stack([q] * 3))
        assert found.shape == (2, 3, 4, 3)
        torch.testing.assert_close(found[1, 2], x)
        assert triangulate(P1, P2, p[:0], q[:0]).shape == (0, 3)

    def test_refuses(self):
        with pytest.raises(ValueError, match="triangulate: P2 must be of shape"):
            triangulate(P1, torch.eye(3), torch.zeros(1, 2), torch.zeros(1, 2))
        with pytest.raises(ValueError, match="triangulate: points2 must be 1 points, got 2"):
            triangulate(P1, P2, torch.zeros(1, 2), torch.zeros(2, 2))


class TestTriangulateViews:
    def test_is_numpys_null_vector(self):
        _, *views = scene(5, 2.0, cameras=(P1, P2, P3))
        weights = torch.rand(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
        found = triangulate_views(torch.stack([P1, P2, P3]), torch.stack(views), weights=weights)
        for i in range(5):
            rows = []
            for p, v, w in zip((P1, P2, P3), views, weights, strict=True):
                rows += [w[i].sqrt() * (v[i, 0] * p[2] - p[0]), w[i].sqrt() * (v[i, 1] * p[2] - p[1])]
            h = np.linalg.svd(torch.stack(rows).numpy())[2][-1]
            np.testing.assert_allclose(found[i].numpy(), h[:3] / h[3], rtol=1e-7)

    def test_a_view_that_does_not_see_a_point(self):
        x, *views = scene(5, cameras=(P1, P2, P3))
        points, weights = torch.stack(views), torch.ones(3, 5).double()
        points[2, 0] = float("nan")
        weights[2, 0] = 0.0
        points.requires_grad_()
        found, valid = triangulate_views(torch.stack([P1, P2, P3]), points, weights=weights, return_valid=True)
        assert valid.all()
        torch.testing.assert_close(found, x)
        assert torch.autograd.grad(found.sum(), points)[0].isfinite().all()
        weights[1, 0] = 0.0
        assert triangulate_views(torch.stack([P1, P2, P3]), points, weights=weights, return_valid=True)[1].tolist() == [
            False,
            True,
            True,
            True,
            True,
        ]

    def test_gradients(self):
        _, *views = scene(2, 0.01, cameras=NORMALIZED)
        strict(
            lambda p, x, w: triangulate_views(p, x, weights=w),
            torch.stack(NORMALIZED),
            torch.stack(views),
            torch.linspace(0.5, 2, 6).double().reshape(3, 2),
        )

    def test_refuses(self):
        with pytest.raises(ValueError, match="triangulate_views: points must be"):
            triangulate_views(torch.stack([P1, P2]), torch.zeros(3, 4, 2).double())
        with pytest.raises(ValueError, match="triangulate_views: weights must be of shape"):
            triangulate_views(torch.stack([P1, P2]), torch.zeros(2, 4, 2).double(), weights=torch.ones(2, 3).double())


F = fundamental_from_projections(P1, P2)


class TestOptimalCorrection:
    @pytest.mark.parametrize("noise", [0.1, 3.0, 30.0])
    def test_is_opencvs(self, noise):
        _, p, q = scene(50, noise)
        a, b = cv2.correctMatches(F.numpy(), p.numpy()[None], q.numpy()[None])
        x1, x2, valid = optimal_correction(F, p, q, return_valid=True)
        assert valid.all()
        ours = (x1 - p).square().sum(-1) + (x2 - q).square().sum(-1)
        theirs = ((a[0] - p.numpy()) ** 2).sum(-1) + ((b[0] - q.numpy()) ** 2).sum(-1)
        assert (ours.numpy() <= theirs * (1 + 1e-6) + 1e-12).all()
        np.testing.assert_allclose(x1.numpy(), a[0], atol=1e-3 * max(noise, 1))  # what its polynomial's roots leave
        assert sampson_distance(F, x1, x2).max() < 1e-18

    def test_is_opencvs_minimum_of_points_that_do_not_match(self):
        # Newton's steps alone, without their bounds, end elsewhere in a tenth of these.
        rng = np.random.default_rng(0)
        turns = torch.from_numpy(Rotation.random(300, rng=rng).as_matrix())
        f = essential_from_pose(turns, torch.from_numpy(rng.normal(size=(300, 3))))
        p, q = (torch.from_numpy(rng.normal(size=(300, 1, 2))) for _ in range(2))
        x1, x2, valid = optimal_correction(f, p, q, iterations=60, return_valid=True)
        assert valid.double().mean() > 0.99
        ours = ((x1 - p).square() + (x2 - q).square()).sum((-1, -2))
        for i in torch.nonzero(valid[:, 0])[:, 0].tolist():
            a, b = cv2.correctMatches(f[i].numpy(), p[i].numpy()[None], q[i].numpy()[None])
            theirs = ((a[0] - p[i].numpy()) ** 2).sum() + ((b[0] - q[i].numpy()) ** 2).sum()
            assert ours[i] <= theirs * (1 + 1e-6) + 1e-12

    def test_is_the_global_minimum_near_the_epipole(self):
        e = essential_from_pose(torch.eye(3).double(), torch.tensor([0.0, 0.0, 1.0]).double())
        rng = np.random.default_rng(0)
        p, q = (torch.from_numpy(0.1 * rng.normal(size=(40, 2))) for _ in range(2))
        x1, x2, valid = optimal_correction(e, p, q, iterations=60, return_valid=True)
        assert valid.all()
        ours = ((x1 - p).square() + (x2 - q).square()).sum(-1)
        # Matches of this motion lie on one line through the epipole, here of angle a.
        for i in range(40):

            def cost(a, i=i):
                d = np.array([-np.sin(a), np.cos(a)])
                return (p[i].numpy() @ d) ** 2 + (q[i].numpy() @ d) ** 2

            best = min(cost(a) for a in np.linspace(0, np.pi, 2001))
            refined = scipy.optimize.minimize_scalar(
                cost, bracket=sorted(np.linspace(0, np.pi, 2001), key=cost)[:2], tol=1e-12
            ).fun
            assert ours[i] <= min(best, refined) + 1e-12

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_gradients(self, noise):
        f = fundamental_from_projections(*NORMALIZED[:2])
        _, p, q = scene(4, noise, cameras=NORMALIZED[:2])
        strict(optimal_correction, f, p, q)

    def test_second_derivatives(self):
        f = fundamental_from_projections(*NORMALIZED[:2])
        _, p, q = scene(2, 0.02, cameras=NORMALIZED[:2])
        leaves = [x.clone().requires_grad_() for x in (f, p, q)]
        torch.autograd.gradgradcheck(lambda *x: optimal_correction(*x)[0], leaves)

    def test_grad_none_and_unroll(self):
        _, p, q = scene(4, 0.02, cameras=NORMALIZED[:2])
        f = fundamental_from_projections(*NORMALIZED[:2]).requires_grad_()
        assert not any(x.requires_grad for x in optimal_correction(f, p, q, grad="none"))
        first, second = (
            torch.autograd.grad(sum(x.pow(3).sum() for x in optimal_correction(f, p, q, grad=g)), f)[0]
            for g in ("implicit", "unroll")
        )
        torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-8)
        with pytest.raises(ValueError, match="optimal_correction: grad must be one of those known"):
            optimal_correction(f, p, q, grad="all")

    def test_epipoles_nan_and_0(self):
        e = essential_from_pose(torch.eye(3).double(), torch.tensor([0.0, 0.0, 1.0]).double())
        p = torch.tensor([[0.0, 0.0], [float("nan"), 0.0], [0.1, 0.2]]).double().requires_grad_()
        q = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.1, 0.3]]).double().requires_grad_()
        for f in (e, 0 * e):
            f = f.requires_grad_()
            x1, x2, valid = optimal_correction(f, p, q, return_valid=True)
            assert valid.tolist() == [False, False, bool(f.detach().abs().max() > 0)]
            assert x1[[0, 2]].isfinite().all() and x1[1].isnan().all()
            grads = torch.autograd.grad(x1.sum() + x2.sum(), [f, p, q])
            assert all(g.isfinite().all() for g in grads) and (grads[1][1] == 0).all()
