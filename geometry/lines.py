"""Lines in the plane: (a, b, c) with a x + b y + c = 0 and, where it comes from here, a^2 + b^2 = 1.

A fit minimises the squared distances: its normal is the eigenvector of the least eigenvalue of the points' scatter.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .arguments import (
    both,
    check_batches,
    check_points,
    check_vector,
    check_weights,
    doubled,
    finite_points,
    finite_rows,
    finite_samples,
    or_nan,
    promoted,
)
from .implicit.eigen import least_eigenvector
from .linalg import from_homogeneous


def fit_line(
    points: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3"] | tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """Returns the line (a, b, c) nearest to points, by total least squares: a x + b y + c = 0, a^2 + b^2 = 1.

    Args:
        points: (x, y), in any unit.
        weights: at least 0; a point of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where the line is unique.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to points and weights, on exact and noisy points. The larger of a and b is positive. Points that coincide,
        or spread equally all ways, as the corners of a square, leave the normal open: one is taken, without a gradient
        to it. Points that are not finite give NaN, with gradient 0. Computes in float64.
    Source: Pearson, On Lines and Planes of Closest Fit to Systems of Points in Space, 1901.

    >>> fit_line(torch.tensor([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])).tolist()
    [0.0, 1.0, -1.0]
    """
    check_points("fit_line", "points", points, 2)
    check_weights("fit_line", weights, points)
    line, valid = fit_hyperplane(points, weights)
    return (line, valid) if return_valid else line


def line_through(
    point1: Float[Tensor, "*batch 2"], point2: Float[Tensor, "*batch 2"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3"] | tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """Returns the line (a, b, c) through two points: a x + b y + c = 0, a^2 + b^2 = 1.

    On its way from the first to the second, (a, b) points to the right on the screen, where y points down.

    Args:
        point1: (x, y), where it starts.
        point2: where it goes.
        return_valid: whether to return also where the points differ.

    Raises:
        ValueError: for other than two coordinates.

    Gradient: to both points. Points that coincide give (0, 0, 0), with gradient 0.

    >>> line_through(torch.tensor([1.0, 0.0]), torch.tensor([1.0, -2.0])).tolist()
    [1.0, 0.0, -1.0]
    """
    check_vector("line_through", "point1", point1, 2)
    check_vector("line_through", "point2", point2, 2)
    check_batches("line_through", "point2", point2.shape[:-1], point1.shape[:-1])
    along = point2 - point1
    normal, valid = unit(torch.stack([-along[..., 1], along[..., 0]], -1))
    line = torch.cat([normal, -(normal * point1).sum(-1, keepdim=True)], -1)
    return (line, valid) if return_valid else line


def line_intersection(
    line1: Float[Tensor, "*batch 3"], line2: Float[Tensor, "*batch 3"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 2"] | tuple[Float[Tensor, "*batch 2"], Bool[Tensor, "*batch"]]:
    """Returns the point (x, y) where two lines cross.

    Args:
        line1: (a, b, c), of any length.
        line2: likewise.
        return_valid: whether to return also where they cross: the sine of their angle is not 0 to rounding.

    Raises:
        ValueError: for other than three numbers.

    Gradient: to both lines. Parallel lines give a point far away in their direction, and equal lines 0, as
        `from_homogeneous` does at infinity.

    >>> line_intersection(torch.tensor([1.0, 0.0, -3.0]), torch.tensor([0.0, 2.0, -8.0])).tolist()
    [3.0, 4.0]
    """
    check_vector("line_intersection", "line1", line1, 3)
    check_vector("line_intersection", "line2", line2, 3)
    check_batches("line_intersection", "line2", line2.shape[:-1], line1.shape[:-1])
    (line1, line2), good = finite_samples(*((line, 1) for line in promoted(line1, line2)))
    point, finite = from_homogeneous(torch.linalg.cross(*torch.broadcast_tensors(line1, line2)), return_valid=True)
    point = or_nan(point, good)
    return (point, both(finite, good)) if return_valid else point


def point_line_distance(
    points: Float[Tensor, "*batch n 2"], line: Float[Tensor, "*batch 3"], *, signed: bool = False
) -> Float[Tensor, "*batch n"]:
    """Returns the distances of points from a line, not squared.

    Args:
        points: (x, y).
        line: (a, b, c), of any length, one for all points of a sample.
        signed: whether the side that (a, b) points to is positive, and the other negative.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both. On the line it is 0, or with `signed` that of the plane's equation, which has no kink there. Of
        a line without direction, a = b = 0, distances are 0, with gradient 0.

    >>> point_line_distance(torch.tensor([[1.0, 5.0], [0.0, 0.0]]), torch.tensor([0.0, 2.0, -4.0])).tolist()
    [3.0, 2.0]
    """
    check_points("point_line_distance", "points", points, 2)
    check_vector("point_line_distance", "line", line, 3)
    check_batches("point_line_distance", "line", line.shape[:-1], points.shape[:-2])
    distance = signed_distance(points, line)
    return distance if signed else distance.abs()


def fit_hyperplane(points: Tensor, weights: Tensor | None) -> tuple[Float[Tensor, "*batch d+1"], Tensor]:
    """Returns unit normal and offset of the line or plane nearest to points (*batch, n, d), and where it is unique."""
    p, w = doubled(points, weights)
    known = p.isfinite().all(-1)
    w, good = finite_rows(torch.ones_like(p[..., 0]) if w is None else w, 1)
    good = good & (known | (w <= 0)).all(-1)
    # A known point of weight 0 stays: the gradient to its weight asks where it is.
    w = torch.where(known, w.clamp(min=0), 0)[..., None]
    p = torch.where(known[..., None], p, 0)
    total = w.sum(-2, keepdim=True)
    share = w / torch.where(total > 0, total, 1)
    centre = (share * p).sum(-2, keepdim=True)
    apart = p - centre
    # What is less is rounding of the coordinates themselves.
    least = 8 * torch.finfo(p.dtype).eps * centre.detach().abs().amax(-1, keepdim=True)
    reach = (share.detach() * apart.detach().square()).sum((-1, -2), keepdim=True).sqrt()
    spread = reach > least
    apart = torch.where(spread, apart, 0)
    normal, unique = least_eigenvector(apart.mT @ (share * apart))
    offset = -(normal * centre[..., 0, :]).sum(-1, keepdim=True)
    found = or_nan(torch.cat([normal, offset], -1), good).to(points.dtype)
    return found, good & unique


def signed_distance(points: Tensor, plane: Tensor) -> Float[Tensor, "*batch n"]:
    """Returns the signed distances of points (*batch, n, d) from a line or plane (*batch, d + 1) of any length."""
    plane, points, good = finite_points(plane, 1, points)
    normal, exists = unit(plane[..., :-1], of=plane)
    distance = torch.where(exists[..., None], (points * normal[..., None, :-1]).sum(-1) + normal[..., -1:], 0)
    return or_nan(distance, good)


def unit(vector: Tensor, of: Tensor | None = None) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
    """Returns a vector, or another in its place, over the vector's length, and where that is not 0; 0 elsewhere."""
    square = vector.square().sum(-1, keepdim=True)
    exists = square > 0
    scaled = (vector if of is None else of) / torch.where(exists, square, 1).sqrt()
    return torch.where(exists, scaled, 0), exists[..., 0]
