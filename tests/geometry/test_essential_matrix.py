"""Motions of essential matrices against OpenCV and finite differences."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from visionops.geometry.epipolar import decompose_essential, essential_from_pose, motion_from_essential

from .gradients import strict


def pose(seed):
    rng = np.random.default_rng(seed)
    t = rng.normal(size=3)
    return torch.from_numpy(Rotation.random(rng=rng).as_matrix()), torch.from_numpy(t / np.linalg.norm(t))


class TestDecomposeEssential:
    @pytest.mark.parametrize("noise", [0.0, 0.2])
    @pytest.mark.parametrize("seed", range(10))
    def test_is_opencvs(self, seed, noise):
        R, t = pose(seed)
        e = essential_from_pose(R, t) * (-3 if seed % 2 else 1)
        e = e + noise * torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 3)))
        a, b, c = cv2.decomposeEssentialMat(e.numpy())
        R1, R2, found = decompose_essential(e)
        theirs = sorted([a, b], key=lambda r: np.abs(r - R1.numpy()).max())
        np.testing.assert_allclose(R1.numpy(), theirs[0], atol=1e-9)
        np.testing.assert_allclose(R2.numpy(), theirs[1], atol=1e-9)
        np.testing.assert_allclose(found.numpy() * np.sign(found.numpy() @ c), c[:, 0], atol=1e-9)
        assert found[found.abs().argmax()] > 0
        for r in (R1, R2):
            torch.testing.assert_close(r @ r.T, torch.eye(3).double())
            torch.testing.assert_close(torch.linalg.det(r), torch.tensor(1.0).double())

    @pytest.mark.parametrize("seed", range(4))
    def test_gradients_on_exact_and_noisy_matrices(self, seed):
        e = essential_from_pose(*pose(seed))
        strict(decompose_essential, e)
        strict(decompose_essential, e + 0.1 * torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 3))))

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_half_a_turn_and_none(self, axis):
        unit = torch.eye(3).double()[axis]
        for turn in (torch.eye(3).double(), 2 * unit[:, None] * unit - torch.eye(3).double()):
            for t in torch.eye(3).double():
                e = essential_from_pose(turn, t)
                R1, R2, found = decompose_essential(e)
                torch.testing.assert_close(found, t)
                assert min((r - turn).abs().max() for r in (R1, R2)) < 1e-12
                strict(decompose_essential, e)

    def test_0_and_nan(self):
        e = torch.zeros(2, 3, 3).double()
        e[1, 0, 0] = float("nan")
        e.requires_grad_()
        out = decompose_essential(e)
        assert all(x[0].isfinite().all() and x[1].isnan().all() for x in out)
        assert all((torch.autograd.grad(x.sum(), e, retain_graph=True)[0] == 0).all() for x in out)

    def test_refuses(self):
        with pytest.raises(ValueError, match="decompose_essential: E must be of shape"):
            decompose_essential(torch.zeros(3, 4))


def views(seed, n=12):
    rng = np.random.default_rng(seed)
    R = torch.from_numpy(Rotation.from_rotvec(0.3 * rng.normal(size=3)).as_matrix())
    t = torch.from_numpy(rng.normal(size=3))
    t = t / t.norm()
    x = torch.from_numpy(rng.uniform((-2, -2, 4), (2, 2, 9), (n, 3)))
    y = x @ R.T + t
    return R, t, x[:, :2] / x[:, 2:], y[:, :2] / y[:, 2:]


class TestMotionFromEssential:
    @pytest.mark.parametrize("seed", range(10))
    def test_is_the_truth_and_opencvs(self, seed):
        R, t, p, q = views(seed)
        e = essential_from_pose(R, t)
        for sign in (1, -2):
            motion = motion_from_essential(sign * e, p, q)
            assert motion.valid and motion.in_front.all()
            torch.testing.assert_close(motion.R, R)
            torch.testing.assert_close(motion.t, t)
        _, r, s, mask = cv2.recoverPose(e.numpy(), p.numpy(), q.numpy(), np.eye(3))
        np.testing.assert_allclose(motion.R.numpy(), r, atol=1e-9)
        np.testing.assert_allclose(motion.t.numpy(), s[:, 0], atol=1e-9)
        assert motion.in_front.tolist() == (mask[:, 0] > 0).tolist()

    def test_weights_choose(self):
        R, t, p, q = views(0)
        e = essential_from_pose(R, t)
        # Matches of the opposite motion outnumber the others.
        wrong = torch.cat([q, p, p]), torch.cat([p, q, q])
        flipped = essential_from_pose(R, -t)
        behind = motion_from_essential(flipped, p, q)
        torch.testing.assert_close(behind.t, t)
        for chosen, sign in ((slice(0, 12), -1), (slice(12, 36), 1)):
            weights = torch.full((36,), 0.1).double()
            weights[chosen] = 0.9
            motion = motion_from_essential(e, *wrong, weights=weights)
            assert motion.valid and motion.t @ t * sign > 0.1
        weights[:12] = 0.0
        wrong[0][:12] = float("nan")
        motion = motion_from_essential(e, *wrong, weights=weights)
        assert motion.valid and not motion.in_front[:12].any() and motion.in_front[12:].all()
        torch.testing.assert_close(motion.R, R)
        torch.testing.assert_close(motion.t, t)

    def test_many_matrices_share_points(self):
        R, t, p, q = views(1)
        e = torch.stack([essential_from_pose(R, t), essential_from_pose(*pose(5)), torch.zeros(3, 3).double()])
        motion = motion_from_essential(e, p, q)
        assert motion.in_front.shape == (3, 12) and motion.valid.tolist()[::2] == [True, False]
        torch.testing.assert_close(motion.R[0], R)

    def test_gradients_are_those_of_the_chosen_motion(self):
        for seed in range(3):
            R, t, p, q = views(seed)
            e = essential_from_pose(R, t) + 0.01 * torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 3)))
            strict(lambda e, p=p, q=q: motion_from_essential(e, p, q)[:2], e)

    def test_no_parallax_is_not_valid(self):
        R, t, p, _ = views(2)
        rays = torch.cat([p, torch.ones(12, 1)], -1).double() @ R.T
        motion = motion_from_essential(essential_from_pose(R, t), p, rays[:, :2] / rays[:, 2:])
        assert not motion.valid and not motion.in_front.any() and motion.R.isfinite().all()

    def test_nan(self):
        R, t, p, q = views(3)
        e = torch.stack([essential_from_pose(R, t)] * 2).requires_grad_()
        p = torch.stack([p, p])
        p[1, 0] = float("nan")
        motion = motion_from_essential(e, p, q)
        assert motion.valid.tolist() == [True, False] and motion.R[1].isnan().all() and not motion.in_front[1].any()
        (g,) = torch.autograd.grad(motion.R.sum() + motion.t.sum(), e)
        assert g.isfinite().all() and (g[1] == 0).all()
