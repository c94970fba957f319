"""Polar and log-polar warps.

Row v of H is the angle 2 pi v / H, clockwise from the x axis on the screen, whose y points down; column u of W is the
radius r = R u / W, or r = R^(u / W) - 1 with logarithmic scaling.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_choice, per_sample
from visionops.errors import refuse
from visionops.module import as_module

from .warping import Fill, axes, check_size, check_warp, sample


def warp_polar(
    image: Shaped[Tensor, "*batch c h w"],
    size: tuple[int, int],
    *,
    center: tuple[Any, Any] | Float[Tensor, "*batch 2"] | None = None,
    radius: float | Float[Tensor, "*batch"] | None = None,
    scaling: Literal["linear", "log"] = "linear",
    inverse: bool = False,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image with angles along its rows and radii along its columns, or the way back.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        size: (height, width) of the output: angles and radii, or with `inverse` pixels.
        center: (x, y) of the Cartesian image, whose pixel centres are at integers; None takes its middle.
        radius: what the width of the polar image reaches, pixels; None takes the distance from the Cartesian image's
            middle to its corner's pixel.
        scaling: of radii.
        inverse: makes the Cartesian image of a polar one, whose rows close to a circle.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for an unknown scaling or shapes that do not go together.

    Gradient: to the image, the centre and the radius; at the centre itself the way back has a zero one.
    Source: OpenCV warpPolar, which also goes clockwise.

    >>> ring = torch.tensor([[[0.0, 1.0, 0.0], [1.0, 5.0, 1.0], [0.0, 1.0, 0.0]]])
    >>> warp_polar(ring, (4, 2), center=(1, 1), radius=2.0)[0].round(decimals=4).tolist()
    [[5.0, 1.0], [5.0, 1.0], [5.0, 1.0], [5.0, 1.0]]
    """
    check_warp("warp_polar", image, interpolation, border)
    check_choice("warp_polar", "scaling", scaling, ("linear", "log"))
    h, w = check_size("warp_polar", size)
    rows, columns = (h, w) if inverse else tuple(image.shape[-2:])  # of the Cartesian image
    x, y = ((columns - 1) / 2, (rows - 1) / 2) if center is None else axes("warp_polar", "center", center, image)
    radius = math.hypot(columns - 1, rows - 1) / 2 if radius is None else radius
    reach = per_sample("warp_polar", "radius", radius, image)
    if not isinstance(reach, Tensor) and not reach >= 0:
        raise refuse("warp_polar", "radius", "at least 0", radius)
    kind = torch.float64 if image.dtype == torch.float64 else torch.float32
    x, y, reach = (torch.as_tensor(v, dtype=kind, device=image.device).reshape(-1, 1, 1) for v in (x, y, reach))
    u = torch.arange(w, dtype=kind, device=image.device)
    v = torch.arange(h, dtype=kind, device=image.device)[:, None]
    options: dict[str, Any] = {"interpolation": interpolation, "border": border, "fill": fill}
    if not inverse:
        r = reach * (u / w) if scaling == "linear" else torch.expm1(u / w * reach.log())
        angle = v * (2 * math.pi / h)
        places = torch.stack((torch.addcmul(x, r, angle.cos()), torch.addcmul(y, r, angle.sin())), -1)
        return sample("warp_polar", image, None, (h, w), coordinates=places, **options)
    high, wide = image.shape[-2:]
    dx, dy = torch.broadcast_tensors(u - x, v - y)
    # Neither length nor angle has a derivative at the centre.
    middle = (dx == 0) & (dy == 0)
    dx = torch.where(middle, 1.0, dx)
    r = torch.where(middle, 0.0, torch.sqrt(dx * dx + dy * dy))
    angle = torch.where(middle, 0.0, torch.atan2(dy, dx)).remainder(2 * math.pi)
    column = r * wide / reach if scaling == "linear" else torch.log1p(r) * wide / reach.log()
    # Rows close to a circle: so many more that every tap finds its own.
    around = 2 if interpolation == "bicubic" else 1
    index = torch.arange(-around, high + around, device=image.device).remainder(high)
    places = torch.stack([column, angle * (high / (2 * math.pi)) + around], -1)
    return sample("warp_polar", image.index_select(-2, index), None, (h, w), coordinates=places, **options)


WarpPolar = as_module(warp_polar)
