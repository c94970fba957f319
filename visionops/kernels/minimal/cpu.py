"""The compiled functions on tensors of one batch dimension. They compute in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels import native

# Of the polynomials whose roots are compiled.
LARGEST_DEGREE = 16
# Slots of the matrices of so many matches.
SLOTS = {7: 3, 5: 10}


def minimal_solve(points1: Float[Tensor, "b n d"], points2: Float[Tensor, "b n d"]) -> Float[Tensor, "b slots 10"]:
    """Returns the fundamental matrices of n = 7 matches in pixels, or the essential ones of 5 normalised matches.

    Each slot has nine numbers of the matrix, and 0 where it has none, 1 for one that is not isolated, else 2.
    """
    n = points1.shape[1]
    points1, points2 = points1.contiguous(), points2.contiguous()
    out = points1.new_empty(len(points1), SLOTS[n], 10)
    native.module.minimal_solve(n, *_described(points1, points2), out.data_ptr(), torch.get_num_threads())
    return out


def minimal_adjoint(
    grad: Tensor, given: Sequence[Any], output: Tensor, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor | None]:
    """Returns the gradients of the points, 0 for what is not isolated."""
    points1, points2 = (p.contiguous() for p in given)
    grad, output = grad.contiguous(), output.contiguous()
    by1, by2 = torch.empty_like(points1), torch.empty_like(points2)
    places = (t.data_ptr() for t in (output, grad, by1, by2))
    native.module.minimal_adjoint(
        points1.shape[1], *_described(points1, points2), *places, torch.get_num_threads()
    )
    return [by1 if needs[0] else None, by2 if needs[1] else None]


def _described(points1: Tensor, points2: Tensor) -> tuple[Any, ...]:
    doubles = points1.dtype == torch.float64
    return points1.data_ptr(), points2.data_ptr(), len(points1), points1.shape[2], doubles


def real_roots(coefficients: Float[Tensor, "b n"]) -> tuple[Float[Tensor, "b m 2"], Bool[Tensor, "b m"]]:
    """Returns pairs (u, v) of roots u / v in m = n - 1 slots, and which slots have one; coefficients of 1 first."""
    b, n = coefficients.shape
    pairs = coefficients.new_empty(b, n - 1, 2)
    found = coefficients.new_empty(b, n - 1, dtype=torch.bool)
    native.module.real_roots(
        coefficients.contiguous().numpy(), pairs.data_ptr(), found.data_ptr(), torch.get_num_threads()
    )
    return pairs, found
