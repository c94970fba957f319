"""The filter's adjoint as C++ runs it: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

Array = np.ndarray | Tensor
ONE = torch.ones(1, 1, dtype=torch.float32, device="cpu")


def correlate(
    image: Tensor,
    taps_x: Array,
    taps_y: Array,
    border: str,
    fill: float,
    out: Tensor | None = None,
    sharpen: Array | None = None,
) -> Tensor:
    """Returns the images (b, c, h, w) correlated with taps (b or 1, k) along x and along y, in their dtype.

    Args:
        sharpen: (b or 1), as in `visionops.kernels.filter.filter_separable`.
    """
    if out is None:
        out = torch.empty(image.shape, dtype=image.dtype, device="cpu")
    kind = native.SWEEP_DTYPES[image.dtype]
    native.module.filter_separable(
        native.describe(image), image.shape[1], kind, native.host(taps_x, np.float32), native.host(taps_y, np.float32),
        native.BORDERS[border], fill, None, None, None, None if sharpen is None else native.host(sharpen, np.float32),
        native.addresses(out), kind, torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, image: Tensor | None, taps_x: Tensor, taps_y: Tensor, border: str, fill: float, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Returns the gradients of image and taps, those that are needed; `image` None where only its own is."""
    if not needs[1] and not needs[2]:
        return _spread(grad, taps_x, taps_y, border), None, None
    assert image is not None
    # Rows first, then columns, as the definition: what lies outside a constant border is fill to both.
    down = _spread(grad, ONE, taps_y, border)
    by_x = _products(down, image, taps_x, border, fill, down=False) if needs[1] else None
    by_y = None
    if needs[2]:
        by_y = _products(grad, correlate(image, taps_x, ONE, border, fill), taps_y, border, fill, down=True)
    return (_spread(down, taps_x, ONE, border) if needs[0] else None), by_x, by_y


def _spread(grad: Tensor, taps_x: Tensor, taps_y: Tensor, border: str) -> Tensor:
    out = torch.empty(grad.shape, dtype=torch.float32, device="cpu")
    native.module.filter_adjoint(
        native.describe(grad), grad.shape[1], native.host(taps_x.flip(1), np.float32),
        native.host(taps_y.flip(1), np.float32), native.BORDERS[border], native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def _products(grad: Tensor, image: Tensor, taps: Tensor, border: str, fill: float, *, down: bool) -> Tensor:
    sums = native.module.filter_products(
        native.describe(grad), native.describe(image), image.shape[1], down, taps.shape[1], native.BORDERS[border],
        fill, torch.get_num_threads(),
    )  # fmt: skip
    result = torch.from_numpy(sums).to(taps.dtype)
    return result if taps.shape[0] == len(result) else result.sum(0, keepdim=True)
