"""Resize: every output pixel is a weighted sum of the source pixels around its centre.

Output pixel i of n lies at (i + 1/2) N / n - 1/2 of N source pixels: edges stay on edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, flatten, is_whole, unflatten
from visionops.errors import refuse
from visionops.kernels import resample
from visionops.module import as_module

from .warping import check_pixels, check_size

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "area")


def resize(
    image: Shaped[Tensor, "*batch c h w"],
    size: int | tuple[int, int],
    *,
    side: Literal["shortest", "longest", "height", "width"] = "shortest",
    interpolation: Interpolation = "bilinear",
    antialias: bool = True,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image at another size.

    Args:
        image: floating, or uint8 (rounded, ties up); of any dtype with "nearest".
        size: (height, width), or the length of one side in pixels, which keeps the aspect.
        side: which side a single number means.
        interpolation: "nearest" takes the pixel at the centre, exactly; "area" averages what an output pixel covers.
        antialias: widens "bilinear", "bicubic" and "lanczos" where the image shrinks, with the kernels of Pillow and
            of torch's antialias=True (bicubic a = -0.5, three lobes). False takes those of OpenCV at any scale
            (a = -0.75, four lobes), which leave out pixels where it shrinks by more than two.

    Raises:
        ValueError: for a size that is not positive, or an unknown side or interpolation.

    Gradient: to the image, of which nothing is kept. float16 and bfloat16 compute in float32.
    Source: Pillow's resize with antialias; without OpenCV's INTER_LINEAR, INTER_CUBIC and INTER_LANCZOS4; INTER_AREA;
    INTER_NEAREST_EXACT. With antialias uint8 is rounded and clipped along x, then along y, as torch and Pillow do
    (Pillow 13 begins with y where the height shrinks much more). Where one axis grows and the other shrinks OpenCV's
    INTER_AREA leaves pixels out; here none is.

    >>> resize(torch.tensor([[[0.0, 1.0, 2.0, 3.0]]]), (1, 2), antialias=False)[0].tolist()
    [[0.5, 2.5]]
    """
    _check("resize", image, interpolation)
    return _resize(image, _target(image.shape[-2], image.shape[-1], size, side), interpolation, antialias)


def rescale(
    image: Shaped[Tensor, "*batch c h w"],
    factor: float | tuple[float, float],
    *,
    interpolation: Interpolation = "bilinear",
    antialias: bool = True,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image resized by a factor.

    Args:
        image: floating, or uint8 (rounded, ties up); of any dtype with "nearest".
        factor: of the size, or (vertical, horizontal), above 0. The size is rounded to whole pixels, at least one,
            ties up, and the image fills it.
        interpolation, antialias: as in `resize`.

    Raises:
        ValueError: for a factor that is not above 0, or an unknown interpolation.

    Gradient: to the image, of which nothing is kept.

    >>> rescale(torch.zeros(3, 5, 8), 0.5).shape
    torch.Size([3, 3, 4])
    """
    _check("rescale", image, interpolation)
    pair = tuple(factor) if isinstance(factor, Sequence) else (factor, factor)
    if len(pair) != 2 or not all(isinstance(f, int | float | np.number) and 0 < f < float("inf") for f in pair):
        raise refuse("rescale", "factor", "above 0, one number or (vertical, horizontal)", factor)
    size = tuple(_rounded(n * f) for n, f in zip(image.shape[-2:], pair, strict=True))
    return _resize(image, size, interpolation, antialias)


def kind_of(interpolation: str, antialias: bool, source: int, size: int) -> str:
    """Returns the table of taps that an axis needs."""
    if source == size:
        return "same"
    plain = interpolation in ("nearest", "area") or not antialias
    return interpolation if plain else f"{interpolation}_antialias"


def _check(function: str, image: Tensor, interpolation: str) -> None:
    check_choice(function, "interpolation", interpolation, INTERPOLATIONS)
    check_pixels(function, image, moved=interpolation == "nearest")


def _target(h: int, w: int, size: int | Sequence[int], side: str) -> tuple[int, ...]:
    if isinstance(size, Sequence):
        return check_size("resize", size)
    check_choice("resize", "side", side, ("shortest", "longest", "height", "width"))
    if not is_whole(size) or size < 1:
        raise refuse("resize", "size", "positive whole pixels: (height, width), or one side", size)
    base = {"shortest": min(h, w), "longest": max(h, w), "height": h, "width": w}[side]
    return _rounded(h * size / base), _rounded(w * size / base)


def _rounded(n: float) -> int:
    return max(int(n + 0.5), 1)


def _resize(image: Tensor, size: Sequence[int], interpolation: str, antialias: bool) -> Tensor:
    h, w = image.shape[-2:]
    rows, columns = (kind_of(interpolation, antialias, *pair) for pair in ((h, size[0]), (w, size[1])))
    flat = flatten(image)
    if image.dtype == torch.uint8 and columns.endswith("_antialias"):  # rounded and clipped between, as Pillow
        flat, columns = resample(flat, (h, size[1]), "same", columns), "same"
    return unflatten(resample(flat, (size[0], size[1]), rows, columns), image.shape[:-3])


Resize = as_module(resize)
Rescale = as_module(rescale)
