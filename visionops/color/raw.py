"""Bayer mosaics: one colour a pixel, in blocks of 2 x 2 that a pattern names by rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels import filter_separable, native
from visionops.kernels.color import cpu
from visionops.module import as_module

Pattern = Literal["RGGB", "BGGR", "GRBG", "GBRG"]
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

_TENT = np.array([[0.5, 1.0, 0.5]])


def rgb_to_raw(image: Shaped[Tensor, "*batch 3 h w"], *, pattern: Pattern = "RGGB") -> Shaped[Tensor, "*batch 1 h w"]:
    """Returns the mosaic that a sensor would see: of each pixel the one channel that the pattern keeps.

    Args:
        image: floating or uint8.
        pattern: the top left block by rows: "RGGB", "BGGR", "GRBG" or "GBRG".

    Raises:
        ValueError: for an unknown pattern.

    Gradient: to the channels that are kept.

    >>> rgb_to_raw(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1).expand(3, 2, 2))[0].tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    check_image("rgb_to_raw", image, channels=3)
    check_choice("rgb_to_raw", "pattern", pattern, PATTERNS)
    kept = [(channel, *divmod(pattern.index(letter), 2)) for channel, letter in ((0, "R"), (2, "B"))]
    out = image[..., 1:2, :, :]
    if native.may_run(image):
        out = out.clone()
        for c, y, x in kept:
            out[..., y::2, x::2] = image[..., c : c + 1, y::2, x::2]
        return out
    # The way back through copies into slices takes a pass for each.
    rows, columns = (torch.arange(n, device=image.device) % 2 for n in image.shape[-2:])
    for c, y, x in kept:
        out = torch.where((rows == y)[:, None] & (columns == x), image[..., c : c + 1, :, :], out)
    return out


def raw_to_rgb(image: Shaped[Tensor, "*batch 1 h w"], *, pattern: Pattern = "RGGB") -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the mosaic's three channels, each the mean of the nearest pixels that saw it.

    OpenCV's COLOR_Bayer*2RGB inside the image, where its names tell the block of the second row and column
    (COLOR_BayerBG2RGB is "RGGB"). At the border it copies the pixels beside; here the mosaic is reflected, which keeps
    its pattern.

    Args:
        image: floating or uint8 (rounded), at least 2 x 2 pixels.
        pattern: the top left block by rows: "RGGB", "BGGR", "GRBG" or "GBRG".

    Raises:
        ValueError: for an unknown pattern, or fewer pixels.

    Gradient: to the image, in which it is linear.

    >>> raw_to_rgb(torch.tensor([[1.0, 2.0], [2.0, 3.0]])[None])[:, 0, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    check_image("raw_to_rgb", image, channels=1)
    check_choice("raw_to_rgb", "pattern", pattern, PATTERNS)
    if min(image.shape[-2:]) < 2:
        raise refuse("raw_to_rgb", "image", "of at least 2 x 2 pixels", tuple(image.shape[-2:]))
    x = flatten(image)
    if x.numel() and x.dtype in native.SWEEP_DTYPES and native.may_run(x):
        out = cpu.mosaic(x, pattern.index("R"))
    else:
        out = _mix(x, pattern)
    return unflatten(out, image.shape[:-3])


def _mix(image: Tensor, pattern: str) -> Tensor:
    # Bytes stay in their own units: halves are then exact.
    x = image if image.dtype == torch.float64 else image.float()
    sites = _sites(x, pattern)
    out = filter_separable(torch.where(sites, x, 0), _TENT, _TENT)
    # Where green was not seen, the tent adds four greens up, halved; where it was, those at the corners besides.
    red, green, blue = out.split(1, 1)
    out = torch.cat([red, torch.where(sites[1], x, green / 2), blue], 1)
    return (out.round() if image.dtype == torch.uint8 else out).to(image.dtype)


def _sites(image: Tensor, pattern: str) -> Tensor:
    """Returns which pixels see red, green and blue, (3, h, w)."""
    h, w = image.shape[-2:]
    index = torch.tensor(["RGB".index(letter) for letter in pattern], device=image.device).reshape(2, 2)
    rows, columns = (torch.arange(n, device=image.device) % 2 for n in (h, w))
    return index[rows[:, None], columns] == torch.arange(3, device=image.device)[:, None, None]


RgbToRaw = as_module(rgb_to_raw)
RawToRgb = as_module(raw_to_rgb)
