"""The rigid motion and the similarity between two sets of points, in closed form.

About the centres of both sets, R is the rotation nearest to C = sum w p2 p1^T, and s = tr(R^T C) / sum w |p1|^2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import or_nan
from visionops.geometry.implicit import nearest_rotation
from visionops.geometry.linalg import cofactors

from .affine import about_centre
from .matrices import affine, of_dtype
from .pairs import clean_pairs, held, weighted

# The product of the two largest singular values of a covariance, relative to its square, in float64 and in float32.
FLAT = 1e-14, 1e-6


def find_rigid(
    points1: Float[Tensor, "*batch n d"],
    points2: Float[Tensor, "*batch n d"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch d+1 d+1"] | tuple[Tensor, Tensor]:
    """Returns the motion [R t; 0 1] with the least sum of squared distances |R p1 + t - p2|^2.

    Args:
        points1: in the plane or in space, as many as dimensions at least.
        points2: in the order of the first.
        weights: of the squared distances, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite and unique.

    Raises:
        ValueError: for other than two or three dimensions, too few points, or shapes that do not go together.

    Gradient: to points and weights; to a weight of 0, 0. Where R is not unique (points of either set coincide, in space
        are collinear, or a reflection is as near) it is one of the best, with gradient 0. NaN gives NaN, gradient 0.
    Source: Horn 1987; Umeyama, Least-Squares Estimation of Transformation Parameters, 1991.

    >>> edge = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> find_rigid(edge, torch.tensor([[5.0, 5.0], [5.0, 7.0]])).add(0).tolist()
    [[0.0, -1.0, 5.0], [1.0, 0.0, 5.5], [0.0, 0.0, 1.0]]
    """
    m, valid = _align("find_rigid", points1, points2, weights, (2, 3), scaled=False)
    return (m, valid) if return_valid else m


def find_similarity3d(
    points1: Float[Tensor, "*batch n 3"],
    points2: Float[Tensor, "*batch n 3"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 4 4"] | tuple[Tensor, Tensor]:
    """Returns the similarity [s R t; 0 1] of space with the least sum of squared distances |s R p1 + t - p2|^2.

    Args:
        points1: (x, y, z), three or more.
        points2: in the order of the first.
        weights: of the squared distances, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite and unique.

    Raises:
        ValueError: for other than three dimensions, less than three points, or shapes that do not go together.

    Gradient: to points and weights; to a weight of 0, 0. Where R is not unique, the gradient is 0, as of `find_rigid`;
        s = 1 where the first points coincide. NaN gives NaN, gradient 0.
    Source: Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point Patterns, 1991.

    >>> corners = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> find_similarity3d(corners, 2 * corners + 3)[:3].round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 0.0, 3.0], [0.0, 2.0, 0.0, 3.0], [0.0, 0.0, 2.0, 3.0]]
    """
    m, valid = _align("find_similarity3d", points1, points2, weights, 3, scaled=True)
    return (m, valid) if return_valid else m


def _align(
    function: str,
    points1: Tensor,
    points2: Tensor,
    weights: Tensor | None,
    dims: int | tuple[int, ...],
    *,
    scaled: bool,
) -> tuple[Tensor, Tensor]:
    least = points1.shape[-1] if isinstance(points1, Tensor) and points1.ndim else 3
    p1, p2, w, good = clean_pairs(function, points1, points2, weights, dims=dims, least=least)
    (c1, a), (c2, b) = about_centre(p1, w), about_centre(p2, w)
    share = weighted(a, w)
    covariance = b.mT @ share
    linear, valid = nearest_rotation(covariance, return_valid=True)
    if p1.shape[-1] == 3:
        # Of rank one but for the rounding of the points: they are on a line.
        size = covariance.detach().square().sum((-1, -2))
        valid = valid & (cofactors(covariance.detach()).abs().amax((-1, -2)) > of_dtype(FLAT, points1) * size)
    if scaled:
        spread = (a * share).sum((-1, -2))
        per = torch.where(spread > 0, spread, 1)
        scale = torch.where(spread > 0, (linear * covariance).sum((-1, -2)) / per, 1)
        linear = scale[..., None, None] * linear
    top = held(affine(linear, c1, c2), valid)
    d = top.shape[-2]
    bottom = torch.eye(d + 1, dtype=top.dtype, device=top.device)[d:].expand(*top.shape[:-2], 1, d + 1)
    return or_nan(torch.cat([top, bottom], -2), good).to(points1.dtype), good & valid
