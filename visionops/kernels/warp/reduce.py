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
    levels: np.ndarray,
    options: dict[str, Any],
) -> Tensor:
    """Returns `definition.warp` of the images reduced by ``2 ** levels`` (along y, along x), sample by sample."""
    if isinstance(levels, Tensor):
        levels = levels.numpy(force=True)
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


def area(image: Tensor, factors: tuple[int, int]) -> Tensor:
    """Returns means over blocks of the factors (along y, along x); a block cut by the edge averages what it has."""
    if factors == (1, 1):
        return image
    return torch.nn.functional.avg_pool2d(image, factors, ceil_mode=True, count_include_pad=False)
