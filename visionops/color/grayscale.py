"""Grey from colours and back.

Y = 0.299 R + 0.587 G + 0.114 B, the luma of ITU-R BT.601
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image
from visionops.errors import refuse
from visionops.kernels.color import Conversion
from visionops.kernels.pixel.program import LUMA
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from ._apply import apply


def rgb_to_grayscale(
    image: Shaped[Tensor, "*batch 3 h w"], *, weights: Sequence[float] | Tensor = LUMA
) -> Shaped[Tensor, "*batch 1 h w"]:
    """Returns the weighted sum of the channels.

    Args:
        image: floating, or uint8 (rounded: OpenCV's value, or at a tie one level beside it).
        weights: of red, green and blue; a tensor (3,) or one row for each sample (*batch, 3) gets a gradient.

    Raises:
        ValueError: for other than three weights.

    Gradient: to the image, and to weights that are a tensor.
    Source: ITU-R BT.601, as OpenCV's COLOR_RGB2GRAY.

    >>> import torch
    >>> rgb_to_grayscale(torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1)).item().__round__(4)
    0.5925
    """
    return _gray("rgb_to_grayscale", image, weights, 1)


def bgr_to_grayscale(
    image: Shaped[Tensor, "*batch 3 h w"], *, weights: Sequence[float] | Tensor = LUMA
) -> Shaped[Tensor, "*batch 1 h w"]:
    """Returns the weighted sum of the channels of an image whose blue comes first.

    Args:
        image: floating, or uint8 (rounded).
        weights: of red, green and blue, in this order, as in `rgb_to_grayscale`.

    Raises:
        ValueError: for other than three weights.

    Gradient: to the image, and to weights that are a tensor.
    Source: ITU-R BT.601, as OpenCV's COLOR_BGR2GRAY.

    >>> import torch
    >>> bgr_to_grayscale(torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1)).item().__round__(4)
    0.5925
    """
    return _gray("bgr_to_grayscale", image, weights, -1)


def grayscale_to_rgb(image: Shaped[Tensor, "*batch 1 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns three equal channels, as a copy.

    Gradient: to the image, the sum over the channels.

    >>> import torch
    >>> grayscale_to_rgb(torch.ones(2, 1, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """
    check_image("grayscale_to_rgb", image, channels=1)
    return image.expand(*image.shape[:-3], 3, *image.shape[-2:]).contiguous()


def _gray(function: str, image: Tensor, weights: Sequence[float] | Tensor, order: int) -> Tensor:
    if not isinstance(weights, Tensor):
        if len(weights) != 3:
            raise refuse(function, "weights", "three numbers", weights)
        return apply(function, image, Conversion("affine", (*map(float, weights[::order]), 0.0)))
    check_image(function, image, channels=3)
    if tuple(weights.shape) not in ((3,), (*image.shape[:-3], 3)):
        raise refuse(function, "weights", f"of shape (3,) or {(*image.shape[:-3], 3)}", tuple(weights.shape))
    x = to_unit(image)
    rows = weights.to(x.device, x.dtype)[..., None, None]
    return from_unit((x * (rows if order == 1 else rows.flip(-3))).sum(-3, keepdim=True), image.dtype)


RgbToGrayscale = as_module(rgb_to_grayscale)
BgrToGrayscale = as_module(bgr_to_grayscale)
GrayscaleToRgb = as_module(grayscale_to_rgb)
