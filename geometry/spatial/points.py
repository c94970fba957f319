"""Points of a depth map.

X = z K^-1 (u, v, 1)
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .rays import check_depth, check_intrinsics, seen_at_one


@overload
def depth_to_points(depth: Tensor, K: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def depth_to_points(depth: Tensor, K: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def depth_to_points(
    depth: Float[Tensor, "*batch 1 h w"], K: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 h w"] | tuple[Float[Tensor, "*batch 3 h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns the point (x, y, z) that each pixel sees, as an image of three channels.

    Points are in the camera's frame: x right, y down, z forward, in the unit of the depth. `points.movedim(-3, -1)`
    has them last.

    Args:
        depth: z of each pixel, not the distance along its ray; see `disparity_to_depth`.
        K: intrinsics, for pixel centres at integers, or what an augmentation made of them, M K.
        return_valid: whether to return also where the depth is finite and positive (*batch, 1, h, w).

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both. A depth of 0 or less gives the point that the formula gives; one that is not finite gives NaN,
        with gradient 0, at its pixel alone.

    >>> K = torch.tensor([[100.0, 0.0, 1.0], [0.0, 100.0, 0.0], [0.0, 0.0, 1.0]])
    >>> depth_to_points(torch.full((1, 1, 3), 50.0), K)[:, 0].tolist()
    [[-0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [50.0, 50.0, 50.0]]
    """
    check_depth("depth_to_points", "depth", depth)
    check_intrinsics("depth_to_points", "K", K, depth.shape[:-3])
    finite = depth.isfinite()
    z = torch.where(finite, depth, 0)
    xy, sees = seen_at_one(K, depth.shape[-2:], depth)
    points = z * xy
    points = torch.cat([points, z.expand(*points.shape[:-3], *z.shape[-3:])], -3)
    points = torch.where(finite, points, float("nan"))
    return (points, finite & (z > 0) & sees) if return_valid else points
