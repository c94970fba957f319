"""Compiled homographies, fundamental matrices and triangulations against their definitions: values and gradients."""

import pytest
import torch

from visionops.geometry import find_fundamental, find_homography, triangulate, triangulate_views
from visionops.kernels import native
from visionops.testing.cases.geometry_pose import matches, scene

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

D = torch.float64
FITS = {"homography": find_homography, "fundamental": find_fundamental}


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def both(run):
    """Returns what kernels give, and what definitions do."""
    with native.definitions_only():
        expected = run()
    return run(), expected


def value_and_gradients(function, inputs, **options):
    leaves = [t.clone().requires_grad_() for t in inputs]
    out, valid = function(*leaves, return_valid=True, **options)
    pull = random(*out.shape, seed=5).to(out.dtype)
    kept = torch.where(out.isfinite(), out, 0)
    return out.detach(), valid, *torch.autograd.grad((kept * pull).sum(), leaves)


def agree(found, expected, dtype):
    tolerance = {torch.float64: 1e-9, torch.float32: 2e-4}[dtype]
    assert torch.equal(found[1], expected[1])
    for a, b in zip((found[0], *found[2:]), (expected[0], *expected[2:]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * float(b.abs().nan_to_num().max()), equal_nan=True)


def weighted(name):
    function = FITS[name]
    return lambda a, b, w, **options: function(a, b, weights=w, **options)


def pairs(name, count, *, noise=0.02):
    """Pairs in pixels, off the origin; for a homography on a plane."""
    x1, x2 = matches(count, 12, seed=1, noise=noise, flat=name == "homography")
    return 300 * x1 + 200, 250 * x2 + 100


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", FITS)
class TestFit:
    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_is_the_definition(self, name, dtype, noise):
        x = [p.to(dtype) for p in pairs(name, 21, noise=noise)]
        agree(*both(lambda: value_and_gradients(FITS[name], x)), dtype)

    def test_weights(self, name, dtype):
        weights = random(21, 12, seed=2).abs() + 0.1
        weights[3, :2] = 0
        x = [p.to(dtype) for p in (*pairs(name, 21), weights)]
        x[0][3, 0], x[1][3, 1] = float("nan"), float("inf")  # of weight 0
        found, expected = both(lambda: value_and_gradients(weighted(name), x))
        agree(found, expected, dtype)
        assert found[1].all() and all(g.isfinite().all() for g in found[2:]) and (found[4][3, :2] == 0).all()

    def test_what_is_no_problem(self, name, dtype):
        x1, x2 = (p.to(dtype) for p in pairs(name, 6))
        x1[0, 3] = float("nan")
        x1[1], x2[1] = 7, 9
        x1[2, :, 1] = 5  # on a line
        x2[3, 1, 0] = float("inf")
        found = value_and_gradients(FITS[name], (x1, x2))
        assert not found[1][:4].any() and found[1][4:].all()
        assert found[0][[0, 3]].isnan().all() and found[0][[1, 2, 4, 5]].isfinite().all()
        assert all((g[:4] == 0).all() and g[4:].any() and g.isfinite().all() for g in found[2:])


@pytest.mark.parametrize("name", FITS)
def test_second_derivatives_are_the_definitions(name):
    x = [p[:2, :9].requires_grad_() for p in pairs(name, 2)]

    def curvature():
        out = FITS[name](*x)
        first = torch.autograd.grad(out.pow(2).sum() + out[..., 0, 1].sum(), x, create_graph=True)
        return torch.autograd.grad(sum(g.pow(2).sum() for g in first), x)

    for a, b in zip(*both(curvature), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9 * float(b.abs().max()))


@pytest.mark.parametrize("name", FITS)
def test_broadcasts_views_and_threads(name):
    x1, x2 = pairs(name, 30)
    expected = FITS[name](x1[:1], x2[:1].expand(5, -1, -1))
    assert torch.equal(FITS[name](x1[0], x2[:1].expand(5, -1, -1)), expected)
    one = FITS[name](x1, x2)
    assert torch.equal(FITS[name](x1.mT.contiguous().mT, x2.flip(0).flip(0)), one)
    # Eight problems share the number of their steps: a sample may differ by rounding with what is beside it.
    torch.testing.assert_close(FITS[name](x1[17], x2[17]), one[17], rtol=1e-8, atol=1e-12)
    threads = torch.get_num_threads()
    many = [p.repeat(400, 1, 1) for p in (x1, x2)]
    try:
        torch.set_num_threads(1)
        alone = FITS[name](*many)
        torch.set_num_threads(3)
        assert torch.equal(FITS[name](*many), alone)
    finally:
        torch.set_num_threads(threads)


def views(count, dtype):
    x, R, t = scene(count, 11, seed=3)
    first = torch.eye(3, 4, dtype=D).expand(count, 3, 4)
    second = torch.cat([R, t[..., None]], -1)
    seen = [x[..., :2] / x[..., 2:], (y := x @ R.mT + t[:, None])[..., :2] / y[..., 2:]]
    return [v.to(dtype) for v in (first, second, *(s + 0.01 * random(*s.shape, seed=i) for i, s in enumerate(seen)))]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
class TestRays:
    def test_is_the_definition(self, dtype):
        agree(*both(lambda: value_and_gradients(triangulate, views(7, dtype))), dtype)

    def test_views_and_weights(self, dtype):
        P1, P2, x1, x2 = views(5, dtype)
        P = torch.stack([P1, P2, P2 + 0.1], 1)
        x = torch.stack([x1, x2, x2 + 0.05], 1)
        w = random(5, 3, 11, seed=4).abs().to(dtype)
        w[2, 1, :4] = 0
        x[2, 1, 0] = float("nan")
        found, expected = both(lambda: value_and_gradients(weighted_views, (P, x, w)))
        agree(found, expected, dtype)
        assert found[1].all() and all(g.isfinite().all() for g in found[2:])

    def test_what_is_no_problem(self, dtype):
        P1, P2, x1, x2 = (v.clone() for v in views(4, dtype))
        x1[0, 2, 0] = float("nan")
        P2[1, 0, 0] = float("nan")
        P2[2] = P1[2]  # no motion: rays that coincide, or miss each other at infinity
        x2[2] = x1[2]
        found, expected = both(lambda: value_and_gradients(triangulate, (P1, P2, x1, x2)))
        assert found[0][0, 2].isnan().all() and found[0][1].isnan().all()
        assert not found[1][0, 2] and not found[1][1:3].any() and found[1][3].all() and found[1][0, 3:].all()
        assert all(g.isfinite().all() for g in found[2:])
        agree(*([v[[0, 1, 3]] for v in each] for each in (found, expected)), dtype)


def weighted_views(P, x, w, **options):
    return triangulate_views(P, x, weights=w, **options)
