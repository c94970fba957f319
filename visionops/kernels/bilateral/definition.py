"""The bilateral filter in plain torch: the meaning of `bilateral`.

out(p) = sum_q w(p, q) image(q) / sum_q w(p, q)
w(p, q) = exp(-|guide(q) - guide(p)|_1^2 / (2 sigma_color^2) - |q - p|^2 / (2 sigma_space^2))

over the q of an ellipse about p; |.|_1 adds up the channels' differences.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.dense.definition import pad


def bilateral(
    image: Float[Tensor, "b c h w"],
    guide: Float[Tensor, "b g h w"] | None,
    sigma_color: Float[Tensor, "#b"],
    sigma_space: Float[Tensor, "#b"],
    *,
    size: tuple[int, int],
    border: str,
) -> Float[Tensor, "b c h w"]:
    """Returns the filtered image; arguments as in `visionops.kernels.bilateral`, already checked."""
    h, w = image.shape[-2:]
    ry, rx = size[0] // 2, size[1] // 2
    around = pad(image, [ry, rx], border, 0)
    around_guide = around if guide is None else pad(guide, [ry, rx], border, 0)
    guide = image if guide is None else guide
    by_color = (-0.5 / sigma_color.square())[:, None, None, None]
    by_space = (-0.5 / sigma_space.square())[:, None, None, None]
    # Differences from the middle, whose weight is 1: a flat patch stays as it is, to the bit.
    total: Tensor | float = 1.0
    change = torch.zeros_like(image)
    for dy, dx in offsets(ry, rx):
        if dy == 0 == dx:
            continue
        window = (..., slice(ry + dy, ry + dy + h), slice(rx + dx, rx + dx + w))
        distance = (around_guide[window] - guide).abs().sum(1, keepdim=True)
        weight = torch.exp(distance.square() * by_color + (dy * dy + dx * dx) * by_space)
        total = total + weight
        change = change + weight * (around[window] - image)
    return image + change / total


def offsets(ry: int, rx: int) -> list[tuple[int, int]]:
    """Returns the (dy, dx) of the ellipse of these radii, row by row."""
    return [
        (dy, dx)
        for dy in range(-ry, ry + 1)
        for dx in range(-rx, rx + 1)
        if (dy * max(rx, 1)) ** 2 + (dx * max(ry, 1)) ** 2 <= (max(ry, 1) * max(rx, 1)) ** 2
    ]
