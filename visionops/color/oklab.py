"""Oklab of sRGB.

(L, a, b) = N cbrt(M linear)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion, Levels
from visionops.module import as_module

from ._apply import apply
from .matrices import inverse_numbers, numbers

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_BYTES = Levels((255.0, 255.0, 255.0), (0.0, 128.0, 128.0))
_TO = Conversion("oklab", numbers(_CONES) + numbers(_OKLAB), target=_BYTES)
_FROM = Conversion("from_oklab", inverse_numbers(_OKLAB) + inverse_numbers(_CONES), source=_BYTES)


def rgb_to_oklab(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns perceived lightness L in [0, 1], and a (green to red) and b (blue to yellow), within 0.33 of 0.

    Args:
        image: sRGB, floating in [0, 1], or uint8: the result is then 255 L, 255 a + 128, 255 b + 128.

    Gradient: to the image. It grows without bound towards black, as the cube root's slope, and is 0 at black itself.
    Source: Ottosson, "A perceptual color space for image processing", 2020 (matrices of 2021-01-25).

    >>> import torch
    >>> rgb_to_oklab(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([0.6280, 0.2249, 0.1258])
    """
    return apply("rgb_to_oklab", image, _TO)


def oklab_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns sRGB values, not clipped: outside [0, 1] where sRGB has no such colour.

    Args:
        image: L, a, b; uint8: 255 L, 255 a + 128, 255 b + 128.

    Gradient: to the image, everywhere.
    Source: Ottosson, "A perceptual color space for image processing", 2020.

    >>> import torch
    >>> oklab_to_rgb(torch.tensor([0.5, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([0.3886, 0.3886, 0.3886])
    """
    return apply("oklab_to_rgb", image, _FROM)


RgbToOklab = as_module(rgb_to_oklab)
OklabToRgb = as_module(oklab_to_rgb)
