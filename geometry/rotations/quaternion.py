"""Quaternions (w, x, y, z): to the other forms of rotations, and their algebra."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_points, check_vector, finite_rows, or_nan

from .conventions import check_convention
from .forms import (
    columns_of_matrix,
    conjugate,
    dot,
    euler_of_quaternion,
    matrix_of_quaternion,
    nonzero,
    product,
    quaternion_of_vector,
    unit,
    vector_of_quaternion,
)
from .layout import guarded, lifted
from .points import moved


def quaternion_to_matrix(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns rotation matrices of quaternions (w, x, y, z) of any length but 0, whose matrix is the identity.

    Args:
        quaternion: q and -q are one rotation.

    Raises:
        ValueError: for other than four components.

    Gradient: along the unit sphere; none along q, and none at 0. NaN gives NaN and gradient 0.
    Source: B. K. P. Horn, Closed-form solution of absolute orientation using unit quaternions, 1987.

    >>> quaternion_to_matrix(torch.tensor([0.0, 2.0, 0.0, 0.0])).diagonal().tolist()
    [1.0, -1.0, -1.0]
    """
    check_vector("quaternion_to_matrix", "quaternion", quaternion, 4)
    return guarded(matrix_of_quaternion, quaternion, dims=(1,), shape=(3, 3))


def quaternion_to_axis_angle(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3"]:
    """Returns rotation vectors, of at most pi radians, of quaternions (w, x, y, z).

    Args:
        quaternion: of any length; q and -q are one rotation, and 0 the identity.

    Raises:
        ValueError: for other than four components.

    Gradient: of every order, at the identity too, except none at 0. At pi (w = 0) the largest component of the axis is
        positive (the first, of equal ones), and the gradient is the limit from angles below, where the vector jumps to
        its negative. NaN gives NaN and gradient 0.
    Source: J. Stuelpnagel, On the parametrization of the three-dimensional rotation group, 1964.

    >>> quaternion_to_axis_angle(torch.tensor([1.0, 1.0, 0.0, 0.0]))
    tensor([1.5708, 0.0000, 0.0000])
    """
    check_vector("quaternion_to_axis_angle", "quaternion", quaternion, 4)
    return guarded(vector_of_quaternion, quaternion, dims=(1,), shape=(3,))


def quaternion_to_euler(quaternion: Float[Tensor, "*batch 4"], *, convention: str = "xyz") -> Float[Tensor, "*batch 3"]:
    """Returns intrinsic Euler angles (a, b, c), in radians, of quaternions (w, x, y, z): R = R_1(a) R_2(b) R_3(c).

    Args:
        quaternion: of any length; that of 0 is the identity.
        convention: the three axes, "xyz" or another of the twelve whose neighbours differ; SciPy writes them as
            capitals. a and c are in [-pi, pi], b in [-pi/2, pi/2], or in [0, pi] where the first axis is also the last.

    Raises:
        ValueError: for other than four components, or an unknown convention.

    Gradient: to the quaternion, except within 1e-7 of the ends of b's range: there a and c turn about one axis (gimbal
        lock), c is 0 as SciPy has it, and b and c have no gradient. It grows with the inverse distance from there. The
        identity is such a place of the six conventions whose first axis is the last. NaN gives NaN and gradient 0.
    Source: Bernardes and Viollet, Quaternion to Euler angles conversion, 2022.

    >>> quaternion_to_euler(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    tensor([0.0000, 0.0000, 1.5708])
    """
    check_vector("quaternion_to_euler", "quaternion", quaternion, 4)
    check_convention("quaternion_to_euler", convention)
    return guarded(lambda q: euler_of_quaternion(nonzero(q), convention), quaternion, dims=(1,), shape=(3,))


def quaternion_to_rotation_6d(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 6"]:
    """Returns the first two columns of the rotation matrices of quaternions (w, x, y, z), one after the other.

    Args:
        quaternion: of any length; that of 0 is the identity.

    Raises:
        ValueError: for other than four components.

    Gradient: as of `quaternion_to_matrix`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> quaternion_to_rotation_6d(torch.tensor([0.0, 1.0, 0.0, 0.0])).tolist()
    [1.0, 0.0, 0.0, 0.0, -1.0, 0.0]
    """
    check_vector("quaternion_to_rotation_6d", "quaternion", quaternion, 4)
    return guarded(lambda q: columns_of_matrix(matrix_of_quaternion(q)), quaternion, dims=(1,), shape=(6,))


def quaternion_multiply(left: Float[Tensor, "*batch 4"], right: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Returns Hamilton's product of quaternions (w, x, y, z): the rotation by the right one, then by the left.

    Args:
        left: of any length.
        right: of any length; its batch broadcasts with that of the left.

    Raises:
        ValueError: for other than four components.

    Gradient: to both. NaN gives NaN and gradient 0.
    Source: W. R. Hamilton, On quaternions, 1844.

    >>> quaternion_multiply(torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    check_vector("quaternion_multiply", "left", left, 4)
    check_vector("quaternion_multiply", "right", right, 4)
    check_batches("quaternion_multiply", "right", right.shape[:-1], left.shape[:-1])
    return guarded(product, left, right, dims=(1, 1), shape=(4,))


def quaternion_inverse(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Returns the inverses of quaternions (w, x, y, z): conjugates over squared lengths; of 0 it is 0.

    Args:
        quaternion: of any length.

    Raises:
        ValueError: for other than four components.

    Gradient: of every order; none at 0. NaN gives NaN and gradient 0.
    Source: W. R. Hamilton, On quaternions, 1844.

    >>> quaternion_inverse(torch.tensor([0.0, 2.0, 0.0, 0.0])).tolist()
    [0.0, -0.5, 0.0, 0.0]
    """
    check_vector("quaternion_inverse", "quaternion", quaternion, 4)
    return guarded(_inverse, quaternion, dims=(1,), shape=(4,))


def _inverse(q: Tensor) -> Tensor:
    square = dot(q, q)
    some = square > 0
    return conjugate(q) * torch.where(some, 1 / torch.where(some, square, 1), 0)


def quaternion_rotate(
    quaternion: Float[Tensor, "*batch 4"], points: Float[Tensor, "*batch n 3"]
) -> Float[Tensor, "*batch n 3"]:
    """Returns points turned by quaternions (w, x, y, z).

    Args:
        quaternion: of any length; that of 0 turns nothing. Its batch broadcasts with that of the points.
        points: in any units.

    Raises:
        ValueError: for other than four components or three coordinates.

    Gradient: to the points, and to the quaternion as of `quaternion_to_matrix`. A point that is NaN gives NaN and
        gradient 0, alone; so does a quaternion, to all its points.
    Source: B. K. P. Horn, Closed-form solution of absolute orientation using unit quaternions, 1987.

    >>> quaternion_rotate(torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.tensor([[1.0, 0.0, 5.0]])).tolist()
    [[-1.0, 0.0, 5.0]]
    """
    check_vector("quaternion_rotate", "quaternion", quaternion, 4)
    check_points("quaternion_rotate", "points", points, 3)
    check_batches("quaternion_rotate", "quaternion", quaternion.shape[:-1], points.shape[:-2])
    quaternion, good = finite_rows(quaternion.double(), 1)
    matrix = lifted(matrix_of_quaternion, quaternion, dims=(1,), shape=(3, 3))
    return or_nan(moved(matrix, None, points), good[..., None])


def slerp(
    start: Float[Tensor, "*batch 4"], end: Float[Tensor, "*batch 4"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 4"]:
    """Returns unit quaternions (w, x, y, z) on the shortest turn from one to another, at constant speed.

    Args:
        start: at t = 0, of any length; the result's sign is near its.
        end: at t = 1, or its negative, which is the same rotation.
        t: a number, or one for each sample; outside of [0, 1] the turn goes on.

    Raises:
        ValueError: for other than four components.

    Gradient: to all three, of every order, where both are one too. Half a turn apart (at t strictly inside) the way
        round is that of `quaternion_to_axis_angle`, and the gradient its limit. NaN gives NaN and gradient 0.
    Source: K. Shoemake, Animating rotation with quaternion curves, 1985.

    >>> one, other = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, -1.0])
    >>> slerp(one, -other, 0.5)
    tensor([0.7071, 0.0000, 0.0000, 0.7071])
    """
    check_vector("slerp", "start", start, 4)
    check_vector("slerp", "end", end, 4)
    check_batches("slerp", "end", end.shape[:-1], start.shape[:-1])
    t = torch.as_tensor(t, dtype=start.dtype, device=start.device)
    check_batches("slerp", "t", t.shape, torch.broadcast_shapes(start.shape, end.shape)[:-1])
    return guarded(_between, start, end, t, dims=(1, 1, 0), shape=(4,))


def _between(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    start = unit(start)
    return product(start, quaternion_of_vector(t * vector_of_quaternion(product(conjugate(start), end))))
