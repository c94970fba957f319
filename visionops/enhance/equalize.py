"""Histogram equalisation: of the whole image, and of its neighbourhoods with limited contrast.

H. Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, is_whole, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import equalize_levels, level_counts, look_up
from visionops.kernels.stats.definition import clipped_tables, equalizing_tables, tile_size
from visionops.module import as_module

from .pointwise import Number, number


def equalize(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel with its colours spread evenly over [0, 1]; a flat one stays.

    Args:
        image: floating in [0, 1], or uint8. Floats are counted in 256 levels, rint(255 x), and mapped by the resulting
            table linearly between levels: images of 8 bits become what uint8 does, finer ones keep their detail.

    Gradient: to the image, by the slope of the table, which itself is piecewise constant in the image.
    Source: OpenCV equalizeHist, whose result uint8 has. Pillow ImageOps.equalize rounds its steps to whole pixels.

    >>> equalize(torch.tensor([[[10, 20, 20, 30]]], dtype=torch.uint8)).flatten().tolist()
    [0, 170, 170, 255]
    """
    check_image("equalize", image)
    if image.numel() == 0:
        return image.clone()
    flat = flatten(image)
    if image.dtype == torch.uint8:
        return unflatten(equalize_levels(flat), image.shape[:-3])
    x = to_unit(flat)
    tables = equalizing_tables(level_counts(x), x.dtype)
    return unflatten(from_unit(look_up(x, tables), image.dtype), image.shape[:-3])


def clahe(
    image: Shaped[Tensor, "*batch c h w"], *, clip_limit: Number = 2.0, grid: int | Sequence[int] = (8, 8)
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel equalised within tiles, blended between their centres, with its contrast limited.

    Args:
        image: floating in [0, 1], or uint8. Floats are counted and mapped as in `equalize`.
        clip_limit: how many times its even share a level may count, which bounds the slope; 0 is no limit. A number,
            or one for each sample, (*batch).
        grid: (rows, columns) of tiles, or one number for both.

    Raises:
        ValueError: for a grid without tiles or a negative limit.

    Gradient: to the image, by the slope of the tables, which themselves are piecewise constant in the image; none to
        the limit, which is rounded to whole pixels.
    Source: Zuiderveld 1994; OpenCV createCLAHE, whose result uint8 has, also in that it extends both axes by
        reflection where the grid does not divide one.

    >>> clahe(torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8), grid=1).flatten()[-1].item()
    255
    """
    check_image("clahe", image)
    tiles = _tiles(grid)
    limit = number("clahe", "clip_limit", clip_limit, image, low=0)
    if image.numel() == 0:
        return image.clone()
    flat = flatten(image)
    tile = tile_size(flat.shape[2], flat.shape[3], tiles)
    limits = _in_pixels(limit, tile[0] * tile[1], flat)
    if image.dtype == torch.uint8:
        return unflatten(equalize_levels(flat, limits, tiles), image.shape[:-3])
    x = to_unit(flat)
    tables = clipped_tables(level_counts(x, tiles), limits, x.dtype)
    return unflatten(from_unit(look_up(x, tables, tile), image.dtype), image.shape[:-3])


def _tiles(grid: int | Sequence[int]) -> tuple[int, int]:
    tiles = tuple(grid) if isinstance(grid, list | tuple) else (grid, grid)
    if len(tiles) != 2 or any(not is_whole(n) or n < 1 for n in tiles):
        raise refuse("clahe", "grid", "positive, one number or (rows, columns)", grid)
    return tiles


def _in_pixels(limit: float | Tensor, area: int, image: Tensor) -> Tensor:
    """Returns how often a level may count in a tile of so many pixels, int64 (b or 1,)."""
    if not isinstance(limit, Tensor):
        pixels = max(int(limit * area / 256), 1) if limit > 0 else area
        return torch.tensor([pixels], device=image.device)
    limit = limit.detach().double()
    return torch.where(limit > 0, (limit * area / 256).long().clamp(min=1), area)


Equalize = as_module(equalize)
Clahe = as_module(clahe)
