"""The area under the recall curve of errors, up to thresholds.

AUC(a) = (1 / a) integral of recall(e) from 0 to a

where the curve runs straight from (0, 0) through (e_i, i / n), the errors in order, and level after the last below a.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from visionops.errors import refuse
from visionops.losses.reduction import check_floating, check_mask

THRESHOLDS = (5.0, 10.0, 20.0)


def auc_from_errors(
    errors: Float[Tensor, "*batch n"],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> Float[Tensor, "*batch k"]:
    """Returns the area under the recall curve up to each threshold, from 0 to 1; NaN of no errors.

    Args:
        errors: at least 0, in any one unit: the `largest` of `pose_errors`, in degrees. What failed is infinite; NaN
            counts as failed.
        thresholds: above 0, in that unit.
        mask: True where errors count, broadcast to (*batch, n).

    Raises:
        ValueError: for no tensor, a mask that does not fit, and thresholds of 0 or less.

    Gradient: none. Half precision computes in float32.
    Source: `pose_auc` of Sarlin et al., SuperGlue, 2020, and `error_auc` of Sun et al., LoFTR, 2021; papers print 100
        times as much.

    >>> auc_from_errors(torch.tensor([1.0, 3.0, 30.0, torch.inf]), thresholds=(5, 10)).tolist()
    [0.375, 0.4375]
    """
    check_floating("auc_from_errors", "errors", errors, "(*batch, n)")
    if errors.ndim < 1:
        raise refuse("auc_from_errors", "errors", "of shape (*batch, n)", tuple(errors.shape))
    check_mask("auc_from_errors", mask, errors.shape)
    check_thresholds("auc_from_errors", "thresholds", thresholds)
    errors = errors.detach()
    counts = ~errors.isnan() if mask is None else mask & ~errors.isnan()
    order = torch.where(counts, errors, torch.inf).sort(-1).values
    number = torch.ones_like(errors, dtype=torch.bool) if mask is None else mask.expand(errors.shape)
    number = number.sum(-1, keepdim=True)
    recall = torch.arange(1, order.shape[-1] + 1, device=order.device, dtype=order.dtype) / number
    areas = [_area(order, recall, float(end)) / float(end) for end in thresholds]
    return torch.where(number > 0, torch.stack(areas, -1), torch.nan).to(errors.dtype)


def check_thresholds(function: str, argument: str, thresholds: Any, most: float = math.inf) -> None:
    """Raises unless thresholds are a sequence of one number or more, all above 0 and at most so much."""
    rule = "numbers above 0" + ("" if most == math.inf else f" and at most {most:g}")
    listed = isinstance(thresholds, Sequence | np.ndarray | Tensor) and getattr(thresholds, "ndim", 1) == 1
    if not listed:
        raise refuse(function, argument, rule, thresholds, f"Give ({thresholds},) for one.")
    numbers = all(isinstance(t, float | int | np.number | Tensor) for t in thresholds)
    if not len(thresholds) or not numbers or not all(0 < t <= most for t in thresholds):
        raise refuse(function, argument, rule, tuple(thresholds))


def _area(errors: Float[Tensor, "*batch n"], recall: Float[Tensor, "*batch n"], end: float) -> Float[Tensor, "*batch"]:
    """Returns the area under the curve from 0 to an end, of errors in order and the recall at each."""
    x = pad(pad(errors.clamp(max=end), (1, 0)), (0, 1), value=end)
    y = pad(torch.where(errors < end, recall, 0), (1, 1)).cummax(-1).values  # level from the end on
    return torch.trapezoid(y, x, dim=-1)
