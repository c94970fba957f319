"""CIE XYZ of linear sRGB, white point D65."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion
from visionops.module import as_module

from ._apply import apply
from .matrices import XYZ, inverse_numbers, numbers

_TO = Conversion("affine", numbers(XYZ))
_FROM = Conversion("affine", inverse_numbers(XYZ))


def rgb_to_xyz(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns X, Y and Z, with Y = 1 for white.

    The matrix alone, as OpenCV and Kornia: of sRGB values, take `rgb_to_linear_rgb` first, as scikit-image does.

    Args:
        image: linear light, floating in [0, 1], or uint8, which saturates Z of white (1.0888).

    Gradient: to the image.
    Source: ITU-R BT.709 primaries, D65; the digits of OpenCV's COLOR_RGB2XYZ.

    >>> import torch
    >>> rgb_to_xyz(torch.ones(3, 1, 1)).flatten()
    tensor([0.9505, 1.0000, 1.0888])
    """
    return apply("rgb_to_xyz", image, _TO)


def xyz_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns linear red, green and blue, outside [0, 1] where sRGB has no such colour.

    Args:
        image: X, Y and Z, floating, or uint8: 255 times each value.

    Gradient: to the image.
    Source: the inverse of the matrix of `rgb_to_xyz`.

    >>> import torch
    >>> xyz_to_rgb(torch.tensor([0.412453, 0.212671, 0.019334]).reshape(3, 1, 1)).flatten().round(decimals=4).abs()
    tensor([1., 0., 0.])
    """
    return apply("xyz_to_rgb", image, _FROM)


RgbToXyz = as_module(rgb_to_xyz)
XyzToRgb = as_module(xyz_to_rgb)
