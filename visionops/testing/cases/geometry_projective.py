"""Maps of the plane and of space between points."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from visionops.geometry import projective
from visionops.testing.operators import Geometry

from .geometry_solvers import random

Make = Callable[[], tuple[Tensor, ...]]
Example = Callable[[int, torch.dtype], tuple[Tensor, ...]]

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
LINE = [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, 8.0]]
POINT = [[3.0, 4.0]] * 5
TILT = [[0.9, -0.2, 3.0], [0.1, 1.1, -2.0], [0.05, 0.02, 1.0]]
LINES = [[[0.0, 0.0], [1.0, 0.1]], [[1.0, 0.0], [1.1, 1.0]], [[1.0, 1.0], [0.0, 1.2]], [[0.0, 1.0], [0.1, 0.0]]]
SPACE = [[0.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.1, 1.0, 0.3], [0.4, 0.2, 1.0], [1.0, 1.1, 0.9]]
PLANE3 = [[0.0, 0.0, 0.0], [1.0, 0.2, 0.0], [0.1, 1.0, 0.0], [0.7, 0.9, 0.0], [0.3, 0.1, 0.0]]


def t(*values: object) -> Make:
    """Returns a maker of float64 tensors."""
    return lambda: tuple(torch.tensor(v, dtype=torch.float64) for v in values)


def mapped(points: object, matrix: object = TILT) -> Any:
    """Returns points, to the last bit, mapped by a homography, an affine or a rigid map."""
    p, m = torch.tensor(points, dtype=torch.float64), torch.tensor(matrix, dtype=torch.float64)
    q = torch.nn.functional.pad(p, (0, 1), value=1.0) @ m.mT
    return (q[..., :-1] / q[..., -1:]).tolist()


def _pairs(points: list[list[float]], spread: float = 0.1) -> Example:
    """Returns a maker of examples: points, and those that they map to, both moved."""

    def make(n: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
        p = torch.tensor(points, dtype=torch.float64)
        q = torch.tensor(mapped(points) if p.shape[-1] == 2 else mapped(points, MOTION), dtype=torch.float64)
        first = p + spread * random(n, torch.float64, *p.shape)
        return first.to(dtype), (q + spread * random(n, torch.float64, *p.shape, seed=1)).to(dtype)

    return make


def _weighted(points: list[list[float]]) -> Example:
    pairs = _pairs(points)
    return lambda n, dtype: (*pairs(n, dtype), random(n, dtype, len(points), seed=2).abs() + 0.1)


MOTION = [[0.6, -0.8, 0.0, 1.0], [0.8, 0.6, 0.0, 2.0], [0.0, 0.0, 1.0, -1.0], [0.0, 0.0, 0.0, 1.0]]
SIX = [*SQUARE, [0.3, 0.6], [0.8, 0.2]]
ZERO = [0.0] * 5
DEGENERATE = {
    "collinear": t(LINE, LINE, [1.0] * 5),
    "coincident": t(POINT, POINT, [1.0] * 5),
    "no weight": t(SIX[:5], mapped(SIX[:5]), ZERO),
    "few weights": t(SIX[:5], mapped(SIX[:5]), [1.0, 1.0, 0.0, 0.0, 0.0]),
    "a weight of 0": t(SIX[:5], mapped(SIX[:5]), [1.0, 1.0, 1.0, 1.0, 0.0]),
}
EXACT = {
    "the unit square": t(SQUARE, SQUARE, [1.0] * 4),
    "exact": t(SIX, mapped(SIX), [1.0] * 6),
    "four": t(SQUARE, mapped(SQUARE), [1.0, 2.0, 3.0, 4.0]),
}
SCENE = {
    "collinear": t([[0.0, 0, 0], [1, 2, 3], [2, 4, 6]], [[0.0, 0, 0], [1, 2, 3], [2, 4, 6]], [1.0] * 3),
    "coincident": t([[1.0, 2, 3]] * 4, [[3.0, 2, 1]] * 4, [1.0] * 4),
    "no weight": t(SPACE, mapped(SPACE, MOTION), ZERO),
}
ROOM = {
    "exact": t(SPACE, mapped(SPACE, MOTION), [1.0] * 5),
    "identity": t(SPACE, SPACE, [1.0] * 5),
    "coplanar": t(PLANE3, mapped(PLANE3, MOTION), [1.0] * 5),
    "half a turn": t(SPACE, [[-x, -y, z] for x, y, z in SPACE], [1.0] * 5),
    "three": t(PLANE3[:3], mapped(PLANE3[:3], MOTION), [1.0] * 3),
}
# x2 ~ H x1 of a camera that moved across, along and about what it looks at.
ASIDE = [[1.0, 0.0, 0.3], [0.0, 1.0, 0.1], [0.0, 0.0, 1.0]]
FORWARD = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.8]]
TURN = [[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]]
EYE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
K = [[2.0, 0.1, 0.3], [0.0, 1.9, -0.2], [0.0, 0.0, 1.0]]


def _of_weights(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda p1, p2, w: function(p1, p2, weights=w, return_valid=True)


def _refine(p1: Tensor, p2: Tensor, w: Tensor) -> Any:
    start = torch.tensor(TILT, dtype=p1.dtype)
    return projective.refine_homography(start, p1, p2, weights=w, iterations=10, return_valid=True)


def _matrices(n: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    eye = torch.eye(3, dtype=torch.float64)
    return (eye + 0.3 * random(n, torch.float64, 3, 3)).to(dtype), torch.tensor(K, dtype=dtype).expand(n, 3, 3).clone()


def _errors(n: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    first, second = _pairs(SIX)(n, dtype)
    return (torch.tensor(TILT, dtype=torch.float64) + 0.01 * random(n, torch.float64, 3, 3)).to(dtype), first, second


CASES = {
    "visionops.geometry.get_perspective_transform": Geometry(
        projective.get_perspective_transform,
        {"return_valid": True},
        example=_pairs(SQUARE),
        solves=True,
        regular={"the unit square": t(SQUARE, SQUARE), "exact": t(SQUARE, mapped(SQUARE))},
        singular={
            "three collinear": t(SQUARE, [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 1.0]]),
            "three collinear at first": t([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 1.0]], SQUARE),
            "collinear": t(LINE[:4], LINE[:4]),
            "coincident": t(POINT[:4], SQUARE),
        },
    ),
    "visionops.geometry.get_affine_transform": Geometry(
        projective.get_affine_transform,
        {"return_valid": True},
        example=_pairs(SQUARE[:3]),
        solves=True,
        regular={"to a line": t(SQUARE[:3], LINE[:3]), "to a point": t(SQUARE[:3], POINT[:3])},
        singular={"collinear": t(LINE[:3], SQUARE[:3]), "coincident": t(POINT[:3], SQUARE[:3])},
    ),
    "visionops.geometry.rotation_matrix2d": Geometry(
        projective.rotation_matrix2d,
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 2), random(n, dtype, seed=1), random(n, dtype, seed=2)),
        regular={"0": t([3.0, 4.0], 0.0, 1.0), "180": t([3.0, 4.0], 180.0, 1.0), "no scale": t([3.0, 4.0], 9.0, 0.0)},
    ),
    "visionops.geometry.find_homography": Geometry(
        _of_weights(projective.find_homography), example=_weighted(SIX), solves=True, regular=EXACT, singular=DEGENERATE
    ),
    "visionops.geometry.find_homography_lines": Geometry(
        lambda a, b: projective.find_homography_lines(a, b, return_valid=True),
        example=lambda n, dtype: (
            torch.tensor(LINES, dtype=dtype).expand(n, 4, 2, 2) + 0.05 * random(n, dtype, 4, 2, 2),
            torch.tensor(mapped(LINES), dtype=dtype).expand(n, 4, 2, 2) + 0.05 * random(n, dtype, 4, 2, 2, seed=1),
        ),
        solves=True,
        regular={"exact": t(LINES, mapped(LINES))},
        singular={
            "points": t([[[1.0, 2.0]] * 2] * 4, [[[1.0, 2.0]] * 2] * 4),
            "one line": t([LINE[:2]] * 4, [LINE[:2]] * 4),
        },
    ),
    "visionops.geometry.refine_homography": Geometry(
        _refine,
        example=_weighted(SIX),
        solves=True,
        regular={"exact": EXACT["exact"], "four": EXACT["four"]},
        singular=DEGENERATE,
    ),
    "visionops.geometry.find_affine": Geometry(
        _of_weights(projective.find_affine), example=_weighted(SIX), solves=True, regular=EXACT, singular=DEGENERATE
    ),
    "visionops.geometry.find_similarity": Geometry(
        _of_weights(projective.find_similarity),
        example=_weighted(SIX),
        solves=True,
        regular={**EXACT, "collinear": DEGENERATE["collinear"], "to a point": t(SIX, [[1.0, 2.0]] * 6, [1.0] * 6)},
        singular=DEGENERATE,
    ),
    "visionops.geometry.find_rigid": Geometry(
        _of_weights(projective.find_rigid), example=_weighted(SPACE), solves=True, regular=ROOM, singular=SCENE
    ),
    "visionops.geometry.find_similarity3d": Geometry(
        _of_weights(projective.find_similarity3d), example=_weighted(SPACE), solves=True, regular=ROOM, singular=SCENE
    ),
    "visionops.geometry.decompose_homography": Geometry(
        projective.decompose_homography,
        example=_matrices,
        solves=True,
        regular={"aside": t(ASIDE, K)},
        singular={
            "along the normal": t(FORWARD, EYE),
            "the identity": t(EYE, EYE),
            "a rotation": t(TURN, EYE),
            "rank one": t([[1.0, 2, 3], [2, 4, 6], [3, 6, 9]], EYE),
            "rank two": t([[1.0, 0, 0], [0, 2, 0], [0, 0, 0]], EYE),
            "0": t([[0.0] * 3] * 3, EYE),
        },
    ),
    "visionops.geometry.homography_from_pose": Geometry(
        projective.homography_from_pose,
        solves=True,
        example=lambda n, dtype: (
            torch.eye(3, dtype=dtype).expand(n, 3, 3) + 0.3 * random(n, dtype, 3, 3),
            random(n, dtype, 3, seed=1),
            random(n, dtype, 3, seed=2),
            torch.tensor(K, dtype=dtype).expand(n, 3, 3).clone(),
        ),
        regular={"no translation": t(TURN, [0.0] * 3, [0.0, 0.0, 1.0], K)},
        singular={"H33 = 0": t(TURN, [0.0, 0.0, -0.8], [0.0, 0.0, 1.0], EYE)},
    ),
    "visionops.geometry.transfer_error": Geometry(
        projective.transfer_error, example=_errors, solves=True, regular={"exact": t(TILT, SIX, mapped(SIX))}
    ),
    "visionops.geometry.symmetric_transfer_error": Geometry(
        projective.symmetric_transfer_error,
        solves=True,
        example=_errors,
        regular={"exact": t(TILT, SIX, mapped(SIX))},
        singular={"0": t([[0.0] * 3] * 3, SIX, SIX)},
    ),
}
