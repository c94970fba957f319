"""The normalised Laplacian pyramid against the authors' formula, by SciPy's filters."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.losses import normalized_laplacian_pyramid

D = torch.float64
# Of NLP_dist.m of Laparra et al.: the filters as MATLAB's conv2 takes them.
SIGMAS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
FILTERS = (
    [[0, 0, 0, 0, 0], [0, 0, 0.1011, 0, 0], [0, 0.1493, 0, 0.1460, 0.0072], [0, 0, 0.1015, 0, 0], [0, 0, 0, 0, 0]],
    [[0, 0.0757, 0], [0.1986, 0, 0.1846], [0, 0.0837, 0]],
    [[0, 0.0477, 0], [0.2138, 0, 0.2243], [0, 0.0467, 0]],
    [[0, 0, 0], [0.2503, 0, 0.2616], [0, 0, 0]],
    [[0, 0, 0], [0.2598, 0, 0.2552], [0, 0, 0]],
    [[0, 0, 0], [0.2215, 0, 0.0717], [0, 0, 0]],
)


def pyramid(image, levels):
    """Returns the normalised pyramid, by SciPy's filters."""
    taps = np.outer(*[np.array([0.05, 0.25, 0.4, 0.25, 0.05])] * 2)
    found = []
    for level in range(levels):
        last = level == levels - 1
        if not last:
            small = scipy.ndimage.correlate(image, taps, mode="reflect")[::2, ::2]  # MATLAB's "symmetric"
            padded = np.pad(small, 1, mode="edge")
            spread = np.zeros([2 * n for n in padded.shape])
            spread[::2, ::2] = 4 * padded
            h, w = image.shape
            up = scipy.ndimage.correlate(spread, taps, mode="constant")[2 : 2 + h, 2 : 2 + w]
        band = image if last else image - up
        which = -1 if last else level
        pool = scipy.ndimage.convolve(np.abs(band), np.array(FILTERS[which]), mode="constant")
        found.append(band / (SIGMAS[which] + pool))
        image = small
    return found


class TestLaplacianPyramid:
    @pytest.mark.parametrize(("size", "levels"), [((40, 37), 6), ((17, 20), 6), ((9, 8), 3), ((5, 2), 2)])
    def test_is_the_authors_formula(self, size, levels):
        generator = np.random.default_rng(0)
        x = generator.random((2, *size))
        y = x + 0.1 * generator.normal(size=x.shape)
        out = normalized_laplacian_pyramid(torch.from_numpy(x), torch.from_numpy(y), levels=levels, reduction="none")
        for k in range(2):
            bands = zip(pyramid(x[k], levels), pyramid(y[k], levels), strict=True)
            assert out[k].item() == pytest.approx(np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in bands]), rel=1e-9)
        scaled = normalized_laplacian_pyramid(
            torch.from_numpy(255 * x), torch.from_numpy(255 * y), levels=levels, data_range=255.0, reduction="none"
        )
        torch.testing.assert_close(scaled, out)

    def test_masked_pixels_are_black_and_their_coefficients_do_not_count(self):
        generator = np.random.default_rng(1)
        x, y = generator.random((9, 8)), generator.random((9, 8))
        mask, weight = generator.random((9, 8)) < 0.7, generator.random((9, 8))
        args = [torch.from_numpy(np.where(mask, v, np.nan))[None].requires_grad_() for v in (x, y)]
        loss = normalized_laplacian_pyramid(
            *args, levels=3, mask=torch.from_numpy(mask), weight=torch.from_numpy(weight)
        )
        wanted = []
        for k, (a, b) in enumerate(zip(pyramid(x * mask, 3), pyramid(y * mask, 3), strict=True)):
            portion = (mask * weight)[:: 2**k, :: 2**k]
            wanted.append(np.sqrt(((a - b) ** 2 * portion).sum() / portion.sum()))
        assert loss.item() == pytest.approx(np.mean(wanted), rel=1e-9)
        grads = torch.autograd.grad(loss, args)
        assert all(g.isfinite().all() and not g[0][torch.from_numpy(~mask)].any() for g in grads)

    def test_gradients(self):
        x, y = (
            torch.rand(1, 5, 4, dtype=D, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (0, 1)
        )
        run = lambda x, y: normalized_laplacian_pyramid(x, y, levels=3)  # noqa: E731
        assert gradcheck(run, (x, y), atol=1e-4) and gradgradcheck(run, (x, y), atol=1e-3, rtol=1e-3)
        loss = run(x, x.detach())
        assert loss.item() == 0 and not torch.autograd.grad(loss, x)[0].any()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"levels": 1}, "levels must be an integer of at least 2"),
            ({"levels": 7}, "levels must be at most 6, got 7"),
            ({"levels": 6}, r"prediction must be higher and wider than 16, got \(1, 16, 20\). Ask for fewer levels"),
            ({"levels": 2, "data_range": 0.0}, "data_range must be above 0"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=f"normalized_laplacian_pyramid: {match}"):
            normalized_laplacian_pyramid(torch.zeros(1, 16, 20), torch.zeros(1, 16, 20), **options)
