"""Uniforms as a pure function of (seed, epoch, index, view, step), by Philox4x64-10.

They do not depend on batch size, worker, device or dtype. Key: (seed, epoch). Counter: (block, step, index, view).

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

WORD = 2**64


def uniforms(seed: int, epoch: int, index: np.ndarray, view: int, counts: np.ndarray) -> np.ndarray:
    """Returns (sum(counts), b) uniforms in [0, 1): for each step s, counts[s] for each sample of `index` (b,)."""
    if native.active():
        return native.module.philox_uniform(seed % WORD, epoch % WORD, view % WORD, index, counts)
    out = np.empty((int(counts.sum()), len(index)))
    key = np.array([seed % WORD, epoch % WORD], np.uint64)
    for column, i in enumerate(index.tolist()):
        row = 0
        for step, n in enumerate(counts.tolist()):
            counter = np.array([0, step, i % WORD, view % WORD], np.uint64)
            out[row : row + n, column] = np.random.Generator(np.random.Philox(counter=counter, key=key)).random(n)
            row += n
    return out


def drawn_inside(index: Tensor, epoch: Tensor | int, seed: int, view: int, counts: Sequence[int]) -> Tensor:
    """Returns `uniforms` as a tensor, by an operation that `torch.compile` runs anew in every call.

    What changes from call to call is in tensors: an int would be compiled in.
    """
    if not isinstance(epoch, Tensor):
        epoch = torch.full((), epoch, dtype=torch.int64)
    return torch.ops.visionops.uniforms(index, epoch, _signed(seed), _signed(view), list(counts))


def _signed(word: int) -> int:
    """Returns an int of any size as one of 64 bits that stands for the same key."""
    return (word + WORD // 2) % WORD - WORD // 2


@torch.library.custom_op(
    "visionops::uniforms",
    mutates_args=(),
    schema="(Tensor index, Tensor epoch, SymInt seed, SymInt view, int[] counts) -> Tensor",
)
def _uniforms(index: Tensor, epoch: Tensor, seed: int, view: int, counts: list[int]) -> Tensor:
    table = uniforms(seed, int(epoch), index.cpu().numpy(), view, np.array(counts, np.int32))
    return torch.from_numpy(table).to(index.device)


@_uniforms.register_fake
def _uniforms_shape(index: Tensor, epoch: Tensor, seed: int, view: int, counts: list[int]) -> Tensor:
    return index.new_empty(sum(counts), index.shape[0], dtype=torch.float64)


def fresh_index(batch: int) -> np.ndarray:
    """Returns indices (b,) drawn from torch's generator, which a DataLoader seeds differently in each worker."""
    return torch.empty(batch, dtype=torch.int64).random_(2**62).numpy()
