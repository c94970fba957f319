"""`filter_box`: compiled against definition, values and gradients."""

import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.kernels.box import filter_box

needs_module = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")
BORDERS = ("constant", "replicate", "reflect", "circular")
SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (5, 131), (40, 33)]
WINDOWS = [(1, 1), (3, 3), (1, 5), (4, 2), (7, 16), (22, 35), (85, 2)]


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


@needs_module
class TestBoxAgainstDefinition:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", SIZES)
    def test_values_and_gradients(self, size, border):
        for window in WINDOWS:
            image = noise(2, 3, size[0], 2 * size[1])[..., ::2].requires_grad_()
            grad = noise(2, 3, *size, seed=1)
            results = []
            for run in (lambda f: f(), _defined):
                out = run(lambda image=image, window=window: filter_box(image, *window, border=border, fill=0.3))
                results.append((out.detach(), *torch.autograd.grad(out, image, grad)))
            for got, want in zip(*results, strict=True):
                # Gradients that gather at an edge are sums of many.
                torch.testing.assert_close(got, want, rtol=0, atol=2e-5 * max(1, float(want.abs().max())))

    @pytest.mark.parametrize("border", BORDERS)
    def test_uint8_and_layouts(self, border):
        image = torch.randint(0, 256, (2, 3, 21, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        for window in WINDOWS:
            got = filter_box(image, *window, border=border, fill=100)
            want = _defined(lambda window=window: filter_box(image.double(), *window, border=border, fill=100))
            # Half a level, and the rounding of ties that are none in double precision.
            assert (got - want).abs().max() < 0.5 + 1e-4
            turned = image.contiguous(memory_format=torch.channels_last)
            assert torch.equal(filter_box(turned, *window, border=border, fill=100), got)

    @pytest.mark.parametrize("window", [(1, 2), (3, 3), (4, 2), (16, 15), (15, 16), (127, 2), (255, 1), (257, 1), (128, 2)])
    def test_means_of_bytes_are_rounded(self, window):
        image = np.random.default_rng(0).integers(0, 256, (300, 40), dtype=np.uint8)
        image[:, 20:] = np.where(image[:, 20:] > 127, 255, 0)
        wide = np.pad(image.astype(int), [(k // 2, k - 1 - k // 2) for k in window], mode="reflect")
        sums = np.lib.stride_tricks.sliding_window_view(wide, window).sum((2, 3))
        got = filter_box(torch.from_numpy(image)[None, None], *window, border="reflect")[0, 0].numpy()
        assert (np.abs(got - sums / np.prod(window)) <= 0.5 + 1e-5).all()

    def test_results_do_not_depend_on_the_number_of_threads(self):
        before = torch.get_num_threads()
        image = noise(1, 1, 700, 501)
        try:
            for one in (image, (255 * image).to(torch.uint8)):
                for window in ((45, 7), (9, 11)):
                    results = []
                    for threads in (1, 2, 3):
                        torch.set_num_threads(threads)
                        results.append(filter_box(one, *window, border="circular"))
                    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
        finally:
            torch.set_num_threads(before)

    def test_a_nan_stays_in_the_windows_that_hold_it(self):
        image = noise(1, 1, 60, 70)
        image[..., 30, 35], image[..., 10, 12] = torch.nan, torch.inf
        out = filter_box(image, 9, 5)
        assert out.isnan().sum() == 45 and out.isinf().sum() == 45

    def test_rounding_does_not_pile_up(self):
        image = noise(1, 1, 4, 20000)
        image[..., :100] *= 1e8
        want = _defined(lambda: filter_box(image.double(), 3, 31))
        torch.testing.assert_close(filter_box(image, 3, 31)[..., 200:].double(), want[..., 200:], rtol=1e-6, atol=0)


def _defined(run):
    with native.definitions_only():
        return run()
