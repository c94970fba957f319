"""Uniforms as a pure function of (seed, epoch, index, view, step), by Philox4x64-10.

They do not depend on batch size, worker, device or dtype. Key: (seed, epoch). Counter: (block, step, index, view).

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import numpy as np
import torch

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


def fresh_index(batch: int) -> np.ndarray:
    """Returns indices (b,) drawn from torch's generator, which a DataLoader seeds differently in each worker."""
    return torch.empty(batch, dtype=torch.int64).random_(2**62).numpy()
