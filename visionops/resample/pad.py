"""Padding: the image with pixels around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_border, flatten, is_whole, unflatten
from visionops.errors import refuse
from visionops.kernels import resample
from visionops.module import as_module

from .warping import Fill, check_pixels, per_channel


def pad(
    image: Shaped[Tensor, "*batch c h w"],
    padding: int | Sequence[int],
    *,
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image with pixels added around it, of any dtype, its own unchanged.

    Args:
        image: of any dtype.
        padding: pixels on every side, (horizontal, vertical), or (left, top, right, bottom); at least 0, and more than
            the image has in any border.
        border: "constant" adds fill; "reflect" (without repeating the edge), "replicate" or "circular" continue the
            image.
        fill: a number, or one for each channel, in the units of the image.

    Raises:
        ValueError: for padding that is negative or not whole, or a fill for other channels.

    Gradient: to the image.
    Source: OpenCV copyMakeBorder, numpy.pad.

    >>> pad(torch.tensor([[[1, 2, 3]]]), (2, 0), border="reflect").tolist()
    [[[3, 2, 1, 2, 3, 2, 1]]]
    """
    check_pixels("pad", image, moved=True)
    check_border("pad", border)
    left, top, right, bottom = sides_of("pad", padding)
    if border == "constant":
        return surround("pad", image, (left, right, top, bottom), fill)
    h, w = image.shape[-2:]
    rows, columns = (f"{border}:{n}" if n or m else "same" for n, m in ((top, bottom), (left, right)))
    size = (h + top + bottom, w + left + right)
    return unflatten(resample(flatten(image), size, rows, columns), image.shape[:-3])


def surround(function: str, image: Tensor, sides: tuple[int, int, int, int], fill: Fill) -> Tensor:
    """Returns the image between (left, right, top, bottom) pixels of the fill."""
    channels = image.shape[-3]
    colour = per_channel(function, fill, channels)
    if not isinstance(colour, list):
        return torch.nn.functional.pad(image, sides, value=colour)
    planes = zip(image.split(1, -3), colour, strict=True)
    return torch.cat([torch.nn.functional.pad(plane, sides, value=value) for plane, value in planes], -3)


def sides_of(function: str, padding: int | Sequence[int]) -> tuple[int, ...]:
    """Returns (left, top, right, bottom)."""
    sides = tuple(padding) if isinstance(padding, Sequence) else (padding,) * 4
    sides = sides * 2 if len(sides) == 2 else sides
    if len(sides) != 4 or not all(is_whole(n) and n >= 0 for n in sides):
        raise refuse(function, "padding", "whole pixels: one, (x, y) or (left, top, right, bottom)", padding)
    return sides


Pad = as_module(pad)
