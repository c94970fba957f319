"""Box blur: the mean over a rectangular window, at the same cost for every size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, kernel_sizes, unflatten
from visionops.kernels.box import filter_box
from visionops.module import as_module


def box_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int],
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the mean over a window around each pixel.

    Args:
        image: floating, or uint8 (rounded).
        kernel_size: number of pixels, or (height, width); the window's middle is at half of it, rounded down.
        border: "reflect" does not repeat the edge, as OpenCV's default.
        fill: what "constant" reads outside, in the units of the image.

    Raises:
        ValueError: for a size below 1, or an unknown border.

    Gradient: to the image; nothing is kept for it. float16 and bfloat16 compute in float32.
    Source: OpenCV blur, to rounding. A NaN or an infinity stays in the windows that hold it.

    >>> box_blur(torch.eye(3)[None] * 9, kernel_size=3, border="constant")[0].tolist()
    [[2.0, 2.0, 1.0], [2.0, 3.0, 2.0], [1.0, 2.0, 2.0]]
    """
    check_image("box_blur", image)
    check_border("box_blur", border)
    height, width = kernel_sizes("box_blur", kernel_size, odd=False)
    return unflatten(filter_box(flatten(image), height, width, border=border, fill=fill), image.shape[:-3])


def box_kernel(kernel_size: int | Sequence[int]) -> Float[Tensor, "kh kw"]:
    """Returns the taps of `box_blur` in double precision: equal, and one together.

    Args:
        kernel_size: number of taps, or (height, width).

    Raises:
        ValueError: for a size below 1.

    >>> box_kernel((1, 4)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    height, width = kernel_sizes("box_kernel", kernel_size, odd=False)
    return torch.full((height, width), 1 / (height * width), dtype=torch.float64)


BoxBlur = as_module(box_blur)
