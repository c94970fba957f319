"""Intersection over union of classes.

IoU_k = M_kk / (sum_j M_kj + sum_i M_ik - M_kk),   M the confusion matrix
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.arguments import check_choice

from .confusion_matrix import check_labels, confusion_matrix


def mean_iou(
    prediction: Int[Tensor, "*shape"],
    target: Int[Tensor, "*shape"],
    *,
    classes: int,
    mask: Bool[Tensor, "*mask"] | None = None,
    reduction: Literal["mean", "none"] = "mean",
) -> Float[Tensor, ""] | Float[Tensor, " classes"]:
    """Returns the intersection over union of classes, from 0 to 1, over the pixels of the whole batch.

    Args:
        prediction: labels, as of `confusion_matrix`.
        target: true labels, of the same shape. Labels outside of 0 to classes - 1 do not count.
        classes: how many there are.
        mask: True where pixels count, broadcast to their shape.
        reduction: "mean" over the classes that were predicted or are there, NaN if there is none; "none" gives one for
            each class, NaN where it is absent.

    Raises:
        ValueError: for shapes that differ, and for what are no labels.

    Gradient: none: it counts.
    Source: Everingham et al., The Pascal Visual Object Classes Challenge, 2015, section 3.2.

    >>> round(mean_iou(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 0, 1]), classes=3).item(), 4)
    0.5833
    """
    check_labels("mean_iou", prediction, target, classes, mask)
    check_choice("mean_iou", "reduction", reduction, ("mean", "none"))
    return iou_of(confusion_matrix(prediction, target, classes=classes, mask=mask), reduction)


def iou_of(matrix: Int[Tensor, "classes classes"], reduction: str) -> Float[Tensor, "*out"]:
    """Returns what `mean_iou` does, of a confusion matrix."""
    shared = matrix.diagonal()
    union = matrix.sum(0) + matrix.sum(1) - shared
    iou = shared / union
    return iou if reduction == "none" else torch.where(union > 0, iou, 0).sum() / (union > 0).sum()
