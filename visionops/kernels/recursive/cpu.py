"""The recursion and its adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

from .definition import poles, radius


def blur(image: Tensor, sigma: Sequence[float], border: str, fill: float) -> Tensor:
    """Returns the blurred images (b, c, h, w), in their dtype."""
    return _run(image, image.dtype, sigma, border, fill, adjoint=False)


def adjoint(
    grad: Tensor, given: object, output: None, shape: Sequence[int], fixed: tuple[Sequence[float], str, float],
    needs: object,
) -> tuple[Tensor]:  # fmt: skip
    """Returns the gradient of the image."""
    return (_run(grad, torch.float32, *fixed, adjoint=True),)


def _run(
    image: Tensor, dtype: torch.dtype, sigma: Sequence[float], border: str, fill: float, *, adjoint: bool
) -> Tensor:
    out = native.empty(image.shape, dtype)
    reach, sections = _sections(tuple(sigma))
    native.module.blur_recursive(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[dtype], reach, sections, native.BORDERS[border],
        fill, adjoint, native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


@lru_cache
def _sections(sigma: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far outside each starts, and its poles, weights, and weights of what comes after: (n, 3, 6)."""
    found = []
    for s in sigma:
        p, a = poles(s)
        found.append(np.stack([part for z in (p, a, a * p) for part in (z.real, z.imag)], -1))
    return np.array([radius(s) for s in sigma], np.int64), np.array(found).astype(np.float32)
