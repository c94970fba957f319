"""Least and largest values as autograd, functorch and the compiler see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition
from .definition import Runs


def _runs(flat: Sequence[int]) -> Runs:
    return tuple((flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3))


def _forward(image: Tensor, runs: Sequence[int], largest: bool) -> Tensor:
    return cpu.extremum(image, _runs(runs), largest)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: Any, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    runs, largest = fixed
    return (cpu.adjoint(grad, given[0], output, _runs(runs), largest),)


def _define(image: Tensor, runs: Sequence[int], largest: bool) -> Tensor:
    return definition.extremum(image, _runs(runs), largest)


selected = primitive(
    "extremum",
    tensors="Tensor image",
    static="int[] runs, bool largest",
    forward=_forward,
    adjoint=_adjoint,
    define=_define,
    reads_output=True,
)
"""Of float32 images (b, c, h, w), the numbers of the runs one after another, and which extreme, with a graph."""
