"""Histograms of one image and joint ones of two: counted, or with each pixel spread smoothly over the bins near it.

Soft counts weigh a pixel by a B-spline of its distance from a bin's centre, in bins: they sum to the number of pixels.

P. Thevenaz, M. Unser, Optimization of mutual information for multiresolution image registration, 2000.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_count, check_image, flatten
from visionops.errors import refuse
from visionops.kernels.histogram import bin_sums, joint_sums
from visionops.kernels.stats import level_counts

Soft = Literal["linear", "cubic"]
TAPS = {None: 1, "linear": 2, "cubic": 4}


def histogram(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    bins: int = 256,
    range: tuple[float, float] | None = None,
    soft: Soft | None = None,
) -> Shaped[Tensor, "*batch c bins"]:
    """Returns how many pixels of each channel fall into each of equally wide bins.

    Args:
        image: floating, or uint8.
        bins: how many.
        range: (low, high) in the units of the image; what lies outside is left out, high itself counts in the last
            bin. None is (0, 1), or (0, 256) of uint8.
        soft: None counts, in int64. "linear" shares a pixel between the two bins whose centres are nearest, "cubic"
            (twice differentiable) between four; beyond the ends the outer bins get it. The result is floating, float32
            for halves and uint8.

    Raises:
        ValueError: for less than one bin, an empty range or an unknown `soft`.

    Gradient: of soft counts, to the image; 0 outside the range. None of hard ones.
    Source: numpy.histogram; the B-splines of Thevenaz and Unser 2000.

    >>> histogram(torch.tensor([[[0.1, 0.2, 0.9]]]), bins=2).flatten().tolist()
    [2, 1]
    >>> histogram(torch.tensor([[[0.5]]]), bins=2, soft="linear").flatten().tolist()
    [0.5, 0.5]
    """
    check_image("histogram", image)
    ends = _check("histogram", image, bins, range, soft)
    taps = TAPS[soft]
    flat = flatten(image)
    if image.dtype == torch.uint8 and image.numel():
        counts = level_counts(flat)[:, :, 0, 0]
        if (bins, ends, taps) == (256, (0.0, 256.0), 1):
            return counts.long().reshape(*image.shape[:-2], bins)
        levels = torch.arange(256.0, device=image.device).reshape(256, 1, 1, 1)
        each = bin_sums(levels, bins, *ends, taps)[:, 0]
        sums = (counts.double() @ each.double()).to(each.dtype)
    else:
        sums = bin_sums(_computed(flat), bins, *ends, taps)
    return sums.reshape(*image.shape[:-2], bins)


def histogram2d(
    image1: Shaped[Tensor, "*batch c h w"],
    image2: Shaped[Tensor, "*batch c h w"],
    *,
    bins: int = 64,
    range: tuple[float, float] | None = None,
    soft: Soft | None = None,
) -> Shaped[Tensor, "*batch c bins bins"]:
    """Returns how many pixels of each channel fall into each pair of bins, of the first image along rows.

    Args:
        image1: floating, or uint8.
        image2: of the same shape and kind of dtype.
        bins: how many for either image.
        range: as in `histogram`, for both.
        soft: as in `histogram`; a pixel is spread over 2 x 2 or 4 x 4 bins.

    Raises:
        ValueError: for images that differ in shape, and as `histogram`.

    Gradient: as `histogram`, to both images.
    Source: numpy.histogram2d; the joint histogram of Thevenaz and Unser 2000.

    >>> histogram2d(torch.tensor([[[0.1, 0.9]]]), torch.tensor([[[0.9, 0.9]]]), bins=2)[0].tolist()
    [[0, 1], [0, 1]]
    """
    check_image("histogram2d", image1)
    check_image("histogram2d", image2)
    if image1.shape != image2.shape:
        raise refuse("histogram2d", "image2", f"of shape {tuple(image1.shape)}", tuple(image2.shape))
    if (image1.dtype == torch.uint8) != (image2.dtype == torch.uint8):
        raise refuse("histogram2d", "image2", f"{image1.dtype} as image1", image2.dtype)
    ends = _check("histogram2d", image1, bins, range, soft)
    sums = joint_sums(_computed(flatten(image1)), _computed(flatten(image2)), None, bins, *ends, TAPS[soft])
    return sums.reshape(*image1.shape[:-2], bins, bins)


def _check(
    function: str, image: Tensor, bins: int, range: tuple[float, float] | None, soft: str | None
) -> tuple[float, float]:
    check_count(function, "bins", bins)
    if soft is not None:
        check_choice(function, "soft", soft, ("linear", "cubic"))
    if range is None:
        return 0.0, 256.0 if image.dtype == torch.uint8 else 1.0
    if len(range) != 2 or not range[0] < range[1]:
        raise refuse(function, "range", "(low, high) with low < high", range)
    return float(range[0]), float(range[1])


def _computed(image: Tensor) -> Tensor:
    return image if image.dtype == torch.float64 else image.float()
