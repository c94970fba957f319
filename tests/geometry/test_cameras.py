"""Camera models against OpenCV, and against the papers' formulas in NumPy and mpmath."""

import cv2
import mpmath
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils import _pytree as pytree

import visionops as vo
import visionops.augment as va
from visionops.geometry.cameras import (
    BrownConradyCamera,
    Camera,
    DivisionCamera,
    DoubleSphereCamera,
    EquirectangularCamera,
    ExtendedUnifiedCamera,
    KannalaBrandtCamera,
    OrthographicCamera,
    PinholeCamera,
    UnifiedCamera,
)

D = torch.float64
K = torch.tensor([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]], dtype=D)
SKEWED = torch.tensor([[500.0, 7, 320], [-3, 510, 240], [1e-5, 2e-5, 1]], dtype=D)
LENS = [-0.28, 0.08, 0.001, -0.002, 0.01, 0.05, 0.02, 0.003, 0.002, -0.001, 0.0015, 0.001, 0.03, -0.05]
FISHEYE = [0.05, -0.01, 0.003, -0.0005]
ZERO = np.zeros(3)

MODELS = {
    "pinhole": (PinholeCamera, []),
    "brown 4": (BrownConradyCamera, LENS[:4]),
    "brown 14": (BrownConradyCamera, LENS),
    "kannala": (KannalaBrandtCamera, FISHEYE),
    "unified": (UnifiedCamera, [0.6]),
    "unified low": (UnifiedCamera, [0.3]),
    "extended": (ExtendedUnifiedCamera, [0.6, 1.1]),
    "double sphere": (DoubleSphereCamera, [-0.2, 0.6]),
    "double sphere low": (DoubleSphereCamera, [0.3, 0.4]),
    "barrel": (DivisionCamera, [-0.2]),
    "pincushion": (DivisionCamera, [0.1]),
    "equirectangular": (EquirectangularCamera, []),
}
# Those that see points behind themselves.
WIDE = ("kannala", "unified", "extended", "double sphere", "barrel", "equirectangular")


def close(actual, expected, atol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def camera(name, matrix=K):
    model, k = MODELS[name]
    return model(matrix, torch.tensor(k, dtype=D)) if k else model(matrix)


def front(n=60, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform((-1, -1, 1.5), (1, 1, 4), (n, 3)))


def around(n=400, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 3)))


def grads(function, *inputs):
    leaves = [t.clone().requires_grad_() for t in inputs]
    out = function(*leaves)
    return out.detach(), torch.autograd.grad(out.square().sum(), leaves, materialize_grads=True)


class TestBrownConradyCamera:
    @pytest.mark.parametrize("n", [4, 5, 8, 12, 14])
    def test_values_and_jacobian_are_opencvs(self, n):
        points = front()
        k = np.array(LENS[:n])
        expected, jacobian = cv2.projectPoints(points.numpy(), ZERO, ZERO, K.numpy(), k)
        lens = BrownConradyCamera(K, torch.from_numpy(k))
        close(lens.project(points), expected[:, 0], atol=1e-11)
        found = lens.jacobian(points)
        by_camera = torch.cat([found.intrinsics, found.distortion], -1).reshape(len(jacobian), -1)
        close(by_camera, jacobian[:, 6:], atol=1e-10)
        close(found.points.reshape(-1, 3), jacobian[:, 3:6], atol=1e-10)

    def test_behind_it_is_held_and_never_mirrored(self):
        lens = camera("brown 4")
        points = torch.tensor([[0.1, 0.2, 0], [0.1, 0.2, -1], [0, 0, -1], [0, 0, 0], [0.1, 0.2, 1]], dtype=D)
        pixels, valid = lens.project(points, return_valid=True)
        assert valid.tolist() == [False, False, False, False, True]
        assert pixels[2:4].tolist() == [[320, 240]] * 2
        _, (grad,) = grads(lens.project, points)
        assert grad.isfinite().all() and (grad[:4, 2] == 0).all()
        plain = BrownConradyCamera(torch.eye(3, dtype=D), torch.zeros(4, dtype=D))
        close(plain.project(points[:2]), [[0.1 / 0.003, 0.2 / 0.003], [0.1 / 0.013, 0.2 / 0.013]])

    def test_valid_ends_where_the_image_folds_back(self):
        """r (1 - 0.3 r^2) grows up to r = 1 / sqrt 0.9."""
        lens = BrownConradyCamera(K, torch.tensor([-0.3, 0, 0, 0], dtype=D))
        edge = 0.9**-0.5
        points = torch.tensor([[r, 0, 1] for r in (edge - 1e-6, edge + 1e-6, 2, 30)], dtype=D)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, False, False, False]
        rising = BrownConradyCamera(K, torch.tensor([-0.3, 0.1, 0, 0], dtype=D))
        assert rising.project(points, return_valid=True)[1].all()

    def test_valid_does_not_come_back_after_the_fold(self):
        """1 - 3 s + s^2 is negative between s = 0.38 and 2.6."""
        lens = BrownConradyCamera(K, torch.tensor([-1, 0.2, 0, 0], dtype=D))
        points = torch.tensor([[r, 0, 1] for r in (0.6, 0.7, 1.5, 1.8, 3)], dtype=D)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, False, False, False, False]

    def test_valid_ends_at_the_pole_of_a_rational_lens(self):
        lens = BrownConradyCamera(K, torch.tensor([0, 0, 0, 0, 0, -0.25, 0, 0], dtype=D))
        points = torch.tensor([[r, 0, 1] for r in (1.9, 2.1)], dtype=D)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, False]


class TestKannalaBrandtCamera:
    def test_values_and_jacobian_are_opencvs(self):
        points = front()
        expected, jacobian = cv2.fisheye.projectPoints(
            points.numpy()[:, None], ZERO, ZERO, K.numpy(), np.array(FISHEYE)
        )
        lens = camera("kannala")
        close(lens.project(points), expected[:, 0], atol=1e-11)
        found = lens.jacobian(points)
        by_camera = torch.cat([found.intrinsics, found.distortion], -1).reshape(len(jacobian), -1)
        close(by_camera, jacobian[:, :8], atol=1e-10)  # f, c, k, then rotation, t, skew

    def test_normalised_are_opencvs(self):
        normalised = front()[:, :2]
        lens = camera("kannala")
        expected = cv2.fisheye.distortPoints(normalised.numpy()[:, None], np.eye(3), np.array(FISHEYE))[:, 0]
        close(lens.distort(normalised), expected, atol=1e-12)
        criteria = (3, 100, 1e-14)
        back = cv2.fisheye.undistortPoints(expected[:, None], np.eye(3), np.array(FISHEYE), criteria=criteria)[:, 0]
        close(lens.undistort(torch.from_numpy(expected)), back, atol=1e-11)

    def test_behind_is_the_formulas(self):
        points = around()
        x, y, z = points.numpy().T
        r, t = np.hypot(x, y), np.arctan2(np.hypot(x, y), z)
        d = t * (1 + sum(k * t ** (2 * i + 2) for i, k in enumerate(FISHEYE)))
        expected = np.stack([500 * d * x / r + 320, 510 * d * y / r + 240], -1)
        close(camera("kannala").project(points), expected, atol=1e-9)

    @pytest.mark.parametrize("r", [0.0, 1e-160, 1e-12, 1e-5, 0.0316, 0.0317, 0.5])
    def test_derivatives_at_the_axis(self, r):
        """Against mpmath's, of first and second order: angle and radius both vanish."""
        mpmath.mp.dps = 40

        def model(x, z):
            radius = mpmath.sqrt(x * x + mpmath.mpf(10) ** -70)
            t = mpmath.atan2(radius, z)
            return x / radius * t * (1 + sum(k * t ** (2 * i + 2) for i, k in enumerate(FISHEYE)))

        lens = KannalaBrandtCamera(torch.eye(3, dtype=D), torch.tensor(FISHEYE, dtype=D))
        point = torch.tensor([r, 0.0, 2.0], dtype=D, requires_grad=True)
        x = lens.project(point[None])[0, 0]
        (first,) = torch.autograd.grad(x, point, create_graph=True)
        second = torch.stack([torch.autograd.grad(f, point, retain_graph=True)[0] for f in first])
        at = (mpmath.mpf(r), mpmath.mpf(2))
        assert x.item() == pytest.approx(float(model(*at)), rel=1e-14, abs=1e-300)
        for i, order in ((0, (1, 0)), (2, (0, 1))):
            assert first[i].item() == pytest.approx(float(mpmath.diff(model, at, order)), rel=1e-12, abs=1e-12)
        for i, j, order in ((0, 0, (2, 0)), (0, 2, (1, 1)), (2, 2, (0, 2))):
            assert second[i, j].item() == pytest.approx(float(mpmath.diff(model, at, order)), rel=1e-9, abs=1e-11)

    def test_valid_ends_where_the_polynomial_turns(self):
        """t - t^3 / 6 grows up to t = sqrt 2."""
        lens = KannalaBrandtCamera(K, torch.tensor([-1 / 6, 0, 0, 0], dtype=D))
        angles = torch.tensor([1.414, 1.415, 3.0], dtype=D)
        points = torch.stack([angles.sin(), 0 * angles, angles.cos()], -1)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, False, False]

    def test_straight_back(self):
        lens = KannalaBrandtCamera(K, torch.zeros(4, dtype=D))
        points = torch.tensor([[0, 0, -1.0], [0, 0, 0], [1e-3, 0, -1]], dtype=D)
        pixels, valid = lens.project(points, return_valid=True)
        assert valid.tolist() == [False, False, True] and pixels[:2].tolist() == [[320, 240]] * 2


class TestUnifiedCamera:
    def test_is_mei_and_rives(self):
        """On the unit sphere, shifted by xi, with generalised focal lengths."""
        p = front().numpy()
        xi = 1.5
        sphere = p / np.linalg.norm(p, axis=-1, keepdims=True)
        m = sphere[:, :2] / (sphere[:, 2:] + xi)
        expected = m * np.array([900.0, 910.0]) + np.array([320, 240])
        alpha = xi / (1 + xi)
        matrix = torch.tensor([[900 * (1 - alpha), 0, 320], [0, 910 * (1 - alpha), 240], [0, 0, 1]], dtype=D)
        lens = UnifiedCamera(matrix, torch.tensor([alpha], dtype=D))
        close(lens.project(torch.from_numpy(p)), expected, atol=1e-10)

    @pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.7, 1.0])
    def test_valid_is_usenkos(self, alpha):
        lens = UnifiedCamera(K, torch.tensor([alpha], dtype=D))
        w = alpha / (1 - alpha) if alpha <= 0.5 else (1 - alpha) / alpha
        angles = torch.tensor([np.arccos(-w) - 1e-4, min(np.arccos(-w) + 1e-4, 3.1)], dtype=D)
        points = torch.stack([angles.sin(), 0 * angles, angles.cos()], -1)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, alpha == 0.5]
        # At alpha = 1/2 all but the ray straight back is seen.

    def test_held_where_the_denominator_vanishes(self):
        points = torch.tensor([[1, 0, 0], [0.6, 0, -0.8]], dtype=D)
        for alpha in (0.0, 0.3):
            lens = UnifiedCamera(torch.eye(3, dtype=D), torch.tensor([alpha], dtype=D))
            pixels, valid = lens.project(points[alpha > 0 :], return_valid=True)
            close(pixels[:, 0], ([1e6, 6e5])[alpha > 0 :], atol=1e-6)
            assert not valid.any()


class TestExtendedUnifiedCamera:
    def test_is_khomutenkos(self):
        alpha, beta = 0.62, 1.15
        x, y, z = front().numpy().T
        rho = np.sqrt(beta * (x * x + y * y) + z * z)
        scale = alpha * rho + (1 - alpha) * z
        lens = ExtendedUnifiedCamera(K, torch.tensor([alpha, beta], dtype=D))
        expected = np.stack([500 * x / scale + 320, 510 * y / scale + 240], -1)
        close(lens.project(front()), expected, atol=1e-10)
        mx, my = x / scale, y / scale
        r2 = mx * mx + my * my
        mz = (1 - beta * alpha**2 * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * beta * r2) + 1 - alpha)
        rays = np.stack([mx, my, mz], -1)
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        close(lens.unproject(torch.from_numpy(expected)), rays, atol=1e-12)


class TestDoubleSphereCamera:
    def test_is_usenkos(self):
        xi, alpha = -0.21, 0.59
        x, y, z = front().numpy().T
        d1 = np.sqrt(x * x + y * y + z * z)
        d2 = np.sqrt(x * x + y * y + (xi * d1 + z) ** 2)
        scale = alpha * d2 + (1 - alpha) * (xi * d1 + z)
        lens = DoubleSphereCamera(K, torch.tensor([xi, alpha], dtype=D))
        expected = np.stack([500 * x / scale + 320, 510 * y / scale + 240], -1)
        close(lens.project(front()), expected, atol=1e-10)
        mx, my = x / scale, y / scale
        r2 = mx * mx + my * my
        mz = (1 - alpha**2 * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * r2) + 1 - alpha)
        rays = np.stack([mx, my, mz], -1)
        rays = rays * ((mz * xi + np.sqrt(mz**2 + (1 - xi**2) * r2)) / (mz**2 + r2))[:, None] - [0, 0, xi]
        close(lens.unproject(torch.from_numpy(expected)), rays, atol=1e-12)

    @pytest.mark.parametrize("xi", [-0.3, 0.2])
    @pytest.mark.parametrize("alpha", [0.3, 0.5, 0.7])
    def test_valid_is_usenkos(self, xi, alpha):
        lens = DoubleSphereCamera(K, torch.tensor([xi, alpha], dtype=D))
        w1 = alpha / (1 - alpha) if alpha <= 0.5 else (1 - alpha) / alpha
        edge = np.arccos(-(w1 + xi) / np.sqrt(2 * w1 * xi + xi * xi + 1))
        angles = torch.tensor([edge - 1e-4, edge + 1e-4], dtype=D)
        points = torch.stack([angles.sin(), 0 * angles, angles.cos()], -1)
        assert lens.project(points, return_valid=True)[1].tolist() == [
            True,
            alpha == 0.5,
        ]  # of which all but straight back is seen

    def test_without_xi_it_is_the_unified_camera(self):
        two, one = (
            DoubleSphereCamera(K, torch.tensor([0, 0.7], dtype=D)),
            UnifiedCamera(K, torch.tensor([0.7], dtype=D)),
        )
        for found, expected in zip(
            two.project(around(), return_valid=True), one.project(around(), return_valid=True), strict=True
        ):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-10)


class TestDivisionCamera:
    @pytest.mark.parametrize("k", [-0.3, 0.0, 0.1])
    def test_undistort_is_fitzgibbons(self, k):
        distorted = 0.5 * front()[:, :2]
        lens = DivisionCamera(K, torch.tensor([k], dtype=D))
        expected = distorted / (1 + k * distorted.square().sum(-1, keepdim=True))
        close(lens.undistort(distorted), expected, atol=1e-14)
        close(lens.distort(expected), distorted, atol=1e-14)

    def test_valid_ends_at_the_fold(self):
        lens = DivisionCamera(K, torch.tensor([0.25], dtype=D))
        points = torch.tensor([[0.999, 0, 1], [1.001, 0, 1], [0.1, 0, -1]], dtype=D)
        assert lens.project(points, return_valid=True)[1].tolist() == [True, False, False]
        ends = torch.tensor([[1.999, 0], [2.001, 0]], dtype=D)
        assert lens.undistort(ends, return_valid=True)[1].tolist() == [True, False]


class TestEquirectangularCamera:
    def test_is_longitude_and_latitude(self):
        lens = EquirectangularCamera.of_size((200, 400), dtype=D)
        x, y, z = around().numpy().T
        lon, lat = np.arctan2(x, z), np.arcsin(y / np.sqrt(x * x + y * y + z * z))
        expected = np.stack([(lon / (2 * np.pi) + 0.5) * 400 - 0.5, (lat / np.pi + 0.5) * 200 - 0.5], -1)
        close(lens.project(around()), expected, atol=1e-10)

    def test_poles(self):
        lens = EquirectangularCamera(torch.eye(3, dtype=D))
        points = torch.tensor([[0, 2.0, 0], [0, -3, 0], [0, 0, 0], [0, 1, -1]], dtype=D)
        pixels, valid = lens.project(points, return_valid=True)
        half = np.pi / 2
        close(pixels, [[0, half], [0, -half], [0, 0], [np.pi, half / 2]], atol=1e-15)
        assert valid.tolist() == [False, False, False, True]
        _, (grad,) = grads(lens.project, points)
        assert grad.isfinite().all() and (grad[:3] == 0).all()


class TestPinholeCamera:
    def test_is_numpys_for_any_matrix(self):
        expected = front().numpy() @ SKEWED.numpy().T
        found = PinholeCamera(SKEWED).project(front())
        close(found, expected[:, :2] / expected[:, 2:], atol=1e-10)

    def test_held_at_infinity(self):
        camera = PinholeCamera(torch.eye(3, dtype=D))
        points = torch.tensor([[1, -1, 0], [2, 0, -5], [0, 0, -1], [0, 0, 0], [1e-300, 0, 1e-300]], dtype=D)
        pixels, valid = camera.project(points, return_valid=True)
        close(pixels, [[5e5, -5e5], [2 / 7e-6, 0], [0, 0], [0, 0], [1, 0]], atol=1e-6)
        assert valid.tolist() == [False] * 4 + [True]

    def test_depth(self):
        camera, depth = PinholeCamera(SKEWED), front()[:, 2]
        points, valid = camera.unproject(camera.project(front()), depth, return_valid=True)
        close(points, front(), atol=1e-13)
        assert valid.all() and not camera.unproject(camera.project(front()), -depth, return_valid=True)[1].any()

    def test_beyond_the_horizon_of_a_warp(self):
        matrix = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.5, 0, 1]], dtype=D)
        pixels, valid = PinholeCamera(matrix).project(torch.tensor([[-3, 0, 1.0], [1, 0, 1]]), return_valid=True)
        assert valid.tolist() == [False, True]
        close(pixels[:, 0], [-3e6, 2 / 3], atol=1e-6)


class TestOrthographicCamera:
    def test_depth_does_not_matter(self):
        camera = OrthographicCamera(K)
        pixels, valid = camera.project(around(), return_valid=True)
        close(pixels, around()[:, :2].numpy() * [500, 510] + [320, 240], atol=1e-10)
        assert valid.all()
        close(camera.unproject(pixels, around()[:, 2]), around(), atol=1e-13)

    def test_has_no_rays(self):
        with pytest.raises(ValueError, match=r"OrthographicCamera.unproject: depth must be given, got None"):
            OrthographicCamera(K).unproject(front()[:, :2])


class TestCamera:
    @pytest.mark.parametrize("name", MODELS)
    def test_round_trip_wherever_valid(self, name):
        points = around() if name in WIDE else front(400)
        lens = camera(name)
        pixels, valid = lens.project(points, return_valid=True)
        rays, seen = lens.unproject(pixels, return_valid=True)
        assert valid.sum() > 200
        assert seen[valid].all()
        expected = torch.nn.functional.normalize(points, dim=-1)
        close(rays[valid], expected[valid], atol=1e-12)
        close(rays.norm(dim=-1), 1, atol=1e-12)

    @pytest.mark.parametrize("name", ["pinhole", "brown 14"])
    def test_to_another_dtype(self, name):
        lens = camera(name, K.clone().requires_grad_()).to(torch.float32)
        assert {value.dtype for value in lens._tensors()} == {torch.float32}
        pixels = lens.project(front(4).float())
        assert pixels.dtype == torch.float32
        close(pixels.detach(), camera(name).project(front(4)), atol=1e-3)
        assert torch.autograd.grad(pixels.sum(), lens.matrix)[0].any()

    @pytest.mark.parametrize("name", WIDE)
    def test_sees_behind(self, name):
        points = around()
        assert (camera(name).project(points, return_valid=True)[1] & (points[:, 2] < 0)).any()

    @pytest.mark.parametrize("name", MODELS)
    def test_gradients(self, name):
        points = around(12, seed=3) if name in WIDE else front(4)
        lens = camera(name, SKEWED)
        points = points[lens.project(points, return_valid=True)[1]][:4]
        points = torch.cat([points, torch.tensor([[0, 0, 2.0]], dtype=D)])
        tensors = [t.clone().requires_grad_() for t in lens._tensors()]
        pixels = lens.project(points).requires_grad_()
        depth = torch.ones(4, dtype=D, requires_grad=True)
        points.requires_grad_()
        for run, at in (
            (lambda p, *t: type(lens)(*t).project(p), points),
            (lambda p, *t: type(lens)(*t).unproject(p), pixels),
        ):
            gradcheck(run, (at, *tensors), check_forward_ad=True)
            gradgradcheck(run, (at, *tensors), fast_mode=True, atol=1e-3)  # pixels are in hundreds
        pixels = lens.project(front(4)).requires_grad_()
        gradcheck(lambda p, z: lens.unproject(p, z), (pixels, depth))

    @pytest.mark.parametrize("name", MODELS)
    def test_jacobian_is_autograds(self, name):
        lens, points = camera(name, SKEWED), front(5)
        found = lens.jacobian(points)
        eye = torch.eye(5, dtype=torch.bool)
        by_points = torch.autograd.functional.jacobian(lens.project, points).movedim(2, 1)[eye]
        torch.testing.assert_close(found.points, by_points)
        by_matrix = torch.autograd.functional.jacobian(
            lambda m: type(lens)(m, *lens._tensors()[1:]).project(points), SKEWED
        )
        torch.testing.assert_close(found.intrinsics, by_matrix[..., [0, 1, 0, 1], [0, 1, 2, 2]])
        assert found.distortion.shape == (5, 2, len(MODELS[name][1]))

    @pytest.mark.parametrize("name", MODELS)
    def test_what_is_not_finite(self, name):
        lens = camera(name)
        points = front(3)
        points[1, 0] = float("nan")
        pixels = lens.project(front(3))
        pixels[1, 1] = float("inf")
        for run, at in (
            (lens.project, points),
            (lens.unproject, pixels),
            (lens.undistort, pixels),
            (lens.distort, points[:, :2]),
        ):
            out, valid = run(at, return_valid=True)
            assert out[1].isnan().all() and out[::2].isfinite().all() and not valid[1]

            if run.__name__ in ("project", "unproject"):
                again = lambda *t, run=run, at=at: getattr(type(lens)(*t), run.__name__)(at)[::2]  # noqa: E731
                assert all(g.isfinite().all() for g in grads(again, *lens._tensors())[1])
            _, (grad,) = grads(lambda p, run=run: run(p)[::2], at)
            assert (grad[1] == 0).all() and grad.isfinite().all()

    def test_a_camera_that_is_not_finite(self):
        matrix = K.expand(3, 3, 3).clone()
        matrix[1, 0, 2] = float("nan")
        for run in (
            lambda m: PinholeCamera(m).project(front(4)),
            lambda m: PinholeCamera(m).unproject(front(4)[:, :2]),
        ):
            _, (grad,) = grads(lambda m, run=run: torch.where(run(m).isnan(), 0, run(m)), matrix)
            assert (grad[1] == 0).all() and grad.isfinite().all() and (grad[0] != 0).any()
            assert run(matrix)[1].isnan().all() and run(matrix)[::2].isfinite().all()

    def test_batches_broadcast(self):
        matrices = K.expand(5, 1, 3, 3)
        lens = BrownConradyCamera(matrices, torch.tensor(LENS[:5], dtype=D).expand(1, 2, 5))
        assert lens.batch == (5, 2)
        points = front(14).reshape(2, 7, 3)
        pixels, valid = lens.project(points, return_valid=True)
        assert pixels.shape == (5, 2, 7, 2) and valid.shape == (5, 2, 7)
        torch.testing.assert_close(pixels[3], BrownConradyCamera(K, torch.tensor(LENS[:5], dtype=D)).project(points))
        rays, seen = lens.unproject(pixels[0], points[..., 2], return_valid=True)
        assert rays.shape == (5, 2, 7, 3) and seen.shape == (5, 2, 7)
        assert lens.undistort(points[..., :2]).shape == (5, 2, 7, 2)
        jacobian = lens.jacobian(points)
        assert [j.shape for j in jacobian] == [(5, 2, 7, 2, 3), (5, 2, 7, 2, 4), (5, 2, 7, 2, 5)]

    @pytest.mark.parametrize("name", MODELS)
    def test_no_points_and_float32(self, name):
        lens = camera(name, K.float())
        lens = type(lens)(*(t.float() for t in lens._tensors()))
        assert lens.project(torch.zeros(3, 0, 3)).shape == (3, 0, 2)
        assert lens.unproject(torch.zeros(3, 0, 2)).shape == (3, 0, 3)
        pixels = lens.project(front().float())
        rays = lens.unproject(pixels)
        assert pixels.dtype == rays.dtype == torch.float32
        close(pixels, camera(name).project(front()), atol=1e-3)
        close(rays, torch.nn.functional.normalize(front(), dim=-1), atol=1e-5)

    def test_follows_an_augmentation(self):
        pipe = vo.Pipeline(va.HorizontalFlip(), va.Rotate(17), va.Perspective(0.3), va.RandomResizedCrop((50, 60)))
        places = front()[:20]
        for name in ("pinhole", "brown 4", "kannala"):
            lens = camera(name, torch.diag(torch.tensor([0.15, 0.15, 1], dtype=D)) @ K)
            pixels = lens.project(places)
            out = pipe(
                image=np.zeros((80, 100, 3), np.uint8), keypoints=pixels.numpy(), intrinsics=lens.matrix, index=1
            )
            moved = type(lens)(torch.as_tensor(out["intrinsics"], dtype=D), *lens._tensors()[1:])
            close(moved.project(places), out["keypoints"], atol=1e-4)
            m = torch.as_tensor(out["intrinsics"], dtype=D) @ torch.linalg.inv(lens.matrix)
            close(lens.transformed(m).project(places), out["keypoints"], atol=1e-4)

    def test_is_a_pytree(self):
        lens = camera("brown 4")
        leaves, spec = pytree.tree_flatten(lens)
        assert len(leaves) == 2 and isinstance(pytree.tree_unflatten(leaves, spec), BrownConradyCamera)
        batch = BrownConradyCamera(K.expand(3, 3, 3), torch.tensor(LENS[:4], dtype=D).expand(3, 4))
        points = front(12).reshape(3, 4, 3)
        mapped = torch.vmap(lambda c, p: c.project(p))(batch, points)
        torch.testing.assert_close(mapped, batch.project(points))
        gradient = torch.func.grad(lambda c: c.project(points).sum())(batch)
        assert isinstance(gradient, BrownConradyCamera) and gradient.matrix.shape == (3, 3, 3)

    def test_compiles_as_an_argument(self):
        torch.compiler.reset()
        lens = camera("brown 4")
        run = torch.compile(
            lambda c, p: c.transformed(torch.eye(3)).unproject(c.project(p)), fullgraph=True, backend="aot_eager"
        )
        torch.testing.assert_close(run(lens, front()), torch.nn.functional.normalize(front(), dim=-1))

    def test_errors(self):
        with pytest.raises(ValueError, match=r"PinholeCamera: matrix must be of shape \(\*batch, 3, 3\), got \(2, 3\)"):
            PinholeCamera(torch.zeros(2, 3))
        with pytest.raises(ValueError, match=r"BrownConradyCamera: distortion must be of 4 or 5 or 8 or 12 or 14"):
            BrownConradyCamera(K, torch.zeros(6))
        with pytest.raises(ValueError, match="KannalaBrandtCamera: distortion must be of 4 coefficients"):
            KannalaBrandtCamera(K, None)
        with pytest.raises(ValueError, match=r"UnifiedCamera: distortion must be of a batch that goes with \(2,\)"):
            UnifiedCamera(K.expand(2, 3, 3), torch.zeros(3, 1))
        with pytest.raises(ValueError, match=r"PinholeCamera.project: points must be of shape \(\*batch, n, 3\)"):
            PinholeCamera(K).project(torch.zeros(5, 2))
        with pytest.raises(
            ValueError, match=r"PinholeCamera.unproject: pixels must be of a batch that goes with \(2,\)"
        ):
            PinholeCamera(K.expand(2, 3, 3)).unproject(torch.zeros(3, 5, 2))
        with pytest.raises(ValueError, match=r"PinholeCamera.unproject: grad must be one of those known, got 'exact'"):
            PinholeCamera(K).unproject(torch.zeros(5, 2), grad="exact")
        with pytest.raises(ValueError, match=r"PinholeCamera.transformed: matrix must be of shape"):
            PinholeCamera(K).transformed(torch.zeros(2, 3))
        with pytest.raises(NotImplementedError):
            Camera(K).project(torch.zeros(1, 3))
