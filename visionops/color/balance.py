"""White balance: by the temperature of the light, and by the mean colour."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, column
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from .linear import linear_rgb_to_rgb, rgb_to_linear_rgb
from .matrices import XYZ

# Where Krystek's formula holds, kelvin.
COLDEST, HOTTEST = 1000.0, 15000.0
_TO_RGB = np.linalg.inv(XYZ).tolist()


def planckian_balance(
    image: Shaped[Tensor, "*batch 3 h w"],
    *,
    temperature: float | np.ndarray | Tensor,
    reference: float = 6500.0,
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the image as if the light on it, of one temperature, were of another.

    Each channel is multiplied, in linear light, by the ratio of two black bodies' colours, that of green being 1.

    Args:
        image: sRGB, floating in [0, 1], or uint8. Floats are not clipped.
        temperature: of the new light in kelvin, from 1000 (red) to 15000 (blue); a number, or one for each sample
            (*batch). A tensor's values are clamped to this range.
        reference: of the old light: this temperature changes nothing.

    Raises:
        ValueError: for numbers outside the range.

    Gradient: to the image, and to a temperature that is a tensor. Below 1900 K a black body has less blue than sRGB can
    show: the factor of blue is 0, and so is its gradient.
    Source: Krystek, "An algorithm to calculate correlated colour temperature", 1985 (chromaticity to 1e-4).

    >>> planckian_balance(torch.full((3, 1, 1), 0.5), temperature=4000.0).flatten()
    tensor([0.5915, 0.5000, 0.3773])
    """
    check_image("planckian_balance", image, channels=3)
    for name, value in (("temperature", temperature), ("reference", reference)):
        hosted = () if isinstance(value, Tensor) else value.flat if isinstance(value, np.ndarray) else (value,)
        if not all(COLDEST <= v <= HOTTEST for v in hosted):
            raise refuse("planckian_balance", name, f"from {COLDEST:g} to {HOTTEST:g} kelvin", value)
    x = to_unit(image)
    kelvin = column("planckian_balance", "temperature", temperature, x)
    if not isinstance(kelvin, Tensor):
        kelvin = torch.full((1, 1, 1), kelvin, dtype=x.dtype, device=x.device)
    old = black_body(torch.full((1, 1, 1), float(reference), dtype=kelvin.dtype, device=kelvin.device))
    gains = (black_body(kelvin.to(x.dtype).clamp(COLDEST, HOTTEST)) / old).clamp(min=0)
    return from_unit(linear_rgb_to_rgb(rgb_to_linear_rgb(x) * gains), image.dtype)


def black_body(kelvin: Shaped[Tensor, "*batch 1 1 1"]) -> Shaped[Tensor, "*batch 3 1 1"]:
    """Returns the linear sRGB colour of a black body's light, of green 1."""
    t = kelvin / 1000  # so that no power of it leaves float32
    u = (0.860117757 + t * (0.154118254 + t * 0.128641212)) / (1 + t * (0.842420235 + t * 0.708145163))
    v = (0.317398726 + t * (0.0422806245 + t * 0.0420481691)) / (1 + t * (-0.0289741816 + t * 0.161456053))
    xyz = (1.5 * u / v, torch.ones_like(u), (4 - u - 10 * v) / (2 * v))
    red, green, blue = (sum(m * c for m, c in zip(row, xyz, strict=True)) for row in _TO_RGB)
    return torch.cat([red / green, torch.ones_like(green), blue / green], -3)


def gray_world_balance(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns each image with its channels multiplied so that all have the mean that they had together.

    Args:
        image: floating, or uint8 (rounded and saturating). Floats are not clipped.

    Gradient: to the image, through the means too. A channel whose mean is not positive keeps its values, and has no
    gradient from the others' means.
    Source: Buchsbaum, "A spatial processor model for object colour perception", 1980.

    >>> gray_world_balance(torch.tensor([0.2, 0.4, 0.6]).reshape(3, 1, 1)).flatten()
    tensor([0.4000, 0.4000, 0.4000])
    """
    check_image("gray_world_balance", image, channels=3)
    if image.numel() == 0:
        return image.clone()
    x = to_unit(image)
    means = x.mean((-2, -1), keepdim=True)
    positive = means > 0
    gains = torch.where(positive, means.mean(-3, keepdim=True) / torch.where(positive, means, 1), 1)
    return from_unit(x * gains, image.dtype)


PlanckianBalance = as_module(planckian_balance)
GrayWorldBalance = as_module(gray_world_balance)
