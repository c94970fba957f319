"""Erosion, dilation and what they make, against OpenCV, SciPy and scikit-image."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.morphology
import torch

from visionops import morphology
from visionops.morphology import closing, cross, dilation, ellipse, erosion, opening

OPENCV = {
    "opening": cv2.MORPH_OPEN,
    "closing": cv2.MORPH_CLOSE,
    "morphological_gradient": cv2.MORPH_GRADIENT,
    "top_hat": cv2.MORPH_TOPHAT,
    "black_hat": cv2.MORPH_BLACKHAT,
}
RAGGED = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1, 1, 0, 1, 1]], np.uint8)
ELEMENTS = {
    "cross5": cross(5).numpy(),
    "ellipse7": ellipse(7).numpy(),
    "ellipse4x9": ellipse((4, 9)).numpy(),
    "ragged": RAGGED,
    "far": np.array([[0, 0, 0, 0, 1]], np.uint8),
    "tall": np.ones((17, 1), np.uint8),
}


def photo(dtype, size=(70, 91)):
    image = np.ascontiguousarray(skimage.data.astronaut()[60 : 60 + size[0], 150 : 150 + size[1]])
    return image if dtype == np.uint8 else (image / 255).astype(dtype)


def apply(function, image, **options):
    return function(torch.from_numpy(image).permute(2, 0, 1), **options).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
class TestErosion:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 13, 31, (3, 7), (6, 1), (1, 64)])
    def test_boxes_are_opencvs(self, size, dtype):
        image = photo(dtype)
        kernel = np.ones((size, size) if isinstance(size, int) else size, np.uint8)
        np.testing.assert_array_equal(apply(erosion, image, kernel_size=size), cv2.erode(image, kernel))
        np.testing.assert_array_equal(apply(dilation, image, kernel_size=size), cv2.dilate(image, kernel))

    @pytest.mark.parametrize("name", ELEMENTS)
    def test_elements_are_opencvs(self, name, dtype):
        image, element = photo(dtype), ELEMENTS[name].astype(np.uint8)
        wanted = cv2.erode(image, element), cv2.dilate(image, element)
        # Where an element meets nothing of the image, ours is infinite and OpenCV's the largest number.
        inside = np.ones(image.shape, bool)
        if name == "far":
            inside[:, -2:] = False
        for given in (ELEMENTS[name], torch.from_numpy(ELEMENTS[name])):
            for function, expected in zip((erosion, dilation), wanted, strict=True):
                np.testing.assert_array_equal(apply(function, image, element=given)[inside], expected[inside])

    @pytest.mark.parametrize("name", OPENCV)
    def test_compounds_are_opencvs(self, name, dtype):
        image = photo(dtype)
        for element in (np.ones((5, 5), np.uint8), ellipse(9).numpy().astype(np.uint8)):
            expected = cv2.morphologyEx(image, OPENCV[name], element)
            np.testing.assert_array_equal(apply(getattr(morphology, name), image, element=element), expected)

    def test_tiny_images(self, dtype):
        for shape in ((1, 1), (1, 6), (5, 1), (2, 3)):
            image = photo(dtype, shape)
            for size in (2, 3, 9):
                kernel = np.ones((size, size), np.uint8)
                expected = cv2.erode(image, kernel).reshape(image.shape)
                np.testing.assert_array_equal(apply(erosion, image, kernel_size=size), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", OPENCV)
def test_compounds_of_tall_images_with_any_threads_and_strides(name, dtype):
    image = photo(dtype, (311, 260))
    before = torch.get_num_threads()
    try:
        for kernel in (np.ones((5, 3), np.uint8), np.ones((41, 1), np.uint8), cross(3).numpy().astype(np.uint8)):
            expected = cv2.morphologyEx(image, OPENCV[name], kernel)
            for threads in (1, 3):
                torch.set_num_threads(threads)
                np.testing.assert_array_equal(apply(getattr(morphology, name), image, element=kernel), expected)
                row_major = torch.from_numpy(image[..., 0].copy())[None]
                out = getattr(morphology, name)(row_major, element=kernel)[0]
                np.testing.assert_array_equal(out, expected[..., 0])
    finally:
        torch.set_num_threads(before)


class TestHeights:
    HEIGHTS = np.random.default_rng(0).normal(size=(3, 5)) * 0.1

    def test_are_scipys(self):
        image = photo(np.float64)[..., :1]
        inner = (slice(3, -3), slice(3, -3))
        heights = self.HEIGHTS[..., None]
        expected = scipy.ndimage.grey_erosion(image, structure=heights)
        np.testing.assert_allclose(apply(erosion, image, element=heights[..., 0])[inner], expected[inner], atol=1e-15)
        expected = scipy.ndimage.grey_dilation(image, structure=heights[::-1, ::-1])
        np.testing.assert_allclose(apply(dilation, image, element=heights[..., 0])[inner], expected[inner], atol=1e-15)

    def test_zero_and_minus_infinity_are_flat(self):
        image = photo(np.float32)
        heights = np.where(RAGGED, 0.0, -np.inf).astype(np.float32)
        for function in (erosion, dilation, opening, closing):
            flat = apply(function, image, element=RAGGED)
            np.testing.assert_array_equal(apply(function, image, element=heights), flat)

    def test_gradient_to_heights(self):
        image = torch.from_numpy(photo(np.float64, (8, 9))[..., :1]).permute(2, 0, 1)
        heights = torch.from_numpy(self.HEIGHTS).requires_grad_()
        for function in (erosion, dilation, opening):
            torch.autograd.gradcheck(lambda e: function(image, element=e), (heights,))  # noqa: B023
            torch.autograd.gradcheck(lambda e: function(image, element=e, soft=0.1), (heights,))  # noqa: B023


class TestOpening:
    @pytest.mark.parametrize("element", [np.ones((4, 6), np.uint8), RAGGED], ids=["even", "ragged"])
    def test_of_asymmetric_elements_is_scikit_images(self, element):
        image = photo(np.float64)[..., :1]
        inner = (slice(8, -8), slice(8, -8))
        once = apply(opening, image, element=element)
        assert (once <= image).all()
        np.testing.assert_array_equal(apply(opening, once, element=element), once)
        # skimage pads an element of even size at its start; it does not change what an opening finds.
        expected = skimage.morphology.opening(image[..., 0], element)
        np.testing.assert_array_equal(once[inner][..., 0], expected[inner])
        closed = apply(closing, image, element=element)
        assert (closed >= image).all()
        np.testing.assert_array_equal(closed[inner][..., 0], skimage.morphology.closing(image[..., 0], element)[inner])


class TestSoft:
    def test_is_between_least_and_mean(self):
        image = torch.from_numpy(photo(np.float64)).permute(2, 0, 1)
        hard = erosion(image, kernel_size=3)
        assert (erosion(image, kernel_size=3, soft=1e-5) - hard).abs().max() < 3e-5
        soft = erosion(image, kernel_size=3, soft=0.1)
        assert (soft >= hard - 1e-12).all() and (soft - hard).max() > 0.01
        mean = scipy.ndimage.uniform_filter(image.numpy(), (1, 3, 3))
        hot = erosion(image, kernel_size=3, soft=1e4)[:, 1:-1, 1:-1]
        np.testing.assert_allclose(hot, mean[:, 1:-1, 1:-1], atol=1e-4)

    def test_keeps_flat_images_up_to_the_edge(self):
        image = torch.full((1, 6, 7), 0.4, dtype=torch.float64)
        for element in (cross(3), RAGGED, ellipse(5)):
            for function in (erosion, dilation, closing):
                torch.testing.assert_close(function(image, element=element, soft=0.1), image)

    def test_temperature_of_each_sample(self):
        images = torch.from_numpy(np.stack([photo(np.float64, (9, 8))] * 2)).permute(0, 3, 1, 2)
        soft = torch.tensor([0.02, 0.3], dtype=torch.float64, requires_grad=True)
        out = dilation(images, kernel_size=3, soft=soft)
        torch.testing.assert_close(out[1], dilation(images[1], kernel_size=3, soft=0.3))
        torch.autograd.gradcheck(lambda s: dilation(images, kernel_size=3, soft=s), (soft,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("element", [np.ones((3, 3)) > 0, RAGGED > 0, np.ones((4, 2)) > 0, np.ones((1, 7)) > 0], ids=range(4))
def test_gradient_goes_to_the_first_of_equals(element, dtype):
    image = torch.randint(0, 3, (2, 9, 8), generator=torch.Generator().manual_seed(1)).to(dtype)
    grad = torch.rand(image.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    ay, ax = element.shape[0] // 2, element.shape[1] // 2
    at = [(y - ay, x - ax) for y, x in np.ndindex(*element.shape) if element[y, x]]
    for function in (erosion, dilation):
        leaf = image.clone().requires_grad_()
        out = function(leaf, element=element)
        out.backward(grad)
        expected = torch.zeros_like(image)
        for c, y, x in np.ndindex(*image.shape):
            around = [(y + dy, x + dx) for dy, dx in at if 0 <= y + dy < 9 and 0 <= x + dx < 8]
            for place in around:
                if image[c][place] == out[c, y, x]:
                    expected[c][place] += grad[c, y, x]
                    break
        torch.testing.assert_close(leaf.grad, expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "erosion: kernel_size must be given, or element, one of them"),
        ({"kernel_size": 3, "element": cross(3)}, "erosion: kernel_size must be given, or element"),
        ({"kernel_size": 0}, "erosion: kernel_size must be positive"),
        ({"element": np.zeros((3, 3))[0] > 0}, r"erosion: element must be of shape \(h, w\)"),
        ({"element": np.zeros((3, 3), bool)}, "erosion: element must be somewhere not 0"),
        ({"kernel_size": 3, "soft": -1.0}, "erosion: soft must be None or above 0"),
    ],
    ids=range(6),
)
def test_refusals(options, match):
    with pytest.raises(ValueError, match=match):
        erosion(torch.zeros(1, 5, 5), **options)
