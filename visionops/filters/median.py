"""Median blur: each pixel becomes the median of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, kernel_sizes, unflatten
from visionops.kernels.rank import rank
from visionops.module import as_module


def median_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int],
    border: Literal["reflect", "replicate", "circular", "constant"] = "replicate",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the median of the window around each pixel, of each channel by itself.

    Args:
        image: floating or uint8, where it equals OpenCV's. Without NaN: what lies near one is undefined.
        kernel_size: of the window, odd, one number or (height, width).
        border: what lies outside; OpenCV's median has "replicate". "constant" is 0.

    Raises:
        ValueError: for an even or non-positive kernel size, or an unknown border.

    Gradient: to the pixel whose value it is; of equal ones to the first in reading order of the window.
    `rank_filter` with a `soft` temperature mixes near values smoothly.
    Source: OpenCV medianBlur.

    >>> import torch
    >>> median_blur(torch.tensor([[[1.0, 9.0, 2.0, 3.0]]]), kernel_size=(1, 3))
    tensor([[[1., 2., 3., 3.]]])
    """
    check_image("median_blur", image)
    check_border("median_blur", border)
    size = kernel_sizes("median_blur", kernel_size)
    return unflatten(rank(flatten(image), size[0] * size[1] // 2, size, border=border), image.shape[:-3])


MedianBlur = as_module(median_blur)
