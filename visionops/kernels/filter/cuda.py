"""Separable correlation in Triton, forward and backward: the GPU's twin of `filter_separable`.

Two launches, along x and then along y, so that a kernel of k x k taps reads 2 k pixels and not k^2; float32 lies
between them. Backward goes the other way. Gradients of taps are sums over tiles in a fixed order; that of the image is
added by atomics where a border repeats pixels, so its last bits there may change from run to run on a GPU.

Importing this imports Triton.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from visionops.kernels.common.tile import OPTIONS, fold, is_wide, place, put, step_of, summed, tiles_of, total


def forward(image: Tensor, taps_x: Tensor, taps_y: Tensor, border: str, fill: float) -> Tensor:
    """Returns the image correlated along x, then along y, contiguous, in the image's dtype.

    Args:
        image: (b, c, h, w) of any strides: uint8, float16, bfloat16 or float32; computed in float32.
        taps_x: (b or 1, k) float32, an odd number.
        taps_y: likewise.
        border: "constant" (the fill), "replicate", "reflect" or "circular".
        fill: in the units of the image.
    """
    between = _along(image, taps_x, torch.float32, border, fill, across=True)
    return _along(between, taps_y, image.dtype, border, fill, across=False)


def backward(
    grad: Tensor,
    image: Tensor | None,
    taps_x: Tensor,
    taps_y: Tensor,
    border: str,
    fill: float,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Returns the gradients by the image and both taps, float32, None where not needed.

    Args:
        grad: by the result, of any strides.
        image: as in `forward`, or None where only its own gradient is needed.
        taps_x: as in `forward`; `taps_y`, `border` and `fill` likewise.
        needs: which gradients to return.
    """
    by_image = by_taps_x = by_taps_y = None
    if needs[2]:
        assert image is not None
        between = _along(image, taps_x, torch.float32, border, fill, across=True)
        by_taps_y = _by_taps(grad, between, taps_y, border, fill, across=False)
    if needs[0] or needs[1]:
        between = _back(grad, taps_y, border, across=False)
        if needs[1]:
            assert image is not None
            by_taps_x = _by_taps(between, image, taps_x, border, fill, across=True)
        if needs[0]:
            by_image = _back(between, taps_x, border, across=True)
    return by_image, by_taps_x, by_taps_y


def _along(image: Tensor, taps: Tensor, dtype: torch.dtype, border: str, fill: float, *, across: bool) -> Tensor:
    b, c, h, w = image.shape
    out = torch.empty(image.shape, dtype=dtype, device=image.device)
    if out.numel() > 0:
        tiles_x, tiles = tiles_of((h, w))
        taps = taps.contiguous()
        along_kernel[(b * tiles,)](
            image, *image.stride(), taps, step_of(taps, taps.shape[1]), taps.shape[1], float(fill), out, c, h, w,
            tiles_x, tiles, BORDER=border, ACROSS=across, WIDE=is_wide(image, out), num_warps=4, **OPTIONS,
        )  # fmt: skip
    return out


def _back(grad: Tensor, taps: Tensor, border: str, *, across: bool) -> Tensor:
    b, c, h, w = grad.shape
    out = torch.zeros(grad.shape, device=grad.device)
    if out.numel() > 0:
        taps = taps.contiguous()
        margin = 0 if border == "constant" else taps.shape[1] // 2
        tiles_x, tiles = tiles_of((h, w + 2 * margin) if across else (h + 2 * margin, w))
        back_kernel[(b * tiles,)](
            grad, *grad.stride(), taps, step_of(taps, taps.shape[1]), taps.shape[1], margin, out, c, h, w,
            tiles_x, tiles, BORDER=border, ACROSS=across, WIDE=is_wide(grad, out), num_warps=4, **OPTIONS,
        )  # fmt: skip
    return out


def _by_taps(grad: Tensor, image: Tensor, taps: Tensor, border: str, fill: float, *, across: bool) -> Tensor:
    b, c, h, w = image.shape
    if image.numel() == 0:
        return torch.zeros(taps.shape, device=grad.device)
    tiles_x, tiles = tiles_of((h, w))
    k = taps.shape[1]
    parts = torch.empty(b, tiles, k, device=grad.device)
    taps_kernel[(b * tiles,)](
        grad, *grad.stride(), image, *image.stride(), k, float(fill), parts, c, h, w, tiles_x, tiles,
        BORDER=border, ACROSS=across, WIDE=is_wide(image, grad), num_warps=4, **OPTIONS,
    )  # fmt: skip
    return summed(parts, taps.shape[0] == 1)


@triton.jit
def read(image, at, line, n, step, line_step, fill, mask, BORDER: tl.constexpr):
    """Returns float32 values at places along a dimension of n pixels, which may lie outside."""
    inside = mask
    if BORDER == "constant":
        inside = mask & (at >= 0) & (at < n)
    value = tl.load(image + fold(at, n, BORDER) * step + line * line_step, inside, 0).to(tl.float32)
    if BORDER == "constant":
        value = tl.where(inside, value, fill)
    return value


@triton.jit
def along_kernel(
    image, step_b, step_c, step_y, step_x, taps, taps_step, size, fill, out, channels, h, w, tiles_x, tiles,
    BORDER: tl.constexpr, ACROSS: tl.constexpr, WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr,
):  # fmt: skip
    """Makes a tile of the correlation along x (ACROSS) or y."""
    sample, _, u, v, mask = place(tiles_x, tiles, h, w, WIDE, TILE_X, TILE_Y)
    plane = tl.cast(h, tl.int64) * w
    for c in range(channels):
        source = image + sample * step_b + tl.cast(c, tl.int64) * step_c
        sums = tl.zeros([TILE_X * TILE_Y], tl.float32)
        for k in range(size):
            if ACROSS:
                value = read(source, u + k - size // 2, v, w, step_x, step_y, fill, mask, BORDER)
            else:
                value = read(source, v + k - size // 2, u, h, step_y, step_x, fill, mask, BORDER)
            sums += tl.load(taps + sample * taps_step + k) * value
        put(out + (sample * channels + c) * plane + v * w + u, sums, mask)


@triton.jit
def back_kernel(
    grad, step_b, step_c, step_y, step_x, taps, taps_step, size, margin, out, channels, h, w, tiles_x, tiles,
    BORDER: tl.constexpr, ACROSS: tl.constexpr, WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr,
):  # fmt: skip
    """Makes a tile of the gradient by what was read, `margin` pixels outside included, and adds it where that lies."""
    height = h
    width = w
    if ACROSS:
        width = w + 2 * margin
    else:
        height = h + 2 * margin
    sample, _, u, v, mask = place(tiles_x, tiles, height, width, WIDE, TILE_X, TILE_Y)
    plane = tl.cast(h, tl.int64) * w
    for c in range(channels):
        source = grad + sample * step_b + tl.cast(c, tl.int64) * step_c
        sums = tl.zeros([TILE_X * TILE_Y], tl.float32)
        for k in range(size):
            # Outside of the gradient there is nothing.
            if ACROSS:
                value = read(source, u - margin - k + size // 2, v, w, step_x, step_y, 0.0, mask, "constant")
            else:
                value = read(source, v - margin - k + size // 2, u, h, step_y, step_x, 0.0, mask, "constant")
            sums += tl.load(taps + sample * taps_step + k) * value
        to = out + (sample * channels + c) * plane
        if ACROSS:
            to = to + v * w + fold(u - margin, w, BORDER)
        else:
            to = to + fold(v - margin, h, BORDER) * w + u
        tl.atomic_add(to, sums, mask, sem="relaxed")


@triton.jit
def taps_kernel(
    grad, grad_b, grad_c, grad_y, grad_x, image, step_b, step_c, step_y, step_x, size, fill, parts, channels, h, w,
    tiles_x, tiles,
    BORDER: tl.constexpr, ACROSS: tl.constexpr, WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr,
):  # fmt: skip
    """Leaves a tile's share of the gradient by each tap."""
    sample, tile, u, v, mask = place(tiles_x, tiles, h, w, WIDE, TILE_X, TILE_Y)
    for k in range(size):
        sums = tl.zeros([TILE_X * TILE_Y], tl.float32)
        for c in range(channels):
            source = image + sample * step_b + tl.cast(c, tl.int64) * step_c
            at = grad + sample * grad_b + tl.cast(c, tl.int64) * grad_c + v * grad_y + u * grad_x
            if ACROSS:
                value = read(source, u + k - size // 2, v, w, step_x, step_y, fill, mask, BORDER)
            else:
                value = read(source, v + k - size // 2, u, h, step_y, step_x, fill, mask, BORDER)
            sums += tl.load(at, mask, 0.0).to(tl.float32) * value
        tl.store(parts + (sample * tiles + tile) * size + k, total(sums, mask))
