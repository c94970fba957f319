"""Thresholds: the five ways of OpenCV to apply one, and that of Otsu to find one.

N. Otsu, A threshold selection method from gray-level histograms, 1979.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pair import where_above
from visionops.kernels.stats import level_counts
from visionops.module import as_module

from .pointwise import Values, each_value, rows_by_channel, units

Kind = Literal["binary", "binary_inv", "trunc", "tozero", "tozero_inv"]
JUMPS = ("binary", "binary_inv")
KINDS = (*JUMPS, "trunc", "tozero", "tozero_inv")


def threshold(
    image: Shaped[Tensor, "*batch c h w"],
    threshold: Values,
    *,
    kind: Kind = "binary",
    max_value: float | None = None,
    softness: float = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image x cut at a threshold t.

    Args:
        image: floating, or uint8.
        threshold: in the units of the image, of uint8 rounded down; a number, one for each channel, or (*batch, c), as
            `otsu_threshold` gives.
        kind: what x > t becomes, and the rest: "binary" (max_value, 0), "binary_inv" (0, max_value), "trunc" (t, x),
            "tozero" (x, 0) or "tozero_inv" (0, x).
        max_value: in the units of the image; None is 1, or 255 of uint8.
        softness: above 0, floating images are blended by sigmoid((x - t) / softness) instead, in the image's units.

    Raises:
        ValueError: for an unknown kind, a negative softness, or one for uint8.

    Gradient: to the image where it is kept, to the threshold where it is; 0 elsewhere, also at the jump. With softness,
        smooth in both.
    Source: OpenCV threshold; the soft form is that of M. Liao et al., Differentiable binarization, 2020.

    >>> threshold(torch.tensor([[[100, 101]]], dtype=torch.uint8), 100).flatten().tolist()
    [0, 255]
    """
    check_image("threshold", image)
    check_choice("threshold", "kind", kind, KINDS)
    if not softness >= 0 or (softness > 0 and image.dtype == torch.uint8):
        raise refuse("threshold", "softness", "at least 0, and 0 for uint8", softness)
    is_bytes = image.dtype == torch.uint8
    top = units(image) if max_value is None else float(max_value)
    top = min(max(float(round(top)), 0.0), 255.0) if is_bytes else top
    if isinstance(threshold, int | float) and softness == 0 and (not is_bytes or 0 <= threshold <= 255):
        # Beyond that, torch wraps what a byte cannot hold.
        return _cut_at_number(image, int(threshold) if is_bytes else float(threshold), kind, top)
    limits = rows_by_channel("threshold", "threshold", threshold, image)
    if is_bytes and kind in JUMPS and isinstance(threshold, Tensor) and threshold.dtype == torch.uint8:
        return _jump(image, limits.to(torch.uint8)[..., None, None], kind, top)

    def cut(x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            value = x.float()
            result = _cut(value, limits.floor()[..., None, None], kind, top, 0.0)
            return result.clamp(0, 255).to(torch.uint8)
        return _cut(x, limits.to(x.dtype)[..., None, None], kind, top, softness)

    return each_value(image, cut, samples=limits.shape[0], channels=limits.shape[1])


def _cut_at_number(x: Tensor, limit: float, kind: str, top: float) -> Tensor:
    """As `_cut`, in as few passes as torch has for it."""
    if kind == "trunc":
        return x.clamp(max=limit)
    if kind == "tozero":
        return x.masked_fill(x <= limit, 0) if x.dtype == torch.uint8 else torch.nn.functional.threshold(x, limit, 0.0)
    if kind == "tozero_inv":
        return x.masked_fill(x > limit, 0)
    return _jump(x, x.new_full((), limit), kind, top)


def _jump(x: Tensor, limit: Tensor, kind: str, top: float) -> Tensor:
    """Returns where pixels are above a limit, as top and 0."""
    flat = flatten(x.detach())
    yes, no = (top, 0.0) if kind == "binary" else (0.0, top)
    return unflatten(where_above(flat, limit.expand_as(flat), 0.0, yes, no), x.shape[:-3])


def _cut(x: Tensor, limit: Tensor, kind: str, top: float, softness: float) -> Tensor:
    choices: dict[str, tuple[float | Tensor, float | Tensor]] = {
        "binary": (top, 0.0),
        "binary_inv": (0.0, top),
        "trunc": (limit, x),
        "tozero": (x, 0.0),
        "tozero_inv": (0.0, x),
    }
    yes, no = choices[kind]
    if softness > 0:
        part = torch.sigmoid((x - limit) / softness)
        return no + (yes - no) * part
    above = x > limit
    if isinstance(yes, float) and isinstance(no, float):
        return torch.where(above, yes, no).to(x.dtype)
    return torch.where(above, yes, no)


def otsu_threshold(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c"]:
    """Returns the threshold of each channel that parts its colours into two classes as far apart as can be.

    ``threshold(image, otsu_threshold(image))`` applies it.

    Args:
        image: floating in [0, 1], counted in 256 levels, rint(255 x), or uint8.

    Returns:
        Of uint8 the highest level of the lower class, uint8. Of floats the middle between that and the next, in the
        image's dtype. 0 where all pixels have one level.

    Raises:
        ValueError: for an image without pixels.

    Gradient: none, the result is piecewise constant.
    Source: Otsu 1979; OpenCV threshold with THRESH_OTSU.

    >>> otsu_threshold(torch.tensor([[[10, 12, 200, 210]]], dtype=torch.uint8)).item()
    12
    """
    check_image("otsu_threshold", image)
    batch = image.shape[:-2]
    if 0 in image.shape[-2:]:
        raise refuse("otsu_threshold", "image", "of at least one pixel", tuple(image.shape))
    if image.numel() == 0:
        return image.new_empty(batch)
    counts = level_counts(flatten(image))[:, :, 0, 0].double()
    level = torch.arange(256.0, dtype=torch.float64, device=image.device)
    share = counts / counts.sum(-1, keepdim=True)
    below, moment = share.cumsum(-1), (share * level).cumsum(-1)
    above, mean = 1 - below, moment[..., -1:]
    safe = torch.where((below > 1e-7) & (above > 1e-7), below * above, 1)
    # Levels without pixels part nothing else than the one before: leaving them out keeps the first of equals.
    parts = (counts > 0) & (below > 1e-7) & (above > 1e-7)
    between = torch.where(parts, (mean * below - moment) ** 2 / safe, 0)
    best = torch.where(between > 0, between, 0).argmax(-1)
    best = torch.where(between.amax(-1) > 0, best, 0)
    if image.dtype == torch.uint8:
        return best.to(torch.uint8).reshape(batch)
    middle = torch.where(between.amax(-1) > 0, (best + 0.5) / 255, 0)
    return middle.to(image.dtype).reshape(batch)


Threshold = as_module(threshold)
