"""Dense correlation in plain torch: the meaning of `filter_dense`.

out_n[p] = sum_k kernel_n[k] image[p + k - r],   r = (size of the kernel - 1) / 2, of each of depth, rows and columns
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.warp.definition import fold


def filter_dense(
    image: Float[Tensor, "b c d h w"],
    kernel: Float[Tensor, "#b n kd kh kw"],
    *,
    border: str,
    fill: float,
    norm: str,
) -> Float[Tensor, "b c n d h w"]:
    """Returns the image correlated with n kernels; arguments as in `visionops.kernels.dense`, already checked."""
    padded = pad(image, [k // 2 for k in kernel.shape[-3:]], border, fill)
    return _correlate(padded, kernel) if norm == "none" else length(_centred(padded, image, kernel), norm)


def pad(image: Tensor, radii: list[int], border: str, fill: float) -> Tensor:
    """Returns the image with so many pixels more at both ends of each of its last dimensions."""
    for dim, r in enumerate(radii, image.ndim - len(radii)):
        if r == 0:
            continue
        n = image.shape[dim]
        index = torch.arange(-r, n + r, device=image.device)
        image = image.index_select(dim, fold(index, n, border))
        if border == "constant":
            inside = ((index >= 0) & (index < n)).reshape(-1, *[1] * (image.ndim - 1 - dim))
            image = torch.where(inside, image, fill)
    return image


def length(parts: Float[Tensor, "b c n d h w"], norm: str) -> Float[Tensor, "b c m d h w"]:
    """Returns the norm of all parts; its gradient is 0 where it is 0."""
    if norm == "l1":
        return parts.abs().sum(2, keepdim=True)
    squares = parts.square().sum(2, keepdim=True)
    flat = squares == 0
    return torch.where(flat, 0, torch.where(flat, 1, squares).sqrt())


def _centred(padded: Tensor, image: Tensor, kernel: Tensor) -> Tensor:
    """Correlates differences to the middle, and adds that for all taps: derivatives of a flat patch are zero."""
    d, h, w = image.shape[2:]
    starts = itertools.product(*(range(size) for size in kernel.shape[-3:]))
    windows = torch.stack([padded[:, :, z : z + d, y : y + h, x : x + w] for z, y, x in starts], -1)
    differences = windows - image[..., None]
    taps = kernel.flatten(-3)
    total = taps.sum(2)[:, None, :, None, None, None]
    return torch.einsum("bcdhwk,bnk->bcndhw", differences, taps.expand(len(image), -1, -1)) + image[:, :, None] * total


def _correlate(padded: Tensor, kernel: Tensor) -> Tensor:
    b, c = padded.shape[:2]
    n, *size = kernel.shape[1:]
    if torch.compiler.is_compiling():
        # The convolution's gradient corrupts memory in inductor on a CPU (torch 2.13).
        kd, kh, kw = size
        d, h, w = (p - k + 1 for p, k in zip(padded.shape[2:], size, strict=True))
        return sum(  # type: ignore[return-value]
            padded[:, :, None, z : z + d, y : y + h, x : x + w] * kernel[:, None, :, z, y, x, None, None, None]
            for z in range(kd)
            for y in range(kh)
            for x in range(kw)
        )
    flat = size[0] == 1 and padded.shape[2] == 1
    convolve = torch.nn.functional.conv2d if flat else torch.nn.functional.conv3d
    padded, kernel = (padded[:, :, 0], kernel[:, :, 0]) if flat else (padded, kernel)
    if kernel.shape[0] == 1:
        out = convolve(padded.flatten(0, 1)[:, None], kernel[0, :, None]).unflatten(0, (b, c))
    else:
        out = convolve(padded.transpose(0, 1), kernel.flatten(0, 1)[:, None], groups=b)
        out = out.unflatten(1, (b, n)).transpose(0, 1)
    return out.unsqueeze(3) if flat else out
