"""Thresholds against OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
import skimage.filters
import torch

from visionops import enhance

from .photos import chw, grey, hwc, levels_apart, photo, unit

KINDS = {
    "binary": cv2.THRESH_BINARY,
    "binary_inv": cv2.THRESH_BINARY_INV,
    "trunc": cv2.THRESH_TRUNC,
    "tozero": cv2.THRESH_TOZERO,
    "tozero_inv": cv2.THRESH_TOZERO_INV,
}


class TestThreshold:
    @pytest.mark.parametrize("limit", [0, 99.7, 100, 254, 255])
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_opencvs(self, kind, limit):
        image = photo()
        expected = cv2.threshold(image, limit, 200, KINDS[kind])[1]
        assert np.array_equal(hwc(enhance.threshold(chw(image), limit, kind=kind, max_value=200)), expected)
        as_float = cv2.threshold(unit(image), float(np.float32(limit / 255)), 0.7, KINDS[kind])[1]
        result = hwc(enhance.threshold(chw(unit(image)), float(np.float32(limit / 255)), kind=kind, max_value=0.7))
        np.testing.assert_allclose(result, as_float, atol=1e-6)

    @pytest.mark.parametrize("limit", [-300, -3, 256, 900])
    @pytest.mark.parametrize("kind", KINDS)
    def test_limits_that_no_byte_can_hold(self, kind, limit):
        image = photo()
        expected = cv2.threshold(image, limit, 200, KINDS[kind])[1]
        assert np.array_equal(hwc(enhance.threshold(chw(image), limit, kind=kind, max_value=200)), expected)

    @pytest.mark.parametrize("kind", KINDS)
    def test_hard_is_the_limit_of_soft(self, kind):
        x = torch.linspace(0, 1, 20, dtype=torch.float64).reshape(1, 4, 5)
        soft = enhance.threshold(x, 0.37, kind=kind, softness=1e-5)
        torch.testing.assert_close(soft, enhance.threshold(x, 0.37, kind=kind))

    @pytest.mark.parametrize("kind", KINDS)
    def test_gradients(self, kind):
        x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        limit = torch.tensor([[0.4, 0.5, 0.6], [0.1, 0.3, 0.9]], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda a, t: enhance.threshold(a, t, kind=kind, softness=0.1), (x, limit))
        if kind == "trunc":
            torch.autograd.gradcheck(lambda a, t: enhance.threshold(a, t, kind=kind), (x, limit))

    def test_by_channel(self):
        image = torch.stack([chw(photo(9, 8))] * 2)
        limits = torch.tensor([[10, 100, 200], [50, 60, 70]])
        result = enhance.threshold(image, limits)
        for i in (0, 1):
            for c in range(3):
                assert torch.equal(result[i, c], enhance.threshold(image[i, c, None], int(limits[i, c]))[0])

    def test_refuses(self):
        with pytest.raises(ValueError, match="threshold: kind must be one of those known, got 'binary2'"):
            enhance.threshold(torch.zeros(1, 2, 2), 0.5, kind="binary2")
        with pytest.raises(ValueError, match="threshold: threshold must be for all"):
            enhance.threshold(torch.zeros(3, 2, 2), torch.zeros(2))


class TestOtsu:
    @pytest.mark.parametrize("image", [grey(), photo()[..., 0].copy(), (grey() > 99).astype(np.uint8) * 200 + 7])
    def test_is_opencvs(self, image):
        level, expected = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        found = enhance.otsu_threshold(chw(image))
        assert np.array_equal(hwc(enhance.threshold(chw(image), found))[..., 0], expected)
        assert found.item() == level
        x = chw(unit(image))
        above = enhance.threshold(x, enhance.otsu_threshold(x))
        assert np.array_equal(hwc(above)[..., 0], unit(expected))

    def test_is_scikit_images(self):
        assert enhance.otsu_threshold(chw(grey())).item() == skimage.filters.threshold_otsu(grey())

    def test_one_level(self):
        assert enhance.otsu_threshold(torch.full((2, 3, 4, 4), 0.5)).tolist() == [[0.0] * 3] * 2
        assert enhance.otsu_threshold(torch.full((1, 4, 4), 50, dtype=torch.uint8)).tolist() == [0]


class TestAdaptive:
    @pytest.mark.parametrize("kind", ["binary", "binary_inv"])
    @pytest.mark.parametrize("offset", [0, 5, -3.5])
    @pytest.mark.parametrize("size", [3, 5, 7, 9, 11, 51])
    @pytest.mark.parametrize(
        ("method", "code"), [("mean", cv2.ADAPTIVE_THRESH_MEAN_C), ("gaussian", cv2.ADAPTIVE_THRESH_GAUSSIAN_C)]
    )
    def test_is_opencvs(self, method, code, size, offset, kind):
        image = grey()
        expected = cv2.adaptiveThreshold(image, 200, code, KINDS[kind], size, offset)
        options = {"kernel_size": size, "offset": offset, "method": method, "kind": kind, "max_value": 200}
        result = hwc(enhance.adaptive_threshold(chw(image), **options))[..., 0]
        # Where a mean lies half way between levels, it may be rounded either way.
        assert (result != expected).mean() < 0.005

    def test_float_is_the_formula(self):
        x = unit(grey())
        mean = cv2.blur(x.astype(np.float64), (7, 5), borderType=cv2.BORDER_REPLICATE)
        result = hwc(enhance.adaptive_threshold(chw(x).double(), kernel_size=(5, 7), offset=0.02))[..., 0]
        clear = np.abs(x - mean + 0.02) > 1e-6
        assert np.array_equal(result[clear], (x > mean - 0.02)[clear])

    def test_refuses(self):
        with pytest.raises(ValueError, match="adaptive_threshold: kernel_size must be odd and positive"):
            enhance.adaptive_threshold(torch.zeros(1, 5, 5), kernel_size=4)


def test_levels_apart_sees_differences():
    assert levels_apart(np.uint8([3]), np.uint8([250])) == 247
