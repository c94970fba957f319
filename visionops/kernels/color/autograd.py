"""The conversions as autograd, functorch and the compiler see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition


def _forward(image: Tensor, conversion: str, numbers: Sequence[float]) -> Tensor:
    return cpu.convert(image, conversion, numbers)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    return [cpu.adjoint(grad, given[0], shape, *fixed)]


def _like(image: Tensor, conversion: str, numbers: Sequence[float]) -> Tensor:
    return image.new_empty(cpu.like(image, conversion, numbers))


def _reads(needs: Sequence[bool], conversion: str, numbers: Sequence[float]) -> tuple[bool]:
    return (conversion != "affine",)


convert = primitive(
    "color",
    tensors="Tensor image",
    static="str conversion, float[] numbers",
    forward=_forward,
    adjoint=_adjoint,
    define=definition.convert,
    like=_like,
    reads=_reads,
)
"""Of float32 images (b, 3, h, w), a name and its numbers, with a graph."""
