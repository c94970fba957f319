"""Photometric adjustments against Pillow, scikit-image and torchvision's formulas."""

import colorsys

import numpy as np
import pytest
import skimage.exposure
import torch
from PIL import Image, ImageEnhance, ImageOps

from visionops import enhance

from .photos import chw, grey, hwc, levels_apart, photo, unit

ENHANCERS = {
    "adjust_brightness": ImageEnhance.Brightness,
    "adjust_contrast": ImageEnhance.Contrast,
    "adjust_saturation": ImageEnhance.Color,
    "adjust_sharpness": ImageEnhance.Sharpness,
}


def torchvision(name, x, factor):
    """Returns what torchvision's formulas make of (c, h, w) in [0, 1]; its red weighs 0.2989, not 0.299."""
    weights = torch.tensor([0.2989, 0.587, 0.114], dtype=x.dtype)[:, None, None]
    luma = (weights * x).sum(0, keepdim=True)
    if name == "adjust_sharpness":
        kernel = torch.ones(1, 1, 3, 3, dtype=x.dtype)
        kernel[..., 1, 1] = 5
        other = x.clone()
        other[..., 1:-1, 1:-1] = torch.nn.functional.conv2d(x[:, None], kernel / 13)[:, 0]
    else:
        other = {"adjust_brightness": 0 * x, "adjust_contrast": luma.mean(), "adjust_saturation": luma}[name]
    return (factor * x + (1 - factor) * other).clamp(0, 1)


class TestBlends:
    @pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
    @pytest.mark.parametrize("name", ENHANCERS)
    def test_is_pillows(self, name, factor):
        image = photo()
        expected = np.asarray(ENHANCERS[name](Image.fromarray(image)).enhance(factor))
        result = hwc(getattr(enhance, name)(chw(image), factor))
        # Pillow rounds down what it blends, and rounds what it blends with: sharpening doubles that.
        assert levels_apart(result, expected) <= 1 + (factor > 1)

    @pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
    @pytest.mark.parametrize("name", ENHANCERS)
    def test_is_torchvisions_formula(self, name, factor):
        x = chw(unit(photo())).double()
        result = getattr(enhance, name)(x, factor)
        torch.testing.assert_close(result, torchvision(name, x, factor), rtol=0, atol=2e-4)

    @pytest.mark.parametrize("name", [*ENHANCERS, "adjust_gamma", "adjust_hue"])
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
    def test_takes_a_factor_for_each_sample(self, name, dtype):
        x = chw(photo(20, 30))
        x = x if dtype == torch.uint8 else x.to(dtype) / 255
        batch = torch.stack([x, x.flip(-1)])
        factors = torch.tensor([0.3, 0.8])
        function = getattr(enhance, name)
        one_by_one = torch.stack([function(b, float(f)) for b, f in zip(batch, factors, strict=True)])
        torch.testing.assert_close(function(batch, factors), one_by_one, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("name", [*ENHANCERS, "adjust_gamma", "adjust_hue"])
    def test_gradient_reaches_the_factor(self, name):
        x = torch.rand(2, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
        factor = torch.tensor([0.6, 0.9], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda f: getattr(enhance, name)(x, f), (factor,))
        (exact,) = torch.autograd.grad(getattr(enhance, name)(x, factor).square().sum(), factor)
        single = factor.detach().float().requires_grad_()
        (grad,) = torch.autograd.grad(getattr(enhance, name)(x.float(), single).square().sum(), single)
        torch.testing.assert_close(grad.double(), exact, rtol=1e-4, atol=1e-5)

    def test_refuses(self):
        with pytest.raises(ValueError, match="adjust_brightness: factor must be at least 0, got -1"):
            enhance.adjust_brightness(torch.zeros(3, 2, 2), -1)
        with pytest.raises(ValueError, match="adjust_hue: image must be of 1 or 3 channels, got 4"):
            enhance.adjust_hue(torch.zeros(4, 2, 2), 0.1)
        with pytest.raises(ValueError, match="adjust_contrast: factor must be a number or of shape"):
            enhance.adjust_contrast(torch.zeros(2, 3, 2, 2), torch.ones(3))

    def test_one_channel_has_no_hue(self):
        x = chw(grey(8, 9))
        assert torch.equal(enhance.adjust_hue(x, 0.3), x) and torch.equal(enhance.adjust_saturation(x, 0.3), x)


class TestAdjustHue:
    @pytest.mark.parametrize("shift", [-0.5, -0.13, 0.0, 0.25])
    def test_is_pythons_colorsys(self, shift):
        image = photo(12, 15) / 255
        expected = np.empty_like(image)
        for place in np.ndindex(image.shape[:2]):
            h, s, v = colorsys.rgb_to_hsv(*image[place])
            expected[place] = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
        np.testing.assert_allclose(hwc(enhance.adjust_hue(chw(image), shift)), expected, atol=1e-12)


class TestCurves:
    @pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.2])
    def test_gamma_is_scikit_images(self, gamma):
        image = photo()
        expected = skimage.exposure.adjust_gamma(unit(image), gamma, 0.9)
        result = hwc(enhance.adjust_gamma(chw(unit(image)), gamma, gain=0.9))
        np.testing.assert_allclose(result, np.where(image > 0, expected, 0), atol=2e-6)
        # scikit-image rounds uint8 down.
        as_levels = skimage.exposure.adjust_gamma(image, gamma, 0.9)
        result = hwc(enhance.adjust_gamma(chw(image), gamma, gain=0.9))
        assert levels_apart(result[image > 0], as_levels[image > 0]) <= 1

    @pytest.mark.parametrize("inverse", [False, True])
    def test_log_is_scikit_images(self, inverse):
        image = photo()
        expected = skimage.exposure.adjust_log(unit(image), 0.8, inverse)
        result = hwc(enhance.adjust_log(chw(unit(image)), gain=0.8, inverse=inverse))
        np.testing.assert_allclose(result, expected, atol=1e-6)
        as_levels = skimage.exposure.adjust_log(image, 0.8, inverse)
        assert levels_apart(hwc(enhance.adjust_log(chw(image), gain=0.8, inverse=inverse)), as_levels) <= 1

    @pytest.mark.parametrize("inverse", [False, True])
    def test_sigmoid_is_scikit_images(self, inverse):
        image = photo()
        expected = skimage.exposure.adjust_sigmoid(unit(image), 0.4, 8, inverse)
        result = hwc(enhance.adjust_sigmoid(chw(unit(image)), cutoff=0.4, gain=8, inverse=inverse))
        np.testing.assert_allclose(result, expected, atol=1e-6)
        as_levels = skimage.exposure.adjust_sigmoid(image, 0.4, 8, inverse)
        result = hwc(enhance.adjust_sigmoid(chw(image), cutoff=0.4, gain=8, inverse=inverse))
        assert levels_apart(result, as_levels) <= 1

    def test_parameters_have_gradients(self):
        x = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
        v = torch.tensor([0.5, 0.7], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda g: enhance.adjust_log(x, gain=g), (v,))
        torch.autograd.gradcheck(lambda c, g: enhance.adjust_sigmoid(x, cutoff=c, gain=g), (v, v))
        torch.autograd.gradcheck(lambda g: enhance.adjust_gamma(x, 1.5, gain=g), (v,))


class TestPillowsOps:
    def test_invert(self):
        image = photo()
        assert np.array_equal(hwc(enhance.invert(chw(image))), np.asarray(ImageOps.invert(Image.fromarray(image))))

    @pytest.mark.parametrize("threshold", [None, 0, 77, 128, 255, 256])
    def test_solarize(self, threshold):
        image = photo()
        expected = np.asarray(ImageOps.solarize(Image.fromarray(image), 128 if threshold is None else threshold))
        assert np.array_equal(hwc(enhance.solarize(chw(image), threshold)), expected)
        if threshold is not None:
            result = hwc(enhance.solarize(chw(unit(image)), float(np.float32(threshold / 255))))
            np.testing.assert_allclose(result, unit(expected), atol=1e-6)

    def test_solarize_by_sample(self):
        image = torch.stack([chw(photo(9, 8))] * 2)
        result = enhance.solarize(image, torch.tensor([50.0, 200.0]))
        assert torch.equal(result[0], enhance.solarize(image[0], 50)) and torch.equal(
            result[1], enhance.solarize(image[1], 200)
        )

    @pytest.mark.parametrize("bits", range(1, 9))
    def test_posterize(self, bits):
        image = photo()
        expected = np.asarray(ImageOps.posterize(Image.fromarray(image), bits))
        assert np.array_equal(hwc(enhance.posterize(chw(image), bits)), expected)
        np.testing.assert_allclose(hwc(enhance.posterize(chw(unit(image)), bits)), unit(expected), atol=1e-6)

    def test_posterize_by_sample_and_refusal(self):
        image = torch.stack([chw(photo(9, 8))] * 2)
        result = enhance.posterize(image, torch.tensor([2, 5]))
        assert torch.equal(result[0], enhance.posterize(image[0], 2))
        assert torch.equal(result[1], enhance.posterize(image[1], 5))
        assert (enhance.posterize(image, 0) == 0).all()
        x = torch.rand(2, 3, 4, 4)
        assert torch.equal(enhance.posterize(x, torch.tensor([9, -1])), enhance.posterize(x, torch.tensor([8.0, 0.2])))
        with pytest.raises(ValueError, match="posterize: bits must be an integer from 0 to 8, got 9"):
            enhance.posterize(image, 9)

    @pytest.mark.parametrize("cutoff", [0, 2, 20])
    def test_autocontrast(self, cutoff):
        image = (photo() // 2 + 31).astype(np.uint8)
        expected = np.asarray(ImageOps.autocontrast(Image.fromarray(image), cutoff))
        assert levels_apart(hwc(enhance.autocontrast(chw(image), cutoff=cutoff)), expected) <= 1
        result = hwc(enhance.autocontrast(chw(unit(image)), cutoff=cutoff))
        np.testing.assert_allclose(result, unit(expected), atol=1.001 / 255)

    def test_autocontrast_leaves_flat_channels(self):
        for flat in (torch.full((1, 5, 5), 77, dtype=torch.uint8), torch.full((1, 5, 5), 0.3)):
            assert torch.equal(enhance.autocontrast(flat), flat)

    def test_posterize_passes_gradients_straight_through(self):
        x = torch.tensor([[[-0.5, 0.3, 0.8, 1.5]]], requires_grad=True)
        result = enhance.posterize(x, 2)
        assert torch.equal(result, enhance.posterize(x.detach(), 2))
        assert torch.autograd.grad(result.sum(), x)[0].flatten().tolist() == [0.0, 1.0, 1.0, 0.0]
