"""Positions, taps and samples of a tile, in Triton: as `definition.py` has them. Importing this imports Triton.

A source that is to be reduced first is averaged where it is read: each tap is a mean over a block, whose neighbours the
next pixel finds in cache.
"""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from visionops.kernels.common.tile import clamp, divide, fold, is_finite

from .definition import BICUBIC_A, TIE_SLACK
from .definition import FAR as FAR_

FAR = tl.constexpr(FAR_)
BIAS = tl.constexpr(0.5 + TIE_SLACK)
A = tl.constexpr(BICUBIC_A)
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


class Source(NamedTuple):
    """A batch of images; strides in elements. Without values (None) its size is still known."""

    image: Tensor | None
    batch_stride: int
    channel_stride: int
    row_stride: int
    column_stride: int
    height: int
    width: int


class Where(NamedTuple):
    """Where each pixel reads, and what it gets where it reads nothing. A step is 0 where samples share a row.

    `fills` holds the fill, then that of each domain, C numbers each in the units of the image.
    """

    inverse: Tensor | None
    inverse_step: int
    coordinates: Tensor | None
    coordinates_step: int
    planes: Tensor | None
    planes_step: int
    fills: Tensor
    levels: Tensor | None
    levels_step: int


@triton.jit
def blocks(where, sample):
    """Returns the size (along y, along x) of the blocks that the sample is reduced by."""
    if where.levels is not None:
        level = where.levels + sample * where.levels_step
        ky = 1 << tl.load(level).to(tl.int32)
        kx = 1 << tl.load(level + 1).to(tl.int32)
    else:
        ky = 1
        kx = 1
    return ky, kx


@triton.jit
def locate(where, sample, u, v, ow, ky, kx, mask):
    """Returns positions x and y in the reduced source, and the third coordinate they were divided by."""
    if where.coordinates is not None:
        at = where.coordinates + sample * where.coordinates_step + 2 * (v * ow + u)
        x = tl.load(at, mask, 0.0)
        y = tl.load(at + 1, mask, 0.0)
        w = x
    else:
        m = where.inverse + sample * where.inverse_step
        a = u.to(m.dtype.element_ty)
        b = v.to(m.dtype.element_ty)
        w = tl.load(m + 6) * a + tl.load(m + 7) * b + tl.load(m + 8)
        x = divide(tl.load(m) * a + tl.load(m + 1) * b + tl.load(m + 2), w)
        y = divide(tl.load(m + 3) * a + tl.load(m + 4) * b + tl.load(m + 5), w)
    if where.levels is not None:
        x = divide(x + 0.5, kx.to(x.dtype)) - 0.5
        y = divide(y + 0.5, ky.to(y.dtype)) - 0.5
    return x, y, w


@triton.jit
def lost_to(where, sample, finite, u, v, DOMAINS: tl.constexpr):
    """Returns which row of the fills a pixel takes, -1 where it takes its sample."""
    which = tl.where(finite, -1, 0)
    for d in tl.static_range(DOMAINS - 1, -1, -1):
        for side in tl.static_range(4):
            p = where.planes + sample * where.planes_step + (4 * d + side) * 3
            a = u.to(p.dtype.element_ty)
            b = v.to(p.dtype.element_ty)
            left = tl.load(p) * a + tl.load(p + 1) * b + tl.load(p + 2) < 0
            which = tl.where(left, d + 1, which)
    return which


@triton.jit
def split(x, finite, INDEX: tl.constexpr, N: tl.constexpr):
    """Returns the whole part and the fraction (float32) of positions; of the nearest tap's the tap."""
    x = clamp(tl.where(finite, x, 0.0), -FAR, FAR)
    if N == 1:
        x = x + tl.full([1], BIAS, x.dtype)
    low = tl.floor(x)
    return low.to(INDEX), (x - low).to(tl.float32)


@triton.jit
def weight(t, K: tl.constexpr, N: tl.constexpr):
    """Returns the weight of tap K of N."""
    if N == 1:
        w = tl.full([1], 1.0, tl.float32)
    elif N == 2:
        w = t if K == 1 else 1.0 - t
    elif K == 0 or K == 3:
        s = t + 1.0 if K == 0 else 2.0 - t
        w = ((A * s - 5 * A) * s + 8 * A) * s - 4 * A
    else:
        s = t if K == 1 else 1.0 - t
        w = ((A + 2) * s - (A + 3)) * s * s + 1.0
    return w


@triton.jit
def slope(t, K: tl.constexpr, N: tl.constexpr):
    """Returns the derivative of the weight of tap K of N, 2 or 4, by t."""
    if N == 2:
        w = tl.full([1], 1.0 if K == 1 else -1.0, tl.float32)
    elif K == 0 or K == 3:
        s = t + 1.0 if K == 0 else 2.0 - t
        w = (3 * A * s - 10 * A) * s + 8 * A
        w = w if K == 0 else -w
    else:
        s = t if K == 1 else 1.0 - t
        w = (3 * (A + 2) * s - 2 * (A + 3)) * s
        w = w if K == 1 else -w
    return w


@triton.jit
def read(image, y, x, source, ky, kx, mask, REDUCED: tl.constexpr):
    """Returns one channel at taps, as float32: a pixel, or the mean of a block."""
    if REDUCED:
        sums = tl.zeros(x.shape, tl.float32)
        for dy in range(tl.minimum(ky, source.height)):
            row = y * ky + dy
            for dx in range(tl.minimum(kx, source.width)):
                column = x * kx + dx
                inside = mask & (row < source.height) & (column < source.width)
                at = image + row * source.row_stride + column * source.column_stride
                sums += tl.load(at, inside, 0).to(tl.float32)
        value = divide(sums, block_area(y, x, source, ky, kx))
    else:
        value = tl.load(image + y * source.row_stride + x * source.column_stride, mask, 0).to(tl.float32)
    return value


@triton.jit
def block_area(y, x, source, ky, kx):
    """Returns how many pixels the blocks have: those at the edge are cut."""
    return (tl.minimum(ky, source.height - y * ky) * tl.minimum(kx, source.width - x * kx)).to(tl.float32)


@triton.jit
def sample_tile(
    source, where, sample, u, v, ow, mask,
    C: tl.constexpr, N: tl.constexpr, BORDER: tl.constexpr, DOMAINS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Returns the colours (in the units of the image) that the output's pixels sample, fills included."""
    image = source.image + sample * source.batch_stride
    REDUCED: tl.constexpr = where.levels is not None
    OWN: tl.constexpr = where.inverse is None and where.coordinates is None
    out = ()
    if OWN:
        which = lost_to(where, sample, mask | True, u, v, DOMAINS)
        for c in tl.static_range(C):
            out = out + (read(image + c * source.channel_stride, v, u, source, 1, 1, mask, False),)
    else:
        ky, kx = blocks(where, sample)
        x, y, _ = locate(where, sample, u, v, ow, ky, kx, mask)
        finite = is_finite(x) & is_finite(y)
        which = lost_to(where, sample, finite, u, v, DOMAINS)
        mask = mask & (which < 0)
        x, tx = split(x, finite, INDEX, N)
        y, ty = split(y, finite, INDEX, N)
        h = tl.cdiv(source.height, ky)
        w = tl.cdiv(source.width, kx)
        for j in tl.static_range(N):
            row = y + j - (N // 4)
            for i in tl.static_range(N):
                column = x + i - (N // 4)
                share = weight(tx, i, N) * weight(ty, j, N)
                # A tap of weight zero is not read: a NaN there stays out.
                wanted = mask & (share != 0)
                inside = wanted
                if BORDER == "constant":
                    inside = wanted & (row >= 0) & (row < h) & (column >= 0) & (column < w)
                at_y = fold(row, h, BORDER)
                at_x = fold(column, w, BORDER)
                added = ()
                for c in tl.static_range(C):
                    value = read(image + c * source.channel_stride, at_y, at_x, source, ky, kx, inside, REDUCED)
                    if BORDER == "constant":
                        value = tl.where(inside == wanted, value, tl.load(where.fills + c))
                    if N > 1:
                        value = tl.where(share != 0, value, 0.0) * share
                    if i + j == 0:
                        added = added + (value,)
                    else:
                        added = added + (out[c] + value,)
                out = added
    if DOMAINS > 0 or not OWN:
        filled = ()
        for c in tl.static_range(C):
            fill = tl.load(where.fills + tl.maximum(which, 0) * C + c)
            filled = filled + (tl.where(which >= 0, fill, out[c]),)
        out = filled
    return out


@triton.jit
def pull_sample(
    g, source, where, by_image, sample, u, v, ow, mask,
    IMAGE: tl.constexpr, POSITION: tl.constexpr,
    C: tl.constexpr, N: tl.constexpr, BORDER: tl.constexpr, DOMAINS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Adds the gradient by the samples, `g`, to that of the image, and returns that by the position.

    Args:
        by_image: the sample's part of the image's gradient, float32 and contiguous.

    Returns:
        The gradient by x and y, in pixels of the source and 0 outside of the mask, x and y themselves (0 where they
        are not finite) and the third coordinate they were divided by (1 there).
    """
    image = source.image
    if POSITION:
        image = source.image + sample * source.batch_stride
    plane = tl.cast(source.height, tl.int64) * source.width
    ky, kx = blocks(where, sample)
    REDUCED: tl.constexpr = where.levels is not None
    x_at, y_at, w_at = locate(where, sample, u, v, ow, ky, kx, mask)
    finite = is_finite(x_at) & is_finite(y_at)
    kept = mask & (lost_to(where, sample, finite, u, v, DOMAINS) < 0)
    x, tx = split(x_at, finite, INDEX, N)
    y, ty = split(y_at, finite, INDEX, N)
    h = tl.cdiv(source.height, ky)
    w = tl.cdiv(source.width, kx)
    gx = tl.zeros(tx.shape, tl.float32)
    gy = tl.zeros(tx.shape, tl.float32)
    for j in tl.static_range(N):
        row = y + j - (N // 4)
        for i in tl.static_range(N):
            column = x + i - (N // 4)
            share = weight(tx, i, N) * weight(ty, j, N)
            inside = kept
            if BORDER == "constant":
                inside = kept & (row >= 0) & (row < h) & (column >= 0) & (column < w)
            at_y = fold(row, h, BORDER)
            at_x = fold(column, w, BORDER)
            dot = tl.zeros(tx.shape, tl.float32)
            for c in tl.static_range(C):
                if POSITION:
                    value = read(image + c * source.channel_stride, at_y, at_x, source, ky, kx, inside, REDUCED)
                    if BORDER == "constant":
                        value = tl.where(inside == kept, value, tl.load(where.fills + c))
                    dot += g[c] * tl.where((share != 0) | is_finite(value), value, 0.0)
                if IMAGE:
                    scatter(by_image + c * plane, at_y, at_x, g[c] * share, source, ky, kx, inside & (share != 0),
                            REDUCED)  # fmt: skip
            if POSITION:
                gx += slope(tx, i, N) * weight(ty, j, N) * dot
                gy += weight(tx, i, N) * slope(ty, j, N) * dot
    # Beyond FAR a position is clamped.
    gx = tl.where(kept & (tl.abs(x_at) <= FAR), gx, 0.0).to(x_at.dtype)
    gy = tl.where(kept & (tl.abs(y_at) <= FAR), gy, 0.0).to(y_at.dtype)
    if REDUCED:
        gx = divide(gx, kx.to(gx.dtype))
        gy = divide(gy, ky.to(gy.dtype))
        x_at = (x_at + 0.5) * kx - 0.5
        y_at = (y_at + 0.5) * ky - 0.5
    return gx, gy, tl.where(finite, x_at, 0.0), tl.where(finite, y_at, 0.0), tl.where(finite, w_at, 1.0)


@triton.jit
def scatter(image, y, x, g, source, ky, kx, mask, REDUCED: tl.constexpr):
    """Adds to one channel (contiguous) at taps: to a pixel, or evenly to a block."""
    if REDUCED:
        g = divide(g, block_area(y, x, source, ky, kx))
        for dy in range(tl.minimum(ky, source.height)):
            row = y * ky + dy
            for dx in range(tl.minimum(kx, source.width)):
                column = x * kx + dx
                inside = mask & (row < source.height) & (column < source.width)
                tl.atomic_add(image + row * source.width + column, g, inside, sem="relaxed")
    else:
        tl.atomic_add(image + y * source.width + x, g, mask, sem="relaxed")
