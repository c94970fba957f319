"""Difference of Gaussians: the band of detail between two scales."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_image
from visionops.module import as_module

from .gaussian import blurred

# The ratio that comes closest to a Laplacian of a Gaussian: Marr and Hildreth, 1980.
RATIO = 1.6


def difference_of_gaussians(
    image: Float[Tensor, "*batch c h w"],
    *,
    sigma_low: float | np.ndarray | Tensor,
    sigma_high: float | np.ndarray | Tensor | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Float[Tensor, "*batch c h w"]:
    """Returns the image blurred by `sigma_low` less the image blurred by `sigma_high`.

    Args:
        image: floating.
        sigma_low: in pixels, at least 0: finer detail is lost; a number, or one for each sample, (*batch).
        sigma_high: likewise: coarser detail is lost; None takes 1.6 `sigma_low`.
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for a negative sigma, or an unknown border.

    Gradient: to the image, and to both sigmas where they are tensors.
    Source: scikit-image difference_of_gaussians, whose border is "replicate" by default.

    >>> difference_of_gaussians(torch.eye(5)[None], sigma_low=0.5)[0, 2, 2].item().__round__(3)
    0.287
    """
    check_image("difference_of_gaussians", image, floating=True)
    high = RATIO * sigma_low if sigma_high is None else sigma_high
    fine, coarse = (blurred("difference_of_gaussians", image, s, border=border) for s in (sigma_low, high))
    return fine - coarse


DifferenceOfGaussians = as_module(difference_of_gaussians)
