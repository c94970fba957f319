"""The scale-invariant loss of log depth.

loss = mean d^2 - lam (mean d)^2,   d = log prediction - log target
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_positive, check_range
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, reduce
from visionops.losses.robust import safe_root

from .fields import check_alike, check_fields


def scale_invariant_depth(
    prediction: Float[Tensor, "*batch 1 h w"],
    target: Float[Tensor, "*batch 1 h w"],
    *,
    lam: float = 0.5,
    root: bool = False,
    min_depth: float = 1e-3,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the error of log depth of each sample, of which a wrong scale counts only in part.

    Args:
        prediction: depth, above 0; networks that predict its logarithm give its exponential.
        target: true depth, of the same shape, dtype and unit.
        lam: lambda, from 0 to 1: how much of a common factor is forgiven. 0 is the mean square of d, 1 its variance,
            which no scale changes; BTS and AdaBins take 0.85.
        root: whether to take the square root, as those do (they multiply it by 10, which this does not).
        min_depth: above 0. Only true depths above it count, and finite ones, so 0 and NaN may stand for no measurement.
            Below it the logarithm of the prediction goes on as its tangent, so that what is 0 or negative has a finite
            loss and comes back.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each pixel in the means of its sample, broadcast to (*batch, 1, h, w).
        reduction: "none" gives one for each sample (*batch), 0 where nothing counts; "sum" their sum; "mean" their mean
            over the samples of which something counts.

    Raises:
        ValueError: for shapes that do not go together, and options out of range.

    Gradient: to prediction, target and weight, of every order but at min_depth; with `root` 0 at a loss of 0.
    Source: Eigen, Puhrsch and Fergus, Depth Map Prediction from a Single Image using a Multi-Scale Deep Network, 2014,
        equation 4.

    >>> target = torch.tensor([[[1.0, 2.0, 4.0, 0.0]]])
    >>> [round(scale_invariant_depth(2 * target, target, lam=lam).item(), 4) for lam in (0.0, 0.5, 1.0)]
    [0.4805, 0.2402, 0.0]
    """
    function = "scale_invariant_depth"
    check_fields(function, "prediction", prediction, 1)
    check_alike(function, "target", target, "prediction", prediction)
    check_range(function, "lam", lam, 0, 1)
    check_positive(function, "min_depth", min_depth)
    check_mask(function, mask, prediction.shape)
    check_weight(function, weight, prediction.shape)
    check_reduction(function, reduction)
    dtype = prediction.dtype
    counts = (target > min_depth) & (target < torch.inf)
    counts = counts if mask is None else counts & mask
    d = _log(torch.where(counts, prediction, 1), min_depth) - torch.where(counts, target, 1).log()
    heavy = counts if weight is None else torch.where(counts, weight.to(d.dtype), 0)
    total = heavy.sum((-3, -2, -1), keepdim=True, dtype=d.dtype)
    number = torch.where(total > 0, total, 1)
    mean = (d if weight is None else d * heavy).sum((-3, -2, -1), keepdim=True) / number
    # About the mean: the difference of two means would lose the digits of a small spread.
    squares = torch.where(counts, d - mean, 0).square()
    spread = (squares if weight is None else squares * heavy).sum((-3, -2, -1), keepdim=True) / number
    loss = (spread + (1 - lam) * mean.square())[..., 0, 0, 0]
    some = total[..., 0, 0, 0] > 0
    return reduce(safe_root(loss) if root else loss, reduction, mask=some, dtype=dtype)


def _log(depth: Tensor, least: float) -> Tensor:
    """Returns the logarithm, below the least depth its tangent there."""
    above = depth.clamp(min=least)
    return above.log() + (depth - above) / least
