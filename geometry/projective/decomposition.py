"""A homography and the plane and motion that it comes from: H ~ K2 (R + t n^T) K1^-1, where n^T X = 1 is the plane.

Of singular values scaled so that the middle one is 1, H = R (I + s n^T) with s = R^T t, so that, with det H = D,

S = H^T H - I = n a^T + a n^T,    a = s + |s|^2 n / 2,    n . s = D - 1

The adjugate of -S is c c^T, c = n x a, and S + [c] = 2 a n^T has n in its rows and a in its columns. Which of these is
the normal nobody can say: that, and the sign of n, makes four solutions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_vector,
    finite_rows,
    finite_samples,
    or_nan,
    promoted,
)
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.linalg import skew
from visionops.kernels.eigen import eigen_symmetric

from .matrices import adjugate, determinant, inverse, unit, with_last_one

# Entries of S = H^T H - I below this are rounding: no translation; of its adjugate, relative to S: t is along n.
STILL = 1e-12
ALONG = 1e-13
# det H, for a middle singular value of 1, below which the plane is seen from its side.
SIDEWAYS = 1e-9


class PlaneMotions(NamedTuple):
    """Four rotations (*batch, 4, 3, 3), translations over the plane's distance and unit normals (*batch, 4, 3)."""

    R: Tensor
    t: Tensor
    n: Tensor
    valid: Tensor


def decompose_homography(
    homography: Float[Tensor, "*batch 3 3"], K: Float[Tensor, "*batch 3 3"] | None = None
) -> PlaneMotions:
    """Returns `(R, t, n, valid)`, the four motions and planes that may have made a homography between two views.

    X2 = R X1 + d t for the points n . X1 = d of the plane, in the frames of the cameras (x right, y down, z forward).

    Args:
        homography: maps the first image to the second, in pixels; its scale and sign do not matter.
        K: intrinsics of both views. None: points are normalised, such as K^-1 (x, y, 1).

    Raises:
        ValueError: for shapes that do not go together.

    Slots 0 and 1, and 2 and 3, differ in the signs of t and n; n of slots 0 and 2 has z >= 0, as that of a plane in
    front of the first camera. Where t is along n, the last two are the first two again, and are left empty: 0, not
    valid. A rotation alone fills slot 0, with t = n = 0. A singular H has no valid slot.

    Gradient: to both. 0 through what decides between two solutions where they meet (t along n), and to t and n where
        the motion is a rotation alone; there the true derivatives are infinite. NaN gives NaN, gradient 0.
    Source: Malis and Vargas, Deeper understanding of the homography decomposition for vision-based control, 2007, for
        the problem, as `cv2.decomposeHomographyMat`; the formulas are those of a degenerate conic.

    >>> H = torch.eye(3) + torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # t = x, n = z
    >>> motions = decompose_homography(H)
    >>> (motions.t[motions.n[:, 2] > 0.99] + 0.0).round(decimals=4).tolist()
    [[1.0, 0.0, 0.0]]
    """
    check_matrix("decompose_homography", "homography", homography, (3, 3))
    h, good = finite_rows(homography.double(), 2)
    if K is not None:
        check_matrix("decompose_homography", "K", K, (3, 3))
        check_batches("decompose_homography", "K", K.shape[:-2], homography.shape[:-2])
        k, whole = finite_rows(K.double(), 2)
        h, good = adjugate(k) @ h @ k, good & whole
    h, det, regular = _with_middle_one(unit(h))
    s = h.mT @ h - torch.eye(3, dtype=h.dtype, device=h.device)
    size = s.detach().abs().amax((-1, -2))
    moves = size > STILL
    s = torch.where(moves[..., None, None], s, 0)
    c, apart = _root_of_rank_one(-adjugate(s), ALONG * size)
    twice = s + skew(c)
    first = _solution(h, twice, det)
    second = _solution(h, twice.mT, det)
    slots = [first, _mirrored(first), second, _mirrored(second)]
    regular = regular & good
    valid = torch.stack([regular, regular & moves, regular & apart, regular & apart], -1)
    filled = torch.stack([torch.ones_like(moves), moves, apart, apart], -1)
    R, t, n = (torch.stack(parts, -1).movedim(-1, good.ndim) for parts in zip(*slots, strict=True))
    R = torch.where(filled[..., None, None], R, 0)
    t, n = torch.where(filled[..., None], t, 0), torch.where(filled[..., None], n, 0)
    R, t, n = (or_nan(part, good).to(homography.dtype) for part in (R, t, n))
    return PlaneMotions(R, t, n, valid)


def homography_from_pose(
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    normal: Float[Tensor, "*batch 3"],
    K1: Float[Tensor, "*batch 3 3"] | None = None,
    K2: Float[Tensor, "*batch 3 3"] | None = None,
) -> Float[Tensor, "*batch 3 3"]:
    """Returns the homography K2 (R + t n^T) K1^-1, with H33 = 1, of a plane n . X = 1 from one view to another.

    Args:
        R: with t, from the first camera's frame to the second's: X2 = R X1 + t.
        t: in the unit of the plane's distance.
        normal: n in the first camera's frame: the unit normal over the plane's distance from that camera.
        K1: intrinsics of the first view. None: of normalised points.
        K2: of the second. None: those of the first.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to all. H is scaled to norm 1 where H33 is less than 1e-8 of its largest component.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 13.2, with the sign of `cv2`'s.

    >>> eye, x, z = torch.eye(3), torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.5])
    >>> homography_from_pose(eye, x, z).tolist()
    [[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    check_matrix("homography_from_pose", "R", R, (3, 3))
    check_vector("homography_from_pose", "t", t, 3)
    check_vector("homography_from_pose", "normal", normal, 3)
    eye = torch.eye(3, dtype=R.dtype, device=R.device)
    K1 = eye if K1 is None else K1
    K2 = K1 if K2 is None else K2
    check_matrix("homography_from_pose", "K1", K1, (3, 3))
    check_matrix("homography_from_pose", "K2", K2, (3, 3))
    batch = R.shape[:-2]
    others = {"t": t.shape[:-1], "normal": normal.shape[:-1], "K1": K1.shape[:-2], "K2": K2.shape[:-2]}
    for name, other in others.items():
        check_batches("homography_from_pose", name, other, batch)
        batch = torch.broadcast_shapes(other, batch)
    R, t, normal, K1, K2 = promoted(R, t, normal, K1, K2)
    (R, t, normal, K1, K2), good = finite_samples((R, 2), (t, 1), (normal, 1), (K1, 2), (K2, 2))
    h = K2 @ (R + t[..., :, None] * normal[..., None, :]) @ inverse(K1)
    return or_nan(with_last_one(h), good)


def _with_middle_one(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns H of positive determinant whose middle singular value is 1, that determinant, and where it is not 0."""
    det = determinant(h)
    h = h * torch.where(det < 0, -1.0, 1.0)[..., None, None]
    gram = h.mT @ h
    middle = eigen_symmetric(gram.detach())[0][..., 1]
    # The eigenvector of the middle value is that of the least of a square.
    shifted = gram - middle[..., None, None] * torch.eye(3, dtype=h.dtype, device=h.device)
    v, _ = least_eigenvector(shifted @ shifted)
    value = (v * (gram @ v[..., None])[..., 0]).sum(-1)
    regular = value > SIDEWAYS**2
    scale = torch.where(regular, value, 1).sqrt()
    det = det.abs() / scale**3
    return h / scale[..., None, None], det, regular & (det > SIDEWAYS)


def _root_of_rank_one(matrix: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Returns c with c c^T = M, and where M is more than the least; 0 elsewhere."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    place = diagonal.argmax(-1, keepdim=True)
    square = diagonal.gather(-1, place)
    some = square > least[..., None]
    column = matrix.gather(-1, place[..., None].expand(*matrix.shape[:-1], 1))[..., 0]
    return torch.where(some, column / torch.where(some, square, 1).sqrt(), 0), some[..., 0]


def _solution(h: Tensor, twice: Tensor, det: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns R, t, n of 2 a n^T."""
    place = twice.square().sum(-1).argmax(-1)[..., None, None]
    n = unit(twice.gather(-2, place.expand(*twice.shape[:-2], 1, 3)))[..., 0, :]
    n = n * torch.where(n[..., 2:] < 0, -1.0, 1.0)
    a = (twice @ n[..., None])[..., 0] / 2
    safe = torch.where(det > SIDEWAYS, det, 1)
    # |s|^2 / 2 = n . a - n . s
    half = (n * a).sum(-1) + 1 - det
    s = torch.where((det > SIDEWAYS)[..., None], a - half[..., None] * n, 0)
    R = h @ (torch.eye(3, dtype=h.dtype, device=h.device) - s[..., :, None] * n[..., None, :] / safe[..., None, None])
    return R, (R @ s[..., None])[..., 0], n


def _mirrored(solution: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    R, t, n = solution
    return R, -t, -n
