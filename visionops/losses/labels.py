"""What the losses of segmentation share: targets as classes or as shares of classes, and which pixels count."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels.functions import is_traced

from .reduction import check_floating, check_mask


def check_labels(function: str, prediction: Any, target: Any, mask: Any) -> None:
    """Raises unless predictions are (*batch, c, h, w) and the target classes (*batch, h, w), or floating like them."""
    check_floating(function, "prediction", prediction)
    pixels = (*prediction.shape[:-3], *prediction.shape[-2:])
    rule = f"classes {pixels} of an integer dtype, or floating {tuple(prediction.shape)}"
    if not isinstance(target, Tensor):
        raise refuse(function, "target", rule, type(target).__name__)
    got = f"{tuple(target.shape)} of {target.dtype}"
    floating = target.is_floating_point()
    if target.dtype == torch.bool:
        one = "target[..., None, :, :].float()" if prediction.shape[-3] == 1 else "target.long()"
        remedy = "target.float()" if target.shape == prediction.shape else one
        raise refuse(function, "target", rule, got, f"Convert it: {remedy}.")
    if not floating and tuple(target.shape) == (*pixels[:-2], 1, *pixels[-2:]) != tuple(prediction.shape):
        raise refuse(function, "target", rule, got, "Take its channel away: target.squeeze(-3).")
    if not floating and tuple(target.shape) == tuple(prediction.shape):
        raise refuse(function, "target", rule, got, "If it has a channel for each class: target.float().")
    if tuple(target.shape) != (tuple(prediction.shape) if floating else pixels):
        raise refuse(function, "target", rule, got)
    if not floating and prediction.shape[-3] == 1:
        # 1 would be no class, and nothing but 0 would count.
        rule = f"floating {tuple(prediction.shape)} beside one channel, which is no choice between classes"
        raise refuse(function, "target", rule, got, "Convert labels of 0 and 1: target[..., None, :, :].float().")
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
) -> tuple[Float[Tensor, "*batch c h w"], Bool[Tensor, "*batch 1 h w"] | None]:
    """Returns how much of each pixel is of each class, and which pixels count; None: all.

    Args:
        target: classes or shares; a pixel of a class that is none does not count.
        like: predictions, (*batch, c, h, w).
    """
    if target.is_floating_point():
        counts = None if mask is None else mask.expand(*like.shape[:-3], 1, *like.shape[-2:])
        return (target if counts is None else torch.where(counts, target, 0)).to(like.dtype), counts
    classes, counts = class_pixels(target, like.shape[-3], mask)
    every = torch.arange(like.shape[-3], device=target.device)[:, None, None]
    found = classes == every
    return (found if counts is None else found & counts).to(like.dtype), counts
