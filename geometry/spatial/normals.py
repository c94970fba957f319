"""Normals of the surface in a depth map: cross products of how its points differ along columns and rows."""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .points import depth_to_points
from .rays import check_depth, check_intrinsics


@overload
def depth_to_normals(depth: Tensor, K: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def depth_to_normals(depth: Tensor, K: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def depth_to_normals(
    depth: Float[Tensor, "*batch 1 h w"], K: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 h w"] | tuple[Float[Tensor, "*batch 3 h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns the unit normal of the surface at each pixel, turned towards the camera.

    Exact on planes. In the camera's frame, z forward: a wall that faces the camera has (0, 0, -1).

    Args:
        depth: z of each pixel.
        K: intrinsics, for pixel centres at integers.
        return_valid: whether to return also where the pixel and its neighbours left, right, above and below have a
            finite positive depth and the surface is not seen edge-on (*batch, 1, h, w).

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both. Central differences, one-sided at the image's edge. 0 with gradient 0 where there is no normal:
        one row or column, or points on a line. A depth that is not finite makes its pixel and those four neighbours
        NaN, with gradient 0, and no others.

    >>> K = torch.tensor([[100.0, 0.0, 1.0], [0.0, 100.0, 1.0], [0.0, 0.0, 1.0]])
    >>> depth_to_normals(torch.full((1, 3, 3), 50.0), K)[:, 1, 1].tolist()
    [0.0, 0.0, -1.0]
    """
    check_depth("depth_to_normals", "depth", depth)
    check_intrinsics("depth_to_normals", "K", K, depth.shape[:-3])
    finite = _with_neighbours(depth.isfinite())
    points, there = depth_to_points(torch.where(depth.isfinite(), depth, 0), K, return_valid=True)
    before, after = _neighbours(points, -1)
    above, below = _neighbours(points, -2)
    normal = torch.linalg.cross(below - above, after - before, dim=-3)
    square = normal.square().sum(-3, keepdim=True)
    # Rounding of the differences, each of a few units in the last place of a coordinate, must not pass for a surface.
    size = points.detach().square().sum(-3, keepdim=True)
    flat = square.detach() > (16 * torch.finfo(points.dtype).eps * size).square()
    length = torch.where(flat, square, 1).sqrt()
    outwards = (normal * points).sum(-3, keepdim=True) > 0
    normal = torch.where(flat, normal / torch.where(outwards, -length, length), 0)
    normal = torch.where(finite, normal, float("nan"))
    return (normal, _with_neighbours(there) & flat) if return_valid else normal


def _neighbours(field: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Returns the values before and after each along a dimension, its own at the ends."""
    n = field.shape[dim]
    before = torch.cat([field.narrow(dim, 0, 1), field.narrow(dim, 0, n - 1)], dim)
    return before, torch.cat([field.narrow(dim, 1, n - 1), field.narrow(dim, n - 1, 1)], dim)


def _with_neighbours(good: Tensor) -> Tensor:
    """Returns where a pixel and its four neighbours are good."""
    left, right = _neighbours(good, -1)
    above, below = _neighbours(good, -2)
    return good & left & right & above & below
