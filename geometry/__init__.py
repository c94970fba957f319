"""Multi-view geometry: cameras and the maps between images."""

from .implicit import (
    implicit_argmin,
    implicit_root,
    nearest_essential,
    nearest_rank2,
    nearest_rotation,
    null_vector,
)
from .intrinsics import split_intrinsics
from .linalg import Normalized, from_homogeneous, normalize_points, skew, to_homogeneous, transform_points

__all__ = [
    "Normalized",
    "from_homogeneous",
    "implicit_argmin",
    "implicit_root",
    "nearest_essential",
    "nearest_rank2",
    "nearest_rotation",
    "normalize_points",
    "null_vector",
    "skew",
    "split_intrinsics",
    "to_homogeneous",
    "transform_points",
]
