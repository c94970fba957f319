"""The prefilter of a minifying warp: each source averaged over areas of a power of two before it is sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import definition


def reduce(
    image: Tensor,
    inverse: Tensor | None,
    size: tuple[int, int],
    coordinates: Tensor | None,
    levels: np.ndarray | Tensor,
    options: dict[str, Any],
) -> Tensor:
    """Returns `definition.warp` of the images reduced by ``2 ** levels`` (along y, along x), sample by sample."""
    if isinstance(levels, Tensor):
        return _reduce_unseen(image, inverse, size, coordinates, levels.long(), options)
    kinds = np.unique(levels, axis=0)
    out = None
    for level in kinds:
        chosen = np.flatnonzero((levels == level).all(1))
        everyone = len(chosen) == len(image)
        index = torch.from_numpy(chosen).to(image.device, non_blocking=True)
        mine: dict[str, Any] = {
            key: value if everyone or not isinstance(value, Tensor) or key in ("fill", "fills") or value.shape[0] == 1
            else value[index]
            for key, value in {**options, "inverse": inverse, "coordinates": coordinates}.items()
        }  # fmt: skip
        ky, kx = 2 ** int(level[0]), 2 ** int(level[1])
        part = area(image if everyone else image[index], (ky, kx))
        if mine["inverse"] is not None:
            scale = mine["inverse"].new_tensor([[1 / kx, 0, 0.5 / kx - 0.5], [0, 1 / ky, 0.5 / ky - 0.5], [0, 0, 1]])
            mine["inverse"] = (scale[:, :, None] * mine["inverse"][:, None]).sum(2)
        if mine["coordinates"] is not None:
            factor = mine["coordinates"].new_tensor([kx, ky])
            mine["coordinates"] = (mine["coordinates"] + 0.5) / factor - 0.5
        warped = definition.warp(part, mine.pop("inverse"), size, **mine)
        if everyone:
            return warped
        out = warped.new_empty(len(image), *warped.shape[1:]) if out is None else out
        out = out.index_copy(0, index, warped)
    assert out is not None
    return out


def _reduce_unseen(
    image: Tensor,
    inverse: Tensor | None,
    size: tuple[int, int],
    coordinates: Tensor | None,
    levels: Tensor,
    options: dict[str, Any],
) -> Tensor:
    """Returns the same for levels (b, 2) that the host does not see, at about three times the cost of the image."""
    part, h = _own_level(image, levels[:, 0], 2)
    part, w = _own_level(part, levels[:, 1], 3)
    factor = 2.0 ** levels.flip(1)  # along x, along y
    if inverse is not None:
        k = factor.to(inverse.dtype)[:, :, None]
        last = inverse[:, 2:]
        inverse = torch.cat([(inverse[:, :2] + 0.5 * last) / k - 0.5 * last, last.expand(len(k), 1, 3)], 1)
    if coordinates is not None:
        coordinates = (coordinates + 0.5) / factor.to(coordinates.dtype)[:, None, None] - 0.5
    within = (h[:, None, None], w[:, None, None])
    return definition.warp(part, inverse, size, coordinates=coordinates, within=within, **options)


def _own_level(image: Tensor, levels: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Returns each image's means over ``2 ** level`` pixels along one dimension, in its first part, and how many.

    All levels lie one after another along the dimension, and each image picks its own from where that begins.
    """
    n = image.shape[dim]
    device = image.device
    sums, starts, sizes = [image], [0], [n]
    while sizes[-1] > 1:
        last = sums[-1]
        if sizes[-1] % 2:
            last = torch.cat([last, torch.zeros_like(last.narrow(dim, 0, 1))], dim)
        starts.append(starts[-1] + sizes[-1])
        sizes.append((sizes[-1] + 1) // 2)
        sums.append(last.unflatten(dim, (sizes[-1], 2)).sum(dim + 1))
    levels = levels.clamp(max=len(sizes) - 1)
    start, size = (torch.tensor(v, device=device)[levels] for v in (starts, sizes))
    at = torch.minimum(torch.arange(n, device=device), size[:, None] - 1)
    block = 2 ** levels[:, None]
    count = torch.minimum(n - at * block, block)  # the last block may be cut
    shape = [len(image), 1, 1, 1]
    shape[dim] = n
    pick = (start[:, None] + at).reshape(shape).expand(image.shape)
    return torch.cat(sums, dim).gather(dim, pick) / count.reshape(shape).to(image.dtype), size


def area(image: Tensor, factors: tuple[int, int]) -> Tensor:
    """Returns means over blocks of the factors (along y, along x); a block cut by the edge averages what it has."""
    if factors == (1, 1):
        return image
    return torch.nn.functional.avg_pool2d(image, factors, ceil_mode=True, count_include_pad=False)
