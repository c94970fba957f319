"""Separable correlation in plain torch: the meaning of `filter_separable`.

out[y, x] = sum_j taps_y[j] sum_i taps_x[i] image[y + j - ry, x + i - rx],   r = (number of taps - 1) / 2
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.warp.definition import fold


def filter_separable(
    image: Float[Tensor, "b c h w"],
    taps_x: Float[Tensor, "#b kx"],
    taps_y: Float[Tensor, "#b ky"],
    *,
    border: str,
    fill: float,
) -> Float[Tensor, "b c h w"]:
    """Returns the image correlated along x, then y; arguments as in `visionops.kernels.filter`, already checked."""
    for taps, dim in ((taps_x, 3), (taps_y, 2)):
        image = _along(image, taps, dim, border, fill)
    return image


def _along(image: Tensor, taps: Tensor, dim: int, border: str, fill: float) -> Tensor:
    b, c = image.shape[:2]
    n, k = image.shape[dim], taps.shape[1]
    if k == 1:
        return image * taps[:, :, None, None]
    index = torch.arange(-(k // 2), n + k // 2, device=image.device)
    padded = image.index_select(dim, fold(index, n, border))
    if border == "constant":
        inside = (index >= 0) & (index < n)
        padded = torch.where(inside if dim == 3 else inside[:, None], padded, fill)
    if torch.compiler.is_compiling():
        # One fused loop. And the convolution's gradient corrupts memory in inductor on a CPU (torch 2.13).
        return sum(padded.narrow(dim, i, n) * taps[:, i, None, None, None] for i in range(k))  # type: ignore[return-value]
    weight = taps.expand(b, k)[:, None].expand(b, c, k).reshape(b * c, 1, 1, k)
    weight = weight if dim == 3 else weight.transpose(2, 3)
    flat = padded.reshape(1, b * c, *padded.shape[2:])
    return torch.nn.functional.conv2d(flat, weight, groups=max(b * c, 1)).reshape(image.shape)
