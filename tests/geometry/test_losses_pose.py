"""Losses of rotations and poses, against SciPy's rotations."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import axis_angle_to_matrix, losses, metrics

D = torch.float64


def normal(*shape, seed=0, dtype=D):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D).to(dtype)


def rotations(n, seed=0):
    return torch.from_numpy(Rotation.random(n, rng=seed).as_matrix())


def turned(degrees, axis=(1.0, 2.0, -0.5), dtype=D):
    axis = torch.tensor(axis, dtype=dtype)
    return axis_angle_to_matrix(math.radians(degrees) * axis / axis.norm())


class TestRotationGeodesic:
    def test_is_the_magnitude_of_the_turn(self):
        a, b = rotations(20), rotations(20, seed=1)
        expected = (Rotation.from_matrix(a.numpy()).inv() * Rotation.from_matrix(b.numpy())).magnitude()
        out = losses.rotation_geodesic(a, b, reduction="none")
        np.testing.assert_allclose(out, expected, rtol=1e-12)
        assert losses.rotation_geodesic(a, b).item() == pytest.approx(expected.mean())

    @pytest.mark.parametrize("degrees", [1e-6, 1e-3, 179.0])
    def test_small_and_large_angles_are_exact(self, degrees):
        assert losses.rotation_geodesic(turned(degrees), torch.eye(3, dtype=D)).item() == pytest.approx(
            math.radians(degrees), rel=1e-7
        )

    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_equal_ones_are_exactly_0_and_kinks_have_gradient_0(self, dtype):
        same = rotations(5).to(dtype).requires_grad_()
        loss = losses.rotation_geodesic(same, same.detach(), reduction="none")
        assert not loss.any() and not torch.autograd.grad(loss.sum(), same)[0].any()
        opposite = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=dtype)).requires_grad_()
        loss = losses.rotation_geodesic(opposite, torch.eye(3, dtype=dtype))
        assert loss.item() == pytest.approx(math.pi) and torch.autograd.grad(loss, opposite)[0].isfinite().all()

    @pytest.mark.parametrize("degrees", [1e-5, 1.0, 100.0, 179.9])
    def test_the_gradient_has_length_1_by_the_turn(self, degrees):
        turn = torch.zeros(3, dtype=D).requires_grad_()
        loss = losses.rotation_geodesic(axis_angle_to_matrix(turn) @ turned(degrees), torch.eye(3, dtype=D))
        assert torch.autograd.grad(loss, turn)[0].norm().item() == pytest.approx(1, rel=1e-6)


class TestPose:
    def test_is_angle_plus_weighted_distance(self):
        R, target_R, t, target_t = rotations(6), rotations(6, seed=1), normal(6, 3), normal(6, 3, seed=1)
        out = losses.pose(R, t, target_R, target_t, translation_weight=0.3, reduction="none")
        turn = Rotation.from_matrix(R.numpy()).inv() * Rotation.from_matrix(target_R.numpy())
        np.testing.assert_allclose(out, turn.magnitude() + 0.3 * np.linalg.norm(t - target_t, axis=-1), rtol=1e-12)
        weights = torch.arange(6, dtype=D)
        out = losses.pose(R, t, target_R, target_t, translation_weight=weights, reduction="none")
        np.testing.assert_allclose(
            out, turn.magnitude() + weights.numpy() * np.linalg.norm(t - target_t, axis=-1), rtol=1e-12
        )

    @pytest.mark.parametrize("translation", ["direction", "axis"])
    def test_directions_are_those_of_the_metric(self, translation):
        R, target_R, t, target_t = rotations(30), rotations(30, seed=1), normal(30, 3), normal(30, 3, seed=1)
        errors = metrics.pose_errors(R, t, target_R, target_t, signed=translation == "direction")
        out = losses.pose(R, t, target_R, target_t, translation=translation, translation_weight=2.0, reduction="none")
        torch.testing.assert_close(out, (errors.rotation + 2 * errors.translation).deg2rad())
        cosine = (t * target_t).sum(-1) / t.norm(dim=-1) / target_t.norm(dim=-1)
        angle = (cosine if translation == "direction" else cosine.abs()).acos()
        torch.testing.assert_close(out, errors.rotation.deg2rad() + 2 * angle)

    @pytest.mark.parametrize("translation", ["direction", "axis"])
    @pytest.mark.parametrize("length", [1e-30, 1e30])
    def test_lengths_do_not_matter(self, translation, length):
        eye, t, target = torch.eye(3), normal(3, dtype=torch.float32), normal(3, seed=1, dtype=torch.float32)
        expected = losses.pose(eye, t, eye, target, translation=translation)
        long = (length * t).requires_grad_()
        loss = losses.pose(eye, long, eye, target / length, translation=translation)
        torch.testing.assert_close(loss, expected)
        assert torch.autograd.grad(loss, long)[0].isfinite().all()

    def test_what_has_no_direction(self):
        eye, t, none = torch.eye(3, dtype=D), normal(3).requires_grad_(), torch.zeros(3, dtype=D, requires_grad=True)
        for translation, most in (("direction", math.pi), ("axis", math.pi / 2)):
            for pair, expected in (((none, t), most), ((t, none), 0)):
                loss = losses.pose(eye, pair[0], eye, pair[1], translation=translation)
                assert loss.item() == pytest.approx(expected)
                first = torch.autograd.grad(loss, pair, create_graph=True)
                second = torch.autograd.grad(sum((g * normal(3, seed=2)).sum() for g in first), pair)
                assert not any(g.any() for g in (*first, *second))

    @pytest.mark.parametrize("translation", ["metric", "direction", "axis"])
    def test_equal_poses_are_0_with_gradient_0(self, translation):
        R, t = rotations(4).requires_grad_(), normal(4, 3).requires_grad_()
        loss = losses.pose(R, t, R.detach(), t.detach(), translation=translation)
        assert loss.item() == pytest.approx(0, abs=1e-12)
        grads = torch.autograd.grad(loss, (R, t), create_graph=True)
        assert all(g.abs().max() == 0 for g in grads)
        second = torch.autograd.grad(sum(g.sum() for g in grads), (R, t), allow_unused=True, materialize_grads=True)
        assert all(g.isfinite().all() for g in second)

    @pytest.mark.parametrize("translation", ["metric", "direction", "axis"])
    def test_gradients_of_both_orders(self, translation):
        inputs = [
            x.requires_grad_()
            for x in (rotations(2), normal(2, 3), rotations(2, seed=1), normal(2, 3, seed=1), normal(2, seed=2))
        ]

        def loss(R, t, target_R, target_t, worth):
            return losses.pose(R, t, target_R, target_t, translation=translation, translation_weight=worth)

        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)

    def test_masked_poses_reach_nothing(self):
        R, t, mask = rotations(3), normal(3, 3), torch.tensor([True, False, True])
        bad_R, bad_t = R.clone(), t.clone()
        bad_R[1], bad_t[1] = torch.nan, torch.inf
        bad_R.requires_grad_()
        for translation in ("metric", "direction"):
            loss = losses.pose(bad_R, bad_t, R[0], t[0], translation=translation, mask=mask)
            torch.testing.assert_close(loss, losses.pose(R[[0, 2]], t[[0, 2]], R[0], t[0], translation=translation))
            grad = torch.autograd.grad(loss, bad_R)[0]
            assert grad.isfinite().all() and not grad[1].any() and grad[2].any()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"R": torch.zeros(3, 4)}, r"pose: R must be of shape \(\*batch, 3, 3\), got \(3, 4\)"),
            ({"R": None}, "pose: R must be a tensor"),
            ({"target_t": torch.zeros(2)}, r"pose: target_t must be of shape \(\*batch, 3\)"),
            (
                {"t": torch.zeros(2, 3), "target_t": torch.zeros(4, 3)},
                r"pose: target_t must be of a batch that goes with \(2,\)",
            ),
            ({"translation": "angle"}, "pose: translation must be one of those known, got 'angle'"),
            ({"mask": torch.ones(2, dtype=torch.bool)}, "pose: mask must be a tensor broadcastable to"),
        ],
        ids=range(6),
    )
    def test_refusals(self, options, match):
        given = {"R": torch.eye(3), "t": torch.zeros(3), "target_R": torch.eye(3), "target_t": torch.zeros(3)}
        with pytest.raises(ValueError, match=match):
            losses.pose(**(given | options))
