"""Affine maps and similarities of the plane, fitted by least squares in closed form.

About the centres of both sets, A = (sum w p2 p1^T) (sum w p1 p1^T)^-1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import or_nan

from .matrices import affine, pseudo_inverse2
from .pairs import clean_pairs, held, weighted


def find_affine(
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 2 3"] | tuple[Tensor, Tensor]:
    """Returns the affine map [A | t] with the least sum of squared distances |A p1 + t - p2|^2.

    Args:
        points1: (x, y), three or more, in pixels or any other unit.
        points2: in the order of the first.
        weights: of the squared distances, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite and unique: the first points are on no line.

    Raises:
        ValueError: for less than three points, or shapes that do not go together.

    Gradient: to points and weights; to a weight of 0, 0. Of collinear points, the map whose A has the least norm, of
        coincident ones A = 0, with gradient 0. NaN gives NaN, gradient 0.

    >>> corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> find_affine(corners, 2 * corners + 3).round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0]]
    """
    p1, p2, w, good = clean_pairs("find_affine", points1, points2, weights, least=3)
    (c1, a), c2 = about_centre(p1, w), centre(p2, w)
    b = p2 - c2[..., None, :]  # that may coincide
    share = weighted(a, w)
    back, full = pseudo_inverse2(a.mT @ share)
    m = held(affine(b.mT @ share @ back, c1, c2), full)
    m = or_nan(m, good).to(points1.dtype)
    return (m, good & full) if return_valid else m


def find_similarity(
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 2 3"] | tuple[Tensor, Tensor]:
    """Returns the similarity [s R | t] of the plane with the least sum of squared distances |s R p1 + t - p2|^2.

    Args:
        points1: (x, y), two or more, in pixels or any other unit.
        points2: in the order of the first; no reflection is looked for.
        weights: of the squared distances, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite, unique and of a scale above 0.

    Raises:
        ValueError: for less than two points, or shapes that do not go together.

    Gradient: to points and weights; to a weight of 0, 0. Of first points that coincide, s = 0, with gradient 0. NaN
        gives NaN, gradient 0.
    Source: the linear least squares of `cv2.estimateAffinePartial2D`, without its RANSAC. For three dimensions see
        `find_similarity3d`.

    >>> edge = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> find_similarity(edge, torch.tensor([[5.0, 5.0], [5.0, 7.0]])).add(0).tolist()
    [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]
    """
    p1, p2, w, good = clean_pairs("find_similarity", points1, points2, weights, least=2)
    (c1, a), c2 = about_centre(p1, w), centre(p2, w)
    b = p2 - c2[..., None, :]  # that may coincide
    share = weighted(a, w)
    spread = (a * share).sum((-1, -2))
    full = spread > 0
    per = torch.where(full, spread, 1)
    cos = (b * share).sum((-1, -2)) / per
    sin = (b[..., 1] * share[..., 0] - b[..., 0] * share[..., 1]).sum(-1) / per
    linear = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    m = or_nan(held(affine(linear, c1, c2), full), good).to(points1.dtype)
    valid = good & full & (cos.square() + sin.square() > 0)
    return (m, valid) if return_valid else m


def about_centre(
    points: Float[Tensor, "*batch n d"], weights: Float[Tensor, "*batch n"] | None
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "*batch n d"]]:
    """Returns the weighted mean and points about it; those that coincide but for rounding are 0 apart."""
    middle = centre(points, weights)
    apart = points - middle[..., None, :]
    counted = apart if weights is None else torch.where(weights[..., None] > 0, apart, 0)
    reach = counted.detach().abs().amax((-1, -2), keepdim=True)
    least = 8 * torch.finfo(points.dtype).eps * middle.detach().abs().amax(-1)[..., None, None]
    return middle, torch.where(reach > least, apart, 0)


def centre(points: Float[Tensor, "*batch n d"], weights: Float[Tensor, "*batch n"] | None) -> Tensor:
    """Returns the weighted mean; 0 of no points."""
    if weights is None:
        return points.mean(-2)
    total = weights.sum(-1, keepdim=True)
    return weighted(points, weights).sum(-2) / torch.where(total > 0, total, 1)
