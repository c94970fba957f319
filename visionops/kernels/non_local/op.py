"""`non_local`: averages of pixels whose surroundings look alike, compiled where they may be."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition


def non_local(
    image: Shaped[Tensor, "b c h w"],
    rate: Float[Tensor, "#b"],
    floor: Float[Tensor, "#b"],
    *,
    patch: int,
    search: int,
    border: str = "reflect",
) -> Shaped[Tensor, "b c h w"]:
    """Returns averages over a square about each pixel, by weights exp(rate * max(distance - floor, 0)).

    Args:
        image: floating, or uint8 (rounded). The distance of two pixels is the mean squared difference of the patches
            about them, in squares of [0, 1] also for uint8.
        rate: less than 0, of the images as they are computed with: `to_unit`.
        floor: likewise; at least 0.
        patch: radius of the patches.
        search: radius of the square.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant" (0).

    Gradient: to all tensors. float16 and bfloat16 compute in float32.
    """
    if image.numel() == 0:
        return image.clone()
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image, rate, floor):
        return cpu.average(image, rate, floor, patch, search, border)
    x = to_unit(image)
    compiled = x.dtype == torch.float32 and native.may_be_recorded(image, rate, floor)
    run = _average if compiled else _define
    return from_unit(run(x, rate, floor, patch, search, border), image.dtype)


def _define(image: Tensor, rate: Tensor, floor: Tensor, patch: int, search: int, border: str) -> Tensor:
    return definition.non_local(image, rate, floor, patch=patch, search=search, border=border)


_average = primitive(
    "non_local",
    tensors="Tensor image, Tensor rate, Tensor floor",
    static="int patch, int search, str border",
    forward=cpu.average,
    adjoint=cpu.adjoint,
    define=_define,
)
