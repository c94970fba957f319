"""Flips and quarter turns: pixels of any dtype, moved exactly."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import is_whole
from visionops.errors import refuse
from visionops.module import as_module

from .warping import check_pixels


def hflip(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with left and right exchanged.

    Args:
        image: of any dtype.

    Raises:
        ValueError: for an image without pixels.

    Gradient: to the image.

    >>> hflip(torch.tensor([[[1, 2], [3, 4]]])).tolist()
    [[[2, 1], [4, 3]]]
    """
    check_pixels("hflip", image, moved=True)
    return image.flip(-1)


def vflip(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with top and bottom exchanged.

    Args:
        image: of any dtype.

    Raises:
        ValueError: for an image without pixels.

    Gradient: to the image.

    >>> vflip(torch.tensor([[[1, 2], [3, 4]]])).tolist()
    [[[3, 4], [1, 2]]]
    """
    check_pixels("vflip", image, moved=True)
    return image.flip(-2)


def rot90(image: Shaped[Tensor, "*batch c h w"], turns: int = 1) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image after quarter turns; an odd number exchanges height and width.

    Args:
        image: of any dtype.
        turns: how many quarters, counter-clockwise on the screen; negative ones are clockwise.

    Raises:
        ValueError: for an image without pixels, or turns that are not whole.

    Gradient: to the image.
    Source: numpy.rot90.

    >>> rot90(torch.tensor([[[1, 2], [3, 4]]])).tolist()
    [[[2, 4], [1, 3]]]
    """
    check_pixels("rot90", image, moved=True)
    if not is_whole(turns):
        raise refuse("rot90", "turns", "a whole number of quarter turns", turns, "rotate takes degrees.")
    return torch.rot90(image, int(turns), (-2, -1))


Hflip = as_module(hflip)
Vflip = as_module(vflip)
Rot90 = as_module(rot90)
