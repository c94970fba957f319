"""What losses of images and of fields beside them share: what the arguments may be, and absolute differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels.functions import is_traced
from visionops.losses.reduction import check_floating

IMAGE = "(*batch, c, h, w)"
# So many bytes at a time: what is made of them stays in a cache.
BLOCK = 2**20


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
    check_floating(function, argument, value, IMAGE)
    if value.shape != like.shape or value.dtype != like.dtype:
        got = f"{tuple(value.shape)} of {value.dtype} beside {tuple(like.shape)} of {like.dtype}"
        raise refuse(function, argument, f"of the shape and dtype of {other}", got)


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
    a: Float[Tensor, "*batch c h w"],
    b: Float[Tensor, "*batch c h w"],
    mask: Bool[Tensor, "*#batch 1 #h #w"] | None = None,
) -> Float[Tensor, "*batch 1 h w"]:
    """Returns the mean of absolute differences over channels, with gradient 0 where they are equal.

    Args:
        mask: where it is False the distance is 0, whatever the two are.
    """
    if is_traced() or not a.numel():
        return _mean_distance(a, b, mask)
    flat = [t.reshape(-1, *t.shape[-3:]) for t in (a, b)]
    mask = None if mask is None else mask.expand(of_pixels(a)).reshape(-1, 1, *a.shape[-2:])
    return _MeanDistance.apply(*flat, mask).reshape(of_pixels(a))  # type: ignore[no-any-return]


def _mean_distance(a: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
    apart = a - b if mask is None else torch.where(mask, a - b, 0)
    return apart.abs().mean(-3, keepdim=True)


class _MeanDistance(torch.autograd.Function):
    """`_mean_distance` of (n, c, h, w), some at a time. The difference is not kept, as the two are there anyway."""

    @staticmethod
    def forward(a: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
        return torch.cat([_mean_distance(*part) for part in blocks(BLOCK, a, b, mask)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b, mask = ctx.saved_tensors
        needs = ctx.needs_input_grad[:2]
        slopes = []
        for x, y, counts, g in blocks(BLOCK, a, b, mask, grad / a.shape[-3]):
            sign = (x - y).sign()
            slopes.append((sign if counts is None else torch.where(counts, sign, 0)) * g)
        slope = torch.cat(slopes)
        return slope if needs[0] else None, -slope if needs[1] else None, None


def blocks(size: int, *tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Returns the same samples of all tensors, again and again: of the first so many bytes, on a device all."""
    first = tensors[0]
    assert first is not None
    step = len(first)
    if first.device.type == "cpu":
        step = max(size // max(first[:1].numel() * first.element_size(), 1), 1)
    for start in range(0, len(first), step):
        yield tuple(None if t is None else t[start : start + step] for t in tensors)
