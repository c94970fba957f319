"""Equalisation, CLAHE and histogram matching against OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
import skimage.exposure
import torch

from visionops import enhance
from visionops.kernels import native

from .photos import chw, grey, hwc, levels_apart, photo, unit


def each(function, image):
    return np.stack([function(np.ascontiguousarray(image[..., c])) for c in range(image.shape[-1])], -1)


class TestEqualize:
    def test_is_opencvs(self):
        image = photo()
        expected = each(cv2.equalizeHist, image)
        assert np.array_equal(hwc(enhance.equalize(chw(image))), expected)
        np.testing.assert_allclose(hwc(enhance.equalize(chw(unit(image)))), unit(expected), atol=0.51 / 255)

    def test_definition_is_opencvs(self):
        image = photo()
        with native.definitions_only():
            assert levels_apart(hwc(enhance.equalize(chw(image))), each(cv2.equalizeHist, image)) <= 1

    def test_flat_stays(self):
        for flat in (torch.full((2, 1, 5, 5), 77, dtype=torch.uint8), torch.full((2, 1, 5, 5), 0.3)):
            torch.testing.assert_close(enhance.equalize(flat), flat)

    def test_keeps_what_lies_between_levels(self):
        ramp = torch.linspace(0, 1, 5000, dtype=torch.float64).reshape(1, 50, 100)
        assert enhance.equalize(ramp).unique().numel() == 5000

    def test_saturates(self):
        x = torch.tensor([[[-1.0, 0.2, 0.4, 3.0]]])
        torch.testing.assert_close(enhance.equalize(x), torch.tensor([[[0.0, 1 / 3, 2 / 3, 1.0]]]))


class TestClahe:
    @pytest.mark.parametrize("grid", [(8, 8), (3, 5), (1, 1), (1, 4)])
    @pytest.mark.parametrize("clip", [0.0, 2.0, 40.0])
    @pytest.mark.parametrize("size", [(120, 160), (97, 130), (128, 131), (40, 24)])
    def test_is_opencvs(self, size, clip, grid):
        image = photo(*size)
        oracle = cv2.createCLAHE(clip, (grid[1], grid[0]))
        expected = each(oracle.apply, image)
        result = hwc(enhance.clahe(chw(image), clip_limit=clip, grid=grid))
        assert levels_apart(result, expected) <= 1
        if native.active():  # the definition blends in double, which takes ties to the other side
            assert (result != expected).mean() < 1e-3
        with native.definitions_only():
            assert levels_apart(hwc(enhance.clahe(chw(image), clip_limit=clip, grid=grid)), expected) <= 1
        as_float = hwc(enhance.clahe(chw(unit(image)), clip_limit=clip, grid=grid))
        np.testing.assert_allclose(as_float, unit(expected), atol=1.01 / 255)

    def test_tiles_larger_than_the_image(self):
        image = grey(5, 3)
        assert levels_apart(hwc(enhance.clahe(chw(image)))[..., 0], cv2.createCLAHE(2.0, (8, 8)).apply(image)) <= 1

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_a_limit_for_each_sample(self, dtype):
        x = chw(grey())
        x = torch.stack([x, x.flip(-1)]) if dtype == torch.uint8 else torch.stack([x, x.flip(-1)]) / 255
        limits = torch.tensor([1.5, 0.0])
        one_by_one = torch.stack([enhance.clahe(b, clip_limit=float(v)) for b, v in zip(x, limits, strict=True)])
        torch.testing.assert_close(enhance.clahe(x, clip_limit=limits), one_by_one, rtol=0, atol=1e-6)

    def test_refuses(self):
        with pytest.raises(ValueError, match=r"clahe: grid must be positive, one number or \(rows, columns\), got 0"):
            enhance.clahe(torch.zeros(1, 4, 4), grid=0)
        with pytest.raises(ValueError, match="clahe: clip_limit must be at least 0, got -1"):
            enhance.clahe(torch.zeros(1, 4, 4), clip_limit=-1)


class TestMatchHistograms:
    def test_is_scikit_images(self):
        image, reference = photo(), photo(80, 90)[::-1] // 2 + 40
        reference = reference.astype(np.uint8)
        expected = skimage.exposure.match_histograms(image, reference, channel_axis=-1)
        assert levels_apart(hwc(enhance.match_histograms(chw(image), chw(reference))), expected) <= 1
        as_float = skimage.exposure.match_histograms(unit(image), unit(reference), channel_axis=-1)
        result = hwc(enhance.match_histograms(chw(unit(image)), chw(unit(reference))))
        np.testing.assert_allclose(result, as_float, atol=1e-5)

    def test_references_by_sample(self):
        image = torch.stack([chw(photo(20, 30))] * 2)
        reference = torch.stack([chw(photo(9, 8)), 255 - chw(photo(9, 8))])
        result = enhance.match_histograms(image, reference)
        for i in (0, 1):
            assert torch.equal(result[i], enhance.match_histograms(image[i], reference[i]))

    def test_refuses(self):
        with pytest.raises(ValueError, match="match_histograms: reference must be of 3 channels"):
            enhance.match_histograms(torch.zeros(3, 4, 4), torch.zeros(1, 4, 4))
