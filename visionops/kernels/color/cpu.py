"""The conversions and their adjoints as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

from .definition import CONVERSIONS

CODES = {name: code for code, name in enumerate(CONVERSIONS)}


def convert(image: Tensor, conversion: str, numbers: Sequence[float], levels: np.ndarray | None = None) -> Tensor:
    """Returns the colours converted; `levels` (4, 3): scale and shift of bytes that go in, then of those that come out.
    """
    out = torch.empty(like(image, conversion, numbers), dtype=image.dtype, device="cpu")
    native.module.convert_colors(
        native.describe(image), native.SWEEP_DTYPES[image.dtype], CODES[conversion], np.array(numbers, np.float32),
        levels, native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, image: Tensor | None, shape: Sequence[int], conversion: str, numbers: Sequence[float]
) -> Tensor:
    """Returns the gradient of the image, which is None where the conversion is affine."""
    out = torch.empty(tuple(shape), dtype=torch.float32, device="cpu")
    native.module.convert_colors_adjoint(
        None if image is None else native.describe(image), native.describe(grad), CODES[conversion],
        np.array(numbers, np.float32), native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def mosaic(image: Tensor, red: int) -> Tensor:
    """Returns the colours (b, 3, h, w) of mosaics (b, 1, h, w) whose blocks of 2 x 2 see red at pixel `red`."""
    b, _, h, w = image.shape
    out = torch.empty((b, 3, h, w), dtype=image.dtype, device="cpu")
    native.module.mosaic_colors(
        native.describe(image), native.SWEEP_DTYPES[image.dtype], red, native.addresses(out), torch.get_num_threads()
    )
    return out


def like(image: Tensor, conversion: str, numbers: Sequence[float]) -> tuple[int, ...]:
    """Returns the shape of the result."""
    b, _, h, w = image.shape
    return b, len(numbers) // 4 if conversion == "affine" else 3, h, w
