"""Brightness, contrast, saturation and hue, alone and in random order.

    brightness  clamp(f x)
    contrast    clamp(f x + (1 - f) mean of the image's luma)
    saturation  clamp(f x + (1 - f) luma)
    hue         rotated in HSV, in turns

Source: torchvision's ColorJitter, whose formulas, clamps and half-widths these are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from visionops.errors import mistake
from visionops.kernels.pixel import Instruction, Op
from visionops.kernels.pixel.program import LUMA
from visionops.pipeline.distributions import Distribution, Uniform, bound_values
from visionops.pipeline.numbers import Size, floor, row
from visionops.pipeline.steps import Color, Values

from .tone import check_channels

ORDERS = tuple(itertools.permutations(range(4)))


def _brightness(factor: Any, channels: int) -> Any:
    return row(*(factor,) * channels, *(0.0,) * channels, 0.0, 1.0)


def _contrast(factor: Any, channels: int) -> Any:
    return row(factor)


def _saturation(factor: Any, channels: int) -> Any:
    rest = 1 - factor
    entries = [LUMA[j] * rest + (factor if i == j else 0) if j < 3 else 0.0 for i in range(3) for j in range(4)]
    return row(*entries, 0.0, 1.0)


def _hue(shift: Any, channels: int) -> Any:
    return row(shift)


PARTS: tuple[tuple[str, Op, Callable[[Any, int], Any]], ...] = (
    ("brightness", Op.SCALE, _brightness),
    ("contrast", Op.CONTRAST, _contrast),
    ("saturation", Op.MATRIX, _saturation),
    ("hue", Op.HUE, _hue),
)
# Saturation and hue mean nothing for one channel.
NEEDS_COLOUR = (False, False, True, True)


class _Part(Color):
    """One part of the jitter as a step of its own."""

    place: ClassVar[int]

    def program(self, values: Values, channels: int) -> list[Instruction]:
        name, op, params = PARTS[self.place]
        if NEEDS_COLOUR[self.place]:
            check_channels(type(self).__name__, channels)
            if channels == 1:
                return []
        return [Instruction(op, params(values[name], channels))]


class Brightness(_Part):
    """Multiplies colours by a factor, within [0, 1].

    Args:
        factor: at least 0; 1 changes nothing.
        p: the probability that it runs.
    """

    place = 0

    def __init__(self, factor: Any = (0.6, 1.4), *, p: float = 1.0) -> None:
        super().__init__(p=p, brightness=_factor("Brightness", "factor", factor))


class Contrast(_Part):
    """Moves colours away from the image's mean luma, or towards it, within [0, 1].

    Args:
        factor: at least 0; 1 changes nothing, 0 leaves one grey.
        p: the probability that it runs.
    """

    place = 1

    def __init__(self, factor: Any = (0.6, 1.4), *, p: float = 1.0) -> None:
        super().__init__(p=p, contrast=_factor("Contrast", "factor", factor))


class Saturation(_Part):
    """Moves colours away from their own luma, or towards it, within [0, 1]. One channel stays.

    Args:
        factor: at least 0; 1 changes nothing, 0 leaves greys.
        p: the probability that it runs.
    """

    place = 2

    def __init__(self, factor: Any = (0.6, 1.4), *, p: float = 1.0) -> None:
        super().__init__(p=p, saturation=_factor("Saturation", "factor", factor))


class Hue(_Part):
    """Turns the hue. One channel stays.

    Args:
        shift: in turns: 1/3 makes red green, 1 changes nothing.
        p: the probability that it runs.

    Gradient: finite at greys and black, where hue has none of its own: a subgradient.
    """

    place = 3

    def __init__(self, shift: Any = (-0.1, 0.1), *, p: float = 1.0) -> None:
        super().__init__(p=p, hue=shift)


class ColorJitter(Color):
    """Changes brightness, contrast, saturation and hue, in a random order for each sample.

    Args:
        brightness: a number b draws the factor from (max(0, 1 - b), 1 + b); a pair is the range of the factor itself;
            a distribution is the factor's. 0 leaves it out.
        contrast: likewise.
        saturation: likewise.
        hue: a number h, at most 0.5, draws the shift in turns from (-h, h); a pair is the range of the shift.
        p: the probability that it runs.
    """

    def __init__(
        self, brightness: Any = 0.0, contrast: Any = 0.0, saturation: Any = 0.0, hue: Any = 0.0, *, p: float = 1.0
    ) -> None:
        drawn = {
            name: _factor("ColorJitter", name, value, half_width=True)
            for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
            if not _is_zero(value)
        }
        if not _is_zero(hue):
            drawn["hue"] = _shift(hue)
        super().__init__(p=p, **drawn)
        self.parts = [i for i, (name, _, _) in enumerate(PARTS) if name in drawn]

    @property
    def draws(self) -> int:
        return super().draws + 1

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        order = floor(uniforms[0] * len(ORDERS)) * 1.0
        return {"order": order, **super().sample(uniforms[1:], size)}

    def program(self, values: Values, channels: int) -> list[Instruction]:
        check_channels("ColorJitter", channels)
        used = [i for i in self.parts if channels == 3 or not NEEDS_COLOUR[i]]
        params = [PARTS[i][2](values[PARTS[i][0]], channels) for i in used]
        order = values["order"]
        if isinstance(order, Tensor) and order.device.type == "cpu" and not torch.compiler.is_compiling():
            order = order.numpy(force=True)
        if isinstance(order, Tensor) or (isinstance(order, np.ndarray) and any(isinstance(p, Tensor) for p in params)):
            return _in_turn(used, params, order)
        if not isinstance(order, np.ndarray):
            return [Instruction(PARTS[i][1], params[used.index(i)]) for i in ORDERS[int(order)] if i in used]
        # Sample by sample another operation in each of the places: codes and parameters are picked from the four.
        turn = np.array(_turns(used))[order.astype(np.int64)]
        codes = np.array([PARTS[i][1] for i in used], np.int32)
        table = _stack(params, len(order))
        rows_ = np.arange(len(order))
        return [Instruction(codes[place], table[place, rows_]) for place in turn.T]


def _turns(used: Sequence[int]) -> list[list[int]]:
    """Returns for each of the orders which of the used parts comes first, second, ..."""
    return [[used.index(i) for i in order if i in used] for order in ORDERS]


def _stack(params: Sequence[Any], batch: int) -> np.ndarray:
    """Returns parameters of several operations as one array (operations, b, widest), padded by zeros."""
    widest = max((np.shape(p)[-1] for p in params), default=0)
    out = np.zeros((len(params), batch, widest), np.float32)
    for i, p in enumerate(params):
        values = np.asarray(p, np.float32)
        out[i, :, : values.shape[-1]] = values
    return out


def _in_turn(used: Sequence[int], params: Sequence[Any], order: np.ndarray | Tensor) -> list[Instruction]:
    """Returns the parts in each sample's order (b,), their parameters as tensors; so are the codes, if the order is."""
    if not used:
        return []
    like = next(v for v in (*params, order) if isinstance(v, Tensor))
    each = [p if isinstance(p, Tensor) else torch.as_tensor(np.atleast_2d(p)).to(like) for p in params]
    widest = max(p.shape[1] for p in each)
    table = torch.stack([nn.functional.pad(p, (0, widest - p.shape[1])).expand(len(order), -1) for p in each], 1)
    ops = tuple(PARTS[i][1] for i in used)
    if isinstance(order, Tensor):
        turn = torch.tensor(_turns(used), device=like.device)[order.long()]
        codes: Any = torch.tensor([int(op) for op in ops], dtype=torch.int32, device=like.device)[turn]
    else:
        turn = torch.tensor(_turns(used), device=like.device)[torch.from_numpy(order).long().to(like.device)]
        codes = np.array(ops, np.int32)[np.array(_turns(used))[order.astype(np.int64)]]
    picked = table.gather(1, turn[:, :, None].expand(-1, -1, widest))
    return [
        Instruction(codes[:, k], picked[:, k], ops if isinstance(order, Tensor) else None) for k in range(len(used))
    ]


def _is_zero(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and value == 0)


def _factor(function: str, name: str, value: Any, *, half_width: bool = False) -> Any:
    """Returns the distribution of a factor, which is at least 0."""
    if half_width and isinstance(value, int | float):
        if value < 0:
            raise mistake(function, name, "at least 0", value)
        return Uniform(max(0.0, 1 - value), 1 + value)
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, int | float) for v in value)
        and value[0] < 0
    ):
        raise mistake(function, name, "a range of factors of at least 0", value)
    if isinstance(value, Distribution) and (bounds := bound_values(value)) and bounds[0] < 0:
        raise mistake(function, name, "a distribution of factors of at least 0", value)
    if isinstance(value, int | float) and value < 0:
        raise mistake(function, name, "at least 0", value)
    return value


def _shift(value: Any) -> Any:
    if isinstance(value, int | float):
        if not 0 <= value <= 0.5:
            raise mistake("ColorJitter", "hue", "from 0 to 0.5 turns", value)
        return Uniform(-value, value)
    return value
