"""Warp by a dense map.

out[v, u] = image(map_xy[v, u])
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.errors import refuse
from visionops.module import as_module

from .warping import Fill, check_warp, of_batch, sample


def remap(
    image: Shaped[Tensor, "*batch c h w"],
    map_xy: Float[Tensor, "*batch oh ow 2"],
    *,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image read at given positions.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        map_xy: where each output pixel reads the image: (x, y) in pixels, whose centres are at integers; for all
            samples or for each.
        interpolation: "bicubic" has a = -0.75, as OpenCV.
        border: what taps outside the image read; with "constant" edges blend with the fill over one pixel.
        fill: a number, or one for each channel, in the units of the image; also what positions get that are not finite.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image (nothing of its size is kept if the map is fixed) and to the map, one-sided at whole
    pixels; with "nearest" none to the map.
    Source: OpenCV remap, which rounds positions to 1/32 pixel in some builds; here they are exact.

    >>> remap(torch.eye(3)[None], torch.tensor([[[0.5, 0.0], [1.0, 1.0], [2.0, 1.25]]]))[0].tolist()
    [[0.5, 1.0, 0.25]]
    """
    check_warp("remap", image, interpolation, border)
    if not isinstance(map_xy, Tensor):
        raise refuse("remap", "map_xy", "a tensor (*batch, h, w, 2)", type(map_xy).__name__)
    places = of_batch("remap", "map_xy", map_xy, image, (None, None, 2))
    if places.dtype in (torch.float16, torch.bfloat16):
        places = places.float()
    size = places.shape[1:3]
    options = {"interpolation": interpolation, "border": border}
    return sample("remap", image, None, size, coordinates=places, fill=fill, **options)  # type: ignore[arg-type]


Remap = as_module(remap)
