"""Implicit functions against SciPy, NumPy's SVD, closed values and finite differences."""

import numpy as np
import pytest
import scipy.optimize
import torch
from scipy.spatial.transform import Rotation

from visionops.geometry import (
    implicit_argmin,
    implicit_root,
    nearest_essential,
    nearest_rank2,
    nearest_rotation,
    null_vector,
)

D = torch.float64
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def circle_and_line(x, a):
    """Two equations in two unknowns, of which a moves both."""
    return torch.stack([x[..., 0] ** 2 + x[..., 1] ** 2 - a, x[..., 0] - a * x[..., 1]], -1)


class TestImplicitRoot:
    def test_is_scipys(self):
        a = torch.tensor([0.5, 1.0, 3.0], dtype=D)
        x = implicit_root(circle_and_line, torch.ones(3, 2, dtype=D), a)
        for value, root in zip(a.tolist(), x, strict=True):
            expected = scipy.optimize.root(
                lambda x, v=value: circle_and_line(torch.from_numpy(x), torch.tensor(v)).numpy(), [1.0, 1.0], tol=1e-14
            ).x
            np.testing.assert_allclose(root, expected, atol=1e-12)

    def test_closed_form(self):
        a = torch.tensor([0.5, 2.0, 9.0], dtype=D, requires_grad=True)
        x = implicit_root(lambda x, a: x**3 - a[:, None], torch.ones(3, 1, dtype=D), a)[:, 0]
        first = torch.autograd.grad(x.sum(), a, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), a)[0]
        with torch.no_grad():
            torch.testing.assert_close(x, a ** (1 / 3))
            torch.testing.assert_close(first, a ** (-2 / 3) / 3)
            torch.testing.assert_close(second, a ** (-5 / 3) * (-2 / 9))

    @pytest.mark.parametrize("grad", ["implicit", "unroll"])
    def test_gradients(self, grad):
        a = torch.tensor([0.5, 3.0], dtype=D, requires_grad=True)

        def run(a):
            return implicit_root(circle_and_line, torch.ones(2, 2, dtype=D), a, grad=grad)

        gradcheck(run, (a,), check_forward_ad=grad == "implicit")
        gradgradcheck(run, (a,))

    def test_none_is_a_constant(self):
        a = torch.tensor([2.0], dtype=D, requires_grad=True)
        assert not implicit_root(lambda x, a: x * x - a, torch.ones(1, dtype=D), a, grad="none").requires_grad

    def test_what_the_function_closes_over_gets_gradients(self):
        a = torch.tensor(4.0, dtype=D, requires_grad=True)
        x = implicit_root(lambda x: x * x - a, torch.ones(1, dtype=D))
        assert torch.autograd.grad(x.sum(), a)[0].item() == pytest.approx(0.25, abs=1e-12)

    def test_a_solution_of_another_solver(self):
        a = torch.tensor([2.0], dtype=D, requires_grad=True)
        x, valid = implicit_root(
            lambda x, a: x * x - a, a.detach().sqrt(), a, iterations=0, return_valid=True
        )
        assert valid.item() and x.item() == pytest.approx(2**0.5, abs=1e-15)
        assert torch.autograd.grad(x.sum(), a)[0].item() == pytest.approx(0.5 / 2**0.5, abs=1e-15)

    def test_a_sample_without_root_is_invalid_alone(self):
        a = torch.tensor([[4.0], [-1.0], [float("nan")]], dtype=D, requires_grad=True)
        x, valid = implicit_root(lambda x, a: x * x - a, torch.ones(3, 1, dtype=D), a, return_valid=True)
        assert valid.tolist() == [True, False, False] and x[0].item() == 2
        assert torch.autograd.grad(x.sum(), a)[0].flatten().tolist() == pytest.approx([0.25, 0, 0])

    def test_errors(self):
        one = torch.ones(1)
        with pytest.raises(ValueError, match=r"implicit_root: function must be of values \(1,\)"):
            implicit_root(lambda x: x.repeat(2), one)
        with pytest.raises(ValueError, match="implicit_root: grad must be one of those known, got 'exact'"):
            implicit_root(lambda x: x, one, grad="exact")
        with pytest.raises(ValueError, match="implicit_root: iterations must be an integer of at least 0"):
            implicit_root(lambda x: x, one, iterations=-1)


def decay(x, t, y):
    """Residuals of y = a exp(-b t) + c sin(b t), whose minimum is not at zero."""
    a, b, c = x[..., :1], x[..., 1:2], x[..., 2:]
    return a * torch.exp(-b * t) + c * torch.sin(b * t) - y


T = torch.linspace(0, 3, 12, dtype=D)
Y = 2 * torch.exp(-T) + 0.3 * normal(2, 12, seed=3)
START = torch.tensor([1.5, 0.8, 0.1], dtype=D)


def cg(multiply, right):
    """A caller's own solver: SciPy's, of the matrix that it asks for column by column."""
    n = right.shape[-1]
    columns = [multiply(torch.eye(n, dtype=D)[i].expand_as(right)) for i in range(n)]
    return torch.linalg.solve(torch.stack(columns, -1), right)


class TestImplicitArgmin:
    @pytest.mark.parametrize("linear", ["cholesky", "cg", cg])
    def test_least_squares_is_scipys(self, linear):
        x, valid = implicit_argmin(decay, START.expand(2, 3), T, Y, linear=linear, return_valid=True)
        assert valid.all()
        for row, y in zip(x, Y, strict=True):
            expected = scipy.optimize.least_squares(
                lambda x, y=y: decay(torch.from_numpy(x), T, y).numpy(), START.numpy(), xtol=1e-15, gtol=1e-15, ftol=1e-15
            ).x
            np.testing.assert_allclose(row, expected, rtol=1e-6)

    @pytest.mark.parametrize("linear", ["cholesky", "cg", cg])
    def test_general_is_scipys(self, linear):
        def cost(x, a):
            return (1 - x[..., 0]) ** 2 + a * (x[..., 1] - x[..., 0] ** 2) ** 2 + x[..., 0] * x[..., 1]

        a = torch.tensor(5.0, dtype=D)
        x, valid = implicit_argmin(
            cost, torch.zeros(2, dtype=D), a, kind="general", linear=linear, return_valid=True
        )
        expected = scipy.optimize.minimize(
            lambda x: cost(torch.from_numpy(x), a).item(), [0.0, 0.0], method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 5000},
        ).x
        assert valid.item()
        np.testing.assert_allclose(x, expected, atol=1e-7)

    @pytest.mark.parametrize("linear", ["cholesky", "cg", cg])
    def test_gradients_with_residuals(self, linear):
        y = Y.clone().requires_grad_()
        t = T.clone().requires_grad_()

        def run(t, y):
            return implicit_argmin(decay, START.expand(2, 3), t, y, linear=linear, tolerance=1e-10)

        gradcheck(run, (t, y), check_forward_ad=linear == "cholesky", fast_mode=True)
        if linear == "cholesky":
            gradgradcheck(run, (t, y), fast_mode=True)

    def test_second_derivatives_by_conjugate_gradients(self):
        y = Y.clone().requires_grad_()
        gradgradcheck(lambda y: implicit_argmin(decay, START.expand(2, 3), T, y, linear="cg"), (y,), fast_mode=True)

    def test_unrolled_agrees(self):
        grads = []
        for grad in ("implicit", "unroll"):
            y = Y.clone().requires_grad_()
            x = implicit_argmin(decay, START.expand(2, 3), T, y, grad=grad, tolerance=1e-12)
            grads.append(torch.autograd.grad(x.pow(2).sum(), y)[0])
        torch.testing.assert_close(*grads, atol=1e-6, rtol=1e-6)

    def test_a_bad_start_and_nan_are_alone(self):
        y = torch.stack([Y[0], torch.full_like(T, float("nan")), Y[1]]).requires_grad_()
        x, valid = implicit_argmin(decay, START.expand(3, 3), T, y, return_valid=True)
        assert valid.tolist() == [True, False, True]
        torch.testing.assert_close(x[::2], implicit_argmin(decay, START.expand(2, 3), T, Y))
        assert (torch.autograd.grad(x[::2].sum(), y)[0][1] == 0).all()

    def test_errors(self):
        with pytest.raises(ValueError, match="implicit_argmin: linear must be one of those known, got 'qr'"):
            implicit_argmin(decay, START, T, Y[0], linear="qr")
        with pytest.raises(ValueError, match=r"function must be of values \(\), one a sample, got \(12,\)"):
            implicit_argmin(decay, START, T, Y[0], kind="general")


UNIT_SQUARE = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]], dtype=D)


def homography_rows(p, q):
    """The direct linear transform of four points or more."""
    x = torch.cat([p, torch.ones_like(p[..., :1])], -1)
    zero = torch.zeros_like(x)
    rows = [torch.cat([x, zero, -q[..., :1] * x], -1), torch.cat([zero, x, -q[..., 1:] * x], -1)]
    return torch.cat(rows, -2)


class TestNullVector:
    @pytest.mark.parametrize("m", [3, 4, 8, 30])
    def test_is_numpys_svd(self, m):
        a = normal(6, m, 4)
        v = np.linalg.svd(a.numpy(), full_matrices=True)[2][:, -1]
        v *= np.sign(v[np.arange(6), np.abs(v).argmax(-1)])[:, None]
        np.testing.assert_allclose(null_vector(a), v, atol=1e-11)

    def test_gradients_on_exact_and_noisy_data(self):
        for a in (normal(2, 3, 4), normal(2, 9, 4)):
            gradcheck(null_vector, (a.requires_grad_(),), check_forward_ad=True)
            gradgradcheck(null_vector, (a,))

    def test_unit_square(self):
        """Other singular values are equal, where the gradient of eigenvectors is NaN."""
        square = UNIT_SQUARE.clone().requires_grad_()
        gradcheck(lambda q: null_vector(homography_rows(UNIT_SQUARE, q)), (square,), check_forward_ad=True)
        gradgradcheck(lambda q: null_vector(homography_rows(UNIT_SQUARE, q)), (square,))
        rows = homography_rows(UNIT_SQUARE, square)
        theirs = torch.linalg.eigh(rows.mT @ rows)[1][:, 0]
        assert torch.autograd.grad(theirs.sum(), square)[0].isnan().any()

    def test_weights(self):
        a, w = normal(7, 4), torch.tensor([1.0, 2, 0.5, 3, 1, 0, 0], dtype=D)
        v = np.linalg.svd((w.sqrt()[:, None] * a).numpy())[2][-1]
        result = null_vector(a, weights=w)
        np.testing.assert_allclose(result.abs(), np.abs(v), atol=1e-12)
        gradcheck(lambda a, w: null_vector(a, weights=w.square()), (a.requires_grad_(), w.sqrt().requires_grad_()))
        bad = a.detach().clone()
        bad[5:] = float("nan")
        assert torch.equal(null_vector(bad, weights=w), result)

    def test_valid(self):
        rows = torch.stack([normal(3, 3)[:2], torch.ones(2, 3, dtype=D), torch.zeros(2, 3, dtype=D)])
        vector, valid = null_vector(rows, return_valid=True)
        assert valid.tolist() == [True, False, False] and vector.isfinite().all()
        lost, valid = null_vector(rows * float("nan"), return_valid=True)
        assert not valid.any() and lost.isnan().all()

    def test_float32_is_computed_in_float64(self):
        a = normal(5, 8, 9).float()
        np.testing.assert_allclose(null_vector(a), null_vector(a.double()), atol=1e-7)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"null_vector: matrix must be a floating tensor"):
            null_vector(torch.ones(3, 3, dtype=torch.int64))
        with pytest.raises(ValueError, match=r"null_vector: weights must be of shape \(\*batch, 3\)"):
            null_vector(torch.ones(3, 3), weights=torch.ones(2))


def numpys_rotation(m):
    u, _, vt = np.linalg.svd(m)
    d = np.ones(m.shape[:-1])
    d[..., -1] = np.sign(np.linalg.det(u @ vt))
    return (u * d[..., None, :]) @ vt


class TestNearestRotation:
    @pytest.mark.parametrize("n", [2, 3])
    def test_is_numpys(self, n):
        m = normal(20, n, n)
        np.testing.assert_allclose(nearest_rotation(m), numpys_rotation(m.numpy()), atol=1e-12)

    @pytest.mark.parametrize("n", [2, 3])
    def test_gradients(self, n):
        turn = torch.from_numpy(Rotation.random(2, rng=0).as_matrix())[:, :n, :n]
        for m in (normal(3, n, n), numpys_rotation(turn.numpy()), torch.eye(n, dtype=D)):
            m = torch.as_tensor(m).requires_grad_()
            gradcheck(nearest_rotation, (m,), check_forward_ad=True)
            gradgradcheck(nearest_rotation, (m,))

    def test_half_turns(self):
        for axis in (*np.eye(3), [0.6, 0.0, 0.8], [0.48, 0.6, 0.64]):
            m = torch.from_numpy(Rotation.from_rotvec(np.pi * np.array(axis)).as_matrix()).requires_grad_()
            np.testing.assert_allclose(nearest_rotation(m).detach(), m.detach(), atol=1e-12)
            gradcheck(nearest_rotation, (m,))

    def test_not_unique(self):
        for m in (torch.zeros(3, 3), torch.ones(3, 3), -torch.eye(3), torch.diag(torch.tensor([1.0, 1, -1]))):
            m = m.double().requires_grad_()
            r, valid = nearest_rotation(m, return_valid=True)
            assert not valid.item()
            np.testing.assert_allclose((r @ r.mT).detach(), np.eye(3), atol=1e-12)
            assert torch.linalg.det(r).item() == pytest.approx(1)
            assert (torch.autograd.grad(r.sum(), m)[0] == 0).all()

    def test_errors(self):
        with pytest.raises(ValueError, match=r"nearest_rotation: matrix must be of shape \(\*batch, 2, 2\) or"):
            nearest_rotation(torch.eye(4))


def exact_essentials(n=64):
    rotations = torch.from_numpy(Rotation.random(n, rng=1).as_matrix())
    t = torch.nn.functional.normalize(normal(n, 3), dim=-1)
    zero = torch.zeros(n, dtype=D)
    x, y, z = t.unbind(-1)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(n, 3, 3) @ rotations


class TestNearestEssential:
    def test_is_numpys(self):
        m = normal(20, 3, 3)
        u, _, vt = np.linalg.svd(m.numpy())
        np.testing.assert_allclose(nearest_essential(m), (u * [1, 1, 0]) @ vt, atol=1e-11)

    def test_exact_matrices_stay(self):
        e = exact_essentials()
        torch.testing.assert_close(nearest_essential(3 * e), e, atol=1e-12, rtol=0)

    def test_gradients_on_exact_and_noisy_matrices(self):
        """The gradient of an SVD is NaN on exact ones: their singular values are equal."""
        e = exact_essentials()
        for m in (e, e + 0.01 * normal(64, 3, 3, seed=2)):
            gradcheck(nearest_essential, (m.requires_grad_(),), check_forward_ad=True, fast_mode=True)
            gradgradcheck(nearest_essential, (m,), fast_mode=True)
        for m in e[:4]:
            gradcheck(nearest_essential, (m.detach().clone().requires_grad_(),))


class TestNearestRank2:
    def test_is_numpys(self):
        m = normal(20, 3, 3)
        u, s, vt = np.linalg.svd(m.numpy())
        np.testing.assert_allclose(nearest_rank2(m), (u * (s * [1, 1, 0])[:, None]) @ vt, atol=1e-11)

    def test_gradients(self):
        for m in (normal(3, 3, 3), exact_essentials(3)):
            gradcheck(nearest_rank2, (m.requires_grad_(),), check_forward_ad=True)
            gradgradcheck(nearest_rank2, (m,))
