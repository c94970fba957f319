"""The fundamental matrices of seven matches: up to three.

A f = 0 leaves F = a F1 + b F2, and  det F = 0  is a cubic in a / b.  Source: Hartley and Zisserman, 2004, 11.1.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.implicit.steps import STEPS, is_watched
from visionops.geometry.linalg import cofactors, normalize_points, to_homogeneous
from visionops.geometry.polynomials import pencil, real_roots
from visionops.geometry.projective.matrices import of_dtype

from .equations import Roots, check_matches, epipolar_rows, matched, minimal, null_space

# A root whose slope is smaller than this, of a cubic with terms of size one, is double: it has no derivative.
DOUBLE = 1e-8
# A cubic is 0 within the rounding of points in float64, and in float32.
SINGULAR = 1e-11, 1e-5


def find_fundamental_7point(points1: Float[Tensor, "*batch 7 2"], points2: Float[Tensor, "*batch 7 2"]) -> Roots:
    """Returns `(matrices, valid)`: every F of rank two with x2^T F x1 = 0 for seven matches, in three slots.

    Args:
        points1: x1, in pixels or any other units, of the first image.
        points2: x2, of the second, in its own units.

    Raises:
        ValueError: for other than seven points.

    Gradient: to the points, by the implicit function theorem, right to the second derivative. ||F|| = 1, and its
        largest entry is positive. An empty slot is 0 with gradient 0. So are all where the matches leave more than a
        cubic (points that coincide or are collinear, planes, pure rotation), and where they are not finite. At a double
        root F is valid and its gradient 0. Computes in float64.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 11.1.2.

    >>> x1 = torch.tensor([[0.0, 0], [4, 1], [1, 5], [6, 7], [3, 2], [8, 3], [2, 9]])
    >>> x2 = x1 + torch.tensor([[1.0], [2], [4], [3], [5], [2], [7]]) * torch.tensor([1.0, 0])
    >>> matrices, valid = find_fundamental_7point(x1, x2)
    >>> expected = 0.5**0.5 * torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    >>> (matrices.abs() - expected).abs().amax((-1, -2)).amin().item() < 1e-4
    True
    """
    check_matches("find_fundamental_7point", points1, points2, 2, 7)
    if points1.shape[-2] != 7:
        remedy = "find_fundamental takes more."
        raise refuse("find_fundamental_7point", "points1", "7 points", points1.shape[-2], remedy)
    matrices, worth = _solve(points1, points2)
    return Roots(matrices, worth > 0)


def _define(points1: Tensor, points2: Tensor) -> tuple[Tensor, Tensor]:
    x1, x2, good = matched(points1, points2)
    (x1, map1), (x2, map2) = normalize_points(x1), normalize_points(x2)
    rows = epipolar_rows(to_homogeneous(x1), to_homogeneous(x2))
    basis, inverse, full = null_space(rows)
    first, second = basis.unflatten(-2, (3, 3)).unbind(-1)
    cubic = pencil(first, second)
    # Where every matrix of the pencil is singular (planes, rotations) the cubic is 0 within rounding.
    full = full & good & (cubic.abs().amax(-1) > of_dtype(SINGULAR, points1))
    pairs, found = real_roots(cubic)
    found = found & full[..., None]
    pairs = pairs / torch.where(found[..., None], torch.linalg.vector_norm(pairs, dim=-1, keepdim=True), 1)
    a, b = pairs[..., 0, None, None], pairs[..., 1, None, None]
    first, second = first[..., None, :, :], second[..., None, :, :]
    matrix = a * first + b * second
    if is_watched(points1, points2):
        matrix = _with_gradient(rows, inverse, matrix, b * first - a * second, found)
    matrix = map2.mT[..., None, :, :] @ matrix @ map1[..., None, :, :]
    return _scaled(matrix, found).to(points1.dtype), 2 * found


def _with_gradient(rows: Tensor, inverse: Tensor, matrix: Tensor, aside: Tensor, found: Tensor) -> Tensor:
    """Returns the matrices (..., 3, 3, 3) as functions of the rows: Newton steps on A f = 0, then on det F = 0.

    Args:
        inverse: of the rows.
        matrix: the solutions, unit, as constants.
        aside: unit and orthogonal to them: the only direction that the rows leave, which they count as constant.
    """
    slope = (cofactors(matrix) * aside).sum((-1, -2), keepdim=True)
    simple = found[..., None, None] & (slope.abs() > DOUBLE)
    aside = aside * torch.where(simple, 1 / torch.where(simple, slope, 1), 0)
    move = simple[..., 0, 0, None]
    f = matrix
    for _ in range(STEPS):
        gap = torch.einsum("...mn,...sn->...sm", rows, f.flatten(-2))
        f = f - torch.where(move, torch.einsum("...nm,...sm->...sn", inverse, gap), 0).unflatten(-1, (3, 3))
        f = f - aside * (cofactors(f) * f)[..., 0, :].sum(-1)[..., None, None]
    return f


def _scaled(matrix: Tensor, found: Tensor) -> Tensor:
    """Returns matrices of norm one whose largest entry is positive, and 0 where there is none."""
    square = matrix.square().sum((-1, -2), keepdim=True)
    flat = matrix.detach().flatten(-2)
    sign = torch.where(flat.gather(-1, flat.abs().argmax(-1, keepdim=True)) < 0, -1.0, 1.0)[..., None]
    unit = matrix * (sign / torch.where(found[..., None, None], square, 1).sqrt())
    return torch.where(found[..., None, None], unit, 0)


_solve = minimal("seven_point", 3, _define)
