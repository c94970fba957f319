"""Undistortion of points and images against OpenCV, its round trips, and its gradients by the implicit function."""

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry.cameras import (
    BrownConradyCamera,
    DivisionCamera,
    EquirectangularCamera,
    KannalaBrandtCamera,
    OrthographicCamera,
    PinholeCamera,
    brown_conrady,
    denormalize_pixels,
    distort_points,
    kannala_brandt,
    newton,
    normalize_pixels,
    project_points,
    undistort_image,
    undistort_map,
    undistort_points,
)

D = torch.float64
K = torch.tensor([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]], dtype=D)
NEW = torch.tensor([[400.0, 0, 300], [0, 420, 250], [0, 0, 1]], dtype=D)
TURN = torch.from_numpy(cv2.Rodrigues(np.array([0.05, -0.1, 0.03]))[0])
LENS = [-0.28, 0.08, 0.001, -0.002, 0.01, 0.05, 0.02, 0.003, 0.002, -0.001, 0.0015, 0.001, 0.03, -0.05]
# A wide-angle lens, calibrated: 8 coefficients, to 60 degrees off the axis.
WIDE = [8.2, 3.1, 1e-4, -2e-4, 0.12, 8.6, 6.4, 0.9]


def close(actual, expected, atol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def lens(k, matrix=K):
    return BrownConradyCamera(matrix, torch.tensor(k, dtype=D))


def grid(step=40):
    y, x = torch.meshgrid(torch.arange(0, 480, step), torch.arange(0, 640, step), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).to(D)


class TestUndistort:
    @pytest.mark.parametrize("n", [4, 5, 8, 12, 14])
    def test_round_trip(self, n):
        camera = lens(LENS[:n])
        pixels = grid(8)
        rays, valid = camera.unproject(pixels, return_valid=True)
        assert valid.all()
        close(camera.project(rays), pixels, atol=1e-12 * 640)
        normalised = normalize_pixels(pixels, K)
        close(camera.distort(camera.undistort(normalised)), normalised, atol=1e-12)

    @pytest.mark.parametrize("n", [4, 5, 8, 12, 14])
    def test_is_opencvs(self, n):
        criteria = (3, 100, 1e-13)
        expected = cv2.undistortPoints(
            grid().numpy()[:, None], K.numpy(), np.array(LENS[:n]), None, TURN.numpy(), NEW.numpy(), criteria
        )
        found = undistort_points(grid(), lens(LENS[:n]), matrix=NEW, R=TURN)
        close(found, expected[:, 0], atol=1e-8)
        back = distort_points(found, lens(LENS[:n]), matrix=NEW, R=TURN)
        close(back, grid(), atol=1e-10)

    @pytest.mark.parametrize(
        "camera",
        [
            lens([-0.35, 0.15, 0, 0, -0.03]),
            lens([0.5, 0.4, 0, 0, 0.1]),
            lens([1.0, -0.5, 0.001, 0.001]),
            lens([-1.2, 1.5, 0, 0]),
            lens(WIDE),
            lens([-0.3, 0, 0.01, -0.01]),
            KannalaBrandtCamera(K, torch.tensor([0.1, 0, 0, 0], dtype=D)),
            KannalaBrandtCamera(K, torch.tensor([-1 / 6, 0, 0, 0], dtype=D)),
            KannalaBrandtCamera(K, torch.tensor([1 / 12, 1 / 120, 1 / 1000, 1e-4], dtype=D)),
            KannalaBrandtCamera(K, torch.tensor([0.3, -0.1, 0, 0], dtype=D)),
        ],
        ids=range(10),
    )
    @pytest.mark.parametrize("known", [True, False])
    def test_converges_over_the_whole_domain(self, camera, known, monkeypatch):
        """Barrel, pincushion, mustache and wide lenses, to the fold; with and without leave to branch on values."""
        if not known:
            for module in (brown_conrady, kannala_brandt, newton):
                monkeypatch.setattr(module, "may_branch", lambda x: False)
        angles = torch.linspace(0, 1.5, 600, dtype=D)
        turn = torch.linspace(0, 40, 600, dtype=D)
        points = torch.stack([angles.sin() * turn.cos(), angles.sin() * turn.sin(), angles.cos()], -1)
        points = points[camera.project(points, return_valid=True)[1]]
        if isinstance(camera, BrownConradyCamera):  # tangential distortion folds elsewhere: look at what is well inside
            points = points[: int(0.97 * len(points))]
        rays, valid = camera.unproject(camera.project(points), return_valid=True)
        assert len(points) > 300 and valid.all()
        # Near the fold pixels hardly move with their rays.
        close(rays, points, atol=1e-9)
        close(rays[:250], points[:250], atol=1e-12)

    def test_beyond_the_image_it_is_the_edge_and_says_so(self):
        """r (1 - 0.3 r^2) is at most 0.70."""
        camera = lens([-0.3, 0, 0, 0], torch.eye(3, dtype=D)).undistort
        points = torch.tensor([[0.6, 0.3], [0.8, 0], [0, -50], [3, 3]], dtype=D, requires_grad=True)
        out, valid = camera(points, return_valid=True)
        assert valid.tolist() == [True, False, False, False]
        edge = out[1:].detach().norm(dim=-1)
        assert ((edge > 0.9) & (edge < 0.9**-0.5)).all()
        close(torch.nn.functional.normalize(out[1:].detach(), dim=-1), [[1, 0], [0, -1], [0.5**0.5] * 2])
        (grad,) = torch.autograd.grad(out.sum(), points)
        assert (grad[1:] == 0).all() and (grad[0] != 0).all()

    @pytest.mark.parametrize("known", [True, False])
    def test_a_root_after_the_fold_is_none(self, known, monkeypatch):
        """r (1 - r^2 + r^4 / 5) is at most 0.40 before its fold at r = 0.62, and more again after 1.6."""
        if not known:
            for module in (brown_conrady, newton):
                monkeypatch.setattr(module, "may_branch", lambda x: False)
        camera = lens([-1, 0.2, 0, 0], torch.eye(3, dtype=D))
        points = torch.tensor([[0.5, 0], [1, 0], [0, 3], [0, 30]], dtype=D, requires_grad=True)
        out, valid = camera.undistort(points, return_valid=True)
        assert not valid.any() and (out.norm(dim=-1) < 0.62).all() and (out.norm(dim=-1) > 0.55).all()
        assert (torch.autograd.grad(out.sum(), points)[0] == 0).all()

    def test_beyond_the_image_of_a_fisheye(self):
        """t - t^3 / 6 is at most 0.94, at sqrt 2."""
        camera = KannalaBrandtCamera(torch.eye(3, dtype=D), torch.tensor([-1 / 6, 0, 0, 0], dtype=D))
        pixels = torch.tensor([[2.0, 0], [0, -40], [0.9, 0]], dtype=D, requires_grad=True)
        rays, valid = camera.unproject(pixels, return_valid=True)
        assert valid.tolist() == [False, False, True]
        angles = torch.atan2(rays[:, :2].norm(dim=-1), rays[:, 2])[:2]
        assert ((angles > 1.35) & (angles < 1.42)).all()
        assert rays[0, 0] > 0 and rays[1, 1] < 0
        assert torch.autograd.grad(rays.sum(), pixels)[0].isfinite().all()

    @pytest.mark.parametrize("name", ["brown", "kannala"])
    def test_grad(self, name):
        model, k = {"brown": (BrownConradyCamera, LENS), "kannala": (KannalaBrandtCamera, [0.05, -0.01, 0.003, 0])}[
            name
        ]
        leaves = [t.requires_grad_() for t in (grid(150), K.clone(), torch.tensor(k, dtype=D))]
        found = {}
        for grad in ("implicit", "unroll", "none"):
            out = model(*leaves[1:]).unproject(leaves[0], grad=grad)
            found[grad] = (out, torch.autograd.grad(out[:, :2].prod(-1).sum(), leaves) if out.requires_grad else None)
        torch.testing.assert_close(found["implicit"][0], found["none"][0], atol=1e-14, rtol=0)
        torch.testing.assert_close(found["implicit"][1], found["unroll"][1], atol=1e-9, rtol=1e-9)
        assert found["none"][1] is None

    def test_gradients_at_the_degenerate_set(self):
        """The principal point, no distortion, and an exact image of a lens."""
        for k in ([0.0] * 5, [0.0] * 14, LENS[:8]):
            pixels = torch.tensor([[320.0, 240], [400, 100]], dtype=D, requires_grad=True)
            leaves = (pixels, K.clone().requires_grad_(), torch.tensor(k, dtype=D, requires_grad=True))
            for run in (undistort_points, distort_points):
                check = lambda p, m, d, run=run: run(p, BrownConradyCamera(m, d))  # noqa: E731
                gradcheck(check, leaves, check_forward_ad=True)
                gradgradcheck(check, leaves, fast_mode=True, atol=1e-3)  # pixels are in hundreds

    def test_blocks_are_as_one(self, monkeypatch):
        pixels, camera = grid(16).reshape(30, 40, 2), lens(LENS[:8])
        row = pixels.reshape(1, -1, 2)
        batch = BrownConradyCamera(
            K.expand(30, 3, 3), torch.tensor(LENS[:8], dtype=D) * torch.linspace(0, 1, 30)[:, None]
        )
        whole = [camera.unproject(pixels), camera.unproject(row), batch.unproject(pixels)]
        monkeypatch.setattr(newton, "BLOCK", 47)
        blocks = [camera.unproject(pixels), camera.unproject(row), batch.unproject(pixels)]
        for one, other in zip(whole, blocks, strict=True):
            torch.testing.assert_close(one, other, atol=1e-15, rtol=0)

    def test_float32(self):
        camera = BrownConradyCamera(K.float(), torch.tensor(LENS[:5]))
        out = undistort_points(grid().float(), camera)
        assert out.dtype == torch.float32
        close(out, undistort_points(grid(), lens(LENS[:5])), atol=1e-3)


class TestNormalizePixels:
    def test_is_numpys(self):
        matrix = torch.tensor([[500.0, 7, 320], [-3, 510, 240], [1e-4, 2e-4, 1]], dtype=D)
        homogeneous = np.concatenate([grid().numpy(), np.ones((len(grid()), 1))], -1) @ np.linalg.inv(matrix.numpy()).T
        found, valid = normalize_pixels(grid(), matrix, return_valid=True)
        close(found, homogeneous[:, :2] / homogeneous[:, 2:], atol=1e-12)
        close(denormalize_pixels(found, matrix), grid(), atol=1e-10)
        assert valid.all()

    def test_singular_matrix(self):
        found, valid = normalize_pixels(grid(), torch.zeros(3, 3, dtype=D), return_valid=True)
        assert found.isfinite().all() and not valid.any()

    def test_errors(self):
        with pytest.raises(ValueError, match=r"normalize_pixels: pixels must be of shape \(\*batch, n, 2\)"):
            normalize_pixels(torch.zeros(4, 3), K)
        with pytest.raises(ValueError, match=r"denormalize_pixels: matrix must be of shape \(\*batch, 3, 3\)"):
            denormalize_pixels(torch.zeros(4, 2), K[:2])


class TestProjectPoints:
    def test_is_opencvs(self):
        points = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (30, 3)))
        rotation, t = np.array([0.1, -0.2, 0.3]), np.array([0.1, -0.2, 3.0])
        expected, jacobian = cv2.projectPoints(points.numpy(), rotation, t, K.numpy(), np.array(LENS))
        turn = torch.from_numpy(cv2.Rodrigues(rotation)[0])
        shift = torch.from_numpy(t).requires_grad_()
        close(project_points(points, lens(LENS), turn, shift).detach(), expected[:, 0], atol=1e-10)
        by_t = torch.autograd.functional.jacobian(lambda t: project_points(points, lens(LENS), turn, t), shift)
        close(by_t.reshape(-1, 3), jacobian[:, 3:6], atol=1e-9)

    def test_a_matrix_is_a_pinhole(self):
        points = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)) + 1
        torch.testing.assert_close(project_points(points, K.float()), PinholeCamera(K.float()).project(points))

    def test_errors(self):
        with pytest.raises(ValueError, match=r"project_points: camera must be a Camera or a matrix"):
            project_points(torch.zeros(4, 3), "pinhole")
        with pytest.raises(ValueError, match=r"project_points: t must be of shape \(\*batch, 3\)"):
            project_points(torch.zeros(4, 3), K, t=torch.zeros(2))
        with pytest.raises(ValueError, match=r"project_points: R must be of shape \(\*batch, 3, 3\)"):
            project_points(torch.zeros(4, 3), K, R=torch.zeros(2))


class TestUndistortMap:
    @pytest.mark.parametrize("n", [5, 8, 14])
    def test_is_opencvs(self, n):
        x, y = cv2.initUndistortRectifyMap(
            K.numpy(), np.array(LENS[:n]), TURN.numpy(), NEW.numpy(), (640, 480), cv2.CV_32FC1
        )
        found = undistort_map(lens(LENS[:n]), (480, 640), matrix=NEW, R=TURN)
        close(found, np.stack([x, y], -1), atol=1e-4)  # OpenCV's is float32

    def test_fisheye_is_opencvs(self):
        k = np.array([0.05, -0.01, 0.003, -0.0005])
        x, y = cv2.fisheye.initUndistortRectifyMap(K.numpy(), k, TURN.numpy(), NEW.numpy(), (640, 480), cv2.CV_32FC1)
        found = undistort_map(KannalaBrandtCamera(K, torch.from_numpy(k)), (480, 640), matrix=NEW, R=TURN)
        close(found, np.stack([x, y], -1), atol=1e-4)

    def test_panorama_to_pinhole(self):
        panorama = EquirectangularCamera.of_size((180, 360), dtype=D)
        matrix = torch.tensor([[50.0, 0, 50], [0, 50, 50], [0, 0, 1]], dtype=D)
        behind = torch.diag(torch.tensor([-1.0, 1, -1], dtype=D))
        close(undistort_map(panorama, (101, 101), matrix=matrix)[50, 100], [179.5 + 45, 89.5])
        there = undistort_map(panorama, (101, 101), matrix=matrix, R=behind)[50, 75]
        close(there, [np.degrees(np.arctan2(-0.5, -1)) % 360 - 180.5 + 360 * 0, 89.5], atol=1e-9)

    def test_without_an_image_it_is_nan(self):
        folds = lens([-0.3, 0, 0, 0], torch.tensor([[10.0, 0, 20], [0, 10, 20], [0, 0, 1]], dtype=D))
        found = undistort_map(folds, (41, 41))
        assert found[0, 0].isnan().all() and found[20, 20].tolist() == [20, 20]

    def test_has_no_rays(self):
        with pytest.raises(ValueError, match="undistort_map: size must be positive whole numbers"):
            undistort_map(K, (0, 4))


class TestUndistortImage:
    def test_is_opencvs(self):
        rng = np.random.default_rng(0)
        image = cv2.GaussianBlur(rng.uniform(size=(480, 640, 3)).astype(np.float32), (0, 0), 3)
        k = np.array(LENS[:8])
        maps = cv2.initUndistortRectifyMap(K.numpy(), k, np.eye(3), NEW.numpy(), (640, 480), cv2.CV_32FC1)
        expected = cv2.remap(image, *maps, cv2.INTER_LINEAR)
        found = undistort_image(torch.from_numpy(image).movedim(-1, 0), lens(LENS[:8]), matrix=NEW)
        close(found.movedim(0, -1), expected, atol=2e-5)  # OpenCV's positions are float32

    def test_size_and_batch(self):
        image = torch.rand(3, 2, 20, 30, generator=torch.Generator().manual_seed(0))
        k = torch.tensor([[25.0, 0, 15], [0, 25, 10], [0, 0, 1]])
        cameras = DivisionCamera(k.expand(3, 3, 3), torch.tensor([[-0.2], [0.0], [0.1]]))
        out = undistort_image(image, cameras, size=(12, 16))
        assert out.shape == (3, 2, 12, 16)
        torch.testing.assert_close(out[1], image[1, :, :12, :16])
        alone = undistort_image(image[2], DivisionCamera(k, torch.tensor([0.1])), size=(12, 16))
        torch.testing.assert_close(out[2], alone)

    def test_what_has_no_image_is_filled(self):
        folds = lens([-0.3, 0, 0, 0], torch.tensor([[10.0, 0, 20], [0, 10, 20], [0, 0, 1]], dtype=D))
        image = torch.ones(1, 41, 41, dtype=D, requires_grad=True)
        matrix = folds.matrix.clone().requires_grad_()
        out = undistort_image(image, BrownConradyCamera(matrix, folds.distortion), fill=0.25)
        assert out[0, 0, 0].item() == 0.25 and out[0, 20, 20].item() == 1
        assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), (image, matrix)))

    def test_gradients(self):
        rng = np.random.default_rng(1)
        image = torch.from_numpy(rng.uniform(size=(1, 7, 8))).requires_grad_()
        matrix = torch.tensor([[6.0, 0, 3.3], [0, 6, 2.9], [0, 0, 1]], dtype=D, requires_grad=True)
        k = torch.tensor([-0.2, 0.05, 0.01, 0.02], dtype=D, requires_grad=True)
        gradcheck(lambda i, m, k: undistort_image(i, BrownConradyCamera(m, k)), (image, matrix, k))

    def test_orthographic(self):
        """A pinhole's rays through a parallel projection: x / z at z = 1."""
        assert undistort_map(OrthographicCamera(K), (3, 4))[2, 3].tolist() == pytest.approx([3, 2])
