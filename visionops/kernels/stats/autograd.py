"""The kernels of this folder as autograd, functorch and the compiler see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.kernels.functions import primitive

from . import cpu, definition


def _none(*_: Any) -> Sequence[Tensor | None]:
    raise AssertionError("counts and levels have no gradient")


level_counts = primitive(
    "level_counts",
    tensors="Tensor image",
    static="int rows, int columns",
    forward=cpu.level_counts,
    adjoint=_none,
    define=lambda image, *grid: definition.level_counts(image, grid),
    like=lambda image, *grid: image.new_empty((*image.shape[:2], *grid, definition.LEVELS), dtype=torch.int32),
)
"""Of an image (b, c, h, w), uint8 or float32, and a grid."""

look_up_levels = primitive(
    "look_up_levels",
    tensors="Tensor image, Tensor tables",
    static="",
    forward=cpu.look_up_levels,
    adjoint=_none,
    define=definition.look_up_levels,
)
"""Of a uint8 image and uint8 tables (b or 1, c or 1, 256)."""

stretch = primitive(
    "stretch",
    tensors="Tensor image",
    static="float low, float high",
    forward=cpu.stretch,
    adjoint=lambda grad, given, output, shape, fixed, needs: (cpu.stretch_adjoint(grad, given[0], *fixed),),
    define=definition.stretch,
)
"""Of a float32 image, and what its channels' extremes become."""

equalize_levels = primitive(
    "equalize_levels",
    tensors="Tensor image, Tensor? limits",
    static="int rows, int columns",
    forward=cpu.equalize_levels,
    adjoint=_none,
    define=lambda image, limits, *grid: definition.equalize_levels(image, limits, grid),
)
"""Of a uint8 image, int64 limits (b or 1,) and a grid."""

look_up = primitive(
    "look_up",
    tensors="Tensor image, Tensor tables",
    static="int tall, int wide",
    forward=cpu.look_up,
    adjoint=lambda grad, given, output, shape, fixed, needs: cpu.look_up_adjoint(
        grad, given[0], given[1], fixed[0], fixed[1], needs
    ),
    define=lambda image, tables, *tile: definition.look_up(image, tables, tile),
)
"""Of a float32 image, float32 tables (b or 1, c or 1, rows, columns, k) and the size of a tile."""

look_up3d = primitive(
    "look_up3d",
    tensors="Tensor image, Tensor table",
    static="bool tetrahedral",
    forward=cpu.look_up3d,
    adjoint=lambda grad, given, output, shape, fixed, needs: cpu.look_up3d_adjoint(
        grad, given[0], given[1], fixed[0], needs
    ),
    define=definition.look_up3d,
    like=lambda image, table, *_: image.new_empty((image.shape[0], table.shape[1], *image.shape[2:])),
)
"""Of a float32 image (b, 3, h, w), a float32 table (b or 1, c, n, n, n), and how."""

integral = primitive(
    "integral",
    tensors="Tensor image",
    static="ScalarType dtype",
    forward=cpu.integral,
    adjoint=lambda grad, given, output, shape, fixed, needs: (cpu.integral_adjoint(grad),),
    define=definition.integral,
    like=lambda image, dtype: image.new_empty(
        (*image.shape[:2], image.shape[2] + 1, image.shape[3] + 1), dtype=dtype
    ),
    reads=lambda *_: (False,),
)
"""Of an image, uint8 or float32, and the dtype of the sums."""
