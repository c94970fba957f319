"""The compiled functions on tensors of one batch dimension, float32 or float64; they compute in float64.

A camera is a matrix K and 4, 5, 8, 12 or 14 coefficients; one row of either serves all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels import native


def project(
    points: Float[Tensor, "b n 3"], matrix: Float[Tensor, "#b 3 3"], distortion: Float[Tensor, "#b k"]
) -> Float[Tensor, "b n 2"]:
    """Returns the pixels of points, NaN of what is not finite."""
    out = native.empty((*points.shape[:2], 2), points.dtype)
    return _run(native.module.brown_conrady_project, points, matrix, distortion, out)


def see(
    points: Float[Tensor, "b n 3"], matrix: Float[Tensor, "#b 3 3"], distortion: Float[Tensor, "#b k"]
) -> Bool[Tensor, "b n"]:
    """Returns which points are in the domain of the camera."""
    out = native.empty(points.shape[:2], torch.bool)
    return _run(native.module.brown_conrady_see, points, matrix, distortion, out)


def undistort(
    pixels: Float[Tensor, "b n 2"], matrix: Float[Tensor, "#b 3 3"], distortion: Float[Tensor, "#b k"]
) -> Float[Tensor, "b n 3"]:
    """Returns x / z and y / z of what is seen at pixels, and 1; 0 with the edge of the domain, -1 for no number."""
    out = native.empty((*pixels.shape[:2], 3), pixels.dtype)
    return _run(native.module.brown_conrady_undistort, pixels, matrix, distortion, out)


def project_adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor | None]:
    """Returns the gradients by points, matrix and distortion; 0 of what is not finite."""
    return _adjoint(native.module.brown_conrady_project_adjoint, given, needs, grad)


def undistort_adjoint(
    grad: Tensor, given: Sequence[Any], output: Tensor, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor | None]:
    """Returns the gradients by pixels, matrix and distortion, by the implicit function; 0 where there is no answer."""
    return _adjoint(native.module.brown_conrady_undistort_adjoint, given, needs, output, grad)


def _run(kernel: Callable[..., None], places: Tensor, matrix: Tensor, distortion: Tensor, out: Tensor) -> Tensor:
    given = [t.contiguous() for t in (places, matrix, distortion)]
    kernel(*_described(*given), out.data_ptr(), torch.get_num_threads())
    return out


def _adjoint(
    kernel: Callable[..., None], given: Sequence[Any], needs: Sequence[bool], *values: Tensor
) -> list[Tensor | None]:
    given = [t.contiguous() for t in given]
    values = tuple(t.contiguous() for t in values)
    found = [native.empty(t.shape, t.dtype) if need else None for t, need in zip(given, needs, strict=True)]
    to = (0 if t is None else t.data_ptr() for t in found)
    kernel(*_described(*given), *(t.data_ptr() for t in values), *to, torch.get_num_threads())
    return found


def _described(places: Tensor, matrix: Tensor, distortion: Tensor) -> tuple[Any, ...]:
    b, n, _ = places.shape
    addresses = (places.data_ptr(), matrix.data_ptr(), distortion.data_ptr())
    return *addresses, b, n, len(matrix), len(distortion), distortion.shape[1], places.dtype == torch.float64
