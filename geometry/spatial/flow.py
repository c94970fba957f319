"""Inverse warps by flow, and by depth and pose: what camera 1 would see, read from the image of camera 2.

p1 = (u, v)        X = z K1^-1 (p1, 1)        p2 ~ K2 (R X + t)        flow = p2 - p1
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches
from visionops.resample.warping import Fill

from .rays import check_depth, pixel_grid
from .reading import Border, Interpolation, check_image, read
from .view import check_pose, view_of


def warp_by_depth(
    image2: Shaped[Tensor, "*batch c h2 w2"],
    depth1: Float[Tensor, "*batch 1 h w"],
    K1: Float[Tensor, "*batch 3 3"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    *,
    K2: Float[Tensor, "*batch 3 3"] | None = None,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
    return_valid: bool = False,
) -> Shaped[Tensor, "*batch c h w"] | tuple[Shaped[Tensor, "*batch c h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns view 1 rebuilt from the image of view 2: each pixel of view 1 reads image 2 where its point is seen.

    The image is that of one camera, the depth that of the other. What hides in view 2 is not recognised: such a pixel
    reads what hides it.

    Args:
        image2: what camera 2 sees; floating, or uint8 (rounded); of any dtype with "nearest".
        depth1: z of each pixel of view 1, in the frame of camera 1; its size is the output's.
        K1: intrinsics of camera 1, for pixel centres at integers.
        R, t: take points from the frame of camera 1 to that of camera 2, X2 = R X1 + t; t in the unit of the depth.
        K2: intrinsics of camera 2; None: those of camera 1.
        interpolation, border, fill: as of `remap`.
        return_valid: whether to return also where image 2 was read: the depth is finite and positive, the point lies
            in front of camera 2, and within the centres of the outer pixels of image 2.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image, depth, intrinsics and pose, one-sided where whole pixels are read. Depths that are not
        finite or not positive, points not in front of camera 2, and samples with NaN among their matrices read the
        fill, with gradient 0.
    Source: Zhou et al., Unsupervised Learning of Depth and Ego-Motion from Video, 2017, equation 2.

    >>> K, right = torch.tensor([[2.0, 0, 1], [0, 2, 0], [0, 0, 1]]), torch.tensor([-1.0, 0.0, 0.0])
    >>> warp_by_depth(torch.tensor([[[5.0, 6.0, 7.0]]]), torch.full((1, 1, 3), 2.0), K, torch.eye(3), right).tolist()
    [[[0.0, 5.0, 6.0]]]
    """
    check_image("warp_by_depth", image2, interpolation, border)
    check_depth("warp_by_depth", "depth1", depth1)
    check_batches("warp_by_depth", "depth1", depth1.shape[:-3], image2.shape[:-3])
    check_pose("warp_by_depth", depth1.shape[:-3], K1, R, t, K2)
    places, _ = view_of(K1, R, t, K2, depth1.shape[-2:], depth1).places(depth1)
    return read("warp_by_depth", image2, places, interpolation, border, fill, return_valid)


def depth_to_flow(
    depth1: Float[Tensor, "*batch 1 h w"],
    K1: Float[Tensor, "*batch 3 3"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    *,
    K2: Float[Tensor, "*batch 3 3"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 2 h w"] | tuple[Float[Tensor, "*batch 2 h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns the flow (dx, dy) of a rigid scene from view 1 to view 2, in pixels: p2 = p1 + flow.

    Args:
        depth1, K1, R, t, K2: as of `warp_by_depth`.
        return_valid: whether to return also where the depth is finite and positive and the point in front of camera 2.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to depth, intrinsics and pose. Points behind a camera have flow 0 with gradient 0; where depth or matrices
        are not finite it is NaN, with gradient 0.

    >>> K = torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    >>> depth_to_flow(torch.full((1, 1, 2), 4.0), K, torch.eye(3), torch.tensor([1.0, 0.0, 0.0])).tolist()
    [[[0.5, 0.5]], [[0.0, 0.0]]]
    """
    check_depth("depth_to_flow", "depth1", depth1)
    check_pose("depth_to_flow", depth1.shape[:-3], K1, R, t, K2)
    view = view_of(K1, R, t, K2, depth1.shape[-2:], depth1)
    places, there = view.places(depth1)
    x, y = pixel_grid(depth1.shape[-2:], depth1)
    flow = torch.where(there, places - torch.stack(torch.broadcast_tensors(x, y), -3), 0)
    flow = torch.where(depth1.isfinite() & view.finite, flow, float("nan"))
    return (flow, there) if return_valid else flow


def warp_by_flow(
    image2: Shaped[Tensor, "*batch c h2 w2"],
    flow: Float[Tensor, "*batch 2 h w"],
    *,
    interpolation: Interpolation = "bilinear",
    border: Border = "constant",
    fill: Fill = 0.0,
    return_valid: bool = False,
) -> Shaped[Tensor, "*batch c h w"] | tuple[Shaped[Tensor, "*batch c h w"], Bool[Tensor, "*batch 1 h w"]]:
    """Returns image 1 rebuilt from image 2: pixel p reads image 2 at p + flow(p).

    Args:
        image2: where the flow points; floating, or uint8 (rounded); of any dtype with "nearest".
        flow: (dx, dy) from image 1 to image 2, in pixels; its size is the output's.
        interpolation, border, fill: as of `remap`.
        return_valid: whether to return also where p + flow(p) lies within the centres of the outer pixels of image 2.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image and the flow, one-sided where whole pixels are read. A flow that is not finite reads the
        fill, with gradient 0.

    >>> warp_by_flow(torch.tensor([[[5.0, 6.0, 7.0]]]), torch.tensor([[[1.0, 0.5, 1.0]], [[0.0, 0.0, 0.0]]])).tolist()
    [[[6.0, 6.5, 0.0]]]
    """
    check_image("warp_by_flow", image2, interpolation, border)
    shape = "(*batch, 2, h, w)"
    if not isinstance(flow, Tensor) or not flow.is_floating_point():
        got = flow.dtype if isinstance(flow, Tensor) else type(flow).__name__
        raise refuse("warp_by_flow", "flow", f"a floating tensor {shape}", got)
    if flow.ndim < 3 or flow.shape[-3] != 2 or 0 in flow.shape[-2:]:
        raise refuse("warp_by_flow", "flow", f"of shape {shape}, not without pixels", tuple(flow.shape))
    check_batches("warp_by_flow", "flow", flow.shape[:-3], image2.shape[:-3])
    x, y = pixel_grid(flow.shape[-2:], flow)
    places = flow + torch.stack(torch.broadcast_tensors(x, y), -3)
    return read("warp_by_flow", image2, places, interpolation, border, fill, return_valid)
