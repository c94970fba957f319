"""Cameras and homographies of real photos, against OpenCV's calibration, ECC and ground truth."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from visionops import filters, resample
from visionops.geometry import (
    BrownConradyCamera,
    essential_from_pose,
    find_essential,
    find_homography,
    from_homogeneous,
    implicit_argmin,
    motion_from_essential,
    normalize_pixels,
    refine_pnp,
    sampson_distance,
    skew,
    so3,
    solve_pnp,
    stereo_rectify,
    transform_points,
)

DATA = Path(__file__).parent / "data"
D = torch.float64


@pytest.fixture(scope="module")
def views():
    """Corners of a chessboard in the plane and in 13 photos, (54, 3) in mm and (13, 54, 2) in pixels."""
    grid = np.mgrid[:9, :6].T.reshape(-1, 2) * 25.0
    board = torch.from_numpy(np.concatenate([grid, np.zeros((54, 1))], 1))
    return board, torch.from_numpy(np.load(DATA / "chessboard.npy")).double()


@pytest.fixture(scope="module")
def calibrated(views):
    """OpenCV's calibration of them: the root mean square error, K, distortion, rotation vectors and translations."""
    board, corners = views
    found = cv2.calibrateCamera(
        [board.numpy().astype(np.float32)] * 13, [c.numpy().astype(np.float32) for c in corners], (640, 480), None, None
    )
    return found[0], *(torch.from_numpy(np.asarray(a, np.float64)).squeeze() for a in found[1:5])


def rms(camera, R, t, views) -> Tensor:
    board, corners = views
    return (camera.project(board @ R.mT + t[:, None]) - corners).square().sum(-1).mean().sqrt()


class TestChessboard:
    def test_poses(self, views, calibrated):
        """Thirteen poses at once, from nothing, are OpenCV's, with its camera."""
        error, K, distortion, vectors, shifts = calibrated
        board, corners = views
        camera = BrownConradyCamera(K, distortion)
        board = board.expand(13, 54, 3)
        start = solve_pnp(board, corners, camera)
        R, t = refine_pnp(board, corners, start.R, start.t, camera)[:2]
        np.testing.assert_allclose(t, shifts, atol=0.05)  # mm
        np.testing.assert_allclose(so3.log(R), vectors, atol=2e-4)
        assert rms(camera, R, t, views).item() <= 1.001 * error

    def test_calibration(self, views, calibrated):
        """Intrinsics, distortion and poses by least squares from a guess, as good as OpenCV's."""
        error, K, distortion = calibrated[:3]
        board, corners = views
        guess = torch.tensor([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]], dtype=D)
        start = solve_pnp(board.expand(13, 54, 3), corners, guess)
        scale = torch.tensor([100.0] * 4 + [0.1, 0.1, 0.01, 0.01, 0.1], dtype=D)  # of about what each changes by

        def read(x):
            fx, fy, cx, cy = (torch.tensor([600.0, 600, 319.5, 239.5], dtype=D) + (x * 1)[..., :4]).unbind(-1)
            zero, one = torch.zeros_like(fx), torch.ones_like(fx)
            K = torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], -1).unflatten(-1, (3, 3))
            return BrownConradyCamera(K, x[..., 4:9])

        def residual(x, corners):
            camera = read(x[..., :9] * scale)
            step = x[..., 9:].unflatten(-1, (13, 6))
            R, t = so3.exp(step[..., :3]) @ start.R, start.t + 100 * step[..., 3:]
            points = (board @ R.mT + t[..., None, :]).flatten(-3, -2)
            return (camera.project(points) - corners.flatten(-3, -2)).flatten(-2)

        pixels = corners.clone().requires_grad_()
        x, valid = implicit_argmin(residual, torch.zeros(9 + 78, dtype=D), pixels, iterations=60, return_valid=True)
        assert valid.item()
        assert (residual(x, corners).square().sum() / (13 * 54)).sqrt().item() <= 1.001 * error
        camera = read(x[:9] * scale)
        np.testing.assert_allclose(camera.matrix.detach(), K, rtol=1e-3, atol=0.5)
        np.testing.assert_allclose(camera.distortion.detach()[:4], distortion[:4], atol=0.02)

        # The derivative of the focal length by a corner is what moving it does.
        (slope,) = torch.autograd.grad(camera.matrix[0, 0], pixels)
        moved = corners.clone()
        moved[4, 7] += torch.tensor([0.05, -0.03], dtype=D)
        again = implicit_argmin(residual, x.detach(), moved, tolerance=1e-10)
        expected = (slope[4, 7] * (moved - corners)[4, 7]).sum().item()
        assert (again[0] * 100 - x[0].detach() * 100).item() == pytest.approx(expected, rel=0.05)


def graf(name):
    image = cv2.imread(str(DATA / name), cv2.IMREAD_GRAYSCALE)
    return torch.from_numpy(image)[None].float() / 255


HALF = torch.tensor([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]], dtype=D)
TRUE = HALF @ torch.tensor(
    [
        [7.6285898e-01, -2.9922929e-01, 2.2567123e02],
        [3.3443473e-01, 1.0143901e00, -7.6999973e01],
        [3.4663091e-04, -1.4364524e-05, 1.0000000e00],
    ],
    dtype=D,
) @ torch.linalg.inv(HALF)
CORNERS = torch.tensor([[0.0, 0], [399, 0], [399, 319], [0, 319]], dtype=D)


def corner_error(H):
    return (transform_points(H, CORNERS) - transform_points(TRUE, CORNERS)).square().sum(-1).sqrt().mean().item()


class TestGraf:
    def test_registration_is_as_good_as_ecc(self):
        """A homography refined on the pixels, from corners a few pixels off."""
        image1, image2 = graf("graf1.jpg"), graf("graf3.jpg")
        offsets = torch.tensor([[4.0, -3], [-3, 4], [3, 3], [-4, -2]], dtype=D)
        start = find_homography(CORNERS, transform_points(TRUE, CORNERS) + offsets)

        warp = (start / start[2, 2]).numpy().astype(np.float32)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-8)
        ecc = [
            cv2.findTransformECC(image1[0].numpy(), image2[0].numpy(), warp, cv2.MOTION_HOMOGRAPHY, criteria, None, size)[1]
            for size in (1, 3, 5)  # of its own blur
        ]

        ours = start
        for sigma in (3.0, 1.0, 0.5):
            ours = self.refined(ours, *(filters.gaussian_blur(i, sigma=sigma).double() for i in (image1, image2)))
        error = corner_error(ours)
        assert corner_error(start) > 4 and error < 1.1
        assert error <= min(corner_error(torch.from_numpy(theirs.astype(np.float64))) for theirs in ecc)

    @staticmethod
    def refined(start, image1, image2):
        """Returns the homography that minimises the difference of images of mean 0 and norm 1, as ECC does."""
        inside = resample.warp_perspective(torch.ones_like(image2), torch.linalg.inv(start), border="constant")[0] > 0.99
        inside[:8] = inside[-8:] = inside[:, :8] = inside[:, -8:] = False

        def normed(values):
            centred = values - values.mean(-1, keepdim=True)
            return centred / centred.square().sum(-1, keepdim=True).sqrt()

        target = normed(image1[0][inside][::17])
        scale = torch.tensor([0.01, 0.01, 1, 0.01, 0.01, 1, 1e-5, 1e-5], dtype=D)

        def at(x):
            step = torch.cat([x * scale, torch.zeros_like(x[..., :1])], -1).unflatten(-1, (3, 3))
            return start @ (torch.eye(3, dtype=D) + step)

        y, x = torch.nonzero(inside, as_tuple=True)
        places = torch.stack([x, y], -1)[::17].double()

        def residual(x):
            seen = resample.remap(image2, transform_points(at(x), places)[None], border="replicate")
            return normed(seen[0, 0]) - target

        return at(implicit_argmin(residual, torch.zeros(8, dtype=D), iterations=15, grad="none"))


class TestMotorcycle:
    """The pair of Middlebury 2014 (Scharstein and others), whose second camera is turned here by a known rotation."""

    FOCAL = 994.978

    def test_rectified_rows(self):
        """The motion is found from matches; points of the true depth then lie on the same rows, to half a pixel."""
        left, right, disparity = pytest.importorskip("skimage.data").stereo_motorcycle()
        K = torch.tensor([[self.FOCAL, 0, 311.193], [0, self.FOCAL, 254.877], [0, 0, 1]], dtype=D)
        K_right = K + torch.tensor([[0, 0, 31.086], [0, 0, 0], [0, 0, 0]], dtype=D)
        R_true = so3.exp(torch.deg2rad(torch.tensor([2.0, -3.0, 4.0], dtype=D)))
        turned = (K @ R_true @ torch.linalg.inv(K_right)).numpy()
        photo1, photo2 = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (left, right))
        photo2 = cv2.warpPerspective(photo2, turned, photo2.shape[::-1])

        x1, x2 = (normalize_pixels(p, K) for p in self.matches(photo1, photo2))
        R, t = self.motion(x1, x2)
        flat = stereo_rectify(K, K, R, t, photo1.shape)

        known = np.isfinite(disparity)
        y, x = (torch.from_numpy(v[::97]).double() for v in np.nonzero(known))
        z = self.FOCAL / (torch.from_numpy(disparity[known][::97]).double() + 31.086)
        points = torch.stack([(x - K[0, 2]) * z / self.FOCAL, (y - K[1, 2]) * z / self.FOCAL, z], -1)
        moved = points @ R_true.mT + R_true @ torch.tensor([-1.0, 0, 0], dtype=D)
        seen = [
            from_homogeneous(p @ (P[:, :3] @ turn).mT)
            for p, P, turn in ((points, flat.P1, flat.R1), (moved, flat.P2, flat.R2))
        ]
        rows = (seen[0] - seen[1])[:, 1].abs()
        assert rows.max() < 0.5 and (seen[0] - seen[1])[:, 0].median() > 20

    @staticmethod
    def matches(photo1, photo2):
        sift = cv2.SIFT_create(1500)
        (keys1, words1), (keys2, words2) = (sift.detectAndCompute(p, None) for p in (photo1, photo2))
        pairs = cv2.BFMatcher().knnMatch(words1, words2, k=2)
        kept = [best for best, next_one in pairs if best.distance < 0.75 * next_one.distance]
        index = ([m.queryIdx for m in kept], [m.trainIdx for m in kept])
        points = (np.array([keys[i].pt for i in which]) for keys, which in zip((keys1, keys2), index, strict=True))
        return [torch.from_numpy(p) for p in points]

    def motion(self, x1, x2):
        """Returns R and t by a vote of five-point solutions, then by least squares of what agrees with the best."""
        draws = torch.stack([torch.randperm(len(x1), generator=torch.Generator().manual_seed(i))[:5] for i in range(300)])
        roots = find_essential(x1[draws], x2[draws])
        candidates = roots.matrices[roots.valid]
        agree = sampson_distance(candidates, x1, x2) < (1 / self.FOCAL) ** 2
        best = agree.sum(-1).argmax()
        x1, x2 = x1[agree[best]], x2[agree[best]]
        start = motion_from_essential(candidates[best], x1, x2)

        def at(step):
            t = start.t + skew(start.t)[..., :2] @ step[..., 3:]
            return so3.exp(step[..., :3]) @ start.R, t / t.square().sum(-1, keepdim=True).sqrt()

        def residual(step):
            squared = sampson_distance(essential_from_pose(*at(step)), x1, x2) * self.FOCAL**2
            return (1 + squared).log().clamp(min=1e-30).sqrt()

        return at(implicit_argmin(residual, torch.zeros(5, dtype=D), grad="none"))
