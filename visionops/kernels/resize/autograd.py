"""Resampling as autograd, functorch and the compiler see it: linear, so that nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor]:
    kind_y, kind_x, _ = fixed
    return (cpu.adjoint(grad, kind_y, kind_x, shape),)


def _like(image: Tensor, kind_y: str, kind_x: str, size: Sequence[int]) -> Tensor:
    return image.new_empty((*image.shape[:2], *size))


recorded = primitive(
    "resample",
    tensors="Tensor image",
    static="str kind_y, str kind_x, SymInt[] size",
    forward=cpu.resample,
    adjoint=_adjoint,
    define=definition.resample,
    like=_like,
    reads=lambda needs, *_: (False,),
)
"""Of float32 images (b, c, h, w), kinds and size, with a graph."""
