"""Fundamental and essential matrices from cameras, and back, in closed form: scales and signs are fixed once.

||F|| = 1, ||E|| = sqrt 2, x2^T F x1 = 0, E = [t] R for X2 = R X1 + t, E = K2^T F K1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_vector,
    finite_rows,
    finite_samples,
    or_nan,
    promoted,
)
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.linalg import skew
from visionops.geometry.projective.matrices import adjugate, inverse, unit

# Pairs of columns: with the others, in the opposite place, and these signs they make determinants (Laplace), negated so
# that F has the sign of [t] R.
PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
SIGNS = (-1.0, 1.0, -1.0, -1.0, 1.0, -1.0)


def essential_from_pose(R: Float[Tensor, "*batch 3 3"], t: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the essential matrix [t] R / |t| of a motion, of norm sqrt 2.

    Args:
        R: rotation from the first camera's frame to the second's: X2 = R X1 + t.
        t: in any unit.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both. Of t = 0 it is 0, with the gradient of [t] R. NaN gives NaN, with gradient 0, as of all here.

    >>> essential_from_pose(torch.eye(3), torch.tensor([2.0, 0.0, 0.0])).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    check_matrix("essential_from_pose", "R", R, (3, 3))
    check_vector("essential_from_pose", "t", t, 3)
    check_batches("essential_from_pose", "t", t.shape[:-1], R.shape[:-2])
    R, t = promoted(R, t)
    (R, t), good = finite_samples((R, 2), (t, 1))
    return or_nan(skew(unit(t[..., None])[..., 0]) @ R, good)


def essential_from_fundamental(
    F: Float[Tensor, "*batch 3 3"], K1: Float[Tensor, "*batch 3 3"], K2: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Returns K2^T F K1, of norm sqrt 2: the essential matrix, where F is exact.

    Args:
        F: fundamental matrix, in pixels.
        K1: intrinsics of the first view.
        K2: of the second.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three; at 0 that of K2^T F K1 times sqrt 2. Of an inexact F the singular values are not 1, 1, 0:
        `nearest_essential` makes them.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 9.12.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> essential_from_fundamental(F, torch.eye(3), torch.eye(3)).round(decimals=4).add(0).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    _check("essential_from_fundamental", F=F, K1=K1, K2=K2)
    F, K1, K2 = promoted(F, K1, K2)
    (F, K1, K2), good = finite_samples((F, 2), (K1, 2), (K2, 2))
    return or_nan(unit(K2.mT @ F @ K1, 2**0.5), good)


def fundamental_from_essential(
    E: Float[Tensor, "*batch 3 3"], K1: Float[Tensor, "*batch 3 3"], K2: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Returns the fundamental matrix K2^-T E K1^-1, of norm 1.

    Args:
        E: essential matrix.
        K1: intrinsics of the first view, invertible.
        K2: of the second.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three; at 0 that of K2^-T E K1^-1.

    >>> E = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> fundamental_from_essential(2 * E, torch.eye(3), torch.eye(3)).square().round(decimals=4).tolist()[1]
    [0.0, 0.0, 0.5]
    """
    _check("fundamental_from_essential", E=E, K1=K1, K2=K2)
    E, K1, K2 = promoted(E, K1, K2)
    (E, K1, K2), good = finite_samples((E, 2), (K1, 2), (K2, 2))
    return or_nan(unit(inverse(K2).mT @ E @ inverse(K1)), good)


def fundamental_from_projections(
    P1: Float[Tensor, "*batch 3 4"], P2: Float[Tensor, "*batch 3 4"]
) -> Float[Tensor, "*batch 3 3"]:
    """Returns the fundamental matrix of two projections, of norm 1.

    Args:
        P1: K1 [R1 | t1], world to pixels of the first view, at any scale.
        P2: of the second.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both, no inverse being taken. Of cameras with one centre it is 0, as far as rounding is.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 17.3: determinants of two rows of each.

    >>> P1, P2 = torch.eye(4)[:3], torch.eye(4)[:3] + torch.tensor([0.0, 0.0, 0.0, 1.0]) * torch.eye(3)[:, :1]
    >>> fundamental_from_projections(P1, P2).square().round(decimals=4).tolist()[2]
    [0.0, 0.5, 0.0]
    """
    _check("fundamental_from_projections", (3, 4), P1=P1, P2=P2)
    P1, P2 = promoted(P1, P2)
    (P1, P2), good = finite_samples((P1, 2), (P2, 2))
    signs = torch.tensor(SIGNS, dtype=P1.dtype, device=P1.device)
    return or_nan(unit(_minors(P2) @ (signs * _minors(P1).flip(-1)).mT), good)


def projections_from_fundamental(
    F: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3 4"], Float[Tensor, "*batch 3 4"]]:
    """Returns projections `(P1, P2)` with this fundamental matrix: [I | 0] and [[e2] F | e2], e2 the unit epipole.

    They are the true ones up to a projective map of space.

    Args:
        F: fundamental matrix of rank two, at any scale.

    Raises:
        ValueError: for any other shape.

    Gradient: to F, as of `epipoles`.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, result 9.14.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> projections_from_fundamental(F)[1].round(decimals=4).add(0).tolist()
    [[0.0, 0.0, 0.0, 1.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]]
    """
    _check("projections_from_fundamental", F=F)
    e2 = epipoles(F)[1]
    P1 = torch.eye(3, 4, dtype=F.dtype, device=F.device).expand(*F.shape[:-2], 3, 4)
    return P1, torch.cat([skew(e2) @ F, e2[..., None]], -1)


def epipoles(F: Float[Tensor, "*batch 3 3"]) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch 3"]]:
    """Returns the epipoles `(e1, e2)`, homogeneous, of norm 1: F e1 = 0 in the first image, F^T e2 = 0 in the second.

    Args:
        F: fundamental matrix, at any scale; of one of rank three, what it makes smallest.

    Raises:
        ValueError: for any other shape.

    Gradient: to F; 0 where its rank is one or less and the epipoles are not unique. The largest component is positive.
        NaN gives NaN, gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 9.2.4.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> epipoles(F)[0].abs().round(decimals=4).tolist()
    [1.0, 0.0, 0.0]
    """
    _check("epipoles", F=F)
    f, good = finite_rows(F.double(), 2)
    # They are the greatest singular vectors of the adjugate. F^T F of an F in pixels would lose half of the digits.
    a = unit(adjugate(unit(f)))
    e1, e2 = (least_eigenvector(-gram)[0] for gram in (a @ a.mT, a.mT @ a))
    return or_nan(e1, good).to(F.dtype), or_nan(e2, good).to(F.dtype)


def relative_pose(
    R1: Float[Tensor, "*batch 3 3"],
    t1: Float[Tensor, "*batch 3"],
    R2: Float[Tensor, "*batch 3 3"],
    t2: Float[Tensor, "*batch 3"],
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Returns `(R, t)`, X2 = R X1 + t, of two cameras: R = R2 R1^T, t = t2 - R t1.

    Args:
        R1: with t1, from the world to the first camera's frame.
        t1: in the unit of the world.
        R2: with t2, from the world to the second's.
        t2: in the same unit.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all.

    >>> eye, one = torch.eye(3), torch.ones(3)
    >>> relative_pose(eye, one, eye, 3 * one)[1].tolist()
    [2.0, 2.0, 2.0]
    """
    _check("relative_pose", R1=R1, R2=R2)
    check_vector("relative_pose", "t1", t1, 3)
    check_vector("relative_pose", "t2", t2, 3)
    for name, t in (("t1", t1), ("t2", t2)):
        check_batches("relative_pose", name, t.shape[:-1], torch.broadcast_shapes(R1.shape[:-2], R2.shape[:-2]))
    R1, t1, R2, t2 = promoted(R1, t1, R2, t2)
    (R1, R2), turns = finite_samples((R1, 2), (R2, 2))
    R = or_nan(R2 @ R1.mT, turns)
    (turn, t1, t2), good = finite_samples((R, 2), (t1, 1), (t2, 1))
    return R, or_nan(t2 - (turn @ t1[..., None])[..., 0], good)


def _minors(projection: Tensor) -> Tensor:
    """Returns for each row the six minors of the two others, in cyclic order: (*batch, 3, 6)."""
    a, b = projection.roll(-1, -2), projection.roll(-2, -2)
    return torch.stack([a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in PAIRS], -1)


def _check(function: str, shape: tuple[int, int] = (3, 3), **matrices: Tensor) -> None:
    batch: tuple[int, ...] = ()
    for name, matrix in matrices.items():
        check_matrix(function, name, matrix, shape)
        check_batches(function, name, matrix.shape[:-2], batch)
        batch = torch.broadcast_shapes(batch, matrix.shape[:-2])
