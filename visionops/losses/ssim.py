"""Structural dissimilarity, with masks: 1 - `visionops.metrics.ssim`."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import mistake
from visionops.metrics.ssim import Window, filtered, similarity


def ssim(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
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
        window_size: odd number of taps of the Gaussian window.
        sigma: of the window, in pixels.
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
    Source: Wang et al. 2004, see `visionops.metrics.ssim`. Kornia's `SSIMLoss` is half of this.

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 16, 16)
    >>> round(ssim(0.5 * ramp, ramp).item(), 3)
    0.349
    """
    window = Window(window_size, sigma, data_range, padding)
    window.check(prediction, target, reduction, ("prediction", "target"))
    counts = None
    if mask is not None:
        mask = _over(prediction, "mask", mask)
        # The images, not the loss: NaN times a gradient of 0 is NaN.
        prediction, target = (torch.where(mask, image, 0) for image in (prediction, target))
        hidden = filtered((~mask).to(torch.float32), np.ones((1, window_size)))
        counts = window.centres(hidden) == 0
    loss = 1 - similarity(prediction, target, window)
    if weight is not None:
        weight = window.centres(_over(prediction, "weight", weight)).to(loss.dtype)
        weight = weight if counts is None else torch.where(counts, weight, 0)
        loss = loss * weight
    elif counts is not None:
        loss = torch.where(counts, loss, 0)
    if reduction == "none":
        return loss.to(prediction.dtype)
    total = loss.sum()
    if reduction == "mean":
        scale = weight if weight is not None else counts
        number = loss.numel() if scale is None else scale.expand(loss.shape).sum()
        total = total / (max(number, 1) if isinstance(number, int) else torch.where(number > 0, number, 1))
    return total.to(prediction.dtype)


def _over(image: Tensor, name: str, values: Tensor) -> Tensor:
    """Returns a mask or weight whose last two dimensions are the image's; the others broadcast."""
    try:
        fits = torch.broadcast_shapes(values.shape, image.shape) == image.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise mistake("ssim", name, f"broadcastable to {tuple(image.shape)}", tuple(values.shape))
    if name == "mask" and values.dtype != torch.bool:
        raise mistake("ssim", name, "boolean", values.dtype, "Compare it: mask > 0.")
    return values.expand(*values.shape[:-2], *image.shape[-2:])
