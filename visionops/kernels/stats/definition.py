"""Counts, tables and running sums in plain torch: the meaning of what the kernels of this folder compute.

A level is one of 256: a uint8 value as it is, of a float rint(255 x), x being clamped to [0, 1] and a NaN to 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from visionops.kernels.warp.definition import fold

LEVELS = 256


def levels_of(image: Tensor) -> Tensor:
    """Returns the level of every pixel, int64."""
    if image.dtype == torch.uint8:
        return image.long()
    return (torch.where(image > 0, image, 0).clamp(max=1) * 255).round().long()


def tile_size(h: int, w: int, grid: tuple[int, int]) -> tuple[int, int]:
    """Returns the size of a tile: where the grid does not divide the image, as OpenCV, both axes are extended."""
    rows, columns = grid
    if h % rows == 0 and w % columns == 0:
        return h // rows, w // columns
    return h // rows + 1, w // columns + 1


def level_counts(image: Shaped[Tensor, "b c h w"], grid: tuple[int, int]) -> Int[Tensor, "b c gy gx 256"]:
    """Returns how many pixels of each tile have each level; where tiles reach beyond the image it is reflected."""
    levels = levels_of(image)
    (b, c, h, w), (rows, columns) = image.shape, grid
    tall, wide = tile_size(h, w, grid)
    y, x = (torch.arange(n, device=image.device) for n in (tall * rows, wide * columns))
    if (len(y), len(x)) != (h, w):
        levels = levels.index_select(2, fold(y, h, "reflect")).index_select(3, fold(x, w, "reflect"))
    tile = (y // tall)[:, None] * columns + x // wide
    place = (tile * LEVELS + levels).reshape(b, c, len(y) * len(x))
    zeros = torch.zeros((), dtype=torch.int32, device=image.device).expand(b, c, rows * columns * LEVELS)
    counts = zeros.scatter_add(2, place, torch.ones_like(place, dtype=torch.int32))
    return counts.reshape(b, c, rows, columns, LEVELS)


def equalizing_tables(counts: Int[Tensor, "*n 256"], dtype: torch.dtype) -> Float[Tensor, "*n 256"]:
    """Returns, in [0, 1], how far each level is from the first to the last pixel in rank; of a flat image, itself."""
    ranks = counts.cumsum(-1)
    total = ranks[..., -1:]
    first = torch.where(ranks > 0, ranks, total).amin(-1, keepdim=True)
    span = total - first
    table = (ranks - first).clamp(min=0).to(dtype) / torch.where(span > 0, span, 1)
    same = torch.linspace(0, 1, LEVELS, dtype=dtype, device=counts.device)
    return torch.where(span > 0, table, same)


def clipped_tables(
    counts: Int[Tensor, "b c gy gx 256"], limits: Int[Tensor, "#b"], dtype: torch.dtype
) -> Float[Tensor, "b c gy gx 256"]:
    """Returns the distribution of each tile, in [0, 1], after what exceeds the limit is spread over all levels."""
    limits = limits.to(counts.device)[:, None, None, None, None]
    area = counts.sum(-1, keepdim=True)
    excess = (counts - limits).clamp(min=0).sum(-1, keepdim=True)
    left = excess % LEVELS
    stride = (LEVELS // left.clamp(min=1)).clamp(min=1)
    level = torch.arange(LEVELS, device=counts.device)
    extra = (level % stride == 0) & (level // stride < left)
    spread = counts.minimum(limits) + excess // LEVELS + extra
    return spread.cumsum(-1).to(dtype) / area


def look_up(
    image: Float[Tensor, "b c h w"], tables: Float[Tensor, "#b #c gy gx k"], tile: tuple[int, int]
) -> Float[Tensor, "b c h w"]:
    """Returns colours in [0, 1] read from tables of k entries evenly spaced in it, linearly between entries.

    With more than one table for an image, a pixel reads the four whose tiles have the nearest centres, bilinearly.
    """
    b, c, h, w = image.shape
    rows, columns, k = tables.shape[2:]
    at = image.clamp(0, 1) * (k - 1)
    entry = at.detach().long().clamp(0, k - 2)  # also of a NaN
    part = at - entry
    flat = tables.reshape(*tables.shape[:2], -1).expand(b, c, -1)
    (top, bottom, down), (left, right, across) = (
        _between(n, size, count, image) for n, size, count in ((h, tile[0], rows), (w, tile[1], columns))
    )

    def read(row: Tensor, column: Tensor) -> Tensor:
        place = ((row[:, None] * columns + column) * k + entry).reshape(b, c, h * w)
        low, high = (flat.gather(2, place + i).reshape(b, c, h, w) for i in (0, 1))
        return torch.lerp(low, high, part)

    if rows == columns == 1:
        return read(top, left)
    upper = torch.lerp(read(top, left), read(top, right), across)
    lower = torch.lerp(read(bottom, left), read(bottom, right), across)
    return torch.lerp(upper, lower, down[:, None])


def _between(n: int, size: int, count: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns, of each of n pixels along an axis, the tile before it, the one after, and how near it is to that."""
    at = torch.arange(n, device=like.device, dtype=like.dtype) / size - 0.5
    before = at.floor()
    first, second = before.long().clamp(min=0), (before.long() + 1).clamp(max=count - 1)
    return first, second, at - before


def stretch(image: Float[Tensor, "b c h w"], low: float, high: float) -> Float[Tensor, "b c h w"]:
    """Returns each channel stretched so that its least value is `low` and its greatest `high`; a flat one is `low`."""
    least, greatest = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    span = greatest - least
    scale = torch.where(span > 0, high - low, 0) / torch.where(span > 0, span, 1)
    result = torch.addcmul(low - least * scale, image, scale)
    # What rounds beyond the ends is brought back; its gradient does not hang on that.
    return result + (result.clamp(min(low, high), max(low, high)) - result).detach()


def look_up_levels(
    image: UInt8[Tensor, "b c h w"], tables: UInt8[Tensor, "#b #c 256"]
) -> UInt8[Tensor, "b c h w"]:
    """Returns each level's entry."""
    b, c, h, w = image.shape
    return tables.expand(b, c, LEVELS).gather(2, image.reshape(b, c, h * w).long()).reshape(b, c, h, w)


def equalize_levels(
    image: UInt8[Tensor, "b c h w"], limits: Int[Tensor, "#b"] | None, grid: tuple[int, int]
) -> UInt8[Tensor, "b c h w"]:
    """Returns the image with its levels spread evenly: as a whole, or with limits within tiles, by blended tables."""
    counts = level_counts(image, grid)
    if limits is None:
        tables = equalizing_tables(counts, torch.float64)
    else:
        tables = clipped_tables(counts, limits, torch.float64)
    tables = (tables * 255).round()
    if limits is None:
        return look_up_levels(image, tables[:, :, 0, 0].to(torch.uint8))
    blended = look_up(image.double() / 255, tables, tile_size(image.shape[2], image.shape[3], grid))
    return blended.round().to(torch.uint8)


def integral(image: Shaped[Tensor, "b c h w"], dtype: torch.dtype) -> Shaped[Tensor, "b c h+1 w+1"]:
    """Returns the sums over all rows above and all columns to the left, accumulated in double or in integers."""
    wide = torch.float64 if dtype.is_floating_point else dtype
    sums = image.to(wide).cumsum(2).cumsum(3)
    return torch.nn.functional.pad(sums, (1, 0, 1, 0)).to(dtype)


def look_up3d(
    image: Float[Tensor, "b 3 h w"], table: Float[Tensor, "#b c n n n"], tetrahedral: bool
) -> Float[Tensor, "b c h w"]:
    """Returns colours in [0, 1] read from a table over red, green, blue, between its entries.

    "Tetrahedral" walks from the lower corner of a cell to the upper along its edges, that of the largest fraction
    first: four entries. Of equal fractions red goes before green before blue.
    """
    b, _, h, w = image.shape
    c, n = table.shape[1:3]
    at = image.clamp(0, 1) * (n - 1)
    entry = at.detach().long().clamp(0, n - 2)
    part = at - entry
    strides = torch.tensor([n * n, n, 1], device=image.device)
    base = (entry * strides[:, None, None]).sum(1)
    flat = table.reshape(table.shape[0], c, n**3).expand(b, c, n**3)

    def read(offset: Tensor | int) -> Tensor:
        place = (base + offset).reshape(b, 1, h * w).expand(b, c, h * w)
        return flat.gather(2, place).reshape(b, c, h, w)

    if tetrahedral:
        order = part.detach().argsort(stable=True, dim=1, descending=True)
        large, middle, small = part.gather(1, order).split(1, 1)
        first, last = strides[order[:, 0]], strides[order[:, 2]]
        corner = n * n + n + 1
        return (
            read(0) * (1 - large)
            + read(first) * (large - middle)
            + read(corner - last) * (middle - small)
            + read(corner) * small
        )
    red, green, blue = part.split(1, 1)

    def edge(offset: int) -> Tensor:
        return torch.lerp(read(offset), read(offset + 1), blue)

    low, high = (torch.lerp(edge(r), edge(r + n), green) for r in (0, n * n))
    return torch.lerp(low, high, red)
