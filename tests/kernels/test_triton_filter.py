"""The Triton filter against the definition, on the CPU in Triton's interpreter: see `test_triton.py`, which runs this."""

import os

import numpy as np
import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs inside test_triton.py, with TRITON_INTERPRET=1", allow_module_level=True)

from visionops.kernels.filter import cuda, definition

BORDERS = ("constant", "replicate", "reflect", "circular")


def check(image, taps_x, taps_y, border, *, fill=0.4):
    """Compares values and all gradients with those of the definition in float64."""
    x, tx, ty = (t.double().requires_grad_() for t in (image, taps_x, taps_y))
    want = definition.filter_separable(x, tx, ty, border=border, fill=fill)
    grad = torch.from_numpy(np.random.default_rng(5).normal(size=want.shape))
    want = (want.detach(), *torch.autograd.grad(want, (x, tx, ty), grad))
    rest = (taps_x, taps_y, border, fill)
    got = (cuda.forward(image, *rest), *cuda.backward(grad.float(), image, *rest, (True, True, True)))
    for mine, theirs in zip(got, want, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == torch.float32
        # Sums of some hundred products.
        scale = max(1.0, float(theirs.abs().max())) if theirs.numel() else 1.0
        torch.testing.assert_close(mine.double(), theirs, rtol=0, atol=1e-6 * scale)
    alone = cuda.backward(grad.float(), None, *rest, (True, False, False))
    assert alone[1:] == (None, None)
    torch.testing.assert_close(alone[0], got[1], rtol=0, atol=0)
    return got[0]


def taps(rows, k, seed=0):
    return torch.from_numpy(np.random.default_rng(seed + k).normal(size=(rows, k)).astype(np.float32))


class TestFilter:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("kx, ky", [(1, 1), (3, 1), (1, 5), (5, 13)])
    def test_sizes_of_kernels(self, border, kx, ky):
        image = torch.rand(2, 2, 5, 7, generator=torch.Generator().manual_seed(0))
        check(image, taps(2, kx), taps(1, ky, 1), border)

    @pytest.mark.parametrize("border", BORDERS)
    def test_one_pixel(self, border):
        check(torch.tensor([[[[0.7]]]]), taps(1, 5), taps(1, 3), border)

    def test_several_tiles_of_strided_images(self):
        image = torch.rand(1, 19, 70, 2, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)[..., ::2]
        check(image, taps(1, 3), taps(1, 3), "reflect")

    @pytest.mark.parametrize("border", ["constant", "reflect"])
    def test_bytes_round_and_saturate(self, border):
        image = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 6, 9, 3), dtype=np.uint8))
        image = image.permute(0, 3, 1, 2)
        tx, ty = torch.tensor([[-0.5, 2.0, -0.5]]), torch.tensor([[0.3, 0.5, 0.2]])
        got = cuda.forward(image, tx, ty, border, 50.0)
        want = definition.filter_separable(image.double(), tx.double(), ty.double(), border=border, fill=50.0)
        assert got.dtype == torch.uint8 and (want.min() < 0 or want.max() > 255)
        # A sum may lie at a half but for rounding.
        assert (got.double() - want.clamp(0, 255)).abs().max() <= 0.5 + 1e-4

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_halves(self, dtype):
        image = torch.rand(1, 1, 6, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
        tx = torch.full((1, 3), 1 / 3)
        got = cuda.forward(image, tx, tx, "replicate", 0.0)
        want = definition.filter_separable(image.float(), tx, tx, border="replicate", fill=0.0)
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), want, rtol=0, atol=torch.finfo(dtype).eps / 2)

    def test_empty_batch(self):
        image, rest = torch.zeros(0, 3, 4, 4), (taps(1, 3), taps(1, 3), "reflect", 0.0)
        assert cuda.forward(image, *rest).shape == image.shape
        by = cuda.backward(image, image, *rest, (True, True, True))
        assert by[0].shape == image.shape and not by[1].any() and not by[2].any()
