"""The normalised Laplacian pyramid: differences as the retina and what follows it may see them.

d = mean over levels k of  sqrt(mean (y_k - y*_k)^2),        y_k = z_k / (sigma_k + sum_j p_kj |z_k| at neighbour j)

with the levels z_k of a Laplacian pyramid, each divided by what its neighbours predict of its size. Source: Laparra,
Balle, Berardino and Simoncelli, Perceptual image quality assessment using a normalized Laplacian pyramid, HVEI 2016;
constants, filter and borders are those of their code.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_count, check_positive
from visionops.errors import refuse
from visionops.filters import filter2d

from .reduction import Reduction, check_mask, check_pair, check_reduction, check_weight, hide, reduce
from .robust import safe_root

SIGMAS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
# Of the neighbours around each coefficient, in the middle; learned on photos of nature.
WEIGHTS = tuple(
    np.array(rows)
    for rows in (
        [[0, 0, 0.1015, 0, 0], [0.0072, 0.1460, 0, 0.1493, 0], [0, 0, 0.1011, 0, 0]],
        [[0, 0.0837, 0], [0.1846, 0, 0.1986], [0, 0.0757, 0]],
        [[0, 0.0467, 0], [0.2243, 0, 0.2138], [0, 0.0477, 0]],
        [[0.2616, 0, 0.2503]],
        [[0.2552, 0, 0.2598]],
        [[0.0717, 0, 0.2215]],
    )
)


def normalized_laplacian_pyramid(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    levels: int = 6,
    data_range: float = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the normalised Laplacian pyramid distance of each channel: 0 where the images are equal.

    Args:
        prediction: floating, higher and wider than 2^(levels - 2) pixels. The constants are those of luminance.
        target: of the same shape.
        levels: from 2 to 6; the last is the small image that remains, which has the constants of the sixth.
        data_range: between black and white.
        mask: True where pixels count, broadcast to (*batch, c, h, w). What is masked, NaN too, is black in both images,
            and the coefficients centred there do not count; a channel without pixels is 0.
        weight: of the coefficients centred at each pixel, broadcast to (*batch, c, h, w).
        reduction: "none" gives one for each channel, (*batch, c); "sum" their sum; "mean" their mean, of those that
            have pixels.

    Raises:
        ValueError: for levels that the image is too small for, and shapes that do not fit.

    Gradient: to both images and the weight; at equal images the subgradient 0. Half precision computes in float32.
    Source: Laparra et al. 2016. Its taps are 0.05 0.25 0.4 0.25 0.05 where `visionops.resample.laplacian_pyramid` has
    1 4 6 4 1, images are mirrored with their edge, and levels without. Their rendering paper of 2017 has one filter for
    all levels, and an exponent of 0.6 over them.

    >>> ramp = torch.linspace(0, 1, 32).expand(1, 32, 32)
    >>> round(normalized_laplacian_pyramid(0.5 * ramp, ramp).item(), 3)
    0.66
    """
    function = "normalized_laplacian_pyramid"
    check_pair(function, prediction, target)
    check_count(function, "levels", levels, least=2)
    if levels > len(SIGMAS):
        raise refuse(function, "levels", f"at most {len(SIGMAS)}", levels)
    if min(prediction.shape[-2:]) <= 2 ** (levels - 2):
        rule = f"higher and wider than {2 ** (levels - 2)}"
        raise refuse(function, "prediction", rule, tuple(prediction.shape), "Ask for fewer levels.")
    check_positive(function, "data_range", data_range)
    check_mask(function, mask, prediction.shape)
    check_weight(function, weight, prediction.shape)
    check_reduction(function, reduction)
    portion = _portion(mask, weight, prediction)
    x, y = hide(mask, prediction, target)
    distance, counts = x.new_zeros(()), torch.zeros((), dtype=torch.bool, device=x.device)
    for level, (a, b) in enumerate(
        zip(_pyramid(x / data_range, levels), _pyramid(y / data_range, levels), strict=True)
    ):
        which = level if level < levels - 1 else -1
        difference = _normalized(a, which) - _normalized(b, which)
        mean, some = _mean(difference.square(), portion, 2**level)
        distance, counts = distance + safe_root(mean) / levels, counts | some
    return reduce(distance, reduction, mask=counts, dtype=prediction.dtype)


def _portion(mask: Tensor | None, weight: Tensor | None, like: Tensor) -> Tensor | None:
    """Returns what each pixel counts, (..., h, w)."""
    if mask is None and weight is None:
        return None
    portion = torch.ones((), device=like.device) if weight is None else weight
    portion = portion if mask is None else torch.where(mask, portion, 0)
    return portion.expand(*portion.shape[:-2], *like.shape[-2:])


def _mean(values: Tensor, portion: Tensor | None, step: int) -> tuple[Tensor, Tensor]:
    """Returns the means over the pixels that count, at every so many, and where there are any."""
    if portion is None:
        return values.mean((-2, -1)), torch.ones((), dtype=torch.bool, device=values.device)
    portion = portion[..., ::step, ::step].to(values.dtype)
    total = portion.sum((-2, -1))
    some = total > 0
    return (values * portion).sum((-2, -1)) / torch.where(some, total, 1), some


def _normalized(z: Tensor, level: int) -> Tensor:
    return z / (SIGMAS[level] + filter2d(z.abs(), WEIGHTS[level], border="constant"))


def _pyramid(image: Tensor, levels: int) -> list[Tensor]:
    pyramid = []
    for _ in range(levels - 1):
        small = _halved(_halved(image, -2), -1)
        pyramid.append(image - _doubled(_doubled(small, -2, image.shape[-2]), -1, image.shape[-1]))
        image = small
    return [*pyramid, image]


def _halved(x: Tensor, dim: int) -> Tensor:
    n = x.shape[dim]
    whole = torch.cat([x.narrow(dim, 0, 2).flip(dim), x, x.narrow(dim, n - 2, 2).flip(dim)], dim).movedim(dim, -1)
    ends, sides = (whole[..., i : i + n : 2] + whole[..., j : j + n : 2] for i, j in ((0, 4), (1, 3)))
    return (0.05 * ends + 0.25 * sides + 0.4 * whole[..., 2 : 2 + n : 2]).movedim(-1, dim)


def _doubled(x: Tensor, dim: int, size: int) -> Tensor:
    n = x.shape[dim]
    whole = torch.cat([x.narrow(dim, 0, 1), x, x.narrow(dim, n - 1, 1)], dim).movedim(dim, -1)
    left, middle, right = (whole[..., i : i + n] for i in range(3))
    both = torch.stack([0.1 * (left + right) + 0.8 * middle, 0.5 * (middle + right)], -1).flatten(-2)
    return both[..., :size].movedim(-1, dim)
