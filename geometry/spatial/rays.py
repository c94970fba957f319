"""Where the pixels of a camera look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_matrix

# A ray whose z is less than this, of what it is where K does not bend, looks sideways: a horizon of an augmented K.
SIDEWAYS = 1e-8


def check_depth(function: str, argument: str, depth: Any) -> None:
    """Raises unless it is (*batch, 1, h, w), floating, with pixels."""
    shape = "(*batch, 1, h, w)"
    if not isinstance(depth, Tensor):
        raise refuse(function, argument, f"a tensor {shape}", type(depth).__name__, "torch.from_numpy makes one.")
    if not depth.is_floating_point():
        raise refuse(function, argument, "floating", depth.dtype, "Convert it.")
    if depth.ndim < 3 or depth.shape[-3] != 1 or 0 in depth.shape[-2:]:
        raise refuse(function, argument, f"of shape {shape}, not without pixels", tuple(depth.shape))


def check_intrinsics(function: str, argument: str, K: Any, batch: Any) -> None:
    """Raises unless it is (*batch, 3, 3), floating, of a batch that goes with another."""
    check_matrix(function, argument, K, (3, 3))
    check_batches(function, argument, K.shape[:-2], batch)


def pixel_grid(size: Sequence[int], like: Tensor) -> tuple[Float[Tensor, " w"], Float[Tensor, "h 1"]]:
    """Returns the coordinates x and y of pixel centres."""
    h, w = size
    x = torch.arange(w, dtype=like.dtype, device=like.device)
    return x, torch.arange(h, dtype=like.dtype, device=like.device)[:, None]


def seen_at_one(
    K: Float[Tensor, "*batch 3 3"],
    size: Sequence[int],
    like: Tensor,
    matrix: Float[Tensor, "*batch m 3"] | None = None,
) -> tuple[Float[Tensor, "*batch m h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns what a matrix makes of the point (x, y, 1) that each pixel sees, and where it sees that plane at all.

    K may be any invertible matrix, as augmentations leave it. Where a pixel does not see z = 1, the result is finite,
    no more.

    Args:
        matrix: float64; None: the first two rows of the identity, which leave x and y.
    """
    r0, r1, r2 = K.double().unbind(-2)
    cross = torch.linalg.cross
    # The inverse up to scale, which cancels in x / z.
    adjugate = torch.stack([cross(r1, r2), cross(r2, r0), cross(r0, r1)], -1)
    largest = adjugate.detach()[..., 2, :].abs().amax(-1)[..., None, None]
    adjugate = adjugate / torch.where(largest > 0, largest, 1)
    rows = adjugate
    if matrix is not None:
        turned = matrix @ adjugate
        rows = torch.cat([turned, adjugate[..., 2:, :].expand(*turned.shape[:-2], 1, 3)], -2)
    x, y = pixel_grid(size, like)
    a, b, c = rows.to(like.dtype)[..., None, None].unbind(-3)
    seen = a * x + (b * y + c)
    z = seen[..., -1:, :, :]
    sees = z.abs() > SIDEWAYS
    return seen[..., :-1, :, :] / torch.where(sees, z, 1), sees
