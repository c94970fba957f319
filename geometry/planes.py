"""Planes in space: (a, b, c, d) with a x + b y + c z + d = 0 and, where it comes from here, a^2 + b^2 + c^2 = 1."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .arguments import (
    both,
    check_batches,
    check_points,
    check_same_points,
    check_vector,
    check_weights,
    finite_points,
    or_nan,
)
from .lines import fit_hyperplane, signed_distance, unit

# A ray whose angle with a plane has less than this sine runs along it.
ALONG = 1e-8


def fit_plane(
    points: Float[Tensor, "*batch n 3"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 4"] | tuple[Float[Tensor, "*batch 4"], Bool[Tensor, "*batch"]]:
    """Returns the plane (a, b, c, d) nearest to points, by total least squares: a x + b y + c z + d = 0, unit normal.

    Args:
        points: (x, y, z), in any unit.
        weights: at least 0; a point of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where the plane is unique.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to points and weights, on exact and noisy points. The largest of a, b and c is positive. Points on a line,
        or that coincide, leave the normal open: one is taken, without a gradient to it. Points that are not finite give
        NaN, with gradient 0. Computes in float64.
    Source: Pearson, On Lines and Planes of Closest Fit to Systems of Points in Space, 1901.

    >>> fit_plane(torch.tensor([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 1.0, 2.0]])).tolist()
    [0.0, 0.0, 1.0, -2.0]
    """
    check_points("fit_plane", "points", points, 3)
    check_weights("fit_plane", weights, points)
    plane, valid = fit_hyperplane(points, weights)
    return (plane, valid) if return_valid else plane


def point_plane_distance(
    points: Float[Tensor, "*batch n 3"], plane: Float[Tensor, "*batch 4"], *, signed: bool = False
) -> Float[Tensor, "*batch n"]:
    """Returns the distances of points from a plane, not squared.

    Args:
        points: (x, y, z).
        plane: (a, b, c, d), of any length, one for all points of a sample.
        signed: whether the side that (a, b, c) points to is positive, and the other negative.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both. On the plane it is 0, or with `signed` that of its equation, which has no kink there. Of a plane
        without normal distances are 0, with gradient 0.

    >>> point_plane_distance(torch.tensor([[1.0, 5.0, 7.0]]), torch.tensor([0.0, 0.0, 2.0, -4.0])).tolist()
    [5.0]
    """
    check_points("point_plane_distance", "points", points, 3)
    check_vector("point_plane_distance", "plane", plane, 4)
    check_batches("point_plane_distance", "plane", plane.shape[:-1], points.shape[:-2])
    distance = signed_distance(points, plane)
    return distance if signed else distance.abs()


def ray_plane_intersection(
    origins: Float[Tensor, "*batch n 3"],
    directions: Float[Tensor, "*batch n 3"],
    plane: Float[Tensor, "*batch 4"],
    *,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n 3"] | tuple[Float[Tensor, "*batch n 3"], Bool[Tensor, "*batch n"]]:
    """Returns the points where rays meet a plane.

    Args:
        origins: where rays start.
        directions: of any length.
        plane: (a, b, c, d), of any length, one for all rays of a sample.
        return_valid: whether to return also which rays meet it at their origin or ahead of it.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three. Behind its origin, the line of a ray gives the point. A ray along the plane (to 1e-8 of its
        length), and one without direction, gives its origin, with the gradient of that alone.

    >>> down = torch.tensor([[1.0, 0.0, -2.0]])
    >>> ray_plane_intersection(torch.tensor([[0.0, 0.0, 4.0]]), down, torch.tensor([0.0, 0.0, 1.0, 0.0])).tolist()
    [[2.0, 0.0, 0.0]]
    """
    check_points("ray_plane_intersection", "origins", origins, 3)
    check_points("ray_plane_intersection", "directions", directions, 3)
    check_same_points("ray_plane_intersection", "directions", directions, origins)
    check_vector("ray_plane_intersection", "plane", plane, 4)
    check_batches("ray_plane_intersection", "plane", plane.shape[:-1], origins.shape[:-2])
    plane, origins, directions, good = finite_points(plane, 1, origins, directions)
    way, moves = unit(directions)
    normal, _ = unit(plane[..., :3])
    climb = (way * normal[..., None, :]).sum(-1)
    meets = moves & (climb.abs() > ALONG)
    reach = -signed_distance(origins, plane) / torch.where(meets, climb, 1)
    reach = torch.where(meets, reach, 0)
    points = or_nan(origins + reach[..., None] * way, good)
    return (points, both(meets & (reach >= 0), good)) if return_valid else points
