"""Lines against OpenCV, NumPy and closed values."""

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry.lines import fit_line, line_intersection, line_through, point_line_distance

D = torch.float64
NAN = float("nan")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def along(slope, offset, n=6):
    x = torch.linspace(-3, 4, n, dtype=D)
    return torch.stack([x, slope * x + offset], -1)


class TestFitLine:
    def test_is_opencvs(self):
        points = along(0.7, 2, 20) + 0.1 * normal(20, 2)
        vx, vy, x0, y0 = cv2.fitLine(points.numpy().astype(np.float32), cv2.DIST_L2, 0, 1e-9, 1e-9)[:, 0]
        a, b, c = fit_line(points).tolist()
        assert a * vx + b * vy == pytest.approx(0, abs=1e-5)
        assert a * x0 + b * y0 + c == pytest.approx(0, abs=1e-5)

    def test_is_numpys_svd(self):
        points, w = normal(3, 9, 2) * torch.tensor([3.0, 1.0]), normal(3, 9, seed=1).square()
        for p, weight, found in zip(points, w, fit_line(points, weights=w), strict=True):
            centre = np.average(p, axis=0, weights=weight)
            n = np.linalg.svd(np.sqrt(weight.numpy())[:, None] * (p.numpy() - centre))[2][-1]
            n *= np.sign(n[np.abs(n).argmax()])
            np.testing.assert_allclose(found, [*n, -n @ centre], atol=1e-12)

    @pytest.mark.parametrize(
        "points", [along(0.7, 2), along(0.7, 2, 2), along(0, 300), along(0.7, 2) + 0.1 * normal(6, 2)]
    )
    def test_gradients_on_exact_and_noisy_points(self, points):
        points, w = points.clone().requires_grad_(), (0.5 + normal(len(points), seed=1).square()).requires_grad_()
        gradcheck(lambda p, w: fit_line(p, weights=w), (points, w), check_forward_ad=True)
        gradgradcheck(lambda p, w: fit_line(p, weights=w), (points, w))

    def test_vertical(self):
        assert fit_line(torch.tensor([[3.0, 0], [3, 5], [3, 1]])).tolist() == [1, 0, -3]

    @pytest.mark.parametrize(
        "points",
        [[[300.1, -4.7]] * 3, [[3.0, 4.0]], [[0.0, 0], [1, 0], [1, 1], [0, 1]], [[1e6, 1e6 / 3]] * 7],
        ids=["coincident", "one", "square", "far"],
    )
    def test_not_unique(self, points):
        points = torch.tensor(points, dtype=D, requires_grad=True)
        line, valid = fit_line(points, return_valid=True)
        assert not valid and line[:2].norm().item() == pytest.approx(1)
        centre = points.detach().mean(0)
        assert (line[:2] @ centre + line[2]).abs().item() < 1e-9
        # The normal is a constant, and the line follows the centre.
        (grad,) = torch.autograd.grad(line.sum(), points)
        torch.testing.assert_close(grad, -line[:2].detach().expand_as(grad) / len(points))

    def test_no_points(self):
        line, valid = fit_line(torch.zeros(4, 0, 2), return_valid=True)
        assert line.shape == (4, 3) and line.isfinite().all() and not valid.any()
        assert fit_line(torch.zeros(0, 5, 2)).shape == (0, 3)

    def test_all_weights_zero(self):
        points, w = normal(5, 2).requires_grad_(), torch.zeros(5, dtype=D, requires_grad=True)
        line, valid = fit_line(points, weights=w, return_valid=True)
        assert not valid and line.isfinite().all()
        assert all(g.isfinite().all() for g in torch.autograd.grad(line.sum(), (points, w)))

    def test_points_without_weight_do_not_count(self):
        points = torch.cat([along(0.7, 2) + 0.1 * normal(6, 2), torch.tensor([[NAN, 0], [1e6, -1e6]], dtype=D)])
        w = torch.ones(8, dtype=D)
        w[6:] = 0
        points.requires_grad_(), w.requires_grad_()
        line, valid = fit_line(points, weights=w, return_valid=True)
        assert valid
        torch.testing.assert_close(line, fit_line(points[:6]))
        grads = torch.autograd.grad(line.sum(), (points, w))
        assert all(g.isfinite().all() for g in grads) and (grads[0][6:] == 0).all() and grads[1][6] == 0

    def test_gradient_to_a_weight_of_zero(self):
        points = along(0.7, 2, 7) + normal(7, 2)
        w = torch.tensor([1.0, 2, 1, 0, 1, 1, 1], dtype=D, requires_grad=True)
        (grad,) = torch.autograd.grad(fit_line(points, weights=w).sum(), w)
        step = torch.zeros(7, dtype=D)
        step[3] = 1e-6
        with torch.no_grad():
            slope = (fit_line(points, weights=w + step).sum() - fit_line(points, weights=w).sum()) / 1e-6
        assert grad[3].item() == pytest.approx(slope.item(), rel=1e-4)

    def test_nan_is_alone(self):
        points = normal(3, 5, 2)
        whole = fit_line(points)
        points[1, 2, 0] = NAN
        points.requires_grad_()
        line, valid = fit_line(points, return_valid=True)
        assert valid.tolist() == [True, False, True] and line[1].isnan().all()
        torch.testing.assert_close(line[::2], whole[::2])
        (grad,) = torch.autograd.grad(line.nansum(), points)
        assert grad.isfinite().all() and (grad[1] == 0).all()

    def test_errors(self):
        with pytest.raises(ValueError, match=r"fit_line: points must be of shape \(\*batch, n, 2\)"):
            fit_line(torch.zeros(5, 3))
        with pytest.raises(ValueError, match=r"fit_line: weights must be of shape \(\*batch, 5\)"):
            fit_line(torch.zeros(5, 2), weights=torch.ones(4))


class TestLineThrough:
    def test_is_the_cross_product(self):
        p, q = normal(9, 2), normal(9, 2, seed=1)
        ones = np.ones((9, 1))
        expected = np.cross(np.concatenate([p, ones], 1), np.concatenate([q, ones], 1))
        expected /= np.linalg.norm(expected[:, :2], axis=1, keepdims=True)
        np.testing.assert_allclose(line_through(p, q), expected, atol=1e-12)

    def test_the_normal_points_right_on_the_screen(self):
        up = line_through(torch.tensor([1.0, 9.0]), torch.tensor([1.0, 0.0]))
        assert up.tolist() == [1, 0, -1]

    def test_coincident(self):
        p, q = (torch.ones(2, dtype=D, requires_grad=True) for _ in range(2))
        line, valid = line_through(p, q, return_valid=True)
        assert not valid and line.tolist() == [0, 0, 0]
        assert all((g == 0).all() for g in torch.autograd.grad(line.sum(), (p, q)))

    def test_gradients(self):
        gradcheck(
            line_through, (normal(3, 2).requires_grad_(), normal(3, 2, seed=1).requires_grad_()), check_forward_ad=True
        )


class TestLineIntersection:
    def test_is_numpys_solution(self):
        a, b = normal(9, 3), normal(9, 3, seed=1)
        point, valid = line_intersection(a, b, return_valid=True)
        system = np.stack([a[:, :2], b[:, :2]], 1)
        expected = np.linalg.solve(system, -np.stack([a[:, 2:], b[:, 2:]], 1))[..., 0]
        np.testing.assert_allclose(point, expected, rtol=1e-10)
        assert valid.all()

    @pytest.mark.parametrize("other", [[2.0, 4, 5], [2.0, 4, 6], [0.0, 0, 0]], ids=["parallel", "equal", "none"])
    def test_do_not_cross(self, other):
        a, b = (torch.tensor(v, dtype=D, requires_grad=True) for v in ([1.0, 2, 3], other))
        point, valid = line_intersection(a, b, return_valid=True)
        assert not valid and point.isfinite().all()
        assert all(g.isfinite().all() for g in torch.autograd.grad(point.sum(), (a, b)))

    def test_gradients(self):
        gradcheck(
            line_intersection,
            (normal(3, 3).requires_grad_(), normal(3, 3, seed=1).requires_grad_()),
            check_forward_ad=True,
        )


class TestPointLineDistance:
    def test_is_numpys(self):
        points, line = normal(4, 7, 2), normal(4, 3, seed=1)
        signed = np.einsum("bni,bi->bn", points, line[:, :2]) + line[:, 2:].numpy()
        signed /= np.linalg.norm(line[:, :2], axis=1, keepdims=True)
        np.testing.assert_allclose(point_line_distance(points, line, signed=True), signed, atol=1e-12)
        np.testing.assert_allclose(point_line_distance(points, line), np.abs(signed), atol=1e-12)

    def test_of_the_points_of_a_fit(self):
        assert point_line_distance(along(0.7, 2), fit_line(along(0.7, 2))).max() < 1e-12

    def test_on_the_line_and_without_one(self):
        for line in ([1.0, 1, -2], [0.0, 0, 1]):
            points = torch.ones(1, 2, dtype=D, requires_grad=True)
            line = torch.tensor(line, dtype=D, requires_grad=True)
            distance = point_line_distance(points, line)
            assert distance.item() == 0
            assert all((g == 0).all() for g in torch.autograd.grad(distance.sum(), (points, line)))

    def test_gradients(self):
        given = (normal(4, 2).requires_grad_(), normal(3, seed=1).requires_grad_())
        gradcheck(point_line_distance, given, check_forward_ad=True)
