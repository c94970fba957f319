"""Multi-scale structural dissimilarity, with masks: 1 - `visionops.metrics.ms_ssim`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.metrics.ms_ssim import WEIGHTS, check_levels, factors, halved, power
from visionops.metrics.ssim import Window

from .reduction import check_mask, check_weight, hide, reduce
from .ssim import over, whole_windows


def ms_ssim(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    weights: Sequence[float] = WEIGHTS,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 minus the multi-scale structural similarity: 0 where the images are equal, at most 1.

    Args:
        prediction: floating; the coarsest level must hold the window, which the defaults allow from 176 pixels on.
        target: of the same shape.
        weights: the exponent of each level, from fine to coarse; as many levels as weights.
        window_size: odd number of taps of the window.
        sigma: of the Gaussian, in pixels of each level.
        window: "gaussian" or "box".
        data_range: between black and white.
        padding: as in `ssim`.
        mask: True where pixels count, broadcast to (*batch, c, h, w). A coarse pixel counts if the four that it is made
            of do, and a window if all its pixels do; a level without one is left out, and a sample without any level is
            0. What is masked, NaN too, reaches neither the loss nor the gradient.
        weight: of the window around each pixel in the means over windows, broadcast to (*batch, c, h, w); coarse pixels
            have the mean of four.
        reduction: "none" gives one for each sample, (*batch); "sum" their sum; "mean" their mean, of those that have
            something to count.

    Raises:
        ValueError: for no weights, and as `ssim`.

    Gradient: to both images and the weight, of every order; see `visionops.metrics.ms_ssim`.
    Source: Wang, Simoncelli and Bovik 2003. Kornia's `MS_SSIMLoss` is another loss: a mixture with L1, whose windows
    grow instead of images shrinking.

    >>> ramp = torch.linspace(0, 1, 192).expand(1, 192, 192)
    >>> round(ms_ssim(0.5 * ramp, ramp).item(), 3)
    0.143
    """
    options = Window(window_size, sigma, data_range, padding, window, "ms_ssim")
    check_levels(prediction, target, options, weights, reduction, ("prediction", "target"))
    check_mask("ms_ssim", mask, prediction.shape)
    check_weight("ms_ssim", weight, prediction.shape)
    values, counts = (
        torch.ones((), device=prediction.device),
        torch.zeros((), dtype=torch.bool, device=prediction.device),
    )
    mask, weight = (None if v is None else over(v, prediction.shape, options) for v in (mask, weight))
    x, y = hide(mask, prediction, target)
    maps = factors(x, y, options, len(weights))
    for factor, exponent in zip(maps, weights, strict=True):
        mean, some = _mean(factor, mask, weight, options)
        values, counts = values * torch.where(some, power(mean, exponent), 1), counts | some
        mask = None if mask is None else _halved(~mask) == 0
        weight = None if weight is None else _halved(weight)
    number = counts.expand(values.shape).sum(-1)
    loss = torch.where(counts, 1 - values, 0).sum(-1) / number.clamp(min=1)
    return reduce(loss, reduction, mask=number > 0, dtype=prediction.dtype)


def _mean(
    factor: Float[Tensor, "*batch c h w"], mask: Tensor | None, weight: Tensor | None, window: Window
) -> tuple[Float[Tensor, "*batch c"], Bool[Tensor, "*#batch #c"]]:
    """Returns the means over windows that count, and where there are any; elsewhere they are 0."""
    shape = [n + 2 * (window.size // 2) if window.padding == "valid" else n for n in factor.shape[-2:]]
    if mask is None and weight is None:
        return factor.mean((-2, -1)), torch.ones((), dtype=torch.bool, device=factor.device)
    portion = torch.ones((), dtype=factor.dtype, device=factor.device) if weight is None else window.centres(weight)
    if mask is not None:
        portion = torch.where(whole_windows(mask, shape, window), portion, 0)
    total = portion.sum((-2, -1))
    some = total > 0
    return (factor * portion).sum((-2, -1)) / torch.where(some, total, 1), some


def _halved(values: Tensor) -> Tensor:
    """Returns the means of 2x2 of weights, or of what a mask hides."""
    values = values if values.is_floating_point() else values.float()
    return halved(values if values.ndim > 2 else values[None])
