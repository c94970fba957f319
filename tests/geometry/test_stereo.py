"""Rectification against OpenCV's, and by the rows of projected points."""

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from visionops.geometry.cameras import (
    BrownConradyCamera,
    KannalaBrandtCamera,
    PinholeCamera,
    project_points,
    stereo_rectify,
    undistort_points,
)

D = torch.float64
K1 = torch.tensor([[500.0, 0, 310], [0, 510, 245], [0, 0, 1]], dtype=D)
K2 = torch.tensor([[480.0, 0, 330], [0, 495, 235], [0, 0, 1]], dtype=D)
LENS1 = torch.tensor([-0.1, 0.03, 0.001, -0.001, 0], dtype=D)
LENS2 = torch.tensor([-0.12, 0.02, -0.001, 0.0005, 0], dtype=D)
TURN = torch.from_numpy(cv2.Rodrigues(np.array([0.05, -0.1, 0.03]))[0])
SIZE = (480, 640)
SHIFTS = [[-0.5, 0.03, 0.02], [0.03, -0.5, 0.05], [0.4, 0.1, -0.1], [0.1, 0.4, 0.1]]


def close(actual, expected, atol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def rectified(t, **options):
    cameras = BrownConradyCamera(K1, LENS1), BrownConradyCamera(K2, LENS2)
    return stereo_rectify(*cameras, TURN, torch.tensor(t, dtype=D), SIZE, **options)


class TestStereoRectify:
    @pytest.mark.parametrize("t", SHIFTS)
    @pytest.mark.parametrize("alpha", [-1, 0, 0.5, 1])
    @pytest.mark.parametrize("zero", [True, False])
    @pytest.mark.parametrize("new", [SIZE, (500, 800)])
    def test_is_opencvs(self, t, alpha, zero, new):
        flags = cv2.CALIB_ZERO_DISPARITY if zero else 0
        none = np.zeros(5)
        expected = cv2.stereoRectify(
            K1.numpy(), none, K2.numpy(), none, SIZE[::-1], TURN.numpy(), np.array(t)[:, None],
            flags=flags, alpha=alpha, newImageSize=new[::-1],
        )  # fmt: skip
        options = {"alpha": None if alpha < 0 else alpha, "zero_disparity": zero, "new_size": new}
        found = stereo_rectify(K1, K2, TURN, torch.tensor(t, dtype=D), SIZE, **options)
        assert found.valid
        for one, other in zip(found[:2], expected[:2], strict=True):
            close(one, other, atol=1e-12)
        for one, other in zip(found[2:5], expected[2:5], strict=True):
            close(one, other, atol=2e-4)  # OpenCV's corners are float32

    @pytest.mark.parametrize("alpha", [-1, 0, 1])
    def test_with_distortion_is_nearly_opencvs(self, alpha):
        t = SHIFTS[0]
        k1, k2, size = K1.numpy(), K2.numpy(), SIZE[::-1]
        expected = cv2.stereoRectify(
            k1, LENS1.numpy(), k2, LENS2.numpy(), size, TURN.numpy(), np.array(t)[:, None], alpha=alpha, flags=0
        )
        found = rectified(t, alpha=None if alpha < 0 else alpha, zero_disparity=False)
        for one, other in zip(found[2:5], expected[2:5], strict=True):
            close(one, other, atol=1e-2)  # OpenCV undistorts by 5 iterations

    @pytest.mark.parametrize("t", SHIFTS)
    def test_epipolar_lines_are_rows_and_disparity_is_depth(self, t):
        points = torch.from_numpy(np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 6), (50, 3)))
        shift = torch.tensor(t, dtype=D)
        one, two = BrownConradyCamera(K1, LENS1), KannalaBrandtCamera(K2, torch.tensor([0.02, 0.01, 0, 0], dtype=D))
        found = stereo_rectify(one, two, TURN, shift, SIZE, alpha=0, zero_disparity=False)
        pixels1 = undistort_points(one.project(points), one, matrix=found.P1[:, :3], R=found.R1)
        pixels2 = undistort_points(project_points(points, two, TURN, shift), two, matrix=found.P2[:, :3], R=found.R2)
        axis = int(abs(t[1]) > abs(t[0]))
        close(pixels1[:, 1 - axis], pixels2[:, 1 - axis], atol=1e-9)
        disparity = (pixels1 - pixels2)[:, axis, None]
        homogeneous = torch.cat([pixels1, disparity, torch.ones_like(disparity)], -1) @ found.Q.mT
        close(homogeneous[:, :3] / homogeneous[:, 3:], points @ found.R1.mT, atol=1e-10)
        seen2 = torch.cat([points @ found.R1.mT, torch.ones_like(disparity)], -1) @ found.P2.mT
        close(seen2[:, :2] / seen2[:, 2:], pixels2, atol=1e-9)

    @pytest.mark.parametrize("alpha", [0.0, 1.0])
    def test_alpha_fills_or_keeps_all(self, alpha):
        found = rectified(SHIFTS[0], alpha=alpha)
        ys, xs = torch.meshgrid(torch.arange(0, 480.0, 479 / 40), torch.arange(0, 640.0, 639 / 40), indexing="ij")
        source = torch.stack([xs, ys], -1).to(D)
        edge = torch.cat([source[0], source[-1], source[:, 0], source[:, -1]])
        inside = []
        for camera, turn, matrix in (
            (BrownConradyCamera(K1, LENS1), found.R1, found.P1),
            (BrownConradyCamera(K2, LENS2), found.R2, found.P2),
        ):
            x, y = undistort_points(edge, camera, matrix=matrix[:, :3], R=turn).unbind(-1)
            inside.append((x > 0.01) & (x < 638.99) & (y > 0.01) & (y < 478.99))
            assert alpha == 0 or ((x > -0.5) & (x < 639.5) & (y > -0.5) & (y < 479.5)).all()
        assert alpha == 1 or not torch.cat(inside).any()

    def test_gradients(self):
        t = torch.tensor(SHIFTS[0], dtype=D)

        def call(k1, lens1, rotation, t):
            found = stereo_rectify(BrownConradyCamera(k1, lens1), PinholeCamera(K2), rotation, t, SIZE, alpha=0.4)
            return found[:5]

        gradcheck(call, [v.clone().requires_grad_() for v in (K1, LENS1, TURN, t)], atol=1e-4)
        # Parallel cameras, side by side: both rotations are the identity.
        eye = torch.eye(3, dtype=D)
        aside = torch.tensor([-0.5, 0, 0], dtype=D)
        gradcheck(
            lambda *v: stereo_rectify(PinholeCamera(K2), PinholeCamera(K2), *v, SIZE)[:5],
            (eye.requires_grad_(), aside.requires_grad_()),
            atol=1e-4,
        )

    def test_degenerate(self):
        half = torch.diag(torch.tensor([1.0, -1, -1], dtype=D))
        turns = torch.stack([TURN, TURN, half, TURN * float("nan"), torch.eye(3, dtype=D)]).requires_grad_()
        t = torch.tensor([SHIFTS[0], [0, 0, 0], SHIFTS[0], SHIFTS[0], [0, 0, 1]], dtype=D).requires_grad_()
        found = stereo_rectify(K1, K2, turns, t, SIZE, alpha=0.5)
        assert found.valid.tolist() == [True, False, False, False, True]
        for value in found[:5]:
            assert value[3].isnan().all() and value[[0, 1, 2, 4]].isfinite().all()
        total = sum(v[[0, 1, 2, 4]].sum() for v in found[:5])
        grads = torch.autograd.grad(total, (turns, t))
        assert all(g.isfinite().all() and (g[3] == 0).all() for g in grads)

    def test_batches_broadcast(self):
        alone = rectified(SHIFTS[0])
        many = stereo_rectify(
            BrownConradyCamera(K1.expand(4, 1, 3, 3), LENS1), BrownConradyCamera(K2, LENS2), TURN,
            torch.tensor(SHIFTS[:1] * 2, dtype=D), SIZE,
        )  # fmt: skip
        assert many.valid.shape == (4, 2)
        for one, other in zip(alone, many, strict=True):
            torch.testing.assert_close(other, one.expand(4, 2, *one.shape))

    def test_errors(self):
        with pytest.raises(ValueError, match=r"stereo_rectify: R must be of shape \(\*batch, 3, 3\)"):
            stereo_rectify(K1, K2, TURN[0], torch.ones(3), SIZE)
        with pytest.raises(ValueError, match=r"stereo_rectify: size must be positive whole numbers"):
            stereo_rectify(K1, K2, TURN, torch.ones(3, dtype=D), (0, 4))
        with pytest.raises(ValueError, match=r"stereo_rectify: camera must be a Camera"):
            stereo_rectify(K1.numpy(), K2, TURN, torch.ones(3, dtype=D), SIZE)
