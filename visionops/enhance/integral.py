"""The integral image: sums over rectangles from the corner, so that any rectangle's sum takes four of them."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.stats import integral
from visionops.module import as_module


def integral_image(
    image: Shaped[Tensor, "*batch c h w"], *, dtype: torch.dtype | None = None
) -> Shaped[Tensor, "*batch c h+1 w+1"]:
    """Returns, at (y, x), the sum of the image over rows above y and columns left of x; the first of each are 0.

    The sum over rows y0 to y1 - 1 and columns x0 to x1 - 1 is out[y1, x1] - out[y0, x1] - out[y1, x0] + out[y0, x0].

    Args:
        image: floating, or uint8.
        dtype: of the sums; None takes the image's, for uint8 int32, or int64 where int32 may not hold the sum. They are
            accumulated in double and rounded once: ask for float64 where small windows of large images matter.

    Raises:
        ValueError: for sums of floats in an integer dtype.

    Gradient: to the image, which is not kept for it.
    Source: OpenCV integral; P. Viola, M. Jones, Rapid object detection using a boosted cascade, 2001.

    >>> integral_image(torch.ones(1, 2, 3))[0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0, 6.0]]
    """
    check_image("integral_image", image)
    if dtype is None:
        small = image.shape[-1] * image.shape[-2] * 255 < 2**31
        dtype = image.dtype if image.is_floating_point() else torch.int32 if small else torch.int64
    if image.is_floating_point() and not dtype.is_floating_point:
        raise refuse("integral_image", "dtype", "floating, as the image", dtype)
    return unflatten(integral(flatten(image), dtype), image.shape[:-3])


IntegralImage = as_module(integral_image)
