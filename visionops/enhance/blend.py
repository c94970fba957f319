"""The weighted sum of two images."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pair import blend

from .pointwise import Number, number


def add_weighted(
    image1: Shaped[Tensor, "*batch c h w"],
    image2: Shaped[Tensor, "*batch c h w"],
    *,
    alpha: Number = 0.5,
    beta: Number = 0.5,
    gamma: Number = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns alpha image1 + beta image2 + gamma, not clamped; of uint8 rounded and saturating.

    Args:
        image1: floating, or uint8.
        image2: of the same shape and dtype.
        alpha: a number, or one for each sample, (*batch).
        beta: likewise.
        gamma: likewise, in the units of the images.

    Raises:
        ValueError: for images that differ in shape or dtype.

    Gradient: to both images and to all three numbers.
    Source: OpenCV addWeighted.

    >>> import torch
    >>> add_weighted(torch.full((1, 1, 1), 0.2), torch.full((1, 1, 1), 0.6)).item().__round__(3)
    0.4
    """
    check_image("add_weighted", image1)
    check_image("add_weighted", image2)
    if image1.shape != image2.shape or image1.dtype != image2.dtype:
        expected = f"{image1.dtype} of shape {tuple(image1.shape)}"
        raise refuse("add_weighted", "image2", expected, f"{image2.dtype} of shape {tuple(image2.shape)}")
    given = (("alpha", alpha), ("beta", beta), ("gamma", gamma))
    a, b, c = (number("add_weighted", name, value, image1) for name, value in given)
    return unflatten(blend(flatten(image1), flatten(image2), (a, b, c)), image1.shape[:-3])
