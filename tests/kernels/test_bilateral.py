"""`bilateral`: compiled against definition, values and gradients."""

import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.kernels.bilateral import bilateral
from visionops.kernels.bilateral.definition import offsets

pytestmark = pytest.mark.skipif(not native.active(), reason="the compiled module is missing, or off")
BORDERS = ("constant", "replicate", "reflect", "circular")


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(run, *leaves):
    leaves = [t if t is None else t.clone().requires_grad_() for t in leaves]
    out = run(*leaves)
    weight = noise(*out.shape, seed=9).to(out.dtype) - 0.3
    # A window of one pixel uses no sigma.
    wanted = [t for t in leaves if t is not None]
    return torch.autograd.grad((out * weight).sum(), wanted, allow_unused=True, materialize_grads=True)


def twins(size, border):
    """Returns the compiled filter, and the definition in float64."""

    def compiled(image, guide, color, space):
        return bilateral(image, guide, color, space, size=size, border=border)

    def exact(image, guide, color, space):
        with native.definitions_only():
            return compiled(*(t if t is None else t.double() for t in (image, guide, color, space)))

    return compiled, exact


class TestBilateralAgainstDefinition:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (5, 127), (40, 130)])
    @pytest.mark.parametrize("guides", [0, 1, 4])
    def test_values_and_gradients(self, border, size, guides):
        for channels, window in ((3, (5, 5)), (1, (3, 7)), (2, (1, 3)), (3, (1, 1)), (1, (9, 9))):
            image = noise(2, channels, *size)
            guide = noise(2, guides, *size, seed=1) if guides else None
            color, space = torch.tensor([0.3, 0.8]), torch.tensor([1.5])
            compiled, exact = twins(window, border)
            want = exact(image, guide, color, space)
            torch.testing.assert_close(compiled(image, guide, color, space).double(), want, rtol=0, atol=1e-6)
            got = gradients(compiled, image, guide, color, space)
            wanted = gradients(exact, image, guide, color, space)
            for a, b in zip(got, wanted, strict=True):
                # Sums of signed terms, up to about the size of the largest.
                torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=2e-6 * max(1, float(b.abs().max())))

    @pytest.mark.parametrize("layout", ["strided", "hwc"])
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_layouts_and_bytes(self, layout, dtype):
        image = noise(2, 3, 21, 140)
        image = (image * 255).to(torch.uint8) if dtype == torch.uint8 else image
        view = image.contiguous(memory_format=torch.channels_last) if layout == "hwc" else image[..., ::2]
        compiled, _ = twins((5, 3), "reflect")
        one = torch.tensor([0.2])
        for guide in (None, view[:, :1]):
            want = bilateral(view.double() / (255 if dtype == torch.uint8 else 1), None if guide is None else
                             guide.double() / (255 if dtype == torch.uint8 else 1), one.double(), one.double() * 10,
                             size=(5, 3))  # fmt: skip
            got = compiled(view, guide, one, one * 10)
            assert got.dtype == dtype
            if dtype == torch.uint8:
                assert (got - want * 255).abs().max() < 0.5 + 1e-4
            else:
                torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-6)

    def test_results_do_not_depend_on_the_number_of_threads(self):
        before = torch.get_num_threads()
        image, guide, sigma = noise(1, 2, 300, 201), noise(1, 1, 300, 201, seed=1), torch.tensor([0.5])
        compiled, _ = twins((5, 5), "reflect")
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(
                    [compiled(image, guide, sigma, sigma), *gradients(compiled, image, guide, sigma, sigma)]
                )
            for other in results[1:]:
                assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
        finally:
            torch.set_num_threads(before)

    def test_extremes(self):
        compiled, exact = twins((3, 3), "reflect")
        flat = torch.full((1, 3, 20, 20), 0.37)
        tiny, wide = torch.tensor([1e-6]), torch.tensor([1e4])
        assert torch.equal(compiled(flat, None, tiny, wide), flat)
        sharp = noise(1, 3, 20, 20)
        assert torch.equal(compiled(sharp, None, tiny, wide), sharp)
        torch.testing.assert_close(
            compiled(sharp, None, wide, wide).double(), exact(sharp, None, wide, wide), rtol=0, atol=1e-6
        )
        holed = sharp.clone()
        holed[0, 1, 8, 8] = float("nan")
        out = compiled(holed, None, wide, wide)
        # A cross about the hole, in every channel: the distance counts all.
        assert out.isnan().sum() == 3 * 5 and torch.equal(out.isnan(), exact(holed, None, wide, wide).isnan())


def test_the_window_is_a_disk_or_an_ellipse():
    for ry, rx in ((0, 0), (0, 2), (1, 1), (2, 2), (3, 5)):
        want = [
            (dy, dx)
            for dy in range(-ry, ry + 1)
            for dx in range(-rx, rx + 1)
            if np.hypot(dy / max(ry, 1), dx / max(rx, 1)) <= 1 + 1e-12
        ]
        assert offsets(ry, rx) == want
