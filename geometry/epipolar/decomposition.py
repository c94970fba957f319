"""The motions of an essential matrix, without a singular value decomposition, and the one that sees the points.

Of E = [t] R with |t| = 1:   t t^T = tr(E E^T) / 2 I - E E^T,   R = cof(E) - [t] E,   and R' = cof(E) + [t] E of -t.

Source: B. K. P. Horn, Recovering Baseline and Orientation from Essential Matrix, 1990.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix, or_nan
from visionops.geometry.implicit import nearest_essential
from visionops.geometry.linalg import cofactors, skew, to_homogeneous
from visionops.geometry.projective.pairs import clean_pairs

# Sines of angles between rays below this are rounding: they meet at infinity.
PARALLEL = 1e-10


class Motion(NamedTuple):
    """R (*batch, 3, 3), unit t (*batch, 3), which points are in front (*batch, n), and where R and t are unique."""

    R: Tensor
    t: Tensor
    in_front: Tensor
    valid: Tensor


def decompose_essential(
    E: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Returns `(R1, R2, t)`: the four motions of an essential matrix are (R1, t), (R2, t), (R1, -t) and (R2, -t).

    Args:
        E: essential matrix, at any scale; of any other, the nearest one is decomposed.

    Raises:
        ValueError: for any other shape.

    X2 = R X1 + t; |t| = 1, and the largest component of t is positive.

    Gradient: to E, exact or not; 0 where the nearest essential matrix is not unique, as of `nearest_essential`. NaN
        gives NaN, gradient 0.

    >>> E = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> R1, R2, t = decompose_essential(E)
    >>> [x.round(decimals=4).add(0).tolist() for x in (R1.diagonal(), R2.diagonal(), t)]
    [[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [1.0, 0.0, 0.0]]
    """
    check_matrix("decompose_essential", "E", E, (3, 3))
    R1, R2, t, _ = _decompose(E)
    return R1, R2, t


def motion_from_essential(
    E: Float[Tensor, "*batch 3 3"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
) -> Motion:
    """Returns `(R, t, in_front, valid)`: the motion of an essential matrix that has most points in front of both views.

    Args:
        E: essential matrix, x2^T E x1 = 0, at any scale.
        points1: x1 = (x, y), normalised: K^-1 of pixels.
        points2: x2, in the order of the first.
        weights: what a point counts, at least 0; None: 1. A mask of inliers as numbers.

    Raises:
        ValueError: for shapes that do not go together.

    X2 = R X1 + t, |t| = 1; the points in space are those of `triangulate` with [I | 0] and [R | t]. A point at
    infinity, or of weight 0, does not count as in front. `valid` is where one motion has more than each
    other, and E is unique.

    Gradient: to E, through the motion that was chosen, as of `decompose_essential`; none to points and weights, which
        only choose. NaN gives NaN, gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 9.6.3; `cv2.recoverPose`.

    >>> E = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> x1 = torch.tensor([[0.0, 0.0], [0.2, 0.1]])
    >>> motion_from_essential(E, x1, x1 + torch.tensor([-0.1, 0.0])).t.round(decimals=4).add(0).tolist()
    [-1.0, 0.0, 0.0]
    """
    check_matrix("motion_from_essential", "E", E, (3, 3))
    p1, p2, w, good = clean_pairs("motion_from_essential", points1, points2, weights, least=1)
    check_batches("motion_from_essential", "E", E.shape[:-2], good.shape)
    R1, R2, t, unique = _decompose(E.double())
    good = good & R1.isfinite().all(-1).all(-1)
    with torch.no_grad():
        x1, x2 = to_homogeneous(p1), to_homogeneous(p2)
        signs = [_depth_signs(R.detach(), t.detach(), x1, x2) for R in (R1, R2)]
        seen = torch.stack([(sign * depths > 0).all(-1) for depths in signs for sign in (1, -1)], -2)
        if w is not None:
            seen = seen & (w > 0)[..., None, :]
        totals = (seen if w is None else seen * w.detach()[..., None, :]).sum(-1)
        best, place = totals.max(-1)
        alone = (totals == best[..., None]).sum(-1) == 1
        in_front = seen.gather(-2, place[..., None, None].expand(*place.shape, 1, seen.shape[-1]))[..., 0, :]
    R = torch.where((place < 2)[..., None, None], R1, R2)
    t = torch.where((place % 2 == 0)[..., None], t, -t)
    R, t = or_nan(R, good).to(E.dtype), or_nan(t, good).to(E.dtype)
    return Motion(R, t, in_front & good[..., None], good & unique & alone)


def _decompose(E: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns R1, R2, t, and where they are unique."""
    essential, unique = nearest_essential(E, return_valid=True)
    eye = torch.eye(3, dtype=E.dtype, device=E.device)
    outer = eye - essential @ essential.mT
    diagonal = outer.diagonal(dim1=-2, dim2=-1)
    place = diagonal.argmax(-1, keepdim=True)
    column = outer.gather(-1, place[..., None].expand(*outer.shape[:-1], 1))[..., 0]
    t = column / diagonal.gather(-1, place).sqrt()
    parallel, turned = cofactors(essential), skew(t) @ essential
    return parallel - turned, parallel + turned, t, unique


def _depth_signs(R: Tensor, t: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
    """Returns numbers with the signs of the depths in both views: of z2 x2 = z1 R x1 + t, multiplied by x2 and R x1.

    0 of parallel rays.
    """
    ray = x1 @ R.mT
    t = t[..., None, :].expand(torch.broadcast_shapes(ray.shape, t[..., None, :].shape))
    ray, x2 = torch.broadcast_tensors(ray, x2)
    cross = torch.linalg.cross
    normal = cross(ray, x2)
    size = ray.square().sum(-1) * x2.square().sum(-1)
    meet = (normal.square().sum(-1) > PARALLEL**2 * size)[..., None]
    return torch.where(meet, torch.stack([(cross(x2, t) * normal).sum(-1), (cross(ray, t) * normal).sum(-1)], -1), 0)
