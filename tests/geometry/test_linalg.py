"""Homogeneous coordinates and maps of points against OpenCV and NumPy."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry import from_homogeneous, normalize_points, skew, to_homogeneous, transform_points

D = torch.float64


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestFromHomogeneous:
    def test_is_opencvs(self):
        points = normal(20, 3)
        expected = cv2.convertPointsFromHomogeneous(points.numpy())[:, 0]
        np.testing.assert_allclose(from_homogeneous(points), expected, atol=1e-12)

    def test_at_infinity(self):
        points = torch.tensor([[1.0, -2, 0], [1, 2, -1e-12], [0, 0, 0], [4, 2, 2]], dtype=D, requires_grad=True)
        out, valid = from_homogeneous(points, return_valid=True)
        assert valid.tolist() == [False, False, False, True]
        np.testing.assert_allclose(out.detach(), [[5e7, -1e8], [-5e7, -1e8], [0, 0], [2, 1]])
        (grad,) = torch.autograd.grad(out.sum(), points)
        assert grad.isfinite().all() and (grad[:3, 2] == 0).all() and (grad[2] == 0).all()

    def test_errors(self):
        with pytest.raises(ValueError, match="from_homogeneous: points must be of two coordinates or more"):
            from_homogeneous(torch.ones(3, 1))


class TestTransformPoints:
    def test_homography_is_opencvs(self):
        h = torch.eye(3, dtype=D) + 0.1 * normal(3, 3)
        points = normal(30, 2)
        expected = cv2.perspectiveTransform(points.numpy()[None], h.numpy())[0]
        np.testing.assert_allclose(transform_points(h, points), expected, atol=1e-12)

    def test_affine_and_linear_are_numpys(self):
        points = normal(5, 7, 3)
        m = normal(5, 3, 4)
        expected = np.einsum("bij,bnj->bni", m[..., :3].numpy(), points.numpy())
        np.testing.assert_allclose(transform_points(m[..., :3], points), expected, atol=1e-12)
        np.testing.assert_allclose(transform_points(m, points), expected + m[:, None, :, 3].numpy(), atol=1e-12)

    def test_one_matrix_for_a_batch(self):
        assert transform_points(torch.eye(4), torch.zeros(2, 5, 6, 3)).shape == (2, 5, 6, 3)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"transform_points: matrix must be of shape \(\*batch, 3, 3\) or"):
            transform_points(torch.eye(4), torch.zeros(5, 2))
        with pytest.raises(ValueError, match=r"transform_points: matrix must be of a batch that goes with \(2,\)"):
            transform_points(torch.eye(3).expand(3, 3, 3), torch.zeros(2, 5, 2))


class TestSkew:
    def test_is_the_cross_product(self):
        a, b = normal(4, 3), normal(4, 3, seed=1)
        np.testing.assert_allclose((skew(a) @ b[..., None])[..., 0], np.cross(a, b), atol=1e-14)


class TestNormalizePoints:
    def test_moments(self):
        points = 40 * normal(3, 12, 2) + 300
        out, matrix = normalize_points(points)
        np.testing.assert_allclose(out.mean(-2), 0, atol=1e-12)
        np.testing.assert_allclose(out.square().sum(-1).mean(-1), 2, atol=1e-12)
        np.testing.assert_allclose(transform_points(matrix, points), out, atol=1e-12)

    def test_weights_repeat_points(self):
        points = normal(4, 2)
        repeated = normalize_points(torch.cat([points[:1]] * 3 + [points[1:2]]))
        points[2:] = float("nan")
        weighted = normalize_points(points, weights=torch.tensor([3.0, 1, 0, 0], dtype=D))
        torch.testing.assert_close(weighted.matrix, repeated.matrix)

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_without_spread_the_scale_is_one(self, count):
        points = torch.full((count, 2), 7.3, dtype=D, requires_grad=True)
        out, matrix = normalize_points(points)
        assert matrix[:2, :2].tolist() == [[1, 0], [0, 1]] and out.abs().sum() < 1e-12
        assert torch.autograd.grad(out.sum(), points)[0].isfinite().all()

    def test_gradient_of_a_weight_of_zero(self):
        points = normal(5, 2)

        def run(free):
            weights = torch.cat([torch.ones(4, dtype=D), free])
            return normalize_points(points, weights=weights).matrix

        h = 1e-6
        expected = (run(torch.tensor([h], dtype=D)) - run(torch.tensor([0.0], dtype=D))) / h
        found = torch.autograd.functional.jacobian(run, torch.zeros(1, dtype=D))[..., 0]
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"normalize_points: weights must be of shape \(\*batch, 4\)"):
            normalize_points(torch.zeros(4, 2), weights=torch.ones(3))


class TestToHomogeneous:
    def test_is_opencvs(self):
        points = normal(5, 2)
        np.testing.assert_array_equal(to_homogeneous(points), cv2.convertPointsToHomogeneous(points.numpy())[:, 0])
