"""CIE L*u*v* of sRGB, white point D65.

u = 13 L (u' - u'n), v = 13 L (v' - v'n), u' = 4 X / (X + 15 Y + 3 Z), v' = 9 Y / (X + 15 Y + 3 Z), L as in Lab
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion, Levels
from visionops.module import as_module

from ._apply import apply
from .matrices import WHITE, XYZ, inverse_numbers, numbers

_TOTAL = float(WHITE @ (1, 15, 3))
_CHROMATICITY = (float(4 * WHITE[0]) / _TOTAL, float(9 * WHITE[1]) / _TOTAL)
_BYTES = Levels((2.55, 255 / 354, 255 / 262), (0.0, 134 * 255 / 354, 140 * 255 / 262))
_TO = Conversion("luv", numbers(XYZ) + _CHROMATICITY, target=_BYTES)
_FROM = Conversion("from_luv", inverse_numbers(XYZ) + _CHROMATICITY, source=_BYTES)


def rgb_to_luv(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns lightness L in [0, 100], and u and v, within -84 to 176 and -135 to 108 for colours of sRGB.

    Args:
        image: sRGB, floating in [0, 1], or uint8: the result is then L 255 / 100, (u + 134) 255 / 354,
            (v + 140) 255 / 262, as OpenCV's.

    Gradient: to the image. Black, and what has no positive X + 15 Y + 3 Z, has u = v = 0 and no gradient from them.
    OpenCV's float32 interpolates in a table and is up to a few units of u and v away.
    Source: CIE 15:2004.

    >>> import torch
    >>> rgb_to_luv(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten().double().round(decimals=2).tolist()
    [53.24, 175.01, 37.75]
    """
    return apply("rgb_to_luv", image, _TO)


def luv_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns sRGB values, not clipped: outside [0, 1] where sRGB has no such colour.

    Args:
        image: L in [0, 100], u, v; uint8: in the levels of `rgb_to_luv`.

    Gradient: to the image; without light (L <= 0) none to u and v. A v' below 0.01, where no visible colour is, counts
    as 0.01.
    Source: CIE 15:2004.

    >>> import torch
    >>> luv_to_rgb(torch.tensor([50.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([0.4663, 0.4663, 0.4663])
    """
    return apply("luv_to_rgb", image, _FROM)


RgbToLuv = as_module(rgb_to_luv)
LuvToRgb = as_module(luv_to_rgb)
