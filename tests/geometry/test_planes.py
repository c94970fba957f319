"""Planes against NumPy and closed values."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry.planes import fit_plane, point_plane_distance, ray_plane_intersection

D = torch.float64
NAN = float("nan")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def flat(n=8):
    """Points on 0.3 x - 0.5 y - z + 2 = 0."""
    xy = normal(n, 2)
    return torch.cat([xy, xy @ torch.tensor([[0.3], [-0.5]], dtype=D) + 2], -1)


class TestFitPlane:
    def test_is_numpys_svd(self):
        points, w = normal(3, 9, 3), normal(3, 9, seed=1).square()
        for p, weight, found in zip(points, w, fit_plane(points, weights=w), strict=True):
            centre = np.average(p, axis=0, weights=weight)
            n = np.linalg.svd(np.sqrt(weight.numpy())[:, None] * (p.numpy() - centre))[2][-1]
            n *= np.sign(n[np.abs(n).argmax()])
            np.testing.assert_allclose(found, [*n, -n @ centre], atol=1e-11)

    def test_of_a_plane(self):
        expected = torch.tensor([-0.3, 0.5, 1, -2], dtype=D) / (0.09 + 0.25 + 1) ** 0.5
        torch.testing.assert_close(fit_plane(flat()), expected)
        torch.testing.assert_close(fit_plane(flat(3)), expected)

    @pytest.mark.parametrize(
        "points", [flat(), flat(3), flat() + 0.1 * normal(8, 3, seed=2)], ids=["exact", "three", "noisy"]
    )
    def test_gradients(self, points):
        points, w = points.clone().requires_grad_(), (0.5 + normal(len(points), seed=1).square()).requires_grad_()
        gradcheck(lambda p, w: fit_plane(p, weights=w), (points, w), check_forward_ad=True)
        gradgradcheck(lambda p, w: fit_plane(p, weights=w), (points, w), fast_mode=True)

    @pytest.mark.parametrize(
        "points",
        [
            [[3.1, 4.7, -300.3]] * 4,
            [[1.0, 2, 3], [2, 4, 6], [4, 8, 12]],
            [[1.0, 2, 3], [2, 2, 2]],
            np.eye(3).tolist() + (-np.eye(3)).tolist(),
        ],
        ids=["coincident", "collinear", "two", "octahedron"],
    )
    def test_not_unique(self, points):
        points = torch.tensor(points, dtype=D, requires_grad=True)
        plane, valid = fit_plane(points, return_valid=True)
        assert not valid and plane[:3].norm().item() == pytest.approx(1)
        assert point_plane_distance(points.detach().mean(0, keepdim=True), plane).item() < 1e-12
        (grad,) = torch.autograd.grad(plane.sum(), points)
        torch.testing.assert_close(grad, -plane[:3].detach().expand_as(grad) / len(points))

    def test_float32(self):
        points = flat() + 0.1 * normal(8, 3, seed=2)
        assert fit_plane(points.float()).dtype == torch.float32
        np.testing.assert_allclose(fit_plane(points.float()), fit_plane(points), atol=1e-6)


class TestPointPlaneDistance:
    def test_is_numpys(self):
        points, plane = normal(4, 7, 3), normal(4, 4, seed=1)
        signed = np.einsum("bni,bi->bn", points, plane[:, :3]) + plane[:, 3:].numpy()
        signed /= np.linalg.norm(plane[:, :3], axis=1, keepdims=True)
        np.testing.assert_allclose(point_plane_distance(points, plane, signed=True), signed, atol=1e-12)
        np.testing.assert_allclose(point_plane_distance(points, plane), np.abs(signed), atol=1e-12)

    def test_gradients(self):
        given = (normal(4, 3).requires_grad_(), normal(4, seed=1).requires_grad_())
        gradcheck(point_plane_distance, given, check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"point_plane_distance: plane must be of shape \(\*batch, 4\)"):
            point_plane_distance(torch.zeros(5, 3), torch.zeros(3))


class TestRayPlaneIntersection:
    def test_lies_on_both(self):
        origins, ways, plane = normal(4, 7, 3), normal(4, 7, 3, seed=1), normal(4, 4, seed=2)
        points, valid = ray_plane_intersection(origins, ways, plane, return_valid=True)
        assert point_plane_distance(points, plane).max() < 1e-10
        moved = (points - origins).numpy()
        np.testing.assert_allclose(np.cross(moved, ways), 0, atol=1e-9)
        assert valid.equal(torch.from_numpy((moved * ways.numpy()).sum(-1) >= 0)) and 0 < valid.double().mean() < 1

    @pytest.mark.parametrize(
        "way, plane", [([1.0, 1, 0], [0.0, 0, 2, 1]), ([0.0] * 3, [1.0] * 4), ([1.0, 0, 0], [0.0] * 4)]
    )
    def test_never_meet(self, way, plane):
        given = [torch.tensor(v, dtype=D, requires_grad=True) for v in ([[1.0, 2, 3]], [way], plane)]
        points, valid = ray_plane_intersection(*given, return_valid=True)
        assert points.tolist() == [[1, 2, 3]] and not valid
        grads = torch.autograd.grad(points.sum(), given)
        assert (grads[0] == 1).all() and all((g == 0).all() for g in grads[1:])

    def test_gradients(self):
        given = [normal(4, 3), normal(4, 3, seed=1), normal(4, seed=2)]
        gradcheck(ray_plane_intersection, [g.requires_grad_() for g in given], check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match="ray_plane_intersection: directions must be 5 points, got 4"):
            ray_plane_intersection(torch.zeros(5, 3), torch.zeros(4, 3), torch.zeros(4))
