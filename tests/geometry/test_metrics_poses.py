"""Errors of poses and their AUC against the evaluations of SuperGlue and LoFTR, written in NumPy."""

import numpy as np
import pytest
import torch

from visionops.geometry import so3
from visionops.geometry.metrics import auc_from_errors, pose_errors


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def poses(n=40):
    R, t = so3.exp(normal(n, 3)), normal(n, 3, seed=1)
    return so3.exp(0.2 * normal(n, 3, seed=2)) @ R, t + 0.3 * normal(n, 3, seed=3), R, t


def loftr(R, t, R_gt, t_gt):
    """relative_pose_error of LoFTR's metrics.py, and angle_error_vec of SuperGlue."""
    n = np.linalg.norm(t) * np.linalg.norm(t_gt)
    t_err = np.rad2deg(np.arccos(np.clip(np.dot(t, t_gt) / n, -1.0, 1.0)))
    t_err = np.minimum(t_err, 180 - t_err)
    cos = np.clip((np.trace(np.dot(R.T, R_gt)) - 1) / 2, -1.0, 1.0)
    return np.rad2deg(np.abs(np.arccos(cos))), t_err


def superglue(errors, thresholds):
    """pose_auc of SuperGlue's utils.py."""
    errors = np.array(errors)[np.argsort(errors)]
    recall = (np.arange(len(errors)) + 1) / len(errors)
    errors, recall = np.r_[0.0, errors], np.r_[0.0, recall]
    aucs = []
    for t in thresholds:
        last_index = np.searchsorted(errors, t)
        r = np.r_[recall[:last_index], recall[last_index - 1]]
        e = np.r_[errors[:last_index], t]
        aucs.append(np.trapezoid(r, x=e) / t)
    return aucs


class TestPoseErrors:
    def test_as_loftr(self):
        pairs = poses()
        found = pose_errors(*pairs)
        expected = np.array([loftr(*(v.numpy() for v in one)) for one in zip(*pairs, strict=True)])
        np.testing.assert_allclose(torch.stack(found[:2], -1), expected, atol=1e-5)
        assert torch.equal(found.largest, torch.maximum(found.rotation, found.translation))

    def test_the_sign_of_a_translation(self):
        R, t, target_R, target_t = poses()
        folded, signed = (pose_errors(R, -t, target_R, target_t, signed=s).translation for s in (False, True))
        torch.testing.assert_close(folded, pose_errors(R, t, target_R, target_t).translation)
        torch.testing.assert_close(signed, 180 - pose_errors(R, t, target_R, target_t, signed=True).translation)
        assert signed.max() > 90 >= folded.max()

    def test_small_angles_keep_their_digits(self):
        R, t = so3.exp(torch.tensor([1e-5, 0.0, 0.0])), torch.tensor([1.0, 1e-5, 0.0])
        found = pose_errors(R, t, torch.eye(3), torch.tensor([1.0, 0.0, 0.0]))
        for error in found:
            assert error.item() == pytest.approx(np.rad2deg(1e-5), rel=1e-5)

    @pytest.mark.parametrize("size", [1e-38, 1e-24, 1e24, 1e38])
    def test_lengths_do_not_matter(self, size):
        """Their squares have no place in float32."""
        R, x, y = torch.eye(3), *torch.eye(3)[:2]
        assert pose_errors(R, size * x, R, y).translation.item() == 90
        assert pose_errors(R, x + y, R, size * y).translation.item() == pytest.approx(45)
        assert pose_errors(R, -size * x, R, size * x, signed=True).translation.item() == 180

    def test_what_failed_is_infinite(self):
        R, t, target_R, target_t = poses(4)
        R[0, 1, 2], t[1, 0], t[2, 0] = torch.nan, torch.inf, torch.nan
        found = torch.stack(pose_errors(R, t, target_R, target_t))
        assert (found[:, :3] == torch.inf).all() and found[:, 3].isfinite().all()

    def test_without_direction(self):
        R, t = torch.eye(3), torch.tensor([1.0, 0.0, 0.0])
        assert pose_errors(R, t, R, 0 * t).translation.item() == 0
        assert pose_errors(R, 0 * t, R, 0 * t).translation.item() == 0
        assert pose_errors(R, 0 * t, R, t).translation.item() == 90
        assert pose_errors(R, 0 * t, R, t, signed=True).translation.item() == 180

    def test_masked(self):
        pairs, mask = poses(4), torch.tensor([True, False, True, False])
        found, all_of_them = torch.stack(pose_errors(*pairs, mask=mask)), torch.stack(pose_errors(*pairs))
        assert found[:, ~mask].isnan().all() and torch.equal(found[:, mask], all_of_them[:, mask])

    def test_batches_broadcast(self):
        R, t, target_R, target_t = poses(6)
        found = pose_errors(R[:, None], t[:, None], target_R, target_t)
        assert all(v.shape == (6, 6) for v in found)
        assert torch.equal(found.largest.diagonal(), pose_errors(R, t, target_R, target_t).largest)
        one = pose_errors(R, t, target_R[0], target_t)
        assert all(v.shape == (6,) for v in one)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"R": torch.eye(4)}, r"pose_errors: R must be of shape \(\*batch, 3, 3\), got \(4, 4\)"),
            ({"t": torch.zeros(2)}, r"pose_errors: t must be of shape \(\*batch, 3\), got \(2,\)"),
            (
                {"target_t": torch.zeros(2, 3), "t": torch.zeros(3, 3)},
                "pose_errors: target_t must be of a batch that goes with",
            ),
            ({"mask": torch.ones(2, dtype=torch.bool)}, r"pose_errors: mask must be a tensor broadcastable to \(\)"),
        ],
    )
    def test_refusals(self, options, match):
        one = {"R": torch.eye(3), "t": torch.ones(3), "target_R": torch.eye(3), "target_t": torch.ones(3)} | options
        with pytest.raises(ValueError, match=match):
            pose_errors(**one)


class TestAUC:
    THRESHOLDS = (5, 10, 20)

    @pytest.mark.parametrize(
        "errors",
        [
            (15 * normal(100, seed=4).abs()).tolist(),
            [0.0, 0.0, 5.0, 5.0, 10.0, np.inf],
            [np.inf, np.inf],
            [30.0],
            [1e-3],
        ],
        ids=range(5),
    )
    def test_as_superglue(self, errors):
        found = auc_from_errors(torch.tensor(errors, dtype=torch.float64))
        np.testing.assert_allclose(found, superglue(errors, self.THRESHOLDS), rtol=1e-12, atol=1e-15)

    def test_mask_and_batch(self):
        errors = 15 * normal(3, 50, seed=4).abs()
        mask = normal(3, 50, seed=5) > 0
        mask[1] = False
        found = auc_from_errors(torch.where(mask, errors, torch.nan), mask=mask)
        for k in (0, 2):
            np.testing.assert_allclose(found[k], superglue(errors[k][mask[k]].numpy(), self.THRESHOLDS), rtol=1e-12)
        assert found[1].isnan().all()

    def test_nan_counts_as_failed(self):
        nan, inf = (auc_from_errors(torch.tensor([1.0, bad, 2.0])) for bad in (torch.nan, torch.inf))
        assert torch.equal(nan, inf) and nan.isfinite().all()

    def test_of_nothing_is_nan(self):
        assert auc_from_errors(torch.zeros(0)).isnan().all() and auc_from_errors(torch.zeros(2, 0)).shape == (2, 3)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"errors": torch.tensor([1, 2])}, "auc_from_errors: errors must be a floating tensor"),
            ({"errors": torch.tensor(1.0)}, r"auc_from_errors: errors must be of shape \(\*batch, n\)"),
            ({"thresholds": (5, 0)}, r"auc_from_errors: thresholds must be numbers above 0, got \(5, 0\)"),
            ({"thresholds": ()}, "auc_from_errors: thresholds must be numbers above 0"),
            ({"thresholds": 5.0}, r"auc_from_errors: thresholds must be numbers above 0, got 5.0. Give \(5.0,\)"),
            ({"thresholds": ("a",)}, "auc_from_errors: thresholds must be numbers above 0"),
            (
                {"mask": torch.ones(3, dtype=torch.bool)},
                r"auc_from_errors: mask must be a tensor broadcastable to \(2,\)",
            ),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            auc_from_errors(**({"errors": torch.ones(2)} | options))
