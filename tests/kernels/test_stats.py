"""Counts, tables, sums, histograms and pairs of images: C++ against the definitions."""

import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.kernels.histogram import bin_sums, joint_sums
from visionops.kernels.pair import blend, where_above
from visionops.kernels.stats import (
    equalize_levels,
    extremes,
    integral,
    level_counts,
    look_up,
    look_up3d,
    look_up_levels,
    stretch,
)

pytestmark = pytest.mark.skipif(not native.active(), reason="the compiled module is off")

EACH = torch.tensor([0.2, 0.9])
SIZES = [(1, 1), (2, 130), (37, 64), (65, 67)]


def rand(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layouts(x):
    """Returns the same values contiguous, channels last, as every other column, and with one channel for all."""
    spaced = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)[..., ::2]
    return [x, x.contiguous(memory_format=torch.channels_last), spaced.copy_(x), x[:, :1].expand_as(x)]


def agree(function, *tensors, atol=2e-6):
    """Asserts that kernel and definition agree in value and in every gradient."""
    result = function(*tensors)
    with native.definitions_only():
        expected = function(*tensors)
    assert result.dtype == expected.dtype
    torch.testing.assert_close(result, expected, atol=atol, rtol=1e-5)
    if not (result.is_floating_point() and expected.requires_grad):
        return
    g = rand(*result.shape, seed=9) - 0.5
    wanted = [t for t in tensors if t.requires_grad]
    found = torch.autograd.grad(result, wanted, g)
    exact = torch.autograd.grad(expected, wanted, g)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b, atol=atol * max(1.0, b.abs().max().item()), rtol=1e-4)


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
class TestLevels:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("grid", [(1, 1), (2, 3), (8, 8)])
    def test_counts(self, size, grid):
        x = rand(2, 3, *size) * 1.4 - 0.2
        for image in layouts(x) + layouts((x.clamp(0, 1) * 255).to(torch.uint8)):
            agree(lambda t: level_counts(t, grid), image)

    @pytest.mark.parametrize("size", SIZES)
    def test_extremes(self, size):
        for image in layouts(rand(2, 3, *size) - 0.5):
            agree(lambda t: torch.stack(extremes(t)), image.detach())
        for odd in (float("nan"), float("inf")):
            image = rand(2, 3, *size)
            image[1, 2, -1, -1] = odd
            agree(lambda t: torch.stack(extremes(t)).nan_to_num(7, 8, 9), image)

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("ends", [(0.1, 0.7), (1.0, -1.0)])
    def test_stretch(self, size, ends, threads):
        # Of few values, so that many pixels share an extreme; one channel is flat.
        image = (rand(2, 3, *size) * 8).floor() / 8
        image[1, 2] = 0.25
        for x in layouts(image):
            agree(lambda t: stretch(t, *ends), x.requires_grad_(), atol=1e-5)

    def test_counts_take_a_nan_for_black(self):
        x = torch.full((1, 1, 2, 2), float("nan"))
        assert level_counts(x)[0, 0, 0, 0, 0] == 4

    @pytest.mark.parametrize("size", SIZES)
    def test_equalize(self, size):
        x = (rand(2, 3, *size) * 200).to(torch.uint8)
        for image in layouts(x):
            agree(equalize_levels, image, atol=1)
            for grid in ((1, 1), (2, 3)):
                agree(lambda t, grid=grid: equalize_levels(t, torch.tensor([3, 900]), grid), image, atol=1)

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("rows", [(1, 1), (2, 1), (2, 3)])
    def test_look_up_levels(self, size, rows):
        tables = (rand(*rows, 256, seed=1) * 255).to(torch.uint8)
        for image in layouts((rand(2, 3, *size) * 255).to(torch.uint8)):
            agree(look_up_levels, image, tables)


@pytest.mark.usefixtures("threads")
class TestTables:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("rows", [(1, 1), (2, 1), (2, 3)])
    @pytest.mark.parametrize("grid", [(1, 1), (2, 3)])
    @pytest.mark.parametrize("k", [2, 33])
    def test_look_up(self, size, rows, grid, k):
        tile = tuple(-(-n // g) for n, g in zip(size, grid, strict=True))
        tables = rand(*rows, *grid, k, seed=1).requires_grad_()
        for image in layouts(rand(2, 3, *size) * 1.4 - 0.2):
            agree(lambda x, t: look_up(x, t, tile), image.detach().requires_grad_(), tables, atol=1e-5)
            agree(lambda x, t: look_up(x, t, tile), image, tables, atol=1e-5)

    def test_look_up_keeps_a_nan(self):
        assert look_up(torch.full((1, 1, 1, 1), float("nan")), rand(1, 1, 1, 1, 5)).isnan().all()

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("shape", [(1, 3), (2, 1), (2, 4)])
    @pytest.mark.parametrize("tetrahedral", [False, True])
    def test_look_up3d(self, size, shape, tetrahedral):
        table = rand(*shape, 5, 5, 5, seed=1).requires_grad_()
        for image in layouts(rand(2, 3, *size) * 1.4 - 0.2)[:3]:
            agree(lambda x, t: look_up3d(x, t, tetrahedral), image.detach().requires_grad_(), table, atol=1e-5)
            agree(lambda x, t: look_up3d(x, t, tetrahedral), image, table, atol=1e-5)

    @pytest.mark.parametrize("tetrahedral", [False, True])
    def test_look_up3d_of_equal_colours(self, tetrahedral):
        x = rand(1, 1, 9, 9).expand(1, 3, 9, 9)
        agree(lambda x, t: look_up3d(x, t, tetrahedral), x, rand(1, 3, 4, 4, 4, seed=1))
        assert look_up3d(x * float("nan"), rand(1, 3, 4, 4, 4), tetrahedral).isnan().all()


@pytest.mark.usefixtures("threads")
class TestSums:
    @pytest.mark.parametrize("size", SIZES)
    def test_integral(self, size):
        for image in layouts(rand(2, 3, *size)):
            agree(lambda t: integral(t, torch.float32), image.detach().requires_grad_(), atol=1e-4)
            agree(lambda t: integral(t, torch.float64), image)
        for image in layouts((rand(2, 3, *size) * 255).to(torch.uint8)):
            agree(lambda t: integral(t, torch.int32), image)

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("taps", [1, 2, 4])
    def test_bins(self, size, taps):
        x, y = rand(2, 3, *size) * 1.4 - 0.2, rand(2, 3, *size, seed=1)
        for one, two in zip(layouts(x), layouts(y), strict=True):
            a, b = one.detach().requires_grad_(), two.detach().requires_grad_()
            agree(lambda t: bin_sums(t, 7, 0.1, 0.9, taps), a, atol=1e-4)
            # Sums over all pixels: the kernel's are float64, the definition's float32.
            agree(lambda s, t: joint_sums(s, t, None, 5, 0.1, 0.9, taps), a, b, atol=1e-4)
            agree(lambda s, t: joint_sums(s, t, None, 5, 0.1, 0.9, taps), one, b, atol=1e-4)
            if taps > 1:
                weight = rand(2, 3, *size, seed=2).requires_grad_()
                agree(lambda s, t, w: joint_sums(s, t, w, 5, 0.1, 0.9, taps), a, b, weight, atol=1e-4)
                agree(lambda s, t, w: joint_sums(s, t, w, 5, 0.1, 0.9, taps), one, two, weight, atol=1e-4)

    def test_bins_leave_out_what_is_not_a_number(self):
        assert bin_sums(torch.full((1, 1, 2, 2), float("nan")), 4, 0.0, 1.0, 2).sum() == 0


@pytest.mark.usefixtures("threads")
class TestPairs:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_pairs(self, size, dtype):
        unit, atol = (255, 1) if dtype == torch.uint8 else (1, 1e-6)
        x, y = ((rand(2, 3, *size, seed=s) * unit).to(dtype) for s in (0, 1))
        for one in layouts(x):
            for two in layouts(y):
                agree(lambda a, b: blend(a, b, (1.5, -0.4, 0.1), low=0.2, high=0.7), one, two, atol=atol)
                agree(lambda a, b: blend(a, b, (EACH, 0.5, -EACH)), one, two, atol=atol)
                agree(lambda a, b: where_above(a, b, 0.1 if unit == 1 else 3, 1.0, 0.0), one, two)
            agree(lambda a, b: where_above(a, b, 0.0, 0.0, 1.0), one, y[:1, :1, :1, :1].expand_as(y))


def test_refuses_what_would_read_out_of_bounds():
    image = native.describe(rand(1, 1, 4, 4))
    out = native.addresses(torch.empty(1, 1, 4, 4))
    with pytest.raises(ValueError, match="tiles must cover the image"):
        native.module.level_counts(image, 1, 1, 1, 1, 2, 4, out, 1)
    with pytest.raises(ValueError, match="tables must have one row"):
        native.module.look_up(image, 1, np.zeros((2, 1, 1, 1, 5), np.float32), 4, 4, out, 1)
    with pytest.raises(ValueError, match="images must have one size"):
        native.module.blend(image, native.describe(rand(1, 1, 4, 5)), 1, 1, np.zeros((1, 3), np.float32), 0, 1, out, 1)
