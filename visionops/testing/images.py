"""Repeatable images, and how far two results may differ."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.uint8: 1.0}
"""How far two ways to compute a value in [0, 1] may differ, by dtype: some tens of roundings; uint8 one grey level."""

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
PIXELS = (*FLOATS, torch.uint8)


def noise_image(n: int, dtype: torch.dtype, *, channels: int = 3, size: tuple[int, int] = (9, 8)) -> Tensor:
    """Returns a batch (n, c, h, w) of repeatable noise in [0, 1], or in 0 to 255 for uint8."""
    values = torch.rand(n, channels, *size, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return (values * 255).to(torch.uint8) if dtype == torch.uint8 else values.to(dtype)


def smooth_image(size: tuple[int, int], *, channels: int = 3) -> Tensor:
    """Returns (c, h, w) without detail under 12 pixels, in [0, 1]: what resampling twice should not change much."""
    h, w = size
    y, x = torch.meshgrid(torch.arange(h) / 12.0, torch.arange(w) / 12.0, indexing="ij")
    return torch.stack([0.5 + 0.2 * torch.sin(x + c) + 0.2 * torch.cos(y * 0.7 - c) for c in range(channels)])


def close(actual: Any, expected: Any, dtype: torch.dtype, *, scale: float = 1.0) -> None:
    """Raises unless two results agree to their dtype's tolerance."""
    for a, b in zip(listed(actual), listed(expected), strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=TOLERANCE[dtype] * scale)


def listed(value: Any) -> list[Tensor]:
    """Returns the tensors of a result, whatever holds them."""
    return [v for one in value for v in listed(one)] if isinstance(value, tuple | list) else [torch.as_tensor(value)]
