"""The filter as autograd, functorch and the compiler see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive

from . import cpu, definition


def _forward(image: Tensor, taps_x: Tensor, taps_y: Tensor, border: str, fill: float) -> Tensor:
    if native.triton_may_run(image):
        from . import cuda

        return cuda.forward(image, taps_x, taps_y, border, fill)
    return cpu.correlate(image, taps_x, taps_y, border, fill)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    everything = (grad, *given, *fixed, needs)
    if native.triton_may_run(grad):
        from . import cuda

        return cuda.backward(*everything)
    return cpu.adjoint(*everything)


def _define(image: Tensor, taps_x: Tensor, taps_y: Tensor, border: str, fill: float) -> Tensor:
    return definition.filter_separable(image, taps_x, taps_y, border=border, fill=fill)


def _reads(needs: Sequence[bool], border: str, fill: float) -> tuple[bool, bool, bool]:
    # The gradient by the image does not depend on the image.
    return any(needs[1:]), True, True


correlate = primitive(
    "filter",
    tensors="Tensor image, Tensor taps_x, Tensor taps_y",
    static="str border, float fill",
    forward=_forward,
    adjoint=_adjoint,
    define=_define,
    reads=_reads,
)
"""Of float32 images (b, c, h, w), taps along x and along y (b or 1, k), border and fill, with a graph."""
