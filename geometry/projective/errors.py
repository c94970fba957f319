"""How far points are from where a homography takes their partners; squared, in pixels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_points,
    check_same_points,
    finite_points,
    or_nan,
)
from visionops.geometry.linalg import transform_points

from .matrices import adjugate


def transfer_error(
    homography: Float[Tensor, "*batch 3 3"], points1: Float[Tensor, "*batch n 2"], points2: Float[Tensor, "*batch n 2"]
) -> Float[Tensor, "*batch n"]:
    """Returns the squared distance |H p1 - p2|^2 of every pair.

    Args:
        homography: maps the first image to the second, at any scale.
        points1: (x, y) in the first image.
        points2: in the order of the first.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three. A point that H takes to infinity (w = 0) has a large, finite error, without a gradient
        through w, as of `from_homogeneous`. A pair that is not finite gives NaN, with gradient 0, to H as well.

    >>> p = torch.tensor([[1.0, 2.0]])
    >>> transfer_error(torch.eye(3), p, p + 2).tolist()
    [8.0]
    """
    _check("transfer_error", homography, points1, points2)
    homography, points1, points2, good = finite_points(homography, 2, points1, points2)
    return or_nan(_transfer(homography, points1, points2), good)


def symmetric_transfer_error(
    homography: Float[Tensor, "*batch 3 3"], points1: Float[Tensor, "*batch n 2"], points2: Float[Tensor, "*batch n 2"]
) -> Float[Tensor, "*batch n"]:
    """Returns the sum of squared distances |H p1 - p2|^2 + |H^-1 p2 - p1|^2 of every pair.

    Args:
        homography: maps the first image to the second, at any scale.
        points1: (x, y) in the first image.
        points2: in the order of the first.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all three; at w = 0 as of `transfer_error`. H^-1 is the adjugate, so that a singular H has a finite
        error and gradient too.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 4.7.

    >>> p = torch.tensor([[1.0, 2.0]])
    >>> symmetric_transfer_error(torch.eye(3), p, p + 2).tolist()
    [16.0]
    """
    _check("symmetric_transfer_error", homography, points1, points2)
    homography, points1, points2, good = finite_points(homography, 2, points1, points2)
    there, back = _transfer(homography, points1, points2), _transfer(adjugate(homography), points2, points1)
    return or_nan(there + back, good)


def _transfer(homography: Tensor, points1: Tensor, points2: Tensor) -> Tensor:
    mapped = transform_points(homography, points1)
    return (mapped - points2).square().sum(-1)


def _check(function: str, homography: Tensor, points1: Tensor, points2: Tensor) -> None:
    check_matrix(function, "homography", homography, (3, 3))
    check_points(function, "points1", points1)
    check_points(function, "points2", points2)
    check_same_points(function, "points2", points2, points1)
    check_batches(function, "homography", homography.shape[:-2], points1.shape[:-2])
