"""Epipolar lines, and distances of matches from what a fundamental matrix allows; squared, in pixels.

With c = x2^T F x1 and the lines l2 = F x1 and l1 = F^T x2, whose first two components have lengths n2 and n1,

Sampson  c^2 / (n1^2 + n2^2)        symmetric  c^2 / n1^2 + c^2 / n2^2
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_points,
    check_same_points,
    finite_points,
    or_nan,
    promoted,
)
from visionops.geometry.batches import COMPILED
from visionops.geometry.linalg import to_homogeneous
from visionops.kernels import epipolar as kernels
from visionops.kernels import native
from visionops.kernels.functions import primitive


def epilines(
    F: Float[Tensor, "*batch 3 3"], points: Float[Tensor, "*batch n 2"], *, image: Literal[1, 2] = 1
) -> Float[Tensor, "*batch n 3"]:
    """Returns the epipolar lines a x + b y + c = 0, a^2 + b^2 = 1, of points in the other image.

    Args:
        F: fundamental matrix, x2^T F x1 = 0, at any scale.
        points: (x, y) in pixels.
        image: which one the points are in.

    Raises:
        ValueError: for shapes that do not go together, or an image other than 1 and 2.

    Gradient: to both; what is not finite gives NaN, with gradient 0. The line of a point at the epipole is not divided
        by its length, which is 0 but for rounding: it is as good as (0, 0, 0).
    Source: `cv2.computeCorrespondEpilines`.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> epilines(F, torch.tensor([[4.0, 7.0]])).add(0).tolist()  # y = 7
    [[0.0, -1.0, 7.0]]
    """
    check_choice("epilines", "image", image, (1, 2))
    check_matrix("epilines", "F", F, (3, 3))
    check_points("epilines", "points", points)
    check_batches("epilines", "F", F.shape[:-2], points.shape[:-2])
    F, points = promoted(F, points)
    F, points, good = finite_points(F, 2, points)
    h = to_homogeneous(points)
    line = h @ (F.mT if image == 1 else F)
    square = line[..., :2].square().sum(-1, keepdim=True)
    return or_nan(line / torch.where(square > _least(F, h), square, 1).sqrt(), good)


def sampson_distance(
    F: Float[Tensor, "*batch 3 3"], points1: Float[Tensor, "*batch n 2"], points2: Float[Tensor, "*batch n 2"]
) -> Float[Tensor, "*batch n"]:
    """Returns the squared distance of every match from the nearest exact one, both points together, to first order.

    Args:
        F: fundamental matrix, x2^T F x1 = 0, at any scale; or an essential one, of normalised points.
        points1: x1 = (x, y).
        points2: x2, in the order of the first.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three. Where both points are the epipoles the distance is 0, and so is the gradient. A match that
        is not finite gives NaN, with gradient 0, to F as well.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 11.9; `cv2.sampsonDistance`.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> sampson_distance(F, torch.tensor([[4.0, 7.0]]), torch.tensor([[5.0, 9.0]])).tolist()  # 2 rows: 1 for each point
    [2.0]
    """
    return _distances("sampson_distance", F, points1, points2, each=False)


def symmetric_epipolar_distance(
    F: Float[Tensor, "*batch 3 3"], points1: Float[Tensor, "*batch n 2"], points2: Float[Tensor, "*batch n 2"]
) -> Float[Tensor, "*batch n"]:
    """Returns the sum of the squared distances of both points of every match from their epipolar lines.

    Args:
        F: fundamental matrix, x2^T F x1 = 0, at any scale; or an essential one, of normalised points.
        points1: x1 = (x, y).
        points2: x2, in the order of the first.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three. The part of a point whose partner is the epipole, which has no line, is 0 with gradient 0;
        a match that is not finite gives NaN, with gradient 0, to F as well.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 11.10.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> symmetric_epipolar_distance(F, torch.tensor([[4.0, 7.0]]), torch.tensor([[5.0, 9.0]])).tolist()
    [8.0]
    """
    return _distances("symmetric_epipolar_distance", F, points1, points2, each=True)


def _distances(function: str, F: Tensor, points1: Tensor, points2: Tensor, each: bool) -> Tensor:
    check_matrix(function, "F", F, (3, 3))
    check_points(function, "points1", points1)
    check_points(function, "points2", points2)
    check_same_points(function, "points2", points2, points1)
    check_batches(function, "F", F.shape[:-2], points1.shape[:-2])
    check_batches(function, "F", F.shape[:-2], points2.shape[:-2])
    batch = torch.broadcast_shapes(F.shape[:-2], points1.shape[:-2], points2.shape[:-2])
    given = F, points1, points2 = promoted(F, points1, points2)
    plain = F.dtype in COMPILED and native.may_be_recorded(*given)
    if not plain or 0 in batch or not points1.shape[-2]:
        return _define(F, points1, points2, each)
    flat = [F.expand(*batch, 3, 3).reshape(-1, 3, 3)]
    for p in (points1, points2):
        rows = batch if p.shape[:-2].numel() > 1 else (1,)  # one set of points serves any number of matrices
        flat.append(p.expand(*rows, *p.shape[-2:]).reshape(-1, *p.shape[-2:]))
    return _compiled(*flat, each).reshape(*batch, -1)


def _define(F: Tensor, points1: Tensor, points2: Tensor, each: bool) -> Tensor:
    F, points1, points2, good = finite_points(F, 2, points1, points2)
    h1, h2 = to_homogeneous(points1), to_homogeneous(points2)
    line2, line1 = h1 @ F.mT, h2 @ F
    least = torch.maximum(_least(F, h1), _least(F, h2))[..., 0]
    n1, n2 = (line[..., :2].square().sum(-1) for line in (line1, line2))
    square = (h2 * line2).sum(-1).square()
    value = _over(square, n1, least) + _over(square, n2, least) if each else _over(square, n1 + n2, least)
    return or_nan(value, good)


def _over(square: Tensor, length: Tensor, least: Tensor) -> Tensor:
    some = length > least
    return torch.where(some, square / torch.where(some, length, 1), 0)


def _least(F: Tensor, h: Tensor) -> Tensor:
    """Returns the square of the rounding of F h."""
    size = F.detach().abs().amax((-1, -2))[..., None, None] * h.detach().abs().amax(-1, keepdim=True)
    return (torch.finfo(F.dtype).eps * size).square()


_compiled = primitive(
    "epipolar_distances", tensors="Tensor F, Tensor points1, Tensor points2", static="bool each",
    forward=kernels.distances, adjoint=kernels.adjoint, define=_define,
    like=lambda F, points, *_: F.new_empty(len(F), points.shape[1]),
)  # fmt: skip
