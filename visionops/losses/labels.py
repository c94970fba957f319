"""What the losses of segmentation share: targets as classes or as shares of classes, and which pixels count."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels.functions import is_traced

from .reduction import check_floating, check_mask


def check_labels(function: str, prediction: Any, target: Any, mask: Any) -> None:
    """Raises unless predictions are (*batch, c, h, w) and the target classes (*batch, h, w), or floating like them."""
    check_floating(function, "prediction", prediction)
    pixels = (*prediction.shape[:-3], *prediction.shape[-2:])
    rule = f"classes {pixels} of an integer dtype, or floating {tuple(prediction.shape)}"
    if not isinstance(target, Tensor) or target.dtype == torch.bool:
        got = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise refuse(function, "target", rule, got)
    if tuple(target.shape) != (tuple(prediction.shape) if target.is_floating_point() else pixels):
        raise refuse(function, "target", rule, f"{tuple(target.shape)} of {target.dtype}")
    check_mask(function, mask, (*pixels[:-2], 1, *pixels[-2:]))


def class_pixels(
    target: Int[Tensor, "*batch h w"], classes: int, mask: Bool[Tensor, "*#shape"] | None
) -> tuple[Int[Tensor, "*batch 1 h w"], Bool[Tensor, "*batch 1 h w"] | None]:
    """Returns the class of each pixel, 0 where it does not count, and which count: those of a class, not masked.

    None, where that can be seen on a host: all count.
    """
    target = target.unsqueeze(-3).long()
    if mask is None and target.device.type == "cpu" and target.numel() and not is_traced():
        low, high = target.aminmax()
        if low >= 0 and high < classes:
            return target, None
    counts = (target >= 0) & (target < classes)
    if mask is not None:
        counts = counts & mask
    return torch.where(counts, target, 0), counts


def shares(
    target: Tensor, like: Tensor, mask: Bool[Tensor, "*#shape"] | None
) -> tuple[Tensor, Bool[Tensor, "*#shape"] | None]:
    """Returns how much of each pixel is of each class (*batch, c, h, w), and which pixels count; None: all.

    Args:
        target: classes or shares; a pixel of a class that is none does not count.
        like: predictions, (*batch, c, h, w).
    """
    if target.is_floating_point():
        return (target if mask is None else torch.where(mask, target, 0)).to(like.dtype), mask
    classes, counts = class_pixels(target, like.shape[-3], mask)
    every = torch.arange(like.shape[-3], device=target.device)[:, None, None]
    found = classes == every
    return (found if counts is None else found & counts).to(like.dtype), counts
