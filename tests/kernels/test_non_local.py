"""Non-local means in C++ against the definition: tiles, strides, threads, values that are no numbers."""

import pytest
import torch

from visionops.kernels import native
from visionops.kernels.non_local import definition, non_local

pytestmark = pytest.mark.skipif(not native.active(), reason="the kernels are off")

RATE, FLOOR = torch.tensor([-9.0, -30.0]), torch.tensor([0.02])


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


class TestNonLocal:
    @pytest.mark.parametrize("border", native.BORDERS)
    @pytest.mark.parametrize("size", [(70, 300), (1, 1), (2, 65)])
    def test_value_and_gradients_over_several_tiles(self, border, size):
        found = []
        for dtype in (torch.float32, torch.float64):
            given = [t.to(dtype).requires_grad_() for t in (noise(2, 2, *size), RATE, FLOOR)]
            run = non_local if dtype == torch.float32 else definition.non_local
            out = run(*given, patch=1, search=2, border=border)
            found.append((out.detach(), *torch.autograd.grad((out * noise(2, 2, *size).flip(-1)).sum(), given)))
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-5 * max(1.0, float(want.abs().max())))

    def test_strides_bytes_and_threads(self):
        image = noise(2, 3, 40, 70)
        rows = {"patch": 2, "search": 3, "border": "reflect"}
        want = non_local(image, RATE, FLOOR, **rows)
        for same in (image.contiguous(memory_format=torch.channels_last), image.mT.contiguous().mT):
            assert torch.equal(non_local(same, RATE, FLOOR, **rows), want)
        before = torch.get_num_threads()
        try:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                assert torch.equal(non_local(image, RATE, FLOOR, **rows), want)
        finally:
            torch.set_num_threads(before)
        levels = (image * 255).round().to(torch.uint8)
        want = non_local(levels / 255, RATE, FLOOR, **rows) * 255
        assert (non_local(levels, RATE, FLOOR, **rows) - want).abs().max() < 0.501

    def test_a_nan_stays_in_the_windows_that_hold_it(self):
        image = noise(1, 1, 30, 30)
        want = non_local(image, RATE[:1], FLOOR, patch=1, search=2)
        image[..., 8, 9] = torch.nan
        got = non_local(image, RATE[:1], FLOOR, patch=1, search=2)
        far = torch.ones(30, 30, dtype=torch.bool)
        far[4:13, 5:14] = False
        assert torch.equal(got[0, 0][far], want[0, 0][far])
