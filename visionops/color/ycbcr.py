"""Y'CbCr of JPEG: full range, the luma and chroma of ITU-R BT.601.

Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772 + 1/2, Cr = (R - Y) / 1.402 + 1/2
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion, Levels
from visionops.kernels.pixel.program import LUMA
from visionops.module import as_module

from ._apply import apply
from .matrices import inverse_numbers, numbers

_MATRIX = np.array([LUMA, (np.array([0, 0, 1]) - LUMA) / 1.772, (np.array([1, 0, 0]) - LUMA) / 1.402])
_SHIFT = (0.0, 0.5, 0.5)
# JPEG's grey is 128, half a level above 255 / 2.
_BYTES = Levels((255.0, 255.0, 255.0), (0.0, 0.5, 0.5))
_TO = Conversion("affine", numbers(_MATRIX, _SHIFT), target=_BYTES)
_FROM = Conversion("affine", inverse_numbers(_MATRIX, _SHIFT), source=_BYTES)


def rgb_to_ycbcr(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns luma, blueness and redness, each in [0, 1], chroma 1/2 at grey.

    OpenCV's COLOR_RGB2YCrCb has redness second, and rounds the factors to 0.564 and 0.713.

    Args:
        image: floating in [0, 1], or uint8: then as JPEG and Pillow, with grey at 128.

    Gradient: to the image.
    Source: ITU-T T.871 (JFIF).

    >>> import torch
    >>> rgb_to_ycbcr(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([0.2990, 0.3313, 1.0000])
    """
    return apply("rgb_to_ycbcr", image, _TO)


def ycbcr_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue, not clipped.

    Args:
        image: Y, Cb, Cr as of `rgb_to_ycbcr`, floating or uint8.

    Gradient: to the image.
    Source: ITU-T T.871 (JFIF).

    >>> import torch
    >>> ycbcr_to_rgb(torch.tensor([0.5, 0.5, 0.75]).reshape(3, 1, 1)).flatten()
    tensor([0.8505, 0.3215, 0.5000])
    """
    return apply("ycbcr_to_rgb", image, _FROM)


RgbToYcbcr = as_module(rgb_to_ycbcr)
YcbcrToRgb = as_module(ycbcr_to_rgb)
