"""What the minimal solvers of two views share: the linear equations of matches, and all that satisfy them.

x2^T F x1 = 0  is linear in F,   A f = 0,   f the nine entries of F row by row
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_points, check_same_points, finite_rows
from visionops.geometry.batches import batched, over_batch
from visionops.kernels.functions import opaque, primitive
from visionops.kernels.minimal import minimal_adjoint, minimal_solve

# Equations whose share that is new is smaller than this, relative to the largest, say nothing new.
RANK = 1e-11


class Roots(NamedTuple):
    """Matrices in slots (*batch, slots, 3, 3), and which slots have one."""

    matrices: Tensor
    valid: Tensor


# Points that count, and what a matrix in a slot is worth: 0 where there is none, 1 if it is not isolated, else 2.
Define = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def minimal(name: str, slots: int, define: Define) -> Callable[..., tuple[Tensor, ...]]:
    """Returns a minimal solver of points (*batch, n, d), which is compiled where it may be.

    Args:
        name: of its custom op.
        slots: for matrices.
        define: the definition, of points: matrices and what they are worth, as constants.
    """

    def pack(points1: Tensor, points2: Tensor) -> Tensor:
        matrices, worth = define(points1, points2)
        return torch.cat([matrices.flatten(-2), worth[..., None].to(matrices.dtype)], -1)

    fast = primitive(
        name, tensors="Tensor points1, Tensor points2", static="", forward=minimal_solve, adjoint=minimal_adjoint,
        define=pack, like=lambda points, _: points.new_empty(len(points), slots, 10), reads_output=True,
    )  # fmt: skip

    def solve(points1: Tensor, points2: Tensor) -> tuple[Tensor, Tensor]:
        packed = fast(points1, points2)
        return packed[..., :9].unflatten(-1, (3, 3)), packed[..., 9].detach()

    return batched(solve, define, (2, 2))


def check_matches(function: str, points1: Any, points2: Any, dims: int | tuple[int, ...], least: int) -> None:
    """Raises unless both are points, as many, of batches that broadcast."""
    check_points(function, "points1", points1, dims, least)
    check_points(function, "points2", points2, dims, least)
    check_same_points(function, "points2", points2, points1)
    if points2.shape[-1] != points1.shape[-1]:
        raise refuse(function, "points2", f"of {points1.shape[-1]} coordinates as points1", points2.shape[-1])


def matched(points1: Tensor, points2: Tensor) -> tuple[Tensor, Tensor, Bool[Tensor, "*batch"]]:
    """Returns points of one batch, in float64, zeros for what is not finite, and which samples were finite."""
    batch = torch.broadcast_shapes(points1.shape[:-2], points2.shape[:-2])
    x1, good1 = finite_rows(points1.double().expand(*batch, *points1.shape[-2:]), 2)
    x2, good2 = finite_rows(points2.double().expand(*batch, *points2.shape[-2:]), 2)
    return x1, x2, good1 & good2


def epipolar_rows(x1: Float[Tensor, "*batch n 3"], x2: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 9"]:
    """Returns A of homogeneous points, with rows of length one where no point is 0."""
    rows = (x2[..., :, None] * x1[..., None, :]).flatten(-2)
    square = rows.square().sum(-1, keepdim=True)
    return rows / torch.where(square > 0, square, 1).sqrt()


def null_space(
    rows: Float[Tensor, "*batch m n"],
) -> tuple[Float[Tensor, "*batch n n-m"], Float[Tensor, "*batch n m"], Bool[Tensor, "*batch"]]:
    """Returns an orthonormal basis of what rows (m < n) map to 0, their pseudo-inverse, and whether their rank is m.

    All are constants, and move smoothly with the rows: by Householder's reflections, without pivots.
    """
    basis, inverse, full = over_batch(_declared, rows.shape[:-2], rows)
    return basis, inverse, full


def _find(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m = rows.shape[-2]
    q, r = torch.linalg.qr(rows.mT, mode="complete")
    lower = r[:, :m].mT
    pivots = lower.diagonal(dim1=-2, dim2=-1).abs()
    full = pivots.amin(-1) > RANK * pivots.amax(-1)
    eye = torch.eye(m, dtype=rows.dtype, device=rows.device)
    lower = torch.where(full[:, None, None], lower, eye)
    inverse = torch.linalg.solve_triangular(lower, eye.expand_as(lower), upper=False)
    return q[:, :, m:].contiguous(), q[:, :, :m] @ inverse, full


def _empty(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    b, m, n = rows.shape
    return rows.new_empty(b, n, n - m), rows.new_empty(b, n, m), rows.new_empty(b, dtype=torch.bool)


_declared = opaque("null_space", "(Tensor rows) -> (Tensor, Tensor, Tensor)", _find, _empty)
