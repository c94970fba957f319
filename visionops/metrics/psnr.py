"""Peak signal-to-noise ratio: 10 log10(range^2 / mean squared error), in decibels."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_positive
from visionops.kernels import native
from visionops.losses.reduction import check_pair, check_reduction
from visionops.losses.robust import robust_sums

from .ssim import averaged


def psnr(
    image1: Float[Tensor, "*batch c h w"],
    image2: Float[Tensor, "*batch c h w"],
    *,
    data_range: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the peak signal-to-noise ratio of images, in decibels: infinite where they are equal.

    Args:
        image1: floating; the squares are averaged over all of a sample, its channels too.
        image2: of the same shape.
        data_range: between black and white, 1 for images in [0, 1].
        reduction: "mean" and "sum" over samples, of decibels; "none" gives one for each, (*batch).

    Raises:
        ValueError: for shapes that differ, and a range that is not above 0.

    Gradient: to both images, of every order; 0 at equal images. Half precision computes in float32.
    Source: `skimage.metrics.peak_signal_noise_ratio` of each image. Kornia's and torchmetrics' take one mean of squares
    over the whole batch.

    >>> black = torch.zeros(1, 8, 8)
    >>> round(psnr(black, black + 0.1).item(), 3), psnr(black, black).item()
    (20.0, inf)
    """
    check_pair("psnr", image1, image2, names=("image1", "image2"))
    check_positive("psnr", "data_range", data_range)
    check_reduction("psnr", reduction)
    squares = mean_squares(image1, image2)
    same = squares <= 0
    values = torch.where(same, torch.inf, decibels(torch.where(same, 1, squares), data_range))
    return averaged(values, reduction, image1.dtype)


def mean_squares(x: Float[Tensor, "*batch c h w"], y: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch"]:
    """Returns the mean squared difference of each sample."""
    a, b = (t.flatten(-3) for t in (x, y))
    if a.numel() and a.dtype == torch.float32 and native.may_be_recorded(a, b):
        sums = robust_sums(*(t.reshape(-1, a.shape[-1]) for t in (a, b)), "square", 1.0)
        return sums.reshape(a.shape[:-1]) / a.shape[-1]
    return (a - b).square().mean(-1)


def decibels(squares: Tensor, data_range: float) -> Tensor:
    """Returns the ratio of mean squared errors above 0."""
    return 20 * math.log10(data_range) - 10 * squares.log10()
