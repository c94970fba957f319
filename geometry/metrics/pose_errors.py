"""Errors of relative poses, in degrees.

rotation = the angle of R*^T R        translation = the angle between t and t*
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix, check_vector, promoted
from visionops.geometry.losses.pose import angle_between
from visionops.geometry.rotations import geodesic_distance
from visionops.losses.reduction import check_mask


class PoseErrorValues(NamedTuple):
    """Of each pose, in degrees: the error of the rotation, that of the translation's direction, and the larger one."""

    rotation: Float[Tensor, "*batch"]
    translation: Float[Tensor, "*batch"]
    largest: Float[Tensor, "*batch"]


def pose_errors(
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    target_R: Float[Tensor, "*batch 3 3"],
    target_t: Float[Tensor, "*batch 3"],
    *,
    signed: bool = False,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> PoseErrorValues:
    """Returns `(rotation, translation, largest)` of each pose, in degrees; `auc_from_errors` takes the largest.

    A pose that is not finite has failed: its errors are infinite. Lengths of translations do not matter.

    Args:
        R: predicted rotations, x2 = R x1 + t.
        t: predicted translations, of any length.
        target_R: true rotations.
        target_t: true translations. One of length 0 has no direction: any prediction has error 0.
        signed: whether the opposite direction is off by 180 degrees. By default it is not off at all, as in the usual
            evaluation: an essential matrix does not know the sign.
        mask: True where poses count, broadcast to (*batch); elsewhere the errors are NaN.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: none; the losses have one. A predicted translation of length 0 is off as far as can be, 90 degrees or,
        signed, 180. Half precision computes in float32.
    Source: Sarlin et al., SuperGlue, 2020, section 5.2. Angles come by atan2: an arc cosine in float32 takes what is
        off by less than 0.03 degrees for any of that.

    >>> turned = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    >>> x, y = torch.eye(3)[0], torch.eye(3)[1]
    >>> [value.item() for value in pose_errors(turned, -x, torch.eye(3), x + y)]
    [90.0, 45.0, 90.0]
    """
    for name, matrix in (("R", R), ("target_R", target_R)):
        check_matrix("pose_errors", name, matrix, (3, 3))
    for name, vector in (("t", t), ("target_t", target_t)):
        check_vector("pose_errors", name, vector, 3)
    batch = R.shape[:-2]
    for name, other in (("t", t.shape[:-1]), ("target_R", target_R.shape[:-2]), ("target_t", target_t.shape[:-1])):
        check_batches("pose_errors", name, other, batch)
        batch = torch.broadcast_shapes(batch, other)
    check_mask("pose_errors", mask, batch)
    dtype = R.dtype
    R, t, target_R, target_t = (value.detach() for value in promoted(R, t, target_R, target_t))
    rotation = geodesic_distance(target_R, R)
    translation = angle_between(t, target_t, signed=signed)
    errors = torch.rad2deg(torch.stack(torch.broadcast_tensors(rotation, translation)))
    found = R.isfinite().flatten(-2).all(-1) & t.isfinite().all(-1)
    errors = torch.where(found, errors, torch.inf)
    if mask is not None:
        errors = torch.where(mask, errors, torch.nan)
    rotation, translation = errors.to(dtype).unbind()
    return PoseErrorValues(rotation, translation, errors.amax(0).to(dtype))
