"""The bilateral filter as autograd, functorch and the compiler see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition


def _forward(
    image: Tensor, guide: Tensor | None, color: Tensor, space: Tensor, height: int, width: int, border: str
) -> Tensor:
    return cpu.smooth(image, guide, color, space, (height, width), border)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    height, width, border = fixed
    image, guide, color, space = given
    return cpu.adjoint(grad, image, guide, color, space, (height, width), border, needs)


def _define(
    image: Tensor, guide: Tensor | None, color: Tensor, space: Tensor, height: int, width: int, border: str
) -> Tensor:
    return definition.bilateral(image, guide, color, space, size=(height, width), border=border)


smooth = primitive(
    "bilateral",
    tensors="Tensor image, Tensor? guide, Tensor sigma_color, Tensor sigma_space",
    static="int height, int width, str border",
    forward=_forward,
    adjoint=_adjoint,
    define=_define,
)
"""Of float32 images (b, c, h, w), a guide (b, g, h, w) or None, sigmas (b or 1), size and border, with a graph."""
