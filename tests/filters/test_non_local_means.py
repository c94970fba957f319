"""Non-local means against OpenCV, and against its formula, written out for each pixel."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from visionops.filters import non_local_means

PADS = {"constant": "constant", "replicate": "edge", "reflect": "reflect", "circular": "wrap"}


def photo(c=3, size=(40, 50)):
    return data.astronaut()[50 : 50 + size[0], 200 : 200 + size[1], :c].transpose(2, 0, 1) / 255.0


def reference(image, h, sigma, patch, search, border):
    """Of (c, h, w), pixel by pixel."""
    p, s = patch // 2, search // 2
    around = np.pad(image, ((0, 0), (p + s,) * 2, (p + s,) * 2), PADS[border])
    out = np.empty_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            total, sums = 0.0, 0.0
            own = around[:, y + s : y + s + patch, x + s : x + s + patch]
            for dy in range(search):
                for dx in range(search):
                    other = around[:, y + dy : y + dy + patch, x + dx : x + dx + patch]
                    weight = np.exp(-max(((own - other) ** 2).mean() - 2 * sigma**2, 0) / h**2)
                    total, sums = total + weight, sums + weight * around[:, y + dy + p, x + dx + p]
            out[:, y, x] = sums / total
    return out


class TestNonLocalMeans:
    @pytest.mark.parametrize("c", [1, 3])
    def test_opencv(self, c):
        clean = photo(c, (100, 120)) * 255
        noisy = np.clip(clean + np.random.default_rng(0).normal(0, 20, clean.shape), 0, 255).round().astype(np.uint8)
        for patch, search, h in ((3, 5, 30), (5, 9, 20), (7, 11, 40)):
            want = cv2.fastNlMeansDenoising(noisy.transpose(1, 2, 0).copy(), None, h, patch, search)
            want = want.reshape(100, 120, c).transpose(2, 0, 1).astype(int)
            got = non_local_means(torch.from_numpy(noisy), h=h / 255, patch_size=patch, search_size=search)
            difference = np.abs(got.numpy() - want)
            # OpenCV's weights come from a table, and are 0 below 1e-3: many together are a grey level or two.
            assert difference.max() <= 2 and (difference > 1).mean() < 0.01 and (difference > 0).mean() < 0.05
            assert np.square(got.numpy() - clean).mean() < 0.55 * np.square(noisy - clean).mean()

    @pytest.mark.parametrize("border", PADS)
    def test_formula(self, border):
        image = photo(3, (12, 14))
        for h, sigma, patch, search in ((0.1, 0.0, 3, 5), (0.05, 0.03, 1, 3), (0.2, 0.1, 5, 7), (0.2, 0.0, 3, 1)):
            want = reference(image, h, sigma, patch, search, border)
            options = {"h": h, "sigma": sigma, "patch_size": patch, "search_size": search, "border": border}
            np.testing.assert_allclose(non_local_means(torch.from_numpy(image), **options), want, atol=1e-12)
            got = non_local_means(torch.from_numpy(image).float(), **options)
            # Rounding of means about 2^-24, divided by h^2.
            np.testing.assert_allclose(got, want, atol=4 * 2.0**-24 / h**2)

    def test_bytes_and_a_strength_for_each_sample(self):
        image = torch.from_numpy(np.stack([photo(), photo()[::-1].copy()]))
        h = torch.tensor([0.1, 0.3], dtype=torch.float64)
        want = non_local_means(image, h=h, sigma=np.array([0.0, 0.1]), patch_size=3, search_size=5)
        torch.testing.assert_close(want[1], non_local_means(image[1], h=0.3, sigma=0.1, patch_size=3, search_size=5))
        levels = (image * 255).round().to(torch.uint8)
        got = non_local_means(levels, h=h, sigma=np.array([0.0, 0.1]), patch_size=3, search_size=5)
        assert got.dtype == torch.uint8 and (got - want * 255).abs().max() < 1.1

    @pytest.mark.parametrize("border", ["reflect", "constant"])
    def test_gradient_to_image_h_and_sigma(self, border):
        rng = torch.Generator().manual_seed(2)
        image = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=rng).requires_grad_()
        h, sigma = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.4, 0.9], 0.05))
        options = {"patch_size": 3, "search_size": 5, "border": border}
        torch.autograd.gradcheck(lambda i, a, b: non_local_means(i, h=a, sigma=b, **options), (image, h, sigma))

    @pytest.mark.parametrize("border", PADS)
    def test_gradient_in_single_precision(self, border):
        found = []
        for dtype in (torch.float32, torch.float64):
            image = torch.from_numpy(photo(3, (20, 23)))[None].to(dtype).requires_grad_()
            h, sigma = (torch.tensor(v, dtype=dtype, requires_grad=True) for v in (0.2, 0.03))
            out = non_local_means(image, h=h, sigma=sigma, patch_size=3, search_size=5, border=border)
            found.append(torch.autograd.grad(out.pow(3).sum(), [image, h, sigma]))
        for a, b in zip(*found, strict=True):
            # Differences of means of order 2^-24, divided by h^2.
            torch.testing.assert_close(a.double(), b, rtol=0, atol=2e-5 * float(b.abs().max()))

    def test_a_flat_image_stays(self):
        image = torch.full((1, 3, 12, 12), 0.37, requires_grad=True)
        out = non_local_means(image, h=0.01, patch_size=3, search_size=5)
        assert torch.equal(out, image)
        (grad,) = torch.autograd.grad(out[0, 0, 6, 6], image)
        torch.testing.assert_close(grad[0, 0, 4:9, 4:9], torch.full((5, 5), 1 / 25))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"h": 0}, "non_local_means: h must be above 0, got 0.0"),
            ({"sigma": -1.0}, "non_local_means: sigma must be at least 0, got -1.0"),
            ({"patch_size": 4}, "non_local_means: patch_size must be odd and positive, got 4"),
            ({"search_size": (3, 3)}, "non_local_means: search_size must be odd and positive"),
            ({"h": torch.ones(3)}, r"non_local_means: h must be a number or of shape \(2,\)"),
            ({"border": "wrap"}, "non_local_means: border must be"),
        ],
        ids=range(6),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            non_local_means(torch.zeros(2, 1, 9, 9), **{"h": 0.1} | options)
