"""Images as the floats that are computed with, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def to_unit(image: Tensor) -> Tensor:
    """Returns the image as floats to compute with: integers as a fraction of their maximum, halves in float32."""
    if image.dtype == torch.uint8:
        return image.float() / 255
    return image if image.dtype == torch.float64 else image.float()


def from_unit(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns floats as the dtype; uint8 is rounded and saturates."""
    if dtype == torch.uint8:
        return (image * 255).round().clamp(0, 255).to(torch.uint8)
    return image.to(dtype)
