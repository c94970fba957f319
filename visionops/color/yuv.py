"""Y'UV of analogue PAL, and with chroma at half the resolution.

Y = 0.299 R + 0.587 G + 0.114 B, U = 0.436 (B - Y) / 0.886, V = 0.615 (R - Y) / 0.701
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.color import Conversion, Levels, convert
from visionops.kernels.pixel.program import LUMA
from visionops.module import as_module

from ._apply import apply
from .matrices import inverse_numbers, numbers

_MATRIX = np.array([LUMA, np.array([0, 0, 1]) - LUMA, np.array([1, 0, 0]) - LUMA])
_MATRIX[1:] *= [[0.436 / 0.886], [0.615 / 0.701]]
_BYTES = Levels((255.0, 255.0, 255.0), (0.0, 128.0, 128.0))
_TO = Conversion("affine", numbers(_MATRIX), target=_BYTES)
_LUMA = Conversion("affine", _TO.numbers[:4])
_FROM = Conversion("affine", inverse_numbers(_MATRIX), source=_BYTES)


def rgb_to_yuv(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns luma in [0, 1], U within 0.436 and V within 0.615 of 0.

    As scikit-image and Kornia; OpenCV's COLOR_RGB2YUV adds 1/2 to U and V.

    Args:
        image: floating in [0, 1], or uint8: the result is then 255 Y, 255 U + 128, 255 V + 128, saturated, as OpenCV's.

    Gradient: to the image.
    Source: ITU-R BT.470 (PAL).

    >>> import torch
    >>> rgb_to_yuv(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)).flatten()
    tensor([ 0.2990, -0.1471,  0.6150])
    """
    return apply("rgb_to_yuv", image, _TO)


def yuv_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue, not clipped.

    Args:
        image: Y, U, V as of `rgb_to_yuv`, floating or uint8.

    Gradient: to the image.
    Source: ITU-R BT.470 (PAL).

    >>> import torch
    >>> yuv_to_rgb(torch.tensor([0.5, 0.0, 0.1]).reshape(3, 1, 1)).flatten()
    tensor([0.6140, 0.4419, 0.5000])
    """
    return apply("yuv_to_rgb", image, _FROM)


def rgb_to_yuv420(
    image: Shaped[Tensor, "*batch 3 h w"],
) -> tuple[Shaped[Tensor, "*batch 1 h w"], Shaped[Tensor, "*batch 2 h/2 w/2"]]:
    """Returns luma, and U and V averaged over blocks of 2 x 2 pixels.

    Args:
        image: of even height and width, floating in [0, 1] or uint8, as in `rgb_to_yuv`.

    Raises:
        ValueError: for an odd height or width.

    Gradient: to the image.

    >>> y, uv = rgb_to_yuv420(torch.zeros(3, 4, 6))
    >>> tuple(y.shape), tuple(uv.shape)
    ((1, 4, 6), (2, 2, 3))
    """
    return _to_subsampled("rgb_to_yuv420", image, 2)


def rgb_to_yuv422(
    image: Shaped[Tensor, "*batch 3 h w"],
) -> tuple[Shaped[Tensor, "*batch 1 h w"], Shaped[Tensor, "*batch 2 h w/2"]]:
    """Returns luma, and U and V averaged over pairs of pixels of a row.

    Args:
        image: of even width, floating in [0, 1] or uint8, as in `rgb_to_yuv`.

    Raises:
        ValueError: for an odd width.

    Gradient: to the image.

    >>> y, uv = rgb_to_yuv422(torch.zeros(3, 4, 6))
    >>> tuple(y.shape), tuple(uv.shape)
    ((1, 4, 6), (2, 4, 3))
    """
    return _to_subsampled("rgb_to_yuv422", image, 1)


def yuv420_to_rgb(
    y: Shaped[Tensor, "*batch 1 h w"], uv: Shaped[Tensor, "*batch 2 h/2 w/2"]
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue, each chroma sample serving its block of 2 x 2 pixels.

    Args:
        y: luma, floating or uint8.
        uv: chroma of half its height and width, in its dtype.

    Raises:
        ValueError: for a chroma of another size or dtype.

    Gradient: to luma and chroma.

    >>> yuv420_to_rgb(torch.ones(1, 4, 6), torch.zeros(2, 2, 3)).mean().item()
    1.0
    """
    return _from_subsampled("yuv420_to_rgb", y, uv, 2)


def yuv422_to_rgb(
    y: Shaped[Tensor, "*batch 1 h w"], uv: Shaped[Tensor, "*batch 2 h w/2"]
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue, each chroma sample serving two pixels of a row.

    Args:
        y: luma, floating or uint8.
        uv: chroma of half its width, in its dtype.

    Raises:
        ValueError: for a chroma of another size or dtype.

    Gradient: to luma and chroma.

    >>> yuv422_to_rgb(torch.ones(1, 4, 6), torch.zeros(2, 4, 3)).mean().item()
    1.0
    """
    return _from_subsampled("yuv422_to_rgb", y, uv, 1)


def _to_subsampled(function: str, image: Tensor, down: int) -> tuple[Tensor, Tensor]:
    check_image(function, image, channels=3)
    h, w = image.shape[-2:]
    if h % down or w % 2:
        rule = f"of even {'height and width' if down == 2 else 'width'}"
        raise refuse(function, "image", rule, (h, w), "Pad or crop it.")
    x = flatten(image)
    is_bytes = image.dtype == torch.uint8
    # Bytes are rounded once, after the mean; so are halves.
    x = x.float() / 255 if is_bytes else x if x.dtype == torch.float64 else x.float()
    few = _halve(x, 3)
    few = _halve(few, 2) if down == 2 else few
    # Of means, for they are as linear as the matrix, and fewer.
    y, uv = convert(x, _LUMA), convert(few, _TO)[:, 1:]
    if is_bytes:
        y, uv = ((t * 255 + shift).round().clamp(0, 255).to(torch.uint8) for t, shift in ((y, 0), (uv, 128)))
    else:
        y, uv = y.to(image.dtype), uv.to(image.dtype, copy=True)
    return unflatten(y, image.shape[:-3]), unflatten(uv, image.shape[:-3])


def _halve(x: Tensor, dim: int) -> Tensor:
    """Returns the means of pairs along a dimension."""
    even, odd = x.unflatten(dim, (-1, 2)).unbind(dim + 1)  # whose gradient is one stack, unlike that of slices
    return (even + odd) / 2


def _from_subsampled(function: str, y: Tensor, uv: Tensor, down: int) -> Tensor:
    check_image(function, y, channels=1)
    check_image(function, uv, channels=2)
    h, w = y.shape[-2:]
    wanted = (*y.shape[:-3], 2, h // down, w // 2)
    if h % down or w % 2 or tuple(uv.shape) != wanted or uv.dtype != y.dtype:
        rule = f"of shape {wanted} and {y.dtype}, half of an even luma"
        raise refuse(function, "uv", rule, f"{tuple(uv.shape)} and {uv.dtype}")
    chroma = flatten(uv).repeat_interleave(2, 3)
    chroma = chroma.repeat_interleave(down, 2) if down != 1 else chroma
    return unflatten(convert(torch.cat([flatten(y), chroma], 1), _FROM), y.shape[:-3])


RgbToYuv = as_module(rgb_to_yuv)
YuvToRgb = as_module(yuv_to_rgb)
