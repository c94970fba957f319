"""Pyramids and scale spaces against OpenCV and SciPy."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops.resample import (
    collapse_pyramid,
    gaussian_pyramid,
    laplacian_pyramid,
    pyramid_down,
    pyramid_up,
    scale_space,
)  # fmt: skip


class TestPyramids:
    @pytest.mark.parametrize("cut", [(0, 0), (1, 1), (0, 21), (118, 147)])
    def test_halves_and_doubles_are_opencvs(self, photo, grey_levels, apply, cut):
        for image, atol in ((photo[cut[0] :, cut[1] :], 1e-6), (grey_levels[cut[0] :, cut[1] :], 0)):
            image = np.ascontiguousarray(image)
            np.testing.assert_allclose(apply(pyramid_down, image), cv2.pyrDown(image), atol=atol)
            np.testing.assert_allclose(apply(pyramid_up, image), cv2.pyrUp(image), atol=atol)

    def test_levels(self, photo):
        image = torch.from_numpy(photo).permute(2, 0, 1)
        want = [photo]
        for level in gaussian_pyramid(image, levels=5):
            np.testing.assert_allclose(level.permute(1, 2, 0), want[-1], atol=1e-6)
            want.append(cv2.pyrDown(want[-1]))
        details = laplacian_pyramid(image, levels=4)
        np.testing.assert_allclose(collapse_pyramid(details), image, atol=1e-6)
        assert all(level.mean().abs() < 0.02 for level in details[:-1])

    def test_refusals(self):
        image = torch.zeros(1, 8, 8)
        with pytest.raises(ValueError, match="levels must be an integer of at least 1"):
            gaussian_pyramid(image, levels=0)
        with pytest.raises(ValueError, match="levels that halve"):
            collapse_pyramid([image, image])
        with pytest.raises(ValueError, match="pyramid_up: size"):
            pyramid_up(image, size=(14, 16))
        with pytest.raises(ValueError, match="floating"):
            laplacian_pyramid(image.byte(), levels=2)


class TestScaleSpace:
    def test_blurs_are_what_sigmas_say(self, photo):
        grey = photo.mean(-1).astype(np.float64)
        space = scale_space(torch.from_numpy(grey)[None], levels=3, octaves=2, assumed_blur=0.5)
        assert space.steps == [1, 2] and space.octaves[0].shape == (6, 1, 121, 150)
        for level, sigma in zip(space.octaves[0], space.sigmas[0].tolist(), strict=True):
            want = scipy.ndimage.gaussian_filter(grey, np.sqrt(sigma**2 - 0.25), mode="mirror", truncate=6)
            # Blurs add up, and each is cut off: sampled Gaussians do so but for about a hundredth.
            np.testing.assert_allclose(level[0, 20:-20, 20:-20], want[20:-20, 20:-20], atol=0.01)
        np.testing.assert_allclose(space.sigmas[0, 3] / space.sigmas[0, 0], 2, rtol=1e-6)
        np.testing.assert_allclose(space.sigmas[1, 0] / space.sigmas[0, 3], 1, rtol=1e-6)
