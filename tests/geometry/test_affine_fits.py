"""Affine maps and similarities of the plane against OpenCV and NumPy's least squares."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.projective import find_affine, find_similarity, get_affine_transform, rotation_matrix2d

from .gradients import strict


def points(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 100, (n, 2)))


class TestGetAffineTransform:
    def test_is_opencvs(self):
        p, q = points(3).float(), points(3, 1).float()
        expected = cv2.getAffineTransform(p.numpy(), q.numpy())
        np.testing.assert_allclose(get_affine_transform(p.double(), q.double()).numpy(), expected, rtol=1e-9)
        np.testing.assert_allclose(get_affine_transform(p, q).numpy(), expected, rtol=1e-4)

    def test_gradients(self):
        strict(get_affine_transform, points(3) / 50, points(3, 1) / 50)

    @pytest.mark.parametrize("step", [0.0, 1.0])
    def test_of_a_line_has_the_least_norm(self, step):
        line = torch.arange(3.0).double()[:, None] * torch.tensor([1.0, 2.0]) * step
        leaves = [line.clone().requires_grad_(), (line * 3 + 1).requires_grad_()]
        m, valid = get_affine_transform(*leaves, return_valid=True)
        assert not valid
        expected = (3 * line[1:]).T.numpy() @ np.linalg.pinv(line[1:].T.numpy())
        np.testing.assert_allclose(m[:, :2].detach().numpy(), expected, atol=1e-12)
        assert all((g == 0).all() for g in torch.autograd.grad(m.sum(), leaves))

    def test_refuses(self):
        with pytest.raises(ValueError, match=r"get_affine_transform: source must be of shape \(\*batch, 3, 2\)"):
            get_affine_transform(torch.zeros(4, 2), torch.zeros(4, 2))


class TestRotationMatrix2d:
    @pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 180.0, -45.0])
    def test_is_opencvs(self, angle):
        expected = cv2.getRotationMatrix2D((30.0, 40.5), angle, 1.5)
        m = rotation_matrix2d(torch.tensor([30.0, 40.5]).double(), torch.tensor(angle).double(), 1.5)
        np.testing.assert_allclose(m.numpy(), expected, atol=1e-12)

    def test_batches_and_gradients(self):
        center, angle = points(4), torch.tensor([0.0, 10.0, 180.0, 270.0]).double()
        assert rotation_matrix2d(center[0], angle, torch.ones(3, 1)).shape == (3, 4, 2, 3)
        strict(rotation_matrix2d, center / 50, angle, torch.linspace(0, 1, 4).double())

    def test_refuses(self):
        center = torch.zeros(2)
        assert torch.equal(rotation_matrix2d(center, 30, 2), rotation_matrix2d(center, torch.tensor(30.0), torch.tensor(2.0)))
        with pytest.raises(ValueError, match="rotation_matrix2d: angle must be floating"):
            rotation_matrix2d(center, torch.tensor(30))
        with pytest.raises(ValueError, match="rotation_matrix2d: scale must be a number"):
            rotation_matrix2d(center, 30.0, [1.0])


class TestFindAffine:
    def test_is_opencvs_without_noise(self):
        p = points(12)
        truth = torch.tensor([[0.9, -0.3, 4.0], [0.2, 1.1, -7.0]]).double()
        q = p @ truth[:, :2].T + truth[:, 2]
        expected, _ = cv2.estimateAffine2D(p.numpy(), q.numpy())
        found = find_affine(p, q)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)  # what its refinement leaves
        torch.testing.assert_close(found, truth)

    def test_is_numpys_least_squares(self):
        p, q = points(12), points(12, 1)
        weights = torch.linspace(0, 2, 12).double()
        root = weights.sqrt().numpy()[:, None]
        rows = np.c_[p.numpy(), np.ones(12)]
        expected = np.linalg.lstsq(root * rows, root * q.numpy(), rcond=None)[0].T
        np.testing.assert_allclose(find_affine(p, q, weights=weights).numpy(), expected, atol=1e-10)

    def test_gradients(self):
        p, q, w = points(6) / 50, points(6, 1) / 50, torch.linspace(0.5, 2, 6).double()
        strict(lambda p, q, w: find_affine(p, q, weights=w), p, q, w)
        strict(lambda p, q, w: find_affine(p, q, weights=w), p, 2 * p + 1, w)

    def test_degenerate(self):
        line = torch.arange(4.0).double()[:, None] * torch.tensor([1.0, 2.0])
        for p in (line, 0 * line):
            leaves = [p.clone().requires_grad_(), points(4).requires_grad_()]
            m, valid = find_affine(*leaves, return_valid=True)
            centred = p - p.mean(0)
            expected = (leaves[1].detach() - leaves[1].detach().mean(0)).T.numpy() @ np.linalg.pinv(centred.T.numpy())
            np.testing.assert_allclose(m[:, :2].detach().numpy(), expected, atol=1e-9)
            assert not valid
            assert all((g == 0).all() for g in torch.autograd.grad(m.sum(), leaves))


class TestFindSimilarity:
    def test_is_opencvs_without_noise(self):
        p = points(12)
        truth = torch.tensor([[1.2, -0.5, 4.0], [0.5, 1.2, -7.0]]).double()
        q = p @ truth[:, :2].T + truth[:, 2]
        expected, _ = cv2.estimateAffinePartial2D(p.numpy(), q.numpy())
        np.testing.assert_allclose(find_similarity(p, q).numpy(), expected, atol=1e-5)
        torch.testing.assert_close(find_similarity(p, q), truth)

    def test_is_numpys_least_squares(self):
        p, q = points(12), points(12, 1)
        weights = torch.linspace(0, 2, 12).double()
        x, y = p.numpy().T
        one, zero = np.ones(12), np.zeros(12)
        rows = np.r_[np.c_[x, -y, one, zero], np.c_[y, x, zero, one]]
        root = np.r_[weights, weights] ** 0.5
        a, b, s, t = np.linalg.lstsq(root[:, None] * rows, root * q.numpy().T.ravel(), rcond=None)[0]
        expected = np.array([[a, -b, s], [b, a, t]])
        np.testing.assert_allclose(find_similarity(p, q, weights=weights).numpy(), expected, atol=1e-10)

    def test_gradients(self):
        p, q, w = points(5) / 50, points(5, 1) / 50, torch.linspace(0.5, 2, 5).double()
        strict(lambda p, q, w: find_similarity(p, q, weights=w), p, q, w)
        strict(find_similarity, p[:2], q[:2])

    def test_coincident(self):
        leaves = [torch.ones(3, 2).double().requires_grad_(), points(3).requires_grad_()]
        m, valid = find_similarity(*leaves, return_valid=True)
        assert not valid and (m[:, :2] == 0).all()
        assert all((g == 0).all() for g in torch.autograd.grad(m.sum(), leaves))
        assert not find_similarity(points(3), torch.ones(3, 2).double(), return_valid=True)[1]
