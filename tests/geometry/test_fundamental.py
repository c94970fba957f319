"""Fundamental matrices, conversions, lines and distances against OpenCV, NumPy's SVD and finite differences."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.epipolar import (
    epilines,
    epipoles,
    essential_from_fundamental,
    essential_from_pose,
    find_fundamental,
    fundamental_from_essential,
    fundamental_from_projections,
    projections_from_fundamental,
    relative_pose,
    sampson_distance,
    symmetric_epipolar_distance,
)

from .gradients import strict

K = torch.tensor([[500.0, 1.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]]).double()
K2 = torch.tensor([[620.0, 0.0, 300.0], [0.0, 600.0, 260.0], [0.0, 0.0, 1.0]]).double()
R = torch.from_numpy(cv2.Rodrigues(np.array([0.1, -0.3, 0.05]))[0])
T = torch.tensor([1.0, 0.1, -0.3]).double()
SIDE = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]]).double()


def scene(n, noise=0.0, seed=0, flat=False):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.uniform((-2, -2, 4), (2, 2, 9), (n, 3)))
    if flat:
        x[:, 2] = 6 + 0.3 * x[:, 0]
    p, q = x @ K.T, (x @ R.T + T) @ K2.T
    p, q = p[:, :2] / p[:, 2:], q[:, :2] / q[:, 2:]
    return p + noise * torch.from_numpy(rng.normal(size=(n, 2))), q + noise * torch.from_numpy(rng.normal(size=(n, 2)))


def truth():
    f = torch.linalg.inv(K2).T @ essential_from_pose(R, T) @ torch.linalg.inv(K)
    return f / f.norm()


def same(a, b, tolerance=1e-8):
    """Holds matrices to one another up to their sign."""
    a, b = a / a.norm(), torch.as_tensor(b) / torch.as_tensor(b).norm()
    assert min((a - b).abs().max(), (a + b).abs().max()) < tolerance


class TestFindFundamental:
    @pytest.mark.parametrize("n", [8, 9, 50])
    def test_is_the_truth_and_opencvs_on_exact_points(self, n):
        p, q = scene(n)
        f, valid = find_fundamental(p, q, return_valid=True)
        assert valid
        same(f, truth())
        expected, _ = cv2.findFundamentalMat(p.numpy(), q.numpy(), cv2.FM_8POINT)
        same(f, expected, 1e-6)
        torch.testing.assert_close(f.norm(), torch.ones_like(f[0, 0]))
        assert torch.linalg.svdvals(f)[2] < 1e-12
        assert f.flatten()[f.abs().argmax()] > 0
        single = find_fundamental(p.float(), q.float())
        assert single.dtype == torch.float32
        assert sampson_distance(single.double(), p, q).max() < 1e-4

    def test_is_numpys_svd_on_noisy_points(self):
        p, q = scene(30, noise=1.0)
        weights = torch.linspace(0.1, 2, 30).double()
        f = find_fundamental(p, q, weights=weights)
        same(f, direct(p.numpy(), q.numpy(), weights.numpy()))

    def test_points_of_weight_0_do_not_enter(self):
        p, q = scene(12, noise=1.0)
        expected = find_fundamental(p[:9], q[:9])
        p[9:] = float("nan")
        weights = torch.tensor([1.0] * 9 + [0.0] * 3).double().requires_grad_()
        p.requires_grad_()
        f, valid = find_fundamental(p, q, weights=weights, return_valid=True)
        assert valid
        torch.testing.assert_close(f, expected)
        grads = torch.autograd.grad(f.sum(), [p, weights])
        assert all(g.isfinite().all() and (g[9:] == 0).all() for g in grads)

    @pytest.mark.parametrize("noise", [0.0, 1.0])
    @pytest.mark.parametrize("n", [8, 12])
    def test_gradients(self, n, noise):
        p, q = ((x - 300) / 300 for x in scene(n, noise, seed=3))
        strict(lambda p, q, w: find_fundamental(p, q, weights=w), p, q, torch.linspace(0.5, 2, n).double())

    @pytest.mark.parametrize("which", ["a plane", "a rotation", "no motion", "coincident", "few"])
    def test_degenerate(self, which):
        p, q = scene(10, flat=which == "a plane")
        if which == "a rotation":
            far = torch.cat([(p - 300) / 500, torch.ones(10, 1)], -1).double() @ R.T
            p, q = (p - 300) / 500, far[:, :2] / far[:, 2:]
        if which == "no motion":
            q = p.clone()
        if which == "coincident":
            p, q = p[:1].repeat(10, 1), q[:1].repeat(10, 1)
        weights = torch.tensor([1.0] * (5 if which == "few" else 10) + [0.0] * (5 if which == "few" else 0)).double()
        leaves = [p.clone().requires_grad_(), q.clone().requires_grad_(), weights.requires_grad_()]
        f, valid = find_fundamental(leaves[0], leaves[1], weights=leaves[2], return_valid=True)
        assert not valid and f.isfinite().all()
        assert all((g == 0).all() for g in torch.autograd.grad(f.sum(), leaves))
        if which == "few":  # what fits them exactly has rank three
            return
        h1, h2 = (torch.cat([x, torch.ones(10, 1)], -1).double() for x in (p, q))
        assert ((h2 @ f.detach()) * h1).sum(-1).abs().max() < 1e-9

    def test_nan_stays_in_its_sample(self):
        p, q = (torch.stack([x] * 3) for x in scene(9, noise=1.0))
        p[1, 0, 0] = float("inf")
        q.requires_grad_()
        f, valid = find_fundamental(p, q, return_valid=True)
        assert valid.tolist() == [True, False, True] and f[1].isnan().all()
        (g,) = torch.autograd.grad(f.sum(), q)
        assert g.isfinite().all() and (g[1] == 0).all() and (g[0] != 0).any()

    def test_seven_points(self):
        p, q = scene(7)
        matrices, valid = find_fundamental(p, q, method="7point")
        distance = torch.minimum((matrices - truth()).abs().amax((-1, -2)), (matrices + truth()).abs().amax((-1, -2)))
        assert distance[valid].min() < 1e-6

    def test_refuses(self):
        p, q = scene(7)
        with pytest.raises(ValueError, match="find_fundamental: points1 must be at least 8 points"):
            find_fundamental(p, q)
        with pytest.raises(ValueError, match="find_fundamental: method must be one of those known, got '6point'"):
            find_fundamental(p, q, method="6point")
        with pytest.raises(ValueError, match="find_fundamental: weights must be None for '7point'"):
            find_fundamental(p, q, method="7point", weights=torch.ones(7).double())


def direct(p, q, weights):
    """The weighted eight-point algorithm by NumPy's SVD."""

    def normalized(x):
        c = weights @ x / weights.sum()
        s = np.sqrt(2 / ((weights @ ((x - c) ** 2)).sum() / weights.sum()))
        return np.c_[(x - c) * s, np.ones(len(x))], np.array([[s, 0, -s * c[0]], [0, s, -s * c[1]], [0, 0, 1]])

    (a, t1), (b, t2) = normalized(p), normalized(q)
    rows = np.sqrt(weights)[:, None] * (b[:, :, None] * a[:, None, :]).reshape(len(p), 9)
    u, s, vt = np.linalg.svd(np.linalg.svd(rows)[2][-1].reshape(3, 3))
    return t2.T @ (u * [s[0], s[1], 0]) @ vt @ t1


class TestConversions:
    def test_essential_from_pose_is_exact(self):
        e = essential_from_pose(R, T)
        torch.testing.assert_close(torch.linalg.svdvals(e), torch.tensor([1.0, 1.0, 0.0]).double())
        p, q = scene(9)
        h1, h2 = (torch.cat([x, torch.ones(9, 1)], -1).double() for x in (p, q))
        assert ((h2 @ torch.linalg.inv(K2).T @ e) * (h1 @ torch.linalg.inv(K).T)).sum(-1).abs().max() < 1e-13
        strict(essential_from_pose, R, T)
        zero = torch.zeros(3, requires_grad=True)
        out = essential_from_pose(torch.eye(3), zero)
        assert (out == 0).all() and torch.autograd.grad(out[2, 1], zero)[0].tolist() == [1.0, 0.0, 0.0]

    def test_there_and_back(self):
        f = truth()
        e = essential_from_fundamental(-3 * f, K, K2)
        same(e, essential_from_pose(R, T))
        torch.testing.assert_close(e.norm(), torch.tensor(2.0).double().sqrt())
        same(fundamental_from_essential(e, K, K2), f)
        small = [torch.eye(3).double() + 0.1 * K / 600, torch.eye(3).double() + 0.1 * K2 / 600]
        strict(essential_from_fundamental, e, *small)
        strict(fundamental_from_essential, e, *small)

    def test_of_projections(self):
        q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
        world = torch.from_numpy(q * np.linalg.det(q))
        t = torch.tensor([0.3, 0.4, 0.5]).double()
        first = K @ torch.cat([world, t[:, None]], -1)
        second = -2 * K2 @ torch.cat([R @ world, (R @ t + T)[:, None]], -1)
        same(fundamental_from_projections(first, second), truth())
        found = relative_pose(world, t, R @ world, R @ t + T)
        torch.testing.assert_close(found, (R, T))
        plain = torch.eye(3, 4).double()
        torch.testing.assert_close(
            fundamental_from_projections(plain, torch.cat([R, T[:, None]], -1)) * 2**0.5, essential_from_pose(R, T)
        )
        strict(fundamental_from_projections, plain, torch.cat([R, T[:, None]], -1))
        assert fundamental_from_projections(plain, plain).abs().max() == 0

    def test_projections_have_the_fundamental_matrix(self):
        f = truth()
        first, second = projections_from_fundamental(f)
        same(fundamental_from_projections(first, second), f)
        assert first.tolist() == torch.eye(3, 4).tolist()
        assert torch.linalg.svdvals(second)[2] > 1e-6

    def test_epipoles_are_the_other_centre(self):
        e1, e2 = epipoles(truth())
        for e, expected in ((e1, K @ R.T @ T), (e2, K2 @ T)):
            torch.testing.assert_close(e.norm(), torch.tensor(1.0).double())
            assert torch.linalg.cross(e, expected / expected.norm()).norm() < 1e-11
        strict(epipoles, essential_from_pose(R, T))

    def test_refuses(self):
        with pytest.raises(ValueError, match="essential_from_fundamental: K2 must be of shape"):
            essential_from_fundamental(K, K, torch.eye(4))
        with pytest.raises(ValueError, match="fundamental_from_projections: P1 must be of shape"):
            fundamental_from_projections(K, K)


class TestEpilines:
    @pytest.mark.parametrize("image", [1, 2])
    def test_is_opencvs(self, image):
        points = scene(9, noise=1.0)[image - 1]
        expected = cv2.computeCorrespondEpilines(points.numpy()[:, None], image, truth().numpy())[:, 0]
        np.testing.assert_allclose(epilines(truth(), points, image=image).numpy(), expected, rtol=1e-8, atol=1e-10)

    def test_the_epipole_has_none(self):
        f = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).double().requires_grad_()
        line = epilines(f, torch.zeros(1, 2).double())
        assert (line == 0).all() and torch.autograd.grad(line.sum(), f)[0].isfinite().all()

    def test_refuses(self):
        with pytest.raises(ValueError, match="epilines: image must be one of those known, got 0"):
            epilines(truth(), torch.zeros(1, 2).double(), image=0)


class TestDistances:
    def test_sampson_is_opencvs(self):
        p, q = scene(9, noise=3.0)
        expected = [
            cv2.sampsonDistance(np.r_[a, 1.0], np.r_[b, 1.0], truth().numpy())
            for a, b in zip(p.numpy(), q.numpy(), strict=True)
        ]
        np.testing.assert_allclose(sampson_distance(5 * truth(), p, q).numpy(), expected, rtol=1e-8)

    def test_symmetric_is_the_distance_from_both_lines(self):
        p, q = scene(9, noise=3.0)
        expected = 0
        for points, others, image in ((p, q, 1), (q, p, 2)):
            lines = cv2.computeCorrespondEpilines(points.numpy()[:, None], image, truth().numpy())[:, 0]
            expected = expected + (lines * np.c_[others.numpy(), np.ones(9)]).sum(1) ** 2
        np.testing.assert_allclose(symmetric_epipolar_distance(truth(), p, q).numpy(), expected, rtol=1e-8)

    @pytest.mark.parametrize("function", [sampson_distance, symmetric_epipolar_distance])
    def test_gradients(self, function):
        e = essential_from_pose(R, T)
        p, q = ((x - 300) / 500 for x in scene(5, noise=2.0))
        strict(function, e, p, q)
        strict(function, SIDE, p, p + torch.tensor([0.1, 0.0]))  # exact matches: value and gradient are 0
        f = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).double().requires_grad_()
        zero = torch.zeros(1, 2).double().requires_grad_()
        out = function(f, zero, zero)
        assert out.item() == 0 and all((g == 0).all() for g in torch.autograd.grad(out.sum(), [f, zero]))

    def test_refuses(self):
        with pytest.raises(ValueError, match="sampson_distance: points2 must be 4 points, got 5"):
            sampson_distance(SIDE, torch.zeros(4, 2).double(), torch.zeros(5, 2).double())
