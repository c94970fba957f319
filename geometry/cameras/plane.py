"""Maps of the plane by components: eager torch reads x and y apart faster than it multiplies by 3 x 3 matrices."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import known_finite, or_nan
from visionops.geometry.implicit.steps import is_watched, may_branch

# A homogeneous w, or a depth, below this fraction of the other coordinates is held there.
LEAST = 1e-6


def components(
    points: Float[Tensor, "*batch n d"],
) -> tuple[tuple[Tensor, ...], Bool[Tensor, "*batch n"] | None]:
    """Returns x, y (and z) with 0 in points that are not finite, and which are; None where it is known that all are."""
    if known_finite(points):
        return tuple(c.contiguous() for c in points.unbind(-1)), None
    good = points.isfinite().all(-1)
    return tuple(torch.where(good, c, 0) for c in points.unbind(-1)), good


def joined(*values: Tensor, good: Tensor | None) -> Float[Tensor, "*batch n d"]:
    """Returns points of components, NaN where they are not good."""
    points = torch.stack(torch.broadcast_tensors(*values), -1)
    return points if good is None else or_nan(points, good.expand(points.shape[:-1]))


def through_plane(
    matrix: Float[Tensor, "*batch 3 3"], x: Float[Tensor, "*batch n"], y: Float[Tensor, "*batch n"]
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n"], Bool[Tensor, "*batch n"]]:
    """Returns the coordinates that a homography gives, and which points are on this side of its horizon.

    That is the side of the origin, of the plane before the map; points beyond the horizon are held just before it.
    """
    last = matrix[..., 2:, 2:]
    regular = last != 0
    rows = (matrix / torch.where(regular, last, 1)).flatten(-2)[..., None].unbind(-2)
    u = torch.addcmul(torch.addcmul(rows[2], rows[1], y), rows[0], x)
    v = torch.addcmul(torch.addcmul(rows[5], rows[4], y), rows[3], x)
    if _known_affine(matrix):
        return u, v, regular[..., 0]
    w = torch.addcmul(torch.addcmul(rows[8], rows[7], y), rows[6], x)
    ahead = (w.detach() > LEAST) & regular[..., 0]
    w = w.clamp(min=LEAST)
    return u / w, v / w, ahead


def _known_affine(matrix: Tensor) -> bool:
    """Returns whether w is 1 whatever the point, and no derivative of it by the matrix is asked for."""
    return not is_watched(matrix) and may_branch(matrix) and not bool(matrix[..., 2, :2].any())


def back_through_plane(
    matrix: Float[Tensor, "*batch 3 3"], u: Float[Tensor, "*batch n"], v: Float[Tensor, "*batch n"]
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n"], Bool[Tensor, "*batch n"]]:
    """Returns the coordinates that a homography maps to given ones, as `through_plane` does.

    Places are taken from where the origin goes, which float32 would lose digits to otherwise.
    """
    last = matrix[..., 2:, :]
    scale = torch.where(last[..., 2:] != 0, last[..., 2:], 1)
    centre = matrix[..., :2, 2:] / scale
    a, b = (matrix[..., :2, :] - centre * last).unbind(-2)
    c = last[..., 0, :]
    cross = torch.linalg.cross
    inverse = torch.stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    return through_plane(inverse, u - centre[..., 0, :], v - centre[..., 1, :])


def hold(x: Tensor, y: Tensor, z: Tensor, least: float = LEAST) -> Tensor:
    """Returns z, at least a fraction of |x| + |y| + |z|, where it is a constant; 1 at the origin."""
    if _known_in_front(x.detach(), y.detach(), z.detach(), least):
        return z
    size = x.detach().abs() + y.detach().abs() + z.detach().abs()
    return torch.maximum(z, torch.where(size > 0, least * size, 1))


def _known_in_front(x: Tensor, y: Tensor, z: Tensor, least: float) -> bool:
    if not (may_branch(x) and may_branch(z)) or 0 in (x.numel(), z.numel()):
        return False
    sizes = [float(max(-low, high)) for low, high in (x.aminmax(), y.aminmax(), z.aminmax())]
    return float(z.amin()) > least * sum(sizes)


def in_front(x: Tensor, y: Tensor, z: Tensor, least: float = LEAST) -> Bool[Tensor, "*batch n"]:
    """Returns where `hold` leaves z alone."""
    return z > least * (x.abs() + y.abs() + z.abs())


def root(square: Tensor) -> Tensor:
    """Returns the square root, that of the least number where there is none: there without a gradient."""
    least = torch.finfo(square.dtype).eps ** 2
    return square.clamp(min=least).sqrt()
