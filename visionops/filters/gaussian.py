"""Gaussian blur.

g[i] = exp(-i^2 / (2 sigma^2)) / sum_j exp(-j^2 / (2 sigma^2))        image * g along x * g along y
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_choice, check_image, check_number, flatten, kernel_sizes, unflatten
from visionops.errors import refuse
from visionops.kernels import filter_separable
from visionops.kernels.functions import is_transformed
from visionops.kernels.recursive import blur_recursive
from visionops.module import as_module

# Below this a Gaussian is a single tap: exp(-1 / (2 sigma^2)) is 0 in double precision.
SIGMA_FLOOR = 1e-3

# From this sigma on the recursive filter is faster than its 65 taps.
RECURSIVE = 8.0


def gaussian_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    sigma: float | np.ndarray | Tensor,
    kernel_size: int | Sequence[int] | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
    method: Literal["exact", "fast"] = "exact",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image convolved with a Gaussian.

    Args:
        image: floating, or uint8 (rounded).
        sigma: standard deviation in pixels, at least 0; a number, or one for each sample, (*batch).
        kernel_size: odd number of taps, or (height, width). None takes 2 ceil(4 sigma) + 1.
        border: "reflect" does not repeat the edge, as OpenCV's default.
        method: "fast" is a recursive filter for samples whose sigma is 8 or more, at the same cost for every sigma. It
            is within 2e-5 of the image's range of a Gaussian that goes on for ever (in float32 5e-8 sigma more), and
            within 2e-4 of "exact", which ends at 4 sigma. A NaN or an infinity spreads over its rows and columns. A
            sigma that needs a gradient, or whose value is not known on the host, takes "exact".

    Raises:
        ValueError: for an even or non-positive kernel size, or one with "fast", a negative sigma, or an unknown border
            or method.

    Gradient: to the image, and to sigma where it is a tensor (0 at sigma = 0). With `kernel_size=None` the number of
    taps follows sigma in steps, which changes values by less than 1e-4 of their range; vmap and torch.compile, which
    hide the values of tensors, need a size. float16 computes in float32.
    Source: OpenCV getGaussianKernel, which gives the same taps for the same size and a positive sigma.

    >>> gaussian_blur(torch.eye(3)[None], sigma=0.5, kernel_size=3)[0, 1, 1].item().__round__(3)
    0.642
    """
    check_choice("gaussian_blur", "method", method, ("exact", "fast"))
    if method == "exact":
        return blurred("gaussian_blur", image, sigma, kernel_size, border)
    if kernel_size is not None:
        raise refuse("gaussian_blur", "kernel_size", 'None where method is "fast"', kernel_size)
    check_image("gaussian_blur", image)
    check_border("gaussian_blur", border)
    values = _on_host(_row("gaussian_blur", sigma, image))
    if values is None:
        return blurred("gaussian_blur", image, sigma, None, border)
    return unflatten(_fast(flatten(image), values, border), image.shape[:-3])


def blurred(
    function: str, image: Tensor, sigma: Any, kernel_size: int | Sequence[int] | None = None, border: str = "reflect"
) -> Tensor:
    """Returns the image convolved with a Gaussian's taps; the errors name the function."""
    check_image(function, image)
    check_border(function, border)
    taps_x, taps_y = taps_of(function, sigma, kernel_size, image)
    return unflatten(filter_separable(flatten(image), taps_x, taps_y, border=border), image.shape[:-3])


def taps_of(function: str, sigma: Any, kernel_size: int | Sequence[int] | None, image: Tensor) -> tuple[Any, Any]:
    """Returns taps along x and along y, a row for each sigma."""
    down, across = (None, None) if kernel_size is None else kernel_sizes(function, kernel_size)
    sigma = _row(function, sigma, image)
    taps_y = _rows(function, sigma, down)
    return taps_y if down == across else _rows(function, sigma, across), taps_y


def _row(function: str, sigma: Any, image: Tensor) -> Any:
    """Returns a sigma for all or each sample with one batch dimension."""
    if not isinstance(sigma, np.ndarray | Tensor):
        check_number(function, "sigma", sigma)
        return sigma
    if not sigma.ndim:
        return sigma
    batch = tuple(image.shape[:-3])
    if tuple(sigma.shape) not in (batch, (1,)):
        raise refuse(function, "sigma", f"a number or of shape {batch}", tuple(sigma.shape))
    return sigma.reshape(-1)


def _exact(flat: Tensor, sigma: Any, border: str) -> Tensor:
    taps = _rows("gaussian_blur", sigma, None)
    return filter_separable(flat, taps, taps, border=border)


def _on_host(sigma: float | np.ndarray | Tensor) -> list[float] | None:
    """Returns the sigmas where their values are known and need no gradient."""
    if isinstance(sigma, Tensor):
        if torch.compiler.is_compiling() or is_transformed() or sigma.requires_grad or sigma.device.type != "cpu":
            return None
        sigma = sigma.numpy()
    return [float(s) for s in np.atleast_1d(sigma)] if isinstance(sigma, np.ndarray) else [float(sigma)]


def _fast(flat: Tensor, sigmas: list[float], border: str) -> Tensor:
    fast = [i for i, s in enumerate(sigmas) if s >= RECURSIVE]
    slow = [i for i, s in enumerate(sigmas) if not s >= RECURSIVE]
    if not slow:
        return blur_recursive(flat, sigmas, border=border)
    if not fast:
        return _exact(flat, np.array(sigmas), border)
    order = torch.tensor(fast + slow).argsort().to(flat.device)
    parts = (
        blur_recursive(flat[fast], [sigmas[i] for i in fast], border=border),
        _exact(flat[slow], np.array([sigmas[i] for i in slow]), border),
    )
    return torch.cat(parts)[order]


def gaussian_kernel1d(
    sigma: float | np.ndarray | Tensor, kernel_size: int | None = None
) -> Float[np.ndarray | Tensor, "b k"]:
    """Returns normalised Gaussian taps, one row for each sigma; a tensor where sigma is one.

    Args:
        sigma: pixels, at least 0; a number or (b,). A tensor's values are not checked: below 0 counts as 0.
        kernel_size: odd; None takes 2 ceil(4 sigma) + 1 of the largest sigma, with zeros beyond each row's own.

    Raises:
        ValueError: for an even or non-positive kernel size, or a sigma that is negative or not finite.

    Gradient: to sigma where it is a tensor, 0 at 0. With `kernel_size=None` the largest sigma is read on the host.

    >>> gaussian_kernel1d(0.5, 3).round(4).tolist()
    [[0.1065, 0.787, 0.1065]]
    """
    if kernel_size is not None:
        kernel_sizes("gaussian_kernel1d", kernel_size)
    return _rows("gaussian_kernel1d", sigma, kernel_size)


def _rows(function: str, sigma: Any, kernel_size: int | None) -> Any:
    """Returns taps of a size that was checked, one row for each sigma."""
    if isinstance(sigma, Tensor):
        if kernel_size is None:
            if torch.compiler.is_compiling() or torch._C._functorch.is_batchedtensor(sigma):
                raise refuse(function, "kernel_size", "given where a compiled or mapped sigma is a tensor", None)
            largest = max(float(sigma.detach().max()), 0.0) if sigma.numel() else 0.0
            if not math.isfinite(largest):
                raise refuse(function, "sigma", "finite", largest, "Or give kernel_size.")
            return truncated_taps(sigma, _radius(largest))
        weight = _weights(sigma, kernel_size // 2)[1]
        return weight / weight.sum(1, keepdim=True)
    if isinstance(sigma, np.ndarray):
        rows = sigma.reshape(-1).tolist()
    else:
        rows = [float(sigma)]
    low, high = min(rows, default=0.0), max(rows, default=0.0)
    if not (low >= 0 and high < math.inf):
        raise refuse(function, "sigma", "at least 0 and finite", low if not low >= 0 else high)
    radius = _radius(high) if kernel_size is None else kernel_size // 2
    return np.array(
        [_taps(s, radius, min(radius, _radius(s)) if kernel_size is None else radius) for s in rows]
    ).reshape(-1, 2 * radius + 1)


def gaussian_kernel2d(
    sigma: float | np.ndarray | Tensor, kernel_size: int | Sequence[int] | None = None
) -> Float[np.ndarray | Tensor, "b kh kw"]:
    """Returns normalised Gaussian taps in two dimensions, one kernel for each sigma; a tensor where sigma is one.

    Args:
        sigma: pixels, at least 0; a number or (b,).
        kernel_size: odd, or (height, width); None as in `gaussian_kernel1d`.

    Gradient: to sigma where it is a tensor, 0 at 0.

    >>> gaussian_kernel2d(0.5, 3)[0, 1].round(4).tolist()
    [0.0838, 0.6193, 0.0838]
    """
    down, across = (None, None) if kernel_size is None else kernel_sizes("gaussian_kernel2d", kernel_size)
    rows = _rows("gaussian_kernel2d", sigma, down)[:, :, None]
    return rows * _rows("gaussian_kernel2d", sigma, across)[:, None]


def truncated_taps(sigma: Tensor, radius: int) -> Float[Tensor, "b k"]:
    """Returns 2 radius + 1 taps for each sigma, zero beyond ceil(4 sigma) from the middle."""
    at, weight = _weights(sigma, radius)
    own = torch.atleast_1d(sigma.detach())[:, None].clamp(min=0)
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
