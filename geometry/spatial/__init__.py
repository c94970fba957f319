"""Images in space: depth to points and normals, warps by depth, pose and flow, disparity, plane sweeps."""

from .disparity import depth_to_disparity, disparity_to_depth
from .flow import depth_to_flow, warp_by_depth, warp_by_flow
from .normals import depth_to_normals
from .points import depth_to_points
from .spline import spline_points
from .sweep import plane_sweep

__all__ = [
    "depth_to_disparity",
    "depth_to_flow",
    "depth_to_normals",
    "depth_to_points",
    "disparity_to_depth",
    "plane_sweep",
    "spline_points",
    "warp_by_depth",
    "warp_by_flow",
]
