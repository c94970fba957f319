"""Resampling at a matrix or a dense map, in plain torch: the meaning of `warp`.

An output pixel at (u, v) reads the source at (x, y), where ``(x, y, 1) ~ inverse @ (u, v, 1)`` or
``(x, y) = coordinates[v, u]``. Integer coordinates are pixel centres.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

# A nearest tap this close below a tie goes up, so that the rounding of a composed matrix does not decide
# which of two pixels a resize by an even factor picks. Pixels; a float64 product errs by less than 1e-10.
TIE_SLACK = 1e-6
# Positions are clamped to this before they become integers. Pixels.
FAR = float(2**24)
BICUBIC_A = -0.75
# torch gathers no unsigned integers above 8 bits: their bits are moved as those of signed ones.
SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def warp(
    image: Shaped[Tensor, "b c h w"],
    inverse: Float[Tensor, "#b 3 3"] | None,
    size: tuple[int, int],
    *,
    coordinates: Float[Tensor, "#b oh ow 2"] | None = None,
    interpolation: str = "bilinear",
    border: str = "replicate",
    fill: Tensor,
    planes: Float[Tensor, "#b d 4 3"] | None = None,
    fills: Tensor | None = None,
    within: tuple[Tensor, Tensor] | None = None,
) -> Shaped[Tensor, "b c oh ow"]:
    """Returns the image resampled; arguments as in `visionops.kernels.warp.warp`, already checked.

    Args:
        within: the height and width (b, 1, 1) of each image, where it is the first part of the tensor's.
    """
    dtype = image.dtype
    if interpolation == "nearest" and dtype in SIGNED:
        signed = SIGNED[dtype]
        fill = fill.to(image.device, dtype).view(signed)
        fills = None if fills is None else fills.to(image.device, dtype).view(signed)
        bits = warp(
            image.view(signed),
            inverse,
            size,
            coordinates=coordinates,
            interpolation=interpolation,
            border=border,
            fill=fill,
            planes=planes,
            fills=fills,
        )
        return bits.view(dtype)
    if interpolation != "nearest" and dtype not in (torch.float32, torch.float64):
        image = image.float()
    like = planes if inverse is None else inverse
    grid = None if like is None else pixel_grid(size, like)
    if coordinates is None:
        assert inverse is not None and grid is not None
        xy = positions(inverse, grid)
    else:
        xy = coordinates.movedim(-1, 1)
    lost = (xy - xy != 0).any(1, keepdim=True)  # infinite or NaN
    xy = xy.masked_fill(lost, 0).clamp(-FAR, FAR)
    fill = fill.to(image.device, image.dtype)
    out = torch.where(lost, fill[:, None, None], _gather(image, xy, interpolation, border, fill, within))
    if planes is not None and fills is not None:
        assert grid is not None
        left = (_affine(planes, grid) < 0).any(2)
        fills = fills.to(image.device, image.dtype)
        for d in reversed(range(planes.shape[1])):
            out = torch.where(left[:, d, None], fills[d][:, None, None], out)
    if not dtype.is_floating_point and out.is_floating_point():
        info = torch.iinfo(dtype)
        out = out.round().clamp(info.min, info.max)
    return out.to(dtype)


def positions(inverse: Float[Tensor, "b 3 3"], grid: tuple[Tensor, Tensor]) -> Float[Tensor, "b 2 h w"]:
    """Returns the source position (x, y) of every output pixel."""
    xyw = _affine(inverse, grid)
    return xyw[:, :2] / xyw[:, 2:]


def _affine(rows: Float[Tensor, "*rows 3"], grid: tuple[Tensor, Tensor]) -> Float[Tensor, "*rows h w"]:
    """Returns ``a u + b v + c`` of rows (a, b, c); rounded step by step, so that a horizon is where it should be."""
    u, v = grid
    a, b, c = rows[..., None, None].unbind(-3)
    return a * u + b * v + c


def pixel_grid(size: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """Returns u (1, w) and v (h, 1), the output coordinates, in the dtype and on the device of `like`."""
    h, w = size
    return (
        torch.arange(w, dtype=like.dtype, device=like.device)[None, :],
        torch.arange(h, dtype=like.dtype, device=like.device)[:, None],
    )


def fold(index: Tensor, n: Any, border: str) -> Tensor:
    """Returns tap indices brought into [0, n) by the border rule ("constant" clamps); n an int, or one a sample."""
    if border == "circular":
        return index.remainder(n)
    if isinstance(n, Tensor):
        if border == "reflect":
            period = (2 * n - 2).clamp(min=1)
            index = index.remainder(period)
            index = torch.minimum(index, period - index)
        return torch.minimum(index.clamp(min=0), n - 1)
    if border == "reflect":
        period = max(2 * n - 2, 1)
        index = index.remainder(period)
        return torch.minimum(index, period - index).clamp(max=n - 1)
    return index.clamp(0, n - 1)


def taps(position: Tensor, interpolation: str, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Returns the tap indices around each position and their weights; nearest has one tap and no weight."""
    if interpolation == "nearest":
        return [(position + (0.5 + TIE_SLACK)).floor().long()], []
    low = position.detach().floor()
    t = (position - low).to(dtype)
    low = low.long()
    if interpolation == "bilinear":
        return [low, low + 1], [1 - t, t]
    a = BICUBIC_A
    inner = lambda s: ((a + 2) * s - (a + 3)) * s * s + 1  # noqa: E731
    outer = lambda s: ((a * s - 5 * a) * s + 8 * a) * s - 4 * a  # noqa: E731
    return [low - 1, low, low + 1, low + 2], [outer(t + 1), inner(t), inner(1 - t), outer(2 - t)]


def _gather(
    image: Tensor, xy: Tensor, interpolation: str, border: str, fill: Tensor, within: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Returns the images at positions (b or 1, 2, oh, ow); all taps of a row, or of both, in the same launches."""
    b, c, _, row = image.shape
    h, w = image.shape[2:] if within is None else (n[:, None] for n in within)
    flat = image.flatten(2)
    places, shares = taps(xy, interpolation, image.dtype)
    ix, iy = torch.stack(places, 1).unbind(2)
    index = torch.add(fold(ix, w, border)[:, None], fold(iy, h, border)[:, :, None], alpha=row)
    inside = None
    if border == "constant":
        inside = ((iy >= 0) & (iy < h))[:, :, None] & ((ix >= 0) & (ix < w))[:, None]
    weight = None
    if shares:
        wx, wy = torch.stack(shares, 1).unbind(2)
        weight = wx[:, None] * wy[:, :, None]
    # The sixteen taps of bicubic go row by row, so that no more than four lie in memory at once.
    rows = 2 if len(places) == 2 else 1
    out: Tensor | None = None
    for j in range(0, len(places), rows):
        at = index[:, j : j + rows].flatten(1, 2)
        value = flat.gather(2, at.flatten(1)[:, None].expand(b, c, -1)).unflatten(2, at.shape[1:])
        if inside is not None:
            value = torch.where(inside[:, j : j + rows].flatten(1, 2)[:, None], value, fill[:, None, None, None])
        if weight is None:
            return value[:, :, 0]
        share = weight[:, j : j + rows].flatten(1, 2)[:, None]
        # A tap of weight zero is not read: a NaN there stays out (a finite one stays in the gradient).
        value = torch.where(share != 0, value, value.nan_to_num(0.0, 0.0, 0.0))
        added = (value * share).sum(2)
        out = added if out is None else out + added
    assert out is not None
    return out
