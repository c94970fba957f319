"""The negative peak signal-to-noise ratio, with masks: the logarithm of each image's mean squared error."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_positive
from visionops.metrics.psnr import decibels, mean_squares

from .reduction import check_mask, check_pair, check_reduction, check_weight, hide, reduce


def psnr(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    data_range: float = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns minus the peak signal-to-noise ratio, in decibels, of each sample: lower is better.

    Args:
        prediction: floating; the squares are averaged over all of a sample, its channels too.
        target: of the same shape.
        data_range: between black and white, 1 for images in [0, 1].
        mask: True where pixels count in the average, broadcast to (*batch, c, h, w). What is masked, NaN too, reaches
            neither loss nor gradient; a sample without pixels is 0.
        weight: of pixels in the average, broadcast to (*batch, c, h, w).
        reduction: "none" gives one for each sample, (*batch); "sum" their sum; "mean" their mean, of those that have
            pixels.

    Raises:
        ValueError: for shapes that differ, and a range that is not above 0.

    Gradient: to both images and the weight, of every order. A mean squared error below (data_range eps)^2, eps that of
    the dtype, counts as that, with gradient 0: equal images give -138.5 dB in float32. Half precision computes in
    float32.
    Source: see `visionops.metrics.psnr`. Kornia's `psnr_loss` takes one mean of squares over the whole batch.

    >>> black = torch.zeros(1, 8, 8)
    >>> round(psnr(black + 0.1, black).item(), 3)
    -20.0
    """
    check_pair("psnr", prediction, target)
    check_positive("psnr", "data_range", data_range)
    check_mask("psnr", mask, prediction.shape)
    check_weight("psnr", weight, prediction.shape)
    check_reduction("psnr", reduction)
    counts = None
    if mask is None and weight is None:
        mean = mean_squares(prediction, target)
    else:
        (difference,) = hide(mask, prediction - target)
        portion = difference.new_ones(()) if weight is None else weight.to(difference.dtype)
        portion = (portion if mask is None else torch.where(mask, portion, 0)).expand(difference.shape)
        total = portion.sum((-3, -2, -1))
        counts = total > 0
        mean = (difference.square() * portion).sum((-3, -2, -1)) / torch.where(counts, total, 1)
    least = (data_range * torch.finfo(mean.dtype).eps) ** 2
    return reduce(-decibels(mean.clamp(min=least), data_range), reduction, mask=counts, dtype=prediction.dtype)
