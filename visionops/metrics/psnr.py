"""Peak signal-to-noise ratio: 10 log10(range^2 / mean squared error), in decibels."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_positive
from visionops.kernels.functions import is_traced
from visionops.losses.blocks import BLOCK
from visionops.losses.reduction import check_pair, check_reduction, wide

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
    check_pair("psnr", image1, image2)
    check_positive("psnr", "data_range", data_range)
    check_reduction("psnr", reduction)
    x, y = wide(image1, image2)
    squares = mean_squares(x - y)
    same = squares <= 0
    values = torch.where(same, torch.inf, decibels(torch.where(same, 1, squares), data_range))
    return averaged(values, reduction, image1.dtype)


def mean_squares(x: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch"]:
    """Returns the mean square of each sample."""
    flat = x.flatten(-3)
    return flat.square().mean(-1) if is_traced() else _MeanSquares.apply(flat)


class _MeanSquares(torch.autograd.Function):
    """Means of squares along the last dimension, some columns at a time."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        step = max(BLOCK // (x.element_size() * max(len(rows), 1)), 1) if x.device.type == "cpu" else x.shape[-1]
        sums = torch.stack([(b * b).sum(-1) for b in rows.split(step, -1)]).sum(0)
        return (sums / max(x.shape[-1], 1)).reshape(x.shape[:-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (grad * (2 / max(x.shape[-1], 1)))[..., None] * x


def decibels(squares: Tensor, data_range: float) -> Tensor:
    """Returns the ratio of mean squared errors above 0."""
    return 20 * math.log10(data_range) - 10 * squares.log10()
