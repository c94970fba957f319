"""Morphology as C++ runs it: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.rank.cpu import choice_adjoint

from . import growth
from .definition import RESULTS, Result, Runs, identity, is_box, offsets


def extremum(image: Tensor, runs: Runs, largest: bool) -> Tensor:
    """Returns the least or largest values of images (b, c, h, w), uint8 or float32."""
    out = torch.empty(image.shape, dtype=image.dtype, device="cpu")
    native.module.extremum(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], np.array(runs, np.int32), largest,
        native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def compound(image: Tensor, first: Runs, second: Runs, largest: bool, result: Result) -> Tensor:
    """Returns what two extremes of images (b, c, h, w), uint8 or float32, make together."""
    out = torch.empty(image.shape, dtype=image.dtype, device="cpu")
    native.module.compound(
        native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], np.array(first, np.int32),
        np.array(second, np.int32), largest, RESULTS.index(result), native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(grad: Tensor, image: Tensor, result: Tensor, runs: Runs, largest: bool) -> Tensor:
    """Returns the gradient of the image."""
    fill = identity(image.dtype, largest)
    if not is_box(runs) or len(runs) == 1:
        return choice_adjoint(grad, image, result, offsets(runs), "constant", fill)
    # Down the columns to the first row with the value, then along it.
    row = ((0, *runs[0][1:]),)
    across = image if row == ((0, 0, 0),) else extremum(image, row, largest)
    grad = choice_adjoint(grad, across, result, [(dy, 0) for dy, _, _ in runs], "constant", fill)
    return grad if across is image else choice_adjoint(grad, image, across, offsets(row), "constant", fill)


def squared_distance(image: Tensor) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.float64, device="cpu")
    native.module.squared_distance(_inside(image), out.data_ptr(), torch.get_num_threads())
    return out


def components(image: Tensor, connectivity: int) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.int64, device="cpu")
    native.module.components(_inside(image), connectivity, out.data_ptr(), torch.get_num_threads())
    return out


def skeleton(image: Tensor) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.bool, device="cpu")
    table = np.array(growth.removed(), np.uint8)
    native.module.skeleton(_inside(image), table, out.data_ptr(), torch.get_num_threads())
    return out


def reconstruction_source(marker: Tensor, mask: Tensor, connectivity: int) -> Tensor:
    out = torch.empty(mask.shape, dtype=torch.int64, device="cpu")
    dtype = torch.float64 if mask.dtype == torch.float64 else torch.float32
    pair: Sequence[np.ndarray] = [t.to(dtype).flatten(0, 1).contiguous().numpy() for t in (marker, mask)]
    native.module.reconstruct(*pair, connectivity, out.data_ptr(), torch.get_num_threads())
    return out


def _inside(image: Tensor) -> np.ndarray:
    return (image != 0).flatten(0, 1).contiguous().view(torch.uint8).numpy()
