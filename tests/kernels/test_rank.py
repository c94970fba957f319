"""The compiled ranks and extremes against their definitions: values, gradients, strides, threads."""

import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.kernels.morphology import components, distance, extremum, reconstruction_source, skeleton
from visionops.kernels.rank import rank

BORDERS = ("replicate", "reflect", "circular", "constant")
CROSS = ((-1, 0, 0), (0, -1, 1), (1, 0, 0))
RAGGED = ((-2, -3, -3), (-2, 0, 12), (0, 1, 1), (3, -9, 2))


def box(h, w):
    return tuple((y - h // 2, -(w // 2), w - 1 - w // 2) for y in range(h))


def image(*shape, dtype=torch.float32, levels=64):
    values = torch.randint(0, levels, shape, generator=torch.Generator().manual_seed(sum(shape)))
    return values.to(dtype) if dtype == torch.uint8 else values.to(dtype) / levels


def both(function):
    """Returns what the compiled kernel gives, and the definition."""
    compiled = function()
    with native.definitions_only():
        return compiled, function()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
class TestValues:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", [(3, 3), (5, 5), (1, 1), (4, 7), (9, 2), (19, 17)])
    def test_ranks(self, dtype, size, border):
        for shape in ((2, 2, 33, 140), (1, 1, 1, 1), (1, 1, 3, 2), (1, 3, 20, 65)):
            x = image(*shape, dtype=dtype)
            n = size[0] * size[1]
            for k in {0, n // 2, n - 1, n // 3}:
                a, b = both(lambda: rank(x, k, size, border=border, fill=0.25 if dtype == torch.float32 else 7))  # noqa: B023
                assert torch.equal(a, b)

    @pytest.mark.parametrize("size", [(127, 127), (128, 2), (3, 130)])
    def test_large_windows(self, dtype, size):
        n = size[0] * size[1]
        for levels in (5, 256):
            x = image(1, 1, 8, 132, dtype=dtype, levels=levels)
            for k in (0, n // 3, n - 1):
                a, b = both(lambda: rank(x, k, size, border="reflect"))  # noqa: B023
                assert torch.equal(a, b)

    @pytest.mark.parametrize("runs", [box(3, 3), box(2, 5), box(9, 4), box(40, 1), box(1, 40), CROSS, RAGGED], ids=range(7))
    def test_extremes(self, dtype, runs):
        for shape in ((2, 2, 33, 140), (1, 1, 1, 1), (1, 1, 3, 2), (1, 2, 50, 65), (1, 1, 12, 2100)):
            x = image(*shape, dtype=dtype)
            for largest in (False, True):
                a, b = both(lambda: extremum(x, runs, largest=largest))  # noqa: B023
                assert torch.equal(a, b)

    def test_strides_and_threads(self, dtype):
        x = image(2, 150, 160, 3, dtype=dtype).permute(0, 3, 1, 2)[:, :2, ::2, 3:]
        calls = [
            lambda x: rank(x, 4, (3, 3)),
            lambda x: rank(x, 12, (5, 5)),
            lambda x: rank(x, 20, (7, 7)),
            lambda x: extremum(x, RAGGED, largest=False),
            lambda x: extremum(x, box(13, 13), largest=True),
        ]
        before = torch.get_num_threads()
        for call in calls:
            expected = call(x.contiguous())
            for threads in (1, 3):
                torch.set_num_threads(threads)
                try:
                    assert torch.equal(call(x), expected)
                    assert torch.equal(call(x[:1, :1]), expected[:1, :1])
                finally:
                    torch.set_num_threads(before)

    def test_growth(self, dtype):
        for shape in ((2, 2, 33, 40), (1, 1, 1, 1), (1, 1, 1, 9), (1, 2, 50, 3)):
            x = image(*shape, dtype=dtype)
            shapes = x * (x > x.to(torch.float64).quantile(0.4))
            calls = [distance, skeleton, lambda t: components(t, 4), lambda t: components(t, 8)]
            for call in calls:
                a, b = both(lambda: call(shapes))  # noqa: B023
                assert torch.equal(a, b)
            marker = x - torch.minimum(x, x.roll(1, -1)) // 2
            for connectivity in (4, 8):
                table = torch.cat([marker.flatten(2), x.flatten(2)], 2)
                a, b = both(lambda: reconstruction_source(marker, x, connectivity).flatten(2))  # noqa: B023
                assert torch.equal(table.gather(2, a), table.gather(2, b))


class TestGradients:
    @pytest.mark.parametrize("levels", [3, 1 << 20])
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("size", [(3, 3), (4, 7), (5, 5), (24, 29)])
    def test_ranks(self, size, border, levels):
        for shape in ((2, 2, 13, 40), (1, 1, 1, 1), (1, 1, 2, 3), (1, 1, 11, 270)):
            x = image(*shape, levels=levels).requires_grad_()
            grad = image(*shape, levels=1000)
            a, b = both(
                lambda: torch.autograd.grad(rank(x, size[0] * size[1] // 2, size, border=border), x, grad)[0]  # noqa: B023
            )
            torch.testing.assert_close(a, b)

    @pytest.mark.parametrize("levels", [3, 1 << 20])
    @pytest.mark.parametrize("runs", [box(3, 3), box(2, 5), box(1, 6), box(7, 1), CROSS, RAGGED], ids=range(6))
    def test_extremes(self, runs, levels):
        for shape in ((2, 2, 13, 40), (1, 1, 9, 70)):
            x = image(*shape, levels=levels).requires_grad_()
            grad = image(*shape, levels=1000)
            for largest in (False, True):
                a, b = both(lambda: torch.autograd.grad(extremum(x, runs, largest=largest), x, grad)[0])  # noqa: B023
                torch.testing.assert_close(a, b)

    def test_nan_does_no_harm(self):
        x = image(1, 1, 40, 70)
        x[0, 0, 7, 9] = torch.nan
        x.requires_grad_()
        for call in (lambda t: rank(t, 4, (3, 3)), lambda t: rank(t, 20, (7, 7)), lambda t: extremum(t, CROSS, largest=True)):
            out = call(x)
            assert out[..., 20:].isfinite().all()
            (grad,) = torch.autograd.grad(out, x, torch.ones_like(out))
            assert grad.isfinite().all()


@pytest.mark.skipif(native.module is None, reason="needs the compiled module")
def test_refusals():
    table, out = np.zeros((1, 6), np.int64), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="the rank must be one of the window's"):
        native.module.rank_windows(table, 1, 1, 9, 3, 3, 1, 0.0, out, 1)
    with pytest.raises(ValueError, match="runs must be in reading order"):
        native.module.extremum(table, 1, 1, np.array([[1, 0, 0], [0, 0, 0]], np.int32), False, out, 1)
