"""Camera models, points and images through them, and rectification."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from visionops.geometry import cameras
from visionops.testing.operators import Geometry, Inputs

from .geometry_solvers import random

D = torch.float64
RATIONAL = [0.1, -0.05, 0.002, -0.001, 0.01, 0.2, 0.05, 0.02]
COEFFICIENTS: dict[type[cameras.Camera], list[float]] = {
    cameras.PinholeCamera: [],
    cameras.OrthographicCamera: [],
    cameras.BrownConradyCamera: [*RATIONAL, 0.01, -0.004, 0.006, 0.003, -0.05, 0.03],
    cameras.KannalaBrandtCamera: [0.05, -0.01, 0.004, -0.0005],
    cameras.UnifiedCamera: [0.6],
    cameras.ExtendedUnifiedCamera: [0.6, 1.1],
    cameras.DoubleSphereCamera: [-0.2, 0.6],
    cameras.DivisionCamera: [-0.2],
    cameras.EquirectangularCamera: [],
}
ACROSS = [[0.3, 0.2, 0.0], [0.3, 0.2, -1.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]


def _points(n: int, dtype: torch.dtype) -> Tensor:
    return random(n, dtype, 4, 3) * 0.4 + torch.tensor([0.1, 0.2, 2.5], dtype=dtype)


def _near_centre(n: int, dtype: torch.dtype) -> Tensor:
    return random(n, dtype, 4, 2, seed=1) * 0.5 + torch.tensor([1.2, 0.9], dtype=dtype)


def _matrix(n: int, dtype: torch.dtype) -> Tensor:
    rows = torch.tensor([[3.0, 0.05, 1.2], [0, 2.5, 0.9], [0, 0, 1]], dtype=D)
    return (rows + 0.01 * random(n, D, 3, 3, seed=2)).to(dtype)


def _both_ways(model: type[cameras.Camera]) -> Callable[..., Any]:
    """Returns what a model makes of points, and of pixels."""

    def call(points: Tensor, pixels: Tensor, matrix: Tensor, *distortion: Tensor) -> tuple[Any, Any]:
        camera = model(matrix, *distortion)
        depth = torch.full_like(pixels[..., 0], 2.0) if model is cameras.OrthographicCamera else None
        return camera.project(points, return_valid=True), camera.unproject(pixels, depth, return_valid=True)

    return call


def _inputs(model: type[cameras.Camera], points: Tensor, pixels: Tensor, scale: float = 1.0) -> Inputs:
    n, dtype = len(points), points.dtype
    k = COEFFICIENTS[model]
    distortion = (scale * (1 + 0.1 * random(n, dtype, len(k), seed=3)) * torch.tensor(k, dtype=dtype),) if k else ()
    return (points, pixels, _matrix(n, dtype), *distortion)


def _case(model: type[cameras.Camera]) -> Geometry:
    """Returns the case of a model: also on the axis, without distortion, and for what it cannot see."""
    axis = torch.tensor([[[0.0, 0.0, 1.0], [0.3, 0.1, 2.0]]], dtype=D)
    centre = _matrix(1, D)[:, :2, 2].unsqueeze(1) + torch.tensor([[0.0, 0.0], [0.2, 0.1]], dtype=D)
    beyond = torch.tensor([[[60.0, 3.0], [-40.0, 2e3]]], dtype=D)
    return Geometry(
        _both_ways(model),
        example=lambda n, dtype: _inputs(model, _points(n, dtype), _near_centre(n, dtype)),
        regular={
            "the axis": lambda: _inputs(model, axis, centre),
            "no distortion": lambda: _inputs(model, axis, centre, 0.0),
        },
        singular={
            "z = 0 and behind": lambda: _inputs(model, torch.tensor([ACROSS], dtype=D), centre),
            "far outside the image": lambda: _inputs(model, axis, beyond),
        },
        solves=True,
    )


def _lens(matrix: Tensor, distortion: Tensor) -> cameras.BrownConradyCamera:
    return cameras.BrownConradyCamera(matrix, distortion)


def _pixels(n: int, dtype: torch.dtype) -> Inputs:
    distortion = torch.tensor(RATIONAL, dtype=D) * (1 + 0.1 * random(n, D, 8, seed=3))
    return _near_centre(n, dtype), _matrix(n, dtype), distortion.to(dtype)


def _image(n: int, dtype: torch.dtype) -> Inputs:
    matrix = torch.tensor([[6.0, 0.1, 3.3], [0, 6.5, 2.8], [0, 0, 1]], dtype=D) + 0.1 * random(n, D, 3, 3, seed=2)
    distortion = torch.tensor(RATIONAL, dtype=D) * (1 + 0.1 * random(n, D, 8, seed=3))
    return random(n, dtype, 2, 6, 7), matrix.to(dtype), distortion.to(dtype)


def _pair(n: int, dtype: torch.dtype) -> Inputs:
    turn, _ = torch.linalg.qr(torch.eye(3, dtype=D) + 0.05 * random(n, D, 3, 3, seed=4))
    turn = turn * turn.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    t = torch.tensor([-0.5, 0.02, 0.05], dtype=D) + 0.02 * random(n, D, 3, seed=5)
    distortion = 0.1 * torch.tensor(RATIONAL[:4], dtype=D).expand(n, 4)
    matrix = torch.tensor([[30.0, 0, 19], [0, 32, 14], [0, 0, 1]], dtype=D).expand(n, 3, 3)
    return tuple(v.to(dtype) for v in (matrix, distortion, turn, t))


def _rectified(matrix: Tensor, distortion: Tensor, turn: Tensor, t: Tensor) -> Any:
    lens = cameras.BrownConradyCamera(matrix, distortion)
    return cameras.stereo_rectify(lens, matrix, turn, t, (30, 40), alpha=0.3)


def _still() -> Inputs:
    matrix, distortion, _, t = _pair(1, D)
    return matrix, distortion, torch.eye(3, dtype=D)[None], 0 * t


CASES = {
    **{f"visionops.geometry.{model.__name__}": _case(model) for model in COEFFICIENTS},
    "visionops.geometry.normalize_pixels": Geometry(
        cameras.normalize_pixels,
        {"return_valid": True},
        example=lambda n, dtype: _pixels(n, dtype)[:2],
        solves=True,
    ),
    "visionops.geometry.denormalize_pixels": Geometry(
        cameras.denormalize_pixels,
        {"return_valid": True},
        example=lambda n, dtype: _pixels(n, dtype)[:2],
        solves=True,
    ),
    "visionops.geometry.project_points": Geometry(
        cameras.project_points,
        {"return_valid": True},
        solves=True,
        example=lambda n, dtype: (_points(n, dtype), _matrix(n, dtype), _pair(n, dtype)[2], random(n, dtype, 3) * 0.1),
    ),
    "visionops.geometry.undistort_points": Geometry(
        lambda pixels, *lens: cameras.undistort_points(pixels, _lens(*lens), return_valid=True),
        example=_pixels,
        solves=True,
    ),
    "visionops.geometry.distort_points": Geometry(
        lambda pixels, *lens: cameras.distort_points(pixels, _lens(*lens), return_valid=True),
        example=_pixels,
        solves=True,
    ),
    "visionops.geometry.undistort_map": Geometry(
        lambda *lens: cameras.undistort_map(_lens(*lens), (3, 4)),
        example=lambda n, dtype: _image(n, dtype)[1:],
        solves=True,
    ),
    "visionops.geometry.undistort_image": Geometry(
        lambda image, *lens: cameras.undistort_image(image, _lens(*lens)),
        example=_image,
    ),
    "visionops.geometry.stereo_rectify": Geometry(
        _rectified, example=_pair, singular={"one place": _still}, solves=True
    ),
}
