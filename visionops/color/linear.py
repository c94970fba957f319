"""The transfer function of sRGB.

linear = x / 12.92 up to x = 0.04045, ((x + 0.055) / 1.055)^2.4 above
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion
from visionops.module import as_module

from ._apply import apply


def rgb_to_linear_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the light that sRGB values stand for, in [0, 1].

    Args:
        image: sRGB, floating in [0, 1], or uint8 (which cannot tell the darkest from black: 0 to 12 become 0 or 1).

    Gradient: to the image. Values below 0 are on the straight part, those above 1 on the power.
    Source: IEC 61966-2-1.

    >>> import torch
    >>> rgb_to_linear_rgb(torch.full((3, 1, 1), 0.5))[0].item().__round__(5)
    0.21404
    """
    return apply("rgb_to_linear_rgb", image, Conversion("decode"))


def linear_rgb_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns sRGB values of light.

    Args:
        image: linear light, floating in [0, 1], or uint8.

    Gradient: to the image, 12.92 at and below 0.
    Source: IEC 61966-2-1.

    >>> import torch
    >>> linear_rgb_to_rgb(torch.full((3, 1, 1), 0.21404))[0].item().__round__(4)
    0.5
    """
    return apply("linear_rgb_to_rgb", image, Conversion("encode"))


RgbToLinearRgb = as_module(rgb_to_linear_rgb)
LinearRgbToRgb = as_module(linear_rgb_to_rgb)
