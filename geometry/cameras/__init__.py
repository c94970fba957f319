"""Camera models with one interface, and what is done with them."""

from .brown_conrady import BrownConradyCamera
from .camera import Camera, ProjectionJacobian
from .division import DivisionCamera
from .double_sphere import DoubleSphereCamera
from .equirectangular import EquirectangularCamera
from .images import undistort_image, undistort_map
from .kannala_brandt import KannalaBrandtCamera
from .pinhole import OrthographicCamera, PinholeCamera
from .points import denormalize_pixels, distort_points, normalize_pixels, project_points, undistort_points
from .stereo import StereoRectification, stereo_rectify
from .unified import ExtendedUnifiedCamera, UnifiedCamera

__all__ = [
    "BrownConradyCamera",
    "Camera",
    "DivisionCamera",
    "DoubleSphereCamera",
    "EquirectangularCamera",
    "ExtendedUnifiedCamera",
    "KannalaBrandtCamera",
    "OrthographicCamera",
    "PinholeCamera",
    "ProjectionJacobian",
    "StereoRectification",
    "UnifiedCamera",
    "denormalize_pixels",
    "distort_points",
    "normalize_pixels",
    "project_points",
    "stereo_rectify",
    "undistort_image",
    "undistort_map",
    "undistort_points",
]
