"""Errors of disparity, in pixels.

e = |d - d*|
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.errors import refuse
from visionops.losses.reduction import check_mask, check_pair, hide

from .averages import pixel_means
from .endpoint_error import OFF, PART

LEVELS = (1, 2, 3)


class DisparityErrorValues(NamedTuple):
    """Of each sample: the mean error in pixels, and the shares of pixels that are off by more."""

    epe: Float[Tensor, "*batch"]
    bad1: Float[Tensor, "*batch"]
    bad2: Float[Tensor, "*batch"]
    bad3: Float[Tensor, "*batch"]
    d1_all: Float[Tensor, "*batch"]


def disparity_errors(
    prediction: Float[Tensor, "*batch 1 h w"],
    target: Float[Tensor, "*batch 1 h w"],
    *,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> DisparityErrorValues:
    """Returns `(epe, bad1, bad2, bad3, d1_all)` of each sample; smaller is better.

    `epe` is the mean error in pixels; `bad1`, `bad2` and `bad3` are the shares of pixels, from 0 to 1, whose error is
    above 1, 2 and 3 pixels; `d1_all` is the share of KITTI's outliers: above 3 pixels and above 5 % of the true
    disparity. Benchmarks print shares times 100.

    Args:
        prediction: disparity in pixels.
        target: true disparity, of the same shape and dtype.
        mask: True where pixels count, broadcast to (*batch, 1, h, w): `target > 0` for KITTI, `target.isfinite()` for
            Middlebury. What is masked may be NaN. Where all of a sample is, its values are NaN.

    Raises:
        ValueError: for shapes that differ, and a mask that does not fit.

    Gradient: none; the losses have one. A prediction of NaN is off by more than any number. Half precision computes in
        float32.
    Source: Scharstein and Szeliski, A Taxonomy and Evaluation of Dense Two-Frame Stereo Correspondence Algorithms,
        2002; Menze and Geiger, Object Scene Flow for Autonomous Vehicles, 2015.

    >>> target = torch.tensor([[[10.0, 10.0, 100.0, 0.0]]])
    >>> errors = disparity_errors(target + torch.tensor([0.0, 4.0, 4.0, 9.0]), target, mask=target > 0)
    >>> round(errors.epe.item(), 3), round(errors.bad3.item(), 3), round(errors.d1_all.item(), 3)
    (2.667, 0.667, 0.333)
    """
    means, _ = disparity_means("disparity_errors", prediction, target, mask)
    return DisparityErrorValues(*means.to(prediction.dtype).unbind(-1))


def disparity_means(
    function: str, prediction: Any, target: Any, mask: Any
) -> tuple[Float[Tensor, "*batch 5"], Int[Tensor, "*batch"]]:
    """Returns the values of `disparity_errors`, at least in float32, and of how many pixels they are."""
    check_map(function, prediction, target, mask)
    prediction, target = hide(mask, prediction.detach(), target.detach())
    error = (prediction - target).abs()
    beyond = {level: ~(error <= level) for level in LEVELS}
    outlier = beyond[OFF] & ~(error <= PART * target.abs())
    return pixel_means([error, *beyond.values(), outlier], mask)


def check_map(function: str, prediction: Any, target: Any, mask: Any) -> None:
    """Raises unless both are floating (*batch, 1, h, w), to which the mask broadcasts."""
    check_pair(function, prediction, target, "(*batch, 1, h, w)")
    if prediction.shape[-3] != 1:
        rule = "of shape (*batch, 1, h, w)"
        raise refuse(function, "prediction", rule, tuple(prediction.shape), "unsqueeze(-3) adds a channel.")
    check_mask(function, mask, prediction.shape)
