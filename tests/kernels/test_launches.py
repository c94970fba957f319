"""How many launches the definitions take on a device: aten calls that are not views, counted on the CPU."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import visionops.augment as va
from visionops import Pipeline
from visionops.kernels import native


class Launches(TorchDispatchMode):
    """Counts calls that make or change memory."""

    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view:
            self.calls[str(func)] += 1
        return func(*args, **(kwargs or {}))


def launches(*steps, batch=4, dtype=torch.float32):
    pipe = Pipeline(*steps, seed=0)
    image = torch.zeros(batch, 3, 32, 48, dtype=dtype)
    with native.definitions_only(), Launches() as counted:
        pipe(image=image, index=list(range(batch)))
    return counted.calls.total()


MOVES = (va.Affine(rotate=(-30, 30), shear=(-10, 10)), va.Perspective(0.2))


class TestLaunches:
    def test_a_view_is_none_and_a_product_is_one(self):
        with Launches() as counted:
            (torch.ones(2, 3).t()[0] * 2).add_(1)
        assert counted.calls == {"aten.ones.default": 1, "aten.mul.Tensor": 1, "aten.add_.Tensor": 1}

    def test_an_affine_map_and_a_perspective(self):
        assert launches(*MOVES) <= 42

    def test_with_a_jitter_in_one_order(self):
        parts = (va.Brightness((0.6, 1.4)), va.Contrast((0.6, 1.4)), va.Saturation((0.6, 1.4)))
        assert launches(*MOVES, *parts) <= 55
        assert launches(*MOVES, *parts, va.Hue(0.1)) <= 85

    def test_a_jitter_in_an_order_of_each_sample_is_bounded_by_the_orders(self):
        # Four places with four operations each, of which hue takes most.
        assert launches(*MOVES, va.ColorJitter(0.4, 0.4, 0.4, 0.1), batch=64) <= 260

    @pytest.mark.parametrize("steps", [MOVES, (va.ColorJitter(0.4, 0.4, 0.4, 0.1),)], ids=["moves", "jitter"])
    def test_do_not_grow_with_the_batch(self, steps):
        assert launches(*steps, batch=64) == launches(*steps, batch=256)
