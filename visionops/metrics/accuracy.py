"""The share of labels that are right, or among the k of the highest scores."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from visionops.arguments import check_count
from visionops.errors import refuse
from visionops.losses.reduction import check_mask

from .confusion_matrix import check_integers


def accuracy(
    prediction: Shaped[Tensor, "*labels"],
    target: Int[Tensor, "*shape"],
    *,
    top_k: int = 1,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> Float[Tensor, ""]:
    """Returns the share of elements that are right, from 0 to 1, over the whole batch; NaN if none counts.

    Args:
        prediction: labels of the target's shape, or floating scores (*shape, classes).
        target: the true labels.
        top_k: with scores, how many of the highest may hold the true label. Of equal scores, the class that comes
            first is the higher. NaN is higher than all, and a true label whose score is NaN is missed.
        mask: True where elements count, broadcast to the target's shape. Negative labels do not count either.

    Raises:
        ValueError: for shapes that do not go together, and a top_k of 0.

    Gradient: none: it counts.

    >>> scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    >>> accuracy(scores, torch.tensor([1, 2])).item(), accuracy(scores, torch.tensor([1, 2]), top_k=2).item()
    (0.5, 1.0)
    """
    hits, count = hits_of("accuracy", prediction, target, top_k, mask)
    return hits / count


def hits_of(function: str, prediction: Any, target: Any, top_k: Any, mask: Any) -> tuple[Tensor, Tensor]:
    """Returns how many elements are right, and of how many."""
    check_integers(function, "target", target)
    check_count(function, "top_k", top_k)
    scored = isinstance(prediction, Tensor) and prediction.is_floating_point()
    if not scored:
        check_integers(function, "prediction", prediction)
    shape = prediction.shape[:-1] if scored else prediction.shape
    if shape != target.shape:
        want = f"{tuple(target.shape)}, or with scores (*{tuple(target.shape)}, classes)"
        first = scored and (*prediction.shape[:1], *prediction.shape[2:]) == tuple(target.shape)
        remedy = "Move the classes to the end: prediction.movedim(1, -1)." if first else ""
        raise refuse(function, "prediction", f"of shape {want}", tuple(prediction.shape), remedy)
    check_mask(function, mask, target.shape)
    right = _among(prediction, target, top_k) if scored else prediction == target
    counts = target >= 0
    if mask is not None:
        counts = counts & mask
    return (right & counts).sum(), counts.sum()


def _among(scores: Float[Tensor, "*shape classes"], target: Int[Tensor, "*shape"], k: int) -> Bool[Tensor, "*shape"]:
    """Returns whether the true class is among the k of the highest scores."""
    classes = torch.arange(scores.shape[-1], device=scores.device)
    own = target.long()[..., None]
    known = own < len(classes)
    score = scores.gather(-1, torch.where(known & (own >= 0), own, 0))
    above = ~(scores <= score) | ((scores == score) & (classes < own))
    return ((above.sum(-1, keepdim=True) < k) & known & ~score.isnan()).squeeze(-1)
