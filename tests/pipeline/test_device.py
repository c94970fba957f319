"""What a device would see: on tensors without data every wait for a value, and every copy back, is an error."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import visionops as vo
import visionops.augment as va
from visionops import testing

STEPS = [name for name in testing.STEPS if name not in ("Rotate90",)]


def batch(size=(24, 24), device="meta"):
    return torch.rand(4, 3, *size, device=device)


class Count(TorchDispatchMode):
    """Counts operations that do work, by name; views are free."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += not func.is_view
        return func(*args, **(kwargs or {}))


class TestNoWaiting:
    @pytest.mark.parametrize("name", STEPS)
    def test_images(self, name):
        targets = {"image": batch()}
        if name in ("MixUp", "CutMix"):
            targets["label"] = torch.zeros(4, dtype=torch.long, device="meta")
        out = vo.Pipeline(testing.STEPS[name].make())(**targets, index=[0, 1, 2, 3])
        assert all(v.device.type == "meta" for v in out.values())

    def test_labels(self):
        pipe = vo.Pipeline(
            va.RandomResizedCrop((16, 20)), va.HorizontalFlip(0.5), va.Affine((-20, 20)), va.Perspective(0.3)
        )
        out = pipe(
            image=batch(),
            mask=torch.zeros(4, 24, 24, dtype=torch.uint8, device="meta"),
            boxes=torch.zeros(4, 5, 4, device="meta"),
            keypoints=torch.zeros(4, 7, 2, device="meta"),
            intrinsics=torch.zeros(4, 3, 3, device="meta"),
        )
        assert out["boxes_valid"].shape == (4, 5) and out["keypoints_valid"].shape == (4, 7)
        assert all(v.device.type == "meta" for v in out.values())

    def test_learned_bounds(self):
        angle = torch.nn.Parameter(torch.zeros((), device="meta"))
        pipe = vo.Pipeline(va.Affine(rotate=va.Symmetric(angle)), va.Brightness((0.5, 1.5)), antialias=False)
        assert pipe(image=batch())["image"].requires_grad


class TestLaunches:
    def test_no_loop_over_samples(self):
        """Twice the samples cost the same number of operations, once every order of the jitter is among them."""
        pipe = vo.Pipeline(va.Affine((-20, 20)), va.Perspective(0.3), va.ColorJitter(0.4, 0.4, 0.4, 0.1))
        counts = []
        for n in (200, 400):
            with Count() as count:
                pipe(image=torch.rand(n, 3, 24, 24, device="meta"), index=list(range(n)))
            counts.append(count.calls)
        assert counts[0] == counts[1]
