"""Conversions of rotations against SciPy, OpenCV and mpmath; derivatives at the identity and at pi."""

import itertools
import math
import warnings

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from visionops.geometry import rotations as r

FORMS = ("axis_angle", "quaternion", "matrix", "euler", "rotation_6d")
PAIRS = list(itertools.permutations(FORMS, 2))
SEQUENCES = ["".join(p) for p in itertools.product("xyz", repeat=3) if p[0] != p[1] and p[1] != p[2]]
AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.36, -0.48, 0.8], [-0.6, 0.0, -0.8]])
ANGLES = (0.0, 1e-12, 1e-8, 1e-4, 0.1, 1.0, 2.0, 3.0, math.pi - 1e-4, math.pi - 1e-8)
VECTORS = np.concatenate([a * AXES for a in ANGLES])


def tensor(x):
    return torch.from_numpy(np.asarray(x, np.float64))


def expected(form, rotation):
    """SciPy's numbers of a form, with quaternions of w >= 0."""
    if form == "axis_angle":
        return rotation.as_rotvec()
    if form == "quaternion":
        return rotation.as_quat(canonical=True, scalar_first=True)
    if form == "matrix":
        return rotation.as_matrix()
    if form == "rotation_6d":
        return np.swapaxes(rotation.as_matrix()[..., :2], -1, -2).reshape(-1, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gimbal lock
        return rotation.as_euler("XYZ")


def exact(v):
    """R of a rotation vector, in 50 digits."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 50
    k = mpmath.matrix([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    theta = mpmath.sqrt(sum(mpmath.mpf(float(x)) ** 2 for x in v))
    if theta == 0:
        return mpmath.eye(3)
    return mpmath.eye(3) + mpmath.sin(theta) / theta * k + (1 - mpmath.cos(theta)) / theta**2 * k * k


class TestConversions:
    @pytest.mark.parametrize("a, b", PAIRS)
    def test_every_pair_is_scipys(self, a, b):
        rotation = Rotation.from_rotvec(np.random.default_rng(0).normal(size=(200, 3)))
        found = getattr(r, f"{a}_to_{b}")(tensor(expected(a, rotation)))
        want = tensor(expected(b, rotation))
        if b == "quaternion" and a in ("axis_angle", "euler"):  # smooth there, of any sign
            found = found * torch.where((found * want).sum(-1, keepdim=True) < 0, -1.0, 1.0)
        torch.testing.assert_close(found, want, rtol=0, atol=1e-13)

    @pytest.mark.parametrize("a, b", PAIRS)
    def test_every_pair_keeps_the_rotation_near_the_identity_and_pi(self, a, b):
        rotation = Rotation.from_rotvec(VECTORS)
        there = getattr(r, f"{a}_to_{b}")(tensor(expected(a, rotation)))
        matrix = there if b == "matrix" else getattr(r, f"{b}_to_matrix")(there)
        torch.testing.assert_close(matrix, tensor(rotation.as_matrix()), rtol=0, atol=2e-15 if b != "euler" else 1e-7)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    def test_low_precision_computes_in_float64(self, dtype):
        v = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
        found = r.axis_angle_to_matrix(v)
        assert found.dtype == dtype
        assert torch.equal(found, r.axis_angle_to_matrix(v.double()).to(dtype))

    def test_autocast_leaves_them_alone(self):
        v = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16):
            cast = r.matrix_to_axis_angle(r.axis_angle_to_matrix(v))
        assert torch.equal(cast, r.matrix_to_axis_angle(r.axis_angle_to_matrix(v)))

    def test_shapes_that_are_wrong_are_refused(self):
        with pytest.raises(ValueError, match=r"axis_angle_to_matrix: axis_angle must be of shape \(\*batch, 3\), got"):
            r.axis_angle_to_matrix(torch.zeros(4))
        with pytest.raises(ValueError, match="quaternion_to_matrix: quaternion must be of shape"):
            r.quaternion_to_matrix(torch.zeros(3))
        with pytest.raises(ValueError, match="matrix_to_euler: matrix must be of shape"):
            r.matrix_to_euler(torch.zeros(3, 4))
        with pytest.raises(ValueError, match="euler_to_matrix: convention must be one of those known, got 'XYZ'"):
            r.euler_to_matrix(torch.zeros(3), convention="XYZ")
        with pytest.raises(ValueError, match="rotation_6d_to_matrix: rotation_6d must be floating, got torch.int64"):
            r.rotation_6d_to_matrix(torch.zeros(6, dtype=torch.int64))

    def test_nan_stays_in_its_sample_and_gives_no_gradient(self):
        v = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        v[1, 0], v[1, 1] = float("nan"), float("inf")
        v.requires_grad_()
        out = r.axis_angle_to_matrix(v)
        assert out[1].isnan().all() and out[::2].isfinite().all()
        (grad,) = torch.autograd.grad(out.square().sum() + out[:, 0, 1].sum(), v)
        assert (grad[1] == 0).all() and grad.isfinite().all() and (grad[::2] != 0).any()


class TestAxisAngle:
    @pytest.mark.parametrize("angle", ANGLES)
    def test_values_to_the_last_digit(self, angle):
        for axis in AXES:
            want = np.array(exact(angle * axis).tolist(), dtype=object)
            found = r.axis_angle_to_matrix(tensor(angle * axis)).numpy()
            off = np.array(
                [[abs(float(f) - w) for f, w in zip(*rows, strict=True)] for rows in zip(found, want, strict=True)]
            )
            assert float(off.max()) < 4e-16

    @pytest.mark.parametrize("angle", [1e-12, 1e-8, 1e-4, 0.1, 1.0, 3.0, math.pi - 1e-4, math.pi - 1e-8])
    def test_back_relative_to_the_angle(self, angle):
        v = tensor(angle * AXES)
        back = r.matrix_to_axis_angle(r.axis_angle_to_matrix(v))
        assert (back - v).norm(dim=-1).max() < 4e-15 * max(angle, 1e-4) + 2e-16 * angle

    def test_jacobian_is_opencvs(self):
        for v in VECTORS:
            want_matrix, want = cv2.Rodrigues(v)
            x = tensor(v)
            jacobian = torch.autograd.functional.jacobian(r.axis_angle_to_matrix, x).reshape(9, 3).T
            np.testing.assert_allclose(r.axis_angle_to_matrix(x), want_matrix, atol=1e-15)
            # OpenCV's own formula loses digits near 0.
            np.testing.assert_allclose(jacobian, want, atol=1e-10 if np.linalg.norm(v) > 1e-3 else 1e-3)

    @pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, math.pi - 1e-4, math.pi, 7.0])
    @pytest.mark.parametrize("function", [r.axis_angle_to_matrix, r.axis_angle_to_quaternion])
    def test_first_and_second_derivatives(self, function, angle):
        v = tensor(angle * AXES).requires_grad_()
        torch.autograd.gradcheck(function, v, atol=1e-8, rtol=1e-6, check_forward_ad=True)
        torch.autograd.gradgradcheck(function, v, atol=1e-7, rtol=1e-6)

    def test_the_second_derivative_at_0_is_that_of_the_series(self):
        hessian = torch.autograd.functional.hessian(lambda v: r.axis_angle_to_matrix(v)[0, 1], torch.zeros(3).double())
        want = torch.zeros(3, 3).double()
        want[0, 1] = want[1, 0] = 0.5  # R = I + [v] + [v]^2 / 2
        torch.testing.assert_close(hessian, want)

    def test_third_derivatives_are_right(self):
        def third(v):
            d = torch.tensor([0.3, -0.5, 0.7], dtype=torch.float64)
            f = lambda t: r.axis_angle_to_matrix(v + t * d)[0, 1]  # noqa: E731
            for _ in range(3):
                f = torch.func.grad(f)
            return f(torch.zeros((), dtype=torch.float64))

        # At 0, of -(1 - t^2 |d|^2 / 6) t d_z.
        assert third(torch.zeros(3).double()).item() == pytest.approx(0.7 * 0.83, abs=1e-14)
        mpmath = pytest.importorskip("mpmath")
        mpmath.mp.dps = 40
        for start in ([0.9, 0.4, 0.1], [0.3, 0.8, 0.6], [1.0, 2, 2]):
            along = lambda t, start=start: entry([s + t * d for s, d in zip(start, (0.3, -0.5, 0.7), strict=True)])  # noqa: E731
            assert third(tensor(start)).item() == pytest.approx(float(mpmath.diff(along, 0, 3)), abs=1e-9)


def entry(v):
    """R's first row, second column, of mpmath's numbers."""
    import mpmath

    theta = mpmath.sqrt(sum(x**2 for x in v))
    return -mpmath.sin(theta) / theta * v[2] + (1 - mpmath.cos(theta)) / theta**2 * v[0] * v[1]


class TestMatrixToAxisAngle:
    def test_at_pi_the_largest_component_is_positive(self):
        for axis in np.concatenate([AXES, -AXES]):
            found = r.matrix_to_axis_angle(2 * tensor(np.outer(axis, axis)) - torch.eye(3))
            largest = axis[np.abs(axis).argmax()]
            np.testing.assert_allclose(found, math.pi * axis * np.sign(largest), atol=1e-14)

    @pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1.0, 3.0, math.pi - 1e-4])
    def test_undoes_exp_to_the_second_derivative(self, angle):
        """Along rotations log(exp(v)) is v: Jacobian I, Hessian 0, in both modes."""
        back = lambda v: r.matrix_to_axis_angle(r.axis_angle_to_matrix(v))  # noqa: E731
        for axis in AXES:
            v = tensor(angle * axis)
            for jacobian in (torch.func.jacrev(back)(v), torch.func.jacfwd(back)(v)):
                torch.testing.assert_close(jacobian, torch.eye(3).double(), rtol=0, atol=1e-9)
            hessian = torch.func.jacrev(torch.func.jacrev(back))(v)
            torch.testing.assert_close(hessian, torch.zeros(3, 3, 3).double(), rtol=0, atol=1e-7)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("below", [0.0, 1e-8, 1e-4])
    def test_the_derivative_at_pi_is_the_limit_from_below(self, dtype, below):
        for axis in AXES:
            axis = axis * np.sign(axis[np.abs(axis).argmax()])
            limit = torch.func.jacrev(r.matrix_to_axis_angle)(r.axis_angle_to_matrix(tensor((math.pi - 1e-6) * axis)))
            half = tensor(2 * np.outer(axis, axis) - np.eye(3)) if not below else None
            at = r.axis_angle_to_matrix(tensor((math.pi - below) * axis)) if below else half
            found = torch.func.jacrev(r.matrix_to_axis_angle)(at.to(dtype))
            assert found.isfinite().all()
            # A step of 1e-4 changes the derivative by as much.
            torch.testing.assert_close(found.double(), limit, rtol=0, atol=1e-5 if below != 1e-4 else 1e-3)
            second = torch.func.jacrev(torch.func.jacrev(r.matrix_to_axis_angle))(at.to(dtype))
            assert second.isfinite().all()

    def test_any_finite_matrix_gives_a_finite_vector_and_gradient(self):
        m = torch.randn(500, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = r.matrix_to_axis_angle(m)
        (grad,) = torch.autograd.grad(out.sum(), m)
        assert out.isfinite().all() and grad.isfinite().all() and out.norm(dim=-1).max() <= math.pi + 1e-12


class TestEuler:
    @pytest.mark.parametrize("convention", SEQUENCES)
    def test_all_sequences_are_scipys(self, convention):
        rng = np.random.default_rng(0)
        angles = rng.uniform(-math.pi, math.pi, (200, 3))
        rotation = Rotation.from_euler(convention.upper(), angles)
        matrix = r.euler_to_matrix(tensor(angles), convention=convention)
        np.testing.assert_allclose(matrix, rotation.as_matrix(), atol=1e-15)
        back = r.matrix_to_euler(matrix, convention=convention)
        np.testing.assert_allclose(back, rotation.as_euler(convention.upper()), atol=1e-12)

    @pytest.mark.parametrize("convention", SEQUENCES)
    @pytest.mark.parametrize("end", [0, 1])
    def test_gimbal_lock_is_scipys(self, convention, end):
        ends = (0.0, math.pi) if convention[0] == convention[2] else (-math.pi / 2, math.pi / 2)
        angles = np.random.default_rng(0).uniform(-3, 3, (50, 3))
        angles[:, 1] = ends[end]
        rotation = Rotation.from_euler(convention.upper(), angles)
        found = r.matrix_to_euler(tensor(rotation.as_matrix()), convention=convention)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = rotation.as_euler(convention.upper())
        apart = np.abs(found.numpy() - want)
        np.testing.assert_allclose(np.minimum(apart, np.abs(apart - 2 * math.pi)), 0, atol=1e-7)
        assert (found[:, 2] == 0).all()
        again = r.euler_to_matrix(found, convention=convention)
        np.testing.assert_allclose(again, rotation.as_matrix(), atol=1e-14)

    @pytest.mark.parametrize("convention", SEQUENCES)
    def test_gradient(self, convention):
        angles = torch.tensor([[0.3, 0.7, -0.4], [2.0, 1.2, -2.5]], dtype=torch.float64, requires_grad=True)
        there = lambda a: r.euler_to_matrix(a, convention=convention)  # noqa: E731
        torch.autograd.gradcheck(there, angles, check_forward_ad=True)
        back = torch.func.vmap(torch.func.jacrev(lambda a: r.matrix_to_euler(there(a), convention=convention)))(angles)
        torch.testing.assert_close(back, torch.eye(3).double().expand(2, 3, 3), rtol=0, atol=1e-12)

    def test_at_gimbal_lock_the_first_angle_keeps_its_gradient(self):
        a = torch.tensor([0.3, math.pi / 2, 0.2], dtype=torch.float64)
        jacobian = torch.func.jacrev(lambda a: r.matrix_to_euler(r.euler_to_matrix(a)))(a)
        want = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 0, 0]]).double()
        torch.testing.assert_close(jacobian[:, ::2], want[:, ::2], rtol=0, atol=1e-7)
        assert jacobian.isfinite().all()


class TestRotation6d:
    def test_any_two_columns_are_gram_and_schmidts(self):
        x = np.random.default_rng(0).normal(size=(100, 6))
        for row, found in zip(x, r.rotation_6d_to_matrix(tensor(x)), strict=True):
            q, t = np.linalg.qr(row.reshape(2, 3).T)
            q = q * np.sign(np.diag(t))
            np.testing.assert_allclose(found, np.column_stack([q, np.cross(*q.T)]), atol=1e-13)

    def test_dependent_columns_give_a_rotation_and_say_so(self):
        x = torch.tensor([[1.0, 2, 3, 2, 4, 6], [0, 0, 0, 1, 2, 3], [0, 0, 2, 0, 0, 0], [0] * 6, [1, 0, 0, 0, 1, 0]])
        x.requires_grad_()
        matrix, valid = r.rotation_6d_to_matrix(x, return_valid=True)
        torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand(5, 3, 3))
        assert matrix.det().min() > 0 and valid.tolist() == [False, False, False, False, True]
        (grad,) = torch.autograd.grad(matrix.pow(3).sum(), x)
        assert grad.isfinite().all() and (grad[0, 3:] == 0).all() and (grad[1, :3] == 0).all()
        assert (grad[3] == 0).all()

    def test_nan_is_not_valid(self):
        matrix, valid = r.rotation_6d_to_matrix(torch.tensor([float("nan"), 0, 0, 0, 1, 0]), return_valid=True)
        assert matrix.isnan().all() and not valid


class TestQuaternions:
    def test_product_and_inverse_are_scipys(self):
        a, b = (Rotation.random(100, random_state=i) for i in range(2))
        p, q = (tensor(x.as_quat(scalar_first=True)) for x in (a, b))
        product = r.quaternion_multiply(p, q)
        np.testing.assert_allclose(r.quaternion_to_matrix(product), (a * b).as_matrix(), atol=1e-14)
        one = r.quaternion_multiply(3 * p, r.quaternion_inverse(3 * p))
        np.testing.assert_allclose(one, np.tile([1.0, 0, 0, 0], (100, 1)), atol=1e-15)

    def test_rotates_as_scipy(self):
        rotation = Rotation.random(20, random_state=0)
        points = np.random.default_rng(0).normal(size=(20, 5, 3))
        found = r.quaternion_rotate(2 * tensor(rotation.as_quat(scalar_first=True)), tensor(points))
        want = np.einsum("bij,bnj->bni", rotation.as_matrix(), points)
        np.testing.assert_allclose(found, want, atol=1e-14)

    def test_a_nan_point_stays_alone(self):
        points = torch.ones(2, 3, 3)
        points[0, 1, 2] = float("nan")
        points.requires_grad_()
        q = torch.tensor([1.0, 2, 3, 4], requires_grad=True)
        out = r.quaternion_rotate(q, points)
        assert out.isnan().any(-1).sum() == 1
        for grad in torch.autograd.grad(out.square().sum(), (q, points)):
            assert grad.isfinite().all()

    def test_zero_is_the_identity_without_gradient(self):
        q = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        for function in (r.quaternion_to_matrix, r.quaternion_to_axis_angle, r.quaternion_to_euler):
            assert (torch.autograd.grad(function(q).pow(2).sum() + function(q).sum(), q)[0] == 0).all()
        assert torch.equal(r.quaternion_to_matrix(q), torch.eye(3).double())

    def test_half_a_turn_has_one_vector_whatever_the_sign(self):
        for axis in AXES:
            v = r.quaternion_to_axis_angle(tensor([np.r_[0.0, axis], np.r_[0.0, -axis]]))
            want = math.pi * axis * np.sign(axis[np.abs(axis).argmax()])
            np.testing.assert_allclose(v, [want, want], atol=1e-14)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_slerp_is_scipys(self, sign):
        from scipy.spatial.transform import Slerp

        pair = Rotation.random(2, random_state=3)
        p, q = tensor(pair.as_quat(scalar_first=True))
        for t in (0.0, 0.2, 0.5, 1.0):
            found = r.quaternion_to_matrix(r.slerp(p, sign * q, t))
            np.testing.assert_allclose(found, Slerp([0, 1], pair)(t).as_matrix(), atol=1e-14)

    def test_slerp_has_its_gradient_where_both_are_one(self):
        q = torch.tensor([[0.5, 0.5, -0.5, 0.5], [1.0, 0, 0, 0]], dtype=torch.float64)
        t = torch.tensor([0.3, 0.7], dtype=torch.float64)
        inputs = tuple(x.clone().requires_grad_() for x in (q, q, t))
        torch.autograd.gradcheck(r.slerp, inputs, check_forward_ad=True)
        torch.autograd.gradgradcheck(r.slerp, inputs)


class TestGeodesicDistance:
    @pytest.mark.parametrize("angle", [1e-12, 1e-8, 1e-4, 1.0, 3.0, math.pi - 1e-4, math.pi - 1e-8])
    def test_values(self, angle):
        start = r.axis_angle_to_matrix(tensor([0.3, -0.5, 0.7]))
        end = start @ r.axis_angle_to_matrix(tensor(angle * AXES))
        np.testing.assert_allclose(r.geodesic_distance(start, end), angle, rtol=1e-12, atol=1e-15)

    def test_is_0_between_equal_matrices_in_float32_too(self):
        m = r.random_rotation((1000,), generator=torch.Generator().manual_seed(0)).requires_grad_()
        d = r.geodesic_distance(m, m)
        assert (d == 0).all()
        assert (torch.autograd.grad(d.sum(), m)[0] == 0).all()
        other = m.detach().clone().requires_grad_()
        d = r.geodesic_distance(m.detach(), other)
        assert (d == 0).all() and (torch.autograd.grad(d.sum(), other)[0] == 0).all()

    @pytest.mark.parametrize("angle", [1e-8, 1e-4, 1.0, math.pi - 1e-4, math.pi - 1e-8])
    def test_the_gradient_along_the_turn_is_1(self, angle):
        for axis in tensor(AXES):
            turn = lambda a, axis=axis: r.geodesic_distance(  # noqa: E731
                torch.eye(3).double(), r.axis_angle_to_matrix(a * axis)
            )
            a = torch.tensor(angle, dtype=torch.float64)
            torch.testing.assert_close(torch.func.grad(turn)(a), torch.ones(()).double(), rtol=0, atol=1e-6)
            assert torch.func.jvp(turn, (a,), (torch.ones(()).double(),))[1].item() == pytest.approx(1, abs=1e-6)

    def test_at_pi_the_gradient_is_0(self):
        half = torch.diag(torch.tensor([1.0, -1, -1])).double().requires_grad_()
        d = r.geodesic_distance(torch.eye(3).double(), half)
        assert d.item() == math.pi
        assert (torch.autograd.grad(d, half)[0] == 0).all()

    def test_batches_broadcast(self):
        m = r.random_rotation((4, 1), generator=torch.Generator().manual_seed(0))
        assert r.geodesic_distance(m, m[:, 0]).shape == (4, 4)


class TestAverageRotation:
    def test_is_scipys(self):
        rotation = Rotation.from_rotvec(np.random.default_rng(0).normal(size=(30, 3)))
        weights = np.random.default_rng(1).uniform(size=30)
        for w in (None, weights):
            found = r.average_rotation(tensor(rotation.as_matrix()), weights=None if w is None else tensor(w))
            np.testing.assert_allclose(found, rotation.mean(weights=w).as_matrix(), atol=1e-12)

    def test_weight_0_leaves_nan_out(self):
        x = r.random_rotation((4,), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        bad = x.clone()
        bad[2] = float("nan")
        w = torch.tensor([1.0, 2, 0, 3]).double()
        bad.requires_grad_()
        found, valid = r.average_rotation(bad, weights=w, return_valid=True)
        torch.testing.assert_close(found, r.average_rotation(x, weights=w), rtol=0, atol=1e-14)
        assert valid
        assert torch.autograd.grad(found.sum(), bad)[0].isfinite().all()

    def test_a_negative_weight_counts_as_0(self):
        x = r.random_rotation((3,), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = r.average_rotation(x, weights=torch.tensor([1.0, 2, -1]).double())
        torch.testing.assert_close(found, r.average_rotation(x[:2], weights=torch.tensor([1.0, 2]).double()))

    def test_none_and_opposite_ones_are_not_valid(self):
        x = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1, -1]))])
        assert not r.average_rotation(x, return_valid=True)[1]
        assert not r.average_rotation(x, weights=torch.zeros(2), return_valid=True)[1]
        assert r.average_rotation(x, weights=torch.tensor([1.0, 0.5]), return_valid=True)[1]

    @pytest.mark.parametrize("spread", [0.0, 0.5])
    def test_gradient_on_equal_and_unequal_ones(self, spread):
        v = spread * torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = r.axis_angle_to_matrix(v + torch.tensor([0.3, 0.2, 0.1])).requires_grad_()
        w = torch.tensor([1.0, 2, 0.5, 1, 3], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda x, w: r.average_rotation(x, weights=w), (x, w), check_forward_ad=True)

    def test_weights_of_another_shape_are_refused(self):
        with pytest.raises(ValueError, match=r"average_rotation: weights must be of shape \(\*batch, 2\), got \(3,\)"):
            r.average_rotation(torch.zeros(2, 3, 3), weights=torch.zeros(3))
        with pytest.raises(ValueError, match=r"average_rotation: rotations must be of shape \(\*batch, n, 3, 3\)"):
            r.average_rotation(torch.zeros(3, 3))


class TestRandomRotation:
    def test_is_uniform(self):
        m = r.random_rotation((20000,), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        torch.testing.assert_close(m @ m.mT, torch.eye(3).double().expand_as(m))
        assert m.mean(0).abs().max() < 0.02  # a mean of 20,000 has a deviation of 0.004
        # Of uniform rotations the angle's mean is pi / 2 + 2 / pi.
        angles = m.diagonal(dim1=-2, dim2=-1).sum(-1).sub(1).div(2).clamp(-1, 1).acos()
        assert angles.mean().item() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.02)

    def test_repeats_and_takes_shape_and_dtype(self):
        a, b = (r.random_rotation((2, 5), generator=torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(a, b) and a.shape == (2, 5, 3, 3) and a.dtype == torch.float32
        assert r.random_rotation(dtype=torch.float64, generator=torch.Generator().manual_seed(1)).shape == (3, 3)
