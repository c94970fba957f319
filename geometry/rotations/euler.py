"""Euler angles to the other forms of rotations.

Intrinsic: "xyz" turns about x, then about the y that turned with it, then about the z that turned with both,
R = R_x(a) R_y(b) R_z(c). SciPy writes that "XYZ".
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_vector

from .conventions import check_convention
from .forms import columns_of_matrix, matrix_of_quaternion, quaternion_of_euler, vector_of_quaternion
from .layout import guarded


def euler_to_matrix(angles: Float[Tensor, "*batch 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 3 3"]:
    """Returns the rotation matrices R_1(a) R_2(b) R_3(c) of intrinsic Euler angles.

    Args:
        angles: (a, b, c), in radians, of any size.
        convention: the axes, "xyz" or another of the twelve whose neighbours differ; SciPy writes them as capitals.

    Raises:
        ValueError: for other than three angles, or an unknown convention.

    Gradient: of every order, at gimbal lock too. NaN gives NaN and gradient 0.
    Source: Diebel, Representing attitude, 2006.

    >>> euler_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2])).round(decimals=4).abs().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_vector("euler_to_matrix", "angles", angles, 3)
    check_convention("euler_to_matrix", convention)
    return guarded(lambda a: matrix_of_quaternion(quaternion_of_euler(a, convention)), angles, dims=(1,), shape=(3, 3))


def euler_to_quaternion(angles: Float[Tensor, "*batch 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 4"]:
    """Returns unit quaternions (w, x, y, z) of intrinsic Euler angles; w may be negative, so that they are smooth.

    Args:
        angles: in radians, of any size.
        convention: the axes, as in `euler_to_matrix`.

    Raises:
        ValueError: for other than three angles, or an unknown convention.

    Gradient: of every order. NaN gives NaN and gradient 0.
    Source: Diebel, Representing attitude, 2006.

    >>> euler_to_quaternion(torch.tensor([0.0, torch.pi / 2, 0.0]))
    tensor([0.7071, 0.0000, 0.7071, 0.0000])
    """
    check_vector("euler_to_quaternion", "angles", angles, 3)
    check_convention("euler_to_quaternion", convention)
    return guarded(lambda a: quaternion_of_euler(a, convention), angles, dims=(1,), shape=(4,))


def euler_to_axis_angle(angles: Float[Tensor, "*batch 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 3"]:
    """Returns rotation vectors, of at most pi radians, of intrinsic Euler angles.

    Args:
        angles: in radians, of any size.
        convention: the axes, as in `euler_to_matrix`.

    Raises:
        ValueError: for other than three angles, or an unknown convention.

    Gradient: as of `quaternion_to_axis_angle`.
    Source: Diebel, Representing attitude, 2006.

    >>> euler_to_axis_angle(torch.tensor([0.5, 0.0, 0.0])).tolist()
    [0.5, 0.0, 0.0]
    """
    check_vector("euler_to_axis_angle", "angles", angles, 3)
    check_convention("euler_to_axis_angle", convention)
    return guarded(lambda a: vector_of_quaternion(quaternion_of_euler(a, convention)), angles, dims=(1,), shape=(3,))


def euler_to_rotation_6d(angles: Float[Tensor, "*batch 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 6"]:
    """Returns the first two columns of the rotation matrices of intrinsic Euler angles, one after the other.

    Args:
        angles: in radians, of any size.
        convention: the axes, as in `euler_to_matrix`.

    Raises:
        ValueError: for other than three angles, or an unknown convention.

    Gradient: as of `euler_to_matrix`.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> euler_to_rotation_6d(torch.zeros(3)).tolist()
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    check_vector("euler_to_rotation_6d", "angles", angles, 3)
    check_convention("euler_to_rotation_6d", convention)
    return guarded(
        lambda a: columns_of_matrix(matrix_of_quaternion(quaternion_of_euler(a, convention))),
        angles,
        dims=(1,),
        shape=(6,),
    )
