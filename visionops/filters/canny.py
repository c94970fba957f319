"""Canny's edge detector: thin maxima of the gradient, kept where they are strong or connected to strong ones."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, per_sample, unflatten
from visionops.errors import refuse
from visionops.kernels.canny import find_edges
from visionops.module import as_module

from .gaussian import gaussian_blur


def canny(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    low: float | np.ndarray | Tensor,
    high: float | np.ndarray | Tensor,
    sigma: float | np.ndarray | Tensor | None = None,
    norm: Literal["l1", "l2"] = "l1",
) -> tuple[Float[Tensor, "*batch 1 h w"], Shaped[Tensor, "*batch 1 h w"]]:
    """Returns the magnitude of the gradient, which is differentiable, and the edges, which are not.

    Edges are 1, or 255 for uint8, and 0 elsewhere; the magnitude of uint8 is float32, in grey levels.

    Args:
        image: floating, or uint8. Of several channels the steepest counts at each pixel. Outside, the edge is repeated.
        low: a magnitude that pixels of an edge exceed, in units of the image: grey levels for uint8, 1/255 of that for
            [0, 1]. A step of 1 has a magnitude of 4, as Sobel's taps are not normalised. A number, or (*batch).
        high: a magnitude that some pixel of each edge exceeds, likewise.
        sigma: of a Gaussian blur before, in pixels; None for none.
        norm: "l1", |dx| + |dy|, as OpenCV's default; "l2", sqrt(dx^2 + dy^2), as its L2gradient=True.

    Raises:
        ValueError: for low above high (where they are numbers), or an unknown norm.

    Gradient: of the magnitude to the image, 0 where it is 0, shared where channels are equally steep. It keeps the
    image and the magnitude of each channel.
    Source: OpenCV Canny, aperture 3, pixel for pixel on uint8 and on floats that hold whole numbers. Of floats in
    [0, 1] rounding breaks some ties another way: about one pixel in a thousand differs.

    >>> magnitude, edges = canny(torch.eye(4)[None].flip(2) * 9, low=1.0, high=2.0)
    >>> magnitude[0, 0].tolist()
    [0.0, 18.0, 36.0, 36.0]
    """
    check_image("canny", image)
    check_choice("canny", "norm", norm, ("l1", "l2"))
    limits = _limit("low", low, image), _limit("high", high, image)
    if not any(isinstance(v, Tensor | np.ndarray) for v in (low, high)) and not low <= high:
        raise refuse("canny", "low", f"at most high, {high}", low)
    x = image if sigma is None else gaussian_blur(image, sigma=sigma)
    magnitude, edges = find_edges(flatten(x), *limits, norm)
    return unflatten(magnitude, image.shape[:-3]), unflatten(edges, image.shape[:-3])


def _limit(name: str, value: Any, image: Tensor) -> Float[Tensor, "#b"]:
    limit = per_sample("canny", name, value, image)
    if isinstance(limit, Tensor):
        return limit.to(torch.float64)
    return torch.tensor([limit], dtype=torch.float64, device=image.device)


Canny = as_module(canny)  # type: ignore[arg-type]
