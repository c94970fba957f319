"""Homographies against OpenCV, NumPy's SVD and finite differences."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.projective import (
    decompose_homography,
    find_homography,
    find_homography_lines,
    get_perspective_transform,
    homography_from_pose,
    refine_homography,
    symmetric_transfer_error,
    transfer_error,
)

from .gradients import strict

TILT = np.array([[0.9, -0.2, 30.0], [0.1, 1.1, -20.0], [5e-4, -3e-4, 1.0]])
SQUARE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)


def scene(n, noise=0.0, seed=0, matrix=TILT):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 500, (n, 2))
    q = cv2.perspectiveTransform(p[None], matrix)[0]
    return torch.from_numpy(p), torch.from_numpy(q + noise * rng.normal(size=q.shape))


class TestGetPerspectiveTransform:
    @pytest.mark.parametrize("seed", range(5))
    def test_is_opencvs(self, seed):
        rng = np.random.default_rng(seed)
        corners = np.array([[0, 0], [400, 0], [400, 300], [0, 300]], np.float32)
        target = corners + rng.uniform(-80, 80, (4, 2)).astype(np.float32)
        expected = cv2.getPerspectiveTransform(corners, target)
        h = get_perspective_transform(torch.from_numpy(corners).double(), torch.from_numpy(target).double())
        np.testing.assert_allclose(h.numpy(), expected, atol=1e-9 * np.abs(expected).max())
        single = get_perspective_transform(torch.from_numpy(corners), torch.from_numpy(target))
        assert single.dtype == torch.float32
        np.testing.assert_allclose(single.numpy(), expected, rtol=1e-5, atol=1e-5)

    def test_gradients_hold_on_the_unit_square(self):
        strict(get_perspective_transform, SQUARE, SQUARE)
        strict(get_perspective_transform, SQUARE, 2 * SQUARE + torch.tensor([[0, 0], [0.1, 0], [0.3, 0.2], [0, 0.4]]))

    @pytest.mark.parametrize("moved", [0, 1, 2, 3])
    def test_three_in_a_line_are_not_valid(self, moved):
        bent = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 3.0]], dtype=torch.float64).roll(moved, 0)
        for pair in ((bent, SQUARE), (SQUARE, bent)):
            points = [p.clone().requires_grad_() for p in pair]
            h, valid = get_perspective_transform(*points, return_valid=True)
            assert not valid and h.isfinite().all()
            assert all((g == 0).all() for g in torch.autograd.grad(h.sum(), points))

    def test_h33_near_0_has_norm_1(self):
        turn = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
        far = torch.tensor([[1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
        target = torch.from_numpy(cv2.perspectiveTransform(far.numpy()[None], turn)[0])
        h = get_perspective_transform(far, target)
        assert h[2, 2].abs() < 1e-9
        torch.testing.assert_close(h.norm(), torch.ones_like(h[0, 0]))
        assert transfer_error(h, far, target).max() < 1e-20

    def test_refuses_five_points(self):
        with pytest.raises(
            ValueError, match=r"get_perspective_transform: source must be of shape \(\*batch, 4, 2\), got"
        ):
            get_perspective_transform(torch.zeros(5, 2), torch.zeros(5, 2))
        with pytest.raises(ValueError, match=r"get_perspective_transform: target must be"):
            get_perspective_transform(SQUARE, torch.zeros(4, 3))


class TestFindHomography:
    @pytest.mark.parametrize("n", [4, 5, 8, 100])
    def test_finds_the_exact_one(self, n):
        p, q = scene(n)
        h, valid = find_homography(p, q, return_valid=True)
        assert valid
        np.testing.assert_allclose(h.numpy(), TILT, atol=1e-9, rtol=1e-8)
        single = find_homography(p.float(), q.float())
        assert transfer_error(single.double(), p, q).max().sqrt() < 1e-3

    def test_is_the_null_vector_of_numpys_svd(self):
        p, q = scene(20, noise=2.0)
        weights = torch.rand(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
        h = find_homography(p, q, weights=weights).numpy()
        np.testing.assert_allclose(h, direct(p.numpy(), q.numpy(), weights.numpy()), rtol=1e-8, atol=1e-10)

    def test_weights_are_repetitions(self):
        p, q = scene(10, noise=2.0)
        twice = find_homography(torch.cat([p, p[:3]]), torch.cat([q, q[:3]]))
        weights = torch.tensor([2.0] * 3 + [1.0] * 7, dtype=torch.float64)
        torch.testing.assert_close(find_homography(p, q, weights=weights), twice)

    def test_points_of_weight_0_do_not_enter(self):
        p, q = scene(10, noise=2.0)
        expected = find_homography(p, q)
        more, other = torch.cat([p, torch.full((2, 2), float("nan"))]), torch.cat([q, torch.full((2, 2), 1e30)])
        leaves = [more.requires_grad_(), other.requires_grad_()]
        weights = torch.tensor([1.0] * 10 + [0.0] * 2, dtype=torch.float64, requires_grad=True)
        h, valid = find_homography(*leaves, weights=weights, return_valid=True)
        assert valid
        torch.testing.assert_close(h, expected)
        grads = torch.autograd.grad(h.sum(), [*leaves, weights])
        assert all(g.isfinite().all() and (g[10:] == 0).all() for g in grads)

    @pytest.mark.parametrize("noise", [0.0, 0.05])
    @pytest.mark.parametrize("n", [4, 5, 9])
    def test_gradients(self, n, noise):
        p, q = scene(n, matrix=np.array([[0.9, -0.2, 0.3], [0.1, 1.1, -0.2], [5e-4, -3e-4, 1.0]]))
        p, q = p / 250, q / 250
        q = q + noise * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        weights = torch.linspace(0.5, 2, n, dtype=torch.float64)
        strict(lambda p, q, w: find_homography(p, q, weights=w), p, q, weights)

    def test_gradients_on_the_unit_square(self):
        strict(find_homography, SQUARE, SQUARE)
        middle = torch.cat([SQUARE, torch.tensor([[0.5, 0.5], [0.25, 0.5]], dtype=torch.float64)])
        strict(find_homography, middle, middle)

    @pytest.mark.parametrize("which", ["coincident", "collinear", "three apart", "no weight"])
    def test_degenerate(self, which):
        points = {
            "coincident": torch.ones(6, 2),
            "collinear": torch.arange(6.0)[:, None] * torch.tensor([1.0, 2.0]),
            "three apart": torch.cat(
                [torch.arange(5.0)[:, None] * torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 0.0]])]
            ),
            "no weight": torch.randn(6, 2, generator=torch.Generator().manual_seed(0)),
        }[which].double()
        weights = torch.full((6,), 0.0 if which == "no weight" else 1.0, dtype=torch.float64)
        leaves = [points.clone().requires_grad_(), points.clone().requires_grad_(), weights.requires_grad_()]
        h, valid = find_homography(leaves[0], leaves[1], weights=leaves[2], return_valid=True)
        assert not valid and h.isfinite().all()
        assert all((g == 0).all() for g in torch.autograd.grad(h.sum(), leaves))

    def test_a_plane_made_a_line_is_not_valid(self):
        p, _ = scene(8)
        line = p[:, :1] * torch.tensor([[1.0, 2.0]], dtype=torch.float64)
        assert not find_homography(p, line, return_valid=True)[1]

    def test_nan_stays_in_its_sample(self):
        p, q = (torch.stack([x] * 3) for x in scene(8, noise=1.0))
        expected = find_homography(p, q)
        p[1, 2, 0] = float("nan")
        p.requires_grad_()
        h, valid = find_homography(p, q, return_valid=True)
        assert valid.tolist() == [True, False, True] and h[1].isnan().all()
        torch.testing.assert_close(h[::2], expected[::2], rtol=1e-10, atol=1e-12)
        (g,) = torch.autograd.grad(h[::2].sum(), p)
        assert g.isfinite().all() and (g[1] == 0).all()

    def test_batches_broadcast(self):
        p, q = scene(8, noise=1.0)
        h = find_homography(p, torch.stack([q, q + 5]).reshape(2, 1, 8, 2), weights=torch.ones(3, 8).double().mul(2))
        assert h.shape == (2, 3, 3, 3)
        torch.testing.assert_close(h[1, 2], find_homography(p, q + 5))

    def test_refuses(self):
        with pytest.raises(ValueError, match="find_homography: points1 must be at least 4 points, got"):
            find_homography(torch.zeros(3, 2), torch.zeros(3, 2))
        with pytest.raises(ValueError, match="find_homography: points2 must be 4 points, got 5"):
            find_homography(torch.zeros(4, 2), torch.zeros(5, 2))
        with pytest.raises(ValueError, match=r"find_homography: weights must be of shape \(\*batch, 4\)"):
            find_homography(torch.zeros(4, 2), torch.zeros(4, 2), weights=torch.ones(3))
        with pytest.raises(ValueError, match="find_homography: points1 must be floating"):
            find_homography(torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, 2))


def direct(p, q, weights):
    """The normalised direct linear transform by NumPy's SVD, with H33 = 1."""

    def normalized(x):
        c = (weights[:, None] * x).sum(0) / weights.sum()
        s = np.sqrt(2 / ((weights[:, None] * (x - c) ** 2).sum() / weights.sum()))
        t = np.array([[s, 0, -s * c[0]], [0, s, -s * c[1]], [0, 0, 1]])
        return np.c_[(x - c) * s, np.ones(len(x))], t

    (a, t1), (b, t2) = normalized(p), normalized(q)
    rows = []
    for x, y, w in zip(a, b, np.sqrt(weights), strict=True):
        rows += [w * np.r_[x, 0, 0, 0, -y[0] * x], w * np.r_[0, 0, 0, x, -y[1] * x]]
    h = np.linalg.inv(t2) @ np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3) @ t1
    return h / h[2, 2]


class TestFindHomographyLines:
    def lines(self, noise=0.0):
        p, q = scene(16, noise)
        return p.reshape(8, 2, 2), q.reshape(8, 2, 2)

    def test_finds_the_exact_one_from_other_ends(self):
        a, b = self.lines()
        slid = b[:, :1] + (b[:, 1:] - b[:, :1]) * torch.tensor([[0.2], [3.0]], dtype=torch.float64)
        h, valid = find_homography_lines(a, slid, return_valid=True)
        assert valid
        np.testing.assert_allclose(h.numpy(), TILT, atol=1e-8, rtol=1e-7)

    def test_gradients(self):
        a, b = (x / 250 for x in self.lines())
        strict(find_homography_lines, a, b)
        strict(find_homography_lines, a, b + 0.02 * torch.randn(8, 2, 2, generator=torch.Generator().manual_seed(0)))

    def test_weights(self):
        a, b = self.lines(noise=1.0)
        weights = torch.tensor([2.0] + [1.0] * 7, dtype=torch.float64)
        twice = find_homography_lines(torch.cat([a, a[:1]]), torch.cat([b, b[:1]]))
        torch.testing.assert_close(find_homography_lines(a, b, weights=weights), twice)
        b[0] = float("nan")
        weights[0] = 0
        torch.testing.assert_close(find_homography_lines(a, b, weights=weights), find_homography_lines(a[1:], b[1:]))

    def test_segments_of_no_length_do_not_count(self):
        a, b = self.lines(noise=1.0)
        short = b.clone()
        short[0, 1] = short[0, 0]
        expected = find_homography_lines(a[1:], b[1:])
        # The points still take part in the normalisation, which changes inexact fits a little.
        assert transfer_error(find_homography_lines(a, short), a[:, 0], b[:, 0])[1:].max() < 100
        assert find_homography_lines(a, short, return_valid=True)[1] and expected.isfinite().all()

    def test_refuses(self):
        with pytest.raises(ValueError, match=r"find_homography_lines: lines2 must be of shape \(\*batch, n, 2, 2\)"):
            find_homography_lines(torch.zeros(4, 2, 2), torch.zeros(3, 2, 2))


class TestRefineHomography:
    def test_is_the_minimum_that_opencv_finds(self):
        p, q = scene(40, noise=2.0)
        expected, _ = cv2.findHomography(p.numpy(), q.numpy(), 0)
        h, valid = refine_homography(find_homography(p, q), p, q, return_valid=True)
        ours, theirs = (transfer_error(torch.as_tensor(m), p, q).sum().item() for m in (h, expected))
        assert valid and ours <= theirs * (1 + 1e-9)
        np.testing.assert_allclose(h.numpy(), expected, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_gradients(self, noise):
        p, q = (x / 250 for x in scene(7))
        q = q + noise * torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        weights = torch.linspace(0.5, 2, 7, dtype=torch.float64)
        start = find_homography(p, q)
        strict(lambda p, q, w: refine_homography(start, p, q, weights=w), p, q, weights)

    def test_grad_none_and_unroll(self):
        p, q = (x / 250 for x in scene(7, noise=2.0))
        start = find_homography(p, q)
        q.requires_grad_()
        assert not refine_homography(start, p, q, grad="none").detach().isnan().any()
        exact, unrolled = (
            torch.autograd.grad(refine_homography(start, p, q, grad=g).sum(), q)[0] for g in ("implicit", "unroll")
        )
        torch.testing.assert_close(exact, unrolled, rtol=1e-4, atol=1e-4)
        with pytest.raises(ValueError, match="grad must be one of those known, got 'newton'"):
            refine_homography(start, p, q, grad="newton")


class TestErrors:
    def test_is_the_distance_after_opencvs_transform(self):
        p, q = scene(9, noise=3.0)
        h = torch.from_numpy(TILT)
        forward = ((cv2.perspectiveTransform(p.numpy()[None], TILT)[0] - q.numpy()) ** 2).sum(-1)
        back = ((cv2.perspectiveTransform(q.numpy()[None], np.linalg.inv(TILT))[0] - p.numpy()) ** 2).sum(-1)
        np.testing.assert_allclose(transfer_error(h, p, q).numpy(), forward, rtol=1e-9)
        np.testing.assert_allclose(symmetric_transfer_error(-3 * h, p, q).numpy(), forward + back, rtol=1e-9)

    @pytest.mark.parametrize("function", [transfer_error, symmetric_transfer_error])
    def test_w_0(self, function):
        h = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, -1, 0]], dtype=torch.float64, requires_grad=True)
        error = function(h, torch.tensor([[1.0, 1.0]]).double(), torch.tensor([[0.5, 0.5]]).double())
        assert error.isfinite().all() and error > 1e10
        assert torch.autograd.grad(error.sum(), h)[0].isfinite().all()

    def test_refuses(self):
        with pytest.raises(ValueError, match="transfer_error: homography must be of shape"):
            transfer_error(torch.zeros(2, 3), SQUARE, SQUARE)


K = np.array([[500.0, 2.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])


def pose(seed):
    rng = np.random.default_rng(seed)
    r, _ = cv2.Rodrigues(rng.normal(size=3) * 0.4)
    n = np.array([0.0, 0.0, 1.0]) + 0.5 * rng.normal(size=3)
    return r, rng.normal(size=3) * 0.4, n / np.linalg.norm(n)


class TestDecomposeHomography:
    @pytest.mark.parametrize("seed", range(20))
    def test_has_opencvs_solutions(self, seed):
        r, t, n = pose(seed)
        h = K @ (r + np.outer(t, n)) @ np.linalg.inv(K) * (-2.0 if seed % 2 else 3.0)
        count, rs, ts, ns = cv2.decomposeHomographyMat(h, K)
        motions = decompose_homography(torch.from_numpy(h), torch.from_numpy(K))
        assert count == 4 and motions.valid.all()
        ours = np.concatenate([motions.R.reshape(4, 9), motions.t, motions.n], -1)
        theirs = np.array([np.r_[a.ravel(), b.ravel(), c.ravel()] for a, b, c in zip(rs, ts, ns, strict=True)])
        distance = np.abs(ours[:, None] - theirs[None]).max(-1)
        assert (distance.min(0) < 1e-6).all() and (distance.min(1) < 1e-6).all()
        truth = np.r_[r.ravel(), t, n]
        assert np.abs(ours - truth).max(-1).min() < 1e-9
        assert (motions.n[::2, 2] >= 0).all()

    @pytest.mark.parametrize("seed", range(3))
    def test_gradients_on_exact_and_other_homographies(self, seed):
        r, t, n = pose(seed)
        h = torch.from_numpy(r + np.outer(t, n))
        strict(lambda h: decompose_homography(h)[:3], h)
        noise = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        k = torch.tensor([[2.0, 0.1, 0.3], [0.0, 1.9, -0.2], [0.0, 0.0, 1.0]], dtype=torch.float64)
        strict(lambda h, k: decompose_homography(h, k)[:3], h + 0.1 * noise, k)

    def test_a_rotation_has_one_solution(self):
        r = torch.from_numpy(pose(0)[0]).requires_grad_()
        motions = decompose_homography(2 * r)
        assert motions.valid.tolist() == [True, False, False, False]
        torch.testing.assert_close(motions.R[0], r)
        assert (motions.t == 0).all() and (motions.n == 0).all() and (motions.R[1:] == 0).all()
        (g,) = torch.autograd.grad(motions.R.pow(3).sum() + motions.t.sum() + motions.n.sum(), r)
        assert g.isfinite().all()

    def test_along_the_normal_there_are_two(self):
        r, _, n = (torch.from_numpy(x) for x in pose(1))
        t = 0.3 * r @ n
        h = (r + t[:, None] * n).requires_grad_()
        motions = decompose_homography(h)
        assert motions.valid.tolist() == [True, True, False, False]
        torch.testing.assert_close(motions.R[0], r, atol=1e-7, rtol=0)
        torch.testing.assert_close(motions.n[0], n, atol=1e-6, rtol=0)
        torch.testing.assert_close(motions.t[0], t, atol=1e-6, rtol=0)
        assert torch.autograd.grad(sum(x.pow(3).sum() for x in motions[:3]), h)[0].isfinite().all()

    def test_goes_with_homography_from_pose(self):
        r, t, n = (torch.from_numpy(x) for x in pose(2))
        k, k2 = torch.from_numpy(K), torch.from_numpy(K * [[1.1], [1.2], [1.0]])
        h = homography_from_pose(r, t, n, k)
        motions = decompose_homography(h, k)
        for R, t4, n4 in zip(*motions[:3], strict=True):
            torch.testing.assert_close(homography_from_pose(R, t4, n4, k), h, rtol=1e-7, atol=1e-7)
        # A point of the plane, in both views.
        point = torch.tensor([0.3, -0.2, 0.0], dtype=torch.float64)
        point = point - n * (point @ n - 1)
        first, second = k @ point, k2 @ (r @ point + t)
        mapped = homography_from_pose(r, t, n, k, k2) @ first
        torch.testing.assert_close(mapped / mapped[2], second / second[2])

    def test_refuses(self):
        with pytest.raises(ValueError, match="decompose_homography: K must be of shape"):
            decompose_homography(torch.eye(3), torch.eye(4))
