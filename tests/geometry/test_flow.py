"""Warps by flow against OpenCV, and on a measured stereo pair."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from torch.autograd import gradcheck

from visionops.geometry.spatial import warp_by_flow

D = torch.float64
NAN = float("nan")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestWarpByFlow:
    @pytest.mark.parametrize(
        "border, flag",
        [("constant", cv2.BORDER_CONSTANT), ("replicate", cv2.BORDER_REPLICATE), ("reflect", cv2.BORDER_REFLECT_101)],
    )
    def test_is_opencvs(self, border, flag):
        image = np.random.default_rng(1).uniform(size=(16, 20, 3)).astype(np.float32)
        flow = (3 * normal(2, 16, 20)).float()
        x, y = np.meshgrid(np.arange(20, dtype=np.float32), np.arange(16, dtype=np.float32))
        expected = cv2.remap(image, x + flow[0].numpy(), y + flow[1].numpy(), cv2.INTER_LINEAR, borderMode=flag)
        out = warp_by_flow(torch.from_numpy(image).permute(2, 0, 1), flow, border=border)
        np.testing.assert_allclose(out.permute(1, 2, 0), expected, atol=1e-5)

    def test_a_shifted_photo_comes_back(self):
        """p1 = p0 + flow: what moved to the right by 3 has a flow of +3."""
        photo = torch.from_numpy(skimage.data.astronaut()[:60, :80]).permute(2, 0, 1)
        flow = torch.zeros(2, 60, 80)
        flow[0], flow[1] = 3, -2
        out, valid = warp_by_flow(photo.roll((-2, 3), (-2, -1)), flow, return_valid=True)
        assert torch.equal(out[:, 2:, :77], photo[:, 2:, :77])
        assert valid[0, 2:, :77].all() and not valid[0, :2].any() and not valid[0, :, 77:].any()

    def test_disparity_is_a_flow(self):
        left, right, disparity = skimage.data.stereo_motorcycle()
        left, right = (torch.from_numpy(photo).permute(2, 0, 1) for photo in (left, right))
        disparity = torch.from_numpy(disparity.astype(np.float32))[None]
        out, valid = warp_by_flow(right, torch.cat([-disparity, torch.zeros_like(disparity)]), return_valid=True)
        assert (out.int() - left.int()).abs()[:, valid[0]].float().median() <= 3
        assert not valid[disparity.isinf()].any()

    def test_nan_and_far_are_alone(self):
        image, flow = normal(1, 5, 6).requires_grad_(), 0.3 * normal(2, 5, 6)
        whole = warp_by_flow(image, flow)
        flow[0, 1, 2], flow[1, 2, 3], flow[0, 3, 3], flow[1, 4, 4] = NAN, float("inf"), 1e30, -1e300
        flow.requires_grad_()
        out, valid = warp_by_flow(image, flow, fill=9.0, return_valid=True)
        holes = torch.zeros(5, 6, dtype=torch.bool)
        holes[[1, 2, 3, 4], [2, 3, 3, 4]] = True
        assert (out[0, holes] == 9).all() and not valid[0, holes].any()
        assert torch.equal(out[0, valid[0]], whole[0, valid[0]])
        grads = torch.autograd.grad(out.square().sum(), (image, flow))
        assert all(g.isfinite().all() for g in grads) and (grads[1][:, holes] == 0).all()

    def test_size_is_the_flows(self):
        assert warp_by_flow(torch.ones(2, 3, 5, 6), torch.zeros(2, 4, 7)).shape == (2, 3, 4, 7)
        assert warp_by_flow(torch.ones(3, 5, 6), torch.zeros(4, 2, 4, 7)).shape == (4, 3, 4, 7)

    def test_gradients(self):
        image, flow = normal(2, 5, 6).requires_grad_(), normal(2, 4, 3, seed=1).requires_grad_()
        gradcheck(lambda i, f: warp_by_flow(i, f, border="replicate"), (image, flow), check_forward_ad=True)

    def test_errors(self):
        image = torch.ones(1, 3, 4)
        with pytest.raises(ValueError, match=r"warp_by_flow: flow must be of shape \(\*batch, 2, h, w\)"):
            warp_by_flow(image, torch.zeros(3, 4, 2))
        with pytest.raises(ValueError, match=r"warp_by_flow: flow must be a floating tensor .*, got torch.int64"):
            warp_by_flow(image, torch.zeros(2, 3, 4, dtype=torch.int64))
        with pytest.raises(ValueError, match=r"warp_by_flow: image2 must be floating or uint8, got torch.int32"):
            warp_by_flow(image.int(), torch.zeros(2, 3, 4))
