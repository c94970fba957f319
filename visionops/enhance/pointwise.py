"""How functions of single pixels run: as pixel programs, and on uint8 as tables of 256 levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import flatten, per_sample, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel import Instruction, Op, Program, pixel
from visionops.kernels.pixel.program import INF
from visionops.kernels.stats import look_up_levels

Number = float | np.ndarray | Tensor
Values = float | Sequence[float] | np.ndarray | Tensor


def run_program(image: Shaped[Tensor, "*batch c h w"], program: Program) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image after a pixel program."""
    return unflatten(pixel(flatten(image), program), image.shape[:-3])


def each_value(
    image: Shaped[Tensor, "*batch c h w"],
    function: Callable[[Shaped[Tensor, "b c h w"]], Shaped[Tensor, "b c h w"]],
    *,
    samples: int = 1,
    channels: int = 1,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image after a function of single values that keeps the dtype.

    On uint8 the function runs on the 256 levels only, (samples, channels, 1, 256) of them, and is looked up.
    """
    flat = flatten(image)
    if image.dtype != torch.uint8:
        return unflatten(function(flat), image.shape[:-3])
    levels = torch.arange(256, dtype=torch.uint8, device=image.device).expand(samples, channels, 1, 256)
    tables = function(levels).reshape(samples, channels, 256)
    return unflatten(look_up_levels(flat, tables), image.shape[:-3])


def scale_by(channels: int, factor: float | Tensor, shift: float | Tensor, low: float, high: float) -> Instruction:
    """Returns ``clamp(factor x + shift, low, high)`` of every channel; factor and shift are numbers or (b,)."""
    params = parameters(*(factor,) * channels, *(shift,) * channels, low, high)
    return Instruction(Op.SCALE, params)


def scale_channels(
    image: Shaped[Tensor, "b c h w"],
    scale: Shaped[Tensor, "#b #c"],
    shift: Shaped[Tensor, "#b #c"],
    *,
    low: float = -INF,
    high: float = INF,
    dtype: torch.dtype | None = None,
) -> Shaped[Tensor, "b c h w"]:
    """Returns ``clamp(scale x + shift, low, high)``; `dtype` is the result's, None keeps the image's."""
    rows, c = max(len(scale), len(shift)), image.shape[1]
    ends = scale.new_tensor([[low, high]])
    params = torch.cat([scale.expand(rows, c), shift.expand(rows, c), ends.expand(rows, 2)], 1)
    return pixel(image, [Instruction(Op.SCALE, params)], dtype=dtype)


def parameters(*values: float | Tensor) -> tuple[float, ...] | Tensor:
    """Returns numbers as they are, or (b, k) where one of them is a tensor (b,)."""
    first = next((v for v in values if isinstance(v, Tensor)), None)
    if first is None:
        return tuple(values)  # type: ignore[arg-type]
    first = first if first.is_floating_point() else first.float()
    columns = [torch.as_tensor(v, dtype=first.dtype, device=first.device) for v in values]
    return torch.stack(torch.broadcast_tensors(*columns), -1).reshape(-1, len(values))


def rows_of(*values: float | Tensor) -> int:
    """Returns for how many samples numbers differ."""
    counts = [v.numel() for v in values if isinstance(v, Tensor) and v.numel() != 1]
    return counts[0] if counts else 1


def number(function: str, argument: str, value: Number, image: Tensor, *, low: float | None = None) -> float | Tensor:
    """Returns a number, or one for each sample as (b,); raises where it lies on the host below `low`."""
    value = per_sample(function, argument, value, image)
    if low is not None and isinstance(value, float) and not value >= low:
        raise refuse(function, argument, f"at least {low:g}", value)
    return value


def rows_by_channel(
    function: str, argument: str, value: Values, image: Tensor, *, tail: int = 0
) -> Tensor:
    """Returns values for all, (c,) for each channel or (*batch, c) as (b or 1, c or 1, ...).

    Args:
        tail: how many more dimensions each value has.
    """
    tensor = torch.as_tensor(value)
    tensor = tensor.to(image.device, tensor.dtype if tensor.is_floating_point() else torch.get_default_dtype())
    batch, c = tuple(image.shape[:-3]), image.shape[-3]
    lead, rest = tensor.shape[: tensor.ndim - tail], tensor.shape[tensor.ndim - tail :]
    if len(lead) == 0:
        return tensor.reshape(1, 1, *rest)
    if lead[-1] in (1, c) and tuple(lead[:-1]) in ((), batch):
        return tensor.new_empty(0, lead[-1], *rest) if 0 in lead else tensor.reshape(-1, lead[-1], *rest)
    rule = f"for all, for each channel ({c}), or for each sample and channel {(*batch, c)}"
    raise refuse(function, argument, rule, f"shape {tuple(tensor.shape)}")


def units(image: Tensor) -> float:
    """Returns what white is in the units of the image."""
    return 255.0 if image.dtype == torch.uint8 else 1.0

