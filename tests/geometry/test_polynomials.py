"""Real roots of polynomials against NumPy's."""

import numpy as np
import pytest
import torch

from visionops.geometry.polynomials import polynomial_roots

D = torch.float64
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestPolynomialRoots:
    @pytest.mark.parametrize("degree", [1, 2, 3, 4, 7, 10])
    def test_are_numpys(self, degree):
        coefficients = normal(300, degree + 1, seed=degree)
        values, valid = polynomial_roots(coefficients)
        for c, x, found in zip(coefficients, values, valid, strict=True):
            expected = np.roots(c)
            expected = np.sort(expected[abs(expected.imag) < 1e-9].real)
            np.testing.assert_allclose(np.sort(x[found]), expected, rtol=1e-11, atol=1e-12)

    def test_wilkinsons(self):
        # Ten real roots whose coefficients reach 1e7: rounding of those alone moves them by 1e-9.
        values, valid = polynomial_roots(torch.from_numpy(np.poly(np.arange(1.0, 11.0))))
        assert valid.all()
        np.testing.assert_allclose(np.sort(values), np.arange(1, 11), rtol=1e-7)

    def test_of_any_size(self):
        for roots in ([1e-9, 1e9], [-1e5, 1e-5, 3.0], [1e-12, 1.0]):
            values, valid = polynomial_roots(torch.from_numpy(np.poly(roots)))
            assert valid.all()
            np.testing.assert_allclose(np.sort(values), np.sort(roots), rtol=1e-6)

    def test_on_the_border_of_the_halves(self):
        for roots in ([-1.0, 1.0], [1.0, 2.0, 0.5], [-1.0, 0.0, 1.0], [1.0]):
            values, valid = polynomial_roots(torch.from_numpy(np.poly(roots)))
            assert valid.all()
            np.testing.assert_allclose(np.sort(values), np.sort(roots), atol=1e-14)

    def test_lost_degrees_are_roots_at_infinity(self):
        values, valid = polynomial_roots(torch.tensor([0.0, 0.0, 1.0, -3.0, 2.0], dtype=D))
        assert valid.sum() == 2 and (values[~valid] == 0).all()
        assert values[valid].sort().values.tolist() == pytest.approx([1, 2], abs=1e-14)

    def test_double_root(self):
        c = torch.from_numpy(np.poly([0.3, 0.3, -2.0])).requires_grad_()
        values, valid = polynomial_roots(c)
        assert valid.any() and values[valid].tolist() == pytest.approx([0.3] * (int(valid.sum()) - 1) + [-2], abs=1e-7)
        doubles = valid & (values > 0)
        (grad,) = torch.autograd.grad(values[doubles].sum(), c)
        assert grad.tolist() == [0, 0, 0, 0]

    def test_none(self):
        for c in ([1.0, 0, 1], [0.0, 0, 0], [float("nan"), 1, 0], [float("inf"), 1, 0]):
            values, valid = polynomial_roots(torch.tensor(c))
            assert not valid.any() and values.tolist() == [0, 0]

    def test_gradients(self):
        c = normal(4, 6, seed=3).requires_grad_()
        gradcheck(lambda c: polynomial_roots(c).values, c, check_forward_ad=True)
        gradgradcheck(lambda c: polynomial_roots(c).values, c)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"polynomial_roots: coefficients must be at least two, got \(3, 1\)"):
            polynomial_roots(torch.ones(3, 1))
        with pytest.raises(ValueError, match="polynomial_roots: coefficients must be a floating tensor"):
            polynomial_roots(torch.ones(3, dtype=torch.int64))
