"""Losses of depth and of points, against the papers' formulas in NumPy."""

import numpy as np
import pytest
import torch

from visionops.geometry import losses

D = torch.float64


def noise(*shape, seed=0, low=0.0):
    return low + torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def depths(n=3, size=(13, 18)):
    """Returns predictions, targets, and where those are measured."""
    prediction, target = noise(n, 1, *size, low=0.5), noise(n, 1, *size, low=0.5, seed=1)
    return prediction, target, noise(n, 1, *size, seed=2) < 0.7


class TestScaleInvariantDepth:
    @pytest.mark.parametrize("lam", [0.0, 0.5, 0.85, 1.0])
    def test_is_eigens(self, lam):
        p, t, mask = depths()
        for root in (False, True):
            out = losses.scale_invariant_depth(p, t, lam=lam, root=root, mask=mask, reduction="none")
            for k in range(3):
                d = (p[k].log() - t[k].log())[mask[k]].numpy()
                n = len(d)
                wanted = (d**2).sum() / n - lam / n**2 * d.sum() ** 2
                assert out[k].item() == pytest.approx(np.sqrt(wanted) if root else wanted, rel=1e-10)
            mean = losses.scale_invariant_depth(p, t, lam=lam, root=root, mask=mask)
            assert mean.item() == pytest.approx(out.mean().item())

    def test_weights_are_proportions(self):
        p, t, mask = depths()
        w = noise(3, 1, 13, 18, seed=3)
        out = losses.scale_invariant_depth(p, t, weight=w, mask=mask, reduction="none")
        d, share = (p.log() - t.log()).numpy(), np.where(mask, w, 0)
        share = share / share.sum((1, 2, 3), keepdims=True)
        wanted = (share * d**2).sum((1, 2, 3)) - 0.5 * (share * d).sum((1, 2, 3)) ** 2
        np.testing.assert_allclose(out, wanted, rtol=1e-10)

    def test_what_is_not_measured_does_not_count(self):
        p, t, mask = depths()
        mask[1] = False
        wanted = losses.scale_invariant_depth(p, t, mask=mask)
        assert wanted.item() == pytest.approx(losses.scale_invariant_depth(p[::2], t[::2], mask=mask[::2]).item())
        for hole in (0.0, -1.0, torch.nan, torch.inf):
            holed, leaf = torch.where(mask, t, hole), p.clone().requires_grad_()
            loss = losses.scale_invariant_depth(leaf, holed)
            (gradient,) = torch.autograd.grad(loss, leaf)
            assert loss.item() == wanted.item() and not gradient[~mask].any() and gradient.isfinite().all()

    def test_a_scale_is_forgiven(self):
        _, t, _ = depths()
        assert losses.scale_invariant_depth(7 * t, t, lam=1.0).item() == pytest.approx(0, abs=1e-12)
        assert losses.scale_invariant_depth(7 * t, t, lam=0.85).item() == pytest.approx(0.15 * np.log(7) ** 2)
        # In float32 the spread keeps its digits beside a large scale.
        near = (t * (1 + 1e-3 * noise(*t.shape, seed=5))).float()
        exact = losses.scale_invariant_depth(1e4 * near.double(), t.float().double(), lam=1.0).item()
        assert losses.scale_invariant_depth(1e4 * near, t.float(), lam=1.0).item() == pytest.approx(exact, rel=1e-2)

    def test_what_is_0_or_behind_comes_back(self):
        t = torch.ones(1, 1, 4, dtype=D)
        p = torch.tensor([[[0.5, 1e-3, 0.0, -2.0]]], dtype=D).requires_grad_()
        loss = losses.scale_invariant_depth(p, t, lam=0.0)
        (gradient,) = torch.autograd.grad(loss, p)
        d = np.array([np.log(0.5), np.log(1e-3), np.log(1e-3) - 1, np.log(1e-3) - 2001])
        assert loss.item() == pytest.approx((d**2).mean()) and (gradient < 0).all()
        np.testing.assert_allclose(gradient[0, 0], 2 * d / 4 / np.array([0.5, 1e-3, 1e-3, 1e-3]))

    def test_gradients(self):
        p, t, mask = depths(2, (3, 4))
        p, t, w = p.requires_grad_(), t.requires_grad_(), noise(2, 1, 3, 4, seed=3).requires_grad_()
        for root in (False, True):

            def loss(p, t, w, root=root):
                return losses.scale_invariant_depth(p, t, weight=w, mask=mask, root=root)

            assert torch.autograd.gradcheck(loss, (p, t, w))
            assert torch.autograd.gradgradcheck(loss, (p, t, w), fast_mode=True)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"lam": 2.0}, "scale_invariant_depth: lam must be from 0 to 1, got 2.0"),
            ({"min_depth": 0.0}, "min_depth must be above 0"),
            ({"prediction": torch.ones(2, 4, 4)}, r"prediction must be of shape \(\*batch, 1, h, w\)"),
            ({"target": torch.ones(1, 4, 5)}, "target must be of the shape and dtype of prediction"),
        ],
        ids=range(4),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.scale_invariant_depth(
                **({"prediction": torch.ones(1, 4, 4), "target": torch.ones(1, 4, 4)} | options)
            )


def midas(prediction, target, mask, scales=4):
    """Returns the loss of each sample, (n, h, w) in NumPy, as the paper's equation 11 with every 2^k-th pixel."""
    total = np.zeros(len(prediction))
    for k in range(scales):
        p, t, m = (a[:, :: 2**k, :: 2**k] for a in (prediction, target, mask.astype(float)))
        r = m * (p - t)
        x = np.abs(r[:, :, 1:] - r[:, :, :-1]) * m[:, :, 1:] * m[:, :, :-1]
        y = np.abs(r[:, 1:] - r[:, :-1]) * m[:, 1:] * m[:, :-1]
        total += (x.sum((1, 2)) + y.sum((1, 2))) / np.maximum(m.sum((1, 2)), 1)
    return total


class TestGradientMatching:
    def test_is_midass(self):
        p, t, mask = depths()
        arrays = p[:, 0].numpy(), t[:, 0].numpy()
        wanted = midas(*arrays, np.ones((3, 13, 18)))
        np.testing.assert_allclose(losses.gradient_matching(p, t, reduction="none"), wanted, rtol=1e-12)
        mask[1] = False
        wanted = midas(*arrays, mask[:, 0].numpy())
        dirty = torch.where(mask, p, torch.nan).requires_grad_()
        out = losses.gradient_matching(dirty, t, mask=mask, reduction="none")
        np.testing.assert_allclose(out.detach(), wanted, rtol=1e-12)
        mean = losses.gradient_matching(dirty, t, mask=mask)
        assert mean.item() == pytest.approx(wanted[::2].mean())
        mean.backward()
        assert dirty.grad.isfinite().all() and dirty.grad.any() and not dirty.grad[~mask].any()
        one = losses.gradient_matching(p, t, mask=mask, scales=1, reduction="none")
        np.testing.assert_allclose(one, midas(*arrays, mask[:, 0].numpy(), 1), rtol=1e-12)

    def test_weights(self):
        p, t, mask = depths()
        w = torch.where(mask, 2.5, 0.0).to(D)
        torch.testing.assert_close(
            losses.gradient_matching(p, t, weight=w, mask=mask), losses.gradient_matching(p, t, mask=mask)
        )
        w = noise(3, 1, 13, 18, seed=3)
        out = losses.gradient_matching(p, t, weight=w, scales=1, reduction="none")
        r, w = (p - t)[:, 0].numpy(), w[:, 0].numpy()
        x, y = np.abs(np.diff(r, axis=2)) * w[:, :, :-1], np.abs(np.diff(r, axis=1)) * w[:, :-1]
        np.testing.assert_allclose(out, (x.sum((1, 2)) + y.sum((1, 2))) / w.sum((1, 2)), rtol=1e-12)

    def test_constants_cost_nothing(self):
        p, t, _ = depths()
        assert losses.gradient_matching(t + 3, t).item() == pytest.approx(0, abs=1e-12)
        torch.testing.assert_close(losses.gradient_matching(p, t), losses.gradient_matching(p + 3, t))

    def test_gradients(self):
        p, t, mask = depths(2, (5, 6))
        leaves = (p.requires_grad_(), t.requires_grad_())
        assert torch.autograd.gradcheck(lambda p, t: losses.gradient_matching(p, t, scales=3, mask=mask), leaves)

    def test_one_pixel_has_no_slope(self):
        assert losses.gradient_matching(torch.ones(1, 1, 1), torch.zeros(1, 1, 1)).item() == 0

    def test_refusals(self):
        with pytest.raises(ValueError, match="gradient_matching: scales must be an integer of at least 1, got 0"):
            losses.gradient_matching(torch.ones(1, 4, 4), torch.ones(1, 4, 4), scales=0)
        with pytest.raises(ValueError, match=r"gradient_matching: prediction must be of shape \(\*batch, 1, h, w\)"):
            losses.gradient_matching(torch.ones(2, 4, 4), torch.ones(2, 4, 4))


def maps(n=3, size=(5, 6)):
    """Returns predicted points, true ones, confidences, and where points are known."""
    target = noise(n, 3, *size, low=0.5)
    prediction = 0.3 * target + 0.1 * noise(n, 3, *size, seed=1)
    return prediction, target, 1 + noise(n, 1, *size, seed=2).exp(), noise(n, 1, *size, seed=3) < 0.7


def dust3r(x, y, c, mask, alpha, normalize=True):
    """Returns the values at known points of one sample: (3, h, w), (1, h, w)."""
    x, y = (t.numpy().transpose(1, 2, 0)[mask[0].numpy()] for t in (x, y))
    if normalize:
        x, y = (t / np.linalg.norm(t, axis=-1).mean() for t in (x, y))
    c = c[0].numpy()[mask[0].numpy()]
    return c * np.linalg.norm(x - y, axis=-1) - alpha * np.log(c)


class TestPointmapConfidence:
    @pytest.mark.parametrize("normalize", [True, False])
    def test_is_dust3rs(self, normalize):
        x, y, c, mask = maps()
        out = losses.pointmap_confidence(x, y, c, alpha=0.3, normalize=normalize, mask=mask, reduction="none")
        wanted = [dust3r(x[k], y[k], c[k], mask[k], 0.3, normalize) for k in range(3)]
        np.testing.assert_allclose(out[mask], np.concatenate(wanted), rtol=1e-10)
        assert not out[~mask].any()
        mean = losses.pointmap_confidence(x, y, c, alpha=0.3, normalize=normalize, mask=mask)
        assert mean.item() == pytest.approx(np.concatenate(wanted).mean())

    def test_without_confidence_it_is_the_distance(self):
        x, y, _, _ = maps()
        wanted = (x - y).square().sum(1, keepdim=True).sqrt()
        torch.testing.assert_close(losses.pointmap_confidence(x, y, normalize=False, reduction="none"), wanted)
        assert losses.pointmap_confidence(5 * y, y).item() == pytest.approx(0, abs=1e-12)

    def test_the_best_confidence_is_alpha_over_the_distance(self):
        x, y, _, _ = maps()
        c = (0.2 / losses.pointmap_confidence(x, y, reduction="none")).requires_grad_()
        (gradient,) = torch.autograd.grad(losses.pointmap_confidence(x, y, c, alpha=0.2, reduction="sum"), c)
        assert gradient.abs().max() < 1e-12

    def test_what_is_masked_reaches_nothing(self):
        x, y, c, mask = maps()
        mask[1] = False
        dirty = [torch.where(mask, t, torch.nan).requires_grad_() for t in (x, y, c)]
        loss = losses.pointmap_confidence(*dirty, mask=mask)
        wanted = np.concatenate([dust3r(x[k], y[k], c[k], mask[k], 0.2) for k in (0, 2)]).mean()
        assert loss.item() == pytest.approx(wanted)
        loss.backward()
        assert all(t.grad.isfinite().all() and not (t.grad * ~mask).any() and t.grad.any() for t in dirty)

    def test_gradients(self):
        x, y, c, mask = maps(2, (3, 4))
        leaves = tuple(t.requires_grad_() for t in (x, y, c, noise(2, 1, 3, 4, seed=5)))

        def loss(x, y, c, w):
            return losses.pointmap_confidence(x, y, c, mask=mask, weight=w)

        assert torch.autograd.gradcheck(loss, leaves)
        assert torch.autograd.gradgradcheck(loss, leaves, fast_mode=True)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            (
                {"prediction": torch.ones(2, 4, 4)},
                r"pointmap_confidence: prediction must be of shape \(\*batch, 3, h, w\)",
            ),
            ({"target": torch.ones(3, 4, 5)}, "target must be of the shape and dtype of prediction"),
            ({"confidence": torch.ones(3, 4, 4)}, r"confidence must be of shape \(\*batch, 1, h, w\)"),
            ({"confidence": torch.ones(1, 4, 5)}, "confidence must be of the batch, size and dtype of prediction"),
            ({"alpha": -1.0}, "alpha must be at least 0"),
        ],
        ids=range(5),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.pointmap_confidence(**({"prediction": torch.ones(3, 4, 4), "target": torch.ones(3, 4, 4)} | options))
