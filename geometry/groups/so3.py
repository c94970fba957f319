"""Rotations of space, as 3x3 matrices: namespace `so3`.

A tangent is the rotation vector: the axis times the angle in radians, right-handed. Small changes are on the left,
exp(delta) R.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, check_vector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.rotations.forms import dot, matrix_of_vector, spin, transposed, vector_of_matrix
from visionops.geometry.rotations.layout import guarded, twinned
from visionops.geometry.rotations.series import stumpff
from visionops.kernels import motions

from .common import Group, acted, interpolated, mean, rotation_near

__all__ = [
    "act",
    "adjoint",
    "average",
    "exp",
    "hat",
    "interpolate",
    "inverse",
    "left_jacobian",
    "log",
    "vee",
]


def exp(tangent: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the rotations that tangent vectors lead to.

    Args:
        tangent: the axis times the angle in radians.

    Raises:
        ValueError: for other than three numbers.

    Gradient: of every order and at every tangent, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: Rodrigues 1840; Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018,
        appendix B.

    >>> exp(torch.tensor([0.0, 0.0, torch.pi / 6]))
    tensor([[ 0.8660, -0.5000,  0.0000],
            [ 0.5000,  0.8660,  0.0000],
            [ 0.0000,  0.0000,  1.0000]])
    """
    check_vector("so3.exp", "tangent", tangent, 3)
    return _compiled_exp(tangent)


def log(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Returns the shortest tangent vectors that lead to rotations; `exp` undoes it.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along rotations, of every order, at the identity too. At pi the largest component of the axis is positive
        (the first, of equal ones), and the gradient is the limit from angles below, where the vector jumps to its
        negative. Finite for any finite matrix. NaN gives NaN and gradient 0.
    Source: S. W. Shepperd, Quaternion from rotation matrix, 1978.

    >>> log(torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
    tensor([0.0000, 3.1416, 0.0000])
    """
    check_matrix("so3.log", "matrix", matrix, (3, 3))
    return _compiled_log(matrix)


def hat(tangent: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns tangent vectors as the matrices whose matrix exponential is `exp`.

    Args:
        tangent: the axis times the angle in radians.

    Raises:
        ValueError: for other than three numbers.

    Gradient: to the tangent.

    >>> hat(torch.tensor([1.0, 2.0, 3.0])).tolist()
    [[0.0, -3.0, 2.0], [3.0, 0.0, -1.0], [-2.0, 1.0, 0.0]]
    """
    check_vector("so3.hat", "tangent", tangent, 3)
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
    check_matrix("so3.vee", "matrix", matrix, (3, 3))
    return guarded(_vee, matrix, dims=(2,), shape=(3,))


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the inverses of rotations, their transposes.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along the group. NaN gives NaN and gradient 0.

    >>> log(inverse(exp(torch.tensor([0.0, 0.5, 0.0])))).tolist()
    [0.0, -0.5, 0.0]
    """
    check_matrix("so3.inverse", "matrix", matrix, (3, 3))
    return guarded(_inverse, matrix, dims=(2,), shape=(3, 3))


def act(matrix: Float[Tensor, "*batch 3 3"], points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
    """Returns points moved by rotations.

    Args:
        matrix: rotations, up to rounding. Its batch broadcasts with that of the points.
        points: (x, y, z), in any units.

    Raises:
        ValueError: for other sizes.

    Gradient: to both. NaN in a point stays with it, in a matrix with its points, and gives gradient 0.

    >>> act(torch.diag(torch.tensor([-1.0, 1.0, -1.0])), torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[-1.0, 2.0, -3.0]]
    """
    return acted("so3.act", matrix, points, 3, 3)


def adjoint(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the matrices Ad of X exp(v) = exp(Ad v) X.

    Args:
        matrix: X, rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix B: X itself.

    >>> adjoint(torch.diag(torch.tensor([-1.0, 1.0, -1.0]))).diagonal().tolist()
    [-1.0, 1.0, -1.0]
    """
    check_matrix("so3.adjoint", "matrix", matrix, (3, 3))
    return guarded(_adjoint, matrix, dims=(2,), shape=(3, 3))


def interpolate(
    start: Float[Tensor, "*batch 3 3"], end: Float[Tensor, "*batch 3 3"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 3 3"]:
    """Returns rotations on the way from one to another: exp(t log(end start^-1)) start.

    Args:
        start: at t = 0.
        end: at t = 1.
        t: a number, or one for each sample; outside of [0, 1] the motion goes on.

    Raises:
        ValueError: for other sizes.

    Gradient: to all three, also where both are one. Half a turn apart the way round is that of `log`. NaN gives NaN and
        gradient 0.
    Source: K. Shoemake, Animating rotation with quaternion curves, 1985.

    >>> log(interpolate(torch.eye(3), exp(torch.tensor([0.0, 0.8, 0.0])), 0.25))
    tensor([0.0000, 0.2000, 0.0000])
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
    """Returns the mean X of rotations: sum_i w_i log(X_i X^-1) = 0.

    It minimises the weighted sum of squared angles to them; `average_rotation` is the mean by chords, which is cheaper.

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

    >>> log(average(exp(torch.tensor([[0.1, 0.0, 0.0], [0.3, 0.0, 0.0]]))))[0]
    tensor(0.2000)
    """
    found, valid = mean(_GROUP, elements, weights, _start, grad)
    return (found, valid) if return_valid else found


def left_jacobian(tangent: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the matrices J of exp(v + d) = exp(J d) exp(v), for small d.

    Args:
        tangent: v, the axis times the angle in radians; J is singular at whole turns other than 0.

    Raises:
        ValueError: for other than three numbers.

    Gradient: of every order and at every tangent. NaN gives NaN and gradient 0.
    Source: Barfoot, State estimation for robotics, 2017, equation 7.77.

    >>> left_jacobian(torch.zeros(3)).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    check_vector("so3.left_jacobian", "tangent", tangent, 3)
    return guarded(_left_jacobian, tangent, dims=(1,), shape=(3, 3))


_exp, _log, _inverse = matrix_of_vector, vector_of_matrix, transposed


def _left_jacobian(v: Tensor) -> Tensor:
    _, c1, c2, c3 = stumpff(dot(v, v))
    return spin(c1, c2 * v, c3 * v, v)


def _hat(v: Tensor) -> Tensor:
    return spin(torch.zeros_like(v[0]), v, v * 0, v)


def _vee(m: Tensor) -> Tensor:
    _, xy, xz, yx, _, yz, zx, zy, _ = m.unbind(0)
    return torch.stack([zy - yz, xz - zx, yx - xy]) / 2


def _adjoint(m: Tensor) -> Tensor:
    return m


def _start(x: Tensor, w: Tensor) -> Tensor:
    return rotation_near((w * x).sum(-3))


_GROUP = Group("so3", 3, 3, _exp, _log, _inverse)

_compiled_exp = twinned(
    "so3_exp", _exp, motions.exp, motions.exp_adjoint, dims=1, shape=(3, 3)
)
_compiled_log = twinned("so3_log", _log, motions.log, motions.log_adjoint, dims=2, shape=(3,))
