"""`rank`: the k-th smallest value around each pixel."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

from . import cpu, definition
from .autograd import ranked


def rank(
    image: Shaped[Tensor, "b c h w"], k: int, size: tuple[int, int], *, border: str = "replicate", fill: float = 0.0
) -> Shaped[Tensor, "b c h w"]:
    """Returns the k-th smallest value, from 0, of the window around each pixel.

    Args:
        image: floating or uint8, without NaN: what lies near one is undefined.
        k: 0 is the minimum, ``size[0] * size[1] // 2`` the median of an odd number.
        size: of the window, (height, width), its middle at size // 2.
        border: "replicate", "reflect" (without repeating the edge), "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.

    Gradient: to the pixel whose value it is; of equal ones to the first in reading order of the window.
    """
    if image.numel() == 0:
        return image.clone()
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image):
        return cpu.rank(image, k, size, border, fill)
    if not native.may_be_recorded(image) or image.dtype in (torch.uint8, torch.float64):
        return definition.rank(image, k, size, border, fill)
    # Halves are exact in float32, and so is what is chosen of them.
    return ranked(image.float(), k, *size, border, fill).to(image.dtype)
