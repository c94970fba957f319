"""Boxes."""

from collections.abc import Callable

import torch
from torch import Tensor

from visionops.geometry import boxes
from visionops.testing.operators import Geometry

from .geometry_solvers import random

Inputs = tuple[Tensor, ...]
D = torch.float64
INDICES = "what it returns is no number"


def _upright(n: int, dtype: torch.dtype, count: int = 4, seed: int = 0) -> Tensor:
    low = random(n, D, count, 2, seed=seed)
    return torch.cat([low, low + 0.5 + random(n, D, count, 2, seed=seed + 7).abs()], -1).to(dtype)


def _turned(n: int, dtype: torch.dtype, count: int = 4, seed: int = 0) -> Tensor:
    centre, extent = random(n, D, count, 2, seed=seed), 0.5 + random(n, D, count, 2, seed=seed + 7).abs()
    return torch.cat([centre, extent, 40 * random(n, D, count, 1, seed=seed + 8)], -1).to(dtype)


def _pair(make: Callable[..., Tensor]) -> Callable[[int, torch.dtype], Inputs]:
    return lambda n, dtype: (make(n, dtype), make(n, dtype, 3, seed=1))


def _boxes(*rows: list[float]) -> Callable[[], Inputs]:
    return lambda: (torch.tensor([rows], dtype=D),)


def _both(*rows: list[float]) -> Callable[[], Inputs]:
    return lambda: (torch.tensor([rows], dtype=D), torch.tensor([rows], dtype=D))


def _scored(n: int, dtype: torch.dtype) -> Inputs:
    return _upright(n, dtype, 9), random(n, dtype, 9, seed=3)


HOMOGRAPHY = [[1.1, 0.1, 2.0], [-0.2, 0.9, 1.0], [0.02, 0.01, 1.0]]


def _moved(n: int, dtype: torch.dtype) -> Inputs:
    return (torch.tensor(HOMOGRAPHY, dtype=D) + 0.01 * random(n, D, 3, 3, seed=2)).to(dtype), _upright(n, dtype)


CASES = {
    "visionops.geometry.convert_boxes": Geometry(
        boxes.convert_boxes,
        {"source": "cxcywha", "target": "xyxy"},
        example=_turned,
        singular={
            "no size": _boxes([1.0, 2, 0, 0, 30]),
            "level": _boxes([1.0, 2, 3, 4, 0]),
            "half a turn": _boxes([1.0, 2, 3, 4, 180]),
        },
    ),
    "visionops.geometry.box_area": Geometry(
        boxes.box_area,
        example=_upright,
        singular={"empty": _boxes([1.0, 2, 1, 2]), "backwards": _boxes([3.0, 2, 1, 4])},
    ),
    "visionops.geometry.box_iou": Geometry(
        boxes.box_iou,
        example=_pair(_upright),
        singular={
            "identical": _both([1.0, 2, 3, 5]),
            "touching": _both([1.0, 2, 3, 5], [3, 2, 4, 5], [3, 5, 6, 7]),
            "empty": _both([1.0, 2, 1, 2], [1, 2, 1, 4], [0, 0, 0, 0]),
            "backwards": _both([3.0, 2, 1, 4], [0, 0, 2, 3]),
        },
        solves=True,
    ),
    "visionops.geometry.rotated_box_iou": Geometry(
        boxes.rotated_box_iou,
        example=_pair(_turned),
        singular={
            "identical": _both([1.0, 2, 3, 5, 0], [300.1, 200.7, 30, 50, 33.3]),
            "a quarter apart": _both([0.0, 0, 3, 3, 10], [0, 0, 3, 3, 100], [0, 0, 3, 3, 190]),
            "touching": _both([0.0, 0, 2, 2, 0], [2, 0, 2, 2, 0], [2, 2, 2, 2, 0], [0, 0, 2, 2, 45]),
            "empty": _both([1.0, 2, 0, 0, 20], [1, 2, 0, 3, 20], [1, 2, 2, 0, 0], [1, 2, -1, 3, 0]),
        },
        regular={"inside": lambda: (*_boxes([0.0, 0, 9, 9, 5])(), *_boxes([1.0, 0, 2, 3, 5])())},
        solves=True,
    ),
    "visionops.geometry.nms_mask": Geometry(
        boxes.nms_mask,
        {"iou_threshold": 0.3},
        example=_scored,
        skip={"gradients": INDICES, "second_order": INDICES},
    ),
    "visionops.geometry.clip_boxes": Geometry(
        boxes.clip_boxes,
        {"size": (1, 2), "return_valid": True},
        example=_upright,
        singular={
            "the image": _boxes([0.0, 0, 2, 1]),
            "outside": _boxes([5.0, 5, 7, 8]),
            "empty": _boxes([1.0, 0.5, 1, 0.5]),
        },
        solves=True,
    ),
    "visionops.geometry.transform_boxes": Geometry(
        boxes.transform_boxes,
        {"return_valid": True},
        example=_moved,
        singular={
            "identity": lambda: (torch.eye(3, dtype=D)[None], _upright(1, D)),
            "across the horizon": lambda: (
                torch.tensor([[[1.0, 0, 0], [0, 1, 0], [1, 0, 0.5]]], dtype=D),
                *_boxes([-2.0, 0, 3, 1])(),
            ),
            "w = 0": lambda: (torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]], dtype=D), *_boxes([1.0, 0, 3, 1])()),
        },
    ),
}
