"""Ranks as C++ runs them, and the gradient of a choice: tensors in and out, no autograd."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native


def rank(image: Tensor, k: int, size: tuple[int, int], border: str, fill: float) -> Tensor:
    """Returns the k-th smallest value of each window of images (b, c, h, w), uint8 or float32."""
    out = torch.empty(image.shape, dtype=image.dtype, device="cpu")
    native.module.rank_windows(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], k, *size, native.BORDERS[border],
        fill, native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def choice_adjoint(
    grad: Tensor, image: Tensor, result: Tensor, offsets: Sequence[tuple[int, int]], border: str, fill: float
) -> Tensor:
    """Returns the gradient of `result`, which has at each pixel the value at one of the offsets from it, the first."""
    out = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    table = np.asarray(offsets, np.int32).reshape(-1, 2)
    native.module.choose_adjoint(
        native.describe(grad), native.describe(image), native.describe(result), image.shape[1], table,
        native.BORDERS[border], fill, native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


@functools.lru_cache
def window(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Returns the offsets of a window, in reading order."""
    return [(y - size[0] // 2, x - size[1] // 2) for y in range(size[0]) for x in range(size[1])]
