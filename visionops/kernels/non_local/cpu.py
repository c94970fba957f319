"""Non-local means and their adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native


def average(image: Tensor, rate: Tensor, floor: Tensor, patch: int, search: int, border: str) -> Tensor:
    """Returns the averages of images (b, c, h, w), in their dtype."""
    out = native.empty(image.shape, image.dtype)
    native.module.non_local(
        *_described(image, rate, floor, patch, search, border), native.SWEEP_DTYPES[image.dtype],
        native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor | None]:
    """Returns the gradients of float32 images, rate and floor, None where not needed."""
    image, rate, floor = given
    by_image = native.empty(shape, torch.float32)
    sums = native.module.non_local_adjoint(
        *_described(image, rate, floor, *fixed), native.describe(grad), native.addresses(by_image),
        torch.get_num_threads(),
    )  # fmt: skip
    found = [by_image]
    for by, of in zip(torch.from_numpy(sums).to(image.dtype).unbind(1), (rate, floor), strict=True):
        found.append(by if len(of) == len(by) else by.sum(0, keepdim=True))
    return [g if need else None for g, need in zip(found, needs, strict=True)]


def _described(image: Tensor, rate: Tensor, floor: Tensor, patch: int, search: int, border: str) -> tuple[object, ...]:
    return (
        native.describe(image), image.shape[1], native.host(rate, np.float32), native.host(floor, np.float32), patch,
        search, native.BORDERS[border],
    )  # fmt: skip
