"""Plane sweeps against OpenCV's homographies, and on a measured stereo pair."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck

from visionops.geometry.spatial import plane_sweep, warp_by_depth

D = torch.float64
K = torch.tensor([[31.0, 0.4, 9.3], [0, 29.0, 7.6], [0, 0, 1]], dtype=D)
K2 = torch.tensor([[27.0, 0, 10.1], [0, 28.0, 6.9], [0, 0, 1]], dtype=D)
R = torch.from_numpy(Rotation.from_rotvec([0.03, -0.05, 0.08]).as_matrix())
T = torch.tensor([0.2, -0.1, 0.3], dtype=D)


class TestPlaneSweep:
    def test_is_opencvs_homographies(self):
        image = np.random.default_rng(1).uniform(size=(16, 20, 3)).astype(np.float32)
        depths = torch.tensor([1.0, 2.5, 7.0], dtype=D)
        stack = plane_sweep(torch.from_numpy(image).permute(2, 0, 1), depths, K, R, T, K2=K2, size=(14, 18))
        assert stack.shape == (3, 3, 14, 18)
        for z, found in zip(depths, stack, strict=True):
            # X2 = (R + t n^T / z) X1 on the plane n^T X1 = z.
            h = K2.numpy() @ (R.numpy() + np.outer(T, [0, 0, 1]) / z.item()) @ np.linalg.inv(K.numpy())
            expected = cv2.warpPerspective(image, h, (18, 14), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            # OpenCV's positions are float32.
            np.testing.assert_allclose(found.permute(1, 2, 0), expected, atol=2e-5)

    def test_the_right_plane_costs_least(self):
        """On the stereo pair the cheapest of 32 planes is within one step of the measured one, at most pixels."""
        left, right, disparity = skimage.data.stereo_motorcycle()
        left, right = (
            torch.nn.functional.avg_pool2d(torch.from_numpy(photo).permute(2, 0, 1).float(), 4)
            for photo in (left, right)
        )
        disparity = torch.from_numpy(disparity[2::4, 2::4].astype(np.float32))[:125, :185]
        planes = torch.linspace(8, 60, 32)  # disparities of the whole photo
        k1 = torch.tensor([[994.978 / 4, 0, 77.4], [0, 994.978 / 4, 63.3], [0, 0, 1]])
        k2 = k1 + torch.tensor([[0, 0, 31.086 / 4], [0, 0, 0], [0, 0, 0]])
        depths = 994.978 * 193.001 / (planes + 31.086)
        t = torch.tensor([-193.001, 0, 0])
        stack, valid = plane_sweep(right, depths, k1, torch.eye(3), t, K2=k2, return_valid=True)
        cost = torch.where(valid, (stack - left).abs().mean(-3, keepdim=True), 1e3)[:, 0]
        cost = torch.nn.functional.avg_pool2d(cost, 7, 1, 3)
        off = (planes[cost.argmin(0)] - disparity).abs()[disparity.isfinite()]
        assert off.median() < 2 and (off > 6).float().mean() < 0.35

    def test_a_plane_is_a_constant_depth(self):
        image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 5, 6)))
        depths = torch.tensor([[2.0, 3], [4, 0]], dtype=D, requires_grad=True)
        stack, valid = plane_sweep(image, depths, K, R, T, return_valid=True)
        assert stack.shape == (2, 2, 1, 5, 6) and valid.shape == stack.shape
        for b in range(2):
            for d in range(2):
                flat = depths[b, d].expand(1, 5, 6)
                assert torch.equal(stack[b, d], warp_by_depth(image[b], flat, K, R, T))
        assert not valid[1, 1].any()
        (grad,) = torch.autograd.grad(stack.sum(), depths)
        assert grad.isfinite().all() and grad[1, 1] == 0 and grad[0, 0] != 0

    def test_one_image_many_depths_and_poses(self):
        image = torch.ones(3, 5, 6, dtype=D)
        assert plane_sweep(image, torch.ones(4, 7, dtype=D), K, R, T).shape == (4, 7, 3, 5, 6)
        assert plane_sweep(image.expand(4, 3, 5, 6), torch.ones(7, dtype=D), K, R, T).shape == (4, 7, 3, 5, 6)

    def test_gradients(self):
        image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, 6)))
        given = [g.clone().requires_grad_() for g in (image, torch.tensor([2.3, 4.1], dtype=D), K, R, T)]

        def run(image, depths, k, r, t):
            return plane_sweep(image, depths, k, r, t, size=(3, 4), border="replicate")

        gradcheck(run, given, check_forward_ad=True, fast_mode=True)

    def test_errors(self):
        image = torch.ones(3, 5, 6)
        with pytest.raises(ValueError, match=r"plane_sweep: depths must be a floating tensor \(\*batch, d\)"):
            plane_sweep(image, torch.ones(0), K, R, T)
        with pytest.raises(ValueError, match=r"plane_sweep: depths must be of a batch that goes with \(2,\)"):
            plane_sweep(image.expand(2, 3, 5, 6), torch.ones(3, 4), K, R, T)
        with pytest.raises(ValueError, match=r"plane_sweep: size must be positive whole numbers"):
            plane_sweep(image, torch.ones(2), K, R, T, size=(0, 4))
