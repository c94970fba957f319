"""Warp by a thin-plate spline: the smoothest map that takes some points to others.

f(p) = A (p, 1) + sum_i w_i U(|p - t_i|)        U(r) = r^2 log r,        f(t_i) = s_i

Source: Bookstein, Principal Warps: Thin-Plate Splines and the Decomposition of Deformations (1989).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.errors import refuse
from visionops.module import as_module

from .warping import Fill, check_size, check_warp, of_batch, sample


def thin_plate_spline(
    image: Shaped[Tensor, "*batch c h w"],
    source_points: Float[Tensor, "*batch n 2"],
    target_points: Float[Tensor, "*batch n 2"],
    size: tuple[int, int] | None = None,
    *,
    smoothing: float = 0.0,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image bent so that source points come to target points.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        source_points: (x, y) in pixels of the image, whose centres are at integers; at least three, for all samples or
            for each.
        target_points: where they come to lie in the output, not all on one line, no two in one place.
        size: (height, width) of the output; None keeps the image's.
        smoothing: 0 meets the points; more bends less, as SciPy's RBFInterpolator.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image and both sets of points. Points without a spline give fill, or arbitrary values.
    Source: scipy.interpolate.RBFInterpolator(target, source, kernel="thin_plate_spline") is the same map.

    >>> corners = torch.tensor([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    >>> shifted = thin_plate_spline(torch.eye(3)[None], corners, corners + torch.tensor([1.0, 0.0]))
    >>> shifted[0].add(0.0).round(decimals=4).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    check_warp("thin_plate_spline", image, interpolation, border)
    h, w = image.shape[-2:] if size is None else check_size("thin_plate_spline", size)
    source = of_batch("thin_plate_spline", "source_points", source_points, image, (None, 2)).double()
    target = of_batch("thin_plate_spline", "target_points", target_points, image, (None, 2)).double()
    n = source.shape[1]
    if n < 3 or target.shape[1] != n:
        raise refuse(
            "thin_plate_spline", "target_points", f"as many as source_points, at least 3, here {n}", target.shape[1]
        )
    batch = max(len(source), len(target))
    source, target = source.expand(batch, n, 2), target.expand(batch, n, 2)
    middle, spread = _extent(target)
    knots = (target - middle) / spread
    weights = _fit(knots, source, smoothing)

    x = torch.arange(w, device=image.device, dtype=knots.dtype)
    y = torch.arange(h, device=image.device, dtype=knots.dtype)[:, None]
    pixels = torch.stack(torch.broadcast_tensors(x, y), -1).reshape(1, h * w, 2)
    places = _matrix((pixels - middle) / spread, knots) @ weights
    kind = torch.float64 if image.dtype == torch.float64 else torch.float32
    places = places.reshape(batch, h, w, 2).to(kind)
    options = {"interpolation": interpolation, "border": border}
    return sample("thin_plate_spline", image, None, (h, w), coordinates=places, fill=fill, **options)  # type: ignore[arg-type]


def _extent(points: Tensor) -> tuple[Tensor, Tensor]:
    """Returns middle and half the extent of points: in these units the system is well conditioned."""
    low, high = points.detach().amin(1, keepdim=True), points.detach().amax(1, keepdim=True)
    return (low + high) / 2, ((high - low) / 2).amax(2, keepdim=True).clamp(min=1e-12)


def _fit(knots: Tensor, values: Tensor, smoothing: float) -> Tensor:
    """Returns the coefficients (b, n + 3, 2) of the spline through values at knots."""
    b, n, _ = knots.shape
    bending = _matrix(knots, knots)
    bending = torch.cat([bending[..., :n] + smoothing * torch.eye(n, dtype=knots.dtype, device=knots.device),
                         bending[..., n:]], 2)  # fmt: skip
    side = torch.cat([bending[..., n:].mT, knots.new_zeros(b, 3, 3)], 2)
    system = torch.cat([bending, side], 1)
    # A singular system is data: its solution is not finite.
    found, _ = torch.linalg.solve_ex(system, torch.cat([values, values.new_zeros(b, 3, 2)], 1))
    return found


def _matrix(points: Tensor, knots: Tensor) -> Tensor:
    """Returns U of the distances from points (b, m, 2) to knots (b, n, 2), then 1, x and y: (b, m, n + 3)."""
    squared = (points[:, :, None] - knots[:, None]).square().sum(-1)
    away = squared > 0
    # r^2 log r = s log(s) / 2 of the square s, with value and slope 0 at a knot.
    bend = torch.where(away, squared, 0.0) * torch.where(away, squared, 1.0).log() / 2
    return torch.cat([bend, torch.ones_like(bend[..., :1]), points.expand(len(bend), -1, -1)], 2)


ThinPlateSpline = as_module(thin_plate_spline)
