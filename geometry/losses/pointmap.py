"""The loss of maps of points with a confidence.

loss = c l - alpha log c,   l = |x / mean |x| - y / mean |y||
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_range
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import safe_root

from .fields import check_alike, check_beside, check_fields, of_pixels

# DUSt3R's least scale: points that all lie in the origin have none.
LEAST = 1e-8


def pointmap_confidence(
    prediction: Float[Tensor, "*batch 3 h w"],
    target: Float[Tensor, "*batch 3 h w"],
    confidence: Float[Tensor, "*batch 1 h w"] | None = None,
    *,
    alpha: float = 0.2,
    normalize: bool = True,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the distances of predicted points from the true ones, each taken as seriously as the network asks for.

    Args:
        prediction: x, the point that each pixel sees, as of `depth_to_points`, in the frame of one camera. Views that
            share frame and scale go side by side in one map.
        target: y, the true ones, of the same shape and dtype.
        confidence: c, above 0, of the same batch, size and dtype; DUSt3R's network gives 1 + exp. None: 1, the distance
            alone.
        alpha: at least 0, what confidence is worth: a point at the distance l is best off with c = alpha / l.
        normalize: whether to divide the points of each sample by their mean distance from the origin, over what is not
            masked, the predicted and the true ones by their own: then no scale counts, and l has no unit. A metric
            network takes False.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives the map (*batch, 1, h, w), 0 where masked; "sum" its weighted sum; "mean" divides that
            by the sum of the weights that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and an alpha below 0.

    Gradient: to both points, through their scales too, the confidence and the weight; 0 of l where points are equal. A
        scale below 1e-8 is 1e-8, with gradient 0.
    Source: Wang et al., DUSt3R: Geometric 3D Vision Made Easy, 2024, equations 2 to 4. Its code takes the mean over
        each of two views, and the scale over both.

    >>> points = torch.tensor([3.0, 0.0, 4.0]).reshape(3, 1, 1)
    >>> pointmap_confidence(points, 2 * points).item(), pointmap_confidence(points, 2 * points, normalize=False).item()
    (0.0, 5.0)
    """
    function = "pointmap_confidence"
    check_fields(function, "prediction", prediction, 3)
    check_alike(function, "target", target, "prediction", prediction)
    if confidence is not None:
        check_fields(function, "confidence", confidence, 1)
        check_beside(function, "confidence", confidence, "prediction", prediction)
    check_range(function, "alpha", alpha, 0)
    check_mask(function, mask, of_pixels(prediction))
    check_weight(function, weight, of_pixels(prediction))
    check_reduction(function, reduction)
    x, y = hide(mask, prediction, target)
    if normalize:
        x, y = (t / _scale(t, mask) for t in (x, y))
    values = _length(x - y)
    if confidence is not None:
        c = confidence if mask is None else torch.where(mask, confidence, 1)
        values = c * values - alpha * c.log()
    return reduce(values, reduction, mask=mask, weight=weight, dtype=prediction.dtype)


def _length(points: Tensor) -> Float[Tensor, "*batch 1 h w"]:
    return safe_root(points.square().sum(-3, keepdim=True))


def _scale(points: Tensor, mask: Tensor | None) -> Float[Tensor, "*batch 1 1 1"]:
    """Returns the mean distance from the origin, where what is masked lies."""
    total = _length(points).sum((-3, -2, -1), keepdim=True)
    if mask is None:
        return (total / max(points.shape[-2] * points.shape[-1], 1)).clamp(min=LEAST)
    count = mask.expand(of_pixels(points)).sum((-3, -2, -1), keepdim=True)
    return (total / count.clamp(min=1)).clamp(min=LEAST)
