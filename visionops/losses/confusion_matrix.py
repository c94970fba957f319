"""Any metric of a confusion matrix as a loss, by the matrix of soft predictions.

C_ij = sum over pixels of t_i p_j: how much of class i is predicted as class j
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.errors import refuse

from .labels import check_labels, shares
from .reduction import Reduction, check_reduction, check_weight, hide, ratio, reduce
from .robust import safe_root

Metric = Literal["accuracy", "balanced_accuracy", "f1", "iou", "mcc"]


def confusion_matrix_loss(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    metric: Metric | Callable[[Float[Tensor, "*batch c c"]], Float[Tensor, "*batch"]] = "f1",
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#values"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 less a metric of each sample's soft confusion matrix.

    Args:
        prediction: probabilities, of a softmax over the channels.
        target: integer classes (*batch, h, w), or shares of each class (*batch, c, h, w). A pixel whose class is none
            (255, -1) does not count.
        metric: "accuracy"; "balanced_accuracy", the mean recall; "f1" and "iou", means over the classes; "mcc",
            Matthews' correlation coefficient of several classes. Or any function of the matrix C (*batch, c, c), whose
            rows are the true classes, as F-beta: `lambda C: ...`. Means are over the classes that are in the sample
            (for "f1" and "iou", or predicted).
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient; a sample without any pixel has loss 0 and does not count in the mean.
        weight: of each sample, broadcast to (*batch).
        reduction: "none" gives (*batch); "sum" the weighted sum; "mean" divides that by the sum of the weights that
            count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and an unknown metric.

    Gradient: to predictions, shares and weight, of every order; finite where a class is nowhere. Half precision
        computes in float32.
    Source: Yeung et al., Unified focal loss, 2022, for soft counts; Gorodkin, Comparing two K-category assignments by a
        K-category correlation coefficient, 2004, equation 8.

    >>> p = torch.tensor([[[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]])
    >>> confusion_matrix_loss(p, torch.tensor([[0, 1, 1, 1]]), metric="accuracy").item()
    0.25
    """
    check_labels("confusion_matrix_loss", prediction, target, mask)
    if not callable(metric):
        check_choice("confusion_matrix_loss", "metric", metric, METRICS)
    check_weight("confusion_matrix_loss", weight, prediction.shape[:-3])
    check_reduction("confusion_matrix_loss", reduction)
    t, counts = shares(target, prediction, mask)
    (p,) = hide(counts, prediction)
    matrix = t.flatten(-2) @ p.flatten(-2).mT
    # A share of all pixels, as metrics do not depend on the scale.
    matrix = matrix / max(p.shape[-2] * p.shape[-1], 1)
    score = metric(matrix) if callable(metric) else METRICS[metric](matrix.double()).to(matrix.dtype)
    if not isinstance(score, Tensor) or score.shape != matrix.shape[:-2]:
        got = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
        rule = f"a function from {tuple(matrix.shape)} to {tuple(matrix.shape[:-2])}"
        raise refuse("confusion_matrix_loss", "metric", rule, got, "Sum over the last dimensions alone.")
    values = 1 - score
    seen = None
    if counts is not None:
        seen = counts.flatten(-3).any(-1)
        values = torch.where(seen, values, 0)
    return reduce(values, reduction, mask=seen, weight=weight, dtype=prediction.dtype)


def _accuracy(matrix: Tensor) -> Tensor:
    return ratio(_hits(matrix).sum(-1), matrix.sum((-1, -2)))


def _balanced_accuracy(matrix: Tensor) -> Tensor:
    true = matrix.sum(-1)
    return _mean(ratio(_hits(matrix), true), true)


def _f1(matrix: Tensor) -> Tensor:
    both = matrix.sum(-1) + matrix.sum(-2)
    return _mean(ratio(2 * _hits(matrix), both), both)


def _iou(matrix: Tensor) -> Tensor:
    union = matrix.sum(-1) + matrix.sum(-2) - _hits(matrix)
    return _mean(ratio(_hits(matrix), union), union)


def _mcc(matrix: Tensor) -> Tensor:
    true, predicted, total = matrix.sum(-1), matrix.sum(-2), matrix.sum((-1, -2))
    top = _hits(matrix).sum(-1) * total - (true * predicted).sum(-1)
    spread = [(sums * (total[..., None] - sums)).sum(-1) for sums in (true, predicted)]
    return ratio(top, safe_root(spread[0]) * safe_root(spread[1]))


def _hits(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


def _mean(values: Tensor, sizes: Tensor) -> Tensor:
    """Returns the mean over the classes that have a size."""
    some = ~(sizes.detach() <= 0)
    return torch.where(some, values, 0).sum(-1) / some.sum(-1).clamp(min=1)


METRICS: dict[str, Callable[[Tensor], Tensor]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "iou": _iou,
    "mcc": _mcc,
}
