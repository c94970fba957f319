"""Fundamental matrices of seven matches, as sets, against OpenCV and the truth."""

import cv2
import pytest
import torch

from visionops.geometry.epipolar.seven_point import find_fundamental_7point
from visionops.geometry.linalg import skew, to_homogeneous
from visionops.testing.cases.geometry_pose import matches, scene

gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def distances(matrices, valid, truth):
    """Distances of unit matrices from the truth, up to sign; 9 where there is none."""
    both = torch.stack([matrices - truth, matrices + truth]).flatten(-2).norm(dim=-1).amin(0)
    return torch.where(valid, both, 9)


def true_fundamental(n, seed):
    _, R, t = scene(n, 7, seed=seed)
    f = skew(t) @ R
    return f / f.flatten(1).norm(dim=1)[:, None, None]


class TestFindFundamental7Point:
    def test_finds_the_truth(self):
        x1, x2 = matches(2000, 7, seed=1)
        matrices, valid = find_fundamental_7point(x1, x2)
        best = distances(matrices, valid, true_fundamental(2000, 1)[:, None]).amin(-1)
        # What it misses is the unluckiest sample's rounding.
        assert (best < 1e-4).sum() >= 1999

    def test_all_roots_solve(self):
        matrices, valid = find_fundamental_7point(*(x := matches(500, 7, seed=2, noise=0.05)))
        x1, x2 = map(to_homogeneous, x)
        gap = torch.einsum("bni,bsij,bnj->bsn", x2, matrices, x1)
        assert gap.abs().max() < 1e-11 and torch.linalg.det(matrices).abs().max() < 1e-11
        torch.testing.assert_close(matrices.flatten(2).norm(dim=-1), valid.double())
        largest = matrices.flatten(2).gather(-1, matrices.flatten(2).abs().argmax(-1, keepdim=True))
        assert (largest[..., 0] * valid >= 0).all() and valid.any(-1).all()

    def test_are_opencvs(self):
        x1, x2 = matches(200, 7, seed=3, noise=0.02)
        matrices, valid = find_fundamental_7point(x1, x2)
        missed = 0
        for a, b, ours, found in zip(x1, x2, matrices, valid, strict=True):
            theirs, _ = cv2.findFundamentalMat(a.numpy(), b.numpy(), cv2.FM_7POINT)
            theirs = torch.from_numpy(theirs).unflatten(0, (-1, 3))
            theirs = theirs / theirs.flatten(1).norm(dim=1)[:, None, None]
            assert len(theirs) <= found.sum()
            missed += sum(distances(ours, found, one).min() > 1e-5 for one in theirs)
        assert missed == 0

    @pytest.mark.parametrize("noise", [0.0, 0.03])
    def test_gradients(self, noise):
        x = tuple(p.requires_grad_() for p in matches(3, 7, seed=4, noise=noise))

        def run(*x):
            return find_fundamental_7point(*x).matrices

        gradcheck(run, x, rtol=1e-6)
        gradcheck(run, x, check_forward_ad=True, check_backward_ad=False)
        gradgradcheck(run, x, fast_mode=True)

    def test_degenerate_samples_are_empty_alone(self):
        x1, x2 = (p.clone() for p in matches(6, 7, seed=5))
        expected = find_fundamental_7point(x1[5:], x2[5:])
        x1[0], x2[0] = 1, 1  # coincident
        x1[1] = torch.linspace(0, 1, 7)[:, None]  # collinear
        x2[1] = x1[1]
        flat = matches(1, 7, seed=6, flat=True)
        x1[2], x2[2] = flat[0][0], flat[1][0]
        x, R, _ = scene(1, 7, seed=7)
        turned = x @ R.mT
        x1[3], x2[3] = x[0, :, :2] / x[0, :, 2:], turned[0, :, :2] / turned[0, :, 2:]
        x2[4, 0] = float("nan")
        x = x1.requires_grad_(), x2.requires_grad_()
        matrices, valid = find_fundamental_7point(*x)
        assert not valid[:5].any() and (matrices[:5] == 0).all()
        torch.testing.assert_close(matrices[5:], expected.matrices)
        for grad in torch.autograd.grad(matrices.pow(3).sum(), x):
            assert (grad[:5] == 0).all() and grad[5].isfinite().all() and (grad[5] != 0).any()

    def test_pencil_of_rank_one(self):
        """Six points on a line l in one image: every l m^T fits, with m through the seventh point's match."""
        x1, x2 = matches(1, 7, seed=11, noise=0.05)
        x2[:, :6, 1] = 0.2 * x2[:, :6, 0] + 0.1
        matrices, valid = find_fundamental_7point(x1.requires_grad_(), x2)
        assert not valid.any() and (matrices == 0).all()

    def test_float32(self):
        x = matches(50, 7, seed=8)
        matrices, valid = find_fundamental_7point(*(p.float() for p in x))
        assert matrices.dtype == torch.float32
        best = distances(matrices.double(), valid, true_fundamental(50, 8)[:, None]).amin(-1)
        assert best.median() < 1e-4

    def test_broadcasts(self):
        x1, x2 = matches(3, 7, seed=9)
        assert find_fundamental_7point(x1[0], x2).matrices.shape == (3, 3, 3, 3)

    def test_errors(self):
        x = torch.zeros(8, 2)
        with pytest.raises(ValueError, match="find_fundamental_7point: points1 must be 7 points, got 8"):
            find_fundamental_7point(x, x)
        with pytest.raises(ValueError, match="find_fundamental_7point: points1 must be at least 7 points"):
            find_fundamental_7point(x[:6], x[:6])
        with pytest.raises(ValueError, match="find_fundamental_7point: points2 must be 7 points, got 8"):
            find_fundamental_7point(x[:7], x)
