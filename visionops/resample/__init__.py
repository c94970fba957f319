"""Resampling: resizes, warps, moves, crops, pyramids, patches, and the same of volumes."""

from .affine import WarpAffine, warp_affine
from .boxes import CropAndResize, CropByBoxes, crop_and_resize, crop_by_boxes
from .crop import CenterCrop, Crop, center_crop, crop
from .elastic import ElasticTransform, elastic_transform
from .flip import Hflip, Rot90, Vflip, hflip, rot90, vflip
from .moves import Rotate, Scale, Shear, Translate, rotate, scale, shear, translate
from .pad import Pad, pad
from .patches import combine_patches, extract_patches
from .perspective import WarpPerspective, warp_perspective
from .polar import WarpPolar, warp_polar
from .pyramid import (
    PyramidDown,
    PyramidUp,
    collapse_pyramid,
    gaussian_pyramid,
    laplacian_pyramid,
    pyramid_down,
    pyramid_up,
)
from .remap import Remap, remap
from .resize import Rescale, Resize, rescale, resize
from .scale_space import ScaleSpace, scale_space
from .spline import ThinPlateSpline, thin_plate_spline
from .volumes import Resize3d, WarpAffine3d, WarpPerspective3d, resize3d, warp_affine3d, warp_perspective3d

__all__ = [
    "CenterCrop",
    "Crop",
    "CropAndResize",
    "CropByBoxes",
    "ElasticTransform",
    "Hflip",
    "Pad",
    "PyramidDown",
    "PyramidUp",
    "Remap",
    "Rescale",
    "Resize",
    "Resize3d",
    "Rot90",
    "Rotate",
    "Scale",
    "ScaleSpace",
    "Shear",
    "ThinPlateSpline",
    "Translate",
    "Vflip",
    "WarpAffine",
    "WarpAffine3d",
    "WarpPerspective",
    "WarpPerspective3d",
    "WarpPolar",
    "center_crop",
    "collapse_pyramid",
    "combine_patches",
    "crop",
    "crop_and_resize",
    "crop_by_boxes",
    "elastic_transform",
    "extract_patches",
    "gaussian_pyramid",
    "hflip",
    "laplacian_pyramid",
    "pad",
    "pyramid_down",
    "pyramid_up",
    "remap",
    "rescale",
    "resize",
    "resize3d",
    "rot90",
    "rotate",
    "scale",
    "scale_space",
    "shear",
    "thin_plate_spline",
    "translate",
    "vflip",
    "warp_affine",
    "warp_affine3d",
    "warp_perspective",
    "warp_perspective3d",
    "warp_polar",
]
