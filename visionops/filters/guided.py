"""Guided filter: in every window the result is a linear function of the guide.

a = (Cov(I, I) + eps Id)^-1 Cov(I, p)     b = mean(p) - a . mean(I)     out = mean(a) . I + mean(b)

I is the guide, p the image; means and covariances are over a window about each pixel, all its pixels alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import (
    check_border,
    check_count,
    check_guide,
    check_image,
    check_positive,
    flatten,
    kernel_sizes,
    per_sample,
    unflatten,
)
from visionops.kernels import resample
from visionops.kernels.box import filter_box
from visionops.kernels.fit import fit
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module


def guided_blur(
    image: Shaped[Tensor, "*batch c h w"],
    guide: Shaped[Tensor, "*batch g h w"] | None = None,
    *,
    kernel_size: int | Sequence[int],
    eps: float | np.ndarray | Tensor,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
    subsample: int = 1,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image smoothed, except where the guide has edges.

    Args:
        image: floating, or uint8 (rounded).
        guide: of the image's size and any number of channels, which are used together; None: the image itself.
        kernel_size: odd size of the windows, or (height, width): 2 r + 1 of a radius r.
        eps: variance, in squares of [0, 1] also for uint8, above which the guide counts as an edge and is kept; more
            than 0; a number, or one for each sample, (*batch).
        border: as `gaussian_blur`. "constant" is 0 outside.
        subsample: how many times smaller the image and guide are that the linear functions are found of: a and b cost
            its square times less, and are blurrier. Sizes are rounded, and so are the windows' radii, to at least 1.

    Raises:
        ValueError: for an even kernel size, an eps of 0, or a guide of another size.

    Gradient: to image, guide, and eps where it is a tensor; smooth also where the guide is flat. Half precision
    computes in float32.
    Source: He, Sun and Tang, "Guided Image Filtering", TPAMI 2013, eqs. 5-8 and 19-21. Their code leaves out the part
    of a window beyond the image; here the border fills it. With subsample, He and Sun, "Fast Guided Filter", arXiv
    1505.00996, 2015, algorithm 2; here it shrinks by means of areas and grows bilinearly.

    >>> step = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).expand(1, 6, 6)
    >>> [round(v, 2) for v in guided_blur(step, kernel_size=3, eps=0.01)[0, 3].tolist()]
    [0.0, 0.0, 0.01, 0.99, 1.0, 1.0]
    """
    check_image("guided_blur", image)
    check_border("guided_blur", border)
    check_positive("guided_blur", "eps", eps)
    check_count("guided_blur", "subsample", subsample)
    size = kernel_sizes("guided_blur", kernel_size)
    x = flatten(to_unit(image))
    given = x if guide is None else flatten(to_unit(check_guide("guided_blur", image, guide))).to(x.dtype)
    ridge = torch.as_tensor(per_sample("guided_blur", "eps", eps, image), dtype=x.dtype, device=x.device).reshape(-1)
    if subsample == 1:
        coefficients = _coefficients(x, given, guide is None, ridge, size, border)
    else:
        h, w = x.shape[-2:]
        small = (_shrunk(h, subsample), _shrunk(w, subsample))
        window = (2 * _shrunk(size[0] // 2, subsample) + 1, 2 * _shrunk(size[1] // 2, subsample) + 1)
        low = [resample(t, small, "area", "area") for t in ((x,) if guide is None else (x, given))]
        coefficients = _coefficients(low[0], low[-1], guide is None, ridge, window, border)
        coefficients = resample(coefficients, (h, w), "bilinear", "bilinear")
    *slopes, out = coefficients.split(x.shape[1], 1)
    for i, slope in enumerate(slopes):
        out = torch.addcmul(out, slope, given[:, i, None])
    return unflatten(from_unit(out, image.dtype), image.shape[:-3])


def _shrunk(length: int, times: int) -> int:
    return max(1, (length + times // 2) // times)


def _coefficients(
    image: Tensor, guide: Tensor, itself: bool, eps: Tensor, size: tuple[int, int], border: str
) -> Tensor:
    """Returns the means of a, guide by guide for each channel, and of b."""
    values = image if itself else torch.cat([guide, image], 1)
    products = (guide[:, :, None] * values[:, None]).flatten(1, 2)
    means, mean_products = (filter_box(t, *size, border=border) for t in (values, products))
    return filter_box(fit(means, mean_products, eps, guides=guide.shape[1]), *size, border=border)


GuidedBlur = as_module(guided_blur)
