"""Resize and warps of volumes.

Positions are (x, y, z) in voxels, whose centres are at integers; x goes along the width, z along the depth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_choice
from visionops.kernels import resample
from visionops.kernels.warp.definition import FAR, fold, taps
from visionops.module import as_module

from .resize import INTERPOLATIONS, Interpolation, kind_of
from .warping import Array, check_pixels, check_size, matrices


def resize3d(
    volume: Shaped[Tensor, "*batch c d h w"],
    size: tuple[int, int, int],
    *,
    interpolation: Interpolation = "bilinear",
    antialias: bool = True,
) -> Shaped[Tensor, "*batch c od oh ow"]:
    """Returns the volume at another size, axis by axis as `resize` does images.

    Args:
        volume: floating, or uint8 (rounded); of any dtype with "nearest".
        size: (depth, height, width).
        interpolation: "bilinear" is linear along each of the three axes, and so on.
        antialias: as in `resize`.

    Raises:
        ValueError: for a size that is not positive, or an unknown interpolation.

    Gradient: to the volume, of which nothing is kept.
    Source: torch interpolate(mode="trilinear"), without antialias.

    >>> resize3d(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1), (4, 1, 1)).flatten().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    check_choice("resize3d", "interpolation", interpolation, INTERPOLATIONS)
    check_pixels("resize3d", volume, moved=interpolation == "nearest", volume=True)
    od, oh, ow = check_size("resize3d", size, 3)
    *batch, c, d, h, w = volume.shape
    count = math.prod(batch) * c
    if count == 0:
        return volume.new_empty(*batch, c, od, oh, ow)
    kinds = [kind_of(interpolation, antialias, *pair) for pair in ((d, od), (h, oh), (w, ow))]
    # uint8 is rounded once, at the end.
    moved = interpolation == "nearest" or volume.dtype != torch.uint8
    x = (volume if moved else volume.float()).reshape(count, d, h, w)
    x = resample(x, (oh, ow), kinds[1], kinds[2]).reshape(count, 1, d, oh * ow)
    x = resample(x, (od, oh * ow), kinds[0], "same")
    x = x if moved else x.round().clamp(0, 255).to(volume.dtype)
    return x.reshape(*batch, c, od, oh, ow)


def warp_affine3d(
    volume: Shaped[Tensor, "*batch c d h w"],
    matrix: Float[Array, "*batch 3 4"],
    size: tuple[int, int, int] | None = None,
    *,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c od oh ow"]:
    """Returns the volume moved by an affine map.

    Args:
        volume: floating, or uint8 (rounded); of any dtype with "nearest".
        matrix: from source to output voxels (x, y, z), for all samples or for each.
        size: (depth, height, width) of the output; None keeps the volume's.
        interpolation: along each of the three axes.
        border: what taps outside the volume read; with "constant" faces blend with the fill over one voxel.
        fill: in the units of the volume.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the volume and the matrix, one-sided at whole voxels; with "nearest" none to the matrix. A singular
    matrix gives fill.
    Source: scipy.ndimage.affine_transform of the inverse, with orders 0 and 1.

    >>> shift = [[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]
    >>> warp_affine3d(torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 2), shift).flatten().tolist()
    [0.0, 1.0]
    """
    _check("warp_affine3d", volume, interpolation, border)
    forward = matrices("warp_affine3d", matrix, volume, (3, 4), 3)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=forward.dtype, device=forward.device)
    forward = torch.cat([forward, last.expand(len(forward), 1, 4)], 1)
    return _warp("warp_affine3d", volume, forward, size, interpolation, border, fill)


def warp_perspective3d(
    volume: Shaped[Tensor, "*batch c d h w"],
    matrix: Float[Array, "*batch 4 4"],
    size: tuple[int, int, int] | None = None,
    *,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c od oh ow"]:
    """Returns the volume moved by a projective map.

    Args:
        volume: floating, or uint8 (rounded); of any dtype with "nearest".
        matrix: from source to output voxels, (x, y, z, 1) up to scale, for all samples or for each.
        size: (depth, height, width) of the output; None keeps the volume's.
        interpolation: along each of the three axes.
        border: what taps outside the volume read; with "constant" faces blend with the fill over one voxel.
        fill: in the units of the volume; also what the horizon gets.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the volume and the matrix, one-sided at whole voxels; with "nearest" none to the matrix. A singular
    matrix gives fill.

    >>> shift = [[2.0, 0, 0, 2], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]]
    >>> warp_perspective3d(torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 2), shift).flatten().tolist()
    [0.0, 1.0]
    """
    _check("warp_perspective3d", volume, interpolation, border)
    forward = matrices("warp_perspective3d", matrix, volume, (4, 4), 3)
    return _warp("warp_perspective3d", volume, forward, size, interpolation, border, fill)


def _check(function: str, volume: Tensor, interpolation: str, border: str) -> None:
    check_choice(function, "interpolation", interpolation, ("nearest", "bilinear", "bicubic"))
    check_border(function, border)
    check_pixels(function, volume, moved=interpolation == "nearest", volume=True)


def _warp(
    function: str, volume: Tensor, forward: Tensor, size: Sequence[int] | None, interpolation: str, border: str,
    fill: float,
) -> Tensor:  # fmt: skip
    *batch, c, d, h, w = volume.shape
    target = (d, h, w) if size is None else check_size(function, size, 3)
    if volume.numel() == 0:
        return volume.new_empty(*batch, c, *target)
    inverse, info = torch.linalg.inv_ex(forward)
    inverse = torch.where((info == 0)[:, None, None], inverse, torch.nan)
    z, y, x = (
        torch.arange(n, dtype=inverse.dtype, device=inverse.device).reshape(shape)
        for n, shape in zip(target, ((-1, 1, 1), (-1, 1), (-1,)), strict=True)
    )
    rows = inverse[..., None, None, None]
    moved = rows[:, :, 0] * x + rows[:, :, 1] * y + rows[:, :, 2] * z + rows[:, :, 3]
    places = moved[:, :3] / moved[:, 3:]
    flat = volume.reshape(-1, c, d, h, w)
    return _gather(flat, places, interpolation, border, fill).reshape(*batch, c, *target)


def _gather(volume: Tensor, xyz: Tensor, interpolation: str, border: str, fill: float) -> Tensor:
    """Returns volumes (b, c, d, h, w) at positions (b or 1, 3, od, oh, ow)."""
    b, c, d, h, w = volume.shape
    dtype, moves = volume.dtype, interpolation == "nearest"
    x = volume if moves or dtype == torch.float64 else volume.float()
    lost = (xyz - xyz != 0).any(1, keepdim=True)
    xyz = xyz.masked_fill(lost, 0).clamp(-FAR, FAR)
    axes = []  # of each axis: the taps' places, weights (None: one), and whether they are inside
    for at, n, step in zip(xyz.unbind(1), (w, h, d), (1, w, h * w), strict=True):
        places, weights = taps(at, interpolation, x.dtype)
        inside = [(p >= 0) & (p < n) for p in places]
        axes.append([(fold(p, n, border) * step, weights[k] if weights else None, inside[k])
                     for k, p in enumerate(places)])  # fmt: skip
    values = x.reshape(b, c, d * h * w)
    out = None
    for pz, wz, iz in axes[2]:
        for py, wy, iy in axes[1]:
            for px, wx, ix in axes[0]:
                index = pz + py + px
                value = values.gather(2, index.flatten(1)[:, None].expand(b, c, -1)).reshape(b, c, *index.shape[1:])
                if border == "constant":
                    value = torch.where((iz & iy & ix)[:, None], value, torch.tensor(fill, dtype=x.dtype))
                value = value if wz is None or wy is None or wx is None else value * (wz * wy * wx)[:, None]
                out = value if out is None else out + value
    assert out is not None
    out = torch.where(lost, torch.tensor(fill, dtype=x.dtype), out)
    return out if moves else (out.round().clamp(0, 255) if dtype == torch.uint8 else out).to(dtype)


Resize3d = as_module(resize3d)
WarpAffine3d = as_module(warp_affine3d)
WarpPerspective3d = as_module(warp_perspective3d)
