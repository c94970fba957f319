"""Multi-scale structural similarity.

MS = prod_{j < M} CS_j^{w_j}  S_M^{w_M},    CS = (2 sxy + C2) / (sx^2 + sy^2 + C2)

with the means over windows of both factors of `ssim`, CS, and of their product S, at levels that halve by 2x2 means.
Source: Wang, Simoncelli and Bovik, Multi-scale structural similarity for image quality assessment, Asilomar 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import flatten, unflatten
from visionops.errors import refuse
from visionops.kernels import resample

from .ssim import Window, averaged, similarity

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ms_ssim(
    image1: Float[Tensor, "*batch c h w"],
    image2: Float[Tensor, "*batch c h w"],
    *,
    weights: Sequence[float] = WEIGHTS,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the multi-scale structural similarity of two images: 1 where they are equal, at least 0.

    Each channel has its own, and a sample their mean.

    Args:
        image1: floating; the coarsest level must hold the window, which the defaults allow from 176 pixels on.
        image2: of the same shape.
        weights: the exponent w_j of each level, from fine to coarse; as many levels as weights.
        window_size: odd number of taps of the window.
        sigma: of the Gaussian, in pixels of each level.
        window: "gaussian" or "box".
        data_range: between black and white.
        padding: as in `ssim`.
        reduction: "mean" and "sum" over samples; "none" gives one for each, (*batch).

    Raises:
        ValueError: for no weights, and as `ssim`.

    Gradient: to both images, of every order. A mean below 0, which is rare, counts as 0, with gradient 0.
    Source: Wang, Simoncelli and Bovik 2003. pytorch-msssim is the same number where sides halve without rest; a last
    row or column that has no partner is left out here, averaged with black there. torchmetrics averages over channels
    before it takes powers, and has windows outside the image at the coarsest level.

    >>> ramp = torch.linspace(0, 1, 192).expand(1, 192, 192)
    >>> ms_ssim(ramp, ramp).item(), round(ms_ssim(ramp, 0.5 * ramp).item(), 3)
    (1.0, 0.857)
    """
    options = Window(window_size, sigma, data_range, padding, window, "ms_ssim")
    check_levels(image1, image2, options, weights, reduction, ("image1", "image2"))
    values = torch.ones(())
    for factor, weight in zip(factors(image1, image2, options, len(weights)), weights, strict=True):
        values = values * power(factor.mean((-2, -1)), weight)
    return averaged(values.mean(-1), reduction, image1.dtype)


def check_levels(
    x: Tensor, y: Tensor, window: Window, weights: Sequence[float], reduction: str, names: tuple[str, str]
) -> None:
    """Raises for a caller's mistake."""
    window.check(x, y, reduction, names)
    if not isinstance(weights, Sequence) or not weights or not all(w >= 0 for w in weights):
        raise refuse("ms_ssim", "weights", "exponents of at least one level, not below 0", weights)
    window.check_size(x.shape, names[0], len(weights))


def halved(image: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c oh ow"]:
    """Returns the means of blocks of 2x2."""
    h, w = image.shape[-2] // 2, image.shape[-1] // 2
    even = image[..., : 2 * h, : 2 * w]
    return unflatten(resample(flatten(even), (h, w), "area", "area"), image.shape[:-3])


def factors(x: Tensor, y: Tensor, window: Window, levels: int) -> list[Float[Tensor, "*batch c _h _w"]]:
    """Returns the maps CS of all levels but the last, whose S it is."""
    maps = []
    for level in range(levels):
        last = level == levels - 1
        maps.append(similarity(x, y, window, structure=not last))
        x, y = (x, y) if last else (halved(x), halved(y))
    return maps


def power(mean: Tensor, weight: float) -> Tensor:
    """Returns a mean to the power of its weight; below 0 it counts as 0."""
    below = mean <= 0
    return torch.where(below, 0, torch.where(below, 1, mean) ** weight)
