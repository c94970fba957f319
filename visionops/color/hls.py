"""Hue, lightness and saturation.

L = (max + min) / 2, S = (max - min) / (1 - |2 L - 1|), H as in HSV
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels.color import Conversion
from visionops.module import as_module

from ._apply import apply


def rgb_to_hls(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns hue in turns, in [0, 1), lightness and saturation in [0, 1].

    The hue of a grey is 0, so is the saturation of black and white. OpenCV's float hue is in degrees. uint8 writes 255
    times each value; OpenCV's 8-bit hue is in half degrees, 0 to 179.

    Args:
        image: floating in [0, 1], or uint8.

    Gradient: to the image. Channels that are equal share what the largest and the smallest get. A grey's hue gets
    none, nor the saturation of black and white, nor, from the lightness, the saturation at L = 1/2 (a kink).
    Source: Joblove and Greenberg, "Color spaces for computer graphics", 1978; order of channels as OpenCV.

    >>> import torch
    >>> rgb_to_hls(torch.tensor([0.2, 0.8, 0.8]).reshape(3, 1, 1)).flatten()
    tensor([0.5000, 0.5000, 0.6000])
    """
    return apply("rgb_to_hls", image, Conversion("hls"))


def hls_to_rgb(image: Shaped[Tensor, "*batch 3 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns red, green and blue in [0, 1] of hue in turns, lightness and saturation.

    Args:
        image: floating; any real number is a hue, of period 1. uint8: 255 times each value.

    Gradient: to the image; at corners of a channel in the hue one of the two sides' or half of it, at L = 1/2 the mean.
    Source: Joblove and Greenberg, "Color spaces for computer graphics", 1978.

    >>> import torch
    >>> hls_to_rgb(torch.tensor([0.5, 0.5, 0.6]).reshape(3, 1, 1)).flatten()
    tensor([0.2000, 0.8000, 0.8000])
    """
    return apply("hls_to_rgb", image, Conversion("from_hls"))


RgbToHls = as_module(rgb_to_hls)
HlsToRgb = as_module(hls_to_rgb)
