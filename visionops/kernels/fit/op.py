"""`fit`: an image as a linear function of a guide, pixel by pixel from the means about it; compiled where it may be."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive

from . import cpu, definition


def fit(
    means: Float[Tensor, "b k h w"], products: Float[Tensor, "b m h w"], eps: Float[Tensor, "#b"], *, guides: int
) -> Float[Tensor, "b n h w"]:
    """Returns the slopes (guide by guide, for each channel of the image) and then the offsets of least-squares fits.

    Args:
        means: float32 or float64: of the guide, then of the image. With no image the guide is fitted itself.
        products: of the same dtype: means of the products, guide by guide, with all of these.
        eps: what slopes cost, more than 0.
        guides: the guide's number of channels.

    Gradient: to all tensors.
    """
    if means.numel() == 0:
        return _empty(means, products, eps, guides)
    compiled = means.dtype == torch.float32 and native.may_be_recorded(means, products, eps)
    return (_fit if compiled else _define)(means, products, eps, guides)


def _empty(means: Tensor, products: Tensor, eps: Tensor, guides: int) -> Tensor:
    b, k, h, w = means.shape
    return means.new_empty((b, cpu.coefficients_of(k, guides), h, w))


def _define(means: Tensor, products: Tensor, eps: Tensor, guides: int) -> Tensor:
    return definition.fit(means, products, eps, guides=guides)


_fit = primitive(
    "fit",
    tensors="Tensor means, Tensor products, Tensor eps",
    static="int guides",
    forward=cpu.fit,
    adjoint=cpu.adjoint,
    define=_define,
    like=_empty,
)
