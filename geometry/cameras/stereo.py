"""Rectification of two cameras: rotations and a common matrix that make epipolar lines rows (or columns).

Each camera is turned by half of the rotation between them, then both by the least rotation that takes the baseline to
the axis that it is nearest to.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_range
from visionops.geometry.arguments import check_batches, check_matrix, check_vector, finite_rows, or_nan
from visionops.geometry.implicit.nearest import nearest_rotation
from visionops.geometry.linalg import skew
from visionops.resample.warping import check_size

from .camera import Camera, as_camera
from .points import undistort_points

# Pixels a side that the frame of the valid image is made from.
GRID = 9


class StereoRectification(NamedTuple):
    """Rotations from each camera's frame to its rectified frame, the projections there, and disparity to depth.

    Q (x, y, disparity, 1) is the homogeneous point in the rectified frame of camera 1, of the disparity x1 - x2, or
    y1 - y2 of cameras above each other. A sample is not valid where t is 0, the rotation between the cameras is by pi,
    or an argument is not finite.
    """

    R1: Float[Tensor, "*batch 3 3"]
    R2: Float[Tensor, "*batch 3 3"]
    P1: Float[Tensor, "*batch 3 4"]
    P2: Float[Tensor, "*batch 3 4"]
    Q: Float[Tensor, "*batch 4 4"]
    valid: Bool[Tensor, "*batch"]


def stereo_rectify(
    camera1: Camera | Float[Tensor, "*batch 3 3"],
    camera2: Camera | Float[Tensor, "*batch 3 3"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    size: tuple[int, int],
    *,
    new_size: tuple[int, int] | None = None,
    alpha: float | None = None,
    zero_disparity: bool = True,
) -> StereoRectification:
    """Returns `(R1, R2, P1, P2, Q, valid)`, under which a point has the same y in both images.

    Rectified images are `undistort_image(image1, camera1, matrix=P1[..., :3], R=R1)`, and so of 2. Where the baseline
    is nearer to y than to x (cameras above each other) points have the same x instead.

    Args:
        camera1: any model with a centre, or the matrix of a pinhole.
        camera2: the same.
        R: rotation from the frame of camera 1 to that of camera 2: X2 = R X1 + t.
        t: translation, in any unit, which depths will have.
        size: (height, width) of both images.
        new_size: (height, width) of the rectified images; None: the same.
        alpha: 0 scales so that only pixels are left that both images have, 1 so that all are kept, numbers between
            mix the two; None, OpenCV's -1, keeps the scale, centred.
        zero_disparity: whether both principal points are the same, so that points at infinity have disparity 0.

    Raises:
        ValueError: for other shapes.

    Gradient: to cameras, R and t; the frame that `alpha` fits is one pixel of each side's, so that its gradient has
        kinks. Computes in float64. What is not valid is rectified as for t along x.
    Source: Bouguet's algorithm, as OpenCV's stereoRectify.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> found = stereo_rectify(k, k, torch.eye(3), torch.tensor([-0.5, 0.0, 0.0]), (81, 101))
    >>> found.P2[0].tolist()
    [100.0, 0.0, 50.0, -50.0]
    """
    name = "stereo_rectify"
    cameras = [_doubled(as_camera(name, camera)) for camera in (camera1, camera2)]
    check_matrix(name, "R", R, (3, 3))
    check_vector(name, "t", t, 3)
    check_batches(name, "t", t.shape[:-1], R.shape[:-2])
    if alpha is not None:
        check_range(name, "alpha", alpha, 0, 1)
    height, width = check_size(name, size)
    new_height, new_width = (height, width) if new_size is None else check_size(name, new_size)
    kind = R.dtype
    R, good = finite_rows(R.double(), 2)
    t, sound = finite_rows(t.double(), 1)
    good = good & sound
    for camera in cameras:
        whole = camera._finite()[1]
        good = good if whole is None else good & whole[..., 0]
    cameras = [_where(good, camera) for camera in cameras]
    R = torch.where(good[..., None, None], R, torch.eye(3, dtype=R.dtype, device=R.device))
    t = torch.where(good[..., None], t, 0)

    half, unique = nearest_rotation(torch.eye(3, dtype=R.dtype, device=R.device) + R.mT, return_valid=True)
    turned = (half @ t[..., None])[..., 0]
    upright = turned[..., 1].abs() >= turned[..., 0].abs()
    onto, moved = _onto_axis(turned, upright)
    R1, R2 = onto @ half.mT, onto @ half
    baseline = (R2 @ t[..., None])[..., 0]
    along = torch.where(upright, baseline[..., 1], baseline[..., 0])

    # The focal length across the baseline is the mean of both, for the new size.
    diagonals = [camera.matrix.diagonal(dim1=-2, dim2=-1) for camera in cameras]
    across = sum(torch.where(upright, d[..., 0], d[..., 1]) for d in diagonals)
    focal = across / 2 * torch.where(upright, new_width / width, new_height / height)
    corners = _frame(2, height, width, R)
    centres = []
    for camera, turn in zip(cameras, (R1, R2), strict=True):
        seen = _rectify(corners, camera, focal, torch.zeros_like(baseline[..., :2]), turn)
        middle = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=R.dtype, device=R.device)
        centres.append(middle - seen.mean(-2))
    mean = (centres[0] + centres[1]) / 2
    shared = torch.stack([upright, ~upright], -1) | zero_disparity
    centres = [torch.where(shared, mean, centre) for centre in centres]
    stretch = torch.tensor([new_width / width, new_height / height], dtype=R.dtype, device=R.device)
    if alpha is not None:
        far = torch.tensor([new_width - 1, new_height - 1], dtype=R.dtype, device=R.device)
        grid = _frame(GRID, height, width, R)
        focal = focal * _fit(cameras, (R1, R2), grid, focal, centres, stretch, far, float(alpha))
    centres = [centre * stretch for centre in centres]

    P1 = torch.nn.functional.pad(_intrinsics(focal, centres[0]), (0, 1))
    axis = torch.stack([~upright, upright, torch.zeros_like(upright)], -1).to(R.dtype)
    P2 = torch.cat([_intrinsics(focal, centres[1]), (axis * (along * focal)[..., None])[..., None]], -1)
    Q = _to_depth(focal, centres, along, upright, moved)
    valid = good & unique & moved
    batch = torch.broadcast_shapes(valid.shape, P1.shape[:-2], P2.shape[:-2])
    good = good.expand(batch)
    R1, R2, P1, P2, Q = (or_nan(v.expand(*batch, *v.shape[-2:]), good).to(kind) for v in (R1, R2, P1, P2, Q))
    return StereoRectification(R1, R2, P1, P2, Q, valid.expand(batch))


def _doubled(camera: Camera) -> Camera:
    return type(camera)(*(value.double() for value in camera._tensors()))


def _where(good: Tensor, camera: Camera) -> Camera:
    """Returns the camera where it is good, and one that is well posed elsewhere."""
    matrix, *distortion = camera._finite()[0]._tensors()
    eye = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    matrix = torch.where(good[..., None, None], matrix, eye)
    return type(camera)(matrix, *(torch.where(good[..., None], value, 0) for value in distortion))


def _onto_axis(t: Tensor, upright: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the least rotation of t to its nearest axis, x or y, whichever way, and where t is not 0."""
    square = t.square().sum(-1)
    moved = square > 0
    along_x = torch.tensor([1.0, 0, 0], dtype=t.dtype, device=t.device)
    unit = torch.where(moved[..., None], t, along_x) / torch.where(moved, square, 1).sqrt()[..., None]
    x, y, _ = unit.unbind(-1)
    zero = torch.zeros_like(x)
    sign_x, sign_y = (torch.where(a.detach() < 0, -1.0, 1.0).to(t.dtype) for a in (x, y))
    upright = upright & moved
    axis = torch.stack([torch.where(upright, zero, sign_x), torch.where(upright, sign_y, zero), zero], -1)
    cross = skew(torch.linalg.cross(unit, axis))
    cosine = (unit * axis).sum(-1)[..., None, None]
    return torch.eye(3, dtype=t.dtype, device=t.device) + cross + cross @ cross / (1 + cosine), moved


def _intrinsics(focal: Tensor, centre: Tensor) -> Tensor:
    x, y = centre.unbind(-1)
    focal, x, y = torch.broadcast_tensors(focal, x, y)
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    return torch.stack([focal, zero, x, zero, focal, y, zero, zero, one], -1).unflatten(-1, (3, 3))


def _rectify(pixels: Tensor, camera: Camera, focal: Tensor, centre: Tensor, turn: Tensor) -> Tensor:
    rectified = undistort_points(pixels, camera, matrix=_intrinsics(focal, centre), R=turn)
    assert isinstance(rectified, Tensor)
    return rectified


def _frame(n: int, height: int, width: int, like: Tensor) -> Tensor:
    """Returns n x n pixels (n * n, 2) from one corner of an image to the other, by rows."""
    ys, xs = (torch.linspace(0, extent - 1, n, dtype=like.dtype, device=like.device) for extent in (height, width))
    return torch.stack([xs.repeat(n), ys.repeat_interleave(n)], -1)


def _fit(
    cameras: list[Camera],
    turns: tuple[Tensor, Tensor],
    grid: Tensor,
    focal: Tensor,
    centres: list[Tensor],
    stretch: Tensor,
    far: Tensor,
    alpha: float,
) -> Tensor:
    """Returns the scale at which both rectified images are filled (alpha 0) or whole (1), or between."""
    filled, whole = [], []
    for camera, turn, centre in zip(cameras, turns, centres, strict=True):
        seen = _rectify(grid, camera, focal, centre, turn).unflatten(-2, (GRID, GRID))
        for i, edges in enumerate((seen[..., 0], seen[..., 1].mT)):  # by rows: x from left to right, y from top down
            low, high = centre[..., None, i] - edges[..., 0], edges[..., -1] - centre[..., None, i]
            middle = centre[..., i] * stretch[i]
            filled += [middle / low.amin(-1), (far[i] - middle) / high.amin(-1)]
            whole += [middle / low.amax(-1), (far[i] - middle) / high.amax(-1)]
    most, least = torch.stack(filled, -1).amax(-1), torch.stack(whole, -1).amin(-1)
    return most * (1 - alpha) + least * alpha


def _to_depth(focal: Tensor, centres: list[Tensor], along: Tensor, upright: Tensor, moved: Tensor) -> Tensor:
    x, y = centres[0].unbind(-1)
    apart = centres[0] - centres[1]
    apart = torch.where(upright, apart[..., 1], apart[..., 0])
    inverse = 1 / torch.where(moved, along, 1)
    focal, x, y, inverse, apart = torch.broadcast_tensors(focal, x, y, inverse, apart)
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    rows = [one, zero, zero, -x, zero, one, zero, -y, zero, zero, zero, focal, zero, zero, -inverse, apart * inverse]
    return torch.stack(rows, -1).unflatten(-1, (4, 4))
