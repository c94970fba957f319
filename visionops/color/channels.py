"""The order of channels, and alpha."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, column
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module


def rgb_to_bgr(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the channels in reverse order, as a copy.

    Gradient: to the image, exact.

    >>> rgb_to_bgr(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)).flatten().tolist()
    [3.0, 2.0, 1.0]
    """
    check_image("rgb_to_bgr", image, channels=3)
    return image.flip(-3)


def bgr_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the channels in reverse order, as a copy.

    Gradient: to the image, exact.

    >>> bgr_to_rgb(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)).flatten().tolist()
    [3.0, 2.0, 1.0]
    """
    check_image("bgr_to_rgb", image, channels=3)
    return image.flip(-3)


def rgb_to_rgba(
    image: Shaped[Tensor, "*batch 3 h w"], *, alpha: float | Tensor = 1.0
) -> Shaped[Tensor, "*batch 4 h w"]:
    """Returns the image with a fourth channel, its opacity.

    Args:
        image: floating or uint8.
        alpha: opacity in [0, 1], a number or one for each sample (*batch), written in the image's units (1 is 255 in
            uint8); or the channel itself, (*batch, 1, h, w) in the image's dtype.

    Raises:
        ValueError: for an alpha of another shape.

    Gradient: to the image and to an alpha that is a tensor.

    >>> rgb_to_rgba(torch.zeros(3, 1, 1), alpha=0.5).flatten().tolist()
    [0.0, 0.0, 0.0, 0.5]
    """
    return _with_alpha("rgb_to_rgba", image, alpha)


def bgr_to_rgba(
    image: Shaped[Tensor, "*batch 3 h w"], *, alpha: float | Tensor = 1.0
) -> Shaped[Tensor, "*batch 4 h w"]:
    """Returns red, green, blue and opacity of an image whose blue comes first.

    Args:
        image: floating or uint8.
        alpha: as in `rgb_to_rgba`.

    Raises:
        ValueError: for an alpha of another shape.

    Gradient: to the image and to an alpha that is a tensor.

    >>> bgr_to_rgba(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)).flatten().tolist()
    [3.0, 2.0, 1.0, 1.0]
    """
    check_image("bgr_to_rgba", image, channels=3)
    return _with_alpha("bgr_to_rgba", image.flip(-3), alpha)


def rgba_to_rgb(
    image: Shaped[Tensor, "*batch 4 h w"], *, background: float | Sequence[float] | None = None
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the colours of an image with opacity, laid over a background or as they are.

    Args:
        image: floating or uint8; colours not multiplied by their opacity.
        background: a grey, or red, green and blue, in [0, 1] for every dtype; the result is alpha colour + (1 - alpha)
            background. None drops the opacity, as OpenCV.

    Raises:
        ValueError: for a background that is neither one number nor three.

    Gradient: to the image, opacity included where there is a background.
    Source: Porter and Duff, "Compositing digital images", 1984 (over).

    >>> rgba_to_rgb(torch.tensor([0.2, 0.4, 0.6, 0.5]).reshape(4, 1, 1), background=1.0).flatten()
    tensor([0.6000, 0.7000, 0.8000])
    """
    check_image("rgba_to_rgb", image, channels=4)
    if background is None:
        return image[..., :3, :, :].clone()
    under = tuple(background) if isinstance(background, list | tuple) else (background,) * 3
    if len(under) != 3 or not all(isinstance(v, int | float) for v in under):
        raise refuse("rgba_to_rgb", "background", "one number or three", background)
    x = to_unit(image)
    behind = torch.tensor(under, dtype=x.dtype, device=x.device)[:, None, None]
    return from_unit(torch.lerp(behind, x[..., :3, :, :], x[..., 3:, :, :]), image.dtype)


def _with_alpha(function: str, image: Tensor, alpha: float | Tensor) -> Tensor:
    check_image(function, image, channels=3)
    whole = (*image.shape[:-3], 1, *image.shape[-2:])
    if isinstance(alpha, Tensor) and alpha.ndim == image.ndim:
        if tuple(alpha.shape) != whole or alpha.dtype != image.dtype:
            got = f"{tuple(alpha.shape)} and {alpha.dtype}"
            raise refuse(function, "alpha", f"of shape {whole} and {image.dtype}", got)
        return torch.cat([image, alpha.to(image.device)], -3)
    opacity = column(function, "alpha", alpha, image)
    if not isinstance(opacity, Tensor):
        opacity = torch.full((1, 1, 1), opacity, dtype=to_unit(image[..., :0, :0]).dtype, device=image.device)
    return torch.cat([image, from_unit(opacity, image.dtype).expand(whole)], -3)


RgbToBgr = as_module(rgb_to_bgr)
BgrToRgb = as_module(bgr_to_rgb)
RgbToRgba = as_module(rgb_to_rgba)
BgrToRgba = as_module(bgr_to_rgba)
RgbaToRgb = as_module(rgba_to_rgb)
