"""Fundamental matrices of eight matches or more: the normalised eight-point algorithm.

x2^T F x1 = 0 is linear in F. The null vector of these equations, made of rank two, in normalised coordinates.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.errors import refuse
from visionops.geometry.arguments import or_nan
from visionops.geometry.implicit import nearest_rank2
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.linalg import normalize_points
from visionops.geometry.projective.matrices import unit, with_sign
from visionops.geometry.projective.pairs import SYMMETRIC, check_pairs, fitted, held, monomials, weighted, without_nan

from .equations import Roots
from .seven_point import find_fundamental_7point

# Which of 6 x 6 sums of monomials every entry of the Gram matrix is.
PLACES = [
    6 * SYMMETRIC[3 * i + k] + SYMMETRIC[3 * j + m]
    for i in range(3)
    for j in range(3)
    for k in range(3)
    for m in range(3)
]


@overload
def find_fundamental(
    points1: Tensor,
    points2: Tensor,
    *,
    method: Literal["8point"] = "8point",
    weights: Tensor | None = None,
    return_valid: Literal[False] = False,
) -> Tensor: ...


@overload
def find_fundamental(
    points1: Tensor,
    points2: Tensor,
    *,
    method: Literal["8point"] = "8point",
    weights: Tensor | None = None,
    return_valid: Literal[True],
) -> tuple[Tensor, Tensor]: ...


@overload
def find_fundamental(points1: Tensor, points2: Tensor, *, method: Literal["7point"]) -> Roots: ...


def find_fundamental(
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    method: Literal["8point", "7point"] = "8point",
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Tensor, Tensor] | Roots:
    """Returns the fundamental matrix F, x2^T F x1 = 0, of two views; its norm is 1, its largest component positive.

    Args:
        points1: x1 = (x, y) in the first image, in pixels or any other unit; eight or more, seven for "7point".
        points2: x2, in the order of the first.
        method: "8point" minimises the algebraic error. "7point" returns the three slots `(matrices, valid)` of
            `find_fundamental_7point`.
        weights: of the squared errors, at least 0; a pair of weight 0 does not count, whatever its coordinates. For
            "8point".
        return_valid: whether to return also where it is finite and unique. For "8point".

    Raises:
        ValueError: for too few points, shapes that do not go together, an unknown method, or weights with "7point".

    Gradient: to points and weights, for exact and inexact points, by the implicit function theorem; 0 to a weight of 0.
        Where F is one of many (a plane, a rotation alone, less than eight different points), its gradient is 0. NaN
        gives NaN, gradient 0.
    Source: Hartley, In Defense of the Eight-Point Algorithm, 1997.

    >>> x1 = torch.tensor([[0.0, 0], [4, 1], [1, 5], [6, 7], [3, 2], [8, 3], [2, 9], [5, 5]])
    >>> x2 = x1 + torch.tensor([1.0, 2, 4, 3, 5, 2, 7, 9])[:, None] * torch.tensor([1.0, 0])  # a camera that moved in x
    >>> find_fundamental(x1, x2).mul(2).abs().square().round(decimals=3).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    check_choice("find_fundamental", "method", method, ("8point", "7point"))
    if method == "7point":
        if weights is not None:
            raise refuse("find_fundamental", "weights", "None for '7point'", "weights", "Seven points are all needed.")
        return find_fundamental_7point(points1, points2)
    check_pairs("find_fundamental", points1, points2, weights, least=8)
    f, valid = _fit(points1, points2, weights)
    return (f, valid) if return_valid else f


def _define(points1: Tensor, points2: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    p1, p2, w, good = without_nan(points1, points2, weights)
    q1, q2 = normalize_points(p1, weights=w), normalize_points(p2, weights=w)
    # The rows x2 x1^T of the equations; entry (i, j), (k, l) of their Gram matrix is sum w x2_i x2_k x1_j x1_l.
    sums = monomials(q2.points).mT @ weighted(monomials(q1.points), w)
    place = torch.tensor(PLACES, device=sums.device)
    spread = torch.nn.functional.one_hot(place, 36).to(sums.dtype)
    f, unique = least_eigenvector((sums.flatten(-2) @ spread.mT).unflatten(-1, (9, 9)))
    flat, ranked = nearest_rank2(f.unflatten(-1, (3, 3)), return_valid=True)
    unique = unique & ranked
    f = held(unit(with_sign(q2.matrix.mT @ flat @ q1.matrix)), unique)
    return or_nan(f, good).to(points1.dtype), good & unique


_fit = fitted(_define, epipolar=True)
