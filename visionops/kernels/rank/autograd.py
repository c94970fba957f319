"""Ranks as autograd, functorch and the compiler see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition


def _forward(image: Tensor, k: int, height: int, width: int, border: str, fill: float) -> Tensor:
    return cpu.rank(image, k, (height, width), border, fill)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: Any, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    _, height, width, border, fill = fixed
    return (cpu.choice_adjoint(grad, given[0], output, cpu.window((height, width)), border, fill),)


def _define(image: Tensor, k: int, height: int, width: int, border: str, fill: float) -> Tensor:
    return definition.rank(image, k, (height, width), border, fill)


ranked = primitive(
    "rank",
    tensors="Tensor image",
    static="int k, int height, int width, str border, float fill",
    forward=_forward,
    adjoint=_adjoint,
    define=_define,
    reads_output=True,
)
"""Of float32 images (b, c, h, w), a rank, the size of the window, border and fill, with a graph."""
