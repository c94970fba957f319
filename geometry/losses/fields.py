"""What losses of images and of fields beside them share: what the arguments may be, and absolute differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels.functions import is_traced, takes_formula
from visionops.losses.blocks import blocks
from visionops.losses.reduction import check_floating, check_pair

IMAGE = "(*batch, c, h, w)"


def check_fields(function: str, argument: str, value: Any, channels: int | None = None, least: int = 0) -> None:
    """Raises unless a value is (*batch, c, h, w), floating, of so many channels, and of at least so many pixels each
    way."""
    shape = IMAGE if channels is None else f"(*batch, {channels}, h, w)"
    check_floating(function, argument, value, shape)
    if channels is not None and value.shape[-3] != channels:
        raise refuse(function, argument, f"of shape {shape}", tuple(value.shape))
    if min(value.shape[-2:]) < least:
        raise refuse(function, argument, f"of at least {least}x{least} pixels", tuple(value.shape))


def check_alike(function: str, argument: str, value: Any, other: str, like: Tensor) -> None:
    """Raises unless a value has the shape and dtype of another, which was checked."""
    check_pair(function, like, value, IMAGE, (other, argument))


def check_beside(function: str, argument: str, value: Any, other: str, like: Tensor) -> None:
    """Raises unless a value has the batch, the size and the dtype of another; channels are its own."""
    check_floating(function, argument, value, IMAGE)
    sizes = [(*t.shape[:-3], *t.shape[-2:]) for t in (value, like)]
    if sizes[0] != sizes[1] or value.dtype != like.dtype:
        got = f"{tuple(value.shape)} of {value.dtype} beside {tuple(like.shape)} of {like.dtype}"
        raise refuse(function, argument, f"of the batch, size and dtype of {other}", got)


def of_pixels(field: Tensor) -> tuple[int, ...]:
    """Returns the shape (*batch, 1, h, w)."""
    return (*field.shape[:-3], 1, *field.shape[-2:])


def mean_distance(
    predictions: Sequence[Float[Tensor, "*batch c h w"]],
    target: Float[Tensor, "*batch c h w"],
    mask: Bool[Tensor, "*#batch 1 #h #w"] | None = None,
    gamma: float = 1.0,
) -> Float[Tensor, "*batch 1 h w"]:
    """Returns the mean over channels of absolute differences, summed over predictions: the last one times 1, the one
    before times gamma, and so on.

    Args:
        mask: where it is False the distance is 0, whatever predictions and target are.
    """
    if is_traced() or not target.numel():
        return _mean_distance(predictions, target, mask, gamma)
    flat = [t.reshape(-1, *t.shape[-3:]) for t in (target, *predictions)]
    mask = None if mask is None else mask.expand(of_pixels(target)).reshape(-1, 1, *target.shape[-2:])
    return _MeanDistance.apply(mask, gamma, *flat).reshape(of_pixels(target))  # type: ignore[no-any-return]


def _mean_distance(predictions: Sequence[Tensor], target: Tensor, mask: Tensor | None, gamma: float) -> Tensor:
    total = (predictions[0] - target).abs_()
    for prediction in predictions[1:]:
        total = total.mul_(gamma).add_((prediction - target).abs_())
    return (total if mask is None else torch.where(mask, total, 0)).mean(-3, keepdim=True)


class _MeanDistance(torch.autograd.Function):
    """`_mean_distance` of (n, c, h, w), some at a time. No difference is kept, as what it is of is there anyway."""

    @staticmethod
    def forward(mask: Tensor | None, gamma: float, target: Tensor, *predictions: Tensor) -> Tensor:
        out = target.new_empty(len(target), 1, *target.shape[-2:])
        for to, counts, truth, *found in blocks(out, mask, target, *predictions):
            to.copy_(_mean_distance(found, truth, counts, gamma))
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        mask, ctx.gamma, *tensors = inputs
        ctx.save_for_backward(mask, *tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        mask, *tensors = ctx.saved_tensors
        needs = ctx.needs_input_grad[2:]
        if takes_formula(grad):
            return None, None, *_slopes(grad, mask, ctx.gamma, needs, tensors, [None] * len(tensors))
        out = [torch.empty_like(t) if need else None for t, need in zip(tensors, needs, strict=True)]
        for g, counts, *rest in blocks(grad, mask, *tensors, *out):
            _slopes(g, counts, ctx.gamma, needs, rest[: len(tensors)], rest[len(tensors) :])
        return None, None, *out


def _slopes(
    grad: Tensor,
    mask: Tensor | None,
    gamma: float,
    needs: Sequence[bool],
    tensors: Sequence[Tensor],
    out: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Returns the gradients of target and predictions that are needed, in memory that is given or new."""
    target, *predictions = tensors
    factor, hidden = grad / target.shape[-3], None if mask is None else ~mask
    found: list[Tensor | None] = []
    total: Tensor | None = None
    for prediction, need, to in zip(predictions[::-1], needs[:0:-1], out[:0:-1], strict=True):
        slope = torch.sub(prediction, target, out=to).sign_()
        slope = slope if hidden is None else slope.masked_fill_(hidden, 0)
        slope = slope * factor if to is None else slope.mul_(factor)
        if needs[0]:
            total = torch.neg(slope, out=out[0]) if total is None else total.sub_(slope)
        found.append(slope if need else None)
        factor = factor * gamma
    return [total, *found[::-1]]
