"""How much of each image file a warp needs: what part, and at what scale. The rest is not decoded.

A warp that minifies averages its source over areas of a power of two first (`motion.levels`). A JPEG's decoder gives
the same reduction up to 8 by leaving out frequencies, for less work than decoding. So the decoder takes as many of
the levels as both axes have, the warp's prefilter keeps the rest, and the reduction becomes part of the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import matrix as mat
from .matrix import Matrix
from .motion import Motion

if TYPE_CHECKING:
    from .opened import Opened

# The decoder reduces by 2 ** 3 at most.
MAX_LEVEL = 3
# Taps around a position reach one pixel to the left and two to the right (bicubic); the outermost column of a crop is
# not exact, and positions are rounded.
BEFORE, AFTER = 2, 4


class Where(NamedTuple):
    """What a warp samples at, in pixels of the images beside it.

    Attributes:
        matrix: (b or 1, 3, 3) from the output, or None.
        dense: (b or 1, h, w, 2), or None.
        levels: (b, 2), or None.
    """

    matrix: Any
    dense: Tensor | None
    levels: np.ndarray | None


def reads_files(images: Any) -> bool:
    """Returns whether any of the images is an encoded file."""
    return not isinstance(images, Tensor) and not all(isinstance(one, Tensor) for one in images)


def decoded(images: Any) -> Any:
    """Returns the images, encoded files among them decoded whole."""
    return [one if isinstance(one, Tensor) else one.whole() for one in images] if reads_files(images) else images


def limits_of(motion: Motion) -> np.ndarray | None:
    """Returns the rectangle (b or 1, 4) in pixel centres that a warp can read because of its first step, as a crop."""
    leg = motion.legs[0]
    for domain in leg.domains:
        known = motion.is_matrix and not any(isinstance(v, Tensor) for v in domain.rectangle)
        if known and domain.matrix is leg.matrix:
            return np.stack(np.broadcast_arrays(*map(np.atleast_1d, domain.rectangle)), -1) - 0.5
    return None


def read_for_warp(
    images: Any, where: Where, size: tuple[int, int], limits: np.ndarray | None, *, border: str
) -> tuple[list[Tensor], Where]:
    """Returns the pixels that a warp reads, and where it samples them.

    Args:
        images: encoded files, and tensors among them.
        where: in pixels of the whole images.
        size: of the output.
        limits: from `limits_of`.
        border: "replicate" reads nothing beyond the output's own bounding box; any other decodes whole images.
    """
    b = len(images)
    everything = (np.full((b, 2), -np.inf), np.full((b, 2), np.inf))
    low, high = _bounds(where, size, b) if border == "replicate" else everything
    if limits is not None:
        low, high = np.maximum(low, limits[:, :2]), np.minimum(high, limits[:, 2:])
    levels = np.zeros((b, 2), np.int32) if where.levels is None else where.levels.copy()
    corners = np.stack(np.broadcast_arrays(low, high), 1).tolist()
    pixels: list[Tensor] = []
    folds: list[Matrix] = []
    for i, one in enumerate(images):
        if not isinstance(one, Tensor):
            if one.swaps:
                levels[i] = levels[i, ::-1]
            level = _level(levels[i], one.stored) if border == "replicate" else 0
            levels[i] -= level
            one, fold = one.part(level, _box(one, corners[i], level, levels[i].tolist()))
        else:
            fold = mat.IDENTITY
        pixels.append(one)
        folds.append(fold)
    left = levels if levels.any() else None
    return pixels, Where(*_folded(np.array(folds).reshape(-1, 2, 3), where.matrix, where.dense), left)


def _level(levels: np.ndarray, size: tuple[int, int]) -> int:
    """Returns how many levels the decoder takes: those of both axes, as long as a pixel is left."""
    return min(int(levels.min()), MAX_LEVEL, min(size).bit_length() - 1)


def _bounds(where: Where, size: tuple[int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least and the largest (x, y) (b, 2) that each output samples at; infinite where a horizon shows."""
    if where.dense is not None:
        at = where.dense.detach().double().cpu().flatten(1, 2).numpy()
        known = np.isfinite(at).all(2, keepdims=True)
        low, high = np.where(known, at, np.inf).min(1), np.where(known, at, -np.inf).max(1)
    else:
        m = where.matrix.detach().double().cpu().numpy() if isinstance(where.matrix, Tensor) else where.matrix
        h, w = size
        corners = np.array([(0, w - 1, 0, w - 1), (0, 0, h - 1, h - 1), (1, 1, 1, 1)], np.float64)
        x, y, z = (m @ corners).transpose(1, 0, 2)
        seen = (z * z[:, :1] > 0).all(1, keepdims=True)
        z = np.where(seen, z, 1)
        at = np.stack([x / z, y / z], 1)
        low, high = np.where(seen, at.min(2), -np.inf), np.where(seen, at.max(2), np.inf)
    return np.broadcast_to(low, (count, 2)), np.broadcast_to(high, (count, 2))


def _box(
    one: Opened, between: Sequence[Sequence[float]], level: int, rest: Sequence[int]
) -> tuple[int, int, int, int]:
    """Returns the (left, top, right, bottom) of the reduced image that taps between two positions read.

    Args:
        between: the least (x, y) and the largest, in the upright image.
        rest: levels (along y, along x) that the warp's prefilter still reduces by: its blocks are read whole.
    """
    _, h, w = one.shape
    # What is sampled outside the image is its edge.
    corners = [mat.apply(one.turn, min(max(x, 0), w - 1), min(max(y, 0), h - 1)) for x, y in between]
    begins, ends = [], []
    for axis in (0, 1):
        nearest, farthest = sorted(corner[axis] for corner in corners)
        side, block = -(-one.stored[1 - axis] >> level), 1 << rest[1 - axis]
        unit = block << level
        begins.append(max(math.floor((nearest + 0.5) / unit - 0.5) - BEFORE, 0) * block)
        ends.append(min((math.floor((farthest + 0.5) / unit - 0.5) + AFTER) * block, side))
    return begins[0], begins[1], ends[0], ends[1]


def _folded(folds: np.ndarray, matrix: Any, dense: Tensor | None) -> tuple[Any, Tensor | None]:
    """Returns positions in the whole images, (b or 1, ...), as positions in pixels behind `folds` (b, 2, 3)."""
    if dense is not None:
        by = torch.from_numpy(folds).to(dense)[:, None, None]
        return None, (dense[..., None, :] * by[..., :2]).sum(-1) + by[..., 2]
    whole = np.concatenate([folds, np.broadcast_to((0.0, 0.0, 1.0), (len(folds), 1, 3))], 1)
    if isinstance(matrix, Tensor):
        return mat.product(torch.from_numpy(whole).to(matrix), matrix), None
    return whole @ matrix, None
