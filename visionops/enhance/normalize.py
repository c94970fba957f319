"""Normalisation: by given means and deviations, and by the least and greatest value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_image, check_positive, flatten, unflatten
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.pixel.program import INF
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import extremes, look_up_levels, stretch
from visionops.module import as_module

from .pointwise import Values, rows_by_channel, scale_channels


def normalize(
    image: Shaped[Tensor, "*batch c h w"], mean: Values, std: Values
) -> Float[Tensor, "*batch c h w"]:
    """Returns (image - mean) / std; floating, float32 of uint8.

    Args:
        image: floating in [0, 1], or uint8, which is read as a fraction of 255.
        mean: a number, one for each channel, or (*batch, c), of colours in [0, 1].
        std: likewise, above 0.

    Raises:
        ValueError: for a std that is not above 0. A tensor's values are not checked.

    Gradient: to the image, mean and std.
    Source: torchvision normalize.

    >>> normalize(torch.full((1, 1, 1), 255, dtype=torch.uint8), 0.5, 0.25).item()
    2.0
    """
    check_image("normalize", image)
    centre, spread = _rows("normalize", image, mean, std)
    if isinstance(centre, tuple):
        return _fixed(image, [1 / s for s in spread], [-m / s for m, s in zip(centre, spread, strict=True)])
    return _affine(image, 1 / spread, -centre / spread)


def denormalize(
    image: Float[Tensor, "*batch c h w"], mean: Values, std: Values
) -> Float[Tensor, "*batch c h w"]:
    """Returns image std + mean: what `normalize` undoes.

    Args:
        image: floating.
        mean: a number, one for each channel, or (*batch, c).
        std: likewise, above 0.

    Raises:
        ValueError: as `normalize`.

    Gradient: to the image, mean and std.

    >>> denormalize(torch.full((1, 1, 1), 2.0), 0.5, 0.25).item()
    1.0
    """
    check_image("denormalize", image, floating=True)
    centre, spread = _rows("denormalize", image, mean, std)
    if isinstance(centre, tuple):
        return _fixed(image, spread, centre)
    return _affine(image, spread, centre)


def _rows(function: str, image: Tensor, mean: Values, std: Values) -> tuple[Any, Any]:
    """Returns mean and std as tuples of a number for each channel where they are such, else as tensors."""
    for value in std if isinstance(std, list | tuple) else (std,):
        check_positive(function, "std", value)
    centre, spread = (_numbers(v, image.shape[-3]) for v in (mean, std))
    if centre is not None and spread is not None:
        return centre, spread
    rows, spread_rows = (rows_by_channel(function, n, v, image) for n, v in (("mean", mean), ("std", std)))
    return rows.to(spread_rows.dtype), spread_rows


def _numbers(value: Values, channels: int) -> tuple[float, ...] | None:
    if isinstance(value, int | float):
        return (float(value),) * channels
    if isinstance(value, list | tuple) and len(value) == channels and all(isinstance(v, int | float) for v in value):
        return tuple(map(float, value))
    return None


def _fixed(image: Tensor, scale: Sequence[float], shift: Sequence[float]) -> Tensor:
    """As `_affine`, of numbers: the step is known to be linear, and keeps no image for its gradient."""
    dtype = image.dtype if image.is_floating_point() else torch.float32
    program = [Instruction(Op.SCALE, (*scale, *shift, -INF, INF))]
    return unflatten(pixel(flatten(image), program, dtype=dtype), image.shape[:-3])


def _affine(image: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    dtype = image.dtype if image.is_floating_point() else torch.float32
    return unflatten(scale_channels(flatten(image), scale, shift, dtype=dtype), image.shape[:-3])


def min_max_normalize(
    image: Shaped[Tensor, "*batch c h w"], *, low: float = 0.0, high: float = 1.0
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel stretched so that its least value is `low` and its greatest `high`; a flat one is `low`.

    Args:
        image: floating, or uint8 (rounded and saturating).
        low: the new least value, in [0, 1] also for uint8.
        high: the new greatest value.

    Gradient: to the image, also through both ends, among whose equal pixels it is shared.
    Source: OpenCV normalize with NORM_MINMAX, of each channel.

    >>> min_max_normalize(torch.tensor([[[2.0, 3.0, 6.0]]])).flatten().tolist()
    [0.0, 0.25, 1.0]
    """
    check_image("min_max_normalize", image)
    if image.numel() == 0:
        return image.clone()
    flat = flatten(image)
    if image.dtype == torch.uint8:
        least, greatest = (end.double()[..., None] for end in extremes(flat))
        level = torch.arange(256.0, dtype=torch.float64, device=image.device)
        part = (level - least) / (greatest - least).clamp(min=1)
        table = from_unit(part.clamp(0, 1) * (high - low) + low, torch.uint8)
        return unflatten(look_up_levels(flat, table), image.shape[:-3])
    return unflatten(from_unit(stretch(to_unit(flat), low, high), image.dtype), image.shape[:-3])


Normalize = as_module(normalize)
Denormalize = as_module(denormalize)
MinMaxNormalize = as_module(min_max_normalize)
