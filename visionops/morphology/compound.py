"""What erosion and dilation make together: opening, closing, and differences with the image.

The second of two steps takes the element reflected about its pixel, which is what makes an opening one: it never
rises above the image, and a second opening changes nothing. OpenCV does not reflect it, and so shifts an image that
it opens with an element of even size; with symmetric elements both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.kernels import morphology as kernels
from visionops.kernels.morphology import definition
from visionops.kernels.morphology.definition import Result
from visionops.module import as_module

from .structure import Element, structure


def opening(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the dilation of the erosion: bright detail smaller than the element is removed.

    Args:
        image: as of `erosion`.
        kernel_size: as of `erosion`.
        element: as of `erosion`.
        soft: as of `erosion`, in both steps.

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `erosion`, through both steps.
    Source: OpenCV morphologyEx (symmetric elements), scipy.ndimage.grey_opening.

    >>> import torch
    >>> opening(torch.tensor([[[0.0, 4.0, 0.0, 3.0, 3.0]]]), kernel_size=(1, 2))
    tensor([[[0., 0., 0., 3., 3.]]])
    """
    return _compound("opening", image, kernel_size, element, soft, False, "second")


def closing(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the erosion of the dilation: dark detail smaller than the element is filled.

    Args:
        image: as of `erosion`.
        kernel_size: as of `erosion`.
        element: as of `erosion`.
        soft: as of `erosion`, in both steps.

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `erosion`, through both steps.
    Source: OpenCV morphologyEx (symmetric elements), scipy.ndimage.grey_closing.

    >>> import torch
    >>> closing(torch.tensor([[[4.0, 0.0, 4.0, 1.0, 1.0]]]), kernel_size=(1, 2))
    tensor([[[4., 4., 4., 1., 1.]]])
    """
    return _compound("closing", image, kernel_size, element, soft, True, "second")


def morphological_gradient(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the dilation minus the erosion: how much the image varies over the element.

    Args:
        image: as of `erosion`; uint8 saturates.
        kernel_size: as of `erosion`.
        element: as of `erosion`.
        soft: as of `erosion`, in both.

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `erosion`.
    Source: OpenCV morphologyEx, MORPH_GRADIENT.

    >>> import torch
    >>> morphological_gradient(torch.tensor([[[0.0, 4.0, 1.0, 1.0]]]), kernel_size=(1, 3))
    tensor([[[4., 4., 3., 0.]]])
    """
    return _compound("morphological_gradient", image, kernel_size, element, soft, False, "second - first")


def top_hat(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image minus its opening: bright detail smaller than the element.

    Args:
        image: as of `erosion`; uint8 saturates.
        kernel_size: as of `erosion`.
        element: as of `erosion`.
        soft: as of `erosion`, in both steps.

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `opening`, and of the image itself.
    Source: OpenCV morphologyEx, MORPH_TOPHAT (symmetric elements), scipy.ndimage.white_tophat.

    >>> import torch
    >>> top_hat(torch.tensor([[[0.0, 4.0, 0.0, 3.0, 3.0]]]), kernel_size=(1, 2))
    tensor([[[0., 4., 0., 0., 0.]]])
    """
    return _compound("top_hat", image, kernel_size, element, soft, False, "image - second")


def black_hat(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int] | None = None,
    element: Element | None = None,
    soft: float | Tensor | None = None,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the closing minus the image: dark detail smaller than the element.

    Args:
        image: as of `erosion`; uint8 saturates.
        kernel_size: as of `erosion`.
        element: as of `erosion`.
        soft: as of `erosion`, in both steps.

    Raises:
        ValueError: as `erosion`.

    Gradient: as that of `closing`, and of the image itself, negative.
    Source: OpenCV morphologyEx, MORPH_BLACKHAT (symmetric elements), scipy.ndimage.black_tophat.

    >>> import torch
    >>> black_hat(torch.tensor([[[4.0, 0.0, 4.0, 1.0, 1.0]]]), kernel_size=(1, 2))
    tensor([[[0., 4., 0., 0., 0.]]])
    """
    return _compound("black_hat", image, kernel_size, element, soft, True, "second - image")


def _compound(
    function: str,
    image: Tensor,
    kernel_size: int | Sequence[int] | None,
    element: Element | None,
    soft: float | Tensor | None,
    largest: bool,
    result: Result,
) -> Tensor:
    """Returns what is asked for of the extreme over an element, `largest` or least, and of the other one after it."""
    check_image(function, image)
    over = structure(function, image, kernel_size, element, soft)
    after = over if result == "second - first" else over.reflected()
    flat = flatten(image)
    if soft is None and over.runs is not None and after.runs is not None:
        out = kernels.compound(flat, over.runs, after.runs, largest=largest, result=result)
    else:
        out = definition.compound(
            flat,
            lambda x: over.extremum(x, largest=largest),
            lambda x: after.extremum(x, largest=not largest),
            result,
        )
    return unflatten(out, image.shape[:-3])


Opening = as_module(opening)
Closing = as_module(closing)
MorphologicalGradient = as_module(morphological_gradient)
TopHat = as_module(top_hat)
BlackHat = as_module(black_hat)
