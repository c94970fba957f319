"""Errors of optical flow: how far the end of a predicted vector is from the true one.

e = |f - f*|
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.errors import refuse
from visionops.losses.reduction import check_mask, check_pair, hide

from .averages import pixel_means

LEVELS = (1, 3, 5)
# An outlier of KITTI is off by more than so many pixels and by more than this part of the truth.
OFF, PART = 3, 0.05


class EndpointErrorValues(NamedTuple):
    """Of each sample: the mean error in pixels, and the shares of pixels that are off by more."""

    epe: Float[Tensor, "*batch"]
    bad1: Float[Tensor, "*batch"]
    bad3: Float[Tensor, "*batch"]
    bad5: Float[Tensor, "*batch"]
    fl_all: Float[Tensor, "*batch"]


def endpoint_error(
    prediction: Float[Tensor, "*batch 2 h w"],
    target: Float[Tensor, "*batch 2 h w"],
    *,
    mask: Bool[Tensor, "*mask"] | None = None,
) -> EndpointErrorValues:
    """Returns `(epe, bad1, bad3, bad5, fl_all)` of each sample; smaller is better.

    `epe` is the mean end-point error in pixels; `bad1`, `bad3` and `bad5` are the shares of pixels, from 0 to 1, whose
    error is above 1, 3 and 5 pixels; `fl_all` is the share of KITTI's outliers: above 3 pixels and above 5 % of the
    length of the true vector. RAFT prints 1 - bad1 and so on, KITTI 100 fl_all.

    Args:
        prediction: flow (x, y) in pixels.
        target: true flow, of the same shape and dtype.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked may be NaN. Where all of a sample
            is, its values are NaN.

    Raises:
        ValueError: for shapes that differ, and a mask that does not fit.

    Gradient: none; the losses have one. A prediction of NaN is off by more than any number. Half precision computes in
        float32.
    Source: Baker et al., A Database and Evaluation Methodology for Optical Flow, 2011; Menze and Geiger, Object Scene
        Flow for Autonomous Vehicles, 2015.

    >>> flow = torch.tensor([3.0, 4.0]).reshape(2, 1, 1).expand(2, 1, 2)
    >>> [value.item() for value in endpoint_error(flow * torch.tensor([0.0, 1.0]), flow)]
    [2.5, 0.5, 0.5, 0.0, 0.5]
    """
    means, _ = flow_means("endpoint_error", prediction, target, mask)
    return EndpointErrorValues(*means.to(prediction.dtype).unbind(-1))


def flow_means(
    function: str, prediction: Any, target: Any, mask: Any
) -> tuple[Float[Tensor, "*batch 5"], Int[Tensor, "*batch"]]:
    """Returns the values of `endpoint_error`, at least in float32, and of how many pixels they are."""
    check_pair(function, prediction, target, "(*batch, 2, h, w)")
    if prediction.shape[-3] != 2:
        raise refuse(function, "prediction", "of shape (*batch, 2, h, w)", tuple(prediction.shape))
    check_mask(function, mask, (*prediction.shape[:-3], 1, *prediction.shape[-2:]))
    prediction, target = hide(mask, prediction.detach(), target.detach())
    error = (prediction - target).square().sum(-3, keepdim=True).sqrt()
    beyond = {level: ~(error <= level) for level in LEVELS}
    outlier = beyond[OFF] & ~(error <= PART * target.square().sum(-3, keepdim=True).sqrt())
    return pixel_means([error, *beyond.values(), outlier], mask)
