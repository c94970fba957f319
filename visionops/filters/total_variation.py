"""Total-variation denoising: the image nearest to a given one, if changes between neighbours cost.

out = argmin_u  weight * sum |grad u| + 1/2 sum (u - image)^2

by Chambolle's projection: u = image - div p, p <- (p - t grad u) / (1 + t |grad u| / weight), so that |p| <= weight.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn.functional import pad

from visionops.arguments import check_count, check_image, check_positive, column
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

# 1 / (2 * number of dimensions): the scheme converges up to this.
STEP = 0.25


def total_variation_denoise(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    weight: float | np.ndarray | Tensor = 0.1,
    iterations: int = 50,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with as little variation as fidelity allows, each channel by itself.

    Args:
        image: floating, or uint8 (rounded once, at the end).
        weight: of the variation, in [0, 1] also for uint8: about the contrast that small details lose; above 0;
            a number, or one for each sample, (*batch).
        iterations: always this many, so that the result is differentiable and does not depend on the batch.

    Raises:
        ValueError: for a weight of 0 or no iterations.

    Gradient: to image, and weight where it is a tensor, of the iterations that ran; where a gradient of the image is
    zero, the subgradient 0 of its length. Autograd keeps about ten images for each iteration. Half precision
    computes in float32.
    Source: Chambolle, "An algorithm for total variation minimization and applications", JMIV 2004. The same iterates as
    scikit-image's denoise_tv_chambolle, which stops by the change of the energy.

    >>> spike = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).expand(1, 1, 5)
    >>> total_variation_denoise(spike, weight=0.1, iterations=200)[0, 0, 2].item().__round__(2)
    0.8
    """
    check_image("total_variation_denoise", image)
    check_positive("total_variation_denoise", "weight", weight)
    check_count("total_variation_denoise", "iterations", iterations)
    x = to_unit(image)
    weight = column("total_variation_denoise", "weight", weight, x)
    out = x
    down, right = torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(iterations - 1):
        by_row, by_column = pad(out.diff(dim=-2), (0, 0, 0, 1)), pad(out.diff(dim=-1), (0, 1))
        shrink = 1 + (STEP / weight) * _length(by_row, by_column)
        down, right = (down - STEP * by_row) / shrink, (right - STEP * by_column) / shrink
        out = x - _divergence(down, right)
    return from_unit(out, image.dtype)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """Returns sqrt(a^2 + b^2), with derivative 0 at 0."""
    square = a.square() + b.square()
    flat = square == 0
    return torch.where(flat, 0, torch.where(flat, 1, square).sqrt())


def _divergence(down: Tensor, right: Tensor) -> Tensor:
    # What flows beyond the last row or column is zero: its difference there is.
    return down.diff(dim=-2, prepend=torch.zeros_like(down[..., :1, :])) + right.diff(
        dim=-1, prepend=torch.zeros_like(right[..., :1])
    )


TotalVariationDenoise = as_module(total_variation_denoise)
