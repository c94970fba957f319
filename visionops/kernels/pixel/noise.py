"""Normal noise as a function of (key, pixel): Philox4x32-10 and Box-Muller, in plain torch.

A pixel's noise does not depend on the batch, the device or the tile it is computed in.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox4x32(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor], rounds: int = 10) -> tuple[Tensor, ...]:
    """Returns four 32-bit words (in int64) for four counter words and two key words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        # int64 products wrap, which keeps all 64 bits of the unsigned product.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & MASK) ^ c1 ^ k0, p1 & MASK, ((p0 >> 32) & MASK) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def normal_field(key0: Int[Tensor, " b"], key1: Int[Tensor, " b"], shape: torch.Size) -> Float[Tensor, "b c h w"]:
    """Returns standard normals of the shape (c, h, w), float32; counter words are (column, row, channel // 4, 0)."""
    c, h, w = shape
    device = key0.device
    column = torch.arange(w, device=device).expand(1, 1, h, w)
    row = torch.arange(h, device=device)[:, None].expand(1, 1, h, w)
    group = torch.arange((c + 3) // 4, device=device)[None, :, None, None]
    key = (key0[:, None, None, None], key1[:, None, None, None])
    words = philox4x32((column, row, group, torch.zeros_like(group)), key)
    # 23 bits and a half: exact in float32, and never 0.
    u0, u1, u2, u3 = (((word >> 9).float() + 0.5) * 2.0**-23 for word in words)
    normals = []
    for radius, angle in ((u0, u1), (u2, u3)):
        r, a = (-2 * radius.log()).sqrt(), 2 * math.pi * angle
        normals += [r * a.cos(), r * a.sin()]
    return torch.stack(normals, 2).flatten(1, 2)[:, :c]
