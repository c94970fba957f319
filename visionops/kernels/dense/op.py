"""`filter_dense`: correlation with kernels of any shape, compiled where it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition


def filter_dense(
    image: Shaped[Tensor, "b c d h w"],
    kernel: Float[Tensor, "#b n kd kh kw"],
    *,
    border: str = "reflect",
    fill: float = 0.0,
    norm: Literal["none", "l1", "l2"] = "none",
) -> Shaped[Tensor, "b c m d h w"]:
    """Returns images correlated with n kernels in one pass, m = n; or with a norm of the n results, m = 1.

    Args:
        image: floating, or uint8 (rounded and saturating).
        kernel: odd sizes, for each sample or for all.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.
        norm: "l1" sums absolute values, "l2" is the root of the sum of squares.

    Gradient: to the image and to the kernels; that of a norm is 0 where it is 0. Halves compute in float32.
    """
    b, c, *size = image.shape
    n = kernel.shape[1] if norm == "none" else 1
    if image.numel() == 0:
        return image.new_empty(b, c, n, *size)
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image, kernel):
        return cpu.correlate(image, kernel, border, fill, norm)
    x = to_unit(image)
    fill = fill / 255 if image.dtype == torch.uint8 else fill
    kernel = kernel.to(x.device, x.dtype)
    if x.dtype == torch.float32 and native.may_be_recorded(image, kernel):
        return from_unit(_correlate(x, kernel, border, fill, norm), image.dtype)
    return from_unit(_define(x, kernel, border, fill, norm), image.dtype)


def _define(image: Tensor, kernel: Tensor, border: str, fill: float, norm: str) -> Tensor:
    return definition.filter_dense(image, kernel, border=border, fill=fill, norm=norm)


def _adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    image, kernel = given
    border, fill, norm = fixed
    return cpu.adjoint(grad, image, kernel, shape, border, fill, norm, needs)


def _like(image: Tensor, kernel: Tensor, border: str, fill: float, norm: str) -> Tensor:
    b, c, *size = image.shape
    return image.new_empty(b, c, kernel.shape[1] if norm == "none" else 1, *size)


def _reads(needs: Sequence[bool], border: str, fill: float, norm: str) -> tuple[bool, bool]:
    # Without a norm the gradient by the image does not depend on the image.
    return norm != "none" or needs[1], True


_correlate = primitive(
    "filter_dense",
    tensors="Tensor image, Tensor kernel",
    static="str border, float fill, str norm",
    forward=cpu.correlate,
    adjoint=_adjoint,
    define=_define,
    like=_like,
    reads=_reads,
)
