"""Erosion and dilation: the least and the largest value over a structuring element.

erosion[p] = min_s (image[p + s] - element[s])        dilation[p] = max_s (image[p + s] + element[s])
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.module import as_module

from .structure import Element, structure


def erosion(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the least value over a structuring element at each pixel, of each channel by itself.

    Args:
        image: floating or uint8. Without NaN: what lies near one is undefined. Outside it nothing counts.
        kernel_size: of a box, one number or (height, width), odd or even; its pixel is at size // 2.
        element: instead of a box, (h, w), its pixel at (h // 2, w // 2). Boolean or integer: flat, where it is not 0.
            Floating: heights, which are subtracted, in the units of a floating image ([0, 1] for uint8); -inf
            where it does not reach.
        soft: None selects. A temperature, in the same units, gives -t log mean exp(-x / t), which lies between the
            least value and the mean; a number, or one for each sample (*batch).

    Raises:
        ValueError: for not exactly one of kernel_size and element, sizes below 1, an element that is empty or not
            of two dimensions, or soft not above 0.

    Gradient: to the pixel whose value it is, of equal ones to the first in reading order of the element, and to the
    heights. Soft, to all of them by their weight, and to the temperature where it is a tensor; it is smooth.
    A flat element costs two comparisons for each run of it and the logarithm of its width; a box, the logarithm of
    its sides.
    Source: OpenCV erode, scipy.ndimage.grey_erosion.

    >>> import torch
    >>> erosion(torch.tensor([[[3.0, 1.0, 2.0, 5.0]]]), kernel_size=(1, 3))
    tensor([[[1., 1., 1., 2.]]])
    """
    check_image("erosion", image)
    over = structure("erosion", image, kernel_size, element, soft)
    return unflatten(over.extremum(flatten(image), largest=False), image.shape[:-3])


def dilation(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the largest value over a structuring element at each pixel, of each channel by itself.

    The element is not reflected, as in OpenCV; SciPy reflects it.

    Args:
        image: as of `erosion`.
        kernel_size: as of `erosion`.
        element: as of `erosion`, except that heights are added.
        soft: None selects. A temperature gives t log mean exp(x / t).

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `erosion`.
    Source: OpenCV dilate, scipy.ndimage.grey_dilation.

    >>> import torch
    >>> dilation(torch.tensor([[[3.0, 1.0, 2.0, 5.0]]]), kernel_size=(1, 3))
    tensor([[[3., 3., 5., 5.]]])
    """
    check_image("dilation", image)
    over = structure("dilation", image, kernel_size, element, soft)
    return unflatten(over.extremum(flatten(image), largest=True), image.shape[:-3])


Erosion = as_module(erosion)
Dilation = as_module(dilation)
