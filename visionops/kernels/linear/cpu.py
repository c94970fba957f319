"""The compiled functions on tensors of one batch dimension, float32 or float64; they compute in float64.

Each returns its result, which samples are valid, and what its adjoint reads: see `visionops.kernels.functions.closed`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.eigen.definition import GAP

# Numbers that the adjoints read, of a fit and of a point: `linear.h`.
FIT, POINT = 93, 20


def fit(
    points1: Float[Tensor, "b n 2"],
    points2: Float[Tensor, "b n 2"],
    weights: Float[Tensor, "b n"] | None,
    epipolar: bool,
    *,
    record: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Returns homographies, or fundamental matrices, of the least algebraic error (b, 3, 3)."""
    _alive, inputs = _inputs(points1, points2, weights)
    b, n = points1.shape[:2]
    out = points1.new_empty(b, 3, 3), points1.new_empty(b, dtype=torch.bool)
    saved = _numbers(b, FIT) if record else None
    native.module.linear_fit(
        inputs, _addresses([*out, saved]), b, n, points1.dtype == torch.float64, epipolar, GAP, torch.get_num_threads()
    )
    return *out, saved


def fit_adjoint(
    grad: Tensor, tensors: Sequence[Tensor | None], result: Tensor, saved: Tensor, epipolar: bool
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of points and weights."""
    points1, points2, weights = tensors
    assert points1 is not None and points2 is not None
    given, inputs = _inputs(points1, points2, weights)
    grad = grad.contiguous()
    found = [None if t is None else torch.empty_like(t) for t in given]
    b, n = points1.shape[:2]
    native.module.linear_fit_adjoint(
        inputs, saved.data_ptr(), grad.data_ptr(), _addresses(found), b, n, grad.dtype == torch.float64, epipolar,
        torch.get_num_threads(),
    )  # fmt: skip
    return tuple(found)


def rays(
    projections: Float[Tensor, "b v 3 4"],
    points: Float[Tensor, "b v n 2"],
    weights: Float[Tensor, "b v n"] | None,
    *,
    record: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Returns the points (b, n, 3) that views see, of the least algebraic error."""
    _alive, inputs = _inputs(projections, points, weights)
    b, v, n = points.shape[:3]
    out = points.new_empty(b, n, 3), points.new_empty(b, n, dtype=torch.bool)
    saved = _numbers(b, n, POINT) if record else None
    native.module.linear_rays(
        inputs, _addresses([*out, saved]), b, v, n, points.dtype == torch.float64, GAP, torch.get_num_threads()
    )
    return *out, saved


def rays_adjoint(
    grad: Tensor, tensors: Sequence[Tensor | None], result: Tensor, saved: Tensor
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of projections, points and weights."""
    projections, points, weights = tensors
    assert projections is not None and points is not None
    given, inputs = _inputs(projections, points, weights)
    grad = grad.contiguous()
    found = [None if t is None else torch.empty_like(t) for t in given]
    b, v, n = points.shape[:3]
    native.module.linear_rays_adjoint(
        inputs, saved.data_ptr(), grad.data_ptr(), _addresses(found), b, v, n, grad.dtype == torch.float64,
        torch.get_num_threads(),
    )  # fmt: skip
    return tuple(found)


def _inputs(*tensors: Tensor | None) -> tuple[list[Tensor | None], list[int]]:
    """Returns contiguous tensors, and their addresses."""
    given = [None if t is None else t.contiguous() for t in tensors]
    return given, _addresses(given)


def _addresses(tensors: Sequence[Tensor | None]) -> list[int]:
    return [0 if t is None else t.data_ptr() for t in tensors]


def _numbers(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float64, device="cpu")
