"""`find_edges`: Canny's edges and the magnitude of the gradient, compiled where they may be."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.dense import filter_dense
from visionops.kernels.functions import opaque

from . import cpu, definition


def find_edges(
    image: Shaped[Tensor, "b c h w"], low: Float[Tensor, "#b"], high: Float[Tensor, "#b"], norm: str
) -> tuple[Float[Tensor, "b 1 h w"], Shaped[Tensor, "b 1 h w"]]:
    """Returns the magnitude of the gradient, and the edges.

    Args:
        image: floating, or uint8. Of several channels the steepest counts.
        low: the magnitude that an edge exceeds, in units of the image.
        high: the magnitude that some pixel of every edge exceeds.
        norm: "l1" or "l2", of d/dx and d/dy by Sobel's taps.

    Gradient: of the magnitude to the image, 0 where it is 0; the edges have none. The magnitude is float32 for uint8.
    """
    b, _, h, w = image.shape
    if image.numel() == 0:
        return image.new_empty(b, 1, h, w, dtype=_floating(image)), image.new_empty(b, 1, h, w)
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image):
        magnitude = native.empty((b, 1, h, w), torch.float32)
        return magnitude, cpu.find_edges(image, low, high, norm, magnitude)
    x = image if image.dtype in (torch.uint8, torch.float64) else image.float()
    values = x.float() if x.dtype == torch.uint8 else x
    steepness = filter_dense(
        values[:, :, None], definition.sobel_kernels(values), border="replicate", norm="l1" if norm == "l1" else "l2"
    )
    edges = _edges(x, low, high, norm)
    return steepness[:, :, 0, 0].amax(1, keepdim=True).to(_floating(image)), edges.to(image.dtype)


def _floating(image: Tensor) -> torch.dtype:
    return torch.float32 if image.dtype == torch.uint8 else image.dtype


def _find(image: Tensor, low: Tensor, high: Tensor, norm: str) -> Tensor:
    if image.dtype in native.SWEEP_DTYPES and native.may_be_recorded(image):
        return cpu.find_edges(image, low, high, norm)
    if image.dtype != torch.uint8:
        return definition.find_edges(image, low, high, norm)
    # Products of levels with the tangent are exact in double precision only.
    return (definition.find_edges(image.double(), low, high, norm) * 255).to(torch.uint8)


_edges = opaque(
    "find_edges",
    "(Tensor image, Tensor low, Tensor high, str norm) -> Tensor",
    _find,
    lambda image, *_: image.new_empty(image.shape[0], 1, *image.shape[2:]),
)
