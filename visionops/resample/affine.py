"""Warp by an affine map.

out(M p) = image(p)        M = [a b c; d e f]: from source to output pixels, whose centres are at integers
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.module import as_module

from .warping import Array, Fill, check_size, check_warp, invert_affine, matrices, sample


def warp_affine(
    image: Shaped[Tensor, "*batch c h w"],
    matrix: Float[Array, "*batch 2 3"],
    size: tuple[int, int] | None = None,
    *,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image moved by an affine map.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        matrix: from source to output pixels (x, y), for all samples or for each.
        size: (height, width) of the output; None keeps the image's.
        interpolation: "bicubic" has a = -0.75, as OpenCV.
        border: what taps outside the image read; with "constant" edges blend with the fill over one pixel.
        fill: a number, or one for each channel, in the units of the image.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image (nothing of its size is kept if the matrix is fixed) and to the matrix, one-sided at whole
    pixels; with "nearest" none to the matrix. A singular matrix gives fill.
    Source: OpenCV warpAffine, which rounds positions to 1/32 pixel in some builds; here they are exact.

    >>> import torch
    >>> warp_affine(torch.eye(3)[None], [[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])[0, 0].tolist()
    [0.5, 0.5, 0.0]
    """
    check_warp("warp_affine", image, interpolation, border)
    target = image.shape[-2:] if size is None else check_size("warp_affine", size)
    inverse = invert_affine(matrices("warp_affine", matrix, image, (2, 3)))
    return sample("warp_affine", image, inverse, target, interpolation=interpolation, border=border, fill=fill)


WarpAffine = as_module(warp_affine)
