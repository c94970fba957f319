"""Sharpness, by torchvision's formula: a blend with a smoothed image.

smooth = (sum of the 3 x 3 window + 4 x) / 13 inside, x on the outermost pixels       clamp(f x + (1 - f) smooth, 0, 1)
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.kernels import filter_separable, native
from visionops.kernels.pair import blend
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from .pointwise import Number, number

TAPS = np.ones((1, 3))


def adjust_sharpness(image: Shaped[Tensor, "*batch c h w"], factor: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image's blend with a smoothed one, or beyond it; the outermost pixels stay.

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        factor: at least 0; 0 is smooth, 1 the image, 2 sharper. A number, or one for each sample, (*batch).

    Raises:
        ValueError: for a negative number.

    Gradient: to the image and to the factor; 0 where the result is clamped.
    Source: torchvision adjust_sharpness, Pillow ImageEnhance.Sharpness.

    >>> dot = torch.zeros(1, 3, 3); dot[0, 1, 1] = 0.5
    >>> adjust_sharpness(dot, 0.0)[0, 1, 1].item().__round__(4)
    0.1923
    """
    check_image("adjust_sharpness", image)
    value = number("adjust_sharpness", "factor", factor, image, low=0)
    flat = flatten(image)
    if min(flat.shape) == 0 or min(flat.shape[2:]) < 3:
        return image.clone()
    x = to_unit(flat)
    smooth = filter_separable(x, TAPS, TAPS / 13)
    keep = 1 - value
    if x.dtype == torch.float32 and native.may_run(x, *([keep] if isinstance(keep, Tensor) else ())):
        out = blend(x, smooth, (1 - keep * (9 / 13), keep, 0.0), low=0.0, high=1.0)
        for edge in ((..., slice(None, None, x.shape[2] - 1), slice(None)), (..., slice(None, None, x.shape[3] - 1))):
            out[edge] = x[edge].clamp(0, 1)
    else:
        keep = keep.to(x.dtype).reshape(-1, 1, 1, 1) if isinstance(keep, Tensor) else keep
        change = (smooth - x * (9 / 13))[..., 1:-1, 1:-1]
        out = (x + keep * torch.nn.functional.pad(change, (1, 1, 1, 1))).clamp(0, 1)
    return unflatten(from_unit(out, image.dtype), image.shape[:-3])


AdjustSharpness = as_module(adjust_sharpness)
