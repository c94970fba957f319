"""Errors of depth, as the evaluations of monocular depth print them.

With p the prediction, z the truth and d = log p - log z, means over the pixels of an image:

abs_rel = mean |p - z| / z        rmse = sqrt mean (p - z)^2        log10 = mean |d| / log 10
sq_rel = mean (p - z)^2 / z       rmse_log = sqrt mean d^2          silog = sqrt (mean d^2 - (mean d)^2)
delta_k = the share of max(p / z, z / p) < 1.25^k
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.arguments import check_choice, check_number, check_positive
from visionops.errors import refuse

from .averages import pixel_means
from .disparity_errors import check_map

SCALINGS = ("none", "median")
NEAR = 1.25


class DepthErrorValues(NamedTuple):
    """Of each sample: relative and absolute errors, and the shares of pixels within factors of 1.25, 1.25^2, 1.25^3."""

    abs_rel: Float[Tensor, "*batch"]
    sq_rel: Float[Tensor, "*batch"]
    rmse: Float[Tensor, "*batch"]
    rmse_log: Float[Tensor, "*batch"]
    log10: Float[Tensor, "*batch"]
    silog: Float[Tensor, "*batch"]
    delta1: Float[Tensor, "*batch"]
    delta2: Float[Tensor, "*batch"]
    delta3: Float[Tensor, "*batch"]


def depth_errors(
    prediction: Float[Tensor, "*batch 1 h w"],
    target: Float[Tensor, "*batch 1 h w"],
    *,
    min_depth: float = 1e-3,
    max_depth: float | None = None,
    scaling: Literal["none", "median"] = "none",
    mask: Bool[Tensor, "*mask"] | None = None,
) -> DepthErrorValues:
    """Returns `(abs_rel, sq_rel, rmse, rmse_log, log10, silog, delta1, delta2, delta3)` of each sample.

    The deltas are shares, from 0 to 1, and better when large; all others are better when small. `rmse` and `sq_rel` are
    in the unit of the depth, the rest have none; logarithms are natural but in `log10`; KITTI prints 100 silog.

    Args:
        prediction: depth, above 0.
        target: true depth, of the same shape and dtype.
        min_depth: only true depths above it count, so 0 and NaN may stand for no measurement; predictions are raised to
            it, which is above 0.
        max_depth: only true depths below it count, and predictions are lowered to it; 80 for KITTI, 10 for NYU. None:
            no cap.
        scaling: "median" first multiplies the prediction of each sample by the median of the true depths that count,
            over the median of the prediction there: for networks that know no scale.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked may be NaN. Where none of a sample
            counts, its values are NaN.

    Raises:
        ValueError: for shapes that differ, a mask that does not fit, and options out of range.

    Gradient: none; the losses have one. A prediction of NaN is off by more than any factor, and as part of a median
        takes the whole sample with it. Half precision computes in float32.
    Source: Eigen, Puhrsch and Fergus, Depth Map Prediction from a Single Image, 2014, section 4.2; the order of
        scaling, cap and means is that of Godard et al., Digging Into Self-Supervised Monocular Depth Estimation, 2019.

    >>> target = torch.tensor([[[1.0, 2.0, 4.0, 0.0]]])
    >>> errors = depth_errors(1.1 * target, target)
    >>> round(errors.abs_rel.item(), 4), round(errors.rmse.item(), 4), round(errors.silog.item(), 4)
    (0.1, 0.2646, 0.0)
    """
    means, _ = depth_means("depth_errors", prediction, target, min_depth, max_depth, scaling, mask)
    return DepthErrorValues(*means.to(prediction.dtype).unbind(-1))


def depth_means(
    function: str, prediction: Any, target: Any, min_depth: float, max_depth: float | None, scaling: str, mask: Any
) -> tuple[Float[Tensor, "*batch 9"], Int[Tensor, "*batch"]]:
    """Returns the values of `depth_errors`, at least in float32, and of how many pixels they are."""
    check_map(function, prediction, target, mask)
    check_options(function, min_depth, max_depth, scaling)
    top = math.inf if max_depth is None else max_depth
    prediction, target = prediction.detach(), target.detach()
    counts = (target > min_depth) & (target < top)
    if mask is not None:
        counts = counts & mask
    if scaling == "median":
        prediction = prediction * (_median(target, counts) / _median(prediction, counts))
    prediction = torch.where(counts, prediction.clamp(min_depth, top), 1)
    target = torch.where(counts, target, 1)
    error, logs = prediction - target, prediction.log() - target.log()
    ratio = torch.maximum(prediction / target, target / prediction)
    terms = [error.abs() / target, error.square() / target, error.square(), logs.square(), logs.abs(), logs]
    means, count = pixel_means([*terms, *(~(ratio < NEAR**k) for k in (1, 2, 3))], counts)
    abs_rel, sq_rel, square, square_log, log, bias, *far = means.unbind(-1)
    # About their mean: the difference of two means would lose the digits of a small spread.
    spread = torch.where(counts, logs - bias[..., None, None, None], 0).square()
    (variance,) = pixel_means([spread], counts)[0].unbind(-1)
    near = [1 - share for share in far]
    roots = square.sqrt(), square_log.sqrt(), log / math.log(10), variance.sqrt()
    return torch.stack([abs_rel, sq_rel, *roots, *near], -1), count


def check_options(function: str, min_depth: Any, max_depth: Any, scaling: Any) -> None:
    """Raises for options out of range."""
    check_positive(function, "min_depth", min_depth)
    check_choice(function, "scaling", scaling, SCALINGS)
    if max_depth is not None:
        check_number(function, "max_depth", max_depth)
        if not max_depth > min_depth:
            raise refuse(function, "max_depth", f"above min_depth, {min_depth}", max_depth)


def _median(values: Tensor, counts: Tensor) -> Float[Tensor, "*batch 1 1 1"]:
    """Returns the median of what counts, as NumPy's: between two in the middle their mean. Infinite of nothing."""
    counts, values = counts.flatten(-3), values.flatten(-3)
    if not values.shape[-1]:
        return values.new_full((*values.shape[:-1], 1, 1, 1), torch.inf)
    unknown = (counts & values.isnan()).any(-1, keepdim=True)
    order = torch.where(counts, values, torch.inf).sort(-1).values
    count = counts.sum(-1, keepdim=True)
    middle = [((count - 1).clamp(min=0) // 2), (count // 2).clamp(max=order.shape[-1] - 1)]
    median = (order.gather(-1, middle[0]) + order.gather(-1, middle[1])) / 2
    return torch.where(unknown, torch.nan, median)[..., None, None]
