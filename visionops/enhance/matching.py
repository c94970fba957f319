"""Matching of histograms: colours change as needed to be distributed as in another image."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import level_counts, look_up, look_up_levels
from visionops.module import as_module


def match_histograms(
    image: Shaped[Tensor, "*batch c h w"], reference: Shaped[Tensor, "*#batch c _h _w"]
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with each channel's colours distributed as in the reference.

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        reference: one image of any size and at least one pixel, or one for each sample; of either kind of dtype.
            Both are counted in 256 levels, rint(255 x); a float image is mapped linearly between levels.

    Raises:
        ValueError: for a reference of another number of channels, or empty.

    Gradient: to the image, by the slope of the table, which itself is piecewise constant; none to the reference.
    Source: scikit-image exposure.match_histograms, which rounds uint8 down and tells all values of floats apart.

    >>> image, reference = torch.tensor([[[0.0, 0.2, 0.2]]]), torch.tensor([[[0.4, 0.8, 0.8]]])
    >>> match_histograms(image, reference).flatten().tolist()
    [0.4000000059604645, 0.800000011920929, 0.800000011920929]
    """
    check_image("match_histograms", image)
    check_image("match_histograms", reference)
    c, batch = image.shape[-3], image.shape[:-3]
    if reference.shape[-3] != c or reference.numel() == 0:
        raise refuse("match_histograms", "reference", f"of {c} channels and not empty", tuple(reference.shape))
    if reference.shape[:-3] not in ((), batch, (1,) * len(batch)):
        raise refuse("match_histograms", "reference", f"one or {tuple(batch)} images", tuple(reference.shape))
    if image.numel() == 0:
        return image.clone()
    flat, other = flatten(image), flatten(reference.to(image.device))
    tables = _matching_tables(level_counts(flat)[:, :, 0, 0], level_counts(other)[:, :, 0, 0])
    if image.dtype == torch.uint8:
        result = look_up_levels(flat, tables.round().to(torch.uint8))
    else:
        x = to_unit(flat)
        result = from_unit(look_up(x, (tables / 255)[:, :, None, None].to(x.dtype)), image.dtype)
    return unflatten(result, batch)


def _matching_tables(source: Int[Tensor, "b c 256"], target: Int[Tensor, "#b c 256"]) -> Tensor:
    """Returns the level of the target, float64, at the rank that each level has in the source."""
    ranks = source.cumsum(-1).double() / source.sum(-1, keepdim=True)
    levels = torch.arange(256, device=target.device).expand_as(target)
    # Of levels without pixels the rank is that of the last with some: ranks are interpolated between those that have.
    last = torch.where(target > 0, levels, -1).cummax(-1).values
    before = torch.nn.functional.pad(last[..., :-1], (1, 0), value=-1)
    sums = torch.nn.functional.pad(target.cumsum(-1).double() / target.sum(-1, keepdim=True), (1, 0))
    sums, last, before = (t.expand(len(source), -1, -1).contiguous() for t in (sums, last, before))
    at = torch.searchsorted(sums[..., 1:].contiguous(), ranks).clamp(max=255)
    upper, lower = last.gather(-1, at), before.gather(-1, at)
    high, low = sums.gather(-1, at + 1), sums.gather(-1, at)
    part = (ranks - low) / torch.where(high > low, high - low, 1)
    between = torch.lerp(lower.double(), upper.double(), part.clamp(0, 1))
    return torch.where(lower < 0, upper, between).clamp(min=0)


MatchHistograms = as_module(match_histograms)
