"""Compiled minimal solvers and roots of polynomials against their definitions: values, gradients, odd inputs, threads."""

import numpy as np
import pytest
import torch

from visionops.geometry.epipolar.five_point import find_essential
from visionops.geometry.epipolar.seven_point import find_fundamental_7point
from visionops.geometry.polynomials import real_roots
from visionops.kernels import native
from visionops.testing.cases.geometry_pose import matches

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

SOLVERS = {7: find_fundamental_7point, 5: find_essential}


def both(run):
    """Returns what kernels give, and what definitions do."""
    with native.definitions_only():
        expected = run()
    return run(), expected


@pytest.mark.parametrize("points", SOLVERS)
class TestMinimalSolve:
    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_is_the_definition(self, points, noise):
        x = matches(300, points, seed=1, noise=noise)
        found, expected = both(lambda: SOLVERS[points](*x))
        # A pair of roots that is nearly double is there or not by rounding.
        same = (found.valid == expected.valid).all(-1)
        assert same.sum() >= 299
        gap = (found.matrices - expected.matrices)[same].abs().amax((-1, -2, -3))
        assert gap.median() < 1e-12 and gap.max() < 1e-6

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_gradients_are_the_definitions(self, points, dtype):
        x = [p.to(dtype) for p in matches(20, points, seed=2, noise=0.02)]
        pull = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)

        def run():
            leaves = [p.clone().requires_grad_() for p in x]
            found = SOLVERS[points](*leaves)
            return torch.autograd.grad((found.matrices * pull).sum(), leaves)

        for a, b in zip(*both(run), strict=True):
            size = b.abs().amax((-1, -2))
            gap = (a - b).abs().amax((-1, -2)) / (1 + size)
            assert gap.max() < {torch.float64: 1e-7, torch.float32: 1e-3}[dtype]

    def test_what_is_no_problem_is_empty_alone(self, points):
        x1, x2 = matches(6, points, seed=3)
        x1, x2 = x1.clone(), x2.clone()
        x1[0, 0] = float("nan")
        x2[1] = 0.5
        x1[2], x2[2] = 0, 0
        x1[3, 1, 0] = float("inf")
        x1.requires_grad_()
        found, expected = both(lambda: SOLVERS[points](x1, x2))
        assert not found.valid[:4].any() and (found.matrices[:4] == 0).all()
        torch.testing.assert_close(found.matrices[4:], expected.matrices[4:])
        (grad,) = torch.autograd.grad(found.matrices.pow(2).mul(torch.arange(9.0).reshape(3, 3)).sum(), x1)
        assert (grad[:4] == 0).all() and grad[4:].any() and grad.isfinite().all()

    def test_views_batches_and_threads(self, points):
        x1, x2 = matches(64, points, seed=4)
        expected = SOLVERS[points](x1, x2)
        split = SOLVERS[points](x1.unflatten(0, (4, 16)), x2.unflatten(0, (4, 16)))
        assert torch.equal(split.matrices.flatten(0, 1), expected.matrices)
        turned = SOLVERS[points](x1.mT.contiguous().mT, x2[::2].repeat_interleave(2, 0)[::2].repeat(2, 1, 1)[:64])
        assert turned.matrices.shape == expected.matrices.shape
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(3)
            assert torch.equal(SOLVERS[points](x1, x2).matrices, expected.matrices)
        finally:
            torch.set_num_threads(threads)

    def test_dtypes_that_differ(self, points):
        x1, x2 = matches(3, points, seed=5)
        mixed = SOLVERS[points](x1, x2.float())
        torch.testing.assert_close(mixed.matrices, SOLVERS[points](x1, x2).matrices, atol=1e-4, rtol=0)


def test_rays_are_points():
    x1, x2 = matches(8, 5, seed=6)
    rays = [torch.cat([p, torch.ones_like(p[..., :1])], -1) * (1 + p[..., :1].abs()) for p in (x1, x2)]
    torch.testing.assert_close(find_essential(*rays).matrices, find_essential(x1, x2).matrices, atol=1e-9, rtol=0)


class TestRealRoots:
    @pytest.mark.parametrize("degree", range(1, 17))
    def test_is_the_definition(self, degree):
        c = torch.from_numpy(np.random.default_rng(degree).normal(size=(200, degree + 1)))
        (pairs, found), (expected, known) = both(lambda: real_roots(c))
        assert torch.equal(found, known)
        torch.testing.assert_close(pairs, expected, atol=1e-9, rtol=0)

    def test_are_numpys(self):
        c = np.random.default_rng(0).normal(size=(300, 11))
        pairs, found = real_roots(torch.from_numpy(c))
        for row, uv, some in zip(c, pairs.numpy(), found.numpy(), strict=True):
            theirs = np.roots(row[::-1])
            theirs = np.sort(theirs[np.abs(theirs.imag) < 1e-9 * np.abs(theirs)].real)
            np.testing.assert_allclose(np.sort(uv[some, 0] / uv[some, 1]), theirs, rtol=1e-7)

    @pytest.mark.parametrize("roots", [[0.5, 0.5], [2.0, 2.0, -1.0], [1.0], [-1.0, 1.0], [0.0, 0.0, 0.0], [1e9, 1e-9]])
    def test_special(self, roots):
        c = torch.from_numpy(np.poly(roots)[::-1].copy())[None]
        pairs, found = real_roots(c)
        values = (pairs[..., 0] / pairs[..., 1])[found]
        near = (values[:, None] - torch.tensor(roots).double()).abs() <= 1e-5 * (1 + torch.tensor(roots).double().abs())
        assert near.any(0).all() and near.any(1).all()

    def test_of_nothing(self):
        _, found = real_roots(torch.tensor([[0.0, 0, 0], [1, 0, 1]], dtype=torch.float64))
        assert not found.any()
