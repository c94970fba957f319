"""The way back through the pixel program on a tile, in Triton: as torch's autograd goes through the definitions.

At a clamp's bounds the gradient passes; of equal colours in a maximum each takes half. Importing this imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl

from visionops.kernels.common.tile import total

from .cuda import (
    BLUE,
    CONTRAST,
    ERASE,
    GAMMA,
    GREEN,
    HUE,
    LAST_OP,
    LUT,
    MATRIX,
    NOISE,
    RED,
    SCALE,
    SOLARIZE,
    affine,
    bounds,
    entry,
    erased,
    hue_parts,
    hue_weight,
    noised,
    normal,
    power,
)


@triton.jit
def pull_step(
    x, g, code, p, mean, spread, dp, u, v, mask, BITS: tl.constexpr, PARAMS: tl.constexpr, C: tl.constexpr
):  # fmt: skip
    """Returns the gradient by the colours before a step, `x`; that by its parameters is summed over the tile into `dp`.

    `spread` points to the gradient by the image's mean, over the number of pixels. All pointers are to the sample's.
    """
    for op in tl.static_range(1, LAST_OP + 1):
        if 1 << op == BITS:
            g = pull(x, g, p, mean, spread, dp, u, v, mask, op, PARAMS, C)
        elif (BITS >> op) & 1:
            if tl.load(code) == op:
                g = pull(x, g, p, mean, spread, dp, u, v, mask, op, PARAMS, C)
    return g


@triton.jit
def pull(x, g, p, mean, spread, dp, u, v, mask, OP: tl.constexpr, PARAMS: tl.constexpr, C: tl.constexpr):
    """Returns the gradient by the colours before an operation."""
    if OP == SCALE or OP == MATRIX or OP == CONTRAST:
        g = pull_bounds(affine(x, p, mean, OP, C), g, p, dp, mask, OP, PARAMS, C)
        if PARAMS:
            add_affine(x, g, mean, dp, mask, OP, C)
        g = pull_affine(g, p, spread, OP, C)
    if OP == HUE:
        g = pull_hue(x, g, p, dp, mask, PARAMS)
    if OP == GAMMA:
        g = pull_gamma(x, g, p, dp, mask, PARAMS, C)
    if OP == LUT:
        if PARAMS:
            add_entries(x, g, dp, mask, C)
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.zeros_like(g[c]),)
        g = y
    if OP == SOLARIZE:
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.where(x[c] >= tl.load(p), -g[c], g[c]),)
        g = y
    if OP == NOISE:
        g = pull_bounds(noised(x, p, u, v, C), g, p, dp, mask, OP, PARAMS, C)
        if PARAMS:
            by_sigma = tl.zeros_like(g[0])
            for c in tl.static_range(C):
                by_sigma += g[c] * normal(p, u, v, c)
            tl.store(dp, total(by_sigma, mask))
    if OP == ERASE:
        inside = erased(p, u, v)
        y = ()
        for c in tl.static_range(C):
            if PARAMS:
                tl.store(dp + 4 + c, total(tl.where(inside, g[c], 0.0), mask))
            y = y + (tl.where(inside, 0.0, g[c]),)
        g = y
    return g


@triton.jit
def pull_bounds(y, g, p, dp, mask, OP: tl.constexpr, PARAMS: tl.constexpr, C: tl.constexpr):
    """Returns the gradient by what was clamped, `y`."""
    passed = ()
    if OP == CONTRAST:
        for c in tl.static_range(C):
            passed = passed + (tl.where((y[c] >= 0.0) & (y[c] <= 1.0), g[c], 0.0),)
    else:
        low = tl.load(bounds(p, OP, C))
        high = tl.load(bounds(p, OP, C) + 1)
        if PARAMS:
            by_low = tl.zeros_like(g[0])
            by_high = tl.zeros_like(g[0])
            for c in tl.static_range(C):
                by_low += tl.where(y[c] < low, tl.where(low < high, g[c], 0.0), 0.0)
                by_high += tl.where(y[c] > high, g[c], tl.where(high < low, g[c], 0.0))
            tl.store(bounds(dp, OP, C), total(by_low, mask))
            tl.store(bounds(dp, OP, C) + 1, total(by_high, mask))
        for c in tl.static_range(C):
            passed = passed + (tl.where((y[c] >= low) & (y[c] <= high), g[c], 0.0),)
    return passed


@triton.jit
def contrast_spread(x, g, p, mean, mask, C: tl.constexpr):
    """Returns the tile's share of the gradient by the mean that a CONTRAST reads."""
    y = affine(x, p, mean, CONTRAST, C)
    g = pull_bounds(y, g, p, p, mask, CONTRAST, False, C)
    both = g[0]
    for c in tl.static_range(1, C):
        both = both + g[c]
    return (1.0 - tl.load(p)) * total(both, mask)


@triton.jit
def add_affine(x, g, mean, dp, mask, OP: tl.constexpr, C: tl.constexpr):
    """Stores the gradient by the numbers of SCALE, MATRIX or CONTRAST but the bounds."""
    if OP == CONTRAST:
        by_factor = tl.zeros_like(g[0])
        for c in tl.static_range(C):
            by_factor += g[c] * (x[c] - tl.load(mean))
        tl.store(dp, total(by_factor, mask))
    else:
        for c in tl.static_range(C):
            if OP == SCALE:
                tl.store(dp + c, total(g[c] * x[c], mask))
                tl.store(dp + C + c, total(g[c], mask))
            else:
                for k in tl.static_range(3):
                    tl.store(dp + 4 * c + k, total(g[c] * x[k], mask))
                tl.store(dp + 4 * c + 3, total(g[c], mask))


@triton.jit
def pull_affine(g, p, spread, OP: tl.constexpr, C: tl.constexpr):
    """Returns the gradient by the colours before SCALE, MATRIX or CONTRAST without the clamp."""
    y = ()
    for c in tl.static_range(C):
        if OP == SCALE:
            y = y + (g[c] * tl.load(p + c),)
        if OP == MATRIX:
            y = y + (g[0] * tl.load(p + c) + g[1] * tl.load(p + 4 + c) + g[2] * tl.load(p + 8 + c),)
        if OP == CONTRAST:
            y = y + (g[c] * tl.load(p) + luma_weight(c, C) * tl.load(spread),)
    return y


@triton.jit
def luma_weight(c: tl.constexpr, C: tl.constexpr):
    weight = 1.0 / C
    if C == 3:
        if c == 0:
            weight = RED
        elif c == 1:
            weight = GREEN
        else:
            weight = BLUE
    return weight


@triton.jit
def pull_hue(x, g, p, dp, mask, PARAMS: tl.constexpr):
    value, chroma, safe, turned = hue_parts(x, p)
    by_value = g[0] + g[1] + g[2]
    by_chroma = tl.zeros_like(value)
    by_turned = tl.zeros_like(value)
    for c in tl.static_range(3):
        k = hue_weight(turned, 5 - 2 * c)
        least = tl.minimum(k, 4.0 - k)
        by_chroma -= g[c] * tl.minimum(tl.maximum(least, 0.0), 1.0)
        slope = tl.where(k < 4.0 - k, 1.0, tl.where(k > 4.0 - k, -1.0, 0.0))
        by_turned -= tl.where((least >= 0.0) & (least <= 1.0), g[c] * chroma * slope, 0.0)
    if PARAMS:
        tl.store(dp, 6.0 * total(by_turned, mask))
    of_red = value == x[0]
    of_green = (value == x[1]) & (value != x[0])
    difference = tl.where(of_red, x[1] - x[2], tl.where(of_green, x[2] - x[0], x[0] - x[1]))
    ratio = by_turned / safe
    by_chroma += tl.where(chroma > 0, -ratio * (difference / safe), 0.0)
    by_value += by_chroma
    largest = tl.maximum(x[0], x[1])
    smallest = tl.minimum(x[0], x[1])
    up = share(largest, x[2], by_value)
    down = share(x[2], smallest, -by_chroma)
    red = share(x[0], x[1], up) + share(x[1], x[0], down)
    green = share(x[1], x[0], up) + share(x[0], x[1], down)
    blue = share(x[2], largest, by_value) + share(smallest, x[2], -by_chroma)
    # The sextant rises with its first colour and falls with its second.
    red += tl.where(of_red, 0.0, tl.where(of_green, -ratio, ratio))
    green += tl.where(of_red, ratio, tl.where(of_green, 0.0, -ratio))
    blue += tl.where(of_red, -ratio, tl.where(of_green, ratio, 0.0))
    return red, green, blue


@triton.jit
def share(a, b, g):
    """Returns the part of the gradient of max(a, b) that a takes (or of min(a, b) that b takes)."""
    return tl.where(a == b, 0.5 * g, tl.where(a < b, 0.0, g))


@triton.jit
def pull_gamma(x, g, p, dp, mask, PARAMS: tl.constexpr, C: tl.constexpr):
    gamma = tl.load(p)
    gain = tl.load(p + 1)
    by_gamma = tl.zeros_like(x[0])
    by_gain = tl.zeros_like(x[0])
    back = ()
    for c in tl.static_range(C):
        raised = power(x[c], gamma)
        y = gain * raised
        passed = tl.where((y >= 0.0) & (y <= 1.0), g[c], 0.0)
        positive = x[c] > 0
        safe = tl.where(positive, x[c], 1.0)
        by_gain += passed * raised
        by_gamma += tl.where(positive, passed * y * tl.log(safe), 0.0)
        back = back + (tl.where(positive, passed * gain * gamma * (raised / safe), 0.0),)
    if PARAMS:
        tl.store(dp, total(by_gamma, mask))
        tl.store(dp + 1, total(by_gain, mask))
    return back


@triton.jit
def add_entries(x, g, dp, mask, C: tl.constexpr):
    """Stores the gradient by a table: sums over the pixels that read each entry."""
    for start in range(0, 256, 16):
        entries = start + tl.arange(0, 16)
        sums = tl.zeros([16], tl.float32)
        for c in tl.static_range(C):
            read = (entry(x[c])[:, None] == entries[None, :]) & mask[:, None]
            sums += tl.sum(tl.where(read, g[c][:, None], 0.0), 0)
        tl.store(dp + entries, sums)
