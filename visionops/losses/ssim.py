"""Structural dissimilarity, with masks: 1 - `visionops.metrics.ssim`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.metrics.ssim import Window, filtered, similarity

from .reduction import Reduction, check_mask, check_weight, hide, reduce


def ssim(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    mask: Bool[Tensor, "*shape"] | None = None,
    weight: Float[Tensor, "*shape"] | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 minus the structural similarity: 0 where the images are equal, at most 2.

    Args:
        prediction: floating, of at least `window_size` each way.
        target: of the same shape.
        window_size: odd number of taps of the window.
        sigma: of the Gaussian, in pixels.
        window: "gaussian", or "box" of equal weights, as of the 3x3 and 7x7 in other papers.
        data_range: between black and white, 1 for images in [0, 1].
        padding: "valid" counts whole windows only; "reflect" has one at every pixel, and reads a mirror image outside.
        mask: True where pixels count, broadcast to (*batch, c, h, w). A window counts if all its pixels do. What is
            masked, NaN too, reaches neither the loss nor the gradient.
        weight: of the window around each pixel, broadcast to (*batch, c, h, w).
        reduction: "none" gives the map (*batch, c, h, w), smaller by window_size - 1 each way with "valid", 0 where
            masked; "sum" its weighted sum; "mean" divides that by the sum of the weights of the windows that count
            (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that differ or are smaller than the window, and for options out of range.

    Gradient: to both images and the weight, of every order; finite at flat and at equal images, 0 where all is
    masked. Half precision computes in float32.
    Source: Wang et al. 2004, see `visionops.metrics.ssim`. Kornia's `SSIMLoss` is half of this, and so is monodepth2's
    loss, with a box of 3 and "reflect".

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 16, 16)
    >>> round(ssim(0.5 * ramp, ramp).item(), 3)
    0.349
    """
    options = Window(window_size, sigma, data_range, padding, window)
    return dissimilarity(prediction, target, options, mask, weight, reduction)


def dissimilarity(
    prediction: Tensor, target: Tensor, window: Window, mask: Tensor | None, weight: Tensor | None, reduction: Reduction
) -> Tensor:
    """Returns 1 minus the similarity, reduced, of arguments that it checks."""
    window.check(prediction, target, reduction, ("prediction", "target"))
    check_mask(window.function, mask, prediction.shape)
    check_weight(window.function, weight, prediction.shape)
    prediction, target = hide(mask, prediction, target)
    loss = 1 - similarity(prediction, target, window)
    counts = None if mask is None else whole_windows(mask, prediction.shape, window)
    if weight is not None:
        weight = window.centres(over(weight, prediction.shape, window))
    return reduce(loss, reduction, mask=counts, weight=weight, dtype=prediction.dtype)


def whole_windows(mask: Tensor, shape: Sequence[int], window: Window) -> Tensor:
    """Returns which windows (..., h', w') have no pixel that is masked."""
    hidden = filtered((~over(mask, shape, window)).float(), np.ones((1, window.size)), window.dims)
    return window.centres(hidden) == 0


def over(values: Tensor, shape: Sequence[int], window: Window) -> Tensor:
    """Returns a mask or weight whose last dimensions are the image's; the others broadcast."""
    return values.expand(*values.shape[: -window.dims], *shape[-window.dims :])
