"""The image of a pinhole camera, made from that of any camera in the same place.

out[v, u] = image(project(R^T K^-1 (u, v, 1)))
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.geometry.arguments import or_nan
from visionops.resample.remap import remap
from visionops.resample.warping import Fill, check_size

from .camera import Camera, as_camera
from .points import distort_points


def undistort_map(
    camera: Camera | Float[Tensor, "*batch 3 3"],
    size: tuple[int, int],
    *,
    matrix: Float[Tensor, "*batch 3 3"] | None = None,
    R: Float[Tensor, "*batch 3 3"] | None = None,
) -> Float[Tensor, "*batch h w 2"]:
    """Returns for each pixel of a pinhole's image where a camera in the same place sees the same: a map for `remap`.

    Args:
        camera: any model, one or one for each sample.
        size: (height, width) of the pinhole's image.
        matrix: K of the pinhole; None: that of the camera.
        R: the rotation from the camera's frame to the pinhole's, as `stereo_rectify` gives it; None: none.

    Raises:
        ValueError: for other shapes.

    Gradient: to camera, matrix and R. A pixel that the camera has no image of has the position NaN, and gradient 0.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> undistort_map(k, (2, 2))[1, 1].round().tolist()
    [1.0, 1.0]
    """
    camera = as_camera("undistort_map", camera)
    h, w = check_size("undistort_map", size)
    like = camera.matrix
    ys, xs = (torch.arange(n, dtype=like.dtype, device=like.device) for n in (h, w))
    pixels = torch.stack([xs.repeat(h), ys.repeat_interleave(w)], -1)
    batch = torch.broadcast_shapes(camera.batch, *(m.shape[:-2] for m in (matrix, R) if m is not None))
    pixels = pixels.expand(*batch, h * w, 2)
    places, valid = distort_points(pixels, camera, matrix=matrix, R=R, return_valid=True)
    return or_nan(places, valid).unflatten(-2, (h, w))


def undistort_image(
    image: Shaped[Tensor, "*batch c h w"],
    camera: Camera | Float[Tensor, "*batch 3 3"],
    *,
    matrix: Float[Tensor, "*batch 3 3"] | None = None,
    R: Float[Tensor, "*batch 3 3"] | None = None,
    size: tuple[int, int] | None = None,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image that a pinhole camera in the same place would have taken.

    Args:
        image: floating or uint8; of any dtype with "nearest".
        camera: any model, one or one for each sample.
        matrix: K of the pinhole; None: that of the camera.
        R: the rotation from the camera's frame to the pinhole's, as `stereo_rectify` gives it; None: none.
        size: (height, width) of the result; None: the image's.
        interpolation: "bicubic" has a = -0.75, as OpenCV.
        border: what is read outside the image.
        fill: what a constant border is, and what pixels get that the camera has no image of.

    Raises:
        ValueError: for other shapes, or unknown options.

    Gradient: to the image, and through `undistort_map` to camera, matrix and R, one-sided at whole pixels.
    Source: OpenCV initUndistortRectifyMap and remap.

    >>> k = torch.tensor([[1.0, 0, 1], [0, 1, 1], [0, 0, 1]])
    >>> undistort_image(torch.eye(3)[None], k)[0].diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    extent = (image.shape[-2], image.shape[-1]) if size is None else size
    places = undistort_map(camera, extent, matrix=matrix, R=R)
    return remap(image, places, interpolation=interpolation, border=border, fill=fill)
