"""How far apart two homographies take the corners of an image.

loss = 1/4 sum over corners c of |H c - H* c|
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix
from visionops.geometry.linalg import transform_points
from visionops.losses.reduction import Reduction, check_fits, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import Kernel, robust_kernel
from visionops.resample.warping import check_size


def homography_corner(
    prediction: Float[Tensor, "*batch 3 3"],
    target: Float[Tensor, "*batch 3 3"],
    *,
    size: Sequence[int],
    kernel: Kernel = "l1",
    scale: float | Float[Tensor, "*#batch"] = 1.0,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the mean distance, in pixels, between where two homographies take the four corners of an image.

    Args:
        prediction: H, at any scale.
        target: H*, at any scale.
        size: (height, width) of the image that they map from, whose corners are the centres of its corner pixels: (0,
            0) to (width - 1, height - 1).
        kernel: rho, of each squared distance; see `visionops.losses.robust`. "l1" is the distance, the "mean average
            corner error" of evaluations; "l2" its square, which 4-point networks are trained with.
        scale: where the kernel turns from quadratic, in pixels: a number, or one for each sample.
        mask: True where samples count, broadcast to (*batch). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each sample, broadcast to (*batch).
        reduction: "none" gives (*batch), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of the
            weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and for options out of range.

    Gradient: to both homographies and the weight; that of "l1" is 0 at a corner that is where it should be. A corner
        that H takes to infinity has a large, finite distance: see `from_homogeneous`.
    Source: DeTone, Malisiewicz and Rabinovich, Deep Image Homography Estimation, 2016, sections 3 and 5.

    >>> moved = torch.tensor([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]])
    >>> homography_corner(moved, torch.eye(3), size=(48, 64)).item()
    5.0
    """
    function = "homography_corner"
    check_matrix(function, "prediction", prediction, (3, 3))
    check_matrix(function, "target", target, (3, 3))
    check_batches(function, "target", target.shape[:-2], prediction.shape[:-2])
    batch = torch.broadcast_shapes(prediction.shape[:-2], target.shape[:-2])
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    dtype = prediction.dtype
    if mask is not None:
        prediction, target = hide(mask[..., None, None], prediction, target)
    start = corners(function, size, prediction)
    apart = transform_points(prediction, start) - transform_points(target, start)
    return reduce(over_corners(function, apart, kernel, scale), reduction, mask=mask, weight=weight, dtype=dtype)


def corners(function: str, size: Sequence[int], like: Tensor) -> Float[Tensor, "4 2"]:
    """Returns the centres of the corner pixels of an image of a size."""
    h, w = check_size(function, size)
    places = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
    return torch.tensor(places, dtype=like.dtype, device=like.device)


def over_corners(
    function: str, apart: Float[Tensor, "*batch 4 2"], kernel: Kernel, scale: float | Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch"]:
    """Returns the mean over corners of rho of how far apart they are."""
    if isinstance(scale, Tensor):
        check_fits(function, "scale", scale, apart.shape[:-2])
        scale = scale[..., None]
    return robust_kernel(function, kernel, apart.square().sum(-1), scale).mean(-1)
