"""Gaussian blur.

g[i] = exp(-i^2 / (2 sigma^2)) / sum_j exp(-j^2 / (2 sigma^2))        image * g along x * g along y
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, kernel_sizes, unflatten
from visionops.errors import mistake
from visionops.kernels import filter_separable
from visionops.module import as_module

# Below this a Gaussian is a single tap: exp(-1 / (2 sigma^2)) is 0 in double precision.
SIGMA_FLOOR = 1e-3


def gaussian_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    sigma: float | np.ndarray | Tensor,
    kernel_size: int | Sequence[int] | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image convolved with a Gaussian.

    Args:
        image: floating, or uint8 (rounded).
        sigma: standard deviation in pixels, at least 0; a number, or one for each sample, (*batch).
        kernel_size: odd number of taps, or (height, width). None takes 2 ceil(4 sigma) + 1.
        border: "reflect" does not repeat the edge, as OpenCV's default.

    Raises:
        ValueError: for an even or non-positive kernel size, a negative sigma, or an unknown border.

    Gradient: to the image, and to sigma where it is a tensor (0 at sigma = 0). With `kernel_size=None` the number of
    taps follows sigma in steps, which changes values by less than 1e-4 of their range. float16 computes in float32.
    Source: OpenCV getGaussianKernel, which gives the same taps for the same size and a positive sigma.

    >>> gaussian_blur(torch.eye(3)[None], sigma=0.5, kernel_size=3)[0, 1, 1].item().__round__(3)
    0.642
    """
    check_image("gaussian_blur", image)
    check_border("gaussian_blur", border)
    flat = flatten(image)
    if isinstance(sigma, np.ndarray | Tensor) and sigma.ndim:
        batch = tuple(image.shape[:-3])
        if tuple(sigma.shape) not in (batch, (1,)):
            raise mistake("gaussian_blur", "sigma", f"a number or of shape {batch}", tuple(sigma.shape))
        sigma = sigma.reshape(-1)
    down, across = (None, None) if kernel_size is None else kernel_sizes("gaussian_blur", kernel_size)
    taps_y = gaussian_kernel1d(sigma, down)
    taps_x = taps_y if down == across else gaussian_kernel1d(sigma, across)
    out = filter_separable(flat, taps_x, taps_y, border=border)
    return unflatten(out, image.shape[:-3])


def gaussian_kernel1d(
    sigma: float | np.ndarray | Tensor, kernel_size: int | None = None
) -> Float[np.ndarray | Tensor, "b k"]:
    """Returns normalised Gaussian taps, one row for each sigma; a tensor where sigma is one.

    Args:
        sigma: pixels, at least 0; a number or (b,). A tensor's values are not checked: below 0 counts as 0.
        kernel_size: odd; None takes 2 ceil(4 sigma) + 1 of the largest sigma, with zeros beyond each row's own.

    Gradient: to sigma where it is a tensor, 0 at 0. With `kernel_size=None` the largest sigma is read on the host.

    >>> gaussian_kernel1d(0.5, 3).round(4).tolist()
    [[0.1065, 0.787, 0.1065]]
    """
    if isinstance(sigma, Tensor):
        if kernel_size is None:
            return truncated_taps(sigma, _radius(float(sigma.detach().max()) if sigma.numel() else 0.0))
        weight = _weights(sigma, kernel_size // 2)[1]
        return weight / weight.sum(1, keepdim=True)
    if isinstance(sigma, np.ndarray):
        rows = sigma.reshape(-1).tolist()
    else:
        rows = [float(sigma)]
    low, high = min(rows, default=0.0), max(rows, default=0.0)
    if not low >= 0:
        raise mistake("gaussian_blur", "sigma", "at least 0", low)
    radius = _radius(high) if kernel_size is None else kernel_size // 2
    return np.array(
        [_taps(s, radius, min(radius, _radius(s)) if kernel_size is None else radius) for s in rows]
    ).reshape(-1, 2 * radius + 1)


def truncated_taps(sigma: Tensor, radius: int) -> Float[Tensor, "b k"]:
    """Returns 2 radius + 1 taps for each sigma, zero beyond ceil(4 sigma) from the middle."""
    at, weight = _weights(sigma, radius)
    own = torch.atleast_1d(sigma.detach())[:, None]
    weight = torch.where(at.abs() <= (4 * own).ceil(), weight, 0)
    return weight / weight.sum(1, keepdim=True)


def _weights(sigma: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    at = torch.arange(-radius, radius + 1, device=sigma.device, dtype=sigma.dtype)
    return at, torch.exp(-(at**2) / (2 * torch.atleast_1d(sigma)[:, None].clamp(min=SIGMA_FLOOR) ** 2))


def _radius(sigma: float) -> int:
    return math.ceil(4 * sigma)


def _taps(sigma: float, radius: int, own: int) -> list[float]:
    """Returns 2 radius + 1 taps, zero beyond `own` from the middle."""
    scale = -0.5 / max(sigma, SIGMA_FLOOR) ** 2
    half = [math.exp(i * i * scale) for i in range(own + 1)]
    total = 2 * sum(half) - 1
    side = [v / total for v in half[1:]] + [0.0] * (radius - own)
    return [*side[::-1], half[0] / total, *side]


GaussianBlur = as_module(gaussian_blur)
