"""The lines of visionops.resample."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from visionops import resample

from .line import Line, kornia, opencv

# A turn by 12 degrees with some shear, and a homography.
AFFINE = np.array([[0.98, 0.21, -20.3], [-0.16, 1.02, 15.7]])
HOMOGRAPHY = np.array([[0.98, 0.21, -20.3], [-0.16, 1.02, 15.7], [2e-4, -1e-4, 1.0]])
# torch rounds the positions of a resize to float32: it is up to 2.5e-5 from a reference in float64, which its own
# float64 agrees with to 1e-13, and visionops and OpenCV to 3e-7.
NEAR_TORCH = 5e-5
Kind = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
_AFFINE, _HOMOGRAPHY = (torch.from_numpy(m).float() for m in (AFFINE, HOMOGRAPHY))


def _size(x: Any) -> tuple[int, int]:
    """Returns height and width of tensors (.., c, h, w) and of images (h, w, c)."""
    h, w = x.shape[-2:] if isinstance(x, Tensor) else x.shape[:2]
    return h, w


def _times(x: Any, factor: float) -> tuple[int, int]:
    h, w = _size(x)
    return round(h * factor), round(w * factor)


def _resize(kind: Kind, factor: float, flag: str, near: float, levels: float, peer: bool = True) -> Line:
    """Returns a resize without a prefilter, as OpenCV's are."""
    return Line(
        f"resize {kind} x{factor:g}",
        lambda x: resample.resize(x, _times(x, factor), interpolation=kind, antialias=False),
        opencv(lambda cv, a: cv.resize(a, _times(a, factor)[::-1], interpolation=getattr(cv, flag)), near, levels),
        kornia(lambda k, x: k.geometry.resize(x, _times(x, factor), kind, align_corners=False), NEAR_TORCH)
        if peer else None,
    )


def _wave(h: int, w: int) -> Tensor:
    """Returns positions that wave by some pixels, (h, w, 2)."""
    y, x = torch.meshgrid(torch.arange(h, dtype=torch.float32), torch.arange(w, dtype=torch.float32), indexing="ij")
    return torch.stack([x + 5 * torch.sin(y / 23), y + 5 * torch.cos(x / 31)], -1)


def _remap(cv: Any, a: Any) -> Any:
    xy = _wave(*_size(a)).numpy()
    return cv.remap(a, xy[..., 0], xy[..., 1], cv.INTER_LINEAR)


def _kornia_remap(k: Any, x: Tensor) -> Tensor:
    xy = _wave(*_size(x)).to(x)
    same = xy[..., 0].expand(len(x), -1, -1), xy[..., 1].expand(len(x), -1, -1)
    return k.geometry.remap(x, *same, align_corners=True)


def _per_image(values: Any, x: Tensor) -> Tensor:
    """Returns the values once for each image."""
    values = torch.as_tensor(values).to(x)
    return values.expand(len(x), *values.shape)


def _rotation(cv: Any, a: Any) -> Any:
    h, w = _size(a)
    turn = cv.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), 15, 1)
    return cv.warpAffine(a, turn, (w, h), flags=cv.INTER_LINEAR)


def _polar(cv: Any, a: Any) -> Any:
    h, w = _size(a)
    return cv.warpPolar(a, (w, h), (w / 2, h / 2), w / 2, cv.INTER_LINEAR + cv.WARP_FILL_OUTLIERS)


# OpenCV's positions of uint8 are rounded to 1/32 pixel in some of its paths; its fill at the edge too.
LINES = [
    _resize("nearest", 0.5, "INTER_NEAREST_EXACT", 0, 0, peer=False),
    _resize("bilinear", 0.4375, "INTER_LINEAR", 1e-5, 1),
    _resize("bilinear", 2, "INTER_LINEAR", 1e-5, 1),
    _resize("bicubic", 0.4375, "INTER_CUBIC", 1e-5, 1),
    _resize("bicubic", 2, "INTER_CUBIC", 1e-5, 1),
    _resize("lanczos", 2, "INTER_LANCZOS4", 1e-4, 1, peer=False),
    Line("resize area x0.4375", lambda x: resample.resize(x, _times(x, 0.4375), interpolation="area"),
         opencv(lambda cv, a: cv.resize(a, _times(a, 0.4375)[::-1], interpolation=cv.INTER_AREA))),
    # Of the same work there is no second definition: torch's own antialiased resize is the peer.
    Line("resize antialias x0.4375", lambda x: resample.resize(x, _times(x, 0.4375)),
         kornia=kornia(lambda k, x: torch.nn.functional.interpolate(
             x, size=_times(x, 0.4375), mode="bilinear", antialias=True, align_corners=False), NEAR_TORCH)),
    Line("warp_affine", lambda x: resample.warp_affine(x, _AFFINE),
         opencv(lambda cv, a: cv.warpAffine(a, AFFINE, _size(a)[::-1], flags=cv.INTER_LINEAR), 1e-3, 1),
         kornia(lambda k, x: k.geometry.warp_affine(x, _per_image(AFFINE, x), _size(x)), 1e-3)),
    Line("warp_affine bicubic", lambda x: resample.warp_affine(x, _AFFINE, interpolation="bicubic"),
         opencv(lambda cv, a: cv.warpAffine(a, AFFINE, _size(a)[::-1], flags=cv.INTER_CUBIC), 0.05, 10),
         kornia(lambda k, x: k.geometry.warp_affine(x, _per_image(AFFINE, x), _size(x), "bicubic"), 1e-3)),
    Line("warp_perspective", lambda x: resample.warp_perspective(x, _HOMOGRAPHY),
         opencv(lambda cv, a: cv.warpPerspective(a, HOMOGRAPHY, _size(a)[::-1], flags=cv.INTER_LINEAR), 1e-3, 1),
         kornia(lambda k, x: k.geometry.warp_perspective(x, _per_image(HOMOGRAPHY, x), _size(x)), 1e-3)),
    Line("remap", lambda x: resample.remap(x, _wave(*_size(x)).to(x.device)), opencv(_remap, 1e-3, 1),
         kornia(_kornia_remap, 1e-3)),
    Line("rotate", lambda x: resample.rotate(x, 15.0), opencv(_rotation, 1e-3, 1),
         kornia(lambda k, x: k.geometry.rotate(x, _per_image(15.0, x)), 1e-3)),
    Line("translate", lambda x: resample.translate(x, (7.5, -3.25)),
         kornia=kornia(lambda k, x: k.geometry.translate(x, _per_image([7.5, -3.25], x)), 1e-3)),
    Line("scale", lambda x: resample.scale(x, 1.3),
         kornia=kornia(lambda k, x: k.geometry.scale(x, _per_image([1.3, 1.3], x)), 1e-3)),
    Line("hflip", resample.hflip, opencv(lambda cv, a: cv.flip(a, 1), 0, 0),
         kornia(lambda k, x: k.geometry.hflip(x), 0)),
    Line("vflip", resample.vflip, opencv(lambda cv, a: cv.flip(a, 0), 0, 0),
         kornia(lambda k, x: k.geometry.vflip(x), 0)),
    Line("rot90", lambda x: resample.rot90(x, 1),
         opencv(lambda cv, a: cv.rotate(a, cv.ROTATE_90_COUNTERCLOCKWISE), 0, 0)),
    Line("pad reflect 16", lambda x: resample.pad(x, 16, border="reflect"),
         opencv(lambda cv, a: cv.copyMakeBorder(a, 16, 16, 16, 16, cv.BORDER_REFLECT_101), 0, 0)),
    Line("warp_polar", lambda x: resample.warp_polar(x, _size(x), center=(x.shape[-1] / 2, x.shape[-2] / 2),
                                                     radius=x.shape[-1] / 2), opencv(_polar, 0.02, 6)),
    Line("pyramid_down", resample.pyramid_down, opencv(lambda cv, a: cv.pyrDown(a))),
    Line("pyramid_up", resample.pyramid_up, opencv(lambda cv, a: cv.pyrUp(a))),
    Line("extract_patches 16", lambda x: resample.extract_patches(x, 16),
         kornia=kornia(lambda k, x: k.contrib.extract_tensor_patches(x, 16, 16), 0)),
]  # fmt: skip
