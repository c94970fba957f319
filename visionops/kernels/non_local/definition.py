"""Non-local means in plain torch: the meaning of `non_local`.

out(p) = sum_q w(p, q) image(q) / sum_q w(p, q),   w(p, q) = exp(rate * max(d(p, q) - floor, 0))
d(p, q) = mean over the patch and the channels of (image(p + k) - image(q + k))^2

over the q of a square about p.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.box import filter_box
from visionops.kernels.dense.definition import pad


def non_local(
    image: Float[Tensor, "b c h w"],
    rate: Float[Tensor, "#b"],
    floor: Float[Tensor, "#b"],
    *,
    patch: int,
    search: int,
    border: str,
) -> Float[Tensor, "b c h w"]:
    """Returns the averages; arguments as in `visionops.kernels.non_local`, already checked."""
    around = pad(image, [patch + search] * 2, border, 0)
    rate, floor = rate[:, None, None, None], floor[:, None, None, None]
    # Differences from the middle, whose weight is 1: a flat image stays as it is, to the bit.
    total, change = torch.ones_like(image[:, :1]), torch.zeros_like(image)
    for dy, dx in _offsets(search):
        pair = _Pair(image, patch, patch + search, dy, dx)
        distance = pair.mean((around[pair.one] - around[pair.other]).square().mean(1, keepdim=True))
        weight = torch.exp(rate * (distance - floor).clamp(min=0))
        for here, there in pair.ends:
            total = total + weight[here]
            change = change + weight[here] * (around[there] - image)
    return image + change / total


def _offsets(search: int) -> list[tuple[int, int]]:
    """Returns one (dy, dx) of every two that are opposite."""
    return [(dy, dx) for dy in range(search + 1) for dx in range(-search, search + 1) if dy > 0 or dx > 0]


class _Pair:
    """Where an offset (dy, dx) reads and writes: slices of what is padded by `margin`, and of the distances.

    Distances are of p and p + offset, for all p of the image and all p with p + offset in the image.
    """

    def __init__(self, image: Tensor, patch: int, margin: int, dy: int, dx: int) -> None:
        h, w = image.shape[-2:]
        left, self.patch = max(dx, 0), patch
        top = margin - dy - patch
        side = margin - left - patch
        high, wide = h + dy + 2 * patch, w + abs(dx) + 2 * patch
        self.one = _window(top, side, high, wide)
        self.other = _window(top + dy, side + dx, high, wide)
        ahead, behind = _window(margin + dy, margin + dx, h, w), _window(margin - dy, margin - dx, h, w)
        # The offset and the opposite one: where the distances have them, and what they look at.
        self.ends = ((_window(dy, left, h, w), ahead), (_window(0, left - dx, h, w), behind))
        self.inner = _window(patch, patch, high - 2 * patch, wide - 2 * patch)

    def mean(self, squares: Tensor) -> Tensor:
        """Returns the means over whole patches."""
        return filter_box(squares, 2 * self.patch + 1, 2 * self.patch + 1)[self.inner]


def _window(top: int, left: int, height: int, width: int) -> tuple[Any, ...]:
    return (..., slice(top, top + height), slice(left, left + width))
