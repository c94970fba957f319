"""Cycles of homographies, against OpenCV's perspective transform, one after the other."""

import functools

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import losses

D = torch.float64
SIZE = (48, 64)
CORNERS = np.array([[0.0, 0], [63, 0], [63, 47], [0, 47]])


def homographies(n, seed=0):
    noise = torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=D)
    spread = torch.tensor([[0.05, 0.05, 5], [0.05, 0.05, 5], [5e-4, 5e-4, 0]], dtype=D)
    return torch.eye(3, dtype=D) + noise * spread


def drift(*cycle):
    moved = functools.reduce(lambda p, h: cv2.perspectiveTransform(p, h.numpy()), cycle, CORNERS[None])
    return np.linalg.norm(moved[0] - CORNERS, axis=-1).mean()


class TestCycleConsistency:
    @pytest.mark.parametrize("views", [2, 3, 4])
    def test_is_how_far_corners_drift(self, views):
        cycle = [homographies(3, seed=k) for k in range(views)]
        out = losses.cycle_consistency(*cycle, size=SIZE, reduction="none")
        np.testing.assert_allclose(out, [drift(*one) for one in zip(*cycle, strict=True)], rtol=1e-9)

    def test_an_inverse_at_any_scale_is_consistent(self):
        H = homographies(4).requires_grad_()
        loss = losses.cycle_consistency(H, -3 * torch.linalg.inv(H.detach()), size=SIZE)
        assert loss.item() == pytest.approx(0, abs=1e-10)
        assert torch.autograd.grad(loss, H)[0].isfinite().all()
        eye = torch.eye(3).requires_grad_()
        loss = losses.cycle_consistency(eye, eye.detach(), size=SIZE)
        assert loss.item() == 0 and not torch.autograd.grad(loss, eye)[0].any()

    def test_three_views_close(self):
        a, b = homographies(2), homographies(2, seed=1)
        assert losses.cycle_consistency(a, b, torch.linalg.inv(b @ a), size=SIZE).item() == pytest.approx(0, abs=1e-9)

    @pytest.mark.parametrize("kernel", ["l1", "l2"])
    def test_gradients(self, kernel):
        cycle = [homographies(2, seed=k).requires_grad_() for k in range(3)]

        def loss(*cycle):
            return losses.cycle_consistency(*cycle, size=(5, 7), kernel=kernel)

        assert gradcheck(loss, cycle) and gradgradcheck(loss, cycle)

    def test_masked_samples_reach_nothing(self):
        a, b = homographies(3), homographies(3, seed=1)
        expected = losses.cycle_consistency(a[[0, 2]], b[[0, 2]], size=SIZE)
        a[1], b[1] = torch.nan, torch.inf
        a.requires_grad_()
        loss = losses.cycle_consistency(a, b, size=SIZE, mask=torch.tensor([True, False, True]))
        torch.testing.assert_close(loss, expected)
        (grad,) = torch.autograd.grad(loss, a)
        assert grad.isfinite().all() and not grad[1].any() and grad[2].any()

    def test_teaches_a_homography_its_inverse(self):
        there = homographies(1)[0]
        offsets = torch.zeros(2, 3, dtype=D, requires_grad=True)
        back = torch.linalg.inv(there) + 0.02 * torch.eye(3, dtype=D)
        optimiser = torch.optim.Adam([offsets], lr=0.02)
        first = losses.cycle_consistency(there, back, size=SIZE).item()
        for _ in range(150):
            optimiser.zero_grad()
            moved = back + torch.nn.functional.pad(offsets, (0, 0, 0, 1))
            losses.cycle_consistency(there, moved, size=SIZE, kernel="huber").backward()
            optimiser.step()
        assert losses.cycle_consistency(there, moved.detach(), size=SIZE).item() < 0.3 * first

    @pytest.mark.parametrize(
        ("cycle", "options", "match"),
        [
            ([torch.eye(3)], {}, "cycle_consistency: homographies must be two or more, got 1. Give them one by one"),
            ([torch.eye(3), torch.eye(4)], {}, r"cycle_consistency: homographies must be of shape \(\*batch, 3, 3\)"),
            ([torch.zeros(2, 3, 3), torch.zeros(5, 3, 3)], {}, "cycle_consistency: homographies must be of a batch"),
            ([torch.eye(3)] * 2, {"size": 4}, "cycle_consistency: size must be positive whole numbers"),
            ([torch.eye(3)] * 2, {"mask": torch.ones(2, dtype=torch.bool)}, "cycle_consistency: mask must be a tensor"),
        ],
        ids=range(5),
    )
    def test_refusals(self, cycle, options, match):
        with pytest.raises(ValueError, match=match):
            losses.cycle_consistency(*cycle, **({"size": SIZE} | options))
