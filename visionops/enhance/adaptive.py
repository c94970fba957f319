"""A threshold for each pixel: the mean of its neighbourhood, less an offset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, kernel_sizes, unflatten
from visionops.filters import gaussian_kernel1d
from visionops.kernels import filter_separable
from visionops.kernels.pair import where_above
from visionops.module import as_module

from .pointwise import units

# OpenCV's taps, in 256ths, where it is not told a standard deviation.
SMALL = {
    3: (64, 128, 64),
    5: (16, 64, 96, 64, 16),
    7: (8, 28, 56, 72, 56, 28, 8),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}


def adaptive_threshold(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int],
    offset: float = 0.0,
    method: Literal["mean", "gaussian"] = "mean",
    kind: Literal["binary", "binary_inv"] = "binary",
    max_value: float | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns where the image is above the mean of its neighbourhood less an offset: `max_value` there, 0 elsewhere.

    Args:
        image: floating, or uint8.
        kernel_size: of the neighbourhood, odd; one number or (height, width). The border is repeated.
        offset: what is taken off the mean, in the units of the image.
        method: "mean", or "gaussian" of standard deviation 0.3 ((kernel_size - 1) / 2 - 1) + 0.8, up to 9 pixels of
            OpenCV's rounded taps.
        kind: "binary_inv" exchanges both results.
        max_value: in the units of the image; None is 1, or 255 of uint8.

    Raises:
        ValueError: for an even kernel size, an unknown method or kind.

    Gradient: none, the result is piecewise constant.
    Source: OpenCV adaptiveThreshold, whose result uint8 has: the mean is rounded to a level, the offset to an integer.

    >>> adaptive_threshold(torch.tensor([[[0.1, 0.1, 0.9, 0.1]]]), kernel_size=3).flatten().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    check_image("adaptive_threshold", image)
    check_choice("adaptive_threshold", "method", method, ("mean", "gaussian"))
    check_choice("adaptive_threshold", "kind", kind, ("binary", "binary_inv"))
    down, across = kernel_sizes("adaptive_threshold", kernel_size)
    flat = flatten(image.detach())
    taps_x, taps_y = _taps(across, method), _taps(down, method)
    mean = filter_separable(flat, taps_x, taps_y, border="replicate")
    top = units(image) if max_value is None else max_value
    inverted = kind == "binary_inv"
    if image.dtype == torch.uint8:
        offset, top = math.floor(offset) if inverted else math.ceil(offset), round(top)
    yes, no = (0.0, float(top)) if inverted else (float(top), 0.0)
    return unflatten(where_above(flat, mean, offset, yes, no), image.shape[:-3])


def _taps(size: int, method: str) -> np.ndarray:
    if method == "mean":
        return np.full((1, size), 1 / size)
    if size in SMALL:
        return np.array([SMALL[size]]) / 256
    taps = gaussian_kernel1d(0.3 * ((size - 1) * 0.5 - 1) + 0.8, size)
    assert isinstance(taps, np.ndarray)
    return taps


AdaptiveThreshold = as_module(adaptive_threshold)
