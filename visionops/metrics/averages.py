"""Means over the pixels that count, for each sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


def pixel_means(
    terms: Sequence[Shaped[Tensor, "*batch 1 h w"]], mask: Bool[Tensor, "*mask"] | None
) -> tuple[Float[Tensor, "*batch n"], Int[Tensor, "*batch"]]:
    """Returns the mean of each term over the pixels that count, NaN where none does, and how many count.

    Args:
        terms: the first floating, in which means are taken; any that are boolean give shares. All are 0 where masked.
        mask: True where pixels count.
    """
    pixels = (-3, -2, -1)
    total = torch.stack([term.sum(pixels).to(terms[0].dtype) for term in terms], -1)
    counts = torch.ones_like(terms[0], dtype=torch.bool) if mask is None else mask.expand(terms[0].shape)
    count = counts.sum(pixels)
    return total / count[..., None], count
