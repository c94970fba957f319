"""Points moved by a thin-plate spline, the smoothest map that takes some points to others.

f(p) = A (p, 1) + sum_i w_i U(|p - s_i|)        U(r) = r^2 log r,        f(s_i) = t_i
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_points, check_same_points, doubled, finite_rows, or_nan

# Control points closer than this, or closer to a line, in units of their extent, make no spline.
APART = 1e-6


def spline_points(
    points: Float[Tensor, "*batch n 2"],
    source_points: Float[Tensor, "*batch k 2"],
    target_points: Float[Tensor, "*batch k 2"],
    *,
    smoothing: float = 0.0,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n 2"] | tuple[Float[Tensor, "*batch n 2"], Bool[Tensor, "*batch"]]:
    """Returns points moved by the thin-plate spline that takes source points to target points.

    `thin_plate_spline` reads its image by the map the other way, from target to source: this one with the two
    exchanged.

    Args:
        points: (x, y), in the units of the control points.
        source_points: at least three, not all on one line, no two in one place.
        target_points: as many.
        smoothing: at least 0, which meets the targets; more bends less: that of SciPy's RBFInterpolator for points in
            units of half the source points' extent.
        return_valid: whether to return also which samples have a spline.

    Raises:
        ValueError: for shapes that do not go together, or a negative smoothing.

    Gradient: to all three, at control points too (second derivatives by the points are infinite there). Of source
        points without a spline, points move by the mean displacement. NaN among control points gives NaN, and gradient
        0, for that sample, and among points for that point. Computes in float64.
    Source: Bookstein, Principal Warps: Thin-Plate Splines and the Decomposition of Deformations, 1989.

    >>> corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> spline_points(torch.tensor([[1.0, 1.0]]), corners, 2 * corners).round(decimals=4).tolist()
    [[2.0, 2.0]]
    """
    check_points("spline_points", "points", points, 2)
    check_points("spline_points", "source_points", source_points, 2, least=3)
    check_points("spline_points", "target_points", target_points, 2)
    check_same_points("spline_points", "target_points", target_points, source_points)
    for name, control in (("source_points", source_points), ("target_points", target_points)):
        check_batches("spline_points", name, control.shape[:-2], points.shape[:-2])
    if not smoothing >= 0:
        raise refuse("spline_points", "smoothing", "at least 0", smoothing)
    p, source, target = doubled(points, source_points, target_points)
    p, known = finite_rows(p, 1)
    source, good = finite_rows(source, 2)
    target, also = finite_rows(target, 2)
    good = good & also
    low, high = source.detach().amin(-2, keepdim=True), source.detach().amax(-2, keepdim=True)
    extent = ((high - low) / 2).amax(-1, keepdim=True)
    extent = torch.where(extent > 0, extent, 1)
    middle = (low + high) / 2
    # In these units the system is well conditioned.
    knots = (source - middle) / extent
    regular = _is_regular(knots, smoothing)
    bent = _basis((p - middle) / extent, knots) @ _fit(knots, target, smoothing, regular)
    moved = torch.where(regular[..., None, None], bent, p + (target - source).mean(-2, keepdim=True))
    out = or_nan(moved, known & good[..., None]).to(points.dtype)
    return (out, good & regular & known.all(-1)) if return_valid else out


def _is_regular(knots: Tensor, smoothing: float) -> Bool[Tensor, "*batch"]:
    """Returns whether knots lie apart, unless smoothing lets them coincide, and not all on a line."""
    knots = knots.detach()
    x, y = (knots - knots.mean(-2, keepdim=True)).unbind(-1)
    a, b, c = x.square().mean(-1), y.square().mean(-1), (x * y).mean(-1)
    spread = a * b - c * c > (APART * (a + b)).square()
    if smoothing > 0:
        return spread
    squared = (knots[..., :, None, :] - knots[..., None, :, :]).square().sum(-1)
    own = torch.eye(knots.shape[-2], dtype=torch.bool, device=knots.device)
    return spread & ((squared > APART**2) | own).all(-1).all(-1)


def _fit(knots: Tensor, values: Tensor, smoothing: float, regular: Tensor) -> Float[Tensor, "*batch k+3 2"]:
    """Returns the coefficients of the spline through values at knots, 0 where there is none."""
    k = knots.shape[-2]
    basis = _basis(knots, knots)
    affine = basis[..., k:]
    eye = torch.eye(k + 3, dtype=knots.dtype, device=knots.device)
    bending = basis[..., :k] + smoothing * eye[:k, :k]
    corner = eye.new_zeros(3, 3).expand(*knots.shape[:-2], 3, 3)
    system = torch.cat([torch.cat([bending, affine], -1), torch.cat([affine.mT, corner], -1)], -2)
    wanted = torch.nn.functional.pad(values, (0, 0, 0, 3))
    system = torch.where(regular[..., None, None], system, eye)
    return torch.linalg.solve_ex(system, torch.where(regular[..., None, None], wanted, 0))[0]


def _basis(points: Tensor, knots: Tensor) -> Float[Tensor, "*batch n k+3"]:
    """Returns U of the distances from points to knots, then 1, x and y."""
    squared = (points[..., :, None, :] - knots[..., None, :, :]).square().sum(-1)
    away = squared > 0
    # r^2 log r = s log(s) / 2 of the square s, with value and slope 0 at a knot.
    bend = torch.where(away, squared, 0) * torch.where(away, squared, 1).log() / 2
    return torch.cat([bend, _extended(torch.ones_like(points[..., :1]), bend), _extended(points, bend)], -1)


def _extended(columns: Tensor, like: Tensor) -> Tensor:
    return columns.expand(*like.shape[:-1], columns.shape[-1])
