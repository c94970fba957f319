"""Epipolar losses, against OpenCV's Sampson distance and the distances of points from lines."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import epilines, losses

cv2 = pytest.importorskip("cv2")

D = torch.float64
BOTH = {"sampson": losses.sampson, "symmetric_epipolar": losses.symmetric_epipolar}


def cauchy(squared, scale):
    return 2 * scale**2 * np.log1p(squared / (2 * scale**2))


def matches(n=12, noise=0.5, seed=0, K=((300.0, 0, 160), (0, 300, 120), (0, 0, 1))):
    """Returns F and noisy matches, in pixels."""
    generator = np.random.default_rng(seed)
    x = generator.uniform([-2, -2, 4], [2, 2, 8], (n, 3))
    K = np.array(K)
    R, t = cv2.Rodrigues(np.array([0.1, -0.2, 0.05]))[0], np.array([1.0, 0.2, -0.1])
    seen = [p[:, :2] / p[:, 2:] for p in (x @ K.T, (x @ R.T + t) @ K.T)]
    skew = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    F = np.linalg.inv(K).T @ skew @ R @ np.linalg.inv(K)
    noisy = [p + noise * generator.normal(size=p.shape) for p in seen]
    return tuple(torch.from_numpy(v) for v in (F / np.linalg.norm(F), *noisy))


def oracle(name, F, p1, p2):
    """Returns the squared distance of each match."""
    if name == "sampson":
        h1, h2 = (np.c_[p, np.ones(len(p))] for p in (p1, p2))
        return np.array([cv2.sampsonDistance(a, b, F.numpy()) for a, b in zip(h1, h2, strict=True)])
    lines = [cv2.computeCorrespondEpilines(p.numpy(), k, F.numpy())[:, 0] for p, k in ((p1, 1), (p2, 2))]
    return sum(
        (line[:, 0] * p[:, 0] + line[:, 1] * p[:, 1] + line[:, 2]) ** 2
        for line, p in zip(lines, (p2.numpy(), p1.numpy()), strict=True)
    )


@pytest.mark.parametrize("name", BOTH)
class TestBoth:
    def test_are_opencvs_distances(self, name):
        F, p1, p2 = matches()
        squared = oracle(name, F, p1, p2)
        out = BOTH[name](F, p1, p2, reduction="none")
        np.testing.assert_allclose(out, squared, rtol=1e-9)
        assert BOTH[name](F, p1, p2).item() == pytest.approx(squared.mean(), rel=1e-9)
        np.testing.assert_allclose(BOTH[name](F, p1, p2, kernel="l1", reduction="none"), np.sqrt(squared), rtol=1e-9)

    def test_robust_kernels_are_of_the_squared_distance(self, name):
        F, p1, p2 = matches(noise=3.0)
        squared = oracle(name, F, p1, p2)
        out = BOTH[name](F, p1, p2, kernel="cauchy", scale=2.0, reduction="none")
        np.testing.assert_allclose(out, cauchy(squared, 2.0), rtol=1e-9)

    @pytest.mark.parametrize("kernel", ["l2", "l1", "huber", "geman_mcclure"])
    def test_gradients(self, name, kernel):
        inputs = [x.requires_grad_() for x in matches(3, noise=0.1, K=np.eye(3))]

        def loss(F, p1, p2):
            return BOTH[name](F, p1, p2, kernel=kernel, scale=0.1, reduction="sum")

        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)

    def test_exact_matches_are_0_with_a_finite_gradient(self, name):
        for kernel in ("l2", "l1", "charbonnier"):
            F, p1, p2 = (x.requires_grad_() for x in matches(noise=0.0))
            loss = BOTH[name](F, p1, p2, kernel=kernel)
            assert loss.item() == pytest.approx(0, abs=1e-9)
            assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (F, p1, p2)))

    def test_a_sample_that_is_all_masked_hides_its_matrix(self, name):
        F, p1, p2 = matches()
        good = BOTH[name](F, p1, p2)
        F, p1 = torch.stack([F, torch.full_like(F, torch.nan)]).requires_grad_(), p1.clone().requires_grad_()
        loss = BOTH[name](F, p1, p2, mask=torch.tensor([[True], [False]]))
        torch.testing.assert_close(loss, good)
        grads = torch.autograd.grad(loss, (F, p1))
        assert all(g.isfinite().all() for g in grads) and not grads[0][1].any() and grads[1].any()

    def test_masks_and_weights(self, name):
        F, p1, p2 = matches()
        mask, weight = torch.arange(12) % 3 > 0, torch.arange(12, dtype=D)
        bad = p1.clone()
        bad[~mask] = torch.nan
        bad.requires_grad_()
        values = BOTH[name](F, p1, p2, reduction="none")
        loss = BOTH[name](F, bad, p2, mask=mask)
        torch.testing.assert_close(loss, values[mask].mean())
        (grad,) = torch.autograd.grad(loss, bad)
        assert grad[mask].any(-1).all() and not grad[~mask].any()
        expected = (values * weight)[mask].sum() / weight[mask].sum()
        torch.testing.assert_close(BOTH[name](F, bad, p2, mask=mask, weight=weight), expected)

    def test_a_kernel_resists_outliers(self, name):
        start, p1, p2 = matches(40, noise=1e-3, K=np.eye(3))
        p2[:6] += 0.2
        found = {}
        for kernel in ("l2", "cauchy"):
            F = start.clone().requires_grad_()
            optimiser = torch.optim.LBFGS([F], max_iter=60, line_search_fn="strong_wolfe")

            def step(F=F, kernel=kernel, optimiser=optimiser):
                optimiser.zero_grad()
                loss = 1e4 * BOTH[name](F / F.norm(), p1, p2, kernel=kernel, scale=2e-3)
                loss.backward()
                return loss

            optimiser.step(step)
            distance = BOTH[name](F.detach(), p1[6:], p2[6:], kernel="l1", reduction="none").median()
            found[kernel] = distance.item()
        assert found["cauchy"] < 2e-3 and found["cauchy"] < 0.3 * found["l2"]

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"F": torch.eye(2)}, r": F must be of shape \(\*batch, 3, 3\), got \(2, 2\)"),
            ({"points1": torch.zeros(4, 3)}, r": points1 must be of shape \(\*batch, n, 2\), got \(4, 3\)"),
            ({"points2": torch.zeros(5, 2)}, ": points2 must be 4 points, got 5"),
            (
                {"F": torch.eye(3).expand(2, 3, 3), "points1": torch.zeros(3, 4, 2)},
                r": F must be of a batch that goes with \(3,\)",
            ),
            ({"kernel": "lorentz"}, ": kernel must be"),
            ({"mask": torch.ones(4)}, ": mask must be boolean"),
            ({"weight": torch.ones(3)}, r": weight must be a tensor broadcastable to \(4,\)"),
            ({"reduction": "max"}, ": reduction must be"),
        ],
        ids=range(8),
    )
    def test_refusals(self, name, options, match):
        given = {"F": torch.eye(3), "points1": torch.zeros(4, 2), "points2": torch.zeros(4, 2)}
        with pytest.raises(ValueError, match=name + match):
            BOTH[name](**(given | options))


def test_lines_are_those_of_epilines():
    F, p1, p2 = matches(5)
    line2, line1 = epilines(F, p1), epilines(F, p2, image=2)
    squared = sum((line[:, :2] * p).sum(-1).add(line[:, 2]).square() for line, p in ((line2, p2), (line1, p1)))
    torch.testing.assert_close(losses.symmetric_epipolar(F, p1, p2, reduction="none"), squared)
