"""Warp by a homography.

out(M p) = image(p)        M (x, y, 1) ~ (x', y', 1): from source to output pixels, whose centres are at integers
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.module import as_module

from .warping import Array, Fill, check_size, check_warp, invert, matrices, sample


def warp_perspective(
    image: Shaped[Tensor, "*batch c h w"],
    matrix: Float[Array, "*batch 3 3"],
    size: tuple[int, int] | None = None,
    *,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image moved by a homography.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        matrix: from source to output pixels (x, y), of any scale, for all samples or for each.
        size: (height, width) of the output; None keeps the image's.
        interpolation: "bicubic" has a = -0.75, as OpenCV.
        border: what taps outside the image read; with "constant" edges blend with the fill over one pixel.
        fill: a number, or one for each channel, in the units of the image; also what the horizon gets.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image (nothing of its size is kept if the matrix is fixed) and to the matrix, one-sided at whole
    pixels; with "nearest" none to the matrix. A singular matrix gives fill. What lies behind the horizon is drawn
    mirrored, as in OpenCV.
    Source: OpenCV warpPerspective.

    >>> import torch
    >>> warp_perspective(torch.eye(3)[None], [[2.0, 0, 1], [0, 2, 0], [0, 0, 2]])[0, 0].tolist()
    [0.5, 0.5, 0.0]
    """
    check_warp("warp_perspective", image, interpolation, border)
    target = image.shape[-2:] if size is None else check_size("warp_perspective", size)
    inverse = invert(matrices("warp_perspective", matrix, image, (3, 3)))
    return sample("warp_perspective", image, inverse, target, interpolation=interpolation, border=border, fill=fill)


WarpPerspective = as_module(warp_perspective)
