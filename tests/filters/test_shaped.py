"""Filters of kernels with a shape against OpenCV, scikit-image, SciPy and closed formulas."""

import math

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.filters
import torch

from visionops import filters


def photo(dtype=np.float64):
    image = skimage.data.camera()[50:171, 100:255]
    return image if dtype == np.uint8 else image.astype(dtype) / 255


def tensor(image):
    return torch.from_numpy(image.copy())[None]


class TestMotionBlur:
    @pytest.mark.parametrize(("angle", "axis"), [(0.0, 1), (180.0, 1), (90.0, 0), (-90.0, 0)])
    def test_along_an_axis_it_is_a_mean(self, angle, axis):
        want = scipy.ndimage.uniform_filter1d(photo(), 7, axis, mode="mirror")
        np.testing.assert_allclose(filters.motion_blur(tensor(photo()), kernel_size=7, angle=angle)[0], want, atol=1e-12)

    @pytest.mark.parametrize("angle", [17.0, 45.0, 100.0])
    def test_is_the_mean_along_the_path(self, angle):
        y, x = np.mgrid[10:100, 10:140].astype(float)
        turn, total = math.radians(angle), 0.0
        for s in range(-4, 5):
            at = [y - s * math.sin(turn), x + s * math.cos(turn)]
            total += (1 + 0.6 * s / 4) / 9 * scipy.ndimage.map_coordinates(photo(), at, order=1)
        got = filters.motion_blur(tensor(photo()), kernel_size=9, angle=angle, direction=0.6)
        np.testing.assert_allclose(got[0, 10:100, 10:140], total, atol=1e-12)

    def test_gradients_of_its_parameters(self):
        angle, direction = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([20.0, 70.0], [0.1, -0.7]))
        images = tensor(photo())[:, :8, :9].expand(2, 1, 8, 9)
        torch.autograd.gradcheck(
            lambda a, d: filters.motion_blur(images, kernel_size=5, angle=a, direction=d), (angle, direction)
        )

    def test_adds_up_to_one(self):
        kernel = filters.motion_kernel(9, torch.tensor([0.0, 33.0, 90.0]), torch.tensor([-1.0, 0.5, 1.0]))
        torch.testing.assert_close(kernel.sum((1, 2)), torch.ones(3))

    def test_refuses(self):
        with pytest.raises(ValueError, match="motion_blur: kernel_size must be odd"):
            filters.motion_blur(tensor(photo()), kernel_size=4, angle=0.0)
        with pytest.raises(ValueError, match="motion_blur: direction must be from -1 to 1"):
            filters.motion_blur(tensor(photo()), kernel_size=3, angle=0.0, direction=2.0)


class TestGabor:
    @pytest.mark.parametrize("angle", [0.0, 30.0, 135.0, -60.0])
    def test_kernel_is_opencvs(self, angle):
        options = {"sigma": 2.1, "wavelength": 5.0, "aspect_ratio": 0.6, "phase": 40.0}
        got = filters.gabor_kernel(angle=angle, kernel_size=15, **options)
        want = cv2.getGaborKernel((15, 15), 2.1, -math.radians(angle), 5.0, 0.6, -math.radians(40.0), cv2.CV_64F)
        np.testing.assert_allclose(got, want, atol=1e-12)
        filtered = filters.gabor(tensor(photo()), angle=angle, kernel_size=15, **options)
        np.testing.assert_allclose(filtered[0], cv2.filter2D(photo(), -1, got.numpy()), atol=1e-12)

    def test_responds_to_lines_across_its_wave(self):
        x = torch.arange(40.0).expand(1, 40, 40)
        lines = torch.cos(2 * math.pi * x / 6)  # along y
        for angle, most in ((0.0, True), (90.0, False)):
            response = filters.gabor(lines, sigma=3.0, angle=angle, wavelength=6.0)[..., 15:25, 15:25].abs().max()
            assert (response > 20) == most

    def test_gradients_of_its_parameters(self):
        values = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.3, 25.0, 4.0, 0.8, 30.0)]
        names = ("sigma", "angle", "wavelength", "aspect_ratio", "phase")
        image = tensor(photo())[:, :8, :9]
        torch.autograd.gradcheck(
            lambda *v: filters.gabor(image, kernel_size=5, **dict(zip(names, v, strict=True))), values
        )

    def test_refuses(self):
        with pytest.raises(ValueError, match="gabor: wavelength must be above 0"):
            filters.gabor(tensor(photo()), sigma=1.0, angle=0.0, wavelength=0.0)


class TestUnsharpAndDifference:
    def test_unsharp_is_scikit_images(self):
        want = skimage.filters.unsharp_mask(photo() * 0.4 + 0.3, radius=2.0, amount=0.7)
        got = filters.unsharp_mask(tensor(photo() * 0.4 + 0.3), sigma=2.0, amount=0.7)[0].numpy()
        inside = np.s_[8:-8, 8:-8]
        assert want[inside].min() > 0 and want[inside].max() < 1
        np.testing.assert_allclose(got[inside], want[inside], atol=1e-12)

    def test_unsharp_of_uint8_saturates(self):
        image = photo(np.uint8)
        blurred = cv2.GaussianBlur(image.astype(np.float64), (17, 17), 2.0)
        want = np.clip(image + 3 * (image - blurred), 0, 255)
        got = filters.unsharp_mask(tensor(image), sigma=2.0, amount=3.0)[0].numpy()
        assert np.abs(got - want).max() <= 0.5 + 1e-3 and (got == 255).any() and (got == 0).any()

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize("size", [3, (1, 21)])
    def test_unsharp_of_each_sample_in_all_layouts(self, dtype, size):
        levels = torch.from_numpy(photo(np.uint8)[:120, :150].copy()).reshape(2, 60, 3, 50).permute(0, 2, 1, 3)
        image = levels if dtype == torch.uint8 else levels / 255
        more = {"sigma": 1.5, "kernel_size": size, "border": "constant"}
        want = [filters.unsharp_mask(one.double(), amount=a, **more) for one, a in zip(image, (0.5, -2.0), strict=True)]
        for one in (image, image.contiguous(), image.transpose(2, 3).contiguous().transpose(2, 3)):
            got = filters.unsharp_mask(one, amount=torch.tensor([0.5, -2.0]), **more)
            if dtype == torch.uint8:
                assert (got - torch.stack(want).clamp(0, 255)).abs().max() <= 0.5 + 1e-3
            else:
                torch.testing.assert_close(got.double(), torch.stack(want), rtol=0, atol=1e-6)

    def test_difference_is_scikit_images(self):
        for low, high in ((1.0, None), (0.5, 3.0)):
            want = skimage.filters.difference_of_gaussians(photo(), low, high, mode="mirror")
            got = filters.difference_of_gaussians(tensor(photo()), sigma_low=low, sigma_high=high)
            # Theirs rounds 4 sigma to the nearest pixel, ours up.
            np.testing.assert_allclose(got[0], want, atol=3e-4)

    def test_gradients_of_their_parameters(self):
        image = tensor(photo())[:, :8, :9].expand(2, 1, 8, 9)
        first, second = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.6, 0.7], [0.9, 1.1]))
        torch.autograd.gradcheck(
            lambda s, a: filters.unsharp_mask(image, sigma=s, amount=a, kernel_size=5), (first, second)
        )
        torch.autograd.gradcheck(
            lambda s, t: filters.difference_of_gaussians(image, sigma_low=s, sigma_high=t), (first, second)
        )


class TestPools:
    @pytest.mark.parametrize("size", [(120, 154), (121, 155), (7, 2)])
    def test_is_opencvs_pyramid(self, size):
        image = photo(np.float32)[: size[0], : size[1]].copy()
        got = filters.blur_pool(tensor(image), kernel_size=5)
        np.testing.assert_allclose(got[0], cv2.pyrDown(image), atol=1e-6)
        levels = photo(np.uint8)[: size[0], : size[1]].copy()
        got = filters.blur_pool(tensor(levels), kernel_size=5)[0].numpy().astype(int)
        assert np.abs(got - cv2.pyrDown(levels)).max() <= 1

    @pytest.mark.parametrize("stride", [1, 3])
    @pytest.mark.parametrize("border", ["reflect", "replicate", "circular", "constant"])
    def test_borders_are_scipys(self, border, stride):
        mode = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}[border]
        kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
        want = scipy.ndimage.correlate(photo(), kernel, mode=mode)[::stride, ::stride]
        for dtype in (torch.float32, torch.float64):
            image = tensor(photo()).to(dtype).requires_grad_()
            got = filters.blur_pool(image, kernel_size=5, stride=stride, border=border)
            np.testing.assert_allclose(got[0].detach(), want, atol=1e-6)
            weights = torch.rand(want.shape, generator=torch.Generator().manual_seed(0))
            (grad,) = torch.autograd.grad(got, image, weights.to(dtype)[None])
            # <A x, y> = <x, A' y>
            torch.testing.assert_close((grad * image).sum(), (got * weights).sum(), rtol=1e-5, atol=0, check_dtype=False)

    def test_max_is_scipys(self):
        for window, stride in ((2, 2), (3, 1), (4, 3)):
            largest = scipy.ndimage.maximum_filter(
                photo(), window, mode="constant", cval=-np.inf, origin=-((window - 1) // 2) - (window % 2 == 0)
            )
            kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
            want = scipy.ndimage.correlate(largest, kernel, mode="mirror")[::stride, ::stride]
            got = filters.max_blur_pool(tensor(photo()), max_pool_size=window, stride=stride)
            np.testing.assert_allclose(got[0], want, atol=1e-12)
            single = filters.max_blur_pool(tensor(photo()).float(), max_pool_size=window, stride=stride)
            np.testing.assert_allclose(single[0], want, atol=1e-6)

    def test_gradient_of_a_tie_goes_to_the_first(self):
        image = torch.zeros(1, 1, 2, requires_grad=True)
        filters.max_blur_pool(image, kernel_size=1, stride=2).sum().backward()
        assert image.grad.tolist() == [[[1.0, 0.0]]]

    def test_refuses(self):
        with pytest.raises(ValueError, match="blur_pool: stride must be"):
            filters.blur_pool(tensor(photo()), stride=0)
        with pytest.raises(ValueError, match="max_blur_pool: kernel_size must be odd"):
            filters.max_blur_pool(tensor(photo()), kernel_size=2)
