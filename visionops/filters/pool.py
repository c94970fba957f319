"""Subsampling without aliasing: binomial taps before every other pixel is dropped.

Source: R. Zhang, Making Convolutional Networks Shift-Invariant Again, 2019.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels import filter_separable, resample
from visionops.kernels.morphology import extremum
from visionops.module import as_module

Border = Literal["reflect", "replicate", "circular", "constant"]


def blur_pool(
    image: Shaped[Tensor, "*batch c h w"], *, kernel_size: int = 3, stride: int = 2, border: Border = "reflect"
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image blurred by binomial taps, then every `stride`-th pixel of it, from the first on.

    Args:
        image: floating, or uint8 (rounded, ties up).
        kernel_size: number of taps, odd: 3 are (1 2 1) / 4, 5 are (1 4 6 4 1) / 16.
        stride: pixels from one that is kept to the next; the result has ceil(size / stride).
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for an even size, a stride below 1, or an unknown border.

    Gradient: to the image; nothing is kept for it. float16 and bfloat16 compute in float32.
    Source: with 5 taps and stride 2 OpenCV's pyrDown.

    >>> blur_pool(torch.arange(6.0).expand(1, 2, 6))[0].tolist()
    [[0.5, 2.0, 4.0]]
    """
    check_image("blur_pool", image)
    check_border("blur_pool", border)
    _check("blur_pool", "stride", stride)
    taps = binomial("blur_pool", kernel_size)
    if border == "circular":  # reads both ends of the image at once
        taps = taps.to(image.device)
        out = filter_separable(flatten(image), taps, taps, border=border)[..., ::stride, ::stride].contiguous()
    else:
        kind = f"binomial/{kernel_size}/{stride}/{border}"
        h, w = (-(-n // stride) for n in image.shape[-2:])
        out = resample(flatten(image), (h, w), kind, kind)
    return unflatten(out, image.shape[:-3])


def max_blur_pool(
    image: Float[Tensor, "*batch c h w"],
    *,
    max_pool_size: int = 2,
    kernel_size: int = 3,
    stride: int = 2,
    border: Border = "reflect",
) -> Float[Tensor, "*batch c oh ow"]:
    """Returns the largest values of windows at every pixel, through `blur_pool`: it shifts with the image.

    Args:
        image: floating, or uint8 (rounded).
        max_pool_size: side of the windows, which reach right and down and end at the border.
        kernel_size: number of taps, odd.
        stride: pixels from one that is kept to the next; the result has ceil(size / stride).
        border: of the blur; "reflect" does not repeat the edge.

    Raises:
        ValueError: for an even size, a stride or window below 1, or an unknown border.

    Gradient: to the image, through the largest value, of equal ones the first. float16 and bfloat16 compute in float32.

    >>> max_blur_pool(torch.arange(6.0).expand(1, 2, 6))[0].tolist()
    [[1.5, 3.0, 4.75]]
    """
    check_image("max_blur_pool", image)
    check_border("max_blur_pool", border)
    _check("max_blur_pool", "max_pool_size", max_pool_size)
    _check("max_blur_pool", "stride", stride)
    binomial("max_blur_pool", kernel_size)
    window = tuple((y, 0, max_pool_size - 1) for y in range(max_pool_size))
    largest = unflatten(extremum(flatten(image), window, largest=True), image.shape[:-3])
    return blur_pool(largest, kernel_size=kernel_size, stride=stride, border=border)


def binomial(function: str, size: int) -> Tensor:
    """Returns a row of Pascal's triangle that adds up to one, (1, size), in double precision."""
    if not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise refuse(function, "kernel_size", "odd and positive", size)
    row = [math.comb(size - 1, k) / 2 ** (size - 1) for k in range(size)]
    return torch.tensor([row], dtype=torch.float64)


def _check(function: str, argument: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise refuse(function, argument, "a whole number from 1 on", value)


BlurPool = as_module(blur_pool)
MaxBlurPool = as_module(max_blur_pool)
