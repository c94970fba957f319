"""JPEG as an image operation: what is left of an image after compression, with gradients to the image and quality.

Y Cb Cr, halved in size where subsampled; the DCT of 8 x 8 blocks, divided by a table, rounded; and all of it back.
tables(q) = clamp(floor((base s + 50) / 100), 1, 255),   s = floor(5000 / q) below q = 50, 200 - 2 q from there on

ITU-T T.81, 1992; the roundings are those of libjpeg.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels import native
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from .pointwise import Number, number

# Annex K of T.81, by rows.
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32,
)  # fmt: skip
# Times the square root of 8, as libjpeg computes it: its rows 0 and 4 are whole numbers.
DCT = tuple(
    tuple(math.sqrt(1 if u == 0 else 2) * math.cos((2 * x + 1) * u * math.pi / 16) for x in range(8)) for u in range(8)
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))

Rounding = Callable[[Tensor], Tensor]


def jpeg_compress(
    image: Shaped[Tensor, "*batch c h w"],
    quality: Number,
    *,
    subsampling: Literal["4:4:4", "4:2:0"] = "4:2:0",
    rounding: Literal["hard", "straight_through", "soft"] = "straight_through",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image as it comes back from a JPEG file.

    Args:
        image: of 1 or 3 channels, RGB; floating in [0, 1], or uint8.
        quality: 1 to 100. A number, or one for each sample, (*batch).
        subsampling: "4:2:0" keeps colour at half the height and width.
        rounding: "hard" rounds as a file does. "straight_through" has the same values, and passes gradients as if it
            did not round. "soft" rounds coefficients by round(x) + (x - round(x))^3 and nothing else.

    Raises:
        ValueError: for any other number of channels, a quality outside 1 to 100, or an unknown option.

    Gradient: to the image and to the quality by "straight_through" and "soft"; none by "hard". 0 where a colour or an
        entry of a table is clamped. Halves compute in float32.
    Source: ITU-T T.81 and libjpeg, as Pillow calls it, within two levels; but a coefficient half way between two steps
        of its table may go the other way, which moves its block by up to a step. Soft rounding: R. Shin, D. Song,
        JPEG-resistant adversarial images, 2017.

    >>> jpeg_compress(torch.full((3, 8, 8), 100, dtype=torch.uint8), 75)[:, 0, 0].tolist()
    [100, 100, 100]
    """
    check_image("jpeg_compress", image)
    check_choice("jpeg_compress", "subsampling", subsampling, ("4:4:4", "4:2:0"))
    check_choice("jpeg_compress", "rounding", rounding, ROUNDINGS)
    if image.shape[-3] not in (1, 3):
        raise refuse("jpeg_compress", "image", "of 1 or 3 channels", image.shape[-3])
    value = number("jpeg_compress", "quality", quality, image)
    if isinstance(value, float) and not 1 <= value <= 100:
        raise refuse("jpeg_compress", "quality", "from 1 to 100", quality)
    if image.numel() == 0:
        return image.clone()
    x = to_unit(flatten(image)) * 255
    if rounding == "straight_through" and native.may_run(x, *([value] if isinstance(value, Tensor) else [])):
        rounding = "hard"  # the same values by fewer steps
    whole = _exact if rounding == "soft" else ROUNDINGS[rounding]
    x = _floor(x.clamp(0, 255), whole, 0.5)
    tables = _tables(value, x, whole)
    step = ROUNDINGS[rounding]
    if x.shape[1] == 1:
        out = _through_blocks(x, tables[:, :1], step, whole)
    elif subsampling == "4:4:4":
        out = _mix(_through_blocks(_mix(x, TO_YCC, whole), tables, step, whole), TO_RGB, whole)
    else:
        ycc = _mix(x, TO_YCC, whole)
        luma = _through_blocks(ycc[:, :1], tables[:, :1], step, whole)
        chroma = _through_blocks(_halve(ycc[:, 1:], whole), tables[:, 1:], step, whole)
        out = _mix(torch.cat([luma, _double(chroma, x.shape[2:], whole)], 1), TO_RGB, whole)
    return unflatten(from_unit(out / 255, image.dtype), image.shape[:-3])


def _exact(x: Tensor) -> Tensor:
    return x


def _hard(x: Tensor) -> Tensor:
    return x.sign() * (x.abs() + 0.5).floor()


def _straight_through(x: Tensor) -> Tensor:
    return x + (_hard(x) - x).detach()


def _soft(x: Tensor) -> Tensor:
    nearest = x.detach().round()
    return nearest + (x - nearest) ** 3


ROUNDINGS: dict[str, Rounding] = {"hard": _hard, "straight_through": _straight_through, "soft": _soft}


def _tables(quality: float | Tensor, like: Tensor, whole: Rounding) -> Float[Tensor, "b 3 1 8 1 8"]:
    """Returns the divisors of luma and both chromas, those of a coefficient (u, v) at [..., u, 0, v]."""
    q = torch.as_tensor(quality, dtype=like.dtype, device=like.device).reshape(-1, 1, 1, 1, 1, 1).clamp(1, 100)
    scale = torch.where(q < 50, _floor(5000 / q, whole, 0.0), 200 - 2 * q)
    base = torch.tensor([LUMINANCE, CHROMINANCE, CHROMINANCE], dtype=like.dtype, device=like.device)
    entries = base.reshape(1, 3, 1, 8, 1, 8) * scale / 100
    return _floor(entries, whole, 0.5).clamp(1, 255)


def _floor(x: Tensor, whole: Rounding, bias: float | Tensor) -> Tensor:
    """Returns floor(x + bias), with the gradient of the rounding; x where that is exact."""
    if whole is _exact:
        return x
    result = torch.floor(x + bias)
    return result if whole is _hard else x + (result - x).detach()


def _through_blocks(x: Tensor, tables: Tensor, step: Rounding, whole: Rounding) -> Tensor:
    """Returns planes (b, c, h, w), 0 to 255, after division of their blocks' DCT by tables and rounding."""
    h, w = x.shape[2:]
    x = _extend(x, -h % 8, -w % 8)
    b, c, tall, wide = x.shape
    dct = torch.tensor(DCT, dtype=x.dtype, device=x.device)
    # libjpeg keeps two bits of a fraction between both passes, either way.
    across = _floor((x - 128).reshape(b, c, tall // 8, 8, wide // 8, 8) @ dct.T * 4, whole, 0.5)
    both = dct @ across.reshape(b, c, tall // 8, 8, wide) / 4
    coefficients = _floor(both, whole, 0.5).reshape(b, c, tall // 8, 8, wide // 8, 8) / 8
    kept = step(coefficients / tables) * tables
    down = _floor(dct.T @ kept.reshape(b, c, tall // 8, 8, wide) * 4, whole, 0.5)
    back = (down.reshape(b, c, tall // 8, 8, wide // 8, 8) @ dct / 32).reshape(b, c, tall, wide)[..., :h, :w]
    return _floor(back + 128, whole, 0.5).clamp(0, 255)


def _extend(x: Tensor, down: int, right: int) -> Tensor:
    """Returns the image with its last row and column repeated."""
    if right:
        x = torch.cat([x, x[..., -1:].expand(*x.shape[:-1], right)], -1)
    if down:
        x = torch.cat([x, x[..., -1:, :].expand(*x.shape[:-2], down, -1)], -2)
    return x


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...], whole: Rounding) -> Tensor:
    """Returns the colours in the other space; the two chromas are around 128."""
    a, b, c = x.split(1, 1)
    if matrix is TO_RGB:
        b, c = b - 128, c - 128
    rows = [m[0] * a + m[1] * b + m[2] * c for m in matrix]
    if matrix is TO_YCC:
        rows[1:] = [row + 128 for row in rows[1:]]
    return _floor(torch.cat(rows, 1), whole, 0.5).clamp(0, 255)


def _halve(x: Tensor, whole: Rounding) -> Tensor:
    """Returns the means of 2 x 2 pixels, up to whole blocks in width; halves go down and up by turns."""
    x = _extend(x, x.shape[2] % 2, -x.shape[3] % 16)
    mean = (x[..., ::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, ::2] + x[..., 1::2, 1::2]) / 4
    bias = torch.tensor([0.25, 0.5], dtype=x.dtype, device=x.device).repeat(mean.shape[-1] // 2)
    return _floor(mean, whole, bias)


def _double(x: Tensor, size: tuple[int, ...], whole: Rounding) -> Tensor:
    """Returns planes at twice their size, cut to `size`: 3/4 of the nearest and 1/4 of the next, along both axes."""
    h, w = size
    x = x[..., : (h + 1) // 2, : (w + 1) // 2]
    if x.shape[-1] <= 2:  # libjpeg repeats pixels of what is so narrow
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., :h, :w]
    for dim in (-2, -1):
        n = x.shape[dim]
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, n - 1)], dim)
        after = torch.cat([x.narrow(dim, 1, n - 1), x.narrow(dim, n - 1, 1)], dim)
        pair = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim)
        x = pair.flatten(dim - 1, dim)
    x = x[..., :h, :w]
    bias = torch.tensor([8 / 16, 7 / 16], dtype=x.dtype, device=x.device).repeat((w + 1) // 2)[:w]
    return _floor(x, whole, bias)


JpegCompress = as_module(jpeg_compress)
