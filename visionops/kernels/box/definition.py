"""Means over windows in plain torch: the meaning of `filter_box`.

out[y, x] = mean of image[y + j - kh // 2, x + i - kw // 2] over j < kh, i < kw
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.kernels.filter import definition


def filter_box(
    image: Float[Tensor, "b c h w"], height: int, width: int, border: str, fill: float
) -> Float[Tensor, "b c h w"]:
    """Returns the means; arguments as in `visionops.kernels.box`, already checked."""
    taps_y, taps_x = (_taps(image, size) for size in (height, width))
    return definition.filter_separable(image, taps_x, taps_y, border=border, fill=fill)


def _taps(image: Tensor, size: int) -> Tensor:
    """Returns equal taps; an even number ends in a zero, which keeps the middle where it is."""
    taps = image.new_full((1, size + 1 - size % 2), 1 / size)
    if size % 2 == 0:
        taps[:, -1] = 0
    return taps
