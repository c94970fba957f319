"""Losses of views, poses and matches."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from visionops.geometry import epipolar, losses
from visionops.testing.operators import Geometry, Inputs, Loss, Operator

from .geometry_epipolar import AT_EPIPOLES, ROOM, R, T, seen
from .geometry_pose import K, scene
from .geometry_solvers import EYE, random

D = torch.float64
TURNED = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
FLIPPED = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]


def _t(*values: object) -> Callable[[], Inputs]:
    return lambda: tuple(torch.tensor(v, dtype=D) for v in values)


def _randoms(*shapes: tuple[int, ...]) -> Callable[[int, torch.dtype], Inputs]:
    return lambda n, dtype: tuple(random(n, dtype, *shape, seed=i) for i, shape in enumerate(shapes))


def _essential() -> Tensor:
    return epipolar.essential_from_pose(torch.tensor(R, dtype=D), torch.tensor(T, dtype=D))


def _matches(n: int, dtype: torch.dtype) -> Inputs:
    F = _essential() + 0.05 * random(n, D, 3, 3, seed=3)
    points = (p + 0.02 * random(n, D, *p.shape, seed=i) for i, p in enumerate(seen(ROOM)))
    return tuple(v.to(dtype) for v in (F, *points))


def _views(n: int, dtype: torch.dtype) -> Inputs:
    x, turn, move = scene(n, 6)
    pixels = (x @ turn.mT + move[:, None])[..., :2] / 3 + random(n, D, 6, 2)
    return tuple(v.to(dtype) for v in (x, pixels, turn, move, K.expand(n, 3, 3)))


def _at(*points: list[float]) -> Callable[[], Inputs]:
    """Returns a maker of points in the camera's frame, which should be seen at the origin."""
    x = torch.tensor([points], dtype=D)
    return lambda: (x, torch.zeros_like(x[..., :2]), torch.eye(3, dtype=D), torch.zeros(3, dtype=D), K)


def _homographies(n: int, dtype: torch.dtype) -> Inputs:
    spread = torch.tensor([[0.05, 0.05, 1.0], [0.05, 0.05, 1.0], [0.01, 0.01, 0.0]], dtype=D)
    return tuple((torch.eye(3, dtype=D) + spread * random(n, D, 3, 3, seed=i)).to(dtype) for i in range(2))


def _matched(logs: Tensor, **options: Any) -> Tensor:
    return losses.matching_nll(logs, torch.tensor([2, -1, 0, -2]), **options)


def _logs(n: int, dtype: torch.dtype) -> Tensor:
    return random(n, D, 5, 4).log_softmax(-1).to(dtype)


def _assigned(scores: Tensor, dustbin: Tensor) -> Tensor:
    # Until rounding: a tolerance that is met an iteration earlier is a step for finite differences.
    return losses.sinkhorn_assignment(scores, dustbin=dustbin, temperature=0.7, iterations=200, tolerance=0.0)


def _confident(scores: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return losses.dual_softmax(scores, temperature=0.7, matchability1=first, matchability2=second)


EPIPOLAR = Loss(
    losses.sampson,
    {"kernel": "cauchy", "scale": 0.5},
    example=_matches,
    regular={"exact": lambda: (_essential(), *seen(ROOM))},
    singular={"epipoles": AT_EPIPOLES},
)
SAME = {"equal": _t(EYE, EYE), "opposite": _t(EYE, FLIPPED)}

CASES: dict[str, Operator] = {
    "visionops.geometry.losses.sampson": EPIPOLAR,
    "visionops.geometry.losses.symmetric_epipolar": replace(EPIPOLAR, function=losses.symmetric_epipolar),
    "visionops.geometry.losses.reprojection": Loss(
        losses.reprojection,
        {"kernel": "huber", "scale": 0.4, "behind": 3.0},
        example=_views,
        regular={"behind": _at([1.0, 2.0, -3.0], [1.0, 0.5, -0.1]), "exact": _at([-0.3, 0.2, 2.0])},
        singular={
            "at the centre": _at([0.0, 0.0, 0.0]),
            "beside": _at([1.0, 2.0, 0.0]),
            "near the plane": _at([1.0, 2.0, 1e-9]),
        },
    ),
    "visionops.geometry.losses.homography_corner": Loss(
        losses.homography_corner,
        {"size": (5, 7), "kernel": "charbonnier"},
        example=_homographies,
        singular={"to infinity": _t([[1.0, 0, 0], [0, 1, 0], [-1 / 6, 0, 1]], EYE), "0": _t([[0.0] * 3] * 3, EYE)},
        regular={"equal": _t(EYE, EYE)},
    ),
    "visionops.geometry.losses.cycle_consistency": Loss(
        losses.cycle_consistency,
        {"size": (5, 7)},
        example=_homographies,
        singular={"consistent": _t(EYE, EYE), "0": _t([[0.0] * 3] * 3, EYE)},
    ),
    "visionops.geometry.losses.rotation_geodesic": Loss(
        losses.rotation_geodesic, example=_randoms((3, 3), (3, 3)), singular=SAME
    ),
    "visionops.geometry.losses.pose": Loss(
        losses.pose,
        {"translation": "direction", "translation_weight": 0.5},
        example=_randoms((3, 3), (3,), (3, 3), (3,)),
        singular={
            "equal": _t(EYE, [1.0, 2, 3], EYE, [1.0, 2, 3]),
            "opposite": _t(EYE, [1.0, 2, 3], FLIPPED, [-1.0, -2, -3]),
            "nowhere": _t(EYE, [0.0, 0, 0], TURNED, [1.0, 2, 3]),
            "anywhere": _t(EYE, [1.0, 2, 3], TURNED, [0.0, 0, 0]),
        },
    ),
    "visionops.geometry.losses.chamfer": Loss(
        losses.chamfer,
        example=_randoms((6, 2), (5, 2)),
        singular={
            "equal": lambda: (random(1, D, 6, 2), random(1, D, 6, 2)),
            "coincident": _t([[[1.0, 2.0]] * 3], [[[3.0, 4.0]] * 2]),
            "empty": lambda: (random(1, D, 0, 2), random(1, D, 5, 2)),
        },
        regular={"one each": _t([[[1.0, 2.0]]], [[[3.0, 5.0]]])},
    ),
    "visionops.geometry.losses.matching_nll": Loss(_matched, example=_logs),
    "visionops.geometry.losses.dual_softmax": Geometry(
        _confident,
        example=_randoms((4, 3), (4,), (3,)),
        regular={"flat": lambda: (torch.zeros(1, 4, 3, dtype=D), random(1, D, 4), random(1, D, 3))},
        singular={"far apart": lambda: (1e3 * random(1, D, 4, 3), random(1, D, 4), random(1, D, 3))},
    ),
    "visionops.geometry.losses.sinkhorn_assignment": Geometry(
        _assigned,
        example=_randoms((4, 3), ()),
        solves=True,
        regular={"flat": lambda: (torch.zeros(1, 4, 3, dtype=D), torch.zeros(1, dtype=D))},
        singular={"an assignment": lambda: (1e2 * torch.eye(4, 3, dtype=D)[None], torch.zeros(1, dtype=D))},
    ),
}
