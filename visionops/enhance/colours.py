"""Brightness, contrast, saturation and hue, by torchvision's formulas: blends with black, with grey, and a turn of hue.

blend(a, b, f) = clamp(f a + (1 - f) b, 0, 1)
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image
from visionops.errors import refuse
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.pixel.program import LUMA
from visionops.module import as_module

from .pointwise import Number, each_value, number, parameters, rows_of, run_program, scale_by


def adjust_brightness(image: Shaped[Tensor, "*batch c h w"], factor: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image times a factor, clamped to [0, 1].

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        factor: at least 0; 0 is black, 1 the image. A number, or one for each sample, (*batch).

    Raises:
        ValueError: for a negative number.

    Gradient: to the image and to the factor; 0 where the result is clamped.
    Source: torchvision adjust_brightness, Pillow ImageEnhance.Brightness; both round uint8 down.

    >>> import torch
    >>> adjust_brightness(torch.full((1, 1, 1), 0.4), 1.5).item().__round__(3)
    0.6
    """
    check_image("adjust_brightness", image)
    value = number("adjust_brightness", "factor", factor, image, low=0)
    return each_value(
        image, lambda x: pixel(x, [scale_by(x.shape[1], value, 0.0, 0.0, 1.0)]), samples=rows_of(value)
    )


def adjust_contrast(image: Shaped[Tensor, "*batch c h w"], factor: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image's blend with the mean of its luma.

    Args:
        image: floating in [0, 1], or uint8 (rounded). The luma of three channels is 0.299 R + 0.587 G + 0.114 B; of
            any other number of channels it is their mean.
        factor: at least 0; 0 is grey, 1 the image. A number, or one for each sample, (*batch).

    Raises:
        ValueError: for a negative number.

    Gradient: to the image, also through its mean, and to the factor; 0 where the result is clamped.
    Source: torchvision adjust_contrast; Pillow ImageEnhance.Contrast rounds the mean to a whole level first.

    >>> import torch
    >>> adjust_contrast(torch.tensor([[[0.2, 0.6]]]), 0.5).flatten().tolist()
    [0.30000001192092896, 0.5]
    """
    check_image("adjust_contrast", image)
    value = number("adjust_contrast", "factor", factor, image, low=0)
    return run_program(image, [Instruction(Op.CONTRAST, parameters(value))]) if image.numel() else image.clone()


def adjust_saturation(image: Shaped[Tensor, "*batch c h w"], factor: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image's blend with its luma, 0.299 R + 0.587 G + 0.114 B; of one channel, the image.

    Args:
        image: of 1 or 3 channels, floating in [0, 1], or uint8 (rounded).
        factor: at least 0; 0 is grey, 1 the image. A number, or one for each sample, (*batch).

    Raises:
        ValueError: for a negative number, or any other number of channels.

    Gradient: to the image and to the factor; 0 where the result is clamped.
    Source: torchvision adjust_saturation, whose weight of red is 0.2989; Pillow ImageEnhance.Color.

    >>> import torch
    >>> adjust_saturation(torch.tensor([1.0, 0.0, 0.0])[:, None, None], 0.0).flatten()[2].item().__round__(3)
    0.299
    """
    check_image("adjust_saturation", image)
    value = number("adjust_saturation", "factor", factor, image, low=0)
    if image.shape[-3] == 1:
        return image.clone()
    _check_colours("adjust_saturation", image)
    rest = 1 - value
    matrix: list[float | Tensor] = []
    for i in range(3):
        matrix += [rest * LUMA[j] + (value if i == j else 0) for j in range(3)] + [0.0]
    return run_program(image, [Instruction(Op.MATRIX, parameters(*matrix, 0.0, 1.0))])


def adjust_hue(image: Shaped[Tensor, "*batch c h w"], shift: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with its hue turned, in HSV; of one channel, the image.

    Args:
        image: of 1 or 3 channels, floating in [0, 1], or uint8 (rounded).
        shift: in turns; 0 and 1 are the image, 1/3 takes red to green. A number, or one for each sample, (*batch).

    Raises:
        ValueError: for any other number of channels.

    Gradient: to the image and to the shift; at grey the hue's is 0, at the kinks of HSV a subgradient.
    Source: torchvision adjust_hue, which allows half a turn either way.

    >>> import torch
    >>> adjust_hue(torch.tensor([1.0, 0.0, 0.0])[:, None, None], 0.5).flatten().tolist()
    [0.0, 1.0, 1.0]
    """
    check_image("adjust_hue", image)
    value = number("adjust_hue", "shift", shift, image)
    if image.shape[-3] == 1:
        return image.clone()
    _check_colours("adjust_hue", image)
    return run_program(image, [Instruction(Op.HUE, parameters(value))])


def _check_colours(function: str, image: Tensor) -> None:
    if image.shape[-3] != 3:
        remedy = "Split off alpha or further bands first."
        raise refuse(function, "image", "of 1 or 3 channels", image.shape[-3], remedy)


AdjustBrightness = as_module(adjust_brightness)
AdjustContrast = as_module(adjust_contrast)
AdjustSaturation = as_module(adjust_saturation)
AdjustHue = as_module(adjust_hue)
