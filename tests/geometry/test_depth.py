"""Depth maps as points and normals, warps by depth and pose, and disparity, against OpenCV and a measured stereo pair."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck

from visionops.geometry.spatial import (
    depth_to_disparity,
    depth_to_flow,
    depth_to_normals,
    depth_to_points,
    disparity_to_depth,
    warp_by_depth,
)

D = torch.float64
NAN = float("nan")
K = torch.tensor([[31.0, 0, 9.3], [0, 29.0, 7.6], [0, 0, 1]], dtype=D)
K2 = torch.tensor([[27.0, 0, 10.1], [0, 28.0, 6.9], [0, 0, 1]], dtype=D)
R = torch.from_numpy(Rotation.from_rotvec([0.03, -0.05, 0.08]).as_matrix())
T = torch.tensor([0.2, -0.1, 0.3], dtype=D)
SIZE = (14, 18)


def depth_map(*batch, size=SIZE):
    return torch.from_numpy(np.random.default_rng(0).uniform(2, 5, (*batch, 1, *size)))


def pixels(size=SIZE):
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    return np.stack([x, y], -1).astype(np.float64)


def opencvs_places(depth, k=K, k2=K2):
    """Where the second camera sees each pixel: (h, w, 2)."""
    rays = cv2.undistortPoints(pixels().reshape(-1, 1, 2), k.numpy(), None)[:, 0]
    points = np.concatenate([rays, np.ones((len(rays), 1))], 1) * depth.reshape(-1, 1).numpy()
    seen, _ = cv2.projectPoints(points, cv2.Rodrigues(R.numpy())[0], T.numpy(), k2.numpy(), None)
    return seen.reshape(*SIZE, 2)


@pytest.fixture(scope="module")
def motorcycle():
    """Left and right photo (3, h, w), disparity (1, h, w), intrinsics of both and the baseline in mm."""
    left, right, disparity = skimage.data.stereo_motorcycle()
    k1 = torch.tensor([[994.978, 0, 311.193], [0, 994.978, 254.877], [0, 0, 1]])
    k2 = k1 + torch.tensor([[0, 0, 31.086], [0, 0, 0], [0, 0, 0]])
    left, right = (torch.from_numpy(photo).permute(2, 0, 1) for photo in (left, right))
    return left, right, torch.from_numpy(disparity.astype(np.float32))[None], k1, k2, 193.001


class TestDepthToPoints:
    def test_is_opencvs(self):
        depth = depth_map()
        expected = cv2.depthTo3d(depth[0].numpy(), K.numpy())[..., :3]
        np.testing.assert_allclose(depth_to_points(depth, K).movedim(0, -1), expected, atol=1e-12)

    def test_points_project_to_their_pixels(self):
        skewed = K + torch.tensor([[0, 0.4, 0], [0, 0, 0], [0, 0, 0]], dtype=D)
        points = depth_to_points(depth_map(2), skewed).movedim(1, -1)
        seen = points @ skewed.mT
        np.testing.assert_allclose(seen[..., :2] / seen[..., 2:], np.stack([pixels()] * 2), atol=1e-12)

    def test_intrinsics_of_a_warped_camera(self):
        """M K for a homography M: its last row is not (0, 0, 1), and depth is z all the same."""
        bent = torch.tensor([[1.1, 0.1, 2], [-0.2, 0.9, 1], [0.01, -0.004, 1.2]], dtype=D) @ K
        points = depth_to_points(depth_map(), -3 * bent)
        seen = points.movedim(0, -1) @ bent.mT
        np.testing.assert_allclose(seen[..., :2] / seen[..., 2:], pixels(), atol=1e-11)
        assert torch.equal(points[2:], depth_map())

    def test_pixels_without_depth_are_alone(self):
        depth = depth_map().requires_grad_()
        holes = depth.detach().clone()
        holes[0, 2, 3], holes[0, 4, 5], holes[0, 6, 7], holes[0, 8, 9] = NAN, float("inf"), 0, -1
        given = holes.clone().requires_grad_()
        k = K.clone().requires_grad_()
        points, valid = depth_to_points(given, k, return_valid=True)
        assert (~valid[0]).nonzero().tolist() == [[2, 3], [4, 5], [6, 7], [8, 9]]
        assert points.isnan().any(0).nonzero().tolist() == [[2, 3], [4, 5]]
        assert torch.equal(points[:, valid[0]], depth_to_points(depth, K)[:, valid[0]])
        grads = torch.autograd.grad(points.nansum(), (given, k))
        assert all(g.isfinite().all() for g in grads) and grads[0][0, 2, 3] == 0 and grads[0][0, 8, 9] != 0

    def test_singular_intrinsics_are_not_valid(self):
        k = torch.zeros(3, 3, dtype=D, requires_grad=True)
        points, valid = depth_to_points(depth_map(), k, return_valid=True)
        assert points.isfinite().all() and not valid.any()
        assert torch.autograd.grad(points.sum(), k)[0].isfinite().all()

    def test_gradients(self):
        depth, k = depth_map(size=(3, 4)).requires_grad_(), K.clone().requires_grad_()
        gradcheck(depth_to_points, (depth, k), check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"depth_to_points: depth must be of shape \(\*batch, 1, h, w\)"):
            depth_to_points(torch.ones(3, 4), K)
        with pytest.raises(ValueError, match=r"depth_to_points: depth must be floating, got torch.int16"):
            depth_to_points(torch.ones(1, 3, 4, dtype=torch.int16), K)
        with pytest.raises(ValueError, match=r"depth_to_points: K must be of shape \(\*batch, 3, 3\)"):
            depth_to_points(torch.ones(1, 3, 4), torch.eye(4))


def wall(normal, distance):
    """The depth of the plane normal . X = distance."""
    rays = depth_to_points(torch.ones(1, *SIZE, dtype=D), K)
    return distance / (normal[:, None, None] * rays).sum(0, keepdim=True)


class TestDepthToNormals:
    @pytest.mark.parametrize("normal", [(0, 0, -1), (0.3, -0.2, -0.8), (-0.6, 0.1, -0.5)])
    def test_of_planes_is_exact(self, normal):
        normal = torch.tensor(normal, dtype=D)
        normal = normal / normal.norm()
        found, valid = depth_to_normals(wall(normal, -4.0), K, return_valid=True)
        assert valid.all()
        np.testing.assert_allclose(found, normal[:, None, None].expand(3, *SIZE), atol=1e-11)

    def test_of_a_sphere(self):
        rays = depth_to_points(torch.ones(1, *SIZE, dtype=D), K)
        centre = torch.tensor([0.1, -0.05, 9.0], dtype=D)[:, None, None]
        a, b = rays.square().sum(0), (rays * centre).sum(0)
        points = rays * (b - (b**2 - a * (centre.square().sum(0) - 49)).sqrt()) / a
        expected = (points - centre) / 7
        found = depth_to_normals(points[2:], K)
        # Central differences of the middle; the edges, one-sided, err in proportion to a pixel.
        np.testing.assert_allclose(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=3e-3)
        np.testing.assert_allclose(found, expected, atol=3e-2)

    def test_a_flipped_camera_still_sees_the_front(self):
        normal = torch.tensor([0.3, -0.2, -0.8], dtype=D)
        depth = wall(normal / normal.norm(), -4.0)
        flip = torch.tensor([[-1.0, 0, SIZE[1] - 1], [0, 1, 0], [0, 0, 1]], dtype=D)
        torch.testing.assert_close(depth_to_normals(depth.flip(-1), flip @ K), depth_to_normals(depth, K).flip(-1))

    def test_holes_reach_four_neighbours(self):
        depth = depth_map()
        depth[0, 5, 6] = NAN
        depth[0, 9, 3] = 0
        depth = depth.requires_grad_()
        normals, valid = depth_to_normals(depth, K, return_valid=True)
        hole = [[4, 6], [5, 5], [5, 6], [5, 7], [6, 6]]
        assert normals.isnan().any(0).nonzero().tolist() == hole
        assert (~valid[0]).nonzero().tolist() == [*hole, [8, 3], [9, 2], [9, 3], [9, 4], [10, 3]]
        (grad,) = torch.autograd.grad(normals.nansum(), depth)
        assert grad.isfinite().all() and grad[0, 5, 6] == 0

    @pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
    def test_without_a_surface(self, size):
        depth = depth_map(size=size).requires_grad_()
        normals, valid = depth_to_normals(depth, K, return_valid=True)
        assert not valid.any() and (normals == 0).all()
        assert (torch.autograd.grad(normals.sum(), depth)[0] == 0).all()

    def test_gradients(self):
        for depth in (depth_map(size=(3, 4)), torch.full((1, 3, 4), 2.0, dtype=D)):
            gradcheck(depth_to_normals, (depth.requires_grad_(), K.clone().requires_grad_()), check_forward_ad=True)

    def test_float32(self):
        depth = wall(torch.tensor([0.3, -0.2, -0.8], dtype=D), -4.0)
        exact = depth_to_normals(depth, K)
        # Differences of neighbours lose the 3 bits by which a pixel is less than the depth.
        np.testing.assert_allclose(depth_to_normals(depth.float(), K.float()), exact, atol=1e-4)


class TestDepthToFlow:
    def test_is_opencvs(self):
        depth = depth_map()
        flow, valid = depth_to_flow(depth, K, R, T, K2=K2, return_valid=True)
        np.testing.assert_allclose(flow.movedim(0, -1), opencvs_places(depth) - pixels(), atol=1e-11)
        assert valid.all()

    def test_of_a_measured_pair(self, motorcycle):
        _, _, disparity, k1, k2, baseline = motorcycle
        depth = disparity_to_depth(disparity, focal=994.978, baseline=baseline, offset=31.086)
        flow, valid = depth_to_flow(depth, k1, torch.eye(3), torch.tensor([-baseline, 0, 0]), K2=k2, return_valid=True)
        assert torch.equal(valid, disparity.isfinite())
        np.testing.assert_allclose(flow[:1][valid], -disparity[valid], atol=1e-3)
        np.testing.assert_allclose(flow[1:][valid], 0, atol=1e-3)
        assert flow.isnan().any(0, keepdim=True).equal(~valid)

    @pytest.mark.parametrize("forward, seen", [(-0.5, [True, False, False, False]), (5.0, [True, False, False, True])])
    def test_behind_either_camera(self, forward, seen):
        """With camera 2 far behind, what lies behind camera 1 would be seen by it; there is nothing."""
        depth = torch.tensor([[[3.0, 0, -2, 0.5]]], dtype=D, requires_grad=True)
        move = torch.tensor([0.1, 0, forward], dtype=D)
        flow, valid = depth_to_flow(depth, K, torch.eye(3, dtype=D), move, return_valid=True)
        assert valid.tolist() == [[seen]] and (flow[:, ~valid[0]] == 0).all()
        (grad,) = torch.autograd.grad(flow.sum(), depth)
        assert (grad != 0).equal(valid)

    def test_behind_a_warped_camera(self):
        """A camera whose image was warped has a horizon: w > 0 alone does not say what lies in front of it."""
        bent = K.clone()
        bent[2] = torch.tensor([0.9, 0, -0.3], dtype=D)
        move = torch.tensor([9.0, 0, -5.0], dtype=D)
        assert not depth_to_flow(depth_map(), K, torch.eye(3, dtype=D), move, K2=bent, return_valid=True)[1].any()

    @pytest.mark.parametrize("which", range(5))
    def test_nan_is_alone(self, which):
        given = [depth_map(3), *(g.expand(3, *g.shape).clone() for g in (K, R, T, K2))]
        whole = depth_to_flow(*given[:4], K2=given[4])
        given[which][1] = NAN
        given = [g.requires_grad_() for g in given]
        flow, valid = depth_to_flow(*given[:4], K2=given[4], return_valid=True)
        assert flow[1].isnan().all() and not valid[1].any() and torch.equal(flow[::2], whole[::2])
        assert all(g.isfinite().all() and (g[1] == 0).all() for g in torch.autograd.grad(flow.nansum(), given))

    def test_gradients(self):
        given = [depth_map(size=(2, 3)), K, R, T, K2]
        given = [g.clone().requires_grad_() for g in given]
        gradcheck(lambda z, k1, r, t, k2: depth_to_flow(z, k1, r, t, K2=k2), given, check_forward_ad=True)


class TestWarpByDepth:
    @pytest.mark.parametrize("interpolation, flag", [("bilinear", cv2.INTER_LINEAR), ("nearest", cv2.INTER_NEAREST)])
    def test_is_opencvs(self, interpolation, flag):
        depth = depth_map()
        image = np.random.default_rng(1).uniform(size=(16, 20, 3)).astype(np.float32)
        places = opencvs_places(depth).astype(np.float32)
        expected = cv2.remap(image, places, None, flag, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.3,) * 3)
        out, valid = warp_by_depth(
            torch.from_numpy(image).permute(2, 0, 1),
            depth,
            K,
            R,
            T,
            K2=K2,
            interpolation=interpolation,
            fill=0.3,
            return_valid=True,
        )
        # Positions differ by the rounding of OpenCV's float32 map.
        np.testing.assert_allclose(out.permute(1, 2, 0), expected, atol=1e-5)
        inside = ((places >= 0) & (places <= [19, 15])).all(-1)
        assert valid[0].equal(torch.from_numpy(inside)) and 0 < inside.mean() < 1

    def test_right_photo_becomes_the_left(self, motorcycle):
        left, right, disparity, k1, k2, baseline = motorcycle
        depth = disparity_to_depth(disparity, focal=994.978, baseline=baseline, offset=31.086)
        t = torch.tensor([-baseline, 0, 0])
        out, valid = warp_by_depth(right, depth, k1, torch.eye(3), t, K2=k2, return_valid=True)
        off = (out.int() - left.int()).abs()
        assert out.dtype == torch.uint8 and valid.float().mean() > 0.85
        # What is hidden in the right photo is in there: a median is not moved by it.
        assert off[:, valid[0]].float().median() <= 3
        assert (right.int() - left.int()).abs().float().median() > 10
        assert (out[:, disparity[0].isinf()] == 0).all()
        behind = warp_by_depth(right, -depth, k1, torch.eye(3), t, K2=k2, fill=7, return_valid=True)
        assert (behind[0] == 7).all() and not behind[1].any()

    def test_no_motion_is_the_image(self):
        image = depth_map(2)
        out, valid = warp_by_depth(
            image, torch.full((1, *SIZE), 2.0), torch.eye(3), torch.eye(3), torch.zeros(3), return_valid=True
        )
        assert torch.equal(out, image) and valid.all() and valid.shape == (2, 1, *SIZE)

    def test_missing_depths_are_alone(self):
        image = depth_map().requires_grad_()
        depth = depth_map()
        whole = warp_by_depth(image, depth, K, R, T)
        depth[0, 3, 4], depth[0, 5, 6], depth[0, 7, 8], depth[0, 9, 9] = NAN, float("inf"), 0, -2
        depth.requires_grad_()
        rest = [g.clone().requires_grad_() for g in (K, R, T)]
        out, valid = warp_by_depth(image, depth, *rest, fill=0.5, return_valid=True)
        holes = torch.zeros(SIZE, dtype=torch.bool)
        holes[[3, 5, 7, 9], [4, 6, 8, 9]] = True
        assert (out[0, holes] == 0.5).all() and not valid[0, holes].any()
        assert torch.equal(out[0, ~holes & valid[0]], whole[0, ~holes & valid[0]])
        grads = torch.autograd.grad(out.square().sum(), (depth, image, *rest))
        assert all(g.isfinite().all() for g in grads) and (grads[0][0, holes] == 0).all()

    def test_batches_broadcast(self):
        image, depth = depth_map(), depth_map(2, 3)
        t = torch.stack([T, 2 * T])[:, None]
        out, valid = warp_by_depth(image, depth, K, R, t, return_valid=True)
        assert out.shape == (2, 3, 1, *SIZE) and valid.shape == out.shape
        torch.testing.assert_close(out[1, 2], warp_by_depth(image, depth[1, 2], K, R, 2 * T))
        many = warp_by_depth(image.expand(2, 3, 1, *SIZE), depth[0, 0], K, R, T)
        torch.testing.assert_close(many[1, 1], warp_by_depth(image, depth[0, 0], K, R, T))

    def test_gradients(self):
        given = [depth_map(size=(5, 6)), depth_map(size=(2, 3)) + 0.3, K, R, T, K2]
        given = [g.clone().requires_grad_() for g in given]

        def run(image, z, k1, r, t, k2):
            return warp_by_depth(image, z, k1, r, t, K2=k2, border="replicate")

        gradcheck(run, given, check_forward_ad=True, fast_mode=True)

    def test_errors(self):
        z = torch.ones(1, 3, 4)
        with pytest.raises(ValueError, match=r"warp_by_depth: image2 must be of shape \(\*batch, c, h, w\)"):
            warp_by_depth(torch.ones(3, 4), z, K, R, T)
        with pytest.raises(ValueError, match=r"warp_by_depth: depth1 must be of a batch that goes with \(3,\)"):
            warp_by_depth(torch.ones(3, 1, 3, 4), torch.ones(2, 1, 3, 4), K, R, T)
        with pytest.raises(ValueError, match=r"warp_by_depth: R must be of shape \(\*batch, 3, 3\)"):
            warp_by_depth(z, z, K, torch.eye(4), T)
        with pytest.raises(ValueError, match=r"warp_by_depth: K2 must be of shape \(\*batch, 3, 3\)"):
            warp_by_depth(z, z, K, R, T, K2=torch.eye(2))
        with pytest.raises(ValueError, match="warp_by_depth: interpolation must be one of those known, got 'linear'"):
            warp_by_depth(z, z, K, R, T, interpolation="linear")


class TestDisparity:
    def test_is_opencvs(self, motorcycle):
        _, _, disparity, k1, _, baseline = motorcycle
        q = np.array(
            [[1, 0, 0, -311.193], [0, 1, 0, -254.877], [0, 0, 0, 994.978], [0, 0, 1 / baseline, 31.086 / baseline]]
        )
        known = disparity.isfinite()
        expected = cv2.reprojectImageTo3D(torch.where(known, disparity, 1)[0].numpy(), q)
        depth, valid = disparity_to_depth(disparity, focal=994.978, baseline=baseline, offset=31.086, return_valid=True)
        assert torch.equal(valid, known) and depth[~known].isnan().all()
        np.testing.assert_allclose(depth[known], expected[..., 2][known[0].numpy()], rtol=1e-5)
        points = depth_to_points(depth, k1)
        np.testing.assert_allclose(points[:, known[0]].T, expected[known[0].numpy()], rtol=1e-4, atol=1e-2)

    def test_round_trip(self):
        values = depth_map(2)
        options = {"focal": torch.tensor([700.0, 800.0], dtype=D), "baseline": 0.2, "offset": 1.5}
        torch.testing.assert_close(disparity_to_depth(depth_to_disparity(values, **options), **options), values)

    @pytest.mark.parametrize("function", [disparity_to_depth, depth_to_disparity])
    def test_nothing_in_front(self, function):
        values = torch.tensor([[[0.0, -1, -0.0, 1e-300, NAN, float("inf"), 2]]], dtype=D, requires_grad=True)
        focal = torch.tensor(3.0, dtype=D, requires_grad=True)
        out, valid = function(values, focal=focal, baseline=2.0, return_valid=True)
        assert valid[0, 0].tolist() == [False] * 6 + [True]
        assert out[0, 0, :4].tolist() == [0] * 4 and out[0, 0, 4:6].isnan().all() and out[0, 0, 6] == 3
        grads = torch.autograd.grad(out.nansum(), (values, focal))
        assert grads[0].tolist() == [[[0] * 6 + [-1.5]]] and grads[1] == 1

    @pytest.mark.parametrize("function", [disparity_to_depth, depth_to_disparity])
    def test_gradients(self, function):
        given = [depth_map(2, size=(2, 3))] + [torch.tensor(v, dtype=D) for v in ([20.0, 30], [0.4, 0.3], [0.1, -0.2])]
        given = [g.requires_grad_() for g in given]
        gradcheck(lambda z, f, b, o: function(z, focal=f, baseline=b, offset=o), given, check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"disparity_to_depth: disparity must be of shape \(\*batch, 1, h, w\)"):
            disparity_to_depth(torch.ones(3, 4), focal=1.0, baseline=1.0)
        with pytest.raises(ValueError, match=r"depth_to_disparity: focal must be a number or of shape \(2,\)"):
            depth_to_disparity(torch.ones(2, 1, 3, 4), focal=torch.ones(3), baseline=1.0)
