"""Separable resampling in plain torch: the meaning of `resample`.

out[y, x] = sum_j weight_y[y, j] sum_i weight_x[x, i] image[index_y[y, j], index_x[x, i]]
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from .tables import table

# What uint8 results are raised by before they are rounded: ties go up, as in OpenCV's and Pillow's fixed point. Sums
# of a pyramid are multiples of 1/256, so that nothing but ties is moved.
TIE = 2.0**-13


def resample(
    image: Shaped[Tensor, "b c h w"], kind_y: str, kind_x: str, size: Sequence[int]
) -> Shaped[Tensor, "b c oh ow"]:
    """Returns the image resampled along y, then x; arguments as in `visionops.kernels.resize.resample`.

    A floating image; one of integers is only moved, by kinds that move.
    """
    for kind, dim, n in ((kind_y, 2, size[0]), (kind_x, 3, size[1])):
        image = _along(image, kind, dim, n)
    return image


def _along(image: Tensor, kind: str, dim: int, size: int) -> Tensor:
    if kind == "same":
        return image
    index, weight = (t.to(image.device) for t in table(kind, image.shape[dim], size))
    k = index.shape[1]
    # A tap without weight reads another's pixel, for what is not finite spreads even by a weight of zero.
    index = torch.where(weight == 0, index.gather(1, weight.abs().argmax(1, keepdim=True)), index)
    taps = image.index_select(dim, index.flatten())
    if k == 1:
        return taps
    weight = weight.to(image.dtype)
    return (taps.unflatten(dim, (size, k)) * (weight[:, :, None] if dim == 2 else weight)).sum(dim + 1)


def to_bytes(result: Tensor) -> Tensor:
    """Returns grey levels rounded, ties up."""
    return (result + TIE).round().clamp(0, 255).to(torch.uint8)
