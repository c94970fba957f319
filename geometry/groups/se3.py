"""Rigid motions of space, as 4x4 matrices: namespace `se3`.

A tangent is (rho, phi): three numbers of translation, in the units of points, then the rotation vector in radians.
Small changes are on the left, exp(delta) T.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, check_vector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.rotations.forms import cross, dot, spin, transposed, vector_and_lever
from visionops.geometry.rotations.layout import guarded, twinned
from visionops.geometry.rotations.series import stumpff
from visionops.kernels import motions

from .common import Group, acted, interpolated, joined, mean, parts, rotation_near

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


def exp(tangent: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns the rigid motions that tangent vectors lead to.

    Args:
        tangent: (rho, phi), the translation first.

    Raises:
        ValueError: for other than six numbers.

    Gradient: of every order and at every tangent, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix D.

    >>> exp(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 0.0]))[:3, 3].tolist()
    [1.0, 2.0, 3.0]
    """
    check_vector("se3.exp", "tangent", tangent, 6)
    return _compiled_exp(tangent)


def log(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 6"]:
    """Returns the shortest tangent vectors that lead to rigid motions; `exp` undoes it.

    Args:
        matrix: rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along motions, of every order, at the identity too. At pi as of `so3.log`. Finite for any finite matrix.
        NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix D.

    >>> log(torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])))
    tensor([0.0000, 0.0000, 0.0000, 0.0000, 3.1416, 0.0000])
    """
    check_matrix("se3.log", "matrix", matrix, (4, 4))
    return _compiled_log(matrix)


def hat(tangent: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns tangent vectors as the matrices whose matrix exponential is `exp`.

    Args:
        tangent: (rho, phi), the translation first.

    Raises:
        ValueError: for other than six numbers.

    Gradient: to the tangent.

    >>> hat(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 4.0])).tolist()
    [[0.0, -4.0, 0.0, 1.0], [4.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]]
    """
    check_vector("se3.hat", "tangent", tangent, 6)
    return guarded(_hat, tangent, dims=(1,), shape=(4, 4))


def vee(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 6"]:
    """Returns the tangent vectors that `hat` makes such matrices of.

    Args:
        matrix: as `hat` makes it; of its linear part the skew part counts.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix.

    >>> vee(hat(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    check_matrix("se3.vee", "matrix", matrix, (4, 4))
    return guarded(_vee, matrix, dims=(2,), shape=(6,))


def inverse(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns the inverses of rigid motions, by the transpose of the rotation.

    Args:
        matrix: rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along the group. NaN gives NaN and gradient 0.

    >>> inverse(exp(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 0.0])))[:3, 3].tolist()
    [-1.0, -2.0, -3.0]
    """
    check_matrix("se3.inverse", "matrix", matrix, (4, 4))
    return guarded(_inverse, matrix, dims=(2,), shape=(4, 4))


def act(matrix: Float[Tensor, "*batch 4 4"], points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
    """Returns points moved by rigid motions.

    Args:
        matrix: rigid motions, up to rounding. Its batch broadcasts with that of the points.
        points: (x, y, z), in the units of the translation.

    Raises:
        ValueError: for other sizes.

    Gradient: to both. NaN in a point stays with it, in a matrix with its points, and gives gradient 0.

    >>> act(exp(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 0.0])), torch.tensor([[1.0, 1.0, 1.0]])).tolist()
    [[2.0, 3.0, 4.0]]
    """
    return acted("se3.act", matrix, points, 4, 3)


def adjoint(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 6 6"]:
    """Returns the matrices Ad of X exp(v) = exp(Ad v) X.

    Args:
        matrix: X, rigid motions, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix. NaN gives NaN and gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018, appendix D.

    >>> adjoint(exp(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 0.0])))[0].tolist()
    [1.0, 0.0, 0.0, 0.0, -3.0, 2.0]
    """
    check_matrix("se3.adjoint", "matrix", matrix, (4, 4))
    return guarded(_adjoint, matrix, dims=(2,), shape=(6, 6))


def interpolate(
    start: Float[Tensor, "*batch 4 4"], end: Float[Tensor, "*batch 4 4"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 4 4"]:
    """Returns rigid motions on the way from one to another: exp(t log(end start^-1)) start.

    Args:
        start: at t = 0.
        end: at t = 1.
        t: a number, or one for each sample; outside of [0, 1] the motion goes on.

    Raises:
        ValueError: for other sizes.

    Gradient: to all three, also where both are one. Half a turn apart the way round is that of `log`. NaN gives NaN and
        gradient 0.
    Source: Sola, Deray and Atchuthan, A micro Lie theory for state estimation in robotics, 2018: a screw motion of
        constant speed.

    >>> interpolate(torch.eye(4), exp(torch.tensor([4.0, 0.0, 0.0, 0.0, 0.0, 0.0])), 0.25)[0].tolist()
    [1.0, 0.0, 0.0, 1.0]
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
    elements: Float[Tensor, "*batch n 4 4"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch 4 4"] | tuple[Float[Tensor, "*batch 4 4"], Bool[Tensor, "*batch"]]:
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

    >>> shifts = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [3.0, 4.0, 0.0, 0.0, 0.0, 0.0]])
    >>> average(exp(shifts))[:3, 3].tolist()
    [2.0, 2.0, 0.0]
    """
    found, valid = mean(_GROUP, elements, weights, _start, grad)
    return (found, valid) if return_valid else found


def left_jacobian(tangent: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 6 6"]:
    """Returns the matrices J of exp(v + d) = exp(J d) exp(v), for small d.

    Args:
        tangent: v, (rho, phi); J is singular at whole turns other than 0.

    Raises:
        ValueError: for other than six numbers.

    Gradient: of every order and at every tangent. NaN gives NaN and gradient 0.
    Source: Barfoot, State estimation for robotics, 2017, equation 7.85; here as a derivative along rho.

    >>> left_jacobian(torch.zeros(6)).diagonal().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    check_vector("se3.left_jacobian", "tangent", tangent, 6)
    return guarded(_left_jacobian, tangent, dims=(1,), shape=(6, 6))


def _exp(v: Tensor) -> Tensor:
    rho, phi = v.split(3)
    c0, c1, c2, c3 = stumpff(dot(phi, phi))
    shift = c1 * rho + c2 * cross(phi, rho) + (c3 * dot(phi, rho)) * phi
    return joined(spin(c0, c1 * phi, c2 * phi, phi), shift)


def _log(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 3)
    phi, k = vector_and_lever(rotation)
    turn = cross(phi, shift)
    return torch.cat([shift - 0.5 * turn + k * cross(phi, turn), phi])


def _left_jacobian(v: Tensor) -> Tensor:
    rho, phi = v.split(3)
    _, c1, c2, c3, c4, c5 = stumpff(dot(phi, phi), 5)
    turn = spin(c1, c2 * phi, c3 * phi, phi)
    # The derivative of that along rho, with c_n' = (n c_(n+2) - c_(n+1)) / 2.
    along = dot(phi, rho)
    one, skew = along * (c3 - c2), (along * (2 * c4 - c3)) * phi + c2 * rho
    left = (along * (3 * c5 - c4)) * phi + c3 * rho
    lean = spin(one, skew, left, phi) + (c3 * phi)[:, None].mul(rho).flatten(0, 1)
    turn, lean = (m.unflatten(0, (3, 3)) for m in (turn, lean))
    rows = [torch.cat([turn, lean], 1), torch.cat([torch.zeros_like(turn), turn], 1)]
    return torch.cat(rows).flatten(0, 1)


def _hat(v: Tensor) -> Tensor:
    rho, phi = v.split(3)
    return joined(spin(torch.zeros_like(phi[0]), phi, phi * 0, phi), rho, last=0.0)


def _vee(m: Tensor) -> Tensor:
    turn, shift = parts(m, 3)
    _, xy, xz, yx, _, yz, zx, zy, _ = turn.unbind(0)
    return torch.cat([shift, torch.stack([zy - yz, xz - zx, yx - xy]) / 2])


def _inverse(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 3)
    back = transposed(rotation)
    return joined(back, -(back.unflatten(0, (3, 3)) * shift).sum(1))


def _adjoint(m: Tensor) -> Tensor:
    rotation, shift = parts(m, 3)
    turn = rotation.unflatten(0, (3, 3))
    lever = torch.linalg.cross(shift[:, None].expand_as(turn), turn, dim=0)
    rows = [torch.cat([turn, lever], 1), torch.cat([torch.zeros_like(turn), turn], 1)]
    return torch.cat(rows).flatten(0, 1)


def _start(x: Tensor, w: Tensor) -> Tensor:
    """Returns the mean by chords of the rotations, and that of the shifts."""
    together = (w * x).sum(-3)
    top = torch.cat([rotation_near(together[..., :3, :3]), together[..., :3, 3:]], -1)
    last = torch.eye(4, dtype=x.dtype, device=x.device)[3:]
    return torch.cat([top, last.expand(*top.shape[:-2], 1, 4)], -2)


_GROUP = Group("se3", 4, 6, _exp, _log, _inverse)

_compiled_exp = twinned(
    "se3_exp", _exp, motions.exp, motions.exp_adjoint, dims=1, shape=(4, 4)
)
_compiled_log = twinned("se3_log", _log, motions.log, motions.log_adjoint, dims=2, shape=(6,))
