"""The loss of a sequence of predictions, each better than the one before.

loss = sum over i < n of gamma^(n - 1 - i) mean over channels of |prediction_i - target|
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_positive, check_range
from visionops.errors import refuse
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, reduce

from .fields import check_alike, check_fields, mean_distance, of_pixels


def sequence_loss(
    predictions: Sequence[Float[Tensor, "*batch c h w"]],
    target: Float[Tensor, "*batch c h w"],
    *,
    gamma: float = 0.8,
    max_flow: float | None = 400.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the weighted sum of the errors of all predictions of a network that refines flow or disparity.

    Args:
        predictions: from first to last, each of the target's shape and dtype; a list, or a tensor whose first dimension
            is theirs.
        target: true flow (c = 2) or disparity (c = 1), in pixels.
        gamma: from 0 to 1: what an earlier prediction weighs less than the next; the last one weighs 1.
        max_flow: pixels whose target is this long or longer do not count; None: all that are finite do.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient, and so does what is not finite in the target.
        weight: of each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives the map (*batch, 1, h, w), 0 where masked; "sum" its weighted sum; "mean" divides that
            by the sum of the weights that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for no predictions, shapes that differ, and options out of range.

    Gradient: to predictions, target and weight; 0 where they are equal.
    Source: Teed and Deng, RAFT, 2020, equation 7, as its code computes it: L1 over components is their mean. Its mean
        is over all pixels, those that do not count too: this times the share of pixels that count.

    >>> target = torch.ones(2, 1, 1)
    >>> sequence_loss([0 * target, 2 * target, target], target).item().__round__(2)  # 0.64 + 0.8 + 0
    1.44
    """
    function = "sequence_loss"
    check_fields(function, "target", target)
    if isinstance(predictions, Tensor):
        predictions = predictions.unbind(0) if predictions.ndim else ()
    if not isinstance(predictions, list | tuple) or not predictions:
        raise refuse(function, "predictions", "at least one tensor", type(predictions).__name__, "Give them in a list.")
    for prediction in predictions:
        check_alike(function, "predictions", prediction, "target", target)
    _check_range(function, gamma, max_flow)
    check_mask(function, mask, of_pixels(target))
    check_weight(function, weight, of_pixels(target))
    check_reduction(function, reduction)
    counts = _within(target, max_flow)
    counts = counts if mask is None else counts & mask
    values = mean_distance(predictions, target, counts, gamma)
    return reduce(values, reduction, mask=counts, weight=weight, dtype=target.dtype)


def _check_range(function: str, gamma: float, max_flow: float | None) -> None:
    check_range(function, "gamma", gamma, 0, 1)
    if max_flow is not None:
        check_positive(function, "max_flow", max_flow)


def _within(target: Tensor, max_flow: float | None) -> Bool[Tensor, "*batch 1 h w"]:
    """Returns where all components are finite and their length is less than the most."""
    target = target.detach()
    if max_flow is None:
        return target.isfinite().all(-3, keepdim=True)
    return target.square().sum(-3, keepdim=True) < max_flow**2
