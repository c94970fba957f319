"""Axis-angle vectors to the other forms of rotations."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_vector

from .conventions import check_convention
from .forms import columns_of_matrix, euler_of_quaternion, matrix_of_vector, quaternion_of_vector
from .layout import guarded


def axis_angle_to_matrix(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns rotation matrices of rotation vectors: Rodrigues' formula.

    Args:
        axis_angle: the axis times the angle in radians, of any length; turns are right-handed.

    Raises:
        ValueError: for other than three coordinates.

    Gradient: of every order and at every vector, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: Gallego and Yezzi, A compact formula for the derivative of a 3-D rotation in exponential coordinates, 2015.

    >>> axis_angle_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2])).round(decimals=4).abs().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_vector("axis_angle_to_matrix", "axis_angle", axis_angle, 3)
    return guarded(matrix_of_vector, axis_angle, dims=(1,), shape=(3, 3))


def axis_angle_to_quaternion(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Returns unit quaternions (w, x, y, z) of rotation vectors: cos(angle / 2), sin(angle / 2) axis.

    Args:
        axis_angle: the axis times the angle in radians; beyond pi, w is negative.

    Raises:
        ValueError: for other than three coordinates.

    Gradient: of every order and at every vector, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: J. Stuelpnagel, On the parametrization of the three-dimensional rotation group, 1964.

    >>> axis_angle_to_quaternion(torch.tensor([torch.pi / 2, 0.0, 0.0]))
    tensor([0.7071, 0.7071, 0.0000, 0.0000])
    """
    check_vector("axis_angle_to_quaternion", "axis_angle", axis_angle, 3)
    return guarded(quaternion_of_vector, axis_angle, dims=(1,), shape=(4,))


def axis_angle_to_euler(axis_angle: Float[Tensor, "*batch 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 3"]:
    """Returns intrinsic Euler angles, in radians, of rotation vectors.

    Args:
        axis_angle: the axis times the angle in radians.
        convention: the three axes, as in `quaternion_to_euler`, which says the ranges.

    Raises:
        ValueError: for other than three coordinates, or an unknown convention.

    Gradient: that of `quaternion_to_euler`; smooth at the vector 0 for three different axes.
    Source: Bernardes and Viollet, Quaternion to Euler angles conversion, 2022.

    >>> axis_angle_to_euler(torch.tensor([0.0, 0.5, 0.0])).tolist()
    [0.0, 0.5, 0.0]
    """
    check_vector("axis_angle_to_euler", "axis_angle", axis_angle, 3)
    check_convention("axis_angle_to_euler", convention)
    return guarded(
        lambda v: euler_of_quaternion(quaternion_of_vector(v), convention), axis_angle, dims=(1,), shape=(3,)
    )


def axis_angle_to_rotation_6d(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 6"]:
    """Returns the first two columns of the rotation matrices of rotation vectors, one after the other.

    Args:
        axis_angle: the axis times the angle in radians.

    Raises:
        ValueError: for other than three coordinates.

    Gradient: as of `axis_angle_to_matrix`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> axis_angle_to_rotation_6d(torch.tensor([0.0, 0.0, torch.pi])).round(decimals=4).abs().tolist()
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    check_vector("axis_angle_to_rotation_6d", "axis_angle", axis_angle, 3)
    return guarded(lambda v: columns_of_matrix(matrix_of_vector(v)), axis_angle, dims=(1,), shape=(6,))
