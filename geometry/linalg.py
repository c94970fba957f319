"""Homogeneous coordinates, the maps of points by matrices, and the normalisation that linear solvers need."""

from __future__ import annotations

from typing import Literal, NamedTuple, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse

from .arguments import (
    both,
    check_batches,
    check_matrix,
    check_points,
    check_vector,
    check_weights,
    finite_points,
    finite_rows,
    or_nan,
    promoted,
)

# |w| below this, relative to the point's largest coordinate, is at infinity.
INFINITY = 1e-8


def to_homogeneous(points: Float[Tensor, "*batch n d"]) -> Float[Tensor, "*batch n d+1"]:
    """Returns points with a last coordinate of 1.

    Args:
        points: (*batch, d), of any number of batch dimensions.

    Gradient: to the points.

    >>> to_homogeneous(torch.tensor([[3.0, 4.0]])).tolist()
    [[3.0, 4.0, 1.0]]
    """
    return torch.nn.functional.pad(points, (0, 1), value=1.0)


@overload
def from_homogeneous(points: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def from_homogeneous(points: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def from_homogeneous(
    points: Float[Tensor, "*batch d"], *, return_valid: bool = False
) -> Float[Tensor, "*batch d-1"] | tuple[Float[Tensor, "*batch d-1"], Bool[Tensor, "*batch"]]:
    """Returns points divided by their last coordinate w.

    Args:
        points: homogeneous, of two coordinates or more.
        return_valid: whether to return also which points are finite: |w| is more than 1e-8 of the largest coordinate.

    Raises:
        ValueError: for less than two coordinates.

    Gradient: to the points. Where |w| is smaller than that, w is held at that, with its sign and without a gradient
        through w: the point is far away in its direction, and its gradient finite. At (0, ..., 0) the result is 0, and
        so is the gradient. NaN gives NaN, with gradient 0.

    >>> from_homogeneous(torch.tensor([[6.0, 8.0, 2.0]])).tolist()
    [[3.0, 4.0]]
    """
    if points.shape[-1] < 2:
        raise refuse("from_homogeneous", "points", "of two coordinates or more", tuple(points.shape))
    points, good = finite_rows(points, 1)
    out, valid = _divided(points)
    out = or_nan(out, good)
    return (out, valid & good) if return_valid else out


def _divided(points: Float[Tensor, "*batch d"]) -> tuple[Float[Tensor, "*batch d-1"], Bool[Tensor, "*batch"]]:
    """Returns the results of `from_homogeneous`, of finite points."""
    rest, w = points[..., :-1], points[..., -1:]
    least = INFINITY * points.detach().abs().amax(-1, keepdim=True)
    valid = w.abs() > least
    held = torch.where(w.detach() < 0, -least, least)
    zero = least <= 0
    divisor = torch.where(valid, w, torch.where(zero, 1, held))
    return torch.where(zero, 0, rest / divisor), valid[..., 0]


@overload
def transform_points(matrix: Tensor, points: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def transform_points(matrix: Tensor, points: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def transform_points(
    matrix: Float[Tensor, "*batch e d"], points: Float[Tensor, "*batch n d"], *, return_valid: bool = False
) -> Float[Tensor, "*batch n e"] | tuple[Float[Tensor, "*batch n e"], Bool[Tensor, "*batch n"]]:
    """Returns points mapped by a linear, affine or projective matrix.

    Args:
        matrix: (d + 1, d + 1) divides by w, as a homography or a rigid motion of space; (d, d + 1) is affine; (d, d) is
            linear. Its batch broadcasts with that of the points.
        points: in the coordinates that the matrix takes.
        return_valid: whether to return also which points are finite; see `from_homogeneous`.

    Raises:
        ValueError: for a matrix of another size.

    Gradient: to the matrix and the points; at w near 0 as of `from_homogeneous`. A point that is not finite gives NaN,
        with gradient 0, to the matrix as well.

    >>> shift = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 6.0], [0.0, 0.0, 1.0]])
    >>> transform_points(shift, torch.tensor([[1.0, 1.0]])).tolist()
    [[6.0, 7.0]]
    """
    check_points("transform_points", "points", points, None)
    d = points.shape[-1]
    columns = matrix.shape[-1] if isinstance(matrix, Tensor) and matrix.ndim > 1 else d
    if columns - d not in (0, 1) and columns - points.shape[-2] in (0, 1):
        rule = f"of shape (*batch, n, {points.shape[-2]}) beside a matrix {tuple(matrix.shape)}"
        raise refuse("transform_points", "points", rule, tuple(points.shape), "Transpose it: points.mT.")
    check_matrix("transform_points", "matrix", matrix, (d + 1, d + 1), (d, d + 1), (d, d))
    check_batches("transform_points", "matrix", matrix.shape[:-2], points.shape[:-2])
    matrix, points = promoted(matrix, points)
    matrix, points, good = finite_points(matrix, 2, points)
    if matrix.shape[-1] == d:
        out = points @ matrix.mT
    else:
        out = points @ matrix[..., :d].mT + matrix[..., None, :, d]
    if matrix.shape[-2] == d + 1:
        out, valid = _divided(out)
    elif return_valid:
        valid = out.isfinite().all(-1)
    out = or_nan(out, good)
    return (out, both(valid, good)) if return_valid else out


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the matrix [v] of the cross product: [v] u = v x u.

    Args:
        vector: v.

    Raises:
        ValueError: for other than three coordinates.

    Gradient: to the vector.

    >>> skew(torch.tensor([1.0, 2.0, 3.0])).tolist()
    [[0.0, -3.0, 2.0], [3.0, 0.0, -1.0], [-2.0, 1.0, 0.0]]
    """
    check_vector("skew", "vector", vector, 3)
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def cofactors(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns the derivative of the determinant by each entry."""
    a, b, c = matrix.unbind(-2)
    cross = torch.linalg.cross
    return torch.stack([cross(b, c), cross(c, a), cross(a, b)], -2)


class Normalized(NamedTuple):
    """Points whose centre is 0 and whose mean squared distance from it is their dimension, and the map to them."""

    points: Tensor
    matrix: Tensor


def normalize_points(
    points: Float[Tensor, "*batch n d"], *, weights: Float[Tensor, "*batch n"] | None = None
) -> Normalized:
    """Returns `(points, matrix)`: points shifted and scaled to centre 0 and mean squared distance d, and how.

    Args:
        points: in any units.
        weights: at least 0; a point of weight 0 does not count, whatever its coordinates.

    Raises:
        ValueError: for weights of another shape.

    Gradient: to points and weights. Of points that coincide the scale is 1, and of none the matrix is the identity.
    Source: Hartley, In Defense of the Eight-Point Algorithm, 1997, with the mean square in place of the mean.

    >>> normalize_points(torch.tensor([[1.0, 1.0], [1.0, 3.0], [3.0, 1.0], [3.0, 3.0]])).points.tolist()
    [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """
    d = points.shape[-1]
    check_points("normalize_points", "points", points, d)
    check_weights("normalize_points", weights, points)
    if weights is None:
        counts = torch.ones_like(points[..., :1])
        kept = points
    else:
        counts = weights[..., None].clamp(min=0)
        kept = torch.where((counts > 0) | points.isfinite(), points, 0)  # a finite one moves the weight's gradient
    total = counts.sum(-2, keepdim=True)
    share = counts / torch.where(total > 0, total, 1)
    centre = (share * kept).sum(-2, keepdim=True)
    square = (share * (kept - centre).square()).sum((-1, -2))
    # Below this the spread is rounding of the coordinates themselves.
    floor = (8 * torch.finfo(points.dtype).eps * centre.detach().abs().amax((-1, -2))).square()
    spread = square > floor
    scale = torch.where(spread, (d / torch.where(spread, square, 1)).sqrt(), 1)[..., None, None]
    eye = torch.eye(d + 1, dtype=points.dtype, device=points.device)
    top = torch.cat([scale * eye[:d, :d], -scale * centre.mT], -1)
    matrix = torch.cat([top, eye[d:].expand(*top.shape[:-2], 1, d + 1)], -2)
    return Normalized((points - centre) * scale, matrix)
