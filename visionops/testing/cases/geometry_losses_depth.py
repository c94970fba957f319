"""Losses of depth, stereo and flow."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from visionops.geometry import losses
from visionops.testing.images import FLOATS
from visionops.testing.operators import Geometry, Inputs, Loss, Operator

D = torch.float64
INDICES = "which pixels are occluded is not a number"


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def _fields(*channels: int, size: tuple[int, int] = (9, 8)) -> Callable[[int, torch.dtype], Inputs]:
    """Returns a maker of fields (n, c, h, w), each of its channels, from 0.2 to 1.2."""
    return lambda n, dtype: tuple((0.2 + _random(n, c, *size, seed=i)).to(dtype) for i, c in enumerate(channels))


def _views(n: int, dtype: torch.dtype) -> Inputs:
    shapes = ((n, 2, 3, 7, 8), (n, 3, 7, 8), (n, 2, 3, 7, 8))
    return tuple(_random(*shape, seed=i).to(dtype) for i, shape in enumerate(shapes))


def _flows(n: int, dtype: torch.dtype) -> Inputs:
    there = 2 * _random(n, 2, 9, 8) - 1
    return there.to(dtype), (0.6 * _random(n, 2, 9, 8, seed=1) - there).to(dtype)


def _minimum(warped: Tensor, target: Tensor, sources: Tensor, **options: Any) -> Tensor:
    return losses.min_reprojection(warped, target, sources=sources, **options)


def _sequence(first: Tensor, second: Tensor, target: Tensor, **options: Any) -> Tensor:
    return losses.sequence_loss([first, second], target, **options)


def _flat(*channels: int, value: float = 0.5) -> Callable[[], Inputs]:
    return lambda: tuple(torch.full((1, c, 9, 8), value, dtype=D) for c in channels)


def _equal(channels: int, times: int = 2) -> Callable[[], Inputs]:
    return lambda: (_random(1, channels, 9, 8),) * times


def _still() -> Inputs:
    """Returns views that are all the same."""
    image = _random(1, 3, 7, 8)
    views = torch.stack([image, image], 1)
    return views, image, views


def _pixels(x: Tensor, *_: Tensor) -> tuple[int, ...]:
    return (*x.shape[:-3], 1, *x.shape[-2:])


IMAGES = Loss(
    losses.photometric,
    example=_fields(3, 3),
    dtypes=FLOATS,
    masks=_pixels,
    means=False,
    regular={"equal": _equal(3), "equal and flat": _flat(3, 3)},
    singular={"black": _flat(3, 3, value=0.0)},
)
SMOOTH = Loss(
    losses.edge_aware_smoothness,
    example=_fields(1, 3),
    masks=_pixels,
    means=False,
    regular={"flat": _flat(1, 3)},
    singular={"0": _flat(1, 3, value=0.0), "alike": _equal(1)},
)
DEPTH = Loss(
    losses.scale_invariant_depth,
    {"lam": 0.85, "root": True},
    example=_fields(1, 1),
    masks=_pixels,
    singular={"equal": _equal(1), "0": _flat(1, 1, value=0.0)},
)

CASES: dict[str, Operator] = {
    "visionops.geometry.losses.photometric": IMAGES,
    "visionops.geometry.losses.min_reprojection": Loss(
        _minimum,
        example=_views,
        masks=lambda _, target, sources: _pixels(target),
        means=False,
        singular={"equal": _still},
    ),
    "visionops.geometry.losses.census": replace(IMAGES, function=losses.census, options={"window_size": 5}),
    "visionops.geometry.losses.edge_aware_smoothness": SMOOTH,
    "visionops.geometry.losses.flow_smoothness": replace(
        SMOOTH,
        function=losses.flow_smoothness,
        options={"order": 2},
        example=_fields(2, 3),
        regular={},
        singular={"flat": _flat(2, 3), "0": _flat(2, 3, value=0.0)},
    ),
    "visionops.geometry.losses.scale_invariant_depth": DEPTH,
    "visionops.geometry.losses.gradient_matching": replace(
        DEPTH, function=losses.gradient_matching, options={"scales": 3}
    ),
    "visionops.geometry.losses.pointmap_confidence": Loss(
        losses.pointmap_confidence,
        example=_fields(3, 3, 1),
        masks=_pixels,
        means=False,
        singular={
            "equal": lambda: (*_equal(3)(), torch.ones(1, 1, 9, 8, dtype=D)),
            "in the origin": lambda: (*_flat(3, 3, value=0.0)(), torch.ones(1, 1, 9, 8, dtype=D)),
        },
    ),
    "visionops.geometry.losses.sequence_loss": Loss(
        _sequence,
        example=_fields(2, 2, 2),
        masks=_pixels,
        singular={"equal": _equal(2, 3)},
    ),
    "visionops.geometry.losses.forward_backward_occlusion": Geometry(
        losses.forward_backward_occlusion,
        example=_flows,
        skip={"gradients": INDICES, "second_order": INDICES},
    ),
    "visionops.geometry.losses.range_map_occlusion": Geometry(
        losses.range_map_occlusion,
        {"return_count": True},
        example=lambda n, dtype: _flows(n, dtype)[0],
        skip={"gradients": "it has none", "second_order": "it has none"},
    ),
}
