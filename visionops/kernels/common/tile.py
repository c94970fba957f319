"""What the Triton twins share: the tile of the output that one program makes, and small functions on its pixels.

A tile is flat: TILE_X * TILE_Y pixels, u their columns and v their rows. Importing this imports Triton.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

# Pixels of a tile. 32 columns of float32 are a cache line; 224 is a multiple of both.
TILE_X, TILE_Y = 32, 16
# Contracted products would round a position or a colour in another place than the definition does.
OPTIONS: dict[str, Any] = {"TILE_X": TILE_X, "TILE_Y": TILE_Y, "enable_fp_fusion": False}
# Adding and subtracting it rounds a float32 in [0, 2^22) to an integer, halves to even.
ROUNDER = tl.constexpr(12582912.0)


def tiles_of(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the number of tiles along x, and of all, that cover (height, width)."""
    across = triton.cdiv(size[1], TILE_X)
    return across, across * triton.cdiv(size[0], TILE_Y)


def is_wide(*tensors: Tensor | None) -> bool:
    """Returns whether an offset inside one sample can pass 2^31 elements."""
    return any(t is not None and _span(t) >= 2**31 for t in tensors)


def _span(t: Tensor) -> int:
    return sum((n - 1) * abs(step) for n, step in zip(t.shape[1:], t.stride()[1:], strict=True))


def step_of(rows: Tensor | None, size: int) -> int:
    """Returns how many elements lie between the rows of two samples: 0 where all share one."""
    return 0 if rows is None or rows.shape[0] == 1 else size


def summed(parts: Tensor, shared: bool) -> Tensor:
    """Returns sums over tiles of (b, tiles, n), as (b, n), or (1, n) where samples share what they belong to."""
    return parts.sum((0, 1)).unsqueeze(0) if shared else parts.sum(1)


@triton.jit
def place(tiles_x, tiles, h, w, WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr):
    """Returns the sample (int64), the tile's number in it, columns, rows, and which pixels lie inside (h, w)."""
    program = tl.program_id(0)
    sample = program // tiles
    tile = program % tiles
    i = tl.arange(0, TILE_X * TILE_Y)
    u = tile % tiles_x * TILE_X + i % TILE_X
    v = tile // tiles_x * TILE_Y + i // TILE_X
    mask = (u < w) & (v < h)
    if WIDE:
        u = u.to(tl.int64)
        v = v.to(tl.int64)
    return sample.to(tl.int64), tile, u, v, mask


@triton.jit
def fold(i, n, BORDER: tl.constexpr):
    """Returns tap indices brought into [0, n), as the definition does ("constant" clamps)."""
    if BORDER == "circular":
        i = i % n  # of the sign of i
        i = tl.where(i < 0, i + n, i)
    if BORDER == "reflect":
        period = tl.maximum(2 * n - 2, 1)
        i = tl.abs(i) % period
        i = tl.minimum(i, period - i)
    return tl.minimum(tl.maximum(i, 0), n - 1)


@triton.jit
def clamp(x, low, high):
    """Returns x between the bounds; NaN stays."""
    x = tl.maximum(x, low, propagate_nan=tl.PropagateNan.ALL)
    return tl.minimum(x, high, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def divide(x, y):
    """Returns the quotient, rounded right in both precisions."""
    if x.dtype == tl.float64:
        z = x / y
    else:
        z = tl.math.div_rn(x, y)
    return z


@triton.jit
def is_finite(x):
    return x - x == 0


@triton.jit
def total(x, mask):
    """Returns the sum over the pixels that count."""
    return tl.sum(tl.where(mask, x, 0.0), 0)


@triton.jit
def put(pointer, x, mask):
    """Stores float32 colours in the pointer's dtype; uint8 takes 0 to 255, rounds and saturates."""
    if pointer.dtype.element_ty == tl.uint8:
        x = (clamp(x, 0.0, 255.0) + ROUNDER) - ROUNDER
    tl.store(pointer, x.to(pointer.dtype.element_ty), mask)
