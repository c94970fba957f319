"""Derivatives against OpenCV and SciPy, on photos."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.filters
import torch

from visionops import filters

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}


def photo():
    return skimage.data.astronaut()[50:171, 100:255].astype(np.float32) / 255


def tensor(image):
    return torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1)


def opencv(image, dx, dy, border, operator="sobel"):
    if operator == "scharr":
        return cv2.Scharr(image, cv2.CV_32F, dx, dy, borderType=BORDERS[border])
    return cv2.Sobel(image, cv2.CV_32F, dx, dy, ksize=3, borderType=BORDERS[border])


class TestSpatialGradient:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("operator", ["sobel", "scharr"])
    def test_first_is_opencvs(self, operator, border):
        got = filters.spatial_gradient(tensor(photo()), operator=operator, border=border)
        assert got.shape == (3, 2, 121, 155)
        for i, (dx, dy) in enumerate(((1, 0), (0, 1))):
            want = opencv(photo(), dx, dy, border, operator)
            np.testing.assert_allclose(got[:, i].permute(1, 2, 0), want, atol=2e-5)

    @pytest.mark.parametrize("border", BORDERS)
    def test_second_is_opencvs(self, border):
        got = filters.spatial_gradient(tensor(photo()), order=2, border=border)
        for i, (dx, dy) in enumerate(((2, 0), (1, 1), (0, 2))):
            np.testing.assert_allclose(got[:, i].permute(1, 2, 0), opencv(photo(), dx, dy, border), atol=2e-5)

    def test_diff_of_a_parabola(self):
        y, x = torch.meshgrid(torch.arange(7.0), torch.arange(8.0), indexing="ij")
        image = (2 * x * x + 3 * x * y + 5 * y * y)[None]
        first = filters.spatial_gradient(image, operator="diff")[0, :, 1:-1, 1:-1]
        torch.testing.assert_close(first, 2 * torch.stack([4 * x + 3 * y, 3 * x + 10 * y])[:, 1:-1, 1:-1])
        second = filters.spatial_gradient(image, operator="diff", order=2)[0, :, 3, 3]
        assert second.tolist() == [4, 4 * 3, 10]

    def test_in_space(self):
        volume = np.random.default_rng(0).normal(size=(6, 7, 8))
        got = filters.spatial_gradient3d(torch.from_numpy(volume)[None], operator="sobel")[0]
        for i, axis in enumerate((2, 1, 0)):
            np.testing.assert_allclose(got[i], scipy.ndimage.sobel(volume, axis, mode="mirror"), atol=1e-12)
        z, y, x = torch.meshgrid(*(torch.arange(float(n)) for n in (5, 6, 7)), indexing="ij")
        image = (x * x + 2 * y * y + 3 * z * z + 5 * x * y + 7 * y * z + 11 * x * z)[None]
        second = filters.spatial_gradient3d(image, order=2)[0, :, 2, 2, 2]
        assert second.tolist() == [2, 4, 6, 4 * 5, 4 * 7, 4 * 11]

    def test_refuses(self):
        image = torch.zeros(1, 4, 4)
        with pytest.raises(ValueError, match="spatial_gradient: order must be 1 or 2"):
            filters.spatial_gradient(image, order=3)
        with pytest.raises(ValueError, match="spatial_gradient: operator must be"):
            filters.spatial_gradient(image, operator="prewitt")
        with pytest.raises(ValueError, match="spatial_gradient: image must be floating"):
            filters.spatial_gradient(image.to(torch.uint8))


class TestMagnitudes:
    @pytest.mark.parametrize("name", ["sobel", "scharr"])
    def test_is_the_length_of_opencvs(self, name):
        want = np.hypot(*(opencv(photo(), *d, "reflect", name) for d in ((1, 0), (0, 1))))
        got = getattr(filters, name)(tensor(photo()))
        np.testing.assert_allclose(got.permute(1, 2, 0), want, atol=5e-5)

    @pytest.mark.parametrize(("name", "factor"), [("sobel", 4 * 2**0.5), ("scharr", 16 * 2**0.5)])
    def test_is_as_many_times_scikit_images_as_stated(self, name, factor):
        image = photo()[..., 0].astype(np.float64)
        want = getattr(skimage.filters, name)(image)[1:-1, 1:-1] * factor
        np.testing.assert_allclose(getattr(filters, name)(tensor(image))[0, 1:-1, 1:-1], want, atol=1e-10)

    @pytest.mark.parametrize("name", ["sobel", "scharr"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_gradient_where_it_is_zero(self, name, dtype):
        flat = torch.full((1, 5, 6), 0.3, dtype=dtype, requires_grad=True)
        getattr(filters, name)(flat, border="replicate").sum().backward()
        assert (flat.grad == 0).all()


class TestLaplacian:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", [1, 3, 5, 7])
    def test_is_opencvs(self, size, border):
        want = cv2.Laplacian(photo(), cv2.CV_32F, ksize=size, borderType=BORDERS[border])
        got = filters.laplacian(tensor(photo()), kernel_size=size, border=border).permute(1, 2, 0)
        np.testing.assert_allclose(got, want, atol=3e-6 * 4**size)

    def test_refuses(self):
        with pytest.raises(ValueError, match="laplacian: kernel_size must be odd"):
            filters.laplacian(torch.zeros(1, 4, 4), kernel_size=2)


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("order", [1, 2])
def test_sobel_kernel_is_opencvs(size, order):
    for kernel, (dx, dy) in zip(
        filters.sobel_kernel(size, order=order), [(1, 0), (0, 1)] if order == 1 else [(2, 0), (1, 1), (0, 2)], strict=True
    ):
        across, down = cv2.getDerivKernels(dx, dy, size)
        assert np.array_equal(kernel, down @ across.T)
