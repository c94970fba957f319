"""Histograms against NumPy, integral images against OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from visionops import enhance

from .photos import chw, grey, hwc, photo, unit


class TestHistogram:
    @pytest.mark.parametrize(("bins", "ends"), [(256, None), (16, None), (7, (0.2, 0.7)), (1, (0.0, 1.0))])
    def test_is_numpys(self, bins, ends):
        image = photo()
        # In double, as NumPy computes: pixels on an edge go either way else.
        x = image / 255
        result = enhance.histogram(chw(x), bins=bins, range=ends)
        expected = [np.histogram(x[..., c], bins, ends or (0, 1))[0] for c in range(3)]
        # A value on an edge may be counted on either side: NumPy compares with the edges, rounded.
        assert np.abs(result.numpy() - expected).sum() <= 0.01 * image.size
        if bins == 256:
            assert np.array_equal(result.numpy(), expected)

    @pytest.mark.parametrize(("bins", "ends"), [(256, None), (16, None), (10, (20, 120))])
    def test_of_levels_is_numpys(self, bins, ends):
        image = photo()
        result = enhance.histogram(chw(image), bins=bins, range=ends)
        expected = [np.histogram(image[..., c], bins, ends or (0, 256))[0] for c in range(3)]
        assert result.dtype == torch.int64 and np.array_equal(result.numpy(), expected)

    @pytest.mark.parametrize("soft", ["linear", "cubic"])
    def test_soft_sums_to_the_pixels(self, soft):
        x = chw(unit(photo()))
        result = enhance.histogram(x, bins=20, soft=soft)
        torch.testing.assert_close(result.sum(-1), torch.full((3,), float(x[0].numel())), rtol=1e-5, atol=0)

    def test_soft_is_the_spline(self):
        at = np.linspace(0, 1, 41)
        for soft, order in (("linear", 1), ("cubic", 3)):
            import scipy.interpolate

            knots = np.arange(order + 2) - (order + 1) / 2
            spline = scipy.interpolate.BSpline.basis_element(knots, extrapolate=False)
            for x in at:
                pixel = torch.tensor([[[x]]], dtype=torch.float64)
                result = enhance.histogram(pixel, bins=30, range=(-1, 2), soft=soft)[0].numpy()
                expected = np.array([spline((x + 1) * 10 - 0.5 - k) for k in range(30)])
                np.testing.assert_allclose(result, np.where(np.isnan(expected), 0, expected), atol=1e-12)

    @pytest.mark.parametrize("soft", ["linear", "cubic"])
    def test_gradients(self, soft):
        x = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        torch.autograd.gradcheck(lambda t: enhance.histogram(t, bins=7, soft=soft), (x.requires_grad_(),))
        y = x.detach().flip(-1) ** 2
        torch.autograd.gradcheck(
            lambda a, b: enhance.histogram2d(a, b, bins=5, soft=soft), (x, y.requires_grad_())
        )

    def test_joint_is_numpys(self):
        a, b = grey(), grey()[::-1].copy()
        expected = np.histogram2d(a.ravel(), b.ravel(), 32, ((0, 256), (0, 256)))[0]
        assert np.array_equal(enhance.histogram2d(chw(a), chw(b), bins=32)[0].numpy(), expected)

    @pytest.mark.parametrize("soft", ["linear", "cubic"])
    def test_joint_has_the_margins(self, soft):
        a, b = chw(unit(grey())).double(), chw(unit(grey()[::-1].copy())).double()
        joint = enhance.histogram2d(a, b, bins=12, soft=soft)
        torch.testing.assert_close(joint.sum(-1), enhance.histogram(a, bins=12, soft=soft))
        torch.testing.assert_close(joint.sum(-2), enhance.histogram(b, bins=12, soft=soft))

    def test_refuses(self):
        with pytest.raises(ValueError, match="histogram: bins must be an integer of at least 1, got 0"):
            enhance.histogram(torch.zeros(1, 2, 2), bins=0)
        with pytest.raises(ValueError, match=r"histogram: range must be \(low, high\) with low < high"):
            enhance.histogram(torch.zeros(1, 2, 2), range=(1, 0))
        with pytest.raises(ValueError, match="histogram: soft must be one of those known, got 'gauss'"):
            enhance.histogram(torch.zeros(1, 2, 2), soft="gauss")


class TestIntegralImage:
    def test_is_opencvs(self):
        image = photo()
        assert np.array_equal(hwc(enhance.integral_image(chw(image))), cv2.integral(image))
        expected = cv2.integral(unit(image))
        np.testing.assert_allclose(hwc(enhance.integral_image(chw(unit(image)))), expected, rtol=1e-7)
        wide = hwc(enhance.integral_image(chw(unit(image)), dtype=torch.float64))
        np.testing.assert_allclose(wide, expected, rtol=1e-13)

    def test_of_large_levels_does_not_overflow(self):
        image = torch.full((1, 1), 255, dtype=torch.uint8).expand(1, 3000, 3000)
        assert enhance.integral_image(image)[0, -1, -1] == 255 * 3000 * 3000

    def test_refuses(self):
        with pytest.raises(ValueError, match="integral_image: dtype must be floating, as the image, got torch.int32"):
            enhance.integral_image(torch.zeros(1, 2, 2), dtype=torch.int32)
