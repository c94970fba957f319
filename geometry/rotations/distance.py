"""The angle between rotations.

theta = atan2(|sin theta a|, cos theta), of R1^T R2: exact near 0 and pi, where acos of the trace keeps half the digits.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix

from .forms import dot, times, transposed
from .layout import guarded


def geodesic_distance(
    rotation1: Float[Tensor, "*batch 3 3"], rotation2: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Returns the angle, in [0, pi] radians, of the turn from one rotation to another.

    Args:
        rotation1: rotation matrices.
        rotation2: rotation matrices; their batch broadcasts.

    Raises:
        ValueError: for another size.

    Gradient: to both, of length 1 by the turn's rotation vector, exact however small the angle. The distance has a kink
        at 0 and one at pi: there the gradient is 0. Between equal matrices the distance is exactly 0. NaN gives NaN and
        gradient 0.
    Source: D. Q. Huynh, Metrics for 3D rotations, 2009, distance 6, by atan2.

    >>> geodesic_distance(torch.eye(3), torch.diag(torch.tensor([-1.0, -1.0, 1.0]))).item()
    3.1415927410125732
    """
    check_matrix("geodesic_distance", "rotation1", rotation1, (3, 3))
    check_matrix("geodesic_distance", "rotation2", rotation2, (3, 3))
    check_batches("geodesic_distance", "rotation2", rotation2.shape[:-2], rotation1.shape[:-2])
    return guarded(_angle, rotation1, rotation2, dims=(2, 2), shape=())


def _angle(r1: Tensor, r2: Tensor) -> Tensor:
    xx, xy, xz, yx, yy, yz, zx, zy, zz = times(transposed(r1), r2).unbind(0)
    sin = torch.stack([zy - yz, xz - zx, yx - xy])
    square = dot(sin, sin)
    length = torch.where(square > 0, torch.where(square > 0, square, 1).sqrt(), 0)
    return torch.atan2(length, xx + yy + zz - 1)[None]
