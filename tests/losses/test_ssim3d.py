"""Structural similarity of volumes, as metric and as loss, against scikit-image."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses, metrics


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("window", ["gaussian", "box"])
def test_is_scikit_images(window):
    metric = pytest.importorskip("skimage.metrics").structural_similarity
    x = noise(1, 13, 15, 14)
    y = 0.8 * x + 0.2 * noise(1, 13, 15, 14, seed=1)
    size = 11 if window == "gaussian" else 5
    mean, full = metric(
        x[0].numpy(), y[0].numpy(), data_range=2.0, gaussian_weights=window == "gaussian", sigma=1.5, full=True,
        use_sample_covariance=False, win_size=size,
    )  # fmt: skip
    options = {"window": window, "window_size": size, "data_range": 2.0}
    assert metrics.ssim3d(x, y, **options).item() == pytest.approx(mean, abs=1e-12)
    r = size // 2
    out = metrics.ssim3d(x, y, reduction="none", **options)
    np.testing.assert_allclose(out[0], full[r:-r, r:-r, r:-r], atol=1e-11)
    torch.testing.assert_close(losses.ssim3d(x, y, **options), 1 - metrics.ssim3d(x, y, **options))


def test_reflect_has_a_window_at_every_voxel():
    x, y = noise(2, 1, 5, 6, 7), noise(2, 1, 5, 6, 7, seed=1)
    out = metrics.ssim3d(x, y, padding="reflect", window="box", window_size=3, reduction="none")
    mean = lambda t: scipy.ndimage.uniform_filter(t.numpy(), (1, 1, 3, 3, 3), mode="mirror")  # noqa: E731
    mx, my, variances, both = mean(x), mean(y), mean(x * x) + mean(y * y), mean(x * y)
    squares = mx**2 + my**2
    wanted = (2 * mx * my + 1e-4) * (2 * (both - mx * my) + 9e-4) / ((squares + 1e-4) * (variances - squares + 9e-4))
    np.testing.assert_allclose(out, wanted, rtol=1e-9)


def test_a_window_counts_if_all_its_voxels_do():
    x, y = noise(2, 3, 7, 8, 9), noise(2, 3, 7, 8, 9, seed=1)
    weight, mask = noise(2, 1, 7, 8, 9, seed=2), torch.ones(2, 1, 7, 8, 9, dtype=torch.bool)
    mask[0, 0, 3, 4, 4] = mask[1, 0, :, 0] = False
    whole = scipy.ndimage.minimum_filter(mask.numpy(), size=(1, 1, 3, 3, 3), mode="nearest")[..., 1:-1, 1:-1, 1:-1]
    full = losses.ssim3d(x, y, window_size=3, reduction="none")
    portion = torch.where(torch.from_numpy(whole), weight[..., 1:-1, 1:-1, 1:-1], 0).expand(full.shape)
    bad = torch.where(mask, x, torch.nan).requires_grad_()
    loss = losses.ssim3d(bad, y, window_size=3, mask=mask, weight=weight)
    torch.testing.assert_close(loss, (full * portion).sum() / portion.sum())
    loss.backward()
    assert bad.grad.isfinite().all() and not bad.grad[~mask.expand(x.shape)].any()


@pytest.mark.parametrize("padding", ["valid", "reflect"])
def test_gradients_of_both_orders(padding):
    x, y = noise(1, 4, 3, 4).requires_grad_(), noise(1, 4, 3, 4, seed=1).requires_grad_()
    loss = lambda x, y: losses.ssim3d(x, y, window_size=3, padding=padding)  # noqa: E731
    assert gradcheck(loss, (x, y)) and gradgradcheck(loss, (x, y), fast_mode=True)


def test_refusals():
    x = torch.zeros(1, 12, 12, 12)
    with pytest.raises(
        ValueError, match=r"ssim3d: image1 must be of shape \(\*batch, c, d, h, w\), got \(12, 12, 12\)"
    ):
        metrics.ssim3d(x[0], x[0])
    with pytest.raises(ValueError, match="ssim3d: prediction must be at least as large as the window of 13x13x13"):
        losses.ssim3d(x, x, window_size=13)
    with pytest.raises(ValueError, match="ssim3d: mask must be boolean"):
        losses.ssim3d(x, x, mask=x)
