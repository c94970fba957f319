"""HSV and HLS against OpenCV, scikit-image and the standard library."""

import colorsys

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.data
import torch

from visionops.color import hls_to_rgb, hsv_to_rgb, rgb_to_hls, rgb_to_hsv

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[::3, ::3])
UNIT = PHOTO.astype(np.float32) / 255


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)


def pixels(image):
    return image.permute(1, 2, 0).numpy()


def assert_hues(got, want, atol):
    """Raises unless the colours agree, hues on their circle."""
    turn = np.abs(got[..., 0] - want[..., 0])
    assert np.minimum(turn, 1 - turn).max() <= atol
    np.testing.assert_allclose(got[..., 1:], want[..., 1:], rtol=0, atol=atol)


class TestHsv:
    def test_is_scikit_images(self):
        got = pixels(rgb_to_hsv(planes(UNIT.astype(np.float64))))
        assert_hues(got, skimage.color.rgb2hsv(UNIT.astype(np.float64)), 1e-12)
        assert got[..., 0].min() >= 0
        assert got[..., 0].max() < 1

    def test_is_opencvs(self):
        want = cv2.cvtColor(UNIT, cv2.COLOR_RGB2HSV) / np.float32([360, 1, 1])
        # OpenCV adds 1.2e-7 to what it divides by, which is 1/255 or more.
        assert_hues(pixels(rgb_to_hsv(planes(UNIT))), want, 4e-5)

    def test_bytes_but_for_the_hues_unit(self):
        want = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2HSV)
        got = pixels(rgb_to_hsv(planes(PHOTO)))
        assert np.abs(got[..., 1:].astype(int) - want[..., 1:]).max() <= 1
        hue = skimage.color.rgb2hsv(PHOTO)[..., 0] * 255
        assert np.abs(got[..., 0] - hue).max() <= 0.5 + 1e-4

    def test_back_is_scikit_images_and_the_photo(self):
        hsv = skimage.color.rgb2hsv(UNIT.astype(np.float64))
        got = pixels(hsv_to_rgb(planes(hsv)))
        np.testing.assert_allclose(got, skimage.color.hsv2rgb(hsv), rtol=0, atol=1e-12)
        np.testing.assert_allclose(pixels(hsv_to_rgb(rgb_to_hsv(planes(UNIT)))), UNIT, rtol=0, atol=1e-6)

    def test_any_real_number_is_a_hue(self):
        hsv = torch.rand(3, 5, 6, dtype=torch.float64)
        turned = hsv + torch.tensor([3.0, 0.0, 0.0])[:, None, None]
        torch.testing.assert_close(hsv_to_rgb(turned), hsv_to_rgb(hsv))
        torch.testing.assert_close(hsv_to_rgb(turned - torch.tensor([5.0, 0, 0])[:, None, None]), hsv_to_rgb(hsv))

    def test_a_hue_just_under_a_turn_is_in_range(self):
        for dtype in (torch.float32, torch.float64):
            tiny = torch.tensor([1.0, 0.0, 1e-9], dtype=dtype).reshape(3, 1, 1)
            for convert in (rgb_to_hsv, rgb_to_hls):
                assert 0 <= convert(tiny)[0].item() < 1


class TestHls:
    def test_is_the_standard_librarys(self):
        colours = UNIT[::9, ::9].reshape(-1, 3).astype(np.float64)
        want = np.array([colorsys.rgb_to_hls(*c) for c in colours])
        assert_hues(pixels(rgb_to_hls(planes(colours[None])))[0], want, 1e-12)
        back = np.array([colorsys.hls_to_rgb(*c) for c in want])
        np.testing.assert_allclose(pixels(hls_to_rgb(planes(want[None])))[0], back, rtol=0, atol=1e-12)

    def test_is_opencvs(self):
        want = cv2.cvtColor(UNIT, cv2.COLOR_RGB2HLS) / np.float32([360, 1, 1])
        got = pixels(rgb_to_hls(planes(UNIT)))
        assert_hues(got, want, 4e-5)
        back = cv2.cvtColor(got * np.float32([360, 1, 1]), cv2.COLOR_HLS2RGB)
        np.testing.assert_allclose(pixels(hls_to_rgb(planes(got))), back, rtol=0, atol=2e-6)
        np.testing.assert_allclose(back, UNIT, rtol=0, atol=2e-6)


class TestGradients:
    @pytest.mark.parametrize("convert", [rgb_to_hsv, rgb_to_hls])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_greys_hue_has_none(self, convert, dtype):
        for level in (0.0, 0.3, 1.0):
            image = torch.full((3, 2, 2), level, dtype=dtype).requires_grad_()
            (grad,) = torch.autograd.grad(convert(image)[0].sum(), image)
            assert (grad == 0).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_equal_channels_share_the_value(self, dtype):
        image = torch.tensor([0.6, 0.6, 0.2], dtype=dtype).reshape(3, 1, 1).requires_grad_()
        (grad,) = torch.autograd.grad(rgb_to_hsv(image)[2].sum(), image)
        assert grad.flatten().tolist() == [0.5, 0.5, 0.0]

    def test_near_grey_they_are_those_of_the_formula(self):
        image = torch.tensor([0.5 + 1e-3, 0.5, 0.5 - 1e-3], dtype=torch.float64).reshape(3, 1, 1)
        torch.autograd.gradcheck(rgb_to_hsv, image.requires_grad_(), eps=1e-7, rtol=1e-4)
        (grad,) = torch.autograd.grad(rgb_to_hsv(image.float())[0].sum(), image)
        # (G - B) / (6 chroma) by G is 1 / (6 chroma), plus nothing from the chroma.
        assert grad[1].item() == pytest.approx(1 / (6 * 2e-3), rel=1e-3)
