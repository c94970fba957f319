"""Depth, flow and disparity, lines, planes and heat maps."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from visionops.geometry import keypoints, lines, planes, spatial
from visionops.testing.operators import Geometry

from .geometry_solvers import random

Inputs = tuple[Tensor, ...]
D = torch.float64
SIZE = (5, 6)
K = [[7.3, 0.2, 2.4], [0.0, 6.9, 2.1], [0.0, 0.0, 1.0]]
# What a perspective augmentation leaves.
BENT = [[7.3, 0.2, 2.4], [0.0, 6.9, 2.1], [0.004, -0.01, 1.02]]


def _each(values: object, n: int, dtype: torch.dtype, seed: int = 0, spread: float = 0.02) -> Tensor:
    """Returns a value for each sample, a little different."""
    base = torch.tensor(values, dtype=D)
    return (base + spread * random(n, D, *base.shape, seed=seed)).to(dtype)


def _depth(n: int, dtype: torch.dtype) -> Tensor:
    return (3 + 0.3 * random(n, D, 1, *SIZE)).to(dtype)


def _intrinsics(n: int, dtype: torch.dtype, values: object = BENT) -> Tensor:
    return _each(values, n, dtype, seed=3, spread=0.003)


def _pose(n: int, dtype: torch.dtype) -> Inputs:
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.02, 0.05], [0.02, 0, -0.03], [-0.05, 0.03, 0]], dtype=D))
    return turn.expand(n, 3, 3).to(dtype), _each([0.31, -0.12, 0.08], n, dtype, seed=4)


def _image(n: int, dtype: torch.dtype) -> Tensor:
    return random(n, dtype, 2, *SIZE, seed=5)


def _sample(*values: Callable[[int, torch.dtype], Tensor], depth: float = 0.0) -> Callable[[], Inputs]:
    """Returns what makes one sample, its depth constant."""

    def make() -> Inputs:
        made = [v(1, D) for v in values]
        return tuple(torch.full_like(v, depth) if of is _depth else v for of, v in zip(values, made, strict=True))

    return make


def _view(n: int, dtype: torch.dtype) -> Inputs:
    return _image(n, dtype), _depth(n, dtype), _intrinsics(n, dtype), *_pose(n, dtype)


def _seen(depth: float, *, move: object = (0.31, -0.12, 0.08), flat: bool = False) -> Callable[[], Inputs]:
    def make() -> Inputs:
        image, z, k, turn, _ = _view(1, D)
        k = torch.zeros_like(k) if flat else k
        return image, torch.full_like(z, depth), k, turn, torch.tensor([move], dtype=D)

    return make


HIDDEN = {
    "depth 0": _seen(0.0),
    "behind": _seen(-3.0),
    "through camera 2": _seen(3.0, move=(0.0, 0.0, -3.0)),
    "behind camera 2": _seen(3.0, move=(0.1, 0.2, -9.0)),
    "K = 0": _seen(3.0, flat=True),
}


def _without_image(places: dict[str, Callable[[], Inputs]]) -> dict[str, Callable[[], Inputs]]:
    return {name: (lambda make=make: make()[1:]) for name, make in places.items()}  # type: ignore[misc]


def _planes(n: int, dtype: torch.dtype) -> Inputs:
    image, _, k, turn, move = _view(n, dtype)
    return image, _each([1.9, 3.1, 6.2], n, dtype), k, turn, move


def _points(*rows: Sequence[float]) -> Callable[[], Inputs]:
    return lambda: (torch.tensor([rows], dtype=D),)


def _spline(n: int, dtype: torch.dtype) -> Inputs:
    return random(n, dtype, 4, 2), random(n, dtype, 6, 2, seed=1), random(n, dtype, 6, 2, seed=2)


def _controls(*rows: list[float]) -> Callable[[], Inputs]:
    source = torch.tensor([rows], dtype=D)
    return lambda: (random(1, D, 4, 2), source, source + random(1, D, len(rows), 2, seed=1))


def _weighted(function: Callable[..., object]) -> Callable[..., object]:
    return lambda points, weights: function(points, weights=weights, return_valid=True)


def _with_weights(dims: int) -> Callable[[int, torch.dtype], Inputs]:
    return lambda n, dtype: (random(n, dtype, 7, dims), 0.2 + random(n, dtype, 7, seed=1).square())


def _alike(make: Callable[[], Inputs]) -> Callable[[], Inputs]:
    def weighted() -> Inputs:
        points = make()[0]
        return points, torch.ones_like(points[..., 0])

    return weighted


def _no_weight() -> Inputs:
    return random(1, D, 4, 2), torch.zeros(1, 4, dtype=D)


FLAT: dict[str, list[list[float]]] = {
    "coincident": [[3.0, 4.0, 5.0]] * 3,
    "one": [[3.0, 4.0, 5.0]],
    "collinear": [[1.0, 2, 3], [2, 4, 6], [5, 10, 15]],
}
DISPARITY = {"focal": 20.0, "baseline": 0.4, "offset": 0.3, "return_valid": True}

CASES = {
    "visionops.geometry.depth_to_points": Geometry(
        spatial.depth_to_points,
        {"return_valid": True},
        example=lambda n, dtype: (_depth(n, dtype), _intrinsics(n, dtype)),
        regular={
            "depth 0": _sample(_depth, _intrinsics, depth=0.0),
            "behind": _sample(_depth, _intrinsics, depth=-2.0),
        },
        singular={"K = 0": lambda: (_depth(1, D), torch.zeros(1, 3, 3, dtype=D))},
    ),
    "visionops.geometry.depth_to_normals": Geometry(
        spatial.depth_to_normals,
        {"return_valid": True},
        example=lambda n, dtype: (_depth(n, dtype), _intrinsics(n, dtype)),
        regular={"a wall": _sample(_depth, _intrinsics, depth=3.0)},
        singular={
            "depth 0": _sample(_depth, _intrinsics, depth=0.0),
            "one row": lambda: (_depth(1, D)[..., :1, :], _intrinsics(1, D)),
            "one pixel": lambda: (_depth(1, D)[..., :1, :1], _intrinsics(1, D)),
        },
    ),
    "visionops.geometry.warp_by_depth": Geometry(
        partial(spatial.warp_by_depth, return_valid=True), {"fill": 0.2}, example=_view, singular=HIDDEN
    ),
    "visionops.geometry.depth_to_flow": Geometry(
        spatial.depth_to_flow,
        {"return_valid": True},
        example=lambda n, dtype: _view(n, dtype)[1:],
        singular=_without_image(HIDDEN),
        solves=True,
    ),
    "visionops.geometry.warp_by_flow": Geometry(
        spatial.warp_by_flow,
        {"return_valid": True},
        example=lambda n, dtype: (_image(n, dtype), random(n, dtype, 2, *SIZE, seed=6)),
        singular={
            "nothing moves": lambda: (_image(1, D), torch.zeros(1, 2, *SIZE, dtype=D)),
            "far outside": lambda: (_image(1, D), torch.full((1, 2, *SIZE), -1e9, dtype=D)),
        },
    ),
    "visionops.geometry.plane_sweep": Geometry(
        spatial.plane_sweep,
        {"return_valid": True, "size": (4, 5)},
        example=_planes,
        singular={"depths 0": lambda: (_planes(1, D)[0], torch.zeros(1, 2, dtype=D), *_planes(1, D)[2:])},
    ),
    "visionops.geometry.disparity_to_depth": Geometry(
        spatial.disparity_to_depth,
        DISPARITY,
        example=_depth,
        singular={
            "0": lambda: (torch.full((1, 1, 2, 2), -0.3, dtype=D),),
            "nearly": lambda: (torch.full((1, 1, 2, 2), 1e-30 - 0.3, dtype=D),),
            "behind": lambda: (torch.full((1, 1, 2, 2), -2.0, dtype=D),),
        },
        solves=True,
    ),
    "visionops.geometry.depth_to_disparity": Geometry(
        spatial.depth_to_disparity,
        DISPARITY,
        example=_depth,
        singular={
            "0": lambda: (torch.zeros(1, 1, 2, 2, dtype=D),),
            "nearly": lambda: (torch.full((1, 1, 2, 2), 1e-30, dtype=D),),
            "behind": lambda: (torch.full((1, 1, 2, 2), -2.0, dtype=D),),
        },
        solves=True,
    ),
    "visionops.geometry.spline_points": Geometry(
        spatial.spline_points,
        {"return_valid": True},
        example=_spline,
        regular={"unit square": _controls([0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0])},
        singular={
            "collinear": _controls([0.0, 0.0], [1.0, 1.0], [3.0, 3.0]),
            "coincident": _controls([0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]),
            "one place": _controls(*[[2.0, 1.0]] * 3),
        },
        solves=True,
    ),
    "visionops.geometry.fit_line": Geometry(
        _weighted(lines.fit_line),
        example=_with_weights(2),
        regular={
            "exact": _alike(_points([0.0, 1], [1, 3], [2, 5], [5, 11])),
            "two": _alike(_points([300.0, 1], [301, 3])),
        },
        singular={
            "coincident": _alike(_points(*[[300.1, 4.7]] * 3)),
            "one": _alike(_points([3.0, 4])),
            "square": _alike(_points([0.0, 0], [1, 0], [1, 1], [0, 1])),
            "no weight": _no_weight,
        },
        solves=True,
    ),
    "visionops.geometry.line_through": Geometry(
        lines.line_through,
        {"return_valid": True},
        example=lambda n, dtype: (random(n, dtype, 2), random(n, dtype, 2, seed=1)),
        singular={"coincident": lambda: (torch.ones(1, 2, dtype=D), torch.ones(1, 2, dtype=D))},
    ),
    "visionops.geometry.line_intersection": Geometry(
        lines.line_intersection,
        {"return_valid": True},
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 3), random(n, dtype, 3, seed=1)),
        singular={
            "parallel": lambda: (torch.tensor([[1.0, 2, 3]], dtype=D), torch.tensor([[2.0, 4, 5]], dtype=D)),
            "equal": lambda: (torch.tensor([[1.0, 2, 3]], dtype=D), torch.tensor([[2.0, 4, 6]], dtype=D)),
        },
    ),
    "visionops.geometry.point_line_distance": Geometry(
        lines.point_line_distance,
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 5, 2), random(n, dtype, 3, seed=1)),
        singular={
            "on it": lambda: (torch.ones(1, 2, 2, dtype=D), torch.tensor([[1.0, 1.0, -2.0]], dtype=D)),
            "no line": lambda: (random(1, D, 2, 2), torch.tensor([[0.0, 0.0, 1.0]], dtype=D)),
        },
    ),
    "visionops.geometry.fit_plane": Geometry(
        _weighted(planes.fit_plane),
        example=_with_weights(3),
        regular={"exact": _alike(_points([0.0, 1, 2], [1, 3, 2], [2, 5, 2], [5, 1, 2], [1, 1, 2]))},
        singular={name: _alike(_points(*rows)) for name, rows in FLAT.items()},
        solves=True,
    ),
    "visionops.geometry.point_plane_distance": Geometry(
        planes.point_plane_distance,
        {"signed": True},
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 5, 3), random(n, dtype, 4, seed=1)),
        regular={"on it": lambda: (torch.ones(1, 2, 3, dtype=D), torch.tensor([[1.0, 1.0, -1.0, -1.0]], dtype=D))},
        singular={"no plane": lambda: (random(1, D, 2, 3), torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=D))},
    ),
    "visionops.geometry.ray_plane_intersection": Geometry(
        planes.ray_plane_intersection,
        {"return_valid": True},
        solves=True,
        example=lambda n, dtype: (
            random(n, dtype, 5, 3),
            random(n, dtype, 5, 3, seed=1),
            _each([0.3, 0.2, 1, 2], n, dtype),
        ),
        singular={
            "along it": lambda: (
                *_points([1.0, 2, 3])(),
                *_points([1.0, 1, 0])(),
                torch.tensor([[0.0, 0, 2, 1]], dtype=D),
            ),
            "no direction": lambda: (*_points([1.0, 2, 3])(), *_points([0.0] * 3)(), torch.ones(1, 4, dtype=D)),
            "no plane": lambda: (*_points([1.0, 2, 3])(), *_points([1.0, 0, 0])(), torch.zeros(1, 4, dtype=D)),
        },
    ),
    "visionops.geometry.heatmap_to_points": Geometry(
        keypoints.heatmap_to_points,
        {"temperature": 0.7, "return_valid": True},
        example=lambda n, dtype: random(n, dtype, 2, *SIZE),
        regular={"flat": lambda: (torch.zeros(1, 2, *SIZE, dtype=D),)},
        singular={"far apart": lambda: (1e30 * random(1, D, 2, *SIZE),)},
        solves=True,
    ),
    "visionops.geometry.points_to_heatmap": Geometry(
        keypoints.points_to_heatmap,
        {"size": SIZE, "sigma": 1.2},
        example=lambda n, dtype: 2 + random(n, dtype, 3, 2),
        regular={"on a pixel": _points([2.0, 3.0]), "outside": _points([-4.0, 3.0])},
        singular={"far away": _points([1e30, -1e30])},
        solves=True,
    ),
}
