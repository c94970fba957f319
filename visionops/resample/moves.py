"""Rotation, translation, scale and shear about a centre.

out(c + A (p - c) + t) = image(p)
A = [cos a, sin a; -sin a, cos a], [sx, 0; 0, sy] or [1, tan x; tan y, 1]: y points down, so that positive angles turn
counter-clockwise on the screen.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import per_sample
from visionops.module import as_module

from .warping import Fill, affine, axes, check_warp, invert_affine, like_positions, sample

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Border = Literal["constant", "reflect", "replicate", "circular"]
Pair = float | Float[Tensor, "*batch"] | Float[Tensor, "*batch 2"] | tuple[Any, Any]


def rotate(
    image: Shaped[Tensor, "*batch c h w"],
    angle: float | Float[Tensor, "*batch"],
    *,
    center: Pair | None = None,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image turned about a centre, at its own size.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        angle: degrees, counter-clockwise on the screen; a number, or one for each sample.
        center: (x, y) in pixels, whose centres are at integers; None takes ((w - 1) / 2, (h - 1) / 2).
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for an angle or a centre that is neither one nor one for each sample.

    Gradient: to the image, the angle and the centre. Multiples of 90 degrees move whole pixels exactly.
    Source: OpenCV getRotationMatrix2D.

    >>> rotate(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 90.0)[0].tolist()
    [[2.0, 4.0], [1.0, 3.0]]
    """
    check_warp("rotate", image, interpolation, border)
    c, s = _turn(per_sample("rotate", "angle", angle, image), image)
    return _move("rotate", image, (c, s, -s, c), center, interpolation, border, fill)


def translate(
    image: Shaped[Tensor, "*batch c h w"],
    translation: Pair,
    *,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image shifted, at its own size.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        translation: (x, y) in pixels, right and down positive; numbers, (*batch) each, or a tensor (*batch, 2). One
            value goes both ways.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for a translation that is neither one nor one for each sample.

    Gradient: to the image and the translation. Whole pixels are moved exactly.

    >>> translate(torch.tensor([[[1.0, 2.0, 3.0]]]), (1, 0))[0].tolist()
    [[0.0, 1.0, 2.0]]
    """
    check_warp("translate", image, interpolation, border)
    x, y = axes("translate", "translation", translation, image)
    matrix = affine((1.0, 0.0, x, 0.0, 1.0, y), image)
    options = {"interpolation": interpolation, "border": border}
    return sample("translate", image, invert_affine(matrix), image.shape[-2:], fill=fill, **options)  # type: ignore[arg-type]


def scale(
    image: Shaped[Tensor, "*batch c h w"],
    factor: Pair,
    *,
    center: Pair | None = None,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image enlarged or shrunk about a centre, at its own size, without a prefilter.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        factor: above 1 enlarges; one for both axes or (x, y); numbers, (*batch) each, or a tensor (*batch, 2).
        center: (x, y) in pixels, whose centres are at integers; None takes ((w - 1) / 2, (h - 1) / 2).
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for a factor or a centre that is neither one nor one for each sample.

    Gradient: to the image, the factor and the centre. A factor of 0 gives fill.

    >>> scale(torch.tensor([[[0.0, 1.0, 2.0]]]), 2.0)[0].tolist()
    [[0.5, 1.0, 1.5]]
    """
    check_warp("scale", image, interpolation, border)
    x, y = axes("scale", "factor", factor, image)
    return _move("scale", image, (x, 0.0, 0.0, y), center, interpolation, border, fill)


def shear(
    image: Shaped[Tensor, "*batch c h w"],
    angle: Pair,
    *,
    center: Pair | None = None,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image sheared about a centre, at its own size.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        angle: degrees, between -90 and 90. A number or (*batch) is along x: positive turns upright lines
            counter-clockwise, the lower half moves right. (x, y) or a tensor (*batch, 2) is along both: positive y
            moves the right half down.
        center: (x, y) in pixels, whose centres are at integers; None takes ((w - 1) / 2, (h - 1) / 2).
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for angles or a centre that are neither one nor one for each sample.

    Gradient: to the image, the angles and the centre.

    >>> shear(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 45.0, center=(0, 0))[0].tolist()
    [[1.0, 2.0], [0.0, 3.0]]
    """
    check_warp("shear", image, interpolation, border)
    pair = isinstance(angle, list | tuple) or tuple(getattr(angle, "shape", ())) == (*image.shape[:-3], 2)
    x, y = axes("shear", "angle", angle, image) if pair else (per_sample("shear", "angle", angle, image), 0.0)
    return _move("shear", image, (1.0, _tangent(x), _tangent(y), 1.0), center, interpolation, border, fill)


def _move(
    function: str, image: Tensor, linear: tuple[Any, ...], center: Any, interpolation: str, border: str, fill: Fill
) -> Tensor:
    h, w = image.shape[-2:]
    x, y = ((w - 1) / 2, (h - 1) / 2) if center is None else axes(function, "center", center, image)
    a, b, d, e = linear
    matrix = affine((a, b, x - (a * x + b * y), d, e, y - (d * x + e * y)), image)
    options = {"interpolation": interpolation, "border": border}
    return sample(function, image, invert_affine(matrix), (h, w), fill=fill, **options)  # type: ignore[arg-type]


def _turn(degrees: float | Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Returns cosine and sine, exact at multiples of 90 degrees."""
    degrees = like_positions(torch.as_tensor(degrees, device=image.device))
    quarters = (degrees.detach() / 90).round()
    rest = (degrees - 90 * quarters) * (math.pi / 180)
    at = quarters.remainder(4)
    along, across = ((at == k).to(rest.dtype) - (at == k + 2).to(rest.dtype) for k in (0, 1))
    c, s = rest.cos(), rest.sin()
    return along * c - across * s, across * c + along * s


def _tangent(degrees: float | Tensor) -> float | Tensor:
    if not isinstance(degrees, Tensor):
        return math.tan(math.radians(degrees)) if degrees != 45 else 1.0
    return (like_positions(degrees) * (math.pi / 180)).tan()


Rotate = as_module(rotate)
Translate = as_module(translate)
Scale = as_module(scale)
Shear = as_module(shear)
