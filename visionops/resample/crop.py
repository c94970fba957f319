"""Crops of whole pixels."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import is_whole
from visionops.errors import refuse
from visionops.module import as_module

from .pad import surround
from .warping import Fill, check_pixels, check_size


def crop(
    image: Shaped[Tensor, "*batch c h w"], *, top: int, left: int, height: int, width: int, fill: Fill = 0.0
) -> Shaped[Tensor, "*batch c height width"]:
    """Returns a rectangle of the image, which may reach beyond it.

    Args:
        image: of any dtype.
        top: the first row.
        left: the first column.
        height: in pixels.
        width: in pixels.
        fill: of what lies beyond the image: a number, or one for each channel, in its units.

    Raises:
        ValueError: for a height or width that is not positive.

    Gradient: to the image. A crop inside the image is a view of it, as in torch's indexing.

    >>> crop(torch.arange(6).reshape(1, 2, 3), top=1, left=2, height=1, width=2, fill=9).tolist()
    [[[5, 9]]]
    """
    check_pixels("crop", image, moved=True)
    for name, value in (("top", top), ("left", left), ("height", height), ("width", width)):
        if not is_whole(value) or (name in ("height", "width") and value < 1):
            raise refuse("crop", name, "whole pixels, and positive for a size", value)
    return _window("crop", image, top, left, height, width, fill)


def center_crop(
    image: Shaped[Tensor, "*batch c h w"], size: int | tuple[int, int], *, fill: Fill = 0.0
) -> Shaped[Tensor, "*batch c height width"]:
    """Returns the middle of the image.

    Args:
        image: of any dtype.
        size: (height, width) in pixels; one number is both. Where it is more than the image has, the image lies in
            the middle.
        fill: of what lies beyond the image: a number, or one for each channel, in its units.

    Raises:
        ValueError: for a size that is not positive.

    Gradient: to the image. A crop inside the image is a view of it, as in torch's indexing. Of an odd rest the larger
    half is cut off at the bottom and the right.

    >>> center_crop(torch.arange(5).reshape(1, 1, 5), (1, 3)).tolist()
    [[[1, 2, 3]]]
    """
    check_pixels("center_crop", image, moved=True)
    height, width = check_size("center_crop", size if isinstance(size, Sequence) else (size, size))
    h, w = image.shape[-2:]
    return _window("center_crop", image, (h - height) // 2, (w - width) // 2, height, width, fill)


def _window(function: str, image: Tensor, top: int, left: int, height: int, width: int, fill: Fill) -> Tensor:
    h, w = image.shape[-2:]
    y0, y1 = (min(max(y, 0), h) for y in (top, top + height))
    x0, x1 = (min(max(x, 0), w) for x in (left, left + width))
    inside = image[..., y0:y1, x0:x1]
    if (y1 - y0, x1 - x0) == (height, width):
        return inside
    before_y, before_x = min(max(-top, 0), height), min(max(-left, 0), width)
    sides = (before_x, width - before_x - (x1 - x0), before_y, height - before_y - (y1 - y0))
    return surround(function, inside, sides, fill)


Crop = as_module(crop)
CenterCrop = as_module(center_crop)
