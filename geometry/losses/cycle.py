"""Whether homographies around a cycle of views come back to where they started.

loss = 1/4 sum over corners c of |H_k ... H_2 H_1 c - c|
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_matrix, promoted
from visionops.geometry.linalg import transform_points
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import Kernel

from .homography_corner import corners, over_corners


def cycle_consistency(
    *homographies: Float[Tensor, "*batch 3 3"],
    size: Sequence[int],
    kernel: Kernel = "l1",
    scale: float | Float[Tensor, "*#batch"] = 1.0,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the mean distance, in pixels, of the corners of an image from where a cycle of homographies leaves them.

    Args:
        homographies: H12, H21 there and back (inverse consistency), or H12, H23, H31 around three views, and so on, in
            the order in which they are applied; each at any scale.
        size: (height, width) of the image where the cycle starts, whose corners are the centres of its corner pixels.
            The same cycle from another view is another loss: `cycle_consistency(H21, H12, size=size2)`.
        kernel: rho, of each squared distance; else as of `homography_corner`.
        scale: where the kernel turns from quadratic, in pixels: a number, or one for each sample.
        mask: True where samples count, broadcast to (*batch). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each sample, broadcast to (*batch).
        reduction: as of `homography_corner`.

    Raises:
        ValueError: for less than two homographies, shapes that do not go together, and options out of range.

    Gradient: to all homographies and the weight; as of `homography_corner`. It vanishes where they cancel, so that it
        needs a second loss beside it: identities everywhere are consistent.
    Source: Zhou et al., Learning Dense Correspondence via 3D-guided Cycle Consistency, 2016, for homographies.

    >>> there, back = (torch.tensor([[1.0, 0, dx], [0, 1, dy], [0, 0, 1]]) for dx, dy in ((5, 1), (-2, 3)))
    >>> cycle_consistency(there, back, size=(48, 64)).item()
    5.0
    """
    function = "cycle_consistency"
    if len(homographies) < 2:
        raise refuse(function, "homographies", "two or more", len(homographies), "Give them one by one: H12, H21.")
    batch = torch.Size()
    for matrix in homographies:
        check_matrix(function, "homographies", matrix, (3, 3))
        check_batches(function, "homographies", matrix.shape[:-2], batch)
        batch = torch.broadcast_shapes(batch, matrix.shape[:-2])
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    dtype = homographies[0].dtype
    homographies = promoted(*homographies)
    if mask is not None:
        homographies = hide(mask[..., None, None], *homographies)
    around = functools.reduce(lambda before, after: after @ before, homographies)
    start = corners(function, size, around)
    apart = transform_points(around, start) - start
    return reduce(over_corners(function, apart, kernel, scale), reduction, mask=mask, weight=weight, dtype=dtype)
