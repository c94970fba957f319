"""`filter_dense`: compiled against definition, values and gradients, and both against OpenCV and SciPy."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops.kernels import native
from visionops.kernels.dense import filter_dense

needs_module = pytest.mark.skipif(not native.active(), reason="the compiled module is missing, or off")
BORDERS = ("constant", "replicate", "reflect", "circular")
SHAPES = [(1, 1, 1), (1, 1, 9), (1, 9, 1), (1, 2, 3), (1, 5, 131), (1, 33, 40), (4, 5, 18), (2, 1, 1)]
KERNELS = [(1, 1, 1, 1), (1, 1, 3, 3), (2, 1, 3, 5), (3, 1, 5, 1), (4, 1, 1, 3), (1, 3, 3, 3), (7, 1, 3, 3), (1, 1, 11, 9)]


def noise(*shape, dtype=torch.float32, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def both(run):
    """Returns what the kernels compute, and the definitions."""
    with native.definitions_only():
        want = run()
    return run(), want


@needs_module
class TestDenseAgainstDefinition:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_values_and_gradients(self, shape, border):
        for n, *size in KERNELS:
            for norm in ("none", "l1", "l2") if n <= 3 else ("none",):
                for rows in (1, 2):
                    image = noise(2, 3, *shape[:2], 2 * shape[2])[..., ::2].requires_grad_()
                    kernel = noise(rows, n, *size, seed=1).requires_grad_()

                    def run(image=image, kernel=kernel, norm=norm):
                        out = filter_dense(image, kernel, border=border, fill=0.3, norm=norm)
                        grad = noise(*out.shape, seed=2)
                        return out.detach(), *torch.autograd.grad(out, (image, kernel), grad)

                    for got, want in zip(*both(run), strict=True):
                        scale = max(1, float(want.abs().max()))
                        torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * scale)

    @pytest.mark.parametrize("border", BORDERS)
    def test_uint8_and_layouts(self, border):
        image = torch.randint(0, 256, (2, 3, 1, 21, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        kernel = noise(1, 1, 1, 5, 3).abs() / 5
        got, want = both(lambda: filter_dense(image, kernel, border=border, fill=100))
        difference = (got.int() - want.int()).abs()
        assert difference.max() <= 1 and (difference > 0).double().mean() < 0.01
        turned = image.permute(0, 3, 4, 2, 1).contiguous().permute(0, 4, 3, 1, 2)
        assert torch.equal(filter_dense(turned, kernel, border=border, fill=100), got)

    def test_results_do_not_depend_on_the_number_of_threads(self):
        before = torch.get_num_threads()
        image, kernel = noise(1, 1, 1, 700, 501), noise(1, 2, 1, 3, 3)
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(filter_dense(image, kernel, border="circular"))
            assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
        finally:
            torch.set_num_threads(before)

    def test_a_large_result_in_huge_pages(self):
        image = noise(1, 1, 1, 3000, 1500)
        out = filter_dense(image, torch.tensor([[[[[2.0]]], [[[3.0]]]]]))
        assert out.nbytes >= native.MAPPED and torch.equal(out[:, :, 1], 3 * image)

    def test_a_tap_of_zero_does_not_spread_a_nan(self):
        image = torch.zeros(1, 1, 1, 5, 40)
        image[..., 2, 20] = torch.nan
        kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None, None]
        assert filter_dense(image, kernel).isnan().sum() == 5

    def test_the_norm_of_more_than_three_is_refused(self):
        with pytest.raises(ValueError, match="three"):
            filter_dense(noise(1, 1, 1, 4, 4), noise(1, 4, 1, 3, 3), norm="l2")


class TestDenseAgainstOthers:
    @pytest.mark.parametrize("border", ["constant", "replicate", "reflect"])
    def test_is_opencvs(self, border):
        modes = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}
        image, kernel = noise(50, 75).numpy(), noise(7, 5).numpy()
        want = cv2.filter2D(image, -1, kernel, borderType=modes[border])
        got = filter_dense(torch.from_numpy(image)[None, None, None], torch.from_numpy(kernel)[None, None, None], border=border)
        assert np.abs(got[0, 0, 0, 0].numpy() - want).max() < 35 * 2.0**-20

    @pytest.mark.parametrize(("border", "mode"), [("constant", "constant"), ("circular", "wrap"), ("reflect", "mirror")])
    def test_is_scipys_in_three_dimensions(self, border, mode):
        image, kernel = noise(6, 9, 11, dtype=torch.float64).numpy(), noise(3, 5, 7, dtype=torch.float64).numpy()
        want = scipy.ndimage.correlate(image, kernel, mode=mode, cval=0.4)
        got = filter_dense(torch.from_numpy(image)[None, None], torch.from_numpy(kernel)[None, None], border=border, fill=0.4)
        np.testing.assert_allclose(got[0, 0, 0], want, atol=1e-12)
