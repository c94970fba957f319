"""What the solvers of a camera's pose share: image points as rays, poses as results."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import (
    both,
    check_batches,
    check_matrix,
    check_points,
    check_same_points,
    finite_points,
    finite_rows,
    or_nan,
)
from visionops.geometry.linalg import to_homogeneous


class Projects(Protocol):
    """What has `project`: points (*batch, n, 3) in the camera's frame to pixels (*batch, n, 2)."""

    def project(self, points: Tensor) -> Tensor: ...


class Pose(NamedTuple):
    """World to camera, y = R x + t: R (*batch, 3, 3), t (*batch, 3), and whether they are a solution (*batch)."""

    R: Tensor
    t: Tensor
    valid: Tensor


def check_pose_points(function: str, points3d: Any, points2d: Any, camera: Any, least: int) -> None:
    """Raises unless these are points of space, as many of the image, and a camera that they may have come through."""
    check_points(function, "points3d", points3d, 3, least)
    check_points(function, "points2d", points2d, (2, 3) if camera is None else 2, least)
    check_same_points(function, "points2d", points2d, points3d)
    if isinstance(camera, Tensor):
        check_matrix(function, "camera", camera, (3, 3))
        check_batches(function, "camera", camera.shape[:-2], points3d.shape[:-2])
    elif camera is not None and not hasattr(camera, "unproject"):
        got, rule = type(camera).__name__, "None, a matrix K (*batch, 3, 3) or an object with project and unproject"
        raise refuse(function, "camera", rule, got, "torch.as_tensor makes a matrix of numbers.")


def unit_rays(
    points2d: Float[Tensor, "*batch n d"], camera: Any
) -> tuple[Float[Tensor, "*batch n 3"], Bool[Tensor, "*batch n"]]:
    """Returns the directions, float64, that image points are seen in, and which are finite; others are (0, 0, 1)."""
    if camera is None:
        points = points2d.double()
        rays = to_homogeneous(points) if points.shape[-1] == 2 else points
    elif isinstance(camera, Tensor):
        matrix, points, known = finite_points(camera.double(), 2, points2d.double())
        sees = (_focal(matrix) != 0).all(-1, keepdim=True)
        rays = or_nan(to_homogeneous(_normalized(points, matrix)), both(known, sees))
    else:
        rays = camera.unproject(points2d).double()
        rays = to_homogeneous(rays) if rays.shape[-1] == 2 else rays
    kept, good = finite_rows(rays, 1)
    square = kept.square().sum(-1)
    good = good & (square > 0)
    ahead = torch.eye(3, dtype=rays.dtype, device=rays.device)[2]
    kept = torch.where(good[..., None], kept, ahead)
    return kept / torch.where(good, square, 1)[..., None].sqrt(), good


def _normalized(pixels: Tensor, k: Tensor) -> Tensor:
    """Returns (x / z, y / z) of pixels through K, whose last row is (0, 0, 1)."""
    f = _focal(k)
    fx, fy = torch.where(f != 0, f, 1)[..., None, :].unbind(-1)
    skewed, cx = k[..., None, 0, 1], k[..., None, 0, 2]
    y = (pixels[..., 1] - k[..., None, 1, 2]) / fy
    return torch.stack([(pixels[..., 0] - cx - skewed * y) / fx, y], -1)


def _focal(k: Tensor) -> Float[Tensor, "*batch 2"]:
    return k.diagonal(dim1=-2, dim2=-1)[..., :2]
