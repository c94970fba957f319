"""Rotations of the plane, as 2x2 matrices: namespace `so2`.

A tangent is the angle, of shape (*batch, 1): radians, from x to y.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, check_vector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.rotations.layout import guarded

from .common import Group, acted, interpolated, mean, rotation_near

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


def exp(tangent: Float[Tensor, "*batch 1"]) -> Float[Tensor, "*batch 2 2"]:
    """Returns the rotations that tangent vectors lead to.

    Args:
        tangent: the angle (*batch, 1), in radians.

    Raises:
        ValueError: for other than one number.

    Gradient: of every order and at every tangent, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix A.

    >>> exp(torch.tensor([torch.pi / 6]))
    tensor([[ 0.8660, -0.5000],
            [ 0.5000,  0.8660]])
    """
    check_vector("so2.exp", "tangent", tangent, 1)
    return guarded(_exp, tangent, dims=(1,), shape=(2, 2))


def log(matrix: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 1"]:
    """Returns the shortest tangent vectors that lead to rotations; `exp` undoes it.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along rotations, of every order. The angle is in (-pi, pi]; at pi it jumps, and the gradient is the limit.
        At the matrix 0 both are 0. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix A.

    >>> log(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
    tensor([1.5708])
    """
    check_matrix("so2.log", "matrix", matrix, (2, 2))
    return guarded(_log, matrix, dims=(2,), shape=(1,))


def hat(tangent: Float[Tensor, "*batch 1"]) -> Float[Tensor, "*batch 2 2"]:
    """Returns tangent vectors as the matrices whose matrix exponential is `exp`.

    Args:
        tangent: the angle (*batch, 1), in radians.

    Raises:
        ValueError: for other than one number.

    Gradient: to the tangent.

    >>> hat(torch.tensor([2.0])).tolist()
    [[0.0, -2.0], [2.0, 0.0]]
    """
    check_vector("so2.hat", "tangent", tangent, 1)
    return guarded(_hat, tangent, dims=(1,), shape=(2, 2))


def vee(matrix: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 1"]:
    """Returns the tangent vectors that `hat` makes such matrices of.

    Args:
        matrix: as `hat` makes it; of its linear part the skew part counts.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix.

    >>> vee(torch.tensor([[0.0, -2.0], [2.0, 0.0]])).item()
    2.0
    """
    check_matrix("so2.vee", "matrix", matrix, (2, 2))
    return guarded(_vee, matrix, dims=(2,), shape=(1,))


def inverse(matrix: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 2 2"]:
    """Returns the inverses of rotations, their transposes.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along the group. NaN gives NaN and gradient 0.

    >>> inverse(torch.tensor([[0.0, -1.0], [1.0, 0.0]])).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    check_matrix("so2.inverse", "matrix", matrix, (2, 2))
    return guarded(_inverse, matrix, dims=(2,), shape=(2, 2))


def act(matrix: Float[Tensor, "*batch 2 2"], points: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 2"]:
    """Returns points moved by rotations.

    Args:
        matrix: rotations, up to rounding. Its batch broadcasts with that of the points.
        points: (x, y), in any units.

    Raises:
        ValueError: for other sizes.

    Gradient: to both. NaN in a point stays with it, in a matrix with its points, and gives gradient 0.

    >>> act(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([[3.0, 4.0]])).tolist()
    [[-4.0, 3.0]]
    """
    return acted("so2.act", matrix, points, 2, 2)


def adjoint(matrix: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 1 1"]:
    """Returns the matrices Ad of X exp(v) = exp(Ad v) X.

    Args:
        matrix: X, rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix A: 1, as
        turns of the plane commute.

    >>> adjoint(torch.eye(2)).item()
    1.0
    """
    check_matrix("so2.adjoint", "matrix", matrix, (2, 2))
    return guarded(_adjoint, matrix, dims=(2,), shape=(1, 1))


def interpolate(
    start: Float[Tensor, "*batch 2 2"], end: Float[Tensor, "*batch 2 2"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 2 2"]:
    """Returns rotations on the way from one to another: exp(t log(end start^-1)) start.

    Args:
        start: at t = 0.
        end: at t = 1.
        t: a number, or one for each sample; outside of [0, 1] the motion goes on.

    Raises:
        ValueError: for other sizes.

    Gradient: to all three, also where both are one. Half a turn apart the way round is that of `log`. NaN gives NaN and
        gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018.

    >>> log(interpolate(exp(torch.tensor([0.2])), exp(torch.tensor([0.6])), 0.25))
    tensor([0.3000])
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
    elements: Float[Tensor, "*batch n 2 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch 2 2"] | tuple[Float[Tensor, "*batch 2 2"], Bool[Tensor, "*batch"]]:
    """Returns the mean X of rotations: sum_i w_i log(X_i X^-1) = 0.

    The mean of the angles, by the short way round the circle.

    Args:
        elements: rotations, up to rounding. Unique where they turn by less than a right angle from their mean.
        weights: below 0 counts as 0; an element of weight 0 may be anything, NaN too. None counts all alike.
        grad: "implicit" differentiates the equation, "unroll" the iterations; "none" is a constant.
        return_valid: whether to return also where the iterations converged, to a mean of some.

    Raises:
        ValueError: for other shapes, or an unknown `grad`.

    Gradient: to elements and weights, right to the second derivative; 0 where not valid. NaN in what counts gives NaN
        and gradient 0.
    Source: Manton, A globally convergent numerical algorithm for computing the centre of mass on compact Lie groups,
        2004.

    >>> log(average(exp(torch.tensor([[3.0], [-3.0]])))).abs()
    tensor([3.1416])
    """
    found, valid = mean(_GROUP, elements, weights, _start, grad)
    return (found, valid) if return_valid else found


def _exp(v: Tensor) -> Tensor:
    return _of(v.cos(), v.sin())


def _of(cos: Tensor, sin: Tensor) -> Tensor:
    return torch.cat([cos, -sin, sin, cos])


def _log(m: Tensor) -> Tensor:
    xx, xy, yx, yy = m.split(1)
    cos, sin = xx + yy, yx - xy + 0.0  # -0, just below, would be -pi
    none = (cos == 0) & (sin == 0)
    return torch.atan2(sin, torch.where(none, 1, cos))


def _hat(v: Tensor) -> Tensor:
    zero = torch.zeros_like(v)
    return torch.cat([zero, -v, v, zero])


def _vee(m: Tensor) -> Tensor:
    _, xy, yx, _ = m.split(1)
    return (yx - xy) / 2


def _inverse(m: Tensor) -> Tensor:
    return m.unflatten(0, (2, 2)).transpose(0, 1).flatten(0, 1)


def _adjoint(m: Tensor) -> Tensor:
    return m[:1] * 0 + 1


def _start(x: Tensor, w: Tensor) -> Tensor:
    return rotation_near((w * x).sum(-3))


_GROUP = Group("so2", 2, 1, _exp, _log, _inverse)
