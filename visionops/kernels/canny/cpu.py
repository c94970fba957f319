"""Canny's edges as C++ finds them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native


def find_edges(image: Tensor, low: Tensor, high: Tensor, norm: str, magnitude: Tensor | None = None) -> Tensor:
    """Returns the edges (b, 1, h, w) of uint8 or float32 images (b, c, h, w); writes a magnitude where it is given."""
    b, _, h, w = image.shape
    edges = native.empty((b, 1, h, w), image.dtype)
    native.module.find_edges(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], native.host(low, np.float64),
        native.host(high, np.float64), norm == "l2", native.addresses(edges),
        None if magnitude is None else native.addresses(magnitude), torch.get_num_threads(),
    )  # fmt: skip
    return edges
