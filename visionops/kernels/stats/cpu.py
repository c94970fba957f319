"""What C++ computes here: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

from . import definition

# Dtypes of image and sums that the kernel knows.
SUMS = {(torch.uint8, torch.int32), (torch.float32, torch.float32), (torch.float32, torch.float64)}


def level_counts(image: Tensor, rows: int, columns: int) -> Tensor:
    b, c, h, w = image.shape
    out = torch.empty((b, c, rows, columns, definition.LEVELS), dtype=torch.int32, device="cpu")
    native.module.level_counts(
        native.describe(image), c, native.SWEEP_DTYPES[image.dtype], rows, columns,
        *definition.tile_size(h, w, (rows, columns)), native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def equalize_levels(image: Tensor, limits: Tensor | None, rows: int, columns: int) -> Tensor:
    _, c, h, w = image.shape
    out = torch.empty(image.shape, dtype=torch.uint8, device="cpu")
    native.module.equalize_levels(
        native.describe(image), c, None if limits is None else native.host(limits, np.int64), rows, columns,
        *definition.tile_size(h, w, (rows, columns)), native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def stretch(image: Tensor, low: float, high: float) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    native.module.stretch(
        native.describe(image), image.shape[1], low, high, native.addresses(out), torch.get_num_threads()
    )
    return out


def stretch_adjoint(grad: Tensor, image: Tensor, low: float, high: float) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    native.module.stretch_adjoint(
        native.describe(grad), native.describe(image), image.shape[1], low, high, native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def look_up_levels(image: Tensor, tables: Tensor) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.uint8, device="cpu")
    native.module.look_up_levels(
        native.describe(image), image.shape[1], native.host(tables, np.uint8), native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def look_up(image: Tensor, tables: Tensor, tall: int, wide: int) -> Tensor:
    out = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    native.module.look_up(
        native.describe(image), image.shape[1], native.host(tables, np.float32), tall, wide, native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def look_up_adjoint(
    grad: Tensor, image: Tensor, tables: Tensor, tall: int, wide: int, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    by_image = torch.empty(image.shape, dtype=torch.float32, device="cpu") if needs[0] else None
    sums = native.module.look_up_adjoint(
        native.describe(grad), native.describe(image), image.shape[1], native.host(tables, np.float32), tall, wide,
        None if by_image is None else native.addresses(by_image), needs[1], torch.get_num_threads(),
    )  # fmt: skip
    if not needs[1]:
        return by_image, None
    by_tables = torch.from_numpy(sums).reshape(*image.shape[:2], *tables.shape[2:])
    shared = [i for i in (0, 1) if tables.shape[i] == 1]
    return by_image, (by_tables.sum(shared, keepdim=True) if shared else by_tables).float()


def look_up3d(image: Tensor, table: Tensor, tetrahedral: bool) -> Tensor:
    b, _, h, w = image.shape
    out = torch.empty((b, table.shape[1], h, w), dtype=torch.float32, device="cpu")
    native.module.look_up3d(
        native.describe(image), native.host(table, np.float32), tetrahedral, native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def look_up3d_adjoint(
    grad: Tensor, image: Tensor, table: Tensor, tetrahedral: bool, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    by_image = torch.empty(image.shape, dtype=torch.float32, device="cpu") if needs[0] else None
    sums = native.module.look_up3d_adjoint(
        native.describe(grad), native.describe(image), native.host(table, np.float32), tetrahedral,
        None if by_image is None else native.addresses(by_image), needs[1], torch.get_num_threads(),
    )  # fmt: skip
    if not needs[1]:
        return by_image, None
    by_table = torch.from_numpy(sums).reshape(image.shape[0], *table.shape[1:])
    return by_image, (by_table.sum(0, keepdim=True) if table.shape[0] == 1 else by_table).float()


def integral(image: Tensor, dtype: torch.dtype) -> Tensor:
    b, c, h, w = image.shape
    out = torch.empty((b, c, h + 1, w + 1), dtype=dtype, device="cpu")
    native.module.integral(
        native.describe(image), c, native.SWEEP_DTYPES[image.dtype], dtype == torch.float64, native.addresses(out),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def integral_adjoint(grad: Tensor) -> Tensor:
    """Returns the gradient by a float32 image: the sums over all rows below and all columns to the right."""
    b, c, h, w = grad.shape
    out = torch.empty((b, c, h - 1, w - 1), dtype=torch.float32, device="cpu")
    native.module.integral_adjoint(
        native.describe(grad), c, native.addresses(out), torch.get_num_threads()
    )
    return out
