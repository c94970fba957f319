"""Rotation matrices to the other forms of rotations.

Matrices are taken for rotations: across them, where a step in one entry leads, the gradient is that of the formula.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix

from .conventions import check_convention
from .forms import columns_of_matrix, euler_of_quaternion, quaternion_of_matrix, vector_of_matrix
from .layout import guarded


def matrix_to_axis_angle(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Returns rotation vectors, of at most pi radians, of rotation matrices.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along rotations of every order, at the identity too. At pi the largest component of the axis is positive
        (the first, of equal ones), and the gradient is the limit from angles below, where the vector jumps to its
        negative. Finite for any finite matrix. Computes in float64; NaN gives NaN and gradient 0.
    Source: S. W. Shepperd, Quaternion from rotation matrix, 1978.

    >>> matrix_to_axis_angle(torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
    tensor([0.0000, 3.1416, 0.0000])
    """
    check_matrix("matrix_to_axis_angle", "matrix", matrix, (3, 3))
    return guarded(vector_of_matrix, matrix, dims=(2,), shape=(3,))


def matrix_to_quaternion(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Returns unit quaternions (w, x, y, z), w >= 0, of rotation matrices.

    Args:
        matrix: rotations, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along rotations of every order. At w = 0 the largest component is positive (the first, of equal ones) and
        the gradient is the limit from w above 0, where q jumps to -q. Finite for any finite matrix. NaN gives NaN and
        gradient 0.
    Source: S. W. Shepperd, Quaternion from rotation matrix, 1978.

    >>> matrix_to_quaternion(torch.diag(torch.tensor([-1.0, 1.0, -1.0]))).tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    check_matrix("matrix_to_quaternion", "matrix", matrix, (3, 3))
    return guarded(quaternion_of_matrix, matrix, dims=(2,), shape=(4,))


def matrix_to_euler(matrix: Float[Tensor, "*batch 3 3"], *, convention: str = "xyz") -> Float[Tensor, "*batch 3"]:
    """Returns intrinsic Euler angles, in radians, of rotation matrices.

    Args:
        matrix: rotations, up to rounding.
        convention: the three axes, as in `quaternion_to_euler`, which says the ranges, and the angles at gimbal lock.

    Raises:
        ValueError: for another size, or an unknown convention.

    Gradient: along rotations, as of `quaternion_to_euler`.
    Source: Bernardes and Viollet, Quaternion to Euler angles conversion, 2022.

    >>> matrix_to_euler(torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]))
    tensor([0.0000, 1.5708, 0.0000])
    """
    check_matrix("matrix_to_euler", "matrix", matrix, (3, 3))
    check_convention("matrix_to_euler", convention)
    return guarded(lambda m: euler_of_quaternion(quaternion_of_matrix(m), convention), matrix, dims=(2,), shape=(3,))


def matrix_to_rotation_6d(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Returns the first two columns of matrices, one after the other: r11 r21 r31 r12 r22 r32.

    Args:
        matrix: rotations.

    Raises:
        ValueError: for another size.

    Gradient: to these columns. NaN gives NaN and gradient 0.
    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019.

    >>> matrix_to_rotation_6d(torch.arange(1.0, 10.0).reshape(3, 3)).tolist()
    [1.0, 4.0, 7.0, 2.0, 5.0, 8.0]
    """
    check_matrix("matrix_to_rotation_6d", "matrix", matrix, (3, 3))
    return guarded(columns_of_matrix, matrix, dims=(2,), shape=(6,))
