"""`blur_recursive`: compiled against definition, and both against the Gaussian that they stand for."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops.kernels import native
from visionops.kernels.recursive import blur_recursive

needs_module = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")
BORDERS = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}
SIZES = [(1, 1), (1, 70), (64, 1), (5, 40), (90, 133)]


def black_and_white(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, shape)).float()


def defined(run):
    with native.definitions_only():
        return run()


@needs_module
class TestRecursiveAgainstDefinition:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", SIZES)
    def test_values_and_gradients(self, size, border):
        for sigma in ([8.0], [3.0, 25.0]):
            image = black_and_white(4, 3, size[0], 2 * size[1])[..., ::2].requires_grad_()
            grad = black_and_white(4, 3, *size, seed=1)
            results = []
            for run in (lambda f: f(), defined):
                out = run(lambda image=image, sigma=sigma: blur_recursive(image, sigma, border=border, fill=0.3))
                results.append((out.detach(), *torch.autograd.grad(out, image, grad)))
            for got, want in zip(*results, strict=True):
                # Sums of thousands of gradients, at an edge that is repeated.
                torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * max(1, float(want.abs().max())))

    def test_uint8_and_layouts(self):
        image = (black_and_white(2, 3, 40, 61) * 255).to(torch.uint8)
        got = blur_recursive(image, [8.0], border="constant", fill=100)
        want = blur_recursive(image.double(), [8.0], border="constant", fill=100)
        assert (got - want).abs().max() < 0.5 + 255e-5
        turned = image.contiguous(memory_format=torch.channels_last)
        assert torch.equal(blur_recursive(turned, [8.0], border="constant", fill=100), got)

    def test_rounding_grows_in_proportion_to_sigma(self):
        image = black_and_white(1, 1, 700, 20)
        for sigma in (30.0, 300.0, 3000.0):
            error = (blur_recursive(image, [sigma]) - blur_recursive(image.double(), [sigma])).abs().max()
            assert error < 1e-6 + 5e-8 * sigma, sigma

    def test_results_do_not_depend_on_the_number_of_threads(self):
        before, image = torch.get_num_threads(), black_and_white(2, 3, 300, 301)
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(blur_recursive(image, [9.0], border="circular"))
            assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
        finally:
            torch.set_num_threads(before)

    def test_what_dies_away_is_zero(self):
        image = torch.zeros(1, 1, 40, 3000)
        image[..., :4] = 1
        out = blur_recursive(image, [8.0])
        tiny = out[(out != 0)].abs()
        assert (tiny >= torch.finfo(torch.float32).tiny).all() and (out == 0).any()


class TestRecursiveAgainstSciPy:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("sigma", [4.0, 8.0, 17.3, 60.0])
    def test_is_a_gaussian_to_two_in_a_hundred_thousand(self, sigma, border):
        image = black_and_white(1, 1, 90, 133, seed=3)
        image[..., 40:, 50:] = 1
        want = scipy.ndimage.gaussian_filter(
            image[0, 0].double().numpy(), sigma, mode=BORDERS[border], cval=0.3, radius=math.ceil(7 * sigma)
        )
        for dtype in (torch.float32, torch.float64):
            got = blur_recursive(image.to(dtype), [sigma], border=border, fill=0.3)
            assert np.abs(got[0, 0].numpy() - want).max() < 2e-5
