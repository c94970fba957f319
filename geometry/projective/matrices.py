"""Closed forms for matrices of two and three rows, and the scales of those that are defined up to one."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.linalg import INFINITY, cofactors

# |det| below this, relative to the square of the norm, is that of a matrix of rank one; in float64, in float32.
RANK = 1e-10, 1e-5


def of_dtype(levels: tuple[float, float], points: Tensor) -> float:
    """Returns the level for points as they were given, whose rounding it is about: solvers compute in float64."""
    return levels[points.dtype != torch.float64]


def adjugate(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns det(M) M^-1, which is a polynomial."""
    return cofactors(matrix).mT


def determinant(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    a, b, c = matrix.unbind(-2)
    return (a * torch.linalg.cross(b, c)).sum(-1)


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns M^-1 of an invertible matrix, such as intrinsics; the adjugate of one that is singular."""
    det = determinant(matrix)
    return adjugate(matrix) / torch.where(det == 0, 1, det)[..., None, None]


def pseudo_inverse2(matrix: Float[Tensor, "*batch 2 2"], rank: float = RANK[0]) -> tuple[Tensor, Tensor]:
    """Returns M^+, and where M has rank two. Of rank one M^+ = M^T / |M|^2."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
    det = a * d - b * c
    square = matrix.square().sum((-1, -2))
    full = det.abs() > rank * square.detach()
    turned = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    divisor = torch.where(full, det, torch.where(square > 0, square, 1))
    return torch.where(full[..., None, None], turned, matrix.mT) / divisor[..., None, None], full


def undo(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the inverse of what `normalize_points` did."""
    scale = matrix[..., :1, :1]
    eye = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    corner = -matrix[..., :2, 2:] / scale
    top = torch.cat([eye[:2, :2] / scale, corner], -1)
    return torch.cat([top, eye[2:].expand(*top.shape[:-2], 1, 3)], -2)


def affine(linear: Float[Tensor, "*batch d d"], centre1: Tensor, centre2: Tensor) -> Float[Tensor, "*batch d d+1"]:
    """Returns the affine map with this linear part that takes one centre (*batch, d) to another."""
    shift = centre2[..., None] - linear @ centre1[..., None]
    return torch.cat([linear.expand(*shift.shape[:-1], -1), shift], -1)


def unit(matrix: Float[Tensor, "*batch m n"], norm: float = 1.0) -> Float[Tensor, "*batch m n"]:
    """Returns a matrix of this Frobenius norm; one that is 0 stays so, with the gradient of the identity."""
    # Scaled by its largest first: squares of what is small underflow.
    size = matrix.detach().abs().amax((-1, -2), keepdim=True)
    matrix = matrix / torch.where(size > 0, size, 1)
    square = matrix.square().sum((-1, -2), keepdim=True)
    return matrix * (norm / torch.where(square > 0, square, 1).sqrt())


def with_sign(matrix: Float[Tensor, "*batch m n"]) -> Float[Tensor, "*batch m n"]:
    """Returns a matrix or its negative, the one whose component of largest magnitude is positive."""
    flat = matrix.flatten(-2)
    largest = flat.gather(-1, flat.abs().argmax(-1, keepdim=True))
    return matrix * torch.where(largest < 0, -1.0, 1.0)[..., None].to(matrix.dtype)


def with_last_one(homography: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns a homography with H33 = 1, or with norm 1 where H33 is as good as 0."""
    last = homography[..., 2:, 2:]
    usable = last.abs() > INFINITY * homography.detach().abs().amax((-1, -2), keepdim=True)
    return torch.where(usable, homography / torch.where(usable, last, 1), unit(homography))
