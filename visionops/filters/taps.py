"""What filters of given kernels check, and the form that kernels reach the primitives in."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from visionops.arguments import check_image
from visionops.errors import refuse


def check_volume(function: str, image: Tensor, *, floating: bool = False) -> None:
    """Raises unless the image is (*batch, c, d, h, w), uint8 or floating."""
    if isinstance(image, Tensor) and image.ndim < 4:
        raise refuse(function, "image", "of shape (*batch, c, d, h, w)", tuple(image.shape))
    check_image(function, image, floating=floating)


def rows_of(function: str, argument: str, taps: np.ndarray | Tensor, image: Tensor, dims: int) -> Tensor:
    """Returns taps of so many dimensions as (b or 1, ...), in a dtype to compute with."""
    taps = torch.from_numpy(taps) if isinstance(taps, np.ndarray) else taps
    batch = tuple(image.shape[: -1 - max(dims, 2)])
    shape = ("k",) if dims == 1 else ("kd", "kh", "kw")[-dims:]
    rule = f"a tensor ({', '.join(shape)}) or (*batch, {', '.join(shape)}) with batch {batch}"
    if not isinstance(taps, Tensor):
        raise refuse(function, argument, rule, type(taps).__name__)
    if taps.ndim < dims or 0 in taps.shape[-dims:] or tuple(taps.shape[:-dims]) not in ((), (1,), batch):
        raise refuse(function, argument, rule, tuple(taps.shape))
    taps = taps.reshape(count_of(taps.shape[:-dims]), *taps.shape[-dims:])
    if image.is_floating_point() and image.dtype == torch.float64:
        return taps.to(image.device, torch.float64)
    return taps.to(image.device, torch.float32)


def count_of(batch: torch.Size) -> int:
    """Returns how many samples a batch of this shape has."""
    return math.prod(batch)


def odd(taps: Tensor, dims: int = 2) -> Tensor:
    """Returns the taps with zeros at the end of even sizes: the middle stays."""
    more = [n for size in reversed(taps.shape[-dims:]) for n in (0, 1 - size % 2)]
    return torch.nn.functional.pad(taps, more) if any(more) else taps
