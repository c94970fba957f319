"""Tap tables: which source pixels each output pixel of an axis reads, and how much of each.

With s = source / size and c = (i + 1/2) s the centre of output pixel i in pixel edges:

    bilinear, bicubic, lanczos   w(j + 1/2 - c), of the two, four or eight pixels around c; beyond the edge the last
    ..._antialias                w((j + 1/2 - c) / max(s, 1)) over its support, normalised; beyond the edge nothing
    area                         the part of [i s, (i + 1) s] that pixel j covers
    pyramid_down, pyramid_up     1 4 6 4 1 of every other pixel, or between pixels; the edge reflects
    binomial/k/n/reflect         k binomial taps around every n-th pixel; beyond the edges "constant" (nothing),
                                 "replicate" or "reflect"
    reflect:n, and so on         pixel i - n, by a rule beyond the edges: "reflect", "replicate" or "circular"
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from visionops.kernels.warp.definition import fold

# As OpenCV and torch; with antialias as Pillow, and torch there too.
BICUBIC_A = -0.75
BICUBIC_ANTIALIAS_A = -0.5


def table(kind: str, source: int, size: int) -> tuple[Tensor, Tensor]:
    """Returns the indices (size, k) into an axis of `source` pixels, and their weights, float64."""
    at = torch.arange(size, device="cpu")[:, None]
    if kind == "same":
        return at, torch.ones(size, 1, dtype=torch.float64, device="cpu")
    if kind == "nearest":
        return (2 * at + 1) * source // (2 * size), torch.ones(size, 1, dtype=torch.float64, device="cpu")
    if kind == "area":
        first = at * source // size
        index = first + torch.arange(-(-source // size) + 1, device="cpu")
        # In units of 1 / size of a pixel all edges are whole.
        cover = torch.minimum((index + 1) * size, (at + 1) * source) - torch.maximum(index * size, at * source)
        return index.clamp(max=source - 1), cover.clamp(min=0).double() / source
    if kind == "pyramid_down":
        index = 2 * at + torch.arange(-2, 3, device="cpu")
        return fold(index, source, "reflect"), _row(1, 4, 6, 4, 1).expand(size, 5) / 16
    if kind == "pyramid_up":
        # Every other pixel is zero before the filter, so that five taps are three or two, and reflection is about
        # the first pixel and about half a pixel after the last.
        index = (at // 2 + torch.arange(-1, 2, device="cpu")).abs().clamp(max=source - 1)
        return index, torch.where(at % 2 == 0, _row(1, 6, 1), _row(0, 4, 4)) / 8
    if kind.startswith("binomial"):
        _, taps, step, border = kind.split("/")
        return _binomial(at * int(step), int(taps), border, source)
    border, _, before = kind.partition(":")
    if before:
        return fold(at - int(before), source, border), torch.ones(size, 1, dtype=torch.float64, device="cpu")
    centre = (at.double() + 0.5) * (source / size)
    name, _, antialias = kind.partition("_")
    if antialias:
        return _antialiased(name, centre, source, max(source / size, 1.0))
    radius, weight = KERNELS[name]
    first = (centre - 0.5).floor() - (radius - 1)
    index = first + torch.arange(2 * radius, device="cpu")
    weights = weight((index + 0.5 - centre).abs())
    return index.long().clamp(0, source - 1), weights / weights.sum(1, keepdim=True)


def moves(kind: str) -> bool:
    """Returns whether outputs are pixels as they are, whatever these hold."""
    return kind in ("same", "nearest") or ":" in kind


def _antialiased(name: str, centre: Tensor, source: int, scale: float) -> tuple[Tensor, Tensor]:
    """Pixels from floor(c - r + 1/2) to floor(c + r + 1/2), as Pillow's precompute_coeffs."""
    radius, weight = ANTIALIASED[name]
    support = radius * scale
    index = (centre - support + 0.5).floor() + torch.arange(2 * math.ceil(support) + 1, device="cpu")
    weights = weight((index + 0.5 - centre).abs() / scale)
    inside = (index >= 0) & (index < source) & (index < (centre + support + 0.5).floor())
    weights = torch.where(inside, weights, 0.0)
    return index.long().clamp(0, source - 1), weights / weights.sum(1, keepdim=True)


def _binomial(centre: Tensor, taps: int, border: str, source: int) -> tuple[Tensor, Tensor]:
    index = centre + torch.arange(-(taps // 2), taps // 2 + 1, device="cpu")
    weights = _row(*(math.comb(taps - 1, k) / 2 ** (taps - 1) for k in range(taps))).expand(index.shape)
    if border == "constant":
        weights = torch.where((index >= 0) & (index < source), weights, 0.0)
    return fold(index, source, border), weights


def _row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64, device="cpu")


def _triangle(d: Tensor) -> Tensor:
    return (1 - d).clamp(min=0)


def _cubic(d: Tensor, a: float) -> Tensor:
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((d - 5) * d + 8) * d * a - 4 * a
    return torch.where(d < 1, inner, torch.where(d < 2, outer, 0.0))


def _lanczos(d: Tensor, radius: int) -> Tensor:
    return torch.where(d < radius, torch.sinc(d) * torch.sinc(d / radius), 0.0)


Kernel = tuple[int, Callable[[Tensor], Tensor]]
KERNELS: dict[str, Kernel] = {
    "bilinear": (1, _triangle),
    "bicubic": (2, lambda d: _cubic(d, BICUBIC_A)),
    "lanczos": (4, lambda d: _lanczos(d, 4)),
}
ANTIALIASED: dict[str, Kernel] = {
    "bilinear": (1, _triangle),
    "bicubic": (2, lambda d: _cubic(d, BICUBIC_ANTIALIAS_A)),
    "lanczos": (3, lambda d: _lanczos(d, 3)),
}
KINDS = (
    "same", "nearest", "area", "pyramid_down", "pyramid_up", *KERNELS, *(f"{name}_antialias" for name in ANTIALIASED)
)  # fmt: skip
