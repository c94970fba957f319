"""Two views and more: fundamental and essential matrices, motion, epipolar distances, triangulation."""

from .conversions import (
    epipoles,
    essential_from_fundamental,
    essential_from_pose,
    fundamental_from_essential,
    fundamental_from_projections,
    projections_from_fundamental,
    relative_pose,
)
from .correction import optimal_correction
from .decomposition import Motion, decompose_essential, motion_from_essential
from .distances import epilines, sampson_distance, symmetric_epipolar_distance
from .equations import Roots
from .five_point import find_essential
from .fundamental import find_fundamental
from .seven_point import find_fundamental_7point
from .triangulation import triangulate, triangulate_views

__all__ = [
    "Motion",
    "Roots",
    "decompose_essential",
    "epilines",
    "epipoles",
    "essential_from_fundamental",
    "essential_from_pose",
    "find_essential",
    "find_fundamental",
    "find_fundamental_7point",
    "fundamental_from_essential",
    "fundamental_from_projections",
    "motion_from_essential",
    "optimal_correction",
    "projections_from_fundamental",
    "relative_pose",
    "sampson_distance",
    "symmetric_epipolar_distance",
    "triangulate",
    "triangulate_views",
]
