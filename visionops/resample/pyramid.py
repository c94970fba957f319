"""Image pyramids: halving and doubling with the filter 1 4 6 4 1.

down = (image * k k^T)[::2, ::2]        up = (image between zeros) * 4 k k^T        k = (1 4 6 4 1) / 16
Laplacian level = Gaussian level - up(next Gaussian level)

Source: Burt and Adelson, The Laplacian Pyramid as a Compact Image Code (1983).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_count, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels import resample
from visionops.module import as_module

from .warping import check_pixels, check_size


def pyramid_down(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image blurred and halved: (h + 1) // 2 by (w + 1) // 2 pixels, every other one from the first.

    Args:
        image: floating, or uint8 (rounded, ties up).

    Raises:
        ValueError: for an image without pixels, or of other integers.

    Gradient: to the image, of which nothing is kept.
    Source: OpenCV pyrDown, the same values, with its border (reflect).

    >>> import torch
    >>> pyramid_down(torch.arange(8.0).reshape(1, 1, 8))[0].tolist()
    [[0.75, 2.0, 4.0, 5.875]]
    """
    check_pixels("pyramid_down", image)
    h, w = ((n + 1) // 2 for n in image.shape[-2:])
    return unflatten(resample(flatten(image), (h, w), "pyramid_down", "pyramid_down"), image.shape[:-3])


def pyramid_up(
    image: Shaped[Tensor, "*batch c h w"], *, size: tuple[int, int] | None = None
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image doubled and smoothed.

    Args:
        image: floating, or uint8 (rounded, ties up).
        size: (height, width) of the output, each twice the image's or one less; None takes twice.

    Raises:
        ValueError: for another size.

    Gradient: to the image, of which nothing is kept.
    Source: OpenCV pyrUp, the same values at twice the size.

    >>> import torch
    >>> pyramid_up(torch.tensor([[[0.0, 8.0]]]))[0, 0].tolist()
    [2.0, 4.0, 7.0, 8.0]
    """
    check_pixels("pyramid_up", image)
    h, w = (2 * n for n in image.shape[-2:])
    target = (h, w) if size is None else check_size("pyramid_up", size)
    if target[0] not in (h, h - 1) or target[1] not in (w, w - 1):
        raise refuse("pyramid_up", "size", f"{(h, w)}, or one less", size)
    return unflatten(resample(flatten(image), (target[0], target[1]), "pyramid_up", "pyramid_up"), image.shape[:-3])


def gaussian_pyramid(image: Shaped[Tensor, "*batch c h w"], *, levels: int) -> list[Shaped[Tensor, "*batch c _h _w"]]:
    """Returns the image and its halvings, `levels` images in all.

    Args:
        image: floating, or uint8 (rounded).
        levels: at least 1. Beyond one pixel images stay as small.

    Raises:
        ValueError: for fewer levels.

    Gradient: to the image.

    >>> import torch
    >>> [tuple(x.shape) for x in gaussian_pyramid(torch.zeros(1, 9, 8), levels=3)]
    [(1, 9, 8), (1, 5, 4), (1, 3, 2)]
    """
    check_pixels("gaussian_pyramid", image)
    check_count("gaussian_pyramid", "levels", levels)
    pyramid = [image]
    for _ in range(levels - 1):
        pyramid.append(pyramid_down(pyramid[-1]))
    return pyramid


def laplacian_pyramid(image: Shaped[Tensor, "*batch c h w"], *, levels: int) -> list[Shaped[Tensor, "*batch c _h _w"]]:
    """Returns what each halving loses, and last the smallest image; `collapse_pyramid` undoes it.

    Args:
        image: floating.
        levels: images in all, at least 1.

    Raises:
        ValueError: for fewer levels, or an image of integers, whose differences are negative.

    Gradient: to the image.

    >>> import torch
    >>> laplacian_pyramid(torch.full((1, 4, 4), 0.5), levels=2)[0].abs().max().item()
    0.0
    """
    check_image("laplacian_pyramid", image, floating=True)
    check_pixels("laplacian_pyramid", image)
    check_count("laplacian_pyramid", "levels", levels)
    images = gaussian_pyramid(image, levels=levels)
    details = [a - _up(b, a) for a, b in itertools.pairwise(images)]
    return [*details, images[-1]]


def collapse_pyramid(pyramid: Sequence[Shaped[Tensor, "*batch c _h _w"]]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image that a Laplacian pyramid is of.

    Args:
        pyramid: as `laplacian_pyramid` returns it, changed or not: from the finest level to the smallest image.

    Raises:
        ValueError: for no levels, or levels that do not halve.

    Gradient: to every level.

    >>> import torch
    >>> levels = laplacian_pyramid(torch.eye(5)[None], levels=3)
    >>> bool((collapse_pyramid(levels) - torch.eye(5)).abs().max() < 1e-6)
    True
    """
    if not isinstance(pyramid, Sequence) or not pyramid:
        raise refuse("collapse_pyramid", "pyramid", "a list of at least one level", type(pyramid).__name__)
    image = pyramid[-1]
    for finer in reversed(pyramid[:-1]):
        if any((n + 1) // 2 != m for n, m in zip(finer.shape[-2:], image.shape[-2:], strict=True)):
            got = [tuple(level.shape[-2:]) for level in pyramid]
            raise refuse("collapse_pyramid", "pyramid", "levels that halve", got)
        image = finer + _up(image, finer)
    return image


def _up(small: Tensor, like: Tensor) -> Tensor:
    return pyramid_up(small, size=(like.shape[-2], like.shape[-1]))


PyramidDown = as_module(pyramid_down)
PyramidUp = as_module(pyramid_up)
