"""Means over windows and their adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from visionops.kernels import native


def box(image: Tensor, height: int, width: int, border: str, fill: float) -> Tensor:
    """Returns the means over windows of images (b, c, h, w), in their dtype."""
    out = native.empty(image.shape, image.dtype)
    native.module.filter_box(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], height, width,
        native.BORDERS[border], fill, native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, given: object, output: None, shape: Sequence[int], fixed: tuple[int, int, str, float], needs: object
) -> tuple[Tensor]:
    """Returns the gradient of the image."""
    height, width, border, _ = fixed
    out = native.empty(shape, torch.float32)
    native.module.filter_box_adjoint(
        native.describe(grad), grad.shape[1], height, width, native.BORDERS[border], native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return (out,)
