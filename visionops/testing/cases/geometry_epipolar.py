"""Two views: fundamental and essential matrices, motion, distances, triangulation."""

import torch
from torch import Tensor

from visionops.geometry import epipolar
from visionops.testing.operators import Geometry

from .geometry_projective import EYE, K, Make, t
from .geometry_solvers import RANK1, random

R = [[0.96, 0.0, 0.28], [0.0, 1.0, 0.0], [-0.28, 0.0, 0.96]]
T = [0.8, 0.1, -0.6]
ROOM = [
    [0.3, -0.4, 3.0], [-0.8, 0.5, 4.0], [0.9, 0.7, 5.0], [-0.6, -0.9, 3.5], [0.1, 0.8, 2.5],
    [1.2, -0.3, 4.5], [-1.1, 0.2, 5.5], [0.5, 0.1, 3.2], [-0.2, -0.6, 6.0], [0.7, -0.8, 4.2],
]  # fmt: skip
WALL = [[x, y, 4.0 + 0.5 * x] for x, y, _ in ROOM]


def _double(value: object) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def seen(points: object, rotation: object = R, translation: object = T) -> tuple[Tensor, Tensor]:
    """Returns normalised points of both views."""
    first = _double(points)
    second = first @ _double(rotation).mT + _double(translation)
    return first[:, :2] / first[:, 2:], second[:, :2] / second[:, 2:]


def _exact(points: list[list[float]], *motion: object, weights: object = None) -> Make:
    ones = [1.0] * len(points)
    return lambda: (*seen(points, *motion), _double(weights or ones))


def _matches(n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    first, second = (p + 0.02 * random(n, torch.float64, *p.shape, seed=i) for i, p in enumerate(seen(ROOM)))
    return first.to(dtype), second.to(dtype)


def _weighted(n: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return (*_matches(n, dtype), random(n, dtype, len(ROOM), seed=2).abs() + 0.2)


def _essentials(n: int, dtype: torch.dtype) -> Tensor:
    exact = epipolar.essential_from_pose(_double(R), _double(T))
    return (exact + 0.05 * random(n, torch.float64, 3, 3, seed=3)).to(dtype)


def _essential() -> Tensor:
    return epipolar.essential_from_pose(_double(R), _double(T))


def _intrinsics(n: int, dtype: torch.dtype) -> Tensor:
    return (_double(K) + 0.05 * random(n, torch.float64, 3, 3, seed=4).triu()).to(dtype)


def _projections(n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    first = torch.eye(3, 4, dtype=torch.float64) + 0.02 * random(n, torch.float64, 3, 4, seed=5)
    second = torch.cat([_double(R), _double(T)[:, None]], -1) + 0.02 * random(n, torch.float64, 3, 4, seed=6)
    return first.to(dtype), second.to(dtype)


def _views(n: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    projections, points = torch.stack(_projections(n, dtype), 1), torch.stack(_matches(n, dtype), 1)
    return projections, points, random(n, dtype, 2, len(ROOM), seed=7).abs() + 0.2


def _cameras() -> tuple[Tensor, Tensor]:
    return torch.eye(3, 4, dtype=torch.float64), torch.cat([_double(R), _double(T)[:, None]], -1)


def _motion(E: Tensor, p1: Tensor, p2: Tensor) -> tuple[Tensor, ...]:
    return tuple(epipolar.motion_from_essential(E, p1, p2))


ROTATION = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
# Of a camera that moved along z, with a match at its epipoles.
FORWARD = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
AT_EPIPOLES = t(FORWARD, [[0.0, 0.0], [0.3, 0.1]], [[0.0, 0.0], [0.4, 0.2]])
FLAT = {
    "0": t([[0.0] * 3] * 3),
    "rank one": t(RANK1),
    "identity": t(EYE),
}
EPIPOLAR = {
    "exact": lambda: (_essential(), *seen(ROOM)),
    "a rotation": lambda: (_double(FORWARD), *seen(ROOM)),
}

CASES = {
    "visionops.geometry.find_fundamental": Geometry(
        lambda a, b, w: epipolar.find_fundamental(a, b, weights=w, return_valid=True),
        example=_weighted,
        solves=True,
        regular={"exact": _exact(ROOM), "eight": _exact(ROOM[:8])},
        singular={
            "two components are largest": _exact(ROOM, EYE, [1.0, 0.0, 0.0]),
            "a plane": _exact(WALL),
            "a rotation": _exact(ROOM, R, [0.0] * 3),
            "no motion": _exact(ROOM, EYE, [0.0] * 3),
            "coincident": _exact([ROOM[0]] * 8),
            "collinear": _exact([[0.1 * i, 0.2 * i, 3.0] for i in range(8)]),
            "no weight": _exact(ROOM, weights=[0.0] * 10),
            "a weight of 0": _exact(ROOM, weights=[0.0] + [1.0] * 9),
            "few weights": _exact(ROOM, weights=[0.0] * 5 + [1.0] * 5),
        },
    ),
    "visionops.geometry.essential_from_pose": Geometry(
        epipolar.essential_from_pose,
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 3, 3), random(n, dtype, 3, seed=1)),
        singular={"no translation": t(R, [0.0] * 3)},
    ),
    "visionops.geometry.essential_from_fundamental": Geometry(
        epipolar.essential_from_fundamental,
        solves=True,
        example=lambda n, dtype: (_essentials(n, dtype), _intrinsics(n, dtype), _intrinsics(n, dtype).flip(0)),
        singular={"0": t([[0.0] * 3] * 3, K, K)},
    ),
    "visionops.geometry.fundamental_from_essential": Geometry(
        epipolar.fundamental_from_essential,
        solves=True,
        example=lambda n, dtype: (_essentials(n, dtype), _intrinsics(n, dtype), _intrinsics(n, dtype).flip(0)),
        singular={"0": t([[0.0] * 3] * 3, K, K)},
    ),
    "visionops.geometry.fundamental_from_projections": Geometry(
        epipolar.fundamental_from_projections,
        solves=True,
        example=_projections,
        regular={"exact": _cameras},
        singular={"one centre": lambda: (_cameras()[0], _cameras()[0])},
    ),
    "visionops.geometry.projections_from_fundamental": Geometry(
        lambda F: epipolar.projections_from_fundamental(F)[1],
        example=_essentials,
        regular={"exact": lambda: (_essential(),)},
        singular=FLAT,
    ),
    "visionops.geometry.epipoles": Geometry(
        epipolar.epipoles,
        example=_essentials,
        solves=True,
        regular={"exact": lambda: (_essential(),)},
        singular=FLAT,
    ),
    "visionops.geometry.relative_pose": Geometry(
        epipolar.relative_pose,
        solves=True,
        example=lambda n, dtype: tuple(
            random(n, dtype, *s, seed=i) for i, s in enumerate([(3, 3), (3,), (3, 3), (3,)])
        ),
    ),
    "visionops.geometry.decompose_essential": Geometry(
        epipolar.decompose_essential,
        example=_essentials,
        solves=True,
        regular={"exact": lambda: (_essential(),), "along an axis": t(FORWARD)},
        singular=FLAT,
    ),
    "visionops.geometry.motion_from_essential": Geometry(
        _motion,
        example=lambda n, dtype: (_essentials(n, dtype), *_matches(n, dtype)),
        solves=True,
        regular={"exact": lambda: (_essential(), *seen(ROOM))},
        singular={
            "0": t([[0.0] * 3] * 3, [[0.0, 0.0]], [[0.1, 0.0]]),
            "no parallax": lambda: (_essential(), *seen(ROOM, EYE, [0.0] * 3)),
        },
    ),
    "visionops.geometry.epilines": Geometry(
        epipolar.epilines,
        solves=True,
        example=lambda n, dtype: (_essentials(n, dtype), _matches(n, dtype)[0]),
        singular={"the epipole": t(FORWARD, [[0.0, 0.0], [1.0, 2.0]]), "0": t([[0.0] * 3] * 3, [[1.0, 2.0]])},
    ),
    "visionops.geometry.sampson_distance": Geometry(
        epipolar.sampson_distance,
        solves=True,
        example=lambda n, dtype: (_essentials(n, dtype), *_matches(n, dtype)),
        regular=EPIPOLAR,
        singular={"epipoles": AT_EPIPOLES, "0": t([[0.0] * 3] * 3, [[1.0, 2.0]], [[3.0, 4.0]])},
    ),
    "visionops.geometry.symmetric_epipolar_distance": Geometry(
        epipolar.symmetric_epipolar_distance,
        solves=True,
        example=lambda n, dtype: (_essentials(n, dtype), *_matches(n, dtype)),
        regular=EPIPOLAR,
        singular={"epipoles": AT_EPIPOLES, "0": t([[0.0] * 3] * 3, [[1.0, 2.0]], [[3.0, 4.0]])},
    ),
    "visionops.geometry.triangulate": Geometry(
        epipolar.triangulate,
        {"return_valid": True},
        example=lambda n, dtype: (*_projections(n, dtype), *_matches(n, dtype)),
        solves=True,
        regular={"exact": lambda: (*_cameras(), *seen(ROOM)), "one point": lambda: (*_cameras(), *seen(ROOM[:1]))},
        singular={
            "one centre": lambda: (_cameras()[0], _cameras()[0], *seen(ROOM, EYE, [0.0] * 3)),
            "one ray": t(
                [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
                [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]],
                [[0.0, 0.0]],
                [[0.0, 0.0]],
            ),
        },
    ),
    "visionops.geometry.triangulate_views": Geometry(
        lambda P, x, w: epipolar.triangulate_views(P, x, weights=w, return_valid=True),
        example=_views,
        solves=True,
        regular={"exact": lambda: (torch.stack(_cameras()), torch.stack(seen(ROOM)), torch.ones(2, 10).double())},
        singular={"no weight": lambda: (torch.stack(_cameras()), torch.stack(seen(ROOM)), torch.zeros(2, 10).double())},
    ),
    "visionops.geometry.optimal_correction": Geometry(
        epipolar.optimal_correction,
        {"return_valid": True},
        example=lambda n, dtype: (_essentials(n, dtype), *_matches(n, dtype)),
        solves=True,
        regular={"exact": lambda: (_essential(), *seen(ROOM))},
        singular={"epipoles": AT_EPIPOLES, "0": t([[0.0] * 3] * 3, [[1.0, 2.0]], [[3.0, 4.0]])},
    ),
}
