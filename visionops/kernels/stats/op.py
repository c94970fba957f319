"""Counts of levels, tables that are looked up, and running sums: by C++ where it may, by the definition elsewhere."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from visionops.kernels import native

from . import autograd, cpu, definition


def level_counts(image: Shaped[Tensor, "b c h w"], grid: tuple[int, int] = (1, 1)) -> Int[Tensor, "b c gy gx 256"]:
    """Returns how many pixels of each tile have each of 256 levels, int32; a float's level is rint(255 x).

    Args:
        image: uint8 or floating, of at least one pixel.
        grid: (rows, columns) of tiles. Tiles that reach beyond the image count its reflection.

    Gradient: none.
    """
    image = _computed(image.detach())
    if _is_compiled(image):
        run = cpu.level_counts if native.may_run(image) else autograd.level_counts
        return run(image, *grid)
    return definition.level_counts(image, grid)


def extremes(image: Shaped[Tensor, "b c h w"]) -> tuple[Shaped[Tensor, "b c"], Shaped[Tensor, "b c"]]:
    """Returns the least and the greatest value of each channel, of at least one pixel; NaN where one is.

    Gradient: to the image, shared among equal pixels.
    """
    if image.dtype == torch.float32 and image.numel() and native.may_run(image):
        found = torch.empty(*image.shape[:2], 2, dtype=torch.float32, device="cpu")
        native.module.extremes(native.describe(image), image.shape[1], found.data_ptr(), torch.get_num_threads())
        return found[..., 0], found[..., 1]
    return image.amin((2, 3)), image.amax((2, 3))


def stretch(image: Float[Tensor, "b c h w"], low: float, high: float) -> Float[Tensor, "b c h w"]:
    """Returns each channel of at least one pixel stretched from its extremes to `low` and `high`; a flat one is `low`.

    Gradient: to the image, also through both extremes, among whose equal pixels it is shared.
    """
    if image.dtype == torch.float32 and _is_compiled(image):
        run = cpu.stretch if native.may_run(image) else autograd.stretch
        return run(image, low, high)
    return definition.stretch(image, low, high)


def look_up(
    image: Float[Tensor, "b c h w"], tables: Float[Tensor, "#b #c gy gx k"], tile: tuple[int, int] = (0, 0)
) -> Float[Tensor, "b c h w"]:
    """Returns colours in [0, 1] read from tables of at least two entries evenly spaced in it, linearly between them.

    Args:
        image: floating; clamped to [0, 1].
        tables: for each sample and channel or for all, one, or a grid of them for tiles of the image.
        tile: (height, width) of those. A pixel reads the four tables of the nearest centres, bilinearly.

    Gradient: to the image, at an entry that of the segment after it; to the tables. Halves compute in float32.
    """
    given = _computed(image)
    tables = tables.to(given.dtype)
    if _is_compiled(given, tables):
        run = cpu.look_up if native.may_run(given, tables) else autograd.look_up
        result = run(given, tables, *tile)
    else:
        result = definition.look_up(given, tables, tile)
    return result.to(image.dtype)


def look_up_levels(
    image: UInt8[Tensor, "b c h w"], tables: UInt8[Tensor, "#b #c 256"]
) -> UInt8[Tensor, "b c h w"]:
    """Returns each level's entry; the tables are for each sample and channel, or for all. No gradient."""
    if _is_compiled(image, tables):
        run = cpu.look_up_levels if native.may_run(image, tables) else autograd.look_up_levels
        return run(image, tables)
    return definition.look_up_levels(image, tables)


def equalize_levels(
    image: UInt8[Tensor, "b c h w"], limits: Int[Tensor, "#b"] | None = None, grid: tuple[int, int] = (1, 1)
) -> UInt8[Tensor, "b c h w"]:
    """Returns the image with its levels spread evenly, by channel. No gradient.

    Args:
        image: of at least one pixel.
        limits: int64, above 0: within tiles, each level being counted no more often than this. None: as a whole.
        grid: (rows, columns) of tiles.
    """
    if _is_compiled(image):
        run = cpu.equalize_levels if native.may_run(image) else autograd.equalize_levels
        return run(image, limits, *grid)
    return definition.equalize_levels(image, limits, grid)


def look_up3d(
    image: Float[Tensor, "b 3 h w"], table: Float[Tensor, "#b c n n n"], tetrahedral: bool
) -> Float[Tensor, "b c h w"]:
    """Returns colours in [0, 1] read from a table over red, green and blue; see the definition.

    Gradient: to the image and to the table. Halves compute in float32.
    """
    given = _computed(image)
    table = table.to(given.dtype)
    if _is_compiled(given, table) and table.shape[1] <= 4:
        run = cpu.look_up3d if native.may_run(given, table) else autograd.look_up3d
        result = run(given, table, tetrahedral)
    else:
        result = definition.look_up3d(given, table, tetrahedral)
    return result.to(image.dtype)


def integral(image: Shaped[Tensor, "b c h w"], dtype: torch.dtype) -> Shaped[Tensor, "b c h+1 w+1"]:
    """Returns the sums over all rows above and all columns to the left, rounded once from double to the dtype.

    Args:
        image: uint8 for an integer dtype, or floating.
        dtype: of the result.

    Gradient: to the image.
    """
    given = image if image.dtype == torch.uint8 else _computed(image)
    if (given.dtype, dtype) in cpu.SUMS and _is_compiled(given):
        if native.may_run(given):
            return cpu.integral(given, dtype)
        if dtype != torch.float64:  # the adjoint's result has its argument's dtype
            return autograd.integral(given, dtype)
    return definition.integral(given, dtype)


def _computed(image: Tensor) -> Tensor:
    """Returns halves as float32, others as they are."""
    return image.float() if image.dtype in (torch.float16, torch.bfloat16) else image


def _is_compiled(image: Tensor, *others: Tensor) -> bool:
    return image.dtype in native.SWEEP_DTYPES and image.numel() > 0 and native.may_be_recorded(image, *others)
