"""Points in space from their images in two views or more: the linear triangulation.

A view with the rows p1, p2, p3 of its projection that sees X at (x, y) says (x p3 - p1) X = 0 and (y p3 - p2) X = 0. Of
these, w sums to

(x^2 + y^2) p3 p3^T - x (p1 p3^T + p3 p1^T) - y (p2 p3^T + p3 p2^T) + p1 p1^T + p2 p2^T

whose matrices are those of the view: all points of it are one product.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_matrix, doubled, finite_rows, or_nan
from visionops.geometry.batches import batched
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.linalg import from_homogeneous
from visionops.geometry.projective.pairs import check_pairs
from visionops.kernels import linear
from visionops.kernels.functions import closed


@overload
def triangulate(
    P1: Tensor, P2: Tensor, points1: Tensor, points2: Tensor, *, return_valid: Literal[False] = False
) -> Tensor: ...


@overload
def triangulate(
    P1: Tensor, P2: Tensor, points1: Tensor, points2: Tensor, *, return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def triangulate(
    P1: Float[Tensor, "*batch 3 4"],
    P2: Float[Tensor, "*batch 3 4"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n 3"] | tuple[Tensor, Tensor]:
    """Returns the points in space that two views see, of the least algebraic error.

    Args:
        P1: K1 [R1 | t1], world to image of the first view; or [R1 | t1], where points are normalised.
        P2: of the second.
        points1: (x, y) in the first view.
        points2: in the order of the first.
        return_valid: whether to return also which points (*batch, n) are finite and unique; not whether they are in
            front of the cameras.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to projections and points. A point of parallel rays is at infinity: as of `from_homogeneous` it is far
        away in its direction. Where both rays are one (both points are the epipoles, or the cameras coincide) the point
        is one of many, with gradient 0. NaN gives NaN for that point, gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 12.2; `cv2.triangulatePoints`. For the least error in
        the images, `optimal_correction` first.

    >>> P1 = torch.eye(4)[:3]
    >>> P2 = P1 - torch.tensor([0.0, 0.0, 0.0, 1.0]) * torch.tensor([[1.0], [0.0], [0.0]])  # one to the right
    >>> point = triangulate(P1, P2, torch.tensor([[0.5, 0.0]]), torch.tensor([[0.25, 0.0]]))
    >>> point.round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 4.0]]
    """
    check_matrix("triangulate", "P1", P1, (3, 4))
    check_matrix("triangulate", "P2", P2, (3, 4))
    check_batches("triangulate", "P2", P2.shape[:-2], P1.shape[:-2])
    check_pairs("triangulate", points1, points2, least=0)
    P = torch.stack(torch.broadcast_tensors(P1, P2), -3)
    points = torch.stack(torch.broadcast_tensors(points1, points2), -3)
    check_batches("triangulate", "P1", P.shape[:-3], points.shape[:-3])
    X, valid = _triangulate(P, points, None)
    return (X, valid) if return_valid else X


def triangulate_views(
    projections: Float[Tensor, "*batch v 3 4"],
    points: Float[Tensor, "*batch v n 2"],
    *,
    weights: Float[Tensor, "*batch v n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n 3"] | tuple[Tensor, Tensor]:
    """Returns the points in space that any number of views see, of the least algebraic error.

    Args:
        projections: K [R | t] of every view, world to image.
        points: (x, y) of the same points in each view.
        weights: of the squared errors, at least 0; 0 where a view does not see a point, whatever its coordinates.
        return_valid: whether to return also which points (*batch, n) are finite and unique.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all; degenerate cases as of `triangulate`. A point that less than two views see is one of many.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 12.2.

    >>> P = torch.eye(4)[:3] - torch.tensor([0.0, 1.0, 2.0])[:, None, None] * torch.eye(4)[3] * torch.eye(3)[:, :1]
    >>> X = triangulate_views(P, torch.tensor([[[0.5, 0.0]], [[0.25, 0.0]], [[0.0, 0.0]]]))
    >>> X.round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 4.0]]
    """
    check_matrix("triangulate_views", "projections", projections, (3, 4))
    for name, value, shape in (("points", points, "(*batch, v, n, 2)"), ("weights", weights, "(*batch, v, n)")):
        if value is None:
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point():
            got = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise refuse("triangulate_views", name, f"a floating tensor {shape}", got)
    if points.ndim < 3 or points.shape[-1] != 2 or projections.ndim < 3 or projections.shape[-3] != points.shape[-3]:
        rule = "(*batch, v, n, 2), a set for each view"
        raise refuse("triangulate_views", "points", rule, f"{tuple(points.shape)} with {tuple(projections.shape)}")
    if weights is not None and (weights.ndim < 2 or weights.shape[-2:] != points.shape[-3:-1]):
        rule = f"of shape (*batch, {points.shape[-3]}, {points.shape[-2]})"
        raise refuse("triangulate_views", "weights", rule, tuple(weights.shape))
    check_batches("triangulate_views", "projections", projections.shape[:-3], points.shape[:-3])
    if weights is not None:
        check_batches("triangulate_views", "weights", weights.shape[:-2], points.shape[:-3])
        check_batches("triangulate_views", "weights", weights.shape[:-2], projections.shape[:-3])
    X, valid = _triangulate(projections, points, weights)
    return (X, valid) if return_valid else X


def _define(projections: Tensor, points: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    P, x, w = doubled(projections, points, weights)
    P, good = finite_rows(P, 3)
    good = good[..., None]
    x, y = x.unbind(-1)
    if w is not None:
        w, known = finite_rows(w, 0)
        x, y, w = (torch.where(w > 0, part, 0) for part in (x, y, w))
        good = good & known.all(-2)
    (x, found_x), (y, found_y) = finite_rows(x, 0), finite_rows(y, 0)
    good = good & (found_x & found_y).all(-2)
    factors = torch.stack([x.square() + y.square(), -x, -y, torch.ones_like(x)], -1)
    if w is not None:
        factors = factors * w[..., None]
    # (*batch, n, 4 v) times (*batch, 4 v, 16)
    gram = factors.transpose(-3, -2).flatten(-2) @ _products(P).flatten(-3, -2)
    X, unique = least_eigenvector(gram.unflatten(-1, (4, 4)))
    X, finite = from_homogeneous(X, return_valid=True)
    X = or_nan(X, good).to(points.dtype)
    return X, good & unique & finite


def _products(P: Tensor) -> Tensor:
    """Returns the four matrices of every view: (*batch, v, 4, 16)."""
    a, b, c = P.unbind(-2)
    ac, bc = _outer(a, c), _outer(b, c)
    return torch.stack([_outer(c, c), ac + ac.mT, bc + bc.mT, _outer(a, a) + _outer(b, b)], -3).flatten(-2)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[..., :, None] * b[..., None, :]


_triangulate = batched(closed(linear.rays, linear.rays_adjoint, _define), _define, (3, 3, 2))
