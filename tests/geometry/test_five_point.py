"""Essential matrices of five matches and more, as sets, against PoseLib, OpenCV and the truth."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.epipolar.five_point import find_essential
from visionops.geometry.linalg import skew, to_homogeneous
from visionops.testing.cases.geometry_pose import matches, scene

D = torch.float64
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def distances(matrices, valid, truth):
    """Distances of matrices of norm sqrt 2 from the truth, up to sign; 9 where there is none."""
    both = torch.stack([matrices - truth, matrices + truth]).flatten(-2).norm(dim=-1).amin(0)
    return torch.where(valid, both, 9)


def true_essential(n, count, **options):
    _, R, t = scene(n, count, **options)
    return skew(t) @ R


class TestFindEssential:
    def test_finds_the_truth_as_often_as_poselib(self):
        poselib = pytest.importorskip("poselib")
        x1, x2 = matches(1000, 5, seed=1)
        truth = true_essential(1000, 5, seed=1)
        matrices, valid = find_essential(x1, x2)
        ours = (distances(matrices, valid, truth[:, None]).amin(-1) < 1e-4).sum()
        theirs = 0
        for a, b, e in zip(to_homogeneous(x1), to_homogeneous(x2), truth, strict=True):
            rays = [(p / p.norm(dim=-1, keepdim=True)).numpy() for p in (a, b)]
            found = torch.from_numpy(np.array(poselib.essential_matrix_5pt(*rays)).reshape(-1, 3, 3))
            found = found * (2**0.5 / found.flatten(1).norm(dim=1)[:, None, None])
            theirs += bool((distances(found, torch.ones(len(found), dtype=bool), e) < 1e-4).any())
        assert ours >= theirs and ours >= 998

    def test_all_roots_solve(self):
        x = matches(500, 5, seed=2, noise=0.05)
        matrices, valid = find_essential(*x)
        x1, x2 = map(to_homogeneous, x)
        gap = torch.einsum("bni,bsij,bnj->bsn", x2, matrices, x1)[valid]
        # Up to the threshold that tells a root; nearly all are at rounding.
        assert gap.abs().max() < 1e-8 and gap.abs().median() < 1e-14
        singular = torch.linalg.svdvals(matrices[valid])
        torch.testing.assert_close(singular, torch.tensor([1.0, 1, 0], dtype=D).expand_as(singular), atol=1e-9, rtol=0)
        largest = matrices.flatten(2).gather(-1, matrices.flatten(2).abs().argmax(-1, keepdim=True))
        assert (largest[..., 0] >= 0).all()

    def test_are_opencvs(self):
        x1, x2 = matches(100, 5, seed=3, noise=0.02)
        matrices, valid = find_essential(x1, x2)
        asked = found = 0
        for a, b, ours, good in zip(x1, x2, matrices, valid, strict=True):
            theirs, _ = cv2.findEssentialMat(a.numpy(), b.numpy(), np.eye(3), method=cv2.LMEDS)
            for one in torch.from_numpy(theirs).unflatten(0, (-1, 3)):
                asked += 1
                found += bool(distances(ours, good, one * 2**0.5 / one.norm()).min() < 1e-5)
        assert asked >= 100 and found == asked

    def test_points_on_a_plane(self):
        x = matches(200, 5, seed=4, flat=True)
        matrices, valid = find_essential(*x)
        best = distances(matrices, valid, true_essential(200, 5, seed=4, flat=True)[:, None]).amin(-1)
        # One sample has three roots within 0.01 of another, which rounding of the polynomial makes complex.
        assert (best < 1e-4).sum() >= 199

    def test_rays(self):
        """Points behind the camera, or at infinity, have rays."""
        x, R, t = scene(20, 5, seed=5)
        x[:, 0] *= -1
        x[:, 1, 2] = 0
        y = x @ R.mT + t[:, None]
        matrices, valid = find_essential(3 * x, 0.5 * y)
        assert (distances(matrices, valid, true_essential(20, 5, seed=5)[:, None]).amin(-1) < 1e-4).all()

    @pytest.mark.parametrize("count", [5, 6, 8, 50])
    def test_more_points(self, count):
        weights = torch.rand(20, count, generator=torch.Generator().manual_seed(0), dtype=D) + 0.5
        matrices, valid = find_essential(*matches(20, count, seed=6), weights=weights)
        best = distances(matrices, valid, true_essential(20, count, seed=6)[:, None]).amin(-1)
        assert (best < 1e-4).all()

    def test_weight_0_is_absence(self):
        x1, x2 = matches(4, 8, seed=7, noise=0.01)
        expected = find_essential(x1[:, :7], x2[:, :7])
        x1[:, 7], x2[:, 7] = float("nan"), 1e6
        weights = torch.tensor([1.0] * 7 + [0], dtype=D)
        found = find_essential(x1, x2, weights=weights)
        torch.testing.assert_close(found.matrices, expected.matrices)
        assert expected.valid.any(-1).all()

    @pytest.mark.parametrize(("count", "noise"), [(5, 0.0), (5, 0.03), (8, 0.0), (8, 0.01)])
    def test_gradients(self, count, noise):
        x1, x2 = (p.requires_grad_() for p in matches(2, count, seed=8, noise=noise))
        weights = torch.linspace(0.5, 1.5, count, dtype=D, requires_grad=True)

        def run(x1, x2, weights):
            return find_essential(x1, x2, weights=weights if count > 5 else None).matrices

        x = (x1, x2, weights)
        gradcheck(run, x, rtol=1e-5, atol=1e-5, fast_mode=True)
        gradcheck(run, x, check_forward_ad=True, check_backward_ad=False, rtol=1e-5, atol=1e-5, fast_mode=True)
        gradgradcheck(run, x, fast_mode=True)

    def test_degenerate_samples_have_finite_gradients_alone(self):
        x1, x2 = (p.clone() for p in matches(6, 5, seed=9))
        expected = find_essential(x1[5:], x2[5:])
        x1[0], x2[0] = 1, 1  # coincident
        x1[1, 1], x2[1, 1] = x1[1, 0], x2[1, 0]  # two coincide
        x, R, _ = scene(1, 5, seed=10)
        turned = x @ R.mT
        x1[2], x2[2] = x[0, :, :2] / x[0, :, 2:], turned[0, :, :2] / turned[0, :, 2:]
        x2[3] = x1[3]  # no motion
        x1[4, 2] = float("nan")
        x = x1.requires_grad_(), x2.requires_grad_()
        matrices, valid = find_essential(*x)
        assert matrices.isfinite().all() and not valid[:5].any()
        assert (matrices[[0, 1, 4]] == 0).all()
        torch.testing.assert_close(matrices[5:], expected.matrices)
        for grad in torch.autograd.grad(matrices.pow(3).sum(), x):
            assert grad.isfinite().all() and (grad[[0, 1, 4]] == 0).all() and (grad[5] != 0).any()

    def test_float32(self):
        matrices, valid = find_essential(*(p.float() for p in matches(50, 5, seed=11)))
        assert matrices.dtype == torch.float32
        best = distances(matrices.double(), valid, true_essential(50, 5, seed=11)[:, None]).amin(-1)
        assert best.median() < 1e-4

    def test_errors(self):
        x = torch.zeros(5, 2)
        with pytest.raises(ValueError, match="find_essential: points1 must be at least 5 points"):
            find_essential(x[:4], x[:4])
        with pytest.raises(ValueError, match=r"find_essential: points1 must be of shape \(\*batch, n, 2 or 3\)"):
            find_essential(torch.zeros(5, 4), x)
        with pytest.raises(ValueError, match=r"find_essential: weights must be of shape \(\*batch, 5\)"):
            find_essential(x, x, weights=torch.ones(4))
        with pytest.raises(ValueError, match="find_essential: points2 must be of 2 coordinates as points1"):
            find_essential(x, torch.zeros(5, 3))
