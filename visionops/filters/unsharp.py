"""Unsharp masking: what a Gaussian blur takes away is added once more.

out = image + amount (image - blur(image))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, per_sample, unflatten
from visionops.kernels import filter_separable
from visionops.module import as_module

from .gaussian import taps_of


def unsharp_mask(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    sigma: float | np.ndarray | Tensor,
    amount: float | np.ndarray | Tensor = 1.0,
    kernel_size: int | Sequence[int] | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image sharpened.

    Args:
        image: floating, or uint8 (rounded and saturating). Floats are not clamped.
        sigma: standard deviation of the blur in pixels, at least 0; a number, or one for each sample, (*batch).
        amount: how much of the difference is added; a number or (*batch). Below 0 it blurs.
        kernel_size: as in `gaussian_blur`.
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for a sigma, kernel size or border that `gaussian_blur` refuses too.

    Gradient: to the image, to sigma and to amount where they are tensors. float16 and bfloat16 compute in float32.
    Source: scikit-image unsharp_mask, which clips and extends the image by other borders.

    >>> import torch
    >>> unsharp_mask(torch.eye(3)[None], sigma=0.5, amount=1.0, kernel_size=3)[0, 1, 1].item().__round__(3)
    1.358
    """
    check_image("unsharp_mask", image)
    check_border("unsharp_mask", border)
    taps_x, taps_y = taps_of("unsharp_mask", sigma, kernel_size, image)
    amount = per_sample("unsharp_mask", "amount", amount, image)
    sharpen = 1 + amount if isinstance(amount, Tensor) else np.array([1 + amount])
    return unflatten(filter_separable(flatten(image), taps_x, taps_y, border=border, sharpen=sharpen), image.shape[:-3])


UnsharpMask = as_module(unsharp_mask)
