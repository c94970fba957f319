"""Corresponding points as the linear solvers take them, and what their answers have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_points, check_same_points, check_weights, doubled, finite_rows
from visionops.geometry.batches import batched
from visionops.kernels import linear
from visionops.kernels.functions import closed

# Where the entries of p p^T are in its upper triangle.
SYMMETRIC = (0, 1, 2, 1, 3, 4, 2, 4, 5)


class Pairs(NamedTuple):
    """Points in float64, weights or None, and which samples are finite wherever a weight is positive."""

    points1: Tensor
    points2: Tensor
    weights: Tensor | None
    good: Tensor


def clean_pairs(
    function: str,
    points1: Tensor,
    points2: Tensor,
    weights: Tensor | None = None,
    *,
    dims: int | tuple[int, ...] = 2,
    least: int,
    names: tuple[str, str] = ("points1", "points2"),
) -> Pairs:
    """Returns points without what is not finite, or raises; the gradient to a weight of 0 and to its points is 0."""
    check_pairs(function, points1, points2, weights, dims=dims, least=least, names=names)
    return without_nan(points1, points2, weights)


def check_pairs(
    function: str,
    points1: Tensor,
    points2: Tensor,
    weights: Tensor | None = None,
    *,
    dims: int | tuple[int, ...] = 2,
    least: int,
    names: tuple[str, str] = ("points1", "points2"),
) -> None:
    """Raises unless they are as many points of one dimension, at least so many, and weights of them or None."""
    check_points(function, names[0], points1, dims, least)
    check_points(function, names[1], points2, points1.shape[-1], least)
    check_same_points(function, names[1], points2, points1)
    check_weights(function, weights, points1)


def without_nan(points1: Tensor, points2: Tensor, weights: Tensor | None) -> Pairs:
    """Returns what `clean_pairs` does of arguments that are checked."""
    p1, p2, w = doubled(points1, points2, weights)
    if w is None:
        p1, good1 = finite_rows(p1, 2)
        p2, good2 = finite_rows(p2, 2)
        return Pairs(p1, p2, None, good1 & good2)
    w, good = finite_rows(w, 1)
    counts = w > 0
    w = torch.where(counts, w, 0)
    most = w.detach().amax(-1, keepdim=True) if w.shape[-1] else w.new_ones(1)
    w = w / torch.where(most > 0, most, 1)  # only proportions matter, at any scale
    p1, good1 = finite_rows(torch.where(counts[..., None], p1, 0), 2)
    p2, good2 = finite_rows(torch.where(counts[..., None], p2, 0), 2)
    return Pairs(p1, p2, w, good & good1 & good2)


def fitted(
    define: Callable[..., tuple[Tensor, Tensor]], *, epipolar: bool
) -> Callable[..., tuple[Tensor, ...]]:
    """Returns a fit of matrices (*batch, 3, 3) to pairs (*batch, n, 2) and weights, which is compiled where it may be.

    Args:
        define: the definition, of points and weights: the matrices, and which are valid.
        epipolar: whether they are fundamental matrices, or homographies.
    """
    fast = closed(partial(linear.fit, epipolar=epipolar), partial(linear.fit_adjoint, epipolar=epipolar), define)
    return batched(fast, define, (2, 2, 1))


def weighted(values: Float[Tensor, "*batch n d"], weights: Float[Tensor, "*batch n"] | None) -> Tensor:
    """Returns values of points times their weights."""
    return values if weights is None else values * weights[..., None]


def monomials(points: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 6"]:
    """Returns x^2, x y, x, y^2, y and 1: the upper triangle of p p^T of homogeneous points, row by row."""
    x, y = points.unbind(-1)
    return torch.stack([x * x, x * y, x, y * y, y, torch.ones_like(x)], -1)


def held(value: Float[Tensor, "*batch m n"], unique: Bool[Tensor, "*batch"]) -> Float[Tensor, "*batch m n"]:
    """Returns matrices, as constants where they are not unique."""
    return torch.where(unique[..., None, None], value, value.detach())
