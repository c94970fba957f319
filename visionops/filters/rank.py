"""Rank filters: the value of a given rank around each pixel, hard or by a soft sorting network.

A soft exchange of a and b, d = b - a, gives  (a + b) / 2 -+ d atan(d / t) / pi,  which never falls when a or b rises
(Petersen et al.'s Cauchy sigmoid): as t goes to 0 it becomes the minimum and the maximum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, kernel_sizes, per_sample, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.rank import rank as hard_rank
from visionops.kernels.rank.definition import windows
from visionops.module import as_module

# Of a tensor of temperatures, whose values are not checked; colder ones select.
COLDEST = 1e-6


def rank_filter(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int],
    rank: int | None = None,
    quantile: float | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "replicate",
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the value of a rank in the window around each pixel, of each channel by itself.

    Args:
        image: floating or uint8. Without NaN: what lies near one is undefined.
        kernel_size: of the window, one number or (height, width), odd or even; its middle is at size // 2.
        rank: from 0, the minimum, to height * width - 1, the maximum; negative ones count from the maximum, -1.
        quantile: instead of a rank, 0 to 1: the rank nearest to quantile * (height * width - 1), ties to even.
        border: what lies outside; "constant" is 0.
        soft: None selects. A temperature, in the units of a floating image ([0, 1] for uint8), sorts by smooth
            exchanges: about the difference below which two values are mixed. A number, or one for each sample (*batch).

    Raises:
        ValueError: for not exactly one of rank and quantile, one out of range, a kernel size below 1, soft not above
            0, or an unknown border.

    Gradient: hard, to the pixel whose value it is; of equal ones to the first in reading order of the window. Soft, to
    every pixel of the window and to the temperature where it is a tensor; it is smooth. Cost: a window of n values has
    a network of about (log2 n)^2 / 2 layers, which take n values for each pixel; keep soft windows small.
    Source: scipy.ndimage.rank_filter; Petersen et al., Monotonic Differentiable Sorting Networks (2022), eq. 9 (soft).

    >>> image = torch.tensor([[[1.0, 5.0, 2.0], [4.0, 3.0, 9.0], [7.0, 8.0, 6.0]]])
    >>> rank_filter(image, kernel_size=3, rank=-2)[0, 1, 1].item()
    8.0
    """
    check_image("rank_filter", image)
    check_border("rank_filter", border)
    size = kernel_sizes("rank_filter", kernel_size, odd=False)
    k = _rank(rank, quantile, size[0] * size[1])
    flat = flatten(image)
    if soft is None:
        return unflatten(hard_rank(flat, k, size, border=border), image.shape[:-3])
    temperature = per_sample("rank_filter", "soft", soft, image)
    if not isinstance(temperature, Tensor):
        if not temperature > 0:
            raise refuse("rank_filter", "soft", "None or above 0", soft)
    else:
        temperature = temperature.to(to_unit(flat[:0]).dtype).clamp(min=COLDEST)[:, None, None, None]
    around = windows(to_unit(flat), size, border, 0.0)
    return unflatten(from_unit(_soft_sort(around, temperature)[k], image.dtype), image.shape[:-3])


def _rank(rank: int | None, quantile: float | None, count: int) -> int:
    if (rank is None) == (quantile is None):
        raise refuse("rank_filter", "rank", "given, or quantile, one of them", (rank, quantile))
    if quantile is not None:
        if not isinstance(quantile, int | float) or not 0 <= quantile <= 1:
            raise refuse("rank_filter", "quantile", "a number in [0, 1]", quantile)
        return round(quantile * (count - 1))
    if not isinstance(rank, int) or not -count <= rank < count:
        raise refuse("rank_filter", "rank", f"an integer in [{-count}, {count - 1}] for this kernel_size", rank)
    return rank % count


def _soft_sort(values: Shaped[Tensor, "n ..."], temperature: float | Tensor) -> Shaped[Tensor, "n ..."]:
    """Returns the values in softly ascending order along the first dimension."""
    n = values.shape[0]
    for pairs in _network(n):
        partner = list(range(n))
        side = [0.0] * n
        for low, high in pairs:
            partner[low], partner[high], side[low], side[high] = high, low, -1 / math.pi, 1 / math.pi
        other = values[torch.tensor(partner, device=values.device)]
        apart = other - values
        sign = torch.tensor(side, dtype=values.dtype, device=values.device).reshape(-1, *(1,) * (values.ndim - 1))
        values = (values + other) / 2 + sign * (apart * torch.atan(apart / temperature))
    return values


def _network(n: int) -> list[list[tuple[int, int]]]:
    """Returns the layers of Batcher's odd-even merge sort of n values: pairs (low, high) to put in order."""
    layers = []
    p = 1
    while p < n:
        k = p
        while k:
            pairs = []
            for j in range(k % p, n - k, 2 * k):
                for i in range(j, min(j + k, n - k)):
                    if i // (2 * p) == (i + k) // (2 * p):
                        pairs.append((i, i + k))
            layers.append(pairs)
            k //= 2
        p *= 2
    return layers


RankFilter = as_module(rank_filter)
