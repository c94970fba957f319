"""Histograms in plain torch: the meaning of what the kernels of this folder compute.

A pixel counts whole in its bin (one tap), or in the bins near it by a B-spline of its distance from their centres, in
bins: linear (two taps) or cubic (four). What lies outside (low, high) is left out.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def bin_sums(
    image: Float[Tensor, "b c h w"], bins: int, low: float, high: float, taps: int
) -> Shaped[Tensor, "b c bins"]:
    """Returns how many pixels are in each bin: int64 of one tap, else in the image's dtype."""
    places, weights = _shares(image.flatten(2), bins, low, high, taps)
    zeros = weights.new_zeros(()).expand(*image.shape[:2], bins)
    return zeros.scatter_add(2, places.flatten(2), weights.flatten(2))


def joint_sums(
    image1: Float[Tensor, "b c h w"],
    image2: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "b c h w"] | None,
    bins: int,
    low: float,
    high: float,
    taps: int,
) -> Shaped[Tensor, "b c bins bins"]:
    """Returns how many pixels are in each pair of bins, of the first image along rows, or what they weigh."""
    (rows, first), (columns, second) = (_shares(x.flatten(2), bins, low, high, taps) for x in (image1, image2))
    if weight is not None:
        first = first * weight.flatten(2)[..., None]
    places = (rows[..., :, None] * bins + columns[..., None, :]).flatten(2)
    weights = (first[..., :, None] * second[..., None, :]).flatten(2)
    zeros = weights.new_zeros(()).expand(*image1.shape[:2], bins * bins)
    return zeros.scatter_add(2, places, weights).unflatten(2, (bins, bins))


def _shares(x: Tensor, bins: int, low: float, high: float, taps: int) -> tuple[Tensor, Tensor]:
    """Returns the bins that each value counts in and how much: (b, c, n, taps) int64, and int64 or floating."""
    inside = ((x >= low) & (x <= high))[..., None]
    at = torch.where(inside[..., 0], x - low, 0) * (bins / (high - low))
    if taps == 1:
        return at.detach().long().clamp(max=bins - 1)[..., None], inside.long()
    at = at - 0.5
    whole = at.detach().floor()
    part = at - whole
    rest = 1 - part
    if taps == 2:
        parts, first = [rest, part], 0
    else:
        inner = [2 / 3 - p**2 + p**3 / 2 for p in (part, rest)]
        parts, first = [rest**3 / 6, *inner, part**3 / 6], -1
    offsets = torch.arange(first, first + taps, device=x.device)
    places = (whole.long()[..., None] + offsets).clamp(0, bins - 1)
    return places, torch.where(inside, torch.stack(parts, -1), 0)
