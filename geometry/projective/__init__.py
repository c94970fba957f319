"""Maps of the plane and of space between corresponding points: perspective, affine, similar, rigid."""

from .affine import find_affine, find_similarity
from .alignment import find_rigid, find_similarity3d
from .corners import get_affine_transform, get_perspective_transform, rotation_matrix2d
from .decomposition import PlaneMotions, decompose_homography, homography_from_pose
from .errors import symmetric_transfer_error, transfer_error
from .homography import find_homography, find_homography_lines, refine_homography

__all__ = [
    "PlaneMotions",
    "decompose_homography",
    "find_affine",
    "find_homography",
    "find_homography_lines",
    "find_rigid",
    "find_similarity",
    "find_similarity3d",
    "get_affine_transform",
    "get_perspective_transform",
    "homography_from_pose",
    "refine_homography",
    "rotation_matrix2d",
    "symmetric_transfer_error",
    "transfer_error",
]
