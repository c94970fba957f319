"""Mutual information against SciPy's B-splines and scikit-learn's and scikit-image's hard bins."""

import itertools

import numpy as np
import pytest
import scipy.interpolate
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses

BOTH = {
    "mutual_information": losses.mutual_information,
    "normalized_mutual_information": losses.normalized_mutual_information,
}


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shares(x, bins, low=0.0, high=1.0):
    """Returns (pixels, bins): SciPy's cubic B-spline of the distance to a bin's centre; the outer bins take what is beyond."""
    spline = scipy.interpolate.BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    at = (np.clip(x, low, high).ravel() - low) / (high - low) * bins - 0.5
    each = np.nan_to_num(spline(at[:, None] - np.arange(-3, bins + 3)))
    return np.concatenate([each[:, :4].sum(1, keepdims=True), each[:, 4:-4], each[:, -4:].sum(1, keepdims=True)], 1)


def entropies(x, y, weight, bins, **ends):
    joint = (shares(x, bins, **ends) * weight.ravel()[:, None]).T @ shares(y, bins, **ends)
    joint /= joint.sum()
    entropy = lambda p: -(p[p > 0] * np.log(p[p > 0])).sum()  # noqa: E731
    return entropy(joint.sum(1)), entropy(joint.sum(0)), entropy(joint)


def values(name, x, y, weight=None, bins=8, **ends):
    hx, hy, both = entropies(x.numpy(), y.numpy(), np.ones(x.shape) if weight is None else weight.numpy(), bins, **ends)
    return both - hx - hy if name == "mutual_information" else 2 - (hx + hy) / both


def related(n=1):
    x = noise(n, 1, 20, 21)
    return x, (1 - x) ** 2 + 0.05 * noise(n, 1, 20, 21, seed=1) - 0.1  # some are below 0


@pytest.mark.parametrize("name", BOTH)
class TestBoth:
    def test_is_the_formula_of_scipys_splines(self, name):
        x, y = related(2)
        out = BOTH[name](x, y, bins=8, reduction="none")
        assert out.shape == (2, 1)
        for k in range(2):
            assert out[k, 0].item() == pytest.approx(values(name, x[k], y[k]), rel=1e-9)
        wide = BOTH[name](3 * x, 3 * y, bins=10, range=(-1.0, 4.0))
        expected = np.mean([values(name, 3 * x[k], 3 * y[k], bins=10, low=-1.0, high=4.0) for k in range(2)])
        assert wide.item() == pytest.approx(expected, rel=1e-9)

    def test_masks_and_weights_are_of_pixels(self, name):
        x, y = related()
        weight, mask = noise(20, 21, seed=2), noise(1, 20, 21, seed=3) < 0.6
        dirty = torch.where(mask, x, torch.nan)
        out = BOTH[name](dirty, y, bins=8, mask=mask)
        assert out.item() == pytest.approx(values(name, x[0], y[0], mask[0].double()), rel=1e-9)
        out = BOTH[name](dirty, y, bins=8, mask=mask, weight=weight)
        assert out.item() == pytest.approx(values(name, x[0], y[0], mask[0] * weight), rel=1e-9)
        out = BOTH[name](x, y, bins=8, weight=torch.full((20, 21), 0.3, dtype=torch.float64))
        torch.testing.assert_close(out, BOTH[name](x, y, bins=8))

    def test_does_not_see_brightness_curves(self, name):
        blurred = torch.nn.functional.avg_pool2d(noise(1, 1, 100, 100), 9, 1)
        moved = [
            BOTH[name](blurred[..., :80, :80], (1 - blurred[..., k : 80 + k, :80]) ** 3, bins=16) for k in range(4)
        ]
        assert all(a < b for a, b in itertools.pairwise(moved))

    def test_a_channel_without_pixels_does_not_count(self, name):
        x, y = related(2)
        mask = torch.tensor([True, False]).reshape(2, 1, 1, 1)
        for weight in (None, torch.ones(20, 21, dtype=torch.float64)):
            bad = torch.where(mask, x, torch.nan).requires_grad_()
            loss = BOTH[name](bad, y, bins=8, mask=mask, weight=weight)
            torch.testing.assert_close(loss, BOTH[name](x[:1], y[:1], bins=8))
            (gradient,) = torch.autograd.grad(loss, bad)
            assert gradient.isfinite().all() and not gradient[1].any() and gradient[0].any()

    def test_gradients(self, name):
        x, y = (t.requires_grad_() for t in (0.1 + 0.8 * noise(1, 3, 4), 0.1 + 0.8 * noise(1, 3, 4, seed=1)))
        weight = noise(3, 4, seed=2).requires_grad_()
        mask = torch.ones(3, 4, dtype=torch.bool)
        mask[1, 1] = False
        plain = lambda x, y: BOTH[name](x, y, bins=5, mask=mask)  # noqa: E731
        assert gradcheck(plain, (x, y)) and gradgradcheck(plain, (x, y), atol=1e-4)
        loss = lambda x, y, weight: BOTH[name](x, y, bins=5, mask=mask, weight=weight)  # noqa: E731
        assert gradcheck(loss, (x, y, weight)) and gradgradcheck(loss, (x, y, weight), atol=1e-4)

    def test_flat_and_float32_images_are_finite(self, name):
        for level in (0.0, 0.3, 1.0):
            x = torch.full((1, 8, 8), level).requires_grad_()
            loss = BOTH[name](x, torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0)), bins=8)
            loss.backward()
            assert loss.isfinite() and x.grad.isfinite().all()

    def test_refusals(self, name):
        x = torch.zeros(1, 3, 3)
        with pytest.raises(ValueError, match=f"{name}: bins must be an integer of at least 4, got 3"):
            BOTH[name](x, x, bins=3)
        with pytest.raises(ValueError, match=rf"{name}: range must be \(low, high\) with low < high"):
            BOTH[name](x, x, range=(1.0, 1.0))
        with pytest.raises(ValueError, match=f"{name}: mask must be boolean"):
            BOTH[name](x, x, mask=x)


def test_is_near_that_of_hard_bins():
    metrics = pytest.importorskip("sklearn.metrics")
    skimage = pytest.importorskip("skimage.metrics")
    x = noise(1, 100, 100)
    y = (x + 0.4 * noise(1, 100, 100, seed=1)) / 1.4
    hard = [(t * 12).long().clamp(max=11).flatten().numpy() for t in (x, y)]
    # Windows four bins wide blur the joint histogram, so that less is known.
    wanted = metrics.mutual_info_score(*hard)
    assert 0.7 * wanted < -losses.mutual_information(x, y, bins=12).item() < wanted
    nmi = skimage.normalized_mutual_information(x[0].numpy(), y[0].numpy(), bins=12)
    assert 0.9 * nmi < 2 - losses.normalized_mutual_information(x, y, bins=12).item() < nmi
