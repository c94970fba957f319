"""Losses of boxes: 1 - intersection over union, and what is added so that boxes apart attract each other.

With C the smallest box around both, c its diagonal and d the distance of the centres

GIoU = IoU - (C - union) / C      DIoU = IoU - d^2 / c^2      CIoU = DIoU - alpha v,  v the squared difference of shapes
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.boxes import box_area, box_iou, rotated_box_iou
from visionops.losses.reduction import (
    Reduction,
    check_mask,
    check_pair,
    check_reduction,
    check_weight,
    hide,
    ratio,
    reduce,
)

Measure = Callable[[Tensor, Tensor], Tensor]


def iou(
    prediction: Float[Tensor, "*batch n 4"],
    target: Float[Tensor, "*batch n 4"],
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - IoU of boxes, each with the one at its place.

    Args:
        prediction: xyxy, in any one unit, x1 <= x2 and y1 <= y2. One that is not so has no area, and
            nothing pulls it right: make boxes of a centre and a size above 0.
        target: likewise.
        mask: True where boxes count, broadcast to (*batch, n). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each box, broadcast to (*batch, n).
        reduction: "none" gives (*batch, n), 0 where masked; "sum" the weighted sum; "mean" divides that by the sum of
            the weights that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that differ.

    Gradient: to both and the weight; 0 where boxes do not touch, and at equal ones. A box without area has loss 1.
    Source: Yu et al., UnitBox, 2016, whose loss is -log IoU; this is the one that is bounded.

    >>> iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 1.0, 2.0]])).item()
    0.5
    """
    return _loss("iou", _iou, prediction, target, mask, weight, reduction)


def giou(
    prediction: Float[Tensor, "*batch n 4"],
    target: Float[Tensor, "*batch n 4"],
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - GIoU of boxes, from 0 to 2: boxes apart grow towards each other.

    Args:
        prediction: xyxy, in any one unit.
        target: likewise.
        mask, weight, reduction: as of `iou`.

    Raises:
        ValueError: for shapes that differ.

    Gradient: to both and the weight, also where boxes are apart. Two boxes that are one point have loss 1, gradient 0.
    Source: Rezatofighi et al., Generalized intersection over union, 2019.

    >>> round(giou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])).item(), 4)  # 1 + 1 / 3
    1.3333
    """
    return _loss("giou", _giou, prediction, target, mask, weight, reduction)


def diou(
    prediction: Float[Tensor, "*batch n 4"],
    target: Float[Tensor, "*batch n 4"],
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - DIoU of boxes, from 0 to 2: centres attract each other.

    Args:
        prediction: xyxy, in any one unit.
        target: likewise.
        mask, weight, reduction: as of `iou`.

    Raises:
        ValueError: for shapes that differ.

    Gradient: to both and the weight, also where boxes are apart. Two boxes that are one point have loss 1, gradient 0.
    Source: Zheng et al., Distance-IoU loss, 2020, equation 7.

    >>> diou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])).item()  # 1 + 4 / 10
    1.399999976158142
    """
    return _loss("diou", _diou, prediction, target, mask, weight, reduction)


def ciou(
    prediction: Float[Tensor, "*batch n 4"],
    target: Float[Tensor, "*batch n 4"],
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - CIoU of boxes: `diou`, plus how much their shapes differ.

    Args:
        prediction: xyxy, in any one unit.
        target: likewise.
        mask, weight, reduction: as of `iou`.

    Raises:
        ValueError: for shapes that differ.

    Gradient: to both and the weight; alpha = v / (1 - IoU + v) is a constant in it, as in the paper.
    Source: Zheng et al., Distance-IoU loss, 2020, equations 8 to 11.

    >>> square, wide = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 4.0, 2.0]])
    >>> round(ciou(square, wide).item(), 4)
    0.5532
    """
    return _loss("ciou", _ciou, prediction, target, mask, weight, reduction)


def rotated_iou(
    prediction: Float[Tensor, "*batch n 5"],
    target: Float[Tensor, "*batch n 5"],
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - IoU of turned boxes, exactly, each with the one at its place.

    Args:
        prediction: (cx, cy, w, h, angle), the angle in degrees, counter-clockwise on the screen.
        target: likewise.
        mask, weight, reduction: as of `iou`.

    Raises:
        ValueError: for shapes that differ.

    Gradient: to both, angles included, and the weight; 0 where boxes do not touch. See
        `visionops.geometry.rotated_box_iou`.

    >>> square, diamond = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0, 2.0, 45.0]])
    >>> round(rotated_iou(square, diamond).item(), 4)
    0.2929
    """
    return _loss("rotated_iou", _rotated_iou, prediction, target, mask, weight, reduction, numbers=5)


def _loss(
    function: str,
    measure: Measure,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
    numbers: int = 4,
) -> Tensor:
    shape = f"(*batch, n, {numbers})"
    check_pair(function, prediction, target, shape)
    if prediction.shape[-1] != numbers:
        raise refuse(function, "prediction", f"of shape {shape}", tuple(prediction.shape))
    check_mask(function, mask, prediction.shape[:-1])
    check_weight(function, weight, prediction.shape[:-1])
    check_reduction(function, reduction)
    a, b = hide(None if mask is None else mask[..., None], prediction, target)
    return reduce(1 - measure(a, b), reduction, mask=mask, weight=weight, dtype=prediction.dtype)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    return box_iou(a, b, pairwise=False)


def _rotated_iou(a: Tensor, b: Tensor) -> Tensor:
    return rotated_box_iou(a, b, pairwise=False)


def _giou(a: Tensor, b: Tensor) -> Tensor:
    overlap = _iou(a, b)
    around = box_area(_around(a, b))
    # union = areas / (1 + IoU)
    union = (box_area(a) + box_area(b)) / (1 + overlap)
    return overlap - ratio(around - union, around)


def _diou(a: Tensor, b: Tensor) -> Tensor:
    around = _around(a, b)
    diagonal = (around[..., 2:] - around[..., :2]).square().sum(-1)
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    return _iou(a, b) - ratio(apart, diagonal)


def _ciou(a: Tensor, b: Tensor) -> Tensor:
    shape = 4 / math.pi**2 * (_slant(a) - _slant(b)).square()
    alpha = ratio(shape, 1 - _iou(a, b) + shape).detach()  # no_grad would not stop forward mode
    return _diou(a, b) - alpha * shape


def _slant(box: Tensor) -> Tensor:
    """Returns the angle of the diagonal, that of a point as 0."""
    w, h = (box[..., 2:] - box[..., :2]).unbind(-1)
    some = (w != 0) | (h != 0)
    return torch.atan2(torch.where(some, w, 0), torch.where(some, h, 1))


def _around(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    return torch.cat([low, high], -1)
