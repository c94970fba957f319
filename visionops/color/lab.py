"""CIE L*a*b* of sRGB, white point D65.

L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)), X, Y, Z relative to white,
f(t) = cbrt(t) above (6/29)^3, else (841/108) t + 4/29
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion, Levels
from visionops.module import as_module

from ._apply import apply
from .matrices import WHITE, XYZ, inverse_numbers, numbers

_RELATIVE = XYZ / WHITE[:, None]
# The kernel's f is 0 at black, so L has no -16.
_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_BYTES = Levels((2.55, 1.0, 1.0), (0.0, 128.0, 128.0))
_TO = Conversion("lab", numbers(_RELATIVE) + numbers(_LAB), target=_BYTES)
_FROM = Conversion("from_lab", inverse_numbers(_LAB) + inverse_numbers(_RELATIVE), source=_BYTES)


def rgb_to_lab(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns lightness L in [0, 100], and a and b, within -87 to 99 and -108 to 95 for colours of sRGB.

    Args:
        image: sRGB, floating in [0, 1], or uint8: the result is then L 255 / 100, a + 128, b + 128, as OpenCV's, whose
            tables are up to two levels away in the dark.

    Gradient: to the image; the curve and the transfer function have continuous slopes but for the 1e-8 of sRGB's own.
    OpenCV's float32 interpolates in a table of 33^3 colours and is up to one unit of L, a or b away.
    Source: CIE 15:2004, with the exact 216/24389 and 24389/27 for its threshold and slope.

    >>> import torch
    >>> rgb_to_lab(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([53.2406, 80.0942, 67.2015])
    """
    return apply("rgb_to_lab", image, _TO)


def lab_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns sRGB values, not clipped: outside [0, 1] where sRGB has no such colour.

    Args:
        image: L in [0, 100], a, b; uint8: L 255 / 100, a + 128, b + 128.

    Gradient: to the image, everywhere. OpenCV and scikit-image clip the result.
    Source: CIE 15:2004.

    >>> import torch
    >>> lab_to_rgb(torch.tensor([50.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([0.4663, 0.4663, 0.4663])
    """
    return apply("lab_to_rgb", image, _FROM)


RgbToLab = as_module(rgb_to_lab)
LabToRgb = as_module(lab_to_rgb)
