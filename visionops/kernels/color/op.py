"""`convert`: one conversion of colours, compiled where it may."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

from . import autograd, cpu, definition


class Levels(NamedTuple):
    """How a colour space is written in bytes: level = scale value + shift by channel, rounded and saturated."""

    scale: tuple[float, float, float] = (255.0, 255.0, 255.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def of(self, channels: int) -> np.ndarray:
        """Returns scale and shift (2, c)."""
        return np.array([self.scale[:channels], self.shift[:channels]], np.float32)


class Conversion(NamedTuple):
    """A conversion of `definition.CONVERSIONS`.

    Args:
        name: which.
        numbers: what it needs, see `definition`.
        source: the levels of bytes that go in.
        target: of those that come out.
    """

    name: str
    numbers: tuple[float, ...] = ()
    source: Levels = Levels()
    target: Levels = Levels()


def convert(image: Shaped[Tensor, "b 3 h w"], conversion: Conversion) -> Shaped[Tensor, "b c h w"]:
    """Returns the colours converted.

    Args:
        image: floating, or uint8 in the levels of the conversion's source; the result then is in its target's.
        conversion: which, and its numbers.

    Gradient: to the image, see `definition`. float16 and bfloat16 compute in float32.
    """
    name, numbers = conversion.name, conversion.numbers
    if image.dtype == torch.uint8:
        return _convert_bytes(image, conversion)
    x = image if image.dtype == torch.float64 else image.float()
    if x.dtype == torch.float32 and x.numel() and native.may_run(x):
        out = cpu.convert(x, name, numbers)
    elif x.dtype == torch.float32 and x.numel() and native.may_be_recorded(x):
        out = autograd.convert(x, name, numbers)
    else:
        out = definition.convert(x, name, numbers)
    return out.to(image.dtype)


def _convert_bytes(image: Tensor, conversion: Conversion) -> Tensor:
    channels = cpu.like(image, conversion.name, conversion.numbers)[1]
    if image.numel() and native.may_run(image):
        levels = np.ones((4, 3), np.float32)
        levels[:2], levels[2:, :channels] = conversion.source.of(3), conversion.target.of(channels)
        return cpu.convert(image, conversion.name, conversion.numbers, levels)
    scale, shift = _columns(conversion.source, 3, image.device)
    x = definition.convert((image - shift) / scale, conversion.name, conversion.numbers)
    scale, shift = _columns(conversion.target, channels, image.device)
    return (x * scale + shift).round().clamp(0, 255).to(torch.uint8)


def _columns(levels: Levels, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    values = [levels.scale[:channels], levels.shift[:channels]]
    scale, shift = torch.tensor(values, dtype=torch.float32, device=device)[..., None, None]
    return scale, shift
