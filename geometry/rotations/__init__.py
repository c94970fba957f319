"""Rotations in their five forms, all ways between them, and what is done with them."""

from .axis_angle import (
    axis_angle_to_euler,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    axis_angle_to_rotation_6d,
)
from .distance import geodesic_distance
from .draw import random_rotation
from .euler import euler_to_axis_angle, euler_to_matrix, euler_to_quaternion, euler_to_rotation_6d
from .matrix import matrix_to_axis_angle, matrix_to_euler, matrix_to_quaternion, matrix_to_rotation_6d
from .mean import average_rotation
from .quaternion import (
    quaternion_inverse,
    quaternion_multiply,
    quaternion_rotate,
    quaternion_to_axis_angle,
    quaternion_to_euler,
    quaternion_to_matrix,
    quaternion_to_rotation_6d,
    slerp,
)
from .rotation_6d import (
    rotation_6d_to_axis_angle,
    rotation_6d_to_euler,
    rotation_6d_to_matrix,
    rotation_6d_to_quaternion,
)

__all__ = [
    "average_rotation",
    "axis_angle_to_euler",
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "axis_angle_to_rotation_6d",
    "euler_to_axis_angle",
    "euler_to_matrix",
    "euler_to_quaternion",
    "euler_to_rotation_6d",
    "geodesic_distance",
    "matrix_to_axis_angle",
    "matrix_to_euler",
    "matrix_to_quaternion",
    "matrix_to_rotation_6d",
    "quaternion_inverse",
    "quaternion_multiply",
    "quaternion_rotate",
    "quaternion_to_axis_angle",
    "quaternion_to_euler",
    "quaternion_to_matrix",
    "quaternion_to_rotation_6d",
    "random_rotation",
    "rotation_6d_to_axis_angle",
    "rotation_6d_to_euler",
    "rotation_6d_to_matrix",
    "rotation_6d_to_quaternion",
    "slerp",
]
