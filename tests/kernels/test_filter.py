"""`filter_separable`: compiled against definition, and both against OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from visionops.kernels import filter_separable, native

needs_module = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")
BORDERS = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}


def taps(rng, rows, size):
    values = rng.random((rows, size)).astype(np.float32)
    return values / values.sum(1, keepdims=True)


@needs_module
class TestFilterAgainstDefinition:
    @pytest.mark.parametrize("border", ["constant", "replicate", "reflect", "circular"])
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (5, 127), (40, 130)])
    def test_sizes_layouts_and_kernels(self, border, dtype, size):
        rng = np.random.default_rng(size[1])
        for kx, ky in [(1, 1), (3, 1), (1, 5), (7, 7), (31, 23)]:
            for layout in ("planar", "hwc", "strided"):
                image = torch.from_numpy(rng.integers(0, 256, (2, size[0], size[1] * 2, 3), dtype=np.uint8))
                image = image if dtype == torch.uint8 else image.float() / 255
                image = image.permute(0, 3, 1, 2)[..., ::2]
                image = image.contiguous() if layout == "planar" else image
                image = image.contiguous(memory_format=torch.channels_last) if layout == "hwc" else image
                rows = int(rng.integers(1, 3))
                tx, ty = taps(rng, rows, kx), taps(rng, 1, ky)
                got = filter_separable(image, tx, ty, border=border, fill=0.5)
                with native.definitions_only():
                    want = filter_separable(image, tx, ty, border=border, fill=0.5)
                if dtype == torch.uint8:
                    difference = (got.int() - want.int()).abs()
                    assert difference.max() <= 1 and (difference > 0).double().mean() <= 0.01
                else:
                    # Sums of at most 54 products of values up to 1.
                    torch.testing.assert_close(got, want, rtol=0, atol=54 * 2.0**-24)

    @pytest.mark.parametrize("size", [3, 5, 9, 17, 19])
    @pytest.mark.parametrize("border", ["constant", "replicate", "reflect", "circular"])
    def test_taps_that_do_not_add_up_to_one(self, size, border):
        rng = np.random.default_rng(size)
        image = torch.from_numpy(rng.random((2, 2, 23, 70), dtype=np.float32))
        tx, ty = (rng.normal(size=(2, k)).astype(np.float32) / size for k in (size, 7))
        got = filter_separable(image, tx, ty, border=border, fill=0.7)
        with native.definitions_only():
            want = filter_separable(image, tx, ty, border=border, fill=0.7)
        torch.testing.assert_close(got, want, rtol=0, atol=(size + 7) * 2.0**-23)

    def test_results_do_not_depend_on_the_number_of_threads(self):
        before = torch.get_num_threads()
        rng = np.random.default_rng(0)
        image, tx, ty = torch.rand(1, 1, 700, 501), taps(rng, 1, 9), taps(rng, 1, 5)
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(filter_separable(image, tx, ty, border="circular"))
            assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
        finally:
            torch.set_num_threads(before)

    def test_empty(self):
        assert filter_separable(torch.zeros(0, 3, 4, 4), np.ones((1, 3)), np.ones((1, 3))).shape == (0, 3, 4, 4)


class TestFilterAgainstOpenCV:
    @pytest.mark.parametrize("border", BORDERS)
    def test_sep_filter_2d(self, border):
        rng = np.random.default_rng(1)
        image = rng.random((50, 75, 3), dtype=np.float32)
        tx, ty = taps(rng, 1, 7), taps(rng, 1, 11)
        want = cv2.sepFilter2D(image, -1, tx[0], ty[0], borderType=BORDERS[border])
        got = filter_separable(torch.from_numpy(image).permute(2, 0, 1)[None], tx, ty, border=border)
        # Sums of 18 products of values up to 1, in another order.
        assert np.abs(got[0].permute(1, 2, 0).numpy() - want).max() <= 18 * 2.0**-24

    def test_gaussian_blur(self):
        rng = np.random.default_rng(2)
        image = rng.random((40, 60), dtype=np.float32)
        kernel = cv2.getGaussianKernel(9, 1.7).T.astype(np.float32)
        got = filter_separable(torch.from_numpy(image)[None, None], kernel, kernel)
        assert np.abs(got[0, 0].numpy() - cv2.GaussianBlur(image, (9, 9), 1.7)).max() <= 18 * 2.0**-24

    def test_a_constant_border_is_filtered_in_the_units_of_the_image(self):
        image = torch.full((1, 1, 5, 5), 200, dtype=torch.uint8)
        mean = np.full((1, 3), 1 / 3, np.float32)
        got = filter_separable(image, mean, np.ones((1, 1), np.float32), border="constant", fill=50)
        assert got[0, 0, 2].tolist() == [150, 200, 200, 200, 150]
