"""Reconstruction: what of one image can be reached under, or above, another."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.morphology import reconstruction_source


def reconstruction(
    marker: Shaped[Tensor, "*batch c h w"],
    mask: Shaped[Tensor, "*batch c h w"],
    *,
    method: Literal["dilation", "erosion"] = "dilation",
    connectivity: Literal[4, 8] = 8,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the marker dilated again and again, never above the mask, until nothing changes.

    It fills the peaks of the mask up to the highest value that the marker has on each. A marker above the mask is
    cut to it, where scikit-image refuses.

    Args:
        marker: floating or uint8, without NaN.
        mask: of the same shape and dtype.
        method: "erosion" erodes, never below the mask.
        connectivity: neighbours of a pixel: 8, or the 4 that share an edge with it.

    Raises:
        ValueError: for shapes or dtypes that differ, an unknown method or connectivity.

    Gradient: of each value to where it comes from, a pixel of the marker or of the mask. Of equal ones the marker's at
    the same pixel comes first; which of several others is not said.
    Source: Vincent, Morphological Grayscale Reconstruction in Image Analysis (1993); skimage.morphology.reconstruction.

    >>> mask = torch.tensor([[[0.0, 2.0, 0.0, 3.0, 4.0]]])
    >>> reconstruction(mask - 1, mask)
    tensor([[[0., 1., 0., 3., 3.]]])
    """
    check_image("reconstruction", marker)
    if not isinstance(mask, Tensor) or mask.shape != marker.shape or mask.dtype != marker.dtype:
        got = (tuple(mask.shape), mask.dtype) if isinstance(mask, Tensor) else type(mask).__name__
        raise refuse("reconstruction", "mask", f"as the marker {(tuple(marker.shape), marker.dtype)}", got)
    check_choice("reconstruction", "method", method, ("dilation", "erosion"))
    check_choice("reconstruction", "connectivity", connectivity, (4, 8))
    under, over = flatten(marker), flatten(mask)
    if method == "erosion":
        source = reconstruction_source(_negative(under), _negative(over), connectivity)
    else:
        source = reconstruction_source(under, over, connectivity)
    both = torch.cat([under.flatten(2), over.flatten(2)], 2)
    return unflatten(both.gather(2, source.flatten(2)).reshape(over.shape), marker.shape[:-3])


def _negative(image: Tensor) -> Tensor:
    return 255 - image if image.dtype == torch.uint8 else -image
