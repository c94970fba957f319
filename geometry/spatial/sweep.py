"""Plane sweep: what camera 1 would see of another image, if everything lay on one plane, for many planes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches
from visionops.resample.warping import Fill, check_size

from .reading import Border, Interpolation, check_image, read
from .view import check_pose, view_of


def plane_sweep(
    image2: Shaped[Tensor, "*batch c h2 w2"],
    depths: Float[Tensor, "*batch d"],
    K1: Float[Tensor, "*batch 3 3"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    *,
    K2: Float[Tensor, "*batch 3 3"] | None = None,
    size: tuple[int, int] | None = None,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
    return_valid: bool = False,
) -> Shaped[Tensor, "*batch d c h w"] | tuple[Shaped[Tensor, "*batch d c h w"], Bool[Tensor, "*batch d 1 h w"]]:
    """Returns view 1 rebuilt from image 2 once for each depth, as if all it sees lay on the plane z = depth.

    Where a plane is right, the result is like the image of view 1: `(plane_sweep(...) - image1[..., None, :, :, :])`,
    its absolute mean over channels, is a cost volume, and so is a product of features.

    Args:
        image2: an image or features of camera 2.
        depths: z of the planes in the frame of camera 1, above 0.
        K1: intrinsics of camera 1, for pixel centres at integers; for features, of their pixels.
        R, t: take points from the frame of camera 1 to that of camera 2, X2 = R X1 + t.
        K2: intrinsics of camera 2; None: those of camera 1.
        size: (height, width) of view 1; None: that of image 2.
        interpolation, border, fill: as of `remap`.
        return_valid: whether to return also where image 2 was read, as of `warp_by_depth`.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all that are floating, as of `warp_by_depth`; depths that are not positive read the fill.
    Source: Collins, A Space-Sweep Approach to True Multi-Image Matching, 1996.

    >>> K, right = torch.tensor([[2.0, 0, 1], [0, 2, 0], [0, 0, 1]]), torch.tensor([-1.0, 0.0, 0.0])
    >>> row = torch.tensor([[[5.0, 6.0, 7.0]]])
    >>> plane_sweep(row, torch.tensor([1.0, 2.0]), K, torch.eye(3), right)[:, 0, 0].tolist()
    [[0.0, 0.0, 5.0], [0.0, 5.0, 6.0]]
    """
    check_image("plane_sweep", image2, interpolation, border)
    if not isinstance(depths, Tensor) or not depths.is_floating_point() or depths.ndim < 1 or not depths.shape[-1]:
        got: Any = tuple(depths.shape) if isinstance(depths, Tensor) else type(depths).__name__
        raise refuse("plane_sweep", "depths", "a floating tensor (*batch, d) of at least one", got)
    check_batches("plane_sweep", "depths", depths.shape[:-1], image2.shape[:-3])
    check_pose("plane_sweep", image2.shape[:-3], K1, R, t, K2)
    view_size = image2.shape[-2:] if size is None else check_size("plane_sweep", size)
    view = view_of(K1, R, t, K2, view_size, depths)
    planes = [
        read("plane_sweep", image2, view.places(z[..., None, None, None])[0], interpolation, border, fill, True)
        for z in depths.unbind(-1)
    ]
    stack, valid = (torch.stack(parts, -4) for parts in zip(*planes, strict=True))
    return (stack, valid) if return_valid else stack
