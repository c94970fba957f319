"""Minima and maxima over structuring elements, in plain torch.

A flat element is a tuple of runs (dy, x0, x1): of the row dy from the pixel, the columns x0 to x1, both included, from
it. Others are heights (kh, kw) that are subtracted before a minimum and added before a maximum. What lies outside the
image does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels.rank.definition import padded, pick

Runs = tuple[tuple[int, int, int], ...]
Result = Literal["second", "image - second", "second - image", "second - first"]
RESULTS = get_args(Result)


def extremum(image: Shaped[Tensor, "b c h w"], runs: Runs, largest: bool) -> Shaped[Tensor, "b c h w"]:
    """Returns the least or largest value over the element at each pixel; of equals the first in reading order."""
    at = offsets(runs)
    if not is_box(runs):
        return _extreme(image, at, largest)
    for line in ([(0, x) for x in range(runs[0][1], runs[0][2] + 1)], [(y, 0) for y, _, _ in runs]):
        image = _extreme(image, line, largest)
    return image


def compound(
    image: Shaped[Tensor, "b c h w"],
    first: Callable[[Tensor], Tensor],
    second: Callable[[Tensor], Tensor],
    result: Result,
) -> Shaped[Tensor, "b c h w"]:
    """Returns what two extremes make: the second is of the first, or of the image where the first is subtracted."""
    one = first(image)
    two = second(image if result == "second - first" else one)
    if result == "second":
        return two
    a, b = (image, two) if result == "image - second" else (two, image if result == "second - image" else one)
    return a - (torch.minimum(a, b) if a.dtype == torch.uint8 else b)


def weighted_extremum(
    image: Float[Tensor, "b c h w"], heights: Float[Tensor, "kh kw"], anchor: tuple[int, int], largest: bool
) -> Float[Tensor, "b c h w"]:
    """Returns the least of image - heights, or the largest of image + heights, anchored at each pixel."""
    values = _raised(image, heights, anchor, largest)
    read = values.detach()
    index = read.argmax(-1, keepdim=True) if largest else read.argmin(-1, keepdim=True)
    return values.gather(-1, index).squeeze(-1)


def soft_extremum(
    image: Float[Tensor, "b c h w"],
    heights: Float[Tensor, "kh kw"],
    anchor: tuple[int, int],
    largest: bool,
    temperature: float | Tensor,
) -> Float[Tensor, "b c h w"]:
    """Returns t log mean exp(x / t) of what `weighted_extremum` is the largest of, and so for the least."""
    sign = 1 if largest else -1
    # Far below any image, and still finite when it is divided: infinities would have no gradient.
    lowest = -1e30
    heights = heights.clamp(min=lowest)
    values = _raised(image, heights, anchor, largest, fill=sign * lowest)
    inside = _raised(torch.zeros_like(image), heights.detach(), anchor, largest, fill=sign * lowest)
    count = (sign * inside > lowest / 2).sum(-1)
    scaled = sign * values / (temperature if not isinstance(temperature, Tensor) else temperature[..., None])
    return sign * temperature * (scaled.logsumexp(-1) - count.clamp(min=1).to(image.dtype).log())


def identity(dtype: torch.dtype, largest: bool) -> float:
    """Returns what a minimum or maximum ignores."""
    if dtype == torch.uint8:
        return 0 if largest else 255
    return -math.inf if largest else math.inf


def is_box(runs: Runs) -> bool:
    """Returns whether the runs are rows of one rectangle, in order."""
    return all(r[1:] == runs[0][1:] and r[0] == runs[0][0] + i for i, r in enumerate(runs))


def offsets(runs: Runs) -> list[tuple[int, int]]:
    """Returns (dy, dx) of each pixel of the element, in reading order."""
    return [(dy, dx) for dy, x0, x1 in runs for dx in range(x0, x1 + 1)]


def _extreme(image: Tensor, at: list[tuple[int, int]], largest: bool) -> Tensor:
    if at == [(0, 0)]:
        return image
    wide, top, left = _reaching(image, at, identity(image.dtype, largest))
    h, w = image.shape[2:]
    read = wide.detach()
    values = torch.stack([read[..., y - top : y - top + h, x - left : x - left + w] for y, x in at])
    first = values.argmax(0) if largest else values.argmin(0)
    down, across = (torch.tensor(axis, device=image.device)[first] for axis in zip(*at, strict=True))
    return pick(wide, down - top, across - left)


def _raised(
    image: Tensor, heights: Tensor, anchor: tuple[int, int], largest: bool, fill: float | None = None
) -> Shaped[Tensor, "b c h w n"]:
    kh, kw = heights.shape
    at = [(y - anchor[0], x - anchor[1]) for y in range(kh) for x in range(kw)]
    wide, top, left = _reaching(image, at, identity(image.dtype, largest) if fill is None else fill)
    h, w = image.shape[2:]
    values = torch.stack([wide[..., y - top : y - top + h, x - left : x - left + w] for y, x in at], -1)
    return values + heights.flatten() if largest else values - heights.flatten()


def _reaching(image: Tensor, at: list[tuple[int, int]], fill: float) -> tuple[Tensor, int, int]:
    """Returns the image with all that offsets from its pixels meet, and the offset of its corner."""
    ys, xs = zip(*at, strict=True)
    top, left = min(0, *ys), min(0, *xs)
    wide = padded(image, 2, -top, max(0, *ys), "constant", fill)
    return padded(wide, 3, -left, max(0, *xs), "constant", fill), top, left
