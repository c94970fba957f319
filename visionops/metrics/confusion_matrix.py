"""The confusion matrix of labels: how often each class was taken for which."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from visionops.arguments import check_count
from visionops.errors import refuse
from visionops.losses.reduction import check_mask


def confusion_matrix(
    prediction: Int[Tensor, "*shape"],
    target: Int[Tensor, "*shape"],
    *,
    classes: int,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> Int[Tensor, "classes classes"]:
    """Returns how many elements of each class (rows) were predicted as which (columns), over the whole batch.

    Args:
        prediction: labels from 0 to classes - 1; of scores (*batch, c, h, w) it is `scores.argmax(-3)`.
        target: the true labels, of the same shape. A label outside of 0 to classes - 1, such as 255 or -1 for what was
            not annotated, does not count; nor does an element that is predicted so.
        classes: how many there are.
        mask: True where elements count, broadcast to their shape.

    Raises:
        ValueError: for shapes that differ, and for what are no labels.

    Gradient: none: it counts. `torch.vmap` gives a matrix for each sample.
    Source: as of `sklearn.metrics.confusion_matrix`.

    >>> confusion_matrix(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 255]), classes=2)
    tensor([[1, 1],
            [0, 1]])
    """
    check_labels("confusion_matrix", prediction, target, classes, mask)
    prediction, target = prediction.long(), target.long()
    counts = (prediction >= 0) & (prediction < classes) & (target >= 0) & (target < classes)
    if mask is not None:
        counts = counts & mask
    # What does not count goes to a bin of its own: to leave it out would wait for the device.
    bins = torch.where(counts, target * classes + prediction, classes * classes).flatten()
    found = bins.new_zeros(classes * classes + 1).scatter_add(0, bins, torch.ones_like(bins))
    return found[:-1].reshape(classes, classes)


def check_labels(function: str, prediction: Any, target: Any, classes: Any, mask: Any) -> None:
    """Raises unless both are integer tensors of one shape, to which the mask broadcasts."""
    check_count(function, "classes", classes)
    check_integers(function, "prediction", prediction, "Take its argmax over classes.")
    check_integers(function, "target", target)
    if target.shape != prediction.shape:
        got = f"{tuple(target.shape)} beside {tuple(prediction.shape)}"
        raise refuse(function, "target", "of the shape of prediction", got)
    check_mask(function, mask, target.shape)


def check_integers(function: str, argument: str, value: Any, remedy: str = "Convert it.") -> None:
    """Raises unless the value is a tensor of integers or truth values."""
    if not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex():
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise refuse(function, argument, "a tensor of integers", got, remedy)
