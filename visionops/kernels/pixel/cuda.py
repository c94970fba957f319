"""The pixel program on a tile, in Triton: what the twins of `warp` and `pixel` run between load and store.

Colours are a tuple of float32 tiles, one a channel. The layout of a program is known when a kernel is compiled; which
of the possible operations a sample runs is read on the device, and all pixels of a tile take the same branch.
`adjoint.py` has the way back. Importing this imports Triton.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

from visionops.kernels.common.tile import ROUNDER, clamp

from .program import LUMA, Layout, Op

NONE, SCALE, MATRIX, CONTRAST, HUE = (
    tl.constexpr(int(op)) for op in (Op.NONE, Op.SCALE, Op.MATRIX, Op.CONTRAST, Op.HUE)
)
GAMMA, LUT, SOLARIZE, NOISE, ERASE = (
    tl.constexpr(int(op)) for op in (Op.GAMMA, Op.LUT, Op.SOLARIZE, Op.NOISE, Op.ERASE)
)
LAST_OP = tl.constexpr(int(max(Op)))
RED, GREEN, BLUE = (tl.constexpr(weight) for weight in LUMA)
TURN = tl.constexpr(2 * math.pi)
# A word of 32 bits to 23 and a half: exact in float32, and never 0.
UNIT = tl.constexpr(2.0**-23)


def bits_of(layout: Layout) -> tuple[int, ...]:
    """Returns which operations each step can be, operation k as bit k."""
    return tuple(sum(1 << int(op) for op in set(ops)) for ops in layout.ops)


def cuts_of(layout: Layout) -> list[int]:
    """Returns the steps that may need the mean of the image so far."""
    return [i for i, ops in enumerate(layout.ops) if Op.CONTRAST in ops]


@triton.jit
def run(x, codes, params, means, u, v, BITS: tl.constexpr, STARTS: tl.constexpr, LAST: tl.constexpr, C: tl.constexpr):
    """Returns the colours after the first LAST steps; `codes`, `params` and `means` point to the sample's."""
    for i in tl.static_range(LAST):
        x = run_step(x, codes + i, params + STARTS[i], means + i, u, v, BITS[i], C)
    return x


@triton.jit
def run_step(x, code, p, mean, u, v, BITS: tl.constexpr, C: tl.constexpr):
    """Returns the colours after a step; `code`, `p` and `mean` point to the sample's."""
    for op in tl.static_range(1, LAST_OP + 1):
        if 1 << op == BITS:
            x = operate(x, p, mean, u, v, op, C)
        elif (BITS >> op) & 1:
            if tl.load(code) == op:
                x = operate(x, p, mean, u, v, op, C)
    return x


@triton.jit
def operate(x, p, mean, u, v, OP: tl.constexpr, C: tl.constexpr):
    """Returns the colours after one operation: `definition.OPERATIONS[OP]`."""
    if OP == SCALE or OP == MATRIX or OP == CONTRAST:
        x = clamped(affine(x, p, mean, OP, C), p, OP, C)
    if OP == HUE:
        x = hue(x, p)
    if OP == GAMMA:
        y = ()
        for c in tl.static_range(C):
            y = y + (clamp(tl.load(p + 1) * power(x[c], tl.load(p)), 0.0, 1.0),)
        x = y
    if OP == LUT:
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.load(p + entry(x[c])),)
        x = y
    if OP == SOLARIZE:
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.where(x[c] >= tl.load(p), 1.0 - x[c], x[c]),)
        x = y
    if OP == NOISE:
        x = clamped(noised(x, p, u, v, C), p, OP, C)
    if OP == ERASE:
        inside = erased(p, u, v)
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.where(inside, tl.load(p + 4 + c), x[c]),)
        x = y
    return x


@triton.jit
def affine(x, p, mean, OP: tl.constexpr, C: tl.constexpr):
    """Returns what SCALE, MATRIX and CONTRAST clamp."""
    y = ()
    if OP == SCALE:
        for c in tl.static_range(C):
            y = y + (x[c] * tl.load(p + c) + tl.load(p + C + c),)
    if OP == MATRIX:
        tl.static_assert(C == 3, "MATRIX needs three channels")
        for c in tl.static_range(3):
            row = p + 4 * c
            y = y + (x[0] * tl.load(row) + x[1] * tl.load(row + 1) + x[2] * tl.load(row + 2) + tl.load(row + 3),)
    if OP == CONTRAST:
        factor = tl.load(p)
        for c in tl.static_range(C):
            y = y + (factor * x[c] + (1.0 - factor) * tl.load(mean),)
    return y


@triton.jit
def clamped(x, p, OP: tl.constexpr, C: tl.constexpr):
    """Returns colours between the bounds of the operation."""
    y = ()
    for c in tl.static_range(C):
        if OP == CONTRAST:
            y = y + (clamp(x[c], 0.0, 1.0),)
        else:
            low = bounds(p, OP, C)
            y = y + (clamp(x[c], tl.load(low), tl.load(low + 1)),)
    return y


@triton.jit
def bounds(p, OP: tl.constexpr, C: tl.constexpr):
    """Returns where the lower bound lies, which the upper one follows."""
    if OP == SCALE:
        p = p + 2 * C
    if OP == MATRIX:
        p = p + 12
    if OP == NOISE:
        p = p + 3
    return p


@triton.jit
def luma(x, C: tl.constexpr):
    """Returns the luma of three channels, or the mean of any other number."""
    if C == 3:
        y = RED * x[0] + GREEN * x[1] + BLUE * x[2]
    else:
        y = x[0]
        for c in tl.static_range(1, C):
            y = y + x[c]
        y = y / C
    return y


@triton.jit
def hue_parts(x, p):
    """Returns value, chroma (and 1 where that is 0) and the turned hue in sextants."""
    value = tl.maximum(tl.maximum(x[0], x[1]), x[2])
    chroma = value - tl.minimum(tl.minimum(x[0], x[1]), x[2])
    safe = tl.where(chroma > 0, chroma, 1.0)
    green = 2.0 + (x[2] - x[0]) / safe
    blue = 4.0 + (x[0] - x[1]) / safe
    sextant = tl.where(value == x[0], (x[1] - x[2]) / safe, tl.where(value == x[1], green, blue))
    return value, chroma, safe, sextant + 6.0 * tl.load(p)


@triton.jit
def hue_weight(turned, N: tl.constexpr):
    """Returns k = (N + 6 hue) mod 6, from which a channel is v - c max(0, min(k, 4 - k, 1))."""
    k = turned + N
    return k - 6.0 * tl.floor(k / 6.0)


@triton.jit
def hue(x, p):
    value, chroma, _, turned = hue_parts(x, p)
    y = ()
    for c in tl.static_range(3):
        k = hue_weight(turned, 5 - 2 * c)
        y = y + (value - chroma * clamp(tl.minimum(k, 4.0 - k), 0.0, 1.0),)
    return y


@triton.jit
def power(x, gamma):
    """Returns x^gamma, 0 where x is not positive."""
    positive = x > 0
    return tl.where(positive, tl.exp2(gamma * tl.log2(tl.where(positive, x, 1.0))), 0.0)


@triton.jit
def entry(x):
    """Returns which of 256 entries a colour reads."""
    return ((clamp(x, 0.0, 1.0) * 255.0 + ROUNDER) - ROUNDER).to(tl.int32)


@triton.jit
def erased(p, u, v):
    """Returns which pixels lie in the rectangle."""
    across = (u >= tl.load(p)) & (u < tl.load(p + 2))
    return across & (v >= tl.load(p + 1)) & (v < tl.load(p + 3))


@triton.jit
def noised(x, p, u, v, C: tl.constexpr):
    """Returns what NOISE clamps."""
    y = ()
    for c in tl.static_range(C):
        y = y + (x[c] + tl.load(p) * normal(p, u, v, c),)
    return y


@triton.jit
def normal(p, u, v, CHANNEL: tl.constexpr):
    """Returns the standard normals of `noise.normal_field`."""
    key = tl.load(p + 1).to(tl.uint64) | (tl.load(p + 2).to(tl.uint64) << 32)
    column = u.to(tl.int32)
    zero = tl.zeros_like(column)
    first, second, third, fourth = tl.philox(key, column, v.to(tl.int32), zero + CHANNEL // 4, zero)
    if CHANNEL % 4 >= 2:
        first, second = third, fourth
    radius = tl.sqrt(-2.0 * tl.log(fraction(first)))
    angle = TURN * fraction(second)
    if CHANNEL % 2 == 0:
        z = radius * tl.cos(angle)
    else:
        z = radius * tl.sin(angle)
    return z


@triton.jit
def fraction(word):
    return ((word >> 9).to(tl.float32) + 0.5) * UNIT
