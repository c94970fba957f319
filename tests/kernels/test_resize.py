"""`resample`: its tables against their formulas, compiled against definition, and the adjoint against autograd."""

import numpy as np
import pytest
import torch

from visionops.kernels import native, resample
from visionops.kernels.resize.cpu import band, transposed
from visionops.kernels.resize.tables import KINDS, table

needs_module = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")
BORDERS = ("reflect:3", "replicate:40", "circular:17", "circular:0")
PAIRS = [(1, 1), (1, 5), (5, 1), (2, 3), (7, 7), (9, 4), (16, 33), (100, 7), (13, 40), (64, 32), (80, 129)]


def dense(kind, source, size):
    index, weight = table(kind, source, size)
    return torch.zeros(size, source, dtype=torch.float64).scatter_add_(1, index.expand(weight.shape), weight.double())


def possible(kind, source, size):
    if kind == "same":
        return source == size
    if kind == "pyramid_down":
        return size == (source + 1) // 2
    return kind != "pyramid_up" or size in (2 * source, 2 * source - 1)


CASES = [(k, n, m) for k in (*KINDS, *BORDERS) for n, m in [*PAIRS, (9, 5), (9, 18), (9, 17)] if possible(k, n, m)]


class TestTables:
    @pytest.mark.parametrize(("kind", "source", "size"), CASES)
    def test_weights_add_up_to_one_and_taps_lie_inside(self, kind, source, size):
        index, weight = table(kind, source, size)
        assert index.min() >= 0 and index.max() < source and len(index) == size
        torch.testing.assert_close(weight.sum(1), torch.ones(size, dtype=torch.float64), rtol=0, atol=1e-14)

    @pytest.mark.parametrize(("kind", "source", "size"), CASES)
    def test_bands_are_the_table_and_its_transpose(self, kind, source, size):
        matrix = dense(kind, source, size).numpy()
        for (start, weights), want in (
            (band(kind, source, size), matrix),
            (transposed(kind, source, size), matrix.T),
        ):
            got = np.zeros((want.shape[0], want.shape[1]))
            for i, first in enumerate(start):
                got[i, first : first + weights.shape[1]] += weights[i]
            np.testing.assert_allclose(got, want, atol=1e-7)


@needs_module
class TestCompiled:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize(("kind", "source", "size"), CASES)
    def test_against_definition_in_all_layouts(self, kind, source, size, dtype):
        rng = np.random.default_rng(source)
        for other, height, high in (("bilinear", 6, 9), ("lanczos_antialias", 31, 8), ("same", 5, 5)):
            for rows in (True, False):
                shape = (2, source, height, 3) if rows else (2, height, source, 3)
                values = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8)).permute(0, 3, 1, 2)
                image = values if dtype == torch.uint8 else values / 255
                kinds = (kind, other) if rows else (other, kind)
                target = (size, high) if rows else (high, size)
                for one in (image, image.contiguous(), image.transpose(2, 3).contiguous().transpose(2, 3)):
                    got = resample(one, target, *kinds)
                    with native.definitions_only():
                        want = resample(one, target, *kinds)
                    assert got.shape == want.shape == (2, 3, *target) and got.dtype == dtype
                    if dtype == torch.uint8:
                        difference = (got.int() - want.int()).abs()
                        assert difference.max() <= 1 and (difference > 0).double().mean() <= 0.01
                    else:
                        # Sums of products whose weights add up, in size, to less than 4.
                        torch.testing.assert_close(got, want, rtol=0, atol=4e-6)

    @pytest.mark.parametrize(("kind", "source", "size"), CASES)
    def test_adjoint_is_the_definitions(self, kind, source, size):
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(2, 2, source, 9, generator=generator)
        weight = torch.rand(2, 2, size, 5, generator=generator)
        grads = []
        for x in (image.clone(), image.double()):
            x.requires_grad_()
            (resample(x, (size, 5), kind, "area") * weight.to(x.dtype)).sum().backward()
            grads.append(x.grad)
        torch.testing.assert_close(grads[0].double(), grads[1], rtol=0, atol=1e-5 * max(1, size / source))

    @pytest.mark.parametrize("kinds", [("bicubic_antialias", "bilinear"), ("nearest", "reflect:9"), ("area", "same")])
    @pytest.mark.parametrize("shape", [(1, 1, 901, 633), (2, 3, 301, 633)])
    def test_results_do_not_depend_on_the_number_of_threads(self, kinds, shape):
        before = torch.get_num_threads()
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        size = (700, 633 if kinds[1] == "same" else 400)
        weight = torch.rand(*shape[:2], *size, generator=torch.Generator().manual_seed(1))
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                x = image.clone().requires_grad_()
                (resample(x, size, *kinds) * weight).sum().backward()
                levels = resample((image * 255).byte(), size, *kinds)
                results.append((resample(image, size, *kinds), x.grad, levels))
            for one in results[1:]:
                assert all(torch.equal(a, b) for a, b in zip(results[0], one, strict=True))
        finally:
            torch.set_num_threads(before)

    @pytest.mark.parametrize("kind", ["bilinear", "bicubic_antialias", "lanczos", "area", "nearest", "replicate:2"])
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_floating_dtypes(self, kind, dtype):
        exact = torch.rand(2, 3, 21, 34, generator=torch.Generator().manual_seed(0)).to(dtype).double()
        weight = torch.rand(2, 3, 13, 50, generator=torch.Generator().manual_seed(1)).to(dtype).double()
        results = []
        for x, w, only in ((exact.to(dtype), weight.to(dtype), False), (exact.clone(), weight, True)):
            x.requires_grad_()
            if only:
                with native.definitions_only():
                    out = resample(x, (13, 50), kind, kind)
            else:
                out = resample(x, (13, 50), kind, kind)
            (out * w).sum().backward()
            assert out.dtype == x.grad.dtype == x.dtype
            results.append((out.detach().double(), x.grad.double()))
        # One rounding to the dtype, of results below 2 and of gradients below 32, and sums in float32.
        eps = torch.finfo(dtype).eps
        for got, want, size in zip(*results, (2, 32), strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=size / 2 * max(eps, 8 * torch.finfo(torch.float32).eps if eps > 1e-10 else 8 * eps))

    def test_taps_outside_the_source_are_refused(self):
        image = torch.zeros(1, 1, 4, 4)
        rows = (np.array([3], np.int32), np.ones((1, 2), np.float32))
        good = (np.array([2], np.int32), np.ones((1, 2), np.float32))
        for one, two in ((rows, good), (good, rows)):
            with pytest.raises(ValueError, match="taps must lie in the source"):
                native.module.resample(
                    native.describe(image), 1, 1, *one, *two, native.addresses(torch.zeros(1, 1, 1, 1)), 1
                )


class TestMeaning:
    def test_a_nan_stays_where_its_weight_is_zero(self):
        image = torch.zeros(1, 1, 4, 4)
        image[0, 0, 1, 1] = float("nan")
        assert resample(image, (4, 8), "bilinear", "nearest").isnan().sum() == 2

    def test_uint8_ties_go_up(self):
        image = torch.tensor([[[[0, 1], [2, 3]]]], dtype=torch.uint8)
        for only in (False, True):
            if only:
                with native.definitions_only():
                    out = resample(image, (2, 1), "same", "area")
            else:
                out = resample(image, (2, 1), "same", "area")
            assert out.flatten().tolist() == [1, 3]

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.int16, torch.float64])
    def test_nearest_moves_any_dtype(self, dtype):
        image = torch.arange(12).reshape(1, 1, 3, 4).to(dtype)
        assert torch.equal(resample(image, (6, 8), "nearest", "nearest"), image.repeat_interleave(2, 2).repeat_interleave(2, 3))

    def test_empty(self):
        assert resample(torch.zeros(0, 3, 4, 4), (2, 7), "area", "bicubic").shape == (0, 3, 2, 7)
