"""Compiled exponentials and logarithms against their definitions, and the definitions' gradients."""

import math

import pytest
import torch

from visionops.geometry import se3, so3
from visionops.kernels import native

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

GROUPS = {"so3": (so3, 3), "se3": (se3, 6)}


def tangents(d):
    """Of all sizes, at 0 and pi and close to them."""
    random = torch.randn(40, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    axis = torch.nn.functional.normalize(random[:, -3:], dim=-1)
    angles = [0, 1e-9, 1e-4, 0.3, 0.79, 0.8, 0.99, 1.0, 1.01, 2, 3, math.pi - 1e-4, 4, 7, 20, 100]
    turned = axis[: len(angles)] * torch.tensor(angles, dtype=torch.float64)[:, None]
    return torch.cat([random, torch.cat([random[: len(angles), :-3], turned], -1), torch.zeros(1, d).double()])


def matrices(group, d):
    x = tangents(d)
    kept = x[x[:, -3:].norm(dim=-1) < math.pi - 1e-6]
    half = torch.cat([torch.ones(3, d - 3), math.pi * torch.eye(3)], -1).double()
    return group.exp(torch.cat([kept, half]))


def value_and_gradient(function, x, pull):
    x = x.clone().requires_grad_()
    out = function(x)
    return out.detach(), torch.autograd.grad((out * pull).sum(), x)[0]


@pytest.mark.parametrize("name", GROUPS)
class TestMotions:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    @pytest.mark.parametrize("method", ["exp", "log"])
    def test_is_the_definition(self, name, method, dtype):
        group, d = GROUPS[name]
        x = (tangents(d) if method == "exp" else matrices(group, d)).to(dtype)
        function = getattr(group, method)
        pull = torch.randn(function(x).shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
        found = value_and_gradient(function, x, pull)
        with native.definitions_only():
            expected = value_and_gradient(function, x, pull)
        for a, b in zip(found, expected, strict=True):
            tolerance = {torch.float64: 1e-12, torch.float32: 1e-6}[dtype]
            torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=tolerance * float(b.abs().max()))

    def test_undo_each_other(self, name):
        group, d = GROUPS[name]
        x = tangents(d)
        x = x[x[:, -3:].norm(dim=-1) < 3.14]
        torch.testing.assert_close(group.log(group.exp(x)), x, rtol=0, atol=1e-11)

    def test_any_finite_matrix(self, name):
        group, d = GROUPS[name]
        n = 4 if d == 6 else 3
        x = torch.randn(200, n, n, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        x = torch.cat([x, 0 * x[:1], -torch.eye(n).double()[None]])
        out, grad = value_and_gradient(group.log, x, 1.0)
        assert out.isfinite().all() and grad.isfinite().all()
        with native.definitions_only():
            expected = value_and_gradient(group.log, x, 1.0)
        torch.testing.assert_close(out, expected[0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(grad, expected[1], rtol=1e-8, atol=1e-8)

    def test_nan_stays_alone(self, name):
        group, d = GROUPS[name]
        x = tangents(d)[:4].clone()
        x[1, 0] = float("nan")
        out, grad = value_and_gradient(group.exp, x, 1.0)
        assert out[1].isnan().all() and out[[0, 2, 3]].isfinite().all()
        assert (grad[1] == 0).all() and grad.isfinite().all()
        m = out.clone()
        back, grad = value_and_gradient(group.log, m, 1.0)
        assert back[1].isnan().all() and back[[0, 2, 3]].isfinite().all()
        assert (grad[1] == 0).all() and grad.isfinite().all()

    def test_views_and_threads(self, name):
        group, d = GROUPS[name]
        x = torch.randn(d, 30000, generator=torch.Generator().manual_seed(3), dtype=torch.float64).mT
        one = group.exp(x.contiguous())
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(3)
            assert torch.equal(group.exp(x), one)
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(group.exp(x[:12].unflatten(0, (3, 2, 2))).flatten(0, 2), one[:12])
