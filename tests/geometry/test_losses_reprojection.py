"""The reprojection loss, against OpenCV's projection, and what it does behind the camera."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import BrownConradyCamera, KannalaBrandtCamera, axis_angle_to_matrix, losses

cv2 = pytest.importorskip("cv2")

D = torch.float64
K = torch.tensor([[300.0, 0, 160], [0, 310, 120], [0, 0, 1]], dtype=D)
VECTOR, T = torch.tensor([0.1, -0.2, 0.05], dtype=D), torch.tensor([0.3, -0.1, 0.2], dtype=D)
R = axis_angle_to_matrix(VECTOR)
EYE, ORIGIN = torch.eye(3, dtype=D), torch.zeros(3, dtype=D)


def cauchy(squared, scale):
    return 2 * scale**2 * np.log1p(squared / (2 * scale**2))


def scene(n=10, noise=2.0, seed=0):
    """Returns points, and noisy pixels of those."""
    generator = np.random.default_rng(seed)
    x = generator.uniform([-2, -2, 4], [2, 2, 8], (n, 3))
    pixels = cv2.projectPoints(x, VECTOR.numpy(), T.numpy(), K.numpy(), None)[0][:, 0]
    return torch.from_numpy(x), torch.from_numpy(pixels + noise * generator.normal(size=(n, 2)))


def squared(x, p, camera=K, distortion=None):
    pixels = cv2.projectPoints(x.numpy(), VECTOR.numpy(), T.numpy(), camera.numpy(), distortion)[0][:, 0]
    return ((pixels - p.numpy()) ** 2).sum(-1)


class TestInFront:
    def test_is_opencvs_distance(self):
        x, p = scene()
        np.testing.assert_allclose(losses.reprojection(x, p, R, T, K, reduction="none"), squared(x, p), rtol=1e-9)
        out = losses.reprojection(x, p, R, T, K, kernel="l1")
        assert out.item() == pytest.approx(np.sqrt(squared(x, p)).mean(), rel=1e-9)
        out = losses.reprojection(x, p, R, T, K, kernel="cauchy", scale=1.5, reduction="none")
        np.testing.assert_allclose(out, cauchy(squared(x, p), 1.5), rtol=1e-9)

    def test_cameras_with_lenses_and_none_at_all(self):
        x, p = scene()
        lens = np.array([0.1, -0.05, 0.01, -0.02])
        camera = BrownConradyCamera(K, torch.from_numpy(lens))
        np.testing.assert_allclose(
            losses.reprojection(x, p, R, T, camera, reduction="none"), squared(x, p, distortion=lens), rtol=1e-8
        )
        p = (p - K[:2, 2]) / K.diagonal()[:2]
        np.testing.assert_allclose(
            losses.reprojection(x, p, R, T, reduction="none"), squared(x, p, camera=EYE), rtol=1e-8
        )

    @pytest.mark.parametrize("kernel", ["l2", "l1", "huber", "cauchy"])
    def test_gradients(self, kernel):
        x, p = scene(4)
        inputs = [v.clone().requires_grad_() for v in (x, p / 300, R, T, K / 300)]

        def loss(*inputs):
            return losses.reprojection(*inputs, kernel=kernel, scale=0.01, reduction="sum")

        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs, atol=1e-4, rtol=1e-3)

    def test_half_precision(self):
        x, p = (v.half() for v in scene())
        inputs = x, p / 300, R.half(), T.half(), torch.eye(3).half()
        loss = losses.reprojection(*inputs)
        assert loss.dtype == torch.float16
        assert loss.item() == losses.reprojection(*(v.float() for v in inputs)).half().item()


class TestBehind:
    @pytest.mark.parametrize(
        ("point", "share"),
        [([3.0, 0, 0], 1), ([0.0, 0, -2], 2), ([1.0, 0, -1], 1 + 0.5**0.5), ([0.0, 0, 0], 1)],
        ids=["beside", "right behind", "between", "at the centre"],
    )
    def test_the_residual_grows_with_the_angle(self, point, share):
        x = torch.tensor([point], dtype=D).requires_grad_()
        loss = losses.reprojection(x, torch.zeros(1, 2, dtype=D), EYE, ORIGIN, K, behind=50.0)
        assert loss.item() == pytest.approx((50 * share) ** 2)
        assert torch.autograd.grad(loss, x)[0].isfinite().all()

    def test_nothing_is_mirrored(self):
        x, p = scene(noise=0.0)
        mirrored = -(x @ R.mT + T) @ R - T @ R  # -y in the camera's frame, which a division by z sees where y is
        assert losses.reprojection(x, p, R, T, K).item() == pytest.approx(0, abs=1e-18)
        assert losses.reprojection(mirrored, p, R, T, K, kernel="l1", reduction="none").min() > 100

    def test_the_gradient_turns_points_to_the_front(self):
        x = torch.tensor([[0.5, -0.2, -2.0]], dtype=D).requires_grad_()
        target = torch.tensor([[160.0, 120.0]], dtype=D)
        optimiser = torch.optim.Adam([x], lr=0.1)
        for _ in range(200):
            optimiser.zero_grad()
            losses.reprojection(x, target, EYE, ORIGIN, K, kernel="huber", scale=5.0).backward()
            optimiser.step()
        assert x[0, 2] > 0 and losses.reprojection(x, target, EYE, ORIGIN, K, kernel="l1").item() < 5

    def test_its_gradients_are_right(self):
        x = torch.tensor([[0.5, -0.2, -2.0], [1.0, 1.0, -0.1], [0.5, 0.2, 3.0]], dtype=D).requires_grad_()
        inputs = [v.clone().requires_grad_() for v in (x, torch.zeros(3, 2, dtype=D), EYE, ORIGIN)]

        def loss(*inputs):
            return losses.reprojection(*inputs, behind=2.0, kernel="cauchy", reduction="none")

        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)

    def test_none_leaves_them_out(self):
        x, p = scene()
        values = losses.reprojection(x, p, R, T, K, reduction="none")
        x = x.clone()
        x[3] = torch.tensor([0.1, 0.1, -5.0])
        x.requires_grad_()
        out = losses.reprojection(x, p, R, T, K, behind=None, reduction="none")
        rest = [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert out[3] == 0 and torch.equal(out[rest].detach(), values[rest])
        loss = losses.reprojection(x, p, R, T, K, behind=None)
        torch.testing.assert_close(loss, values[rest].mean())
        assert not torch.autograd.grad(loss, x)[0][3].any()

    def test_a_fisheye_sees_behind_itself(self):
        camera = KannalaBrandtCamera(K, torch.zeros(4, dtype=D))
        x = torch.tensor([[1.0, 0.0, -0.2]], dtype=D)
        angle = np.arctan2(1.0, -0.2)
        target = torch.tensor([[160 + 300 * angle, 120.0]], dtype=D)
        assert losses.reprojection(x, target, EYE, ORIGIN, camera).item() == pytest.approx(0, abs=1e-18)

    def test_in_float32_far_beside_a_strong_lens_nothing_overflows(self):
        camera = BrownConradyCamera(K.float(), torch.tensor([0.5, 0.4, 0.0, 0.0, 0.3]))
        x = torch.tensor([[1e6, 2e6, 1e-6], [1e6, -2e6, -1.0], [1.0, 2.0, 1e-9]]).requires_grad_()
        loss = losses.reprojection(x, torch.zeros(3, 2), torch.eye(3), torch.zeros(3), camera)
        assert loss.isfinite() and torch.autograd.grad(loss, x)[0].isfinite().all()


class TestMasks:
    @pytest.mark.parametrize("bad", ["R", "t", "camera"])
    def test_a_lost_pose_in_a_masked_sample_is_not_seen(self, bad):
        x, p = scene(4)
        given = {"R": R.repeat(2, 1, 1), "t": T.repeat(2, 1), "camera": K.repeat(2, 1, 1)}
        given[bad][0] = torch.nan
        given = {name: value.requires_grad_() for name, value in given.items()}
        mask = torch.tensor([[False], [True]])
        for weight in (None, torch.ones(2, 4, dtype=D, requires_grad=True)):
            out = losses.reprojection(x.expand(2, 4, 3), p.expand(2, 4, 2), **given, mask=mask, weight=weight)
            torch.testing.assert_close(out, losses.reprojection(x, p, R, T, K))
            grads = torch.autograd.grad(out, [*given.values(), *([] if weight is None else [weight])])
            assert all(g.isfinite().all() and not g[0].any() for g in grads)

    def test_what_is_masked_reaches_nothing(self):
        x, p = scene()
        mask = torch.arange(10) % 3 > 0
        bad_x, bad_p = x.clone(), p.clone()
        bad_x[~mask], bad_p[~mask] = torch.nan, torch.inf
        bad_x.requires_grad_()
        pose = R.clone().requires_grad_()
        loss = losses.reprojection(bad_x, bad_p, pose, T, K, mask=mask)
        torch.testing.assert_close(loss, losses.reprojection(x[mask], p[mask], R, T, K))
        grads = torch.autograd.grad(loss, (bad_x, pose))
        assert all(g.isfinite().all() and g.any() for g in grads) and not grads[0][~mask].any()

    def test_a_sample_that_is_all_masked_hides_its_pose_and_camera(self):
        x, p = (v.clone().requires_grad_() for v in scene())
        poses, cameras = (torch.stack([v, torch.full_like(v, torch.nan)]).requires_grad_() for v in (R, K))
        moves = torch.stack([T, torch.full_like(T, torch.nan)]).requires_grad_()
        loss = losses.reprojection(x, p, poses, moves, cameras, mask=torch.tensor([[True], [False]]))
        torch.testing.assert_close(loss, losses.reprojection(x, p, R, T, K))
        for grad in torch.autograd.grad(loss, (x, p, poses, moves, cameras)):
            assert grad.isfinite().all() and grad.any()

    def test_nan_that_is_not_masked_shows(self):
        x, p = scene()
        for bad in (torch.full_like(K, torch.nan), K):
            pose = R if bad is not K else torch.full_like(R, torch.nan)
            assert losses.reprojection(x, p, pose, T, bad).isnan()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"points3d": torch.zeros(4, 2)}, r"reprojection: points3d must be of shape \(\*batch, n, 3\)"),
        ({"points2d": torch.zeros(5, 2)}, "reprojection: points2d must be 4 points, got 5"),
        ({"t": torch.zeros(2)}, r"reprojection: t must be of shape \(\*batch, 3\)"),
        ({"camera": "pinhole"}, r"reprojection: camera must be a Camera or a matrix \(\*batch, 3, 3\), got str"),
        (
            {"camera": torch.eye(3).expand(3, 3, 3), "points3d": torch.zeros(2, 4, 3)},
            "reprojection: camera must be of a batch",
        ),
        ({"behind": 0.0}, "reprojection: behind must be above 0"),
        ({"mask": torch.ones(5, dtype=torch.bool)}, r"reprojection: mask must be a tensor broadcastable to \(4,\)"),
    ],
    ids=range(7),
)
def test_refusals(options, match):
    given = {"points3d": torch.ones(4, 3), "points2d": torch.zeros(4, 2), "R": torch.eye(3), "t": torch.zeros(3)}
    with pytest.raises(ValueError, match=match):
        losses.reprojection(**(given | options))
