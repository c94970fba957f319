"""Poses of a camera against PoseLib, OpenCV, NumPy's SVD and the truth."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.implicit.steps import GRADS
from visionops.geometry.pose.p3p import solve_p3p
from visionops.geometry.pose.pnp import solve_pnp
from visionops.geometry.pose.refine import refine_pnp
from visionops.testing.cases.geometry_pose import scene

D = torch.float64
K = torch.tensor([[800.0, 0, 320], [0, 790, 240], [0, 0, 1]], dtype=D)
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def view(n, count, *, noise=0.0, seed=0, flat=False):
    """Points, what a camera sees of them in normalised coordinates, and its pose."""
    x, R, t = scene(n, count, seed=seed, flat=flat)
    y = x @ R.mT + t[:, None]
    shaken = noise * torch.randn(n, count, 2, generator=torch.Generator().manual_seed(seed), dtype=D)
    return x, y[..., :2] / y[..., 2:] + shaken, R, t


def pixels(points):
    return points @ K[:2, :2].mT + K[:2, 2]


def apart(pose, R, t):
    """Distances of poses in slots from one, 9 where there is none."""
    gap = (pose.R - R[..., None, :, :]).flatten(-2).norm(dim=-1) + (pose.t - t[..., None, :]).norm(dim=-1)
    return torch.where(pose.valid, gap, 9)


def off(pose, R, t):
    return (pose.R - R).flatten(-2).norm(dim=-1) + (pose.t - t).norm(dim=-1)


class Pinhole:
    """A camera of someone else, with a lens."""

    def __init__(self, k, bend):
        self.k, self.bend = k, bend

    def project(self, points):
        p = points[..., :2] / points[..., 2:]
        p = p * (1 + self.bend * p.square().sum(-1, keepdim=True))
        return p * self.k[[0, 1], [0, 1]] + self.k[:2, 2]

    def unproject(self, pixels):
        p = q = (pixels - self.k[:2, 2]) / self.k[[0, 1], [0, 1]]
        for _ in range(60):
            p = q / (1 + self.bend * p.square().sum(-1, keepdim=True))
        return torch.nn.functional.normalize(torch.nn.functional.pad(p, (0, 1), value=1.0), dim=-1)


class TestSolveP3P:
    def test_are_poselibs(self):
        poselib = pytest.importorskip("poselib")
        x, p, R, t = view(1000, 3, seed=1)
        pose = solve_p3p(x, p)
        rays = torch.nn.functional.normalize(torch.nn.functional.pad(p, (0, 1), value=1.0), dim=-1)
        best = apart(pose, R, t).amin(-1)
        ours, theirs, missed = (best < 1e-4).sum(), 0, 0
        for i in range(1000):
            one = type(pose)(*(part[i] for part in pose))
            for found in poselib.p3p(rays[i].numpy(), x[i].numpy()):
                q = torch.from_numpy(np.array(found.R)), torch.from_numpy(np.array(found.t))
                theirs += bool(np.linalg.norm(q[0] - R[i]) + np.linalg.norm(q[1] - t[i]) < 1e-4)
                missed += bool(apart(one, *q).min() > 1e-5)
        assert ours == 1000 and ours >= theirs and missed <= 2

    def test_are_opencvs(self):
        x, p, _, _ = view(100, 3, seed=2, noise=0.05)
        pose = solve_p3p(x, pixels(p), K)
        asked = missed = 0
        for i in range(100):
            one = type(pose)(*(part[i] for part in pose))
            _, rotations, moves = cv2.solveP3P(x[i].numpy(), pixels(p[i]).numpy(), K.numpy(), None, cv2.SOLVEPNP_AP3P)
            for r, t in zip(rotations, moves, strict=True):
                q = torch.from_numpy(cv2.Rodrigues(r)[0]), torch.from_numpy(t[:, 0])
                depth = (x[i] @ q[0].mT + q[1])[:, 2]
                if (depth > 0).all():
                    asked, missed = asked + 1, missed + bool(apart(one, *q).min() > 1e-4)
        assert asked > 100 and missed <= 1  # AP3P loses digits now and then

    def test_sees_exactly(self):
        x, p, _, _ = view(500, 3, seed=3, noise=0.05)
        pose = solve_p3p(x, p)
        y = x[:, None] @ pose.R.mT + pose.t[..., None, :]
        seen = y[..., :2] / y[..., 2:]
        assert pose.valid.any(-1).sum() > 450
        assert (seen - p[:, None])[pose.valid].abs().max() < 1e-7 and (y[pose.valid][..., 2] > 0).all()
        eye = torch.eye(3, dtype=D)
        np.testing.assert_allclose((pose.R @ pose.R.mT)[pose.valid], eye.expand(int(pose.valid.sum()), 3, 3), atol=1e-7)

    def test_rays_behind(self):
        x, R, t = scene(50, 3, seed=4)
        x[:, 0, 2] *= -1
        pose = solve_p3p(x, 7 * (x @ R.mT + t[:, None]))
        assert (apart(pose, R, t).amin(-1) < 1e-6).all()

    def test_symmetric(self):
        """An equilateral triangle before the camera, where solutions have equal depths."""
        angle = torch.arange(3, dtype=D) * 2 * np.pi / 3
        x = torch.stack([angle.cos(), angle.sin(), torch.full((3,), 5.0, dtype=D)], -1)
        pose = solve_p3p(x, x[:, :2] / x[:, 2:])
        assert apart(pose, torch.eye(3, dtype=D), torch.zeros(3, dtype=D)).min() < 1e-7

    @pytest.mark.parametrize("noise", [0.0, 0.03])
    def test_gradients(self, noise):
        x, p, _, _ = view(3, 3, seed=10, noise=noise)
        given = x.requires_grad_(), (pixels(p) / 100).requires_grad_(), (K / 100).requires_grad_()

        def run(x, p, k):
            return solve_p3p(x, p, torch.cat([k[:2], torch.eye(3, dtype=D)[2:]]))[:2]

        gradcheck(run, given, rtol=1e-5, atol=1e-5, fast_mode=True)
        gradcheck(run, given, check_forward_ad=True, check_backward_ad=False, rtol=1e-5, atol=1e-5, fast_mode=True)
        gradgradcheck(run, given, fast_mode=True)

    def test_degenerate_samples_are_empty_alone(self):
        x, p, R, t = view(4, 3, seed=6)
        x[0] = torch.tensor([[0.0, 0, 5], [1, 1, 6], [2, 2, 7]], dtype=D)  # collinear
        x[1] = 1  # coincident
        p[2, 0, 0] = float("nan")
        given = x.requires_grad_(), p.requires_grad_()
        pose = solve_p3p(*given)
        assert not pose.valid[:3].any() and (pose.R[:3] == 0).all() and (pose.t[:3] == 0).all()
        assert apart(pose, R, t)[3].min() < 1e-8
        for grad in torch.autograd.grad(pose.R.pow(3).sum() + pose.t.pow(3).sum(), given):
            assert (grad[:3] == 0).all() and grad.isfinite().all() and (grad[3] != 0).any()

    def test_double_solution_has_a_finite_gradient(self):
        """The camera stands on the cylinder through the points."""
        angle = torch.tensor([0.3, 2.0, 4.4, 1.1], dtype=D)
        around = torch.stack([angle.cos(), angle.sin(), torch.zeros(4, dtype=D)], -1)
        x = (around[:3] - around[3] - torch.tensor([0, 0, -3.0], dtype=D)).requires_grad_()
        p = (x / x[:, 2:])[:, :2].detach().requires_grad_()
        pose = solve_p3p(x, p)
        near = (pose.R - torch.eye(3, dtype=D)).flatten(1).norm(dim=1) < 1e-4
        assert near.any() and not pose.valid[near].any()
        for grad in torch.autograd.grad(pose.R.pow(3).sum() + pose.t.pow(3).sum(), (x, p)):
            assert grad.abs().max() < 1e3

    def test_errors(self):
        with pytest.raises(ValueError, match="solve_p3p: points3d must be 3 points, got 4"):
            solve_p3p(torch.zeros(4, 3), torch.zeros(4, 2))
        with pytest.raises(ValueError, match="solve_p3p: camera must be None, a matrix K"):
            solve_p3p(torch.zeros(3, 3), torch.zeros(3, 2), camera="pinhole")
        with pytest.raises(ValueError, match=r"solve_p3p: camera must be of shape \(\*batch, 3, 3\)"):
            solve_p3p(torch.zeros(3, 3), torch.zeros(3, 2), torch.eye(4))


class TestSolvePnP:
    @pytest.mark.parametrize("count", [4, 5, 6, 20])
    @pytest.mark.parametrize("flat", [False, True])
    def test_epnp_is_exact(self, count, flat):
        x, p, R, t = view(300, count, seed=1, flat=flat)
        pose = solve_pnp(x, pixels(p), K)
        assert pose.valid.all() and (off(pose, R, t) < 1e-5).all()

    @pytest.mark.parametrize("count", [6, 20])
    def test_dlt_is_exact(self, count):
        x, p, R, t = view(300, count, seed=2)
        pose = solve_pnp(x, pixels(p), K, method="dlt")
        assert pose.valid.all() and (off(pose, R, t) < 1e-5).all()

    def test_dlt_is_numpys(self):
        x, p, _, _ = view(1, 12, seed=3, noise=0.01)
        pose = solve_pnp(x, p, method="dlt")
        x, rays = x[0].numpy(), np.concatenate([p[0].numpy(), np.ones((12, 1))], -1)
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        centre = x.mean(0)
        size = np.sqrt(((x - centre) ** 2).sum(-1).mean() / 3)
        homogeneous = np.concatenate([(x - centre) / size, np.ones((12, 1))], -1)
        rows = [np.kron(np.eye(3) - np.outer(f, f), q) for f, q in zip(rays, homogeneous, strict=True)]
        m = np.linalg.svd(np.concatenate(rows))[2][-1].reshape(3, 4)
        m *= np.sign(m[2, 3])
        u, _, v = np.linalg.svd(m[:, :3] @ (homogeneous[:, :3].T @ homogeneous[:, :3]))
        np.testing.assert_allclose(pose.R[0], u @ v, atol=1e-10)
        scale = np.sqrt(3) / np.linalg.norm(m[:, :3])
        np.testing.assert_allclose(pose.t[0], size * scale * m[:, 3] - u @ v @ centre, atol=1e-9)

    @pytest.mark.parametrize("flat", [False, True])
    def test_errors_are_as_small_as_opencvs(self, flat):
        x, p, _, _ = view(200, 10, seed=4, noise=0.003, flat=flat)
        pose = solve_pnp(x, p)

        def misses(R, t):
            y = x @ R.mT + t[:, None]
            return (y[..., :2] / y[..., 2:] - p).square().sum(-1).mean(-1).sqrt()

        theirs = [
            cv2.solvePnP(a.numpy(), b.numpy(), np.eye(3), None, flags=cv2.SOLVEPNP_EPNP)
            for a, b in zip(x, p, strict=True)
        ]
        R = torch.stack([torch.from_numpy(cv2.Rodrigues(r)[0]) for _, r, _ in theirs])
        t = torch.stack([torch.from_numpy(t[:, 0]) for _, _, t in theirs])
        assert pose.valid.all() and misses(pose.R, pose.t).quantile(0.9) < 1.1 * misses(R, t).quantile(0.9)

    def test_someone_elses_camera(self):
        x, _, R, t = view(20, 6, seed=5)
        camera = Pinhole(K, 0.1)
        pose = solve_pnp(x, camera.project(x @ R.mT + t[:, None]), camera)
        assert (off(pose, R, t) < 1e-5).all()

    @pytest.mark.parametrize("method", ["epnp", "dlt"])
    def test_weight_0_is_absence(self, method):
        x, p, _, _ = view(5, 9, seed=6, noise=0.01)
        expected = solve_pnp(x[:, :8], p[:, :8], method=method)
        x[:, 8], p[:, 8] = float("nan"), 1e6
        weights = torch.tensor([1.0] * 8 + [0], dtype=D)
        pose = solve_pnp(x, p, method=method, weights=weights)
        assert expected.valid.all()
        torch.testing.assert_close(pose, expected)

    @pytest.mark.parametrize(("method", "count"), [("epnp", 4), ("epnp", 8), ("dlt", 8)])
    @pytest.mark.parametrize("noise", [0.0, 0.01])
    @pytest.mark.parametrize("flat", [False, True])
    def test_gradients(self, method, count, noise, flat):
        if method == "dlt" and flat:
            pytest.skip("the pose is not determined")
        x, p, _, _ = view(2, count, seed=7, noise=noise, flat=flat)
        weights = torch.linspace(0.5, 1.5, count, dtype=D)
        given = tuple(v.requires_grad_() for v in (x, p, weights))

        def run(x, p, w):
            return solve_pnp(x, p, method=method, weights=w)[:2]

        assert solve_pnp(x, p, method=method).valid.all()
        gradcheck(run, given, rtol=1e-4, atol=1e-5, fast_mode=True)
        gradcheck(run, given, check_forward_ad=True, check_backward_ad=False, rtol=1e-4, atol=1e-5, fast_mode=True)
        gradgradcheck(run, given, fast_mode=True)

    def test_degenerate_samples_alone(self):
        x, p, R, t = view(4, 7, seed=8)
        x[0], p[0] = 1, 1  # coincident
        x[1] = torch.linspace(4, 5, 7, dtype=D)[:, None] * torch.tensor([1.0, 0.5, 2], dtype=D)  # collinear
        p[1] = x[1, :, :2] / x[1, :, 2:]
        x[2, 3] = float("nan")
        given = x.requires_grad_(), p.requires_grad_()
        for method in ("epnp", "dlt"):
            pose = solve_pnp(*given, method=method)
            assert pose.valid.tolist() == [False, False, False, True] and pose.R[2].isnan().all()
            assert pose.R[:2].isfinite().all() and pose.t[:2].isfinite().all() and off(pose, R, t)[3] < 1e-7
            for grad in torch.autograd.grad(pose.R.pow(3).sum() + pose.t.pow(3).sum(), given):
                assert (grad[:3] == 0).all() and grad.isfinite().all() and (grad[3] != 0).any()

    def test_dlt_on_a_plane_is_not_valid(self):
        x, p, _, _ = view(3, 8, seed=9, flat=True)
        pose = solve_pnp(x, p, method="dlt")
        assert not pose.valid.any() and pose.R.isfinite().all()

    def test_errors(self):
        x, p = torch.zeros(5, 3), torch.zeros(5, 2)
        with pytest.raises(ValueError, match="solve_pnp: points3d must be at least 4 points"):
            solve_pnp(x[:3], p[:3])
        with pytest.raises(ValueError, match="solve_pnp: points3d must be at least 6 points"):
            solve_pnp(x, p, method="dlt")
        with pytest.raises(ValueError, match="solve_pnp: method must be one of those known, got 'EPNP'"):
            solve_pnp(x, p, method="EPNP")
        with pytest.raises(ValueError, match="solve_pnp: points2d must be 5 points, got 4"):
            solve_pnp(x, p[:4])


class TestRefinePnP:
    def start(self, R, t):
        turn = torch.tensor([[0, -0.05, 0.02], [0.05, 0, 0.03], [-0.02, -0.03, 0]], dtype=D)
        return torch.matrix_exp(turn) @ R, t + 0.1

    def test_is_opencvs(self):
        x, p, R, t = view(50, 10, seed=1, noise=0.002)
        pose = refine_pnp(x, pixels(p), *self.start(R, t), K)
        assert pose.valid.all()
        for i in range(50):
            first = cv2.Rodrigues(R[i].numpy())[0], t[i, :, None].numpy().copy()
            stop = (3, 200, 1e-14)
            r, move = cv2.solvePnPRefineLM(x[i].numpy(), pixels(p[i]).numpy(), K.numpy(), None, *first, stop)
            # Its steps end when costs differ by rounding, so its poses have half the digits.
            np.testing.assert_allclose(pose.R[i], cv2.Rodrigues(r)[0], atol=2e-6)
            np.testing.assert_allclose(pose.t[i], move[:, 0], atol=2e-5)

    @pytest.mark.parametrize("camera", [None, K, Pinhole(K, 0.1)], ids=["none", "matrix", "object"])
    def test_exact(self, camera):
        x, p, R, t = view(20, 6, seed=2)
        y = x @ R.mT + t[:, None]
        seen = camera.project(y) if isinstance(camera, Pinhole) else p if camera is None else pixels(p)
        pose = refine_pnp(x, seen, *self.start(R, t), camera)
        assert pose.valid.all() and (off(pose, R, t) < 1e-9).all()

    def given(self, noise):
        """Inputs (points, pixels / 100, K / 100, weights), and the function of them and of how it is differentiated."""
        x, p, R, t = view(2, 6, seed=3, noise=noise)
        first = self.start(R, t)
        weights = torch.linspace(0.5, 1.5, 6, dtype=D)
        given = tuple(v.requires_grad_() for v in (x, pixels(p) / 100, K[:2] / 100, weights))

        def run(x, p, k, w, grad="implicit"):
            k = torch.cat([k, torch.eye(3, dtype=D)[2:]])
            return refine_pnp(x, p, *first, k, weights=w, grad=grad)[:2]

        return given, run

    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_gradients(self, noise):
        given, run = self.given(noise)
        gradcheck(run, given, rtol=1e-5, atol=1e-6, fast_mode=True)
        gradcheck(run, given, check_forward_ad=True, check_backward_ad=False, rtol=1e-5, atol=1e-6, fast_mode=True)
        gradgradcheck(run, given, fast_mode=True)

    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_unrolled_gradients(self, noise):
        # Values end within 1e-8 of the minimum, too far for finite differences of them.
        given, run = self.given(noise)
        both = [torch.autograd.grad(sum(o.pow(3).sum() for o in run(*given, grad)), given) for grad in GRADS[:2]]
        for implicit, unrolled in zip(*both, strict=True):
            torch.testing.assert_close(unrolled, implicit, rtol=1e-6, atol=1e-6)

    def test_gradient_to_someone_elses_camera(self):
        x, p, R, t = view(2, 6, seed=4, noise=0.01)
        bend = torch.tensor(0.1, dtype=D, requires_grad=True)
        x.requires_grad_()

        def run(x, bend):
            return refine_pnp(x, pixels(p), *self.start(R, t), Pinhole(K, bend))[:2]

        gradcheck(run, (x, bend), rtol=1e-5, atol=1e-6)

    def test_none_is_a_constant(self):
        x, p, R, t = view(2, 6, seed=5)
        pose = refine_pnp(x.requires_grad_(), p, *self.start(R, t), grad="none")
        assert pose.valid.all() and not pose.R.requires_grad

    def test_weight_0_is_absence(self):
        x, p, R, t = view(5, 7, seed=6, noise=0.01)
        first = self.start(R, t)
        expected = refine_pnp(x[:, :6], p[:, :6], *first)
        x[:, 6], p[:, 6] = float("nan"), 1e6
        pose = refine_pnp(x, p, *first, weights=torch.tensor([1.0] * 6 + [0], dtype=D))
        assert expected.valid.all()
        torch.testing.assert_close(pose, expected)

    def test_degenerate_samples_alone(self):
        x, p, R, t = view(5, 6, seed=7, noise=0.001)
        x[0], p[0] = 1, 1  # coincident: the pose is not determined
        x[1] = torch.linspace(1, 2, 6, dtype=D)[:, None] * torch.tensor([1.0, 0.5, 4], dtype=D)  # collinear
        p[2, 0] = float("nan")
        x[3] = x[3] * torch.tensor([1.0, 1.0, -1.0], dtype=D)  # behind
        given = x.requires_grad_(), p.requires_grad_()
        pose = refine_pnp(*given, *self.start(R, t))
        assert pose.valid.tolist() == [False, False, False, False, True]
        assert pose.R[2].isnan().all() and pose.R[[0, 1, 3]].isfinite().all()
        for grad in torch.autograd.grad(pose.R.pow(3).sum() + pose.t.pow(3).sum(), given):
            assert (grad[:4] == 0).all() and grad.isfinite().all() and (grad[4] != 0).any()

    def test_too_few_iterations_are_not_valid(self):
        x, p, R, t = view(2, 6, seed=8, noise=0.01)
        assert not refine_pnp(x, p, *self.start(R, t), iterations=1).valid.any()

    def test_errors(self):
        x, p, R, t = torch.zeros(4, 3), torch.zeros(4, 2), torch.eye(3), torch.zeros(3)
        with pytest.raises(ValueError, match="refine_pnp: points3d must be at least 3 points"):
            refine_pnp(x[:2], p[:2], R, t)
        with pytest.raises(ValueError, match=r"refine_pnp: t must be of shape \(\*batch, 3\)"):
            refine_pnp(x, p, R, torch.zeros(4))
        with pytest.raises(ValueError, match="refine_pnp: camera must be None, a matrix K"):
            refine_pnp(x, p, R, t, 500.0)
        with pytest.raises(ValueError, match="refine_pnp: grad must be one of those known"):
            refine_pnp(x, p, R, t, grad="exact")
