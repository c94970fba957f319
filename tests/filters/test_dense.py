"""Filters of given kernels against OpenCV and SciPy, on photos."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from visionops import filters

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}
SIZES = [(1, 1), (3, 3), (2, 5), (4, 4), (1, 7), (19, 18)]


def photo(dtype=np.uint8):
    image = skimage.data.astronaut()[50:171, 100:255]
    return image if dtype == np.uint8 else image.astype(dtype) / 255


def taps(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def tensor(image):
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(image))).permute(2, 0, 1)


def array(image):
    return image.permute(1, 2, 0).numpy()


class TestFilter2d:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", SIZES)
    def test_is_opencvs(self, size, border):
        kernel = taps(*size)
        want = cv2.filter2D(photo(np.float64), -1, kernel, borderType=BORDERS[border])
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
            got = filters.filter2d(tensor(photo(np.float64)).to(dtype), kernel, border=border)
            np.testing.assert_allclose(array(got), want, atol=tolerance)

    @pytest.mark.parametrize("size", SIZES)
    def test_uint8_is_at_most_one_level_from_opencvs(self, size):
        kernel = taps(*size) / np.sqrt(size[0] * size[1])
        want = cv2.filter2D(photo(), -1, kernel.astype(np.float32))
        assert np.abs(array(filters.filter2d(tensor(photo()), kernel)).astype(int) - want).max() <= 1

    def test_circular_and_fill_are_scipys(self):
        image, kernel = photo(np.float64)[..., 0], taps(5, 4)
        for border, mode in (("circular", "wrap"), ("constant", "constant")):
            want = scipy.ndimage.correlate(image, kernel, mode=mode, cval=0.3)
            got = filters.filter2d(tensor(image), kernel, border=border, fill=0.3)
            np.testing.assert_allclose(got[0], want, atol=1e-12)

    def test_a_kernel_for_each_sample_with_its_gradient(self):
        images = torch.stack([tensor(photo(np.float64))[:, :9, :8], tensor(photo(np.float64))[:, 20:29, 20:28]])
        kernel = torch.from_numpy(taps(2, 3, 4)).requires_grad_()
        got = filters.filter2d(images, kernel)
        for i in range(2):
            torch.testing.assert_close(got[i], filters.filter2d(images[i], kernel[i]))
        torch.autograd.gradcheck(lambda k: filters.filter2d(images, k), kernel)
        single = [filters.filter2d(images.to(t), kernel.to(t)).pow(3).sum() for t in (torch.float32, torch.float64)]
        grads = [torch.autograd.grad(s, kernel)[0] for s in single]
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)

    def test_refuses(self):
        image = torch.zeros(2, 3, 8, 8)
        for bad in (torch.zeros(3), torch.zeros(3, 3, 3), torch.zeros(0, 3)):
            with pytest.raises(ValueError, match="filter2d: kernel must be"):
                filters.filter2d(image, bad)
        with pytest.raises(ValueError, match="filter2d: border must be"):
            filters.filter2d(image, torch.zeros(3, 3), border="mirror")


class TestFftFilter2d:
    @pytest.mark.parametrize("border", ["reflect", "replicate", "circular", "constant"])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_direct_correlation(self, size, border):
        image, kernel = photo(np.float64), taps(*size)
        modes = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}
        want = scipy.ndimage.correlate(image, kernel[:, :, None], mode=modes[border], cval=0.2)
        got = filters.fft_filter2d(tensor(image), kernel, border=border, fill=0.2)
        np.testing.assert_allclose(array(got), want, atol=1e-11)

    def test_gradient_of_the_kernel(self):
        kernel = torch.from_numpy(taps(3, 2)).requires_grad_()
        torch.autograd.gradcheck(lambda k: filters.fft_filter2d(tensor(photo(np.float64))[:, :6, :7], k), kernel)


class TestFilter2dSeparable:
    @pytest.mark.parametrize("border", BORDERS)
    def test_is_opencvs(self, border):
        for kx, ky in ((3, 5), (4, 3), (1, 2), (9, 9)):
            x, y = taps(kx), taps(ky, seed=1)
            want = cv2.sepFilter2D(photo(np.float64), -1, x, y, borderType=BORDERS[border])
            got = filters.filter2d_separable(tensor(photo(np.float64)), x, y, border=border)
            np.testing.assert_allclose(array(got), want, atol=1e-12)
            got = filters.filter2d_separable(tensor(photo(np.float32)), x, y, border=border)
            np.testing.assert_allclose(array(got), want, atol=1e-4)


class TestFilter3d:
    @pytest.mark.parametrize(("border", "mode"), [("reflect", "mirror"), ("replicate", "nearest"), ("circular", "wrap")])
    def test_is_scipys(self, border, mode):
        volume = np.stack([photo(np.float64)[i : i + 20, 30:51, 0] for i in range(7)])
        for size in ((3, 3, 3), (1, 5, 2), (4, 1, 3)):
            kernel = taps(*size)
            want = scipy.ndimage.correlate(volume, kernel, mode=mode)
            for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
                got = filters.filter3d(torch.from_numpy(volume)[None].to(dtype), kernel, border=border)
                np.testing.assert_allclose(got[0], want, atol=tolerance)

    def test_refuses_an_image(self):
        with pytest.raises(ValueError, match="filter3d: image must be of shape"):
            filters.filter3d(torch.zeros(1, 4, 4), torch.zeros(3, 3, 3))


class TestBoxBlur:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 5), (4, 7), (2, 1), (31, 60)])
    def test_is_opencvs(self, size, border):
        for dtype, tolerance in ((np.float32, 1e-5), (np.uint8, 1)):
            want = cv2.blur(photo(dtype), size[::-1], borderType=BORDERS[border])
            got = array(filters.box_blur(tensor(photo(dtype)), kernel_size=size, border=border))
            assert np.abs(got.astype(np.float64) - want).max() <= tolerance

    def test_of_its_kernel(self):
        image = tensor(photo(np.float64))
        want = filters.filter2d(image, filters.box_kernel((3, 4)))
        torch.testing.assert_close(filters.box_blur(image, kernel_size=(3, 4)), want)

    def test_refuses(self):
        for bad in (0, (3,), 2.5, True):
            with pytest.raises(ValueError, match="box_blur: kernel_size must be positive"):
                filters.box_blur(torch.zeros(1, 4, 4), kernel_size=bad)
