"""Conversions of colours in plain torch: the meaning of every name that the kernel knows.

    name                    numbers                        colours out of colours in
    affine                  A | b by rows, 3 or 1 rows     A x + b
    decode, encode                                         sRGB to linear light, and back
    hsv, from_hsv                                          hue (turns), saturation, value
    hls, from_hls                                          hue (turns), lightness, saturation
    lab, oklab              M, N (3 x 4 each)              N f(M decode(x)), f CIE's curve or the cube root
    from_lab, from_oklab    N^-1, M^-1                     encode(M^-1 f^-1(N^-1 x))
    luv                     M (3 x 4), u'n, v'n            L, u, v of M decode(x)
    from_luv                M^-1 (3 x 4), u'n, v'n         encode(M^-1 (X, Y, Z))

Each is differentiable, with a finite subgradient at its kinks: ties among channels share a gradient, and what divides
by zero (hue of a grey, saturation of black, chromaticity of black, cube root of zero) gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

# CIE's curve f(t) = cbrt(t) - 4/29 above its threshold, else t KAPPA / 116: shifted by 4/29, black is exactly 0.
THRESHOLD = 216 / 24389
KAPPA = 24389 / 27
SHIFT = 4 / 29
# v' of what lies outside every visible colour: Luv's inverse divides by no less.
LEAST_V = 0.01


def convert(
    image: Float[Tensor, "b 3 h w"], conversion: str, numbers: Sequence[float]
) -> Float[Tensor, "b c h w"]:
    """Returns the colours converted; `conversion` and `numbers` as in the table."""
    return CONVERSIONS[conversion](image, numbers)


def affine(x: Tensor, numbers: Sequence[float]) -> Tensor:
    r, g, b = x.unbind(1)
    rows = [numbers[i : i + 4] for i in range(0, len(numbers), 4)]
    # Multiply-adds, not a matmul: TF32 would round a colour to ten bits.
    return torch.stack([torch.add(m[0] * r + m[3], g, alpha=m[1]).add(b, alpha=m[2]) for m in rows], 1)


def decode(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    high = x > 0.04045
    power = ((torch.where(high, x, 1) + 0.055) / 1.055) ** 2.4
    return torch.where(high, power, x / 12.92)


def encode(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    high = x > 0.0031308
    power = 1.055 * torch.where(high, x, 1) ** (1 / 2.4) - 0.055
    return torch.where(high, power, 12.92 * x)


def _hue(x: Tensor, high: Tensor, chroma: Tensor) -> Tensor:
    """Returns the hue in [0, 1), 0 of greys."""
    r, g, b = x.unbind(1)
    coloured = chroma > 0
    part = torch.where(r == high, g - b, torch.where(g == high, b - r, r - g))
    start = torch.where(r == high, 0.0, torch.where(g == high, 2.0, 4.0)).to(x.dtype)
    hue = torch.where(coloured, part / torch.where(coloured, chroma, 1) + start, 0) / 6
    hue = torch.where(hue < 0, hue + 1, hue)
    return torch.where(hue >= 1, hue - 1, hue)  # of a hue just under 0, which was rounded to 1


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Returns part / whole, 0 where the whole is not positive."""
    positive = whole > 0
    return torch.where(positive, part / torch.where(positive, whole, 1), 0)


def hsv(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    high, low = x.amax(1), x.amin(1)
    chroma = high - low
    return torch.stack([_hue(x, high, chroma), _ratio(chroma, high), high], 1)


def hls(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    high, low = x.amax(1), x.amin(1)
    chroma, total = high - low, high + low
    return torch.stack([_hue(x, high, chroma), total / 2, _ratio(chroma, torch.minimum(total, 2 - total))], 1)


def _from_hue(hue: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """Returns v - c max(0, min(k, 4 - k, 1)) with k = (n + 6 hue) mod 6, n = 5, 3, 1 for red, green, blue."""
    n = torch.arange(5, 0, -2, dtype=hue.dtype, device=hue.device)[:, None, None]
    k = (6 * hue[:, None] + n).remainder(6)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def from_hsv(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    hue, saturation, value = x.unbind(1)
    return _from_hue(hue, value, saturation * value)


def from_hls(x: Tensor, numbers: Sequence[float] = ()) -> Tensor:
    hue, light, saturation = x.unbind(1)
    half = saturation * torch.minimum(light, 1 - light)
    return _from_hue(hue, light + half, 2 * half)


def _curve(t: Tensor) -> Tensor:
    high = t > THRESHOLD
    return torch.where(high, torch.where(high, t, 1) ** (1 / 3) - SHIFT, t * (KAPPA / 116))


def _uncurve(f: Tensor) -> Tensor:
    high = f > 2 / 29
    return torch.where(high, (f + SHIFT) ** 3, f * (116 / KAPPA))


def _cube_root(x: Tensor) -> Tensor:
    some = x != 0
    return torch.where(some, x.sign() * torch.where(some, x, 1).abs() ** (1 / 3), 0)


def lab(x: Tensor, numbers: Sequence[float]) -> Tensor:
    return affine(_curve(affine(decode(x), numbers[:12])), numbers[12:])


def from_lab(x: Tensor, numbers: Sequence[float]) -> Tensor:
    return encode(affine(_uncurve(affine(x, numbers[:12])), numbers[12:]))


def oklab(x: Tensor, numbers: Sequence[float]) -> Tensor:
    return affine(_cube_root(affine(decode(x), numbers[:12])), numbers[12:])


def from_oklab(x: Tensor, numbers: Sequence[float]) -> Tensor:
    return encode(affine(affine(x, numbers[:12]) ** 3, numbers[12:]))


def luv(x: Tensor, numbers: Sequence[float]) -> Tensor:
    *matrix, un, vn = numbers
    a, y, z = affine(decode(x), matrix).unbind(1)
    light, total = 116 * _curve(y), a + 15 * y + 3 * z
    lit = total > 0
    inverse = 1 / torch.where(lit, total, 1)
    u, v = torch.where(lit, 4 * a * inverse - un, 0), torch.where(lit, 9 * y * inverse - vn, 0)
    return torch.stack([light, 13 * light * u, 13 * light * v], 1)


def from_luv(x: Tensor, numbers: Sequence[float]) -> Tensor:
    *matrix, un, vn = numbers
    light, u, v = x.unbind(1)
    y, lit = _uncurve(light / 116), light > 0
    # u' and v' times `scale`, which is 13 L; without light they are the white's.
    scale = torch.where(lit, 13 * light, 1)
    top, bottom = torch.where(lit, u, 0) + un * scale, torch.where(lit, v, 0) + vn * scale
    least = LEAST_V * scale
    bottom = torch.where(bottom > least, bottom, least)
    ratio = y / bottom
    xyz = torch.stack([2.25 * top * ratio, y, ratio * (3 * scale - 0.75 * top - 5 * bottom)], 1)
    return encode(affine(xyz, matrix))


CONVERSIONS: dict[str, Callable[[Tensor, Sequence[float]], Tensor]] = {
    "affine": affine,
    "decode": decode,
    "encode": encode,
    "hsv": hsv,
    "from_hsv": from_hsv,
    "hls": hls,
    "from_hls": from_hls,
    "lab": lab,
    "from_lab": from_lab,
    "oklab": oklab,
    "from_oklab": from_oklab,
    "luv": luv,
    "from_luv": from_luv,
}
