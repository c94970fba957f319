"""Median blur against OpenCV and SciPy."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from visionops.filters import median_blur

MODES = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}


def photo(dtype=np.uint8, size=(93, 121)):
    image = np.ascontiguousarray(skimage.data.astronaut()[60 : 60 + size[0], 150 : 150 + size[1]])
    return image if dtype == np.uint8 else (image / 255 + 0.0).astype(dtype)


def noise(h, w, dtype=np.float32, levels=None):
    values = np.random.default_rng(h * w).random((h, w, 2))
    return (values if levels is None else np.floor(values * levels) / levels).astype(dtype)


def blur(image, **options):
    return median_blur(torch.from_numpy(image).permute(2, 0, 1), **options).permute(1, 2, 0).numpy()


class TestMedianBlur:
    @pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 21, 51])
    def test_uint8_is_opencvs(self, size):
        image = photo()
        np.testing.assert_array_equal(blur(image, kernel_size=size), cv2.medianBlur(image, size))

    @pytest.mark.parametrize("size", [3, 5])
    def test_float32_is_opencvs(self, size):
        for image in (photo(np.float32), noise(40, 57), noise(33, 16, levels=4)):
            np.testing.assert_array_equal(blur(image, kernel_size=size), cv2.medianBlur(image, size))

    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize("size", [(3, 3), (5, 5), (1, 5), (5, 3), (7, 9), (15, 15)])
    def test_is_scipys(self, size, border):
        for image in (noise(25, 31), noise(20, 24, levels=5), noise(37, 70, np.float64), photo(size=(30, 41))):
            expected = scipy.ndimage.median_filter(image, (*size, 1), mode=MODES[border])
            np.testing.assert_array_equal(blur(image, kernel_size=size, border=border), expected)

    @pytest.mark.parametrize("border", MODES)
    def test_a_kernel_wider_than_the_image(self, border):
        for shape in ((1, 1), (1, 7), (6, 1), (2, 3), (4, 19)):
            for dtype in (np.float32, np.uint8):
                image = (noise(*shape) * 255).astype(dtype)
                for size in (3, 5, 9):
                    expected = scipy.ndimage.median_filter(image, (size, size, 1), mode=MODES[border])
                    np.testing.assert_array_equal(blur(image, kernel_size=size, border=border), expected)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_exact(self, dtype):
        image = torch.from_numpy(noise(20, 21)).permute(2, 0, 1).to(dtype)
        for size in (3, 7):
            expected = median_blur(image.double(), kernel_size=size)
            assert torch.equal(median_blur(image, kernel_size=size).double(), expected)

    def test_infinities_are_values(self):
        image = noise(12, 13)
        image[3:5, 4:7] = np.inf
        image[8:11, 2:9] = -np.inf
        for size in (3, 5, 7):
            expected = scipy.ndimage.median_filter(image, (size, size, 1), mode="nearest")
            np.testing.assert_array_equal(blur(image, kernel_size=size), expected)

    def test_nan_does_no_harm_elsewhere(self):
        image = noise(40, 41)
        clean = {size: blur(image, kernel_size=size) for size in (3, 5, 7)}
        image[10, 12] = np.nan
        for size, expected in clean.items():
            out = blur(image, kernel_size=size)
            np.testing.assert_array_equal(out[10 + size // 2 + 1 :], expected[10 + size // 2 + 1 :])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("size", [3, 5, 7])
    def test_gradient_goes_to_the_first_of_equals(self, size, dtype):
        image = torch.from_numpy(noise(11, 14, np.float64, levels=3)).permute(2, 0, 1).to(dtype)
        grad = torch.rand(image.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
        leaf = image.clone().requires_grad_()
        out = median_blur(leaf, kernel_size=size)
        out.backward(grad)
        r = size // 2
        expected = torch.zeros_like(image)
        for c, y, x in np.ndindex(*image.shape):
            around = [(min(max(y + j, 0), 10), min(max(x + i, 0), 13)) for j in range(-r, r + 1) for i in range(-r, r + 1)]
            at = next(p for p in around if image[c][p] == out[c, y, x])
            expected[c][at] += grad[c, y, x]
        torch.testing.assert_close(leaf.grad, expected)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"kernel_size": 4}, "median_blur: kernel_size must be odd and positive"),
            ({"kernel_size": 3, "border": "reflct"}, "median_blur: border must be"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            median_blur(torch.zeros(1, 5, 5), **options)
