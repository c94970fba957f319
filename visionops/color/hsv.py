"""Hue, saturation and value.

V = max, S = (max - min) / V, H = the sextant of the largest channel / 6, with R = 0, G = 1/3, B = 2/3
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion
from visionops.module import as_module

from ._apply import apply


def rgb_to_hsv(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns hue in turns, in [0, 1), saturation and value in [0, 1].

    The hue of a grey is 0, so is the saturation of black. OpenCV's float hue is in degrees, 360 times this. uint8
    writes 255 times each value; OpenCV's 8-bit hue is in half degrees, 0 to 179, or 256ths of a turn (_FULL).

    Args:
        image: floating in [0, 1], or uint8.

    Gradient: to the image. Channels that are equal share what the largest and the smallest get. A grey's hue gets
    none, nor black's saturation; beside them the gradients grow as 1 / chroma and 1 / value.
    Source: Smith, "Color gamut transform pairs", 1978.

    >>> import torch
    >>> rgb_to_hsv(torch.tensor([0.2, 0.8, 0.8]).reshape(3, 1, 1)).flatten()
    tensor([0.5000, 0.7500, 0.8000])
    """
    return apply("rgb_to_hsv", image, Conversion("hsv"))


def hsv_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue in [0, 1] of hue in turns, saturation and value.

    Args:
        image: floating; any real number is a hue, of period 1. uint8: 255 times each value.

    Gradient: to the image; where a channel turns a corner, at multiples of 1/6, one of the two sides' or half of it.
    Source: Smith, "Color gamut transform pairs", 1978.

    >>> import torch
    >>> hsv_to_rgb(torch.tensor([0.5, 0.75, 0.8]).reshape(3, 1, 1)).flatten()
    tensor([0.2000, 0.8000, 0.8000])
    """
    return apply("hsv_to_rgb", image, Conversion("from_hsv"))


RgbToHsv = as_module(rgb_to_hsv)
HsvToRgb = as_module(hsv_to_rgb)
