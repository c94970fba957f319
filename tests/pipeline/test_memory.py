"""The memory of batches is used again, but never while anybody can see it."""

from __future__ import annotations

import gc

import numpy as np
import torch

import visionops as vo
import visionops.augment as va
from visionops.pipeline import memory

SHAPE = (8, 3, 256, 256)


class TestEmpty:
    def test_a_block_that_is_held_is_not_given_again(self):
        first = memory.empty(SHAPE, torch.float32).fill_(1)
        for hold in (
            lambda t: t,
            lambda t: t[3],
            lambda t: t.numpy(),
            lambda t: t.detach().view(-1),
            lambda t: memoryview(t.numpy()),
        ):
            held = hold(first)
            other = memory.empty(SHAPE, torch.float32).fill_(2)
            assert other.data_ptr() != first.data_ptr()
            assert float(np.asarray(held).flat[0]) == 1
        view = first[2:].numpy()
        del first, held
        gc.collect()
        memory.empty(SHAPE, torch.float32).fill_(3)
        assert view.flat[0] == 1

    def test_a_block_that_is_free_is(self):
        address = memory.empty(SHAPE, torch.float32).data_ptr()
        gc.collect()
        assert address in {memory.empty(SHAPE, torch.float32).data_ptr() for _ in range(memory.KEPT)}

    def test_shape_and_dtype(self):
        for shape, dtype in ((SHAPE, torch.float32), ((3, 5), torch.uint8), ((0, 3, 4, 4), torch.float32)):
            out = memory.empty(shape, dtype)
            assert tuple(out.shape) == shape and out.dtype == dtype and out.is_contiguous()

    def test_batches_kept_by_the_caller_stay_as_they_were(self):
        pipe = vo.Pipeline(va.RandomCrop((200, 200)), va.GaussianBlur(1.0), va.Normalize(0.5, 0.5))
        photos = [np.full((220, 230, 3), k, np.uint8) for k in range(0, 240, 10)]
        kept = [pipe.collate([photo] * 16)["image"] for photo in photos]
        for k, batch in zip(range(0, 240, 10), kept, strict=True):
            torch.testing.assert_close(batch, torch.full_like(batch, k / 127.5 - 1), atol=1e-5, rtol=0)
