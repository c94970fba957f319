"""The soft census loss, against ARFlow's formula in NumPy."""

import sys

import numpy as np
import pytest
import torch
from skimage import data

from visionops.geometry import losses
from visionops.testing import saved_bytes

D = torch.float64


def photos(n=2, size=(18, 21), dtype=D):
    """Returns parts of a photo and those a pixel beside, (n, 3, h, w)."""
    photo = torch.from_numpy(data.astronaut()[100:160, 140:260] / 255).permute(2, 0, 1)
    h, w = size
    parts = [[photo[:, 9 * k : 9 * k + h, 11 * k + d : 11 * k + d + w] for k in range(n)] for d in (0, 1)]
    return tuple(torch.stack(p).to(dtype) for p in parts)


def patches(image, radius):
    """Returns the grey levels (window, n, h - 2r, w - 2r) around pixels, less their own, as soft signs."""
    image = image.double().numpy()
    grey = (
        255 * (np.array([0.299, 0.587, 0.114])[:, None, None] * image).sum(1)
        if image.shape[1] == 3
        else 255 * image[:, 0]
    )
    views = np.lib.stride_tricks.sliding_window_view(grey, (2 * radius + 1,) * 2, axis=(1, 2))
    around = np.moveaxis(views.reshape(*views.shape[:3], -1), -1, 0)
    v = around - grey[:, radius:-radius, radius:-radius]
    return v / np.sqrt(0.81 + v**2)


def distances(x, y, radius):
    d = (patches(x, radius) - patches(y, radius)) ** 2
    return d / (0.1 + d)


class TestCensus:
    @pytest.mark.parametrize("window_size", [3, 7])
    @pytest.mark.parametrize(("dtype", "tolerance"), [(D, 1e-10), (torch.float32, 1e-4)])
    def test_is_arflows(self, window_size, dtype, tolerance):
        # A step of 1e-7 in a grey level is one of 3e-5 in a sign.
        x, y = photos(dtype=dtype)
        r = window_size // 2
        wanted = distances(x, y, r).mean(0)
        out = losses.census(x, y, window_size=window_size, reduction="none")
        np.testing.assert_allclose(out[:, 0, r:-r, r:-r], wanted, atol=tolerance)
        inside = torch.zeros(18, 21, dtype=torch.bool)
        inside[r:-r, r:-r] = True
        assert out.shape == (2, 1, 18, 21) and not out[..., ~inside].any()
        mean = losses.census(x, y, window_size=window_size).item()
        assert mean == pytest.approx(wanted.mean(), abs=tolerance) and 0.05 < mean < 0.9

    def test_grey_images(self):
        x, y = (t[:, 1:2] for t in photos())
        assert losses.census(x, y).item() == pytest.approx(distances(x, y, 3).mean())

    def test_no_exposure_counts(self):
        x, _ = photos()
        assert losses.census(x, x).item() == 0
        # Up to the grey level where signs are soft.
        worse = losses.census(1 - x, x).item()
        assert losses.census(0.5 * x + 0.3, x).item() < 0.2 < 0.8 < worse

    def test_neighbours_that_are_masked_are_not_asked(self):
        x, y = photos()
        mask = torch.rand(2, 1, 18, 21, generator=torch.Generator().manual_seed(0)) < 0.8
        views = np.lib.stride_tricks.sliding_window_view(mask[:, 0].numpy(), (7, 7), axis=(1, 2))
        counts = np.moveaxis(views.reshape(*views.shape[:3], -1), -1, 0)
        wanted = (distances(x, y, 3) * counts).sum(0) / np.maximum(counts.sum(0), 1)
        inner = mask[:, 0, 3:-3, 3:-3].numpy()
        dirty = [torch.where(mask, t, torch.nan).requires_grad_() for t in (x, y)]
        out = losses.census(*dirty, mask=mask, reduction="none")
        np.testing.assert_allclose(out[:, 0, 3:-3, 3:-3].detach(), np.where(inner, wanted, 0), atol=1e-11)
        loss = losses.census(*dirty, mask=mask)
        assert loss.item() == pytest.approx(wanted[inner].mean())
        loss.backward()
        assert all(t.grad.isfinite().all() and not (t.grad * ~mask).any() and t.grad.any() for t in dirty)

    def test_weights(self):
        x, y = photos()
        weight = torch.rand(2, 1, 18, 21, generator=torch.Generator().manual_seed(1), dtype=D)
        inner = weight[:, 0, 3:-3, 3:-3].numpy()
        wanted = (distances(x, y, 3).mean(0) * inner).sum() / inner.sum()
        assert losses.census(x, y, weight=weight).item() == pytest.approx(wanted)

    @pytest.mark.parametrize("masked", [False, True])
    def test_gradients(self, masked, monkeypatch):
        monkeypatch.setattr(sys.modules["visionops.losses.blocks"], "BLOCK", 1)  # a sample at a time
        # Noise of a tenth of a grey level: a photo's edges are flat in this loss.
        generator = torch.Generator().manual_seed(0)
        x, y = (0.5 + 0.01 * torch.rand(2, 1, 7, 6, generator=generator, dtype=D) for _ in range(2))
        weight = torch.rand(2, 1, 7, 6, generator=generator, dtype=D)
        leaves = tuple(t.requires_grad_() for t in (x, y, weight))
        mask = torch.rand(2, 1, 7, 6, generator=generator) < 0.8 if masked else None

        def loss(x, y, weight):
            return losses.census(x, y, window_size=5, mask=mask, weight=weight, reduction="none")

        assert torch.autograd.gradcheck(loss, leaves)
        assert torch.autograd.gradgradcheck(loss, leaves, fast_mode=True)
        only = tuple(t.detach().requires_grad_(k == 1) for k, t in enumerate(leaves))
        assert torch.autograd.gradcheck(loss, only)

    def test_little_is_kept(self):
        x, y = photos(2, (40, 50), torch.float32)
        leaf = x.requires_grad_()
        assert sum(saved_bytes(lambda: losses.census(leaf, y))) < 4.1 / 3 * 4 * x.numel()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"window_size": 4}, "census: window_size must be odd and above 1, got 4"),
            ({"window_size": 9}, "census: image must be of at least 9x9 pixels"),
            (
                {"image": torch.zeros(2, 8, 8), "target": torch.zeros(2, 8, 8)},
                "census: image must be of 1 or 3 channels",
            ),
            ({"target": torch.zeros(3, 8, 9)}, "census: target must be of the shape and dtype of image"),
            ({"mask": torch.ones(8, 8)}, "census: mask must be boolean"),
        ],
        ids=range(5),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.census(**({"image": torch.zeros(3, 8, 8), "target": torch.zeros(3, 8, 8)} | options))
