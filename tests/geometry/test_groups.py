"""Lie groups against SciPy's matrix exponential and logarithm, OpenCV's composition and identities of the groups."""

import math

import cv2
import numpy as np
import pytest
import scipy.linalg
import torch

from visionops.geometry.groups import se2, se3, sim3, so2, so3

GROUPS = {"so2": (so2, 1, 2), "se2": (se2, 3, 2), "so3": (so3, 3, 3), "se3": (se3, 6, 3), "sim3": (sim3, 7, 3)}
NAMES = list(GROUPS)
AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.36, -0.48, 0.8]])
ANGLES = (0.0, 1e-8, 1e-4, 0.3, 0.999, 1.001, 2.5, math.pi - 1e-4, math.pi - 1e-8)


def tangents(name, *angles, sigma=0.4):
    """Tangents that turn by these angles, about each axis and a generic one in space."""
    k = GROUPS[name][1]
    rho = np.random.default_rng(0).normal(size=(4 * len(angles), 3))
    phi = np.concatenate([a * AXES for a in angles])
    flat = np.repeat(angles, 4)[:, None]
    return torch.from_numpy(
        {
            1: flat,
            3: phi if name == "so3" else np.hstack([rho[:, :2], flat]),
            6: np.hstack([rho, phi]),
            7: np.hstack([rho, phi, np.full((len(phi), 1), sigma)]),
        }[k]
    )


def elements(name, n, spread=0.6, seed=0):
    k = GROUPS[name][1]
    v = spread * torch.randn(n, k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return GROUPS[name][0].exp(v)


def one(name):
    return GROUPS[name][0].exp(torch.zeros(GROUPS[name][1], dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
class TestEveryGroup:
    @pytest.mark.parametrize("sigma", [0.0, 1e-9, 1e-3, -0.3, 0.49, 0.51, 2.0, -3.0])
    def test_exp_is_scipys_matrix_exponential(self, name, sigma):
        group = GROUPS[name][0]
        for v in tangents(name, *ANGLES, 5.0, 20.0, sigma=sigma):
            want = scipy.linalg.expm(group.hat(v).numpy())
            np.testing.assert_allclose(group.exp(v), want, atol=1e-13 * max(1, np.abs(want).max()))

    def test_log_is_scipys_matrix_logarithm(self, name):
        group = GROUPS[name][0]
        for m in elements(name, 20):
            np.testing.assert_allclose(group.hat(group.log(m)), scipy.linalg.logm(m.numpy()).real, atol=1e-12)

    @pytest.mark.parametrize("sigma", [0.0, 1e-9, -0.3, 0.51, 2.0])
    def test_log_undoes_exp(self, name, sigma):
        group = GROUPS[name][0]
        v = tangents(name, *ANGLES, sigma=sigma)
        torch.testing.assert_close(group.log(group.exp(v)), v, rtol=0, atol=4e-14)

    def test_hat_and_vee(self, name):
        group, k, _ = GROUPS[name]
        v = torch.randn(5, k, dtype=torch.float64)
        torch.testing.assert_close(group.vee(group.hat(v)), v)
        # A basis of the algebra: what is not skew, or of the scale, does not count.
        skewed = group.hat(v)
        skewed[:, 0, 1] += 0.5
        skewed[:, 1, 0] += 0.5
        torch.testing.assert_close(group.vee(skewed), v)

    def test_inverse(self, name):
        x = elements(name, 10)
        torch.testing.assert_close(GROUPS[name][0].inverse(x), torch.linalg.inv(x), rtol=0, atol=1e-13)

    def test_act_moves_points(self, name):
        group, _, d = GROUPS[name]
        x = elements(name, 4)
        points = torch.randn(4, 6, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        padded = torch.nn.functional.pad(points, (0, x.shape[-1] - d), value=1.0)
        want = torch.einsum("bij,bnj->bni", x, padded)[..., :d]
        torch.testing.assert_close(group.act(x, points), want)
        torch.testing.assert_close(group.act(x[0], points), want * 0 + group.act(x[:1].expand_as(x), points))
        bad = points.clone()
        bad[1, 2] = float("nan")
        x.requires_grad_()
        out = group.act(x, bad)
        assert out.isnan().any(-1).sum() == 1
        assert torch.autograd.grad(out.square().sum(), x)[0].isfinite().all()

    def test_adjoint_carries_tangents_across(self, name):
        group, k, _ = GROUPS[name]
        x = elements(name, 5)
        v = torch.randn(5, k, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        carried = (group.adjoint(x) @ v[..., None])[..., 0]
        torch.testing.assert_close(group.hat(carried), x @ group.hat(v) @ torch.linalg.inv(x), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, math.pi - 1e-4, math.pi])
    def test_first_and_second_derivatives_of_exp(self, name, angle):
        v = tangents(name, angle)[-2:].requires_grad_()
        torch.autograd.gradcheck(GROUPS[name][0].exp, v, atol=1e-8, rtol=1e-6, check_forward_ad=True)
        torch.autograd.gradgradcheck(GROUPS[name][0].exp, v, atol=1e-7, rtol=1e-6)

    def test_derivatives_of_exp_at_0(self, name):
        group, k, _ = GROUPS[name]
        v = torch.zeros(k, dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(group.exp, v, check_forward_ad=True)
        torch.autograd.gradgradcheck(group.exp, v)

    @pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, 3.0, math.pi - 1e-4])
    def test_along_the_group_log_undoes_exp_to_the_second_derivative(self, name, angle):
        group, k, _ = GROUPS[name]
        back = lambda v: group.log(group.exp(v))  # noqa: E731
        for v in (*tangents(name, angle), *tangents(name, angle, sigma=0.0)):
            for jacobian in (torch.func.jacrev(back)(v), torch.func.jacfwd(back)(v)):
                torch.testing.assert_close(jacobian, torch.eye(k).double(), rtol=0, atol=1e-8)
            second = torch.func.jacfwd(torch.func.jacrev(back))(v)
            torch.testing.assert_close(second, torch.zeros(k, k, k).double(), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_derivatives_of_log_are_finite_at_pi(self, name, dtype):
        group = GROUPS[name][0]
        for v in tangents(name, math.pi, math.pi - 1e-8):
            x = group.exp(v).to(dtype)
            assert torch.func.jacrev(group.log)(x).isfinite().all()
            assert torch.func.jacfwd(group.log)(x).isfinite().all()
            assert torch.func.jacrev(torch.func.jacrev(group.log))(x).isfinite().all()

    def test_any_finite_matrix_has_a_finite_log(self, name):
        group = GROUPS[name][0]
        n = one(name).shape[-1]
        m = torch.randn(300, n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        m = torch.cat([m, m[:1] * 0]).requires_grad_()
        out = group.log(m)
        assert out.isfinite().all()
        assert torch.autograd.grad(out.sum(), m)[0].isfinite().all()

    @pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
    def test_interpolate(self, name, t):
        group = GROUPS[name][0]
        a, b = elements(name, 6).chunk(2)
        found = group.interpolate(a, b, t)
        for x, y, z in zip(a.numpy(), b.numpy(), found, strict=True):
            inner = scipy.linalg.logm(np.linalg.inv(x) @ y).real
            np.testing.assert_allclose(z, x @ scipy.linalg.expm(t * inner), atol=1e-12)
        each = torch.full((3,), t, dtype=torch.float64)
        assert torch.equal(found, group.interpolate(a, b, each))

    def test_interpolate_has_a_gradient_where_both_are_one(self, name):
        group = GROUPS[name][0]
        v = torch.zeros(GROUPS[name][1], dtype=torch.float64, requires_grad=True)
        t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda v, t: group.interpolate(one(name), group.exp(v), t), (v, t))

    def test_average_balances_the_logs(self, name):
        group = GROUPS[name][0]
        x = elements(name, 12).unflatten(0, (2, 6))
        w = torch.rand(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
        mean, valid = group.average(x, weights=w, return_valid=True)
        assert valid.all()
        for xs, ws, m in zip(x.numpy(), w.numpy(), mean.numpy(), strict=True):
            logs = [scipy.linalg.logm(y @ np.linalg.inv(m)).real for y in xs]
            np.testing.assert_allclose(sum(f * g for f, g in zip(ws, logs, strict=True)), 0, atol=1e-12)

    def test_average_moves_with_the_elements_from_either_side(self, name):
        group = GROUPS[name][0]
        x, (a, b) = elements(name, 5, 0.4), elements(name, 2, 1.0, seed=1)
        torch.testing.assert_close(group.average(a @ x @ b), a @ group.average(x) @ b, rtol=0, atol=1e-11)
        torch.testing.assert_close(group.average(group.inverse(x)), group.inverse(group.average(x)))

    @pytest.mark.parametrize("spread", [0.0, 0.5])
    def test_gradient_of_average(self, name, spread):
        group, k, _ = GROUPS[name]
        v = spread * torch.randn(4, k, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        w = torch.tensor([1.0, 2, 0.5, 1], dtype=torch.float64, requires_grad=True)
        v = (v + 0.2).requires_grad_()
        average = lambda v, w: group.average(group.exp(v), weights=w)  # noqa: E731
        torch.autograd.gradcheck(average, (v, w), check_forward_ad=True, fast_mode=True)
        torch.autograd.gradgradcheck(average, (v, w), atol=1e-6, fast_mode=True)
        implicit, unrolled = (
            torch.autograd.grad(group.average(group.exp(v), weights=w, grad=g).pow(3).sum(), (v, w))
            for g in ("implicit", "unroll")
        )
        torch.testing.assert_close(implicit, unrolled, rtol=1e-6, atol=1e-8)
        assert not group.average(group.exp(v), weights=w, grad="none").requires_grad

    def test_average_leaves_out_what_has_no_weight(self, name):
        group = GROUPS[name][0]
        x = elements(name, 4)
        bad = x.clone()
        bad[2] = float("nan")
        bad.requires_grad_()
        w = torch.tensor([1.0, 2, 0, 3]).double()
        found, valid = group.average(bad, weights=w, return_valid=True)
        torch.testing.assert_close(found, group.average(x[[0, 1, 3]], weights=w[[0, 1, 3]]))
        assert valid and torch.autograd.grad(found.sum(), bad)[0].isfinite().all()
        found, valid = group.average(bad, return_valid=True)
        assert found.isnan().all() and not valid
        found, valid = group.average(x, weights=w * 0, return_valid=True)
        assert found.isfinite().all() and not valid

    def test_shapes_that_are_wrong_are_refused(self, name):
        group, k, d = GROUPS[name]
        n = one(name).shape[-1]
        with pytest.raises(ValueError, match=rf"{name}\.exp: tangent must be of shape \(\*batch, {k}\), got"):
            group.exp(torch.zeros(k + 1))
        for function in (group.log, group.vee, group.inverse, group.adjoint):
            with pytest.raises(ValueError, match=rf"{name}\.\w+: matrix must be of shape \(\*batch, {n}, {n}\), got"):
                function(torch.zeros(5, 5))
        with pytest.raises(ValueError, match=rf"{name}\.act: points must be of shape \(\*batch, n, {d}\)"):
            group.act(one(name), torch.zeros(2, d + 1))
        with pytest.raises(ValueError, match=rf"{name}\.interpolate: end must be of a batch that goes with"):
            group.interpolate(elements(name, 2), elements(name, 3), 0.5)
        with pytest.raises(ValueError, match=rf"{name}\.average: grad must be one of those known"):
            group.average(elements(name, 2), grad="exact")

    def test_float32_is_near_float64(self, name):
        group = GROUPS[name][0]
        v = tangents(name, *ANGLES[:-2])
        x = group.exp(v.float())
        assert x.dtype == torch.float32
        torch.testing.assert_close(x.double(), group.exp(v), rtol=0, atol=1e-6)
        torch.testing.assert_close(group.log(x).double(), v, rtol=0, atol=1e-5)


class TestSo2:
    def test_the_angle_is_in_a_half_open_turn(self):
        half = torch.tensor([[[-1.0, 0], [0, -1]], [[-1, -0.0], [0.0, -1]], [[-1, 0.0], [-0.0, -1]]])
        assert (so2.log(half) == torch.pi).all()

    def test_average_is_that_of_the_angles(self):
        angles = torch.tensor([[3.0], [-3.1], [2.8]], dtype=torch.float64)
        want = (3.0 + 2.8 + 2 * math.pi - 3.1) / 3
        assert so2.log(so2.average(so2.exp(angles))).item() == pytest.approx(want, abs=1e-13)


class TestSo3:
    @pytest.mark.parametrize("angle", ANGLES)
    def test_left_jacobian_is_the_derivative_of_exp(self, angle):
        for v in torch.from_numpy(angle * AXES):
            apart = lambda d, v=v: so3.log(so3.exp(v + d) @ so3.exp(v).mT)  # noqa: E731
            want = torch.func.jacfwd(apart)(torch.zeros(3).double())
            torch.testing.assert_close(so3.left_jacobian(v), want, rtol=0, atol=1e-13)

    def test_average_minimises_squared_angles(self):
        x = elements("so3", 8, 0.7)
        mean = so3.average(x)

        def cost(delta):
            return so3.log(x @ (so3.exp(delta) @ mean).mT).square().sum()

        zero = torch.zeros(3, dtype=torch.float64)
        assert torch.func.grad(cost)(zero).abs().max() < 1e-12
        assert torch.linalg.eigvalsh(torch.func.hessian(cost)(zero)).min() > 0

    def test_average_of_widely_spread_rotations(self):
        x = elements("so3", 30, 0.9)
        mean, valid = so3.average(x, return_valid=True)
        assert valid and so3.log(x @ mean.mT).mean(0).abs().max() < 1e-12


class TestSe3:
    @pytest.mark.parametrize("angle", [*ANGLES, 5.0])
    def test_left_jacobian_is_the_derivative_of_exp(self, angle):
        for v in tangents("se3", angle):
            apart = lambda d, v=v: se3.log(se3.exp(v + d) @ se3.inverse(se3.exp(v)))  # noqa: E731
            want = torch.func.jacfwd(apart)(torch.zeros(6).double())
            torch.testing.assert_close(se3.left_jacobian(v), want, rtol=0, atol=2e-13)

    def test_composition_is_opencvs(self):
        a, b = (0.5 * np.random.default_rng(i).normal(size=6) for i in range(2))
        rvec, tvec, *_ = cv2.composeRT(a[3:], a[:3], b[3:], b[:3])  # first a, then b, as rotation vector and shift
        parts = []
        for v in (a, b):
            m = np.eye(4)
            m[:3, :3], m[:3, 3] = cv2.Rodrigues(v[3:])[0], v[:3]
            parts.append(torch.from_numpy(m))
        product = se3.exp(se3.log(parts[1]) * 1.0) @ parts[0]
        np.testing.assert_allclose(so3.log(product[:3, :3]), rvec[:, 0], atol=1e-13)
        np.testing.assert_allclose(product[:3, 3], tvec[:, 0], atol=1e-13)


class TestSim3:
    @pytest.mark.parametrize("theta", [0.0, 1e-9, 1e-3, 0.1, 0.4999, 0.5001, 1.5, 3.1])
    @pytest.mark.parametrize("sigma", [0.0, 1e-9, -1e-3, 0.1, 0.4999, -0.5001, 1.5, -4.0])
    def test_translation_to_the_last_digits(self, theta, sigma):
        """Against the integral of e^(sigma u) exp(u phi) over u, of 30 digits."""
        mpmath = pytest.importorskip("mpmath")
        mpmath.mp.dps = 30
        s, t = mpmath.mpf(sigma), mpmath.mpf(theta)
        along = mpmath.quad(lambda u: mpmath.exp(s * u), [0, 1])
        across = mpmath.quad(lambda u: mpmath.exp(s * u) * mpmath.cos(u * t), [0, 1])
        turned = mpmath.quad(lambda u: mpmath.exp(s * u) * mpmath.sin(u * t), [0, 1])
        v = torch.tensor([1.0, 0, 1, 0, 0, theta, sigma], dtype=torch.float64)
        want = [float(across), float(turned), float(along)]
        np.testing.assert_allclose(sim3.exp(v)[:3, 3], want, rtol=4e-15, atol=4e-15)

    @pytest.mark.parametrize("theta", [0.0, 1e-6, 0.4999, 0.5001, 3.0])
    @pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.4999, -0.5001, 2.0])
    def test_derivatives_wherever_the_series_end(self, theta, sigma):
        v = torch.tensor([0.3, -0.5, 0.8, 0.36 * theta, -0.48 * theta, 0.8 * theta, sigma], dtype=torch.float64)
        v.requires_grad_()
        torch.autograd.gradcheck(sim3.exp, v, atol=1e-8, rtol=1e-6, check_forward_ad=True)
        torch.autograd.gradgradcheck(sim3.exp, v, atol=1e-7, rtol=1e-6)
