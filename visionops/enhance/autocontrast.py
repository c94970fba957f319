"""Autocontrast: each channel's darkest and brightest colours become 0 and 1."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import extremes, level_counts, look_up_levels
from visionops.module import as_module

from .pointwise import scale_channels


def autocontrast(image: Shaped[Tensor, "*batch c h w"], *, cutoff: float = 0.0) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel stretched so that its darkest colour is 0 and its brightest 1; a flat one stays.

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        cutoff: percent of the pixels, below 50, that are left out at either end when the two are looked for.

    Raises:
        ValueError: for a cutoff outside [0, 50).

    Gradient: to the image, also through both ends, which of equal pixels goes to one or is shared among them.
    Source: torchvision autocontrast, Pillow ImageOps.autocontrast, which rounds down.

    >>> autocontrast(torch.tensor([[[0.25, 0.5, 0.75]]])).flatten().tolist()
    [0.0, 0.5, 1.0]
    """
    check_image("autocontrast", image)
    if not 0 <= cutoff < 50:
        raise refuse("autocontrast", "cutoff", "at least 0 and below 50", cutoff)
    if image.numel() == 0:
        return image.clone()
    flat = flatten(image)
    out_of = int(flat.shape[2] * flat.shape[3] * cutoff // 100)
    if image.dtype == torch.uint8:
        ends = _ends_of_levels(flat, out_of) if out_of else extremes(flat)
        low, high = (end.float()[..., None] for end in ends)
        span = high - low
        level = torch.arange(256.0, device=image.device)
        table = torch.where(span > 0, (level - low) / span.clamp(min=1), level / 255)
        return unflatten(look_up_levels(flat, from_unit(table.clamp(0, 1), torch.uint8)), image.shape[:-3])
    x = to_unit(flat)
    if out_of:
        ranked = x.flatten(2).sort(-1).values
        low, high = ranked[..., out_of], ranked[..., -1 - out_of]
    else:
        low, high = extremes(x)
    span = high - low
    scale = 1 / torch.where(span > 0, span, 1)
    out = scale_channels(x, scale, torch.where(span > 0, -low * scale, 0), low=0.0, high=1.0)
    return unflatten(from_unit(out, image.dtype), image.shape[:-3])


def _ends_of_levels(image: Tensor, out_of: int) -> tuple[Tensor, Tensor]:
    """Returns the lowest and the highest level (b, c) without so many pixels at either end."""
    ranks = level_counts(image)[:, :, 0, 0].cumsum(-1)
    pixels = ranks[..., -1:]
    low = (ranks <= out_of).sum(-1)
    high = (ranks < pixels - out_of).sum(-1)
    return low, high


Autocontrast = as_module(autocontrast)
