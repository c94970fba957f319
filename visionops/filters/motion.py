"""Motion blur: the mean of the image along a straight path.

out(p) = sum_s w(s) image(p + s (cos a, -sin a)),   s = -r, ..., r,   w(s) ~ 1 + direction s / r,   bilinear
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_image, per_sample
from visionops.errors import refuse
from visionops.module import as_module

from .dense import filter2d


def motion_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int,
    angle: float | np.ndarray | Tensor,
    direction: float | np.ndarray | Tensor = 0.0,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image as a camera sees it that moves along a line while the shutter is open.

    Args:
        image: floating, or uint8 (rounded).
        kernel_size: odd; the path's length in pixels.
        angle: of the path in degrees, counter-clockwise on the screen from the x axis; a number or (*batch).
        direction: from -1 to 1; at 0 all of the path counts the same, at 1 only its front end fully, falling to nothing
            at the back. A number or (*batch).
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for an even or non-positive kernel size, a direction outside [-1, 1], or an unknown border.

    Gradient: to the image, and to angle and direction where they are tensors. The path is sampled once a pixel,
    bilinearly, so that the gradient to the angle jumps where the path crosses a pixel's centre.

    >>> motion_blur(torch.eye(3)[None] * 3, kernel_size=3, angle=0.0, border="constant")[0, 1].tolist()
    [1.0, 1.0, 1.0]
    """
    check_image("motion_blur", image)
    options = {"angle": angle, "direction": direction}
    values = {name: per_sample("motion_blur", name, value, image) for name, value in options.items()}
    kernel = _motion_kernel("motion_blur", kernel_size, values["angle"], values["direction"])
    if kernel.shape[0] == 1:
        return filter2d(image, kernel[0], border=border)
    return filter2d(image, kernel.unflatten(0, image.shape[:-3]), border=border)


def motion_kernel(
    kernel_size: int, angle: float | Tensor, direction: float | Tensor = 0.0
) -> Float[Tensor, "*b k k"]:
    """Returns the taps of `motion_blur`; they add up to one.

    Args:
        kernel_size: odd.
        angle: degrees, counter-clockwise on the screen; a number, or a tensor (b,) for as many kernels.
        direction: from -1 to 1, likewise.

    Raises:
        ValueError: for an even or non-positive kernel size, or a direction outside [-1, 1].

    Gradient: to angle and direction where they are tensors.

    >>> motion_kernel(3, 90.0).tolist() == [[0, 1 / 3, 0]] * 3
    True
    """
    kernel = _motion_kernel("motion_kernel", kernel_size, angle, direction)
    return kernel if any(isinstance(v, Tensor) and v.ndim for v in (angle, direction)) else kernel[0]


def _motion_kernel(function: str, kernel_size: int, angle: Any, direction: Any) -> Float[Tensor, "b k k"]:
    if not isinstance(kernel_size, int) or kernel_size < 1 or kernel_size % 2 == 0:
        raise refuse(function, "kernel_size", "odd and positive", kernel_size)
    if not isinstance(direction, Tensor) and not -1 <= direction <= 1:
        raise refuse(function, "direction", "from -1 to 1", direction)
    tensors = [v for v in (angle, direction) if isinstance(v, Tensor)]
    dtype = tensors[0].dtype if tensors else torch.float64
    device = tensors[0].device if tensors else torch.device("cpu")
    if not isinstance(angle, Tensor):
        # Of quarter turns the sine is exact, so that their kernels are thin.
        quarter = {0: (1.0, 0.0), 90: (0.0, 1.0), 180: (-1.0, 0.0), 270: (0.0, -1.0)}.get(angle % 360)
        cosine, sine = quarter or (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
        turn = torch.tensor([[cosine, sine]], dtype=dtype, device=device)
    else:
        radians = torch.deg2rad(torch.atleast_1d(angle))
        turn = torch.stack([radians.cos(), radians.sin()], -1)
    r = kernel_size // 2
    s = torch.arange(-r, r + 1, dtype=dtype, device=device)
    ahead = torch.atleast_1d(torch.as_tensor(direction, dtype=dtype, device=device))[:, None]
    share = 1 + ahead * (s / max(r, 1))
    path = s[:, None] * turn[:, None]  # (b, points, 2), y upwards
    columns = (1 - (path[..., :1] - s).abs()).clamp(min=0)
    rows = (1 - (-path[..., 1:] - s).abs()).clamp(min=0)
    weighted = (share / kernel_size)[:, :, None] * rows  # (b, points, y)
    return weighted.transpose(1, 2) @ columns


MotionBlur = as_module(motion_blur)
