"""Structuring elements: which pixels around one belong to its neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from visionops.arguments import kernel_sizes


def box(size: int | Sequence[int]) -> Bool[Tensor, "h w"]:
    """Returns a full rectangle; size is its side, or (height, width).

    Raises:
        ValueError: for a size below 1.

    Source: OpenCV getStructuringElement, MORPH_RECT.

    >>> box((1, 2))
    tensor([[True, True]])
    """
    return torch.ones(kernel_sizes("box", size, odd=False), dtype=torch.bool)


def cross(size: int | Sequence[int]) -> Bool[Tensor, "h w"]:
    """Returns the row and the column through the pixel at size // 2; size is its side, or (height, width).

    Raises:
        ValueError: for a size below 1.

    Source: OpenCV getStructuringElement, MORPH_CROSS.

    >>> cross(3).int().tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    h, w = kernel_sizes("cross", size, odd=False)
    return (torch.arange(h) == h // 2)[:, None] | (torch.arange(w) == w // 2)


def ellipse(size: int | Sequence[int]) -> Bool[Tensor, "h w"]:
    """Returns the ellipse that fills a rectangle; size is its side, or (height, width).

    Raises:
        ValueError: for a size below 1.

    Source: OpenCV getStructuringElement, MORPH_ELLIPSE; of one row, only its middle, as there.

    >>> ellipse(3).int().tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    h, w = kernel_sizes("ellipse", size, odd=False)
    ry, rx = h // 2, w // 2
    dy = torch.arange(h, dtype=torch.float64) - ry
    half = (rx * ((ry**2 - dy**2).clamp(min=0) / max(ry, 1) ** 2).sqrt()).round()
    inside = (torch.arange(w) - rx).abs() <= half[:, None]
    return inside & (dy.abs() <= ry)[:, None]
