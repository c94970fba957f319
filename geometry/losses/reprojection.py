"""The reprojection loss of bundle adjustment and pose networks, with a robust kernel, that keeps points in front.

loss = rho(|pixel(R x + t) - p|^2)        behind the camera  rho(b^2 (1 - cos a)^2),  a the angle from its axis
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils import _pytree as pytree

from visionops.arguments import check_positive
from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_points,
    check_same_points,
    check_vector,
    promoted,
)
from visionops.geometry.cameras import Camera, PinholeCamera
from visionops.geometry.cameras.camera import as_camera
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import Kernel, robust_kernel

from .views import length


def reprojection(
    points3d: Float[Tensor, "*batch n 3"],
    points2d: Float[Tensor, "*batch n 2"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    camera: Camera | Float[Tensor, "*batch 3 3"] | None = None,
    *,
    kernel: Kernel = "l2",
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    behind: float | None = 100.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the distances between where points are seen and where they should be, under a robust kernel.

    Args:
        points3d: x, in the world's frame.
        points2d: where they should be seen: pixels of the camera, or without one normalised coordinates.
        R: rotation from world to camera.
        t: translation from world to camera, in the unit of points3d.
        camera: any model, or K of a pinhole; None: points2d are x / z and y / z.
        kernel: rho, of the squared distance; see `visionops.losses.robust`. "l2" leaves it squared, "l1" is its root.
        scale: where the kernel turns from quadratic, in the unit of points2d.
        behind: b, in the unit of points2d: the residual of what the camera does not see, which for a pinhole is behind
            it, is b (1 - cos a) with the angle a between point and optical axis: b beside the camera, 2 b right
            behind it. Nothing is ever mirrored. None leaves such points out, as a mask would: then a pose that sees
            nothing has loss 0.
        mask: True where points count, broadcast to (*batch, n). What is masked, NaN too, reaches neither loss nor
            gradient; nor does the pose of a sample that is all masked.
        weight: of each point, broadcast to (*batch, n).
        reduction: "none" gives (*batch, n), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of
            the weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and for options out of range.

    Gradient: to points, pose, camera and weight, of every order. That of `behind` turns points towards the axis; as a
        point in front nears the camera's plane its residual grows without that bound, so that a robust kernel should
        hold what it pulls. At the camera's centre cos a is 0, with a finite gradient.
    Source: Triggs et al., Bundle Adjustment, 2000, section 3; a bound for points behind as in Brachmann and Rother,
        DSAC*, 2021, where it is a constant of 100 pixels.

    >>> x, K = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> reprojection(x, torch.tensor([[76.0, 92.0]]), torch.eye(3), torch.zeros(3), K).item()  # seen at (75, 90)
    5.0
    """
    function = "reprojection"
    shape = _check(points3d, points2d, R, t, camera)
    check_mask(function, mask, shape)
    check_weight(function, weight, shape)
    check_reduction(function, reduction)
    if behind is not None:
        check_positive(function, "behind", behind)
    dtype = points3d.dtype
    points3d, points2d, R, t = promoted(points3d, points2d, R, t)
    if mask is not None:
        points3d, points2d = hide(mask[..., None], points3d, points2d)
    seen = points3d @ R.mT + t[..., None, :]
    pixels, valid = _model(camera, seen).project(seen, return_valid=True)
    ahead = valid | pixels.isnan().any(-1)  # what is NaN stays so
    squared = (pixels - points2d).square().sum(-1)
    if behind is None:
        mask = ahead if mask is None else ahead & mask
    else:
        squared = torch.where(ahead, squared, behind**2 * _beside(seen, ahead).square())
    return reduce(robust_kernel(function, kernel, squared, scale), reduction, mask=mask, weight=weight, dtype=dtype)


def _check(points3d: Tensor, points2d: Tensor, R: Tensor, t: Tensor, camera: object) -> tuple[int, ...]:
    """Returns (*batch, n)."""
    function = "reprojection"
    check_points(function, "points3d", points3d, 3)
    check_points(function, "points2d", points2d)
    check_same_points(function, "points2d", points2d, points3d)
    check_matrix(function, "R", R, (3, 3))
    check_vector(function, "t", t, 3)
    batch = torch.broadcast_shapes(points3d.shape[:-2], points2d.shape[:-2])
    others = {"R": R.shape[:-2], "t": t.shape[:-1]}
    if camera is not None:
        others["camera"] = as_camera(function, camera).batch
    for name, other in others.items():
        check_batches(function, name, other, batch)
        batch = torch.broadcast_shapes(batch, other)
    return (*batch, points3d.shape[-2])


def _model(camera: Camera | Tensor | None, points: Tensor) -> Camera:
    """Returns the camera, in the dtype of the points."""
    if camera is None:
        return PinholeCamera(torch.eye(3, dtype=points.dtype, device=points.device))
    return pytree.tree_map(lambda value: value.to(points.dtype), as_camera("reprojection", camera))  # type: ignore[no-any-return]


def _beside(points: Tensor, ahead: Tensor) -> Tensor:
    """Returns 1 - cos a of points (*batch, n, 3) that are not ahead, something finite for the others."""
    away = torch.where(ahead[..., None], torch.ones_like(points), points)
    reach = length(away)
    return 1 - away[..., 2] / torch.where(reach > 0, reach, 1)
