"""Fits in C++ against the definition."""

import pytest
import torch

from visionops.kernels import native
from visionops.kernels.fit import definition, fit

pytestmark = pytest.mark.skipif(not native.active(), reason="the kernels are off")


def moments(c, g, size, dtype):
    """Means of random values over a last dimension, so that they are some distribution's."""
    values = torch.rand(2, g + c, *size, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    products = (values[:, :g, None] * values[:, None]).flatten(1, 2)
    return [t.mean(-1).to(dtype).requires_grad_() for t in (values, products)]


class TestFit:
    @pytest.mark.parametrize("size", [(1, 1), (5, 13), (130, 131)])
    @pytest.mark.parametrize(("c", "g"), [(3, 3), (1, 1), (2, 5), (0, 1), (0, 4)])
    def test_value_and_gradients(self, c, g, size):
        found = []
        for dtype in (torch.float32, torch.float64):
            given = [*moments(c, g, size, dtype), torch.tensor([0.1, 0.3], dtype=dtype, requires_grad=True)]
            out = (fit if dtype == torch.float32 else definition.fit)(*given, guides=g)
            assert out.shape == (2, (g + 1) * (c or g), *size)
            found.append((out.detach(), *torch.autograd.grad(out.cos().sum(), given)))
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=2e-5 * max(1.0, float(want.abs().max())))

    def test_strides_and_one_eps(self):
        means, products = (t.detach() for t in moments(2, 2, (9, 7), torch.float32))
        eps = torch.tensor([0.2])
        want = fit(means, products, eps, guides=2)
        last = [t.contiguous(memory_format=torch.channels_last) for t in (means, products)]
        assert torch.equal(fit(*last, eps, guides=2), want)
        assert torch.equal(fit(means, products, eps.expand(2), guides=2), want)
