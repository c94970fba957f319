"""Correlation through the Fourier transform: its cost does not depend on the size of the kernel."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, unflatten
from visionops.kernels.dense.definition import pad
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from .taps import odd, rows_of


def fft_filter2d(
    image: Shaped[Tensor, "*batch c h w"],
    kernel: Float[np.ndarray | Tensor, "*#batch kh kw"],
    *,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns what `filter2d` returns, through the Fourier transform.

    Args:
        image: floating, or uint8 (rounded and saturating).
        kernel: of any size, its middle at (kh // 2, kw // 2); for all, (kh, kw), or for each sample, (*batch, kh, kw).
        border: "reflect" does not repeat the edge. The image is extended before it is transformed.
        fill: what "constant" reads outside, in the units of the image.

    Raises:
        ValueError: for a kernel of another shape, or an unknown border.

    Gradient: to the image and to the kernel. Rounding errors are relative to the largest value of a channel, and one
    NaN or infinity makes all of its channel NaN.

    >>> fft_filter2d(torch.eye(3)[None], torch.tensor([[0.0, 0.0, 2.0]]))[0, 1].round().abs().tolist()
    [2.0, 0.0, 2.0]
    """
    check_image("fft_filter2d", image)
    check_border("fft_filter2d", border)
    taps = rows_of("fft_filter2d", "kernel", kernel, image, 2)
    flat = flatten(image)
    if flat.numel() == 0:
        return image.clone()
    x = to_unit(flat)
    h, w = x.shape[-2:]
    taps = odd(taps)
    padded = pad(x, [k // 2 for k in taps.shape[-2:]], border, fill / 255 if image.dtype == torch.uint8 else fill)
    size = [_fast_size(n) for n in padded.shape[-2:]]
    spectrum = torch.fft.rfft2(padded, size) * torch.fft.rfft2(taps, size).conj()[:, None]
    out = torch.fft.irfft2(spectrum, size)[..., :h, :w]
    return unflatten(from_unit(out, image.dtype).contiguous(), image.shape[:-3])


def _fast_size(n: int) -> int:
    """Returns the least number from n on that has no prime factor above 5."""
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1:
            return n
        n += 1


FftFilter2d = as_module(fft_filter2d)
