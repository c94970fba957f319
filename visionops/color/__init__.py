"""Colour: conversions between spaces, Bayer mosaics, colour maps and white balance."""

from .balance import GrayWorldBalance, PlanckianBalance, gray_world_balance, planckian_balance
from .channels import (
    BgrToRgb,
    BgrToRgba,
    RgbaToRgb,
    RgbToBgr,
    RgbToRgba,
    bgr_to_rgb,
    bgr_to_rgba,
    rgb_to_bgr,
    rgb_to_rgba,
    rgba_to_rgb,
)
from .colormap import ApplyColormap, apply_colormap
from .grayscale import (
    BgrToGrayscale,
    GrayscaleToRgb,
    RgbToGrayscale,
    bgr_to_grayscale,
    grayscale_to_rgb,
    rgb_to_grayscale,
)
from .hls import HlsToRgb, RgbToHls, hls_to_rgb, rgb_to_hls
from .hsv import HsvToRgb, RgbToHsv, hsv_to_rgb, rgb_to_hsv
from .lab import LabToRgb, RgbToLab, lab_to_rgb, rgb_to_lab
from .linear import LinearRgbToRgb, RgbToLinearRgb, linear_rgb_to_rgb, rgb_to_linear_rgb
from .luv import LuvToRgb, RgbToLuv, luv_to_rgb, rgb_to_luv
from .oklab import OklabToRgb, RgbToOklab, oklab_to_rgb, rgb_to_oklab
from .raw import RawToRgb, RgbToRaw, raw_to_rgb, rgb_to_raw
from .sepia import Sepia, sepia
from .xyz import RgbToXyz, XyzToRgb, rgb_to_xyz, xyz_to_rgb
from .ycbcr import RgbToYcbcr, YcbcrToRgb, rgb_to_ycbcr, ycbcr_to_rgb
from .yuv import (
    RgbToYuv,
    YuvToRgb,
    rgb_to_yuv,
    rgb_to_yuv420,
    rgb_to_yuv422,
    yuv420_to_rgb,
    yuv422_to_rgb,
    yuv_to_rgb,
)

__all__ = [
    "ApplyColormap",
    "BgrToGrayscale",
    "BgrToRgb",
    "BgrToRgba",
    "GrayWorldBalance",
    "GrayscaleToRgb",
    "HlsToRgb",
    "HsvToRgb",
    "LabToRgb",
    "LinearRgbToRgb",
    "LuvToRgb",
    "OklabToRgb",
    "PlanckianBalance",
    "RawToRgb",
    "RgbToBgr",
    "RgbToGrayscale",
    "RgbToHls",
    "RgbToHsv",
    "RgbToLab",
    "RgbToLinearRgb",
    "RgbToLuv",
    "RgbToOklab",
    "RgbToRaw",
    "RgbToRgba",
    "RgbToXyz",
    "RgbToYcbcr",
    "RgbToYuv",
    "RgbaToRgb",
    "Sepia",
    "XyzToRgb",
    "YcbcrToRgb",
    "YuvToRgb",
    "apply_colormap",
    "bgr_to_grayscale",
    "bgr_to_rgb",
    "bgr_to_rgba",
    "gray_world_balance",
    "grayscale_to_rgb",
    "hls_to_rgb",
    "hsv_to_rgb",
    "lab_to_rgb",
    "linear_rgb_to_rgb",
    "luv_to_rgb",
    "oklab_to_rgb",
    "planckian_balance",
    "raw_to_rgb",
    "rgb_to_bgr",
    "rgb_to_grayscale",
    "rgb_to_hls",
    "rgb_to_hsv",
    "rgb_to_lab",
    "rgb_to_linear_rgb",
    "rgb_to_luv",
    "rgb_to_oklab",
    "rgb_to_raw",
    "rgb_to_rgba",
    "rgb_to_xyz",
    "rgb_to_ycbcr",
    "rgb_to_yuv",
    "rgb_to_yuv420",
    "rgb_to_yuv422",
    "rgba_to_rgb",
    "sepia",
    "xyz_to_rgb",
    "ycbcr_to_rgb",
    "yuv420_to_rgb",
    "yuv422_to_rgb",
    "yuv_to_rgb",
]
