"""The lines of visionops.color."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from visionops import color

from .line import Line, kornia, opencv

_HUE = np.array([360, 1, 1], np.float32)
_HALF = np.array([0, 0.5, 0.5], np.float32)
_RADIANS = 2 * math.pi


def _cvt(name: str) -> Any:
    """Returns the call of OpenCV's conversion of that name."""
    return lambda cv, a: cv.cvtColor(a, getattr(cv, f"COLOR_{name}"))


def _swap(a: Any) -> Any:
    """Returns OpenCV's Y, Cr, Cb as Y, Cb, Cr, or back."""
    return np.ascontiguousarray(a[..., [0, 2, 1]])


def _radians(x: Any) -> Any:
    """Returns hue in turns as radians."""
    return x * x.new_tensor([_RADIANS, 1, 1])[:, None, None]


def _turns(x: Any) -> Any:
    return x / x.new_tensor([_RADIANS, 1, 1])[:, None, None]


# OpenCV's 8-bit hue is in 256ths of a turn, ours in 255ths; its floats in degrees, and it adds an epsilon to what it
# divides by. Its Lab, Luv and their way back interpolate in tables, in float32 too: up to a unit of L, a, b, a few of
# u, v, hundredths of R, G, B and two levels of uint8. Kornia rounds the constants of Lab, Luv, YCbCr and YUV.
LINES = [
    Line("rgb_to_grayscale", color.rgb_to_grayscale, opencv(_cvt("RGB2GRAY")),
         kornia(lambda k, x: k.color.rgb_to_grayscale(x))),
    Line("grayscale_to_rgb", color.grayscale_to_rgb, opencv(_cvt("GRAY2RGB")),
         kornia(lambda k, x: k.color.grayscale_to_rgb(x)), source=color.rgb_to_grayscale),
    Line("rgb_to_bgr", color.rgb_to_bgr, opencv(_cvt("RGB2BGR"), 0, 0), kornia(lambda k, x: k.color.rgb_to_bgr(x), 0)),
    Line("rgb_to_rgba", color.rgb_to_rgba, opencv(_cvt("RGB2RGBA"), 0, 0),
         kornia(lambda k, x: k.color.rgb_to_rgba(x, 1.0), 0)),
    Line("rgb_to_hsv", color.rgb_to_hsv, opencv(_cvt("RGB2HSV_FULL"), 1e-4, 2, give=lambda a: a / _HUE),
         kornia(lambda k, x: k.color.rgb_to_hsv(x), 1e-5, give=_turns), turn=True),
    Line("hsv_to_rgb", color.hsv_to_rgb, opencv(_cvt("HSV2RGB_FULL"), 1e-5, 6, take=lambda a: a * _HUE),
         kornia(lambda k, x: k.color.hsv_to_rgb(x), 1e-5, take=_radians), source=color.rgb_to_hsv),
    Line("rgb_to_hls", color.rgb_to_hls, opencv(_cvt("RGB2HLS_FULL"), 1e-4, 2, give=lambda a: a / _HUE),
         kornia(lambda k, x: k.color.rgb_to_hls(x), 1e-5, give=_turns), turn=True),
    Line("hls_to_rgb", color.hls_to_rgb, opencv(_cvt("HLS2RGB_FULL"), 1e-5, 6, take=lambda a: a * _HUE),
         kornia(lambda k, x: k.color.hls_to_rgb(x), 1e-5, take=_radians), source=color.rgb_to_hls),
    Line("rgb_to_lab", color.rgb_to_lab, opencv(_cvt("RGB2Lab"), 1.5, 2),
         kornia(lambda k, x: k.color.rgb_to_lab(x), 0.05)),
    Line("lab_to_rgb", color.lab_to_rgb, opencv(_cvt("Lab2RGB"), 0.02, 2),
         kornia(lambda k, x: k.color.lab_to_rgb(x, clip=False), 2e-3), source=color.rgb_to_lab),
    Line("rgb_to_luv", color.rgb_to_luv, opencv(_cvt("RGB2Luv"), 4.0, 3),
         kornia(lambda k, x: k.color.rgb_to_luv(x), 0.1)),
    Line("luv_to_rgb", color.luv_to_rgb, opencv(_cvt("Luv2RGB"), 0.02, 3),
         kornia(lambda k, x: k.color.luv_to_rgb(x), 2e-3), source=color.rgb_to_luv),
    Line("rgb_to_xyz", color.rgb_to_xyz, opencv(_cvt("RGB2XYZ")), kornia(lambda k, x: k.color.rgb_to_xyz(x))),
    Line("xyz_to_rgb", color.xyz_to_rgb, opencv(_cvt("XYZ2RGB")), kornia(lambda k, x: k.color.xyz_to_rgb(x), 1e-4),
         source=color.rgb_to_xyz),
    Line("rgb_to_ycbcr", color.rgb_to_ycbcr, opencv(_cvt("RGB2YCrCb"), 1e-3, 1, give=_swap, give_levels=_swap),
         kornia(lambda k, x: k.color.rgb_to_ycbcr(x), 1e-3)),
    Line("ycbcr_to_rgb", color.ycbcr_to_rgb,
         opencv(_cvt("YCrCb2RGB"), 1e-3, 1, take=_swap, take_levels=_swap),
         kornia(lambda k, x: k.color.ycbcr_to_rgb(x), 1e-3), source=color.rgb_to_ycbcr),
    Line("rgb_to_yuv", color.rgb_to_yuv, opencv(_cvt("RGB2YUV"), 1e-3, 1, give=lambda a: a - _HALF),
         kornia(lambda k, x: k.color.rgb_to_yuv(x), 1e-3)),
    Line("yuv_to_rgb", color.yuv_to_rgb, opencv(_cvt("YUV2RGB"), 1e-2, 2, take=lambda a: a + _HALF),
         kornia(lambda k, x: k.color.yuv_to_rgb(x), 1e-2), source=color.rgb_to_yuv),
    Line("rgb_to_linear_rgb", color.rgb_to_linear_rgb, kornia=kornia(lambda k, x: k.color.rgb_to_linear_rgb(x))),
    Line("linear_rgb_to_rgb", color.linear_rgb_to_rgb, kornia=kornia(lambda k, x: k.color.linear_rgb_to_rgb(x)),
         source=color.rgb_to_linear_rgb),
    Line("rgb_to_yuv420", lambda x: color.rgb_to_yuv420(x)[1],
         kornia=kornia(lambda k, x: k.color.rgb_to_yuv420(x)[1], 1e-3)),
    Line("rgb_to_raw", color.rgb_to_raw, kornia=kornia(lambda k, x: k.color.rgb_to_raw(x, k.color.CFA.BG), 0)),
    # OpenCV has 8 bits only; borders differ.
    Line("raw_to_rgb", color.raw_to_rgb, opencv(_cvt("BayerBG2RGB"), None, 1, margin=2),
         kornia(lambda k, x: k.color.raw_to_rgb(x, k.color.CFA.BG), 1e-5, margin=2), source=color.rgb_to_raw),
    Line("sepia", color.sepia, kornia=kornia(lambda k, x: k.color.sepia(x, rescale=False).clamp(0, 1), 2e-3)),
    Line("apply_colormap", lambda x: color.apply_colormap(x, colormap="viridis"),
         opencv(lambda cv, a: cv.applyColorMap(a, cv.COLORMAP_VIRIDIS), None, 2, give_levels=lambda a: a[..., ::-1]),
         source=color.rgb_to_grayscale),
]  # fmt: skip
