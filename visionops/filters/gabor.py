"""Gabor filter: a wave under a Gaussian window.

g(u, v) = exp(-(u^2 + (aspect_ratio v)^2) / (2 sigma^2)) cos(2 pi u / wavelength + phase)
u = x cos a - y sin a,   v = x sin a + y cos a,   y downwards
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_image, per_sample
from visionops.errors import refuse
from visionops.module import as_module

from .dense import filter2d

Values = dict[str, Any]


def gabor(
    image: Float[Tensor, "*batch c h w"],
    *,
    sigma: float | np.ndarray | Tensor,
    angle: float | np.ndarray | Tensor,
    wavelength: float | np.ndarray | Tensor,
    aspect_ratio: float | np.ndarray | Tensor = 1.0,
    phase: float | np.ndarray | Tensor = 0.0,
    kernel_size: int | None = None,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Float[Tensor, "*batch c h w"]:
    """Returns each channel correlated with a Gabor kernel; the parameters are numbers, or one for each sample (*batch).

    Args:
        image: floating.
        sigma: standard deviation along the wave in pixels, above 0.
        angle: of the direction in which the wave runs: degrees, counter-clockwise on the screen from the x axis.
        wavelength: in pixels, above 0.
        aspect_ratio: sigma along the wave by sigma across it.
        phase: of the wave at the middle, in degrees: 0 is even (lines), 90 odd (edges).
        kernel_size: odd; None takes 3 of the larger sigma on each side.
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for a sigma, wavelength or aspect ratio that is not positive, an even size, or an unknown border.

    Gradient: to the image, and to the parameters that are tensors, whose values are not checked.
    Source: OpenCV getGaborKernel with theta = -angle and psi = -phase, in radians; not normalised.

    >>> gabor(torch.eye(5)[None], sigma=1.0, angle=0.0, wavelength=4.0)[0, 2, 2].item().__round__(3)
    0.963
    """
    check_image("gabor", image, floating=True)
    given = {"sigma": sigma, "angle": angle, "wavelength": wavelength, "aspect_ratio": aspect_ratio, "phase": phase}
    values = {name: per_sample("gabor", name, value, image) for name, value in given.items()}
    kernel = _gabor_kernel("gabor", values, kernel_size)
    if kernel.shape[0] == 1:
        return filter2d(image, kernel[0], border=border)
    return filter2d(image, kernel.unflatten(0, image.shape[:-3]), border=border)


def gabor_kernel(
    *,
    sigma: float | Tensor,
    angle: float | Tensor,
    wavelength: float | Tensor,
    aspect_ratio: float | Tensor = 1.0,
    phase: float | Tensor = 0.0,
    kernel_size: int | None = None,
) -> Float[Tensor, "*b k k"]:
    """Returns the taps of `gabor`, (k, k), or (b, k, k) where parameters are tensors (b,).

    Args:
        sigma: standard deviation along the wave in pixels, above 0.
        angle: degrees, counter-clockwise on the screen.
        wavelength: in pixels, above 0.
        aspect_ratio: sigma along the wave by sigma across it.
        phase: degrees.
        kernel_size: odd; None takes 3 of the larger sigma on each side, read on the host where that is a tensor.

    Raises:
        ValueError: for a sigma, wavelength or aspect ratio that is not positive, or an even size.

    Gradient: to the parameters that are tensors.

    >>> gabor_kernel(sigma=1.0, angle=0.0, wavelength=4.0, kernel_size=3)[1].round(decimals=3).tolist()
    [0.0, 1.0, 0.0]
    """
    values = {
        "sigma": sigma, "angle": angle, "wavelength": wavelength, "aspect_ratio": aspect_ratio, "phase": phase,
    }  # fmt: skip
    kernel = _gabor_kernel("gabor_kernel", values, kernel_size)
    return kernel if any(isinstance(v, Tensor) and v.ndim for v in values.values()) else kernel[0]


def _gabor_kernel(function: str, values: Values, kernel_size: int | None) -> Float[Tensor, "b k k"]:
    for name in ("sigma", "wavelength", "aspect_ratio"):
        if not isinstance(values[name], Tensor) and not values[name] > 0:
            raise refuse(function, name, "above 0", values[name])
    if kernel_size is None:
        widths, ratios = (_host(values[name]) for name in ("sigma", "aspect_ratio"))
        radius = math.ceil(3 * max(s / min(a, 1) for s in widths for a in ratios))
    elif isinstance(kernel_size, int) and kernel_size > 0 and kernel_size % 2 == 1:
        radius = kernel_size // 2
    else:
        raise refuse(function, "kernel_size", "odd and positive", kernel_size)
    tensors = [v for v in values.values() if isinstance(v, Tensor)]
    dtype = tensors[0].dtype if tensors else torch.float64
    device = tensors[0].device if tensors else torch.device("cpu")
    sigma, angle, wavelength, aspect, phase = (
        torch.as_tensor(v, dtype=dtype, device=device).reshape(-1, 1, 1) for v in values.values()
    )
    x = torch.arange(-radius, radius + 1, dtype=dtype, device=device)
    y, turn = x[:, None], torch.deg2rad(angle)
    u = x * turn.cos() - y * turn.sin()
    v = x * turn.sin() + y * turn.cos()
    window = torch.exp(-(u**2 + (aspect * v) ** 2) / (2 * sigma**2))
    return window * torch.cos(2 * math.pi * u / wavelength + torch.deg2rad(phase))


def _host(value: Any) -> list[float]:
    return value.detach().reshape(-1).tolist() if isinstance(value, Tensor) else [value]


Gabor = as_module(gabor)
