"""Resampling as C++ runs it: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

from .tables import table

Band = tuple[np.ndarray, np.ndarray]


def resample(image: Tensor, kind_y: str, kind_x: str, size: Sequence[int]) -> Tensor:
    """Returns the images (b, c, h, w), float32 or uint8, resampled."""
    h, w = image.shape[2:]
    return _run(image, band(kind_y, h, size[0]), band(kind_x, w, size[1]))


def adjoint(grad: Tensor, kind_y: str, kind_x: str, shape: Sequence[int]) -> Tensor:
    """Returns the gradient by images of the shape: a resampling too, with the tables transposed."""
    h, w = grad.shape[2:]
    return _run(grad, transposed(kind_y, shape[2], h), transposed(kind_x, shape[3], w))


def _run(image: Tensor, rows: Band, columns: Band) -> Tensor:
    out = torch.empty((*image.shape[:2], len(rows[0]), len(columns[0])), dtype=image.dtype, device="cpu")
    native.module.resample(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], *rows, *columns,
        native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


@lru_cache(256)
def band(kind: str, source: int, size: int) -> Band:
    """Returns where each output pixel's taps start (n) and the weights of neighbours from there on (n, k)."""
    index, weight = (t.numpy() for t in table(kind, source, size))
    row = np.broadcast_to(np.arange(size)[:, None], index.shape)
    return _band(row[weight != 0], index[weight != 0], weight[weight != 0], size, source)


@lru_cache(256)
def transposed(kind: str, source: int, size: int) -> Band:
    """Returns the same of the transposed table: the outputs that read each source pixel."""
    index, weight = (t.numpy() for t in table(kind, source, size))
    row = np.broadcast_to(np.arange(size)[:, None], index.shape)
    return _band(index[weight != 0], row[weight != 0], weight[weight != 0], source, size)


def _band(row: np.ndarray, column: np.ndarray, weight: np.ndarray, rows: int, columns: int) -> Band:
    first, last = np.full(rows, columns), np.full(rows, -1)
    np.minimum.at(first, row, column)
    np.maximum.at(last, row, column)
    taps = max(int((last - first).max()) + 1, 1)
    first = np.minimum(first, columns - taps)
    weights = np.zeros((rows, taps))
    np.add.at(weights, (row, column - first[row]), weight)
    return first.astype(np.int32), weights.astype(np.float32)
