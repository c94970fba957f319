"""What the losses of views share: masks of points, and lengths with a gradient at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.losses.robust import safe_root


def length(vector: Float[Tensor, "*shape d"]) -> Float[Tensor, "*shape"]:
    """Returns the Euclidean length, whose gradients of every order are 0 at 0."""
    return safe_root(vector.square().sum(-1))


def check_mask_of(function: str, argument: str, mask: Any, shape: Sequence[int]) -> None:
    """Raises unless a mask of one of two sets is None, or boolean and broadcasts to the (*batch, n) of its set."""
    if mask is None:
        return
    good = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.ndim <= len(shape)
    good = good and all(m in (1, n) for m, n in zip(mask.shape[::-1], tuple(shape)[::-1], strict=False))
    if not good:
        got = f"{tuple(mask.shape)} of {mask.dtype}" if isinstance(mask, Tensor) else type(mask).__name__
        raise refuse(function, argument, f"a boolean tensor broadcastable to {tuple(shape)}", got)


def counts_of(
    mask: Bool[Tensor, "*#shape"] | None,
    shape: Sequence[int],
    like: Tensor,
    samples: Bool[Tensor, "*#batch"] | None = None,
) -> Bool[Tensor, "*shape"]:
    """Returns which of the points of a set (*batch, n) count: those that are not masked, of samples that are not."""
    counts = torch.ones(tuple(shape), dtype=torch.bool, device=like.device)
    counts = counts if mask is None else counts & mask
    return counts if samples is None else counts & samples[..., None]
