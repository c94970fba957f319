"""Losses of geometry: depth, flow, views, poses, boxes and matches, with masks and weights."""

from visionops.precision import make_exact as _make_exact

from .boxes import ciou, diou, giou, iou, rotated_iou
from .census import census
from .chamfer import chamfer
from .cycle import cycle_consistency
from .epipolar import sampson, symmetric_epipolar
from .flow_smoothness import flow_smoothness
from .gradient_matching import gradient_matching
from .homography_corner import homography_corner
from .matching import dual_softmax, matching_nll
from .min_reprojection import min_reprojection
from .occlusion import forward_backward_occlusion, range_map_occlusion
from .photometric import photometric
from .pointmap import pointmap_confidence
from .pose import pose, rotation_geodesic
from .reprojection import reprojection
from .scale_invariant_depth import scale_invariant_depth
from .sequence import sequence_loss
from .sinkhorn import sinkhorn_assignment
from .smoothness import edge_aware_smoothness

__all__ = [
    "census",
    "chamfer",
    "ciou",
    "cycle_consistency",
    "diou",
    "dual_softmax",
    "edge_aware_smoothness",
    "flow_smoothness",
    "forward_backward_occlusion",
    "giou",
    "gradient_matching",
    "homography_corner",
    "iou",
    "matching_nll",
    "min_reprojection",
    "photometric",
    "pointmap_confidence",
    "pose",
    "range_map_occlusion",
    "reprojection",
    "rotated_iou",
    "rotation_geodesic",
    "sampson",
    "scale_invariant_depth",
    "sequence_loss",
    "sinkhorn_assignment",
    "symmetric_epipolar",
]

_make_exact(__name__, __all__, globals())
