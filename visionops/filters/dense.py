"""Correlation with kernels that the caller gives: dense, separable, in three dimensions.

out[y, x] = sum_{j, i} kernel[j, i] image[y + j - kh // 2, x + i - kw // 2]
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, flatten, unflatten
from visionops.kernels import filter_separable
from visionops.kernels.dense import filter_dense
from visionops.module import as_module

from .fft import fft_filter2d
from .taps import check_volume, count_of, odd, rows_of

# From so many taps on the Fourier transform is faster: measured on 3x512x512 and 3x2048x2048 with 1 and 2 threads.
FFT_TAPS = 17 * 17

Border = Literal["reflect", "replicate", "circular", "constant"]


def filter2d(
    image: Shaped[Tensor, "*batch c h w"],
    kernel: Float[np.ndarray | Tensor, "*#batch kh kw"],
    *,
    border: Border = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel correlated with the kernel: not mirrored, as in OpenCV.

    Args:
        image: floating, or uint8 (rounded and saturating).
        kernel: of any size, its middle at (kh // 2, kw // 2); for all, (kh, kw), or for each sample, (*batch, kh, kw).
        border: "reflect" does not repeat the edge, as OpenCV's default.
        fill: what "constant" reads outside, in the units of the image.

    Kernels of 17x17 taps or more go through the Fourier transform, see `fft_filter2d`, which mixes a NaN or an
    infinity into the whole channel.

    Raises:
        ValueError: for a kernel of another shape, or an unknown border.

    Gradient: to the image and to the kernel. float16 and bfloat16 compute in float32.
    Source: OpenCV filter2D, to rounding.

    >>> filter2d(torch.eye(3)[None], torch.tensor([[0.0, 0.0, 2.0]]))[0].tolist()
    [[0.0, 0.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    check_image("filter2d", image)
    check_border("filter2d", border)
    taps = rows_of("filter2d", "kernel", kernel, image, 2)
    if taps.shape[-2] * taps.shape[-1] >= FFT_TAPS:
        return fft_filter2d(image, kernel, border=border, fill=fill)
    flat = flatten(image)[:, :, None]
    out = filter_dense(flat, odd(taps)[:, None, None], border=border, fill=fill)
    return unflatten(out[:, :, 0, 0], image.shape[:-3])


def filter2d_separable(
    image: Shaped[Tensor, "*batch c h w"],
    taps_x: Float[np.ndarray | Tensor, "*#batch kx"],
    taps_y: Float[np.ndarray | Tensor, "*#batch ky"],
    *,
    border: Border = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns each channel correlated with `taps_x` along rows and `taps_y` along columns.

    Args:
        image: floating, or uint8 (rounded and saturating).
        taps_x: of any number k, the middle at k // 2; for all, (k,), or for each sample, (*batch, k).
        taps_y: likewise.
        border: "reflect" does not repeat the edge, as OpenCV's default.
        fill: what "constant" reads outside, in the units of the image.

    Raises:
        ValueError: for taps of another shape, or an unknown border.

    Gradient: to the image and to the taps. float16 and bfloat16 compute in float32.
    Source: OpenCV sepFilter2D, to rounding.

    >>> filter2d_separable(torch.eye(3)[None], torch.ones(3), torch.ones(1))[0, 0].tolist()
    [1.0, 1.0, 0.0]
    """
    check_image("filter2d_separable", image)
    check_border("filter2d_separable", border)
    across, down = (
        odd(rows_of("filter2d_separable", name, taps, image, 1), 1)
        for name, taps in (("taps_x", taps_x), ("taps_y", taps_y))
    )
    return unflatten(filter_separable(flatten(image), across, down, border=border, fill=fill), image.shape[:-3])


def filter3d(
    image: Shaped[Tensor, "*batch c d h w"],
    kernel: Float[np.ndarray | Tensor, "*#batch kd kh kw"],
    *,
    border: Border = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "*batch c d h w"]:
    """Returns each channel of volumes correlated with the kernel.

    Args:
        image: floating, or uint8 (rounded and saturating).
        kernel: of any size, its middle at half of it, rounded down; for all, (kd, kh, kw), or for each sample.
        border: "reflect" does not repeat the edge.
        fill: what "constant" reads outside, in the units of the image.

    Raises:
        ValueError: for a kernel of another shape, or an unknown border.

    Gradient: to the image and to the kernel. float16 and bfloat16 compute in float32.
    Source: scipy.ndimage.correlate, to rounding ("reflect" is its "mirror").

    >>> filter3d(torch.ones(1, 2, 2, 2), torch.ones(3, 3, 3), border="constant")[0, 0].tolist()
    [[8.0, 8.0], [8.0, 8.0]]
    """
    check_volume("filter3d", image)
    check_border("filter3d", border)
    taps = rows_of("filter3d", "kernel", kernel, image, 3)
    flat = image.reshape(count_of(image.shape[:-4]), *image.shape[-4:])
    out = filter_dense(flat, odd(taps, 3)[:, None], border=border, fill=fill)
    return out[:, :, 0].reshape(image.shape)


Filter2d = as_module(filter2d)
Filter2dSeparable = as_module(filter2d_separable)
Filter3d = as_module(filter3d)
