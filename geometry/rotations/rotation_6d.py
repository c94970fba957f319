"""Pairs of columns, which networks may put out freely, to rotations.

x = a / |a|        y = (b - (x.b) x) / |b - (x.b) x|        z = x cross y
"""

from __future__ import annotations

from typing import Literal, overload

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_vector

from .conventions import check_convention
from .forms import (
    are_independent,
    euler_of_quaternion,
    matrix_of_columns,
    quaternion_of_matrix,
    vector_of_matrix,
)
from .layout import guarded


@overload
def rotation_6d_to_matrix(rotation_6d: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def rotation_6d_to_matrix(rotation_6d: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def rotation_6d_to_matrix(
    rotation_6d: Float[Tensor, "*batch 6"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 3"] | tuple[Float[Tensor, "*batch 3 3"], Bool[Tensor, "*batch"]]:
    """Returns rotation matrices from two columns a, b each: a made a unit, b made a unit at right angles to it.

    Args:
        rotation_6d: a and then b, of any length and angle.
        return_valid: whether to return also where a and b are finite and independent.

    Raises:
        ValueError: for other than six numbers.

    Gradient: along rotations; none to the lengths. Where b is 0 or parallel to a (to 1e-12), the axis that a is
        farthest from stands in for b, which gets no gradient; where a is 0, so does the x axis for a. NaN gives NaN and
        gradient 0.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019, equation 15.

    >>> rotation_6d_to_matrix(torch.tensor([2.0, 0.0, 0.0, 5.0, 3.0, 0.0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_vector("rotation_6d_to_matrix", "rotation_6d", rotation_6d, 6)
    matrix = guarded(matrix_of_columns, rotation_6d, dims=(1,), shape=(3, 3))
    if not return_valid:
        return matrix
    return matrix, guarded(are_independent, rotation_6d, dims=(1,), shape=()) > 0


def rotation_6d_to_axis_angle(rotation_6d: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3"]:
    """Returns rotation vectors, of at most pi radians, from two columns each.

    Args:
        rotation_6d: as in `rotation_6d_to_matrix`, which says what dependent columns give.

    Raises:
        ValueError: for other than six numbers.

    Gradient: those of `rotation_6d_to_matrix` and `matrix_to_axis_angle`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> rotation_6d_to_axis_angle(torch.tensor([0.0, 1.0, 0.0, -1.0, 0.0, 0.0]))
    tensor([0.0000, 0.0000, 1.5708])
    """
    check_vector("rotation_6d_to_axis_angle", "rotation_6d", rotation_6d, 6)
    return guarded(lambda c: vector_of_matrix(matrix_of_columns(c)), rotation_6d, dims=(1,), shape=(3,))


def rotation_6d_to_quaternion(rotation_6d: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 4"]:
    """Returns unit quaternions (w, x, y, z), w >= 0, from two columns each.

    Args:
        rotation_6d: as in `rotation_6d_to_matrix`, which says what dependent columns give.

    Raises:
        ValueError: for other than six numbers.

    Gradient: those of `rotation_6d_to_matrix` and `matrix_to_quaternion`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> rotation_6d_to_quaternion(torch.tensor([1.0, 0.0, 0.0, 0.0, -1.0, 0.0])).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    check_vector("rotation_6d_to_quaternion", "rotation_6d", rotation_6d, 6)
    return guarded(lambda c: quaternion_of_matrix(matrix_of_columns(c)), rotation_6d, dims=(1,), shape=(4,))


def rotation_6d_to_euler(
    rotation_6d: Float[Tensor, "*batch 6"], *, convention: str = "xyz"
) -> Float[Tensor, "*batch 3"]:
    """Returns intrinsic Euler angles, in radians, from two columns each.

    Args:
        rotation_6d: as in `rotation_6d_to_matrix`, which says what dependent columns give.
        convention: the three axes, as in `quaternion_to_euler`, which says the ranges.

    Raises:
        ValueError: for other than six numbers, or an unknown convention.

    Gradient: those of `rotation_6d_to_matrix` and `quaternion_to_euler`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> rotation_6d_to_euler(torch.tensor([0.0, 1.0, 0.0, -1.0, 0.0, 0.0]))
    tensor([0.0000, 0.0000, 1.5708])
    """
    check_vector("rotation_6d_to_euler", "rotation_6d", rotation_6d, 6)
    check_convention("rotation_6d_to_euler", convention)

    def core(columns: Tensor) -> Tensor:
        return euler_of_quaternion(quaternion_of_matrix(matrix_of_columns(columns)), convention)

    return guarded(core, rotation_6d, dims=(1,), shape=(3,))
