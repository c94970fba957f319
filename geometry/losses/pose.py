"""Losses of rotations and of poses.

rotation_geodesic  the angle of R*^T R        pose  that + w |t - t*|,  or + w times the angle between t and t*
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_matrix, check_vector, promoted
from visionops.geometry.rotations import geodesic_distance
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import broadcasts

from .views import length

Translation = Literal["metric", "direction", "axis"]


def rotation_geodesic(
    prediction: Float[Tensor, "*batch 3 3"],
    target: Float[Tensor, "*batch 3 3"],
    *,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the angles, in [0, pi] radians, of the turns from target rotations to predicted ones.

    Args:
        prediction: rotation matrices, such as `rotation_6d_to_matrix` or `nearest_rotation` make of a network's output.
        target: rotation matrices.
        mask: True where rotations count, broadcast to (*batch). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each rotation, broadcast to (*batch).
        reduction: "none" gives (*batch), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of the
            weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both and the weight, of length 1 however small the angle, and 0 at the kinks: between equal rotations,
        whose loss is exactly 0, and opposite ones. See `geodesic_distance`.
    Source: D. Q. Huynh, Metrics for 3D rotations, 2009, distance 6, by atan2.

    >>> quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> rotation_geodesic(quarter, torch.eye(3)).item()
    1.5707963705062866
    """
    function = "rotation_geodesic"
    check_matrix(function, "prediction", prediction, (3, 3))
    check_matrix(function, "target", target, (3, 3))
    check_batches(function, "target", target.shape[:-2], prediction.shape[:-2])
    batch = torch.broadcast_shapes(prediction.shape[:-2], target.shape[:-2])
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    dtype = prediction.dtype
    if mask is not None:
        prediction, target = hide(mask[..., None, None], prediction, target)
    values = geodesic_distance(prediction, target)
    return reduce(values, reduction, mask=mask, weight=weight, dtype=dtype)


def pose(
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    target_R: Float[Tensor, "*batch 3 3"],
    target_t: Float[Tensor, "*batch 3"],
    *,
    translation: Translation = "metric",
    translation_weight: float | Float[Tensor, "*#batch"] = 1.0,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the angles between predicted and target rotations, plus weighted errors of the translations.

    Args:
        R: predicted rotations.
        t: predicted translations.
        target_R: target rotations.
        target_t: target translations.
        translation: "metric" takes the distance |t - t*|; "direction" the angle between the two in radians, for
            essential matrices, which do not know lengths; "axis" that angle or pi minus it, the smaller one, for
            those whose sign is not known either.
        translation_weight: radians that a unit of the translation's error is worth; a number, or a tensor that
            broadcasts to (*batch), which may be learned.
        mask: True where poses count, broadcast to (*batch). What is masked, NaN too, reaches neither loss nor gradient.
        weight: of each pose, broadcast to (*batch).
        reduction: as of `rotation_geodesic`.

    Raises:
        ValueError: for shapes that do not go together, or another `translation`.

    Gradient: to all of them; of the rotations as of `rotation_geodesic`. Distance and angle have a kink at 0, the angle
        also at pi ("direction") and pi / 2 ("axis"): there the gradient is 0, or that of one side. A target of length 0
        has no direction: any prediction has error 0. A prediction of length 0 is off as far as can be, pi or pi / 2,
        with gradient 0.
    Source: Kendall and Cipolla, Geometric Loss Functions for Camera Pose Regression, 2017, equation 2, with the angle
        in place of the quaternions' distance.

    >>> x, y = torch.eye(3)[0], torch.eye(3)[1]
    >>> pose(torch.eye(3), 3 * x, torch.eye(3), x, translation_weight=0.5).item()
    1.0
    >>> pose(torch.eye(3), 3 * x, torch.eye(3), x + y, translation="direction").item()  # pi / 4
    0.7853981852531433
    """
    function = "pose"
    batch = R.shape[:-2] if isinstance(R, Tensor) else torch.Size()
    for name, matrix in (("R", R), ("target_R", target_R)):
        check_matrix(function, name, matrix, (3, 3))
        check_batches(function, name, matrix.shape[:-2], batch)
        batch = torch.broadcast_shapes(batch, matrix.shape[:-2])
    for name, vector in (("t", t), ("target_t", target_t)):
        check_vector(function, name, vector, 3)
        check_batches(function, name, vector.shape[:-1], batch)
        batch = torch.broadcast_shapes(batch, vector.shape[:-1])
    check_choice(function, "translation", translation, ("metric", "direction", "axis"))
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    dtype = R.dtype
    R, t, target_R, target_t = promoted(R, t, target_R, target_t)
    if mask is not None:
        R, target_R = hide(mask[..., None, None], R, target_R)
        t, target_t = hide(mask[..., None], t, target_t)
    if translation == "metric":
        error = length(t - target_t)
    else:
        error = angle_between(t, target_t, signed=translation == "direction")
    if isinstance(translation_weight, Tensor) and not broadcasts(translation_weight.shape, batch):
        rule = f"a number or broadcastable to {tuple(batch)}"
        raise refuse(function, "translation_weight", rule, tuple(translation_weight.shape))
    values = geodesic_distance(target_R, R) + translation_weight * error
    return reduce(values.expand(batch), reduction, mask=mask, weight=weight, dtype=dtype)


def angle_between(
    t: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"], *, signed: bool
) -> Float[Tensor, "*batch"]:
    """Returns the angle between two vectors of any length, or between the lines along them, in radians.

    To a target of 0 it is 0; otherwise, of a vector of 0, as large as can be.
    """
    t, target = torch.broadcast_tensors(_scaled(t), _scaled(target))
    nowhere, anywhere = (t == 0).all(-1), (target == 0).all(-1)
    cross, dot = length(torch.linalg.cross(t, target - t)), (t * target).sum(-1)  # exactly 0 of equal ones
    dot = torch.where(nowhere | anywhere, 1, dot)  # atan2 has no gradient at (0, 0)
    angle = torch.atan2(cross, dot if signed else dot.abs())
    angle = torch.where(nowhere, torch.pi if signed else torch.pi / 2, angle)
    return torch.where(anywhere, 0, angle)


def _scaled(vector: Tensor) -> Tensor:
    """Returns a vector divided by its largest component, as a constant: angles stay, and squares are finite."""
    size = vector.detach().abs().amax(-1, keepdim=True)
    return vector / torch.where(size > 0, size, 1)
