"""Rigid motions of the plane, as 3x3 matrices: namespace `se2`.

A tangent is (rho, phi): two numbers of translation, in the units of points, and the angle in radians, from x to y.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, check_vector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.rotations.layout import guarded
from visionops.geometry.rotations.series import stumpff

from .common import Group, acted, interpolated, joined, mean, parts, rotation_near

__all__ = [
    "act",
    "adjoint",
    "average",
    "exp",
    "hat",
    "interpolate",
    "inverse",
    "log",
    "vee",
]


def exp(tangent: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the rigid motions that tangent vectors lead to.

    Args:
        tangent: (rho, phi), the translation first.

    Raises:
        ValueError: for other than three numbers.

    Gradient: of every order and at every tangent, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix C.

    >>> exp(torch.tensor([1.0, 2.0, 0.0])).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    """
    check_vector("se2.exp", "tangent", tangent, 3)
    return guarded(_exp, tangent, dims=(1,), shape=(3, 3))


def log(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Returns the shortest tangent vectors that lead to rigid motions; `exp` undoes it.

    Args:
        matrix: rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along motions, of every order, at the identity too. The angle is in (-pi, pi]; at pi it jumps, and the
        gradient is the limit. Finite for any finite matrix. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix C.

    >>> log(torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor([0.0000, 0.0000, 1.5708])
    """
    check_matrix("se2.log", "matrix", matrix, (3, 3))
    return guarded(_log, matrix, dims=(2,), shape=(3,))


def hat(tangent: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns tangent vectors as the matrices whose matrix exponential is `exp`.

    Args:
        tangent: (rho, phi), the translation first.

    Raises:
        ValueError: for other than three numbers.

    Gradient: to the tangent.

    >>> hat(torch.tensor([1.0, 2.0, 3.0])).tolist()
    [[0.0, -3.0, 1.0], [3.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    """
    check_vector("se2.hat", "tangent", tangent, 3)
    return guarded(_hat, tangent, dims=(1,), shape=(3, 3))


def vee(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Returns the tangent vectors that `hat` makes such matrices of.

    Args:
        matrix: as `hat` makes it; of its linear part the skew part counts.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix.

    >>> vee(hat(torch.tensor([1.0, 2.0, 3.0]))).tolist()
    [1.0, 2.0, 3.0]
    """
    check_matrix("se2.vee", "matrix", matrix, (3, 3))
    return guarded(_vee, matrix, dims=(2,), shape=(3,))


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the inverses of rigid motions, by the transpose of the rotation.

    Args:
        matrix: rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along the group. NaN gives NaN and gradient 0.

    >>> inverse(exp(torch.tensor([1.0, 2.0, 0.0])))[:2, 2].tolist()
    [-1.0, -2.0]
    """
    check_matrix("se2.inverse", "matrix", matrix, (3, 3))
    return guarded(_inverse, matrix, dims=(2,), shape=(3, 3))


def act(matrix: Float[Tensor, "*batch 3 3"], points: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 2"]:
    """Returns points moved by rigid motions.

    Args:
        matrix: rigid motions, up to rounding. Its batch broadcasts with that of the points.
        points: (x, y), in the units of the translation.

    Raises:
        ValueError: for other sizes.

    Gradient: to both. NaN in a point stays with it, in a matrix with its points, and gives gradient 0.

    >>> act(exp(torch.tensor([1.0, 2.0, 0.0])), torch.tensor([[3.0, 4.0]])).tolist()
    [[4.0, 6.0]]
    """
    return acted("se2.act", matrix, points, 3, 2)


def adjoint(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the matrices Ad of X exp(v) = exp(Ad v) X.

    Args:
        matrix: X, rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix C.

    >>> adjoint(exp(torch.tensor([1.0, 2.0, 0.0]))).tolist()
    [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]]
    """
    check_matrix("se2.adjoint", "matrix", matrix, (3, 3))
    return guarded(_adjoint, matrix, dims=(2,), shape=(3, 3))


def interpolate(
    start: Float[Tensor, "*batch 3 3"], end: Float[Tensor, "*batch 3 3"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 3 3"]:
    """Returns rigid motions on the way from one to another: exp(t log(end start^-1)) start.

    Args:
        start: at t = 0.
        end: at t = 1.
        t: a number, or one for each sample; outside of [0, 1] the motion goes on.

    Raises:
        ValueError: for other sizes.

    Gradient: to all three, also where both are one. Half a turn apart the way round is that of `log`. NaN gives NaN and
        gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018.

    >>> interpolate(torch.eye(3), exp(torch.tensor([4.0, 0.0, 0.0])), 0.25)[0].tolist()
    [1.0, 0.0, 1.0]
    """
    return interpolated(_GROUP, start, end, t)


@overload
def average(
    elements: Tensor, *, weights: Tensor | None = None, grad: Grad = "implicit", return_valid: Literal[False] = False
) -> Tensor: ...


@overload
def average(
    elements: Tensor, *, weights: Tensor | None = None, grad: Grad = "implicit", return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def average(
    elements: Float[Tensor, "*batch n 3 3"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Float[Tensor, "*batch 3 3"], Bool[Tensor, "*batch"]]:
    """Returns the mean X of rigid motions: sum_i w_i log(X_i X^-1) = 0.

    It moves with the elements, from either side: the mean of A X_i B is A X B. Its translation is not the mean of
    theirs.

    Args:
        elements: rigid motions, up to rounding. Unique where they turn by less than a right angle from their mean.
        weights: below 0 counts as 0; an element of weight 0 may be anything, NaN too. None counts all alike.
        grad: "implicit" differentiates the equation, "unroll" the iterations; "none" is a constant.
        return_valid: whether to return also where the iterations converged, to a mean of some.

    Raises:
        ValueError: for other shapes, or an unknown `grad`.

    Gradient: to elements and weights, right to the second derivative; 0 where not valid. NaN in what counts gives NaN
        and gradient 0.
    Source: Pennec and Arsigny, Exponential barycenters of the canonical Cartan connection, 2013.

    >>> average(exp(torch.tensor([[1.0, 0.0, 0.0], [3.0, 4.0, 0.0]])))[:2, 2].tolist()
    [2.0, 2.0]
    """
    found, valid = mean(_GROUP, elements, weights, _start, grad)
    return (found, valid) if return_valid else found


def _exp(v: Tensor) -> Tensor:
    x, y, angle = v.split(1)
    _, c1, c2, _ = stumpff((angle * angle)[0])
    chord = angle * c2
    shift = torch.cat([c1 * x - chord * y, chord * x + c1 * y])
    cos, sin = angle.cos(), angle.sin()
    return joined(torch.cat([cos, -sin, sin, cos]), shift)


def _log(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 2)
    xx, xy, yx, yy = rotation.split(1)
    cos, sin = xx + yy, yx - xy + 0.0  # -0, just below, would be -pi
    none = (cos == 0) & (sin == 0)
    angle = torch.atan2(sin, torch.where(none, 1, cos))
    _, c1, c2, _ = stumpff((angle * angle)[0])
    x, y = shift.split(1)
    # c1^2 + (angle c2)^2 = 2 c2, which is 4 / pi^2 at least.
    straight, half = c1 / (2 * c2), angle / 2
    return torch.cat([straight * x + half * y, straight * y - half * x, angle])


def _hat(v: Tensor) -> Tensor:
    shift, angle = v.split([2, 1])
    zero = torch.zeros_like(angle)
    return joined(torch.cat([zero, -angle, angle, zero]), shift, last=0.0)


def _vee(m: Tensor) -> Tensor:
    turn, shift = parts(m, 2)
    _, xy, yx, _ = turn.split(1)
    return torch.cat([shift, (yx - xy) / 2])


def _inverse(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 2)
    back = rotation.unflatten(0, (2, 2)).transpose(0, 1)
    return joined(back.flatten(0, 1), -(back * shift).sum(1))


def _adjoint(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 2)
    x, y = shift.split(1)
    return joined(rotation, torch.cat([y, -x]))


def _start(x: Tensor, w: Tensor) -> Tensor:
    """Returns the mean by chords of the rotations, and that of the shifts."""
    together = (w * x).sum(-3)
    top = torch.cat([rotation_near(together[..., :2, :2]), together[..., :2, 2:]], -1)
    last = torch.eye(3, dtype=x.dtype, device=x.device)[2:]
    return torch.cat([top, last.expand(*top.shape[:-2], 1, 3)], -2)


_GROUP = Group("se2", 3, 3, _exp, _log, _inverse)
