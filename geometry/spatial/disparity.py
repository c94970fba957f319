"""Depth and disparity of a rectified pair.

z = f B / (d + o)
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import column

from .rays import check_depth

# What is less, in pixels or in the unit of depth, counts as 0: the square of its inverse is still finite in float32.
LEAST = 1e-8


def disparity_to_depth(
    disparity: Float[Tensor, "*batch 1 h w"],
    *,
    focal: float | Float[Tensor, "*batch"],
    baseline: float | Float[Tensor, "*batch"],
    offset: float | Float[Tensor, "*batch"] = 0.0,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 1 h w"] | tuple[Float[Tensor, "*batch 1 h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns the depth z of each pixel of a rectified pair, in the unit of the baseline.

    Args:
        disparity: x of a point in the left image minus x in the right one, pixels; positive in front.
        focal: focal length, pixels; one number, or one for each sample.
        baseline: the distance of the cameras, above 0.
        offset: x of the right camera's principal point minus that of the left one's, pixels ("doffs").
        return_valid: whether to return also where the disparity is finite and disparity + offset positive.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all that are tensors. Where disparity + offset is 0 or less the point is at infinity or behind it: the
        depth is 0, with gradient 0. NaN and infinity give NaN, with gradient 0.
    Source: Scharstein et al., High-Resolution Stereo Datasets with Subpixel-Accurate Ground Truth, 2014.

    >>> disparity_to_depth(torch.tensor([[[25.0, 0.0]]]), focal=1000.0, baseline=0.5).tolist()
    [[[20.0, 0.0]]]
    """
    finite, scale, shift = _read("disparity_to_depth", "disparity", disparity, focal, baseline, offset)
    distance = disparity + shift
    there = finite & (distance > LEAST)
    depth = torch.where(there, scale / torch.where(there, distance, 1), 0)
    depth = torch.where(finite, depth, float("nan"))
    return (depth, there) if return_valid else depth


def depth_to_disparity(
    depth: Float[Tensor, "*batch 1 h w"],
    *,
    focal: float | Float[Tensor, "*batch"],
    baseline: float | Float[Tensor, "*batch"],
    offset: float | Float[Tensor, "*batch"] = 0.0,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 1 h w"] | tuple[Float[Tensor, "*batch 1 h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns the disparity of each pixel, the inverse of `disparity_to_depth`.

    Args:
        depth: z, in the unit of the baseline.
        focal, baseline, offset: as there.
        return_valid: whether to return also where the depth is finite and positive.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all that are tensors. A depth of 0 or less gives 0, with gradient 0; NaN and infinity give NaN, with
        gradient 0.

    >>> depth_to_disparity(torch.tensor([[[20.0, -1.0]]]), focal=1000.0, baseline=0.5).tolist()
    [[[25.0, 0.0]]]
    """
    finite, scale, shift = _read("depth_to_disparity", "depth", depth, focal, baseline, offset)
    there = finite & (depth > LEAST)
    disparity = torch.where(there, scale / torch.where(there, depth, 1) - shift, 0)
    disparity = torch.where(finite, disparity, float("nan"))
    return (disparity, there) if return_valid else disparity


def _read(
    function: str,
    argument: str,
    values: Tensor,
    focal: float | Tensor,
    baseline: float | Tensor,
    offset: float | Tensor,
) -> tuple[Tensor, float | Tensor, float | Tensor]:
    """Returns which values are finite, focal length times baseline, and the offset."""
    check_depth(function, argument, values)
    f, b, o = (
        column(function, name, value, values)
        for name, value in (("focal", focal), ("baseline", baseline), ("offset", offset))
    )
    return values.isfinite(), f * b, o
