"""Window order statistics in plain torch: the meaning of `rank`.

out[y, x] = the k-th smallest, from 0, of image[y - rh .. y - rh + kh - 1, x - rw .. x - rw + kw - 1],  r = k // 2
"""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from visionops.kernels.warp.definition import fold


def rank(
    image: Shaped[Tensor, "b c h w"], k: int, size: tuple[int, int], border: str, fill: float
) -> Shaped[Tensor, "b c h w"]:
    """Returns the k-th smallest value of each window; arguments as in `visionops.kernels.rank`, already checked."""
    wide = widened(image, size, border, fill)
    around = _windows(wide.detach(), size)
    value = around.sort(-1).values[..., k : k + 1]
    # The first of equals in reading order, so that it does not depend on how they were sorted.
    first = (around == value).to(torch.uint8).argmax(-1)
    return pick(wide, first // size[1], first % size[1])


def widened(image: Tensor, size: tuple[int, int], border: str, fill: float) -> Tensor:
    """Returns the image with all that windows around its pixels see."""
    for dim, k in ((2, size[0]), (3, size[1])):
        image = padded(image, dim, k // 2, k - 1 - k // 2, border, fill)
    return image


def windows(
    image: Shaped[Tensor, "b c h w"], size: tuple[int, int], border: str, fill: float
) -> Shaped[Tensor, "n b c h w"]:
    """Returns what lies around each pixel, in reading order, with a graph."""
    h, w = image.shape[2:]
    wide = widened(image, size, border, fill)
    return torch.stack([wide[..., y : y + h, x : x + w] for y in range(size[0]) for x in range(size[1])])


def pick(wide: Tensor, down: Int[Tensor, "b c h w"], across: Int[Tensor, "b c h w"]) -> Shaped[Tensor, "b c h w"]:
    """Returns the value so many rows down and columns across from each pixel of the corner of a wider image."""
    h, w = down.shape[2:]
    y, x = torch.arange(h, device=down.device)[:, None], torch.arange(w, device=down.device)
    index = (y + down) * wide.shape[3] + x + across
    return wide.flatten(2).gather(2, index.flatten(2)).reshape(down.shape)


def _windows(wide: Tensor, size: tuple[int, int]) -> Shaped[Tensor, "b c h w n"]:
    return wide.unfold(2, size[0], 1).unfold(3, size[1], 1).flatten(-2)


def padded(image: Tensor, dim: int, before: int, after: int, border: str, fill: float) -> Tensor:
    """Returns images that go on for some pixels before and after their own along a dimension, 2 or 3."""
    n = image.shape[dim]
    if not before and not after:
        return image
    index = torch.arange(-before, n + after, device=image.device)
    wider = image.index_select(dim, fold(index, n, border))
    if border != "constant":
        return wider
    inside = (index >= 0) & (index < n)
    return torch.where(inside if dim == 3 else inside[:, None], wider, torch.full_like(wider, fill))
