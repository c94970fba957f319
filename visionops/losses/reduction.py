"""What all losses share: masks that hide, weights, and what "mean", "sum" and "none" mean.

A loss has a value for each element (pixel, point, box, sample): l. With a mask m (1 where it counts) and a weight w,

"none": m w l        "sum": sum m w l        "mean": sum m w l / sum m w,  0 where nothing counts
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice, not_floating
from visionops.errors import refuse

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = ("mean", "sum", "none")


def check_pair(
    function: str,
    prediction: Any,
    target: Any,
    shape: str = "(*batch, c, h, w)",
    names: tuple[str, str] = ("prediction", "target"),
) -> None:
    """Raises unless both are floating tensors of one shape and dtype, of as many dimensions as the pattern at least.

    Args:
        shape: how the error names it.
        names: of the two arguments.
    """
    check_floating(function, names[0], prediction, shape)
    check_floating(function, names[1], target, shape)
    if target.shape != prediction.shape or target.dtype != prediction.dtype:
        got = f"{tuple(target.shape)} of {target.dtype} beside {tuple(prediction.shape)} of {prediction.dtype}"
        raise refuse(function, names[1], f"of the shape and dtype of {names[0]}", got)


def check_floating(function: str, argument: str, value: Any, shape: str = "(*batch, c, h, w)") -> None:
    """Raises unless the value is a floating tensor of as many dimensions as the pattern has names after the batch."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise not_floating(function, argument, f"a floating tensor {shape}", value)
    if value.ndim < shape.count(","):
        raise refuse(function, argument, f"of shape {shape}", tuple(value.shape))


def check_reduction(function: str, reduction: Any) -> None:
    check_choice(function, "reduction", reduction, REDUCTIONS)


def check_mask(function: str, mask: Any, shape: Sequence[int]) -> None:
    """Raises unless a mask is None, or boolean and broadcasts to a shape."""
    if isinstance(mask, Tensor) and mask.dtype != torch.bool:
        raise refuse(function, "mask", "boolean", mask.dtype, "Compare it: mask > 0.")
    check_fits(function, "mask", mask, shape)


def check_weight(function: str, weight: Any, shape: Sequence[int]) -> None:
    """Raises unless a weight is None, or floating and broadcasts to a shape."""
    if isinstance(weight, Tensor) and not weight.is_floating_point():
        raise refuse(function, "weight", "floating", weight.dtype, "Call .float().")
    check_fits(function, "weight", weight, shape)


def check_fits(function: str, argument: str, value: Any, shape: Sequence[int]) -> None:
    """Raises unless a value is None or a tensor that broadcasts to a shape."""
    if value is None:
        return
    try:
        fits = isinstance(value, Tensor) and torch.broadcast_shapes(value.shape, tuple(shape)) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise refuse(function, argument, f"a tensor broadcastable to {tuple(shape)}", got)


def ratio(top: Tensor, bottom: Tensor, otherwise: float = 0) -> Tensor:
    """Returns top / bottom, and another number without a gradient where the bottom is 0 or less. NaN stays NaN."""
    none = bottom <= 0
    return torch.where(none, otherwise, top / torch.where(none, 1, bottom))


def hide(mask: Bool[Tensor, "*shape"] | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Returns tensors with 0 where they are masked: what is there, NaN too, reaches neither value nor gradient.

    It is the input that must be patched. A masked loss would hide NaN, but its gradient is NaN times 0.
    """
    return tensors if mask is None else tuple(torch.where(mask, t, 0) for t in tensors)


def reduce(
    values: Float[Tensor, "*shape"],
    reduction: Reduction,
    *,
    mask: Bool[Tensor, "*shape"] | None = None,
    weight: Float[Tensor, "*shape"] | None = None,
    dtype: torch.dtype,
) -> Float[Tensor, "*out"]:
    """Returns the loss of values, as the module says, in a dtype.

    Args:
        values: of every element. Where masked they may be anything, but it is the caller who keeps NaN from gradients.
        mask: True where they count.
        weight: at least 0; where masked it may be anything.
        dtype: of the result. Sums are taken in that of the values.
    """
    if mask is not None:
        values = torch.where(mask, values, 0)
    if weight is not None:
        weight = weight.to(values.dtype)
        weight = weight if mask is None else torch.where(mask, weight, 0)
        values = values * weight
    if reduction == "none":
        return values.to(dtype)
    total = values.sum()
    if reduction == "mean":
        counts = weight if weight is not None else mask
        if counts is None:
            total = total / max(values.numel(), 1)
        else:
            number = counts.expand(values.shape).sum(dtype=values.dtype)
            total = total / torch.where(number > 0, number, 1)
    return total.to(dtype)
