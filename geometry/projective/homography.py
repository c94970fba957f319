"""Homographies of points and lines by the normalised direct linear transform, and their refinement.

Every pair gives two equations that are linear in H: of p1 = (x, y, 1) and p2 = (u, v),

[p1  0  -u p1] h = 0        [0  p1  -v p1] h = 0

Their Gram matrix has nine blocks, of which sum w p1 p1^T, and the same times u, v and u^2 + v^2, are all there is.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_matrix, finite_rows, or_nan
from visionops.geometry.implicit import implicit_argmin
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.linalg import from_homogeneous, normalize_points, to_homogeneous

from .matrices import determinant, undo, unit, with_last_one
from .pairs import SYMMETRIC, check_pairs, clean_pairs, fitted, held, monomials, weighted, without_nan

# |det| of a homography of normalised points, of norm 1, below which it maps a plane to a line.
SINGULAR = 1e-8
# Which of 4 x 6 sums every entry of the Gram matrix is; 24: none of them.
BLOCKS = ((0, None, 1), (None, 0, 2), (1, 2, 3))
PLACES = [
    24 if block is None else 6 * block + SYMMETRIC[3 * i + j]
    for row in BLOCKS
    for i in range(3)
    for block in row
    for j in range(3)
]


@overload
def find_homography(
    points1: Tensor, points2: Tensor, *, weights: Tensor | None = None, return_valid: Literal[False] = False
) -> Tensor: ...


@overload
def find_homography(
    points1: Tensor, points2: Tensor, *, weights: Tensor | None = None, return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def find_homography(
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Tensor, Tensor]:
    """Returns the homography H, with H33 = 1, that fits p2 ~ H p1 with the least algebraic error.

    Args:
        points1: (x, y), four or more, in pixels or any other unit.
        points2: in the order of the first.
        weights: of the squared errors, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite, unique and invertible.

    Raises:
        ValueError: for less than four points, or shapes that do not go together.

    Gradient: to points and weights, for exact and inexact points, by the implicit function theorem. Where less than
        four points of which no three are collinear count, H is one of many and its gradient 0. The gradient to a weight
        of 0 is 0. H is scaled to norm 1 where H33 is less than 1e-8 of its largest component. NaN gives NaN, gradient
        0.
    Source: Hartley, In Defense of the Eight-Point Algorithm, 1997; Hartley and Zisserman, 2004, algorithm 4.2. What
        `cv2.findHomography(..., 0)` minimises from there on is `refine_homography`.

    >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> find_homography(square, 2 * square + 3).round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    """
    check_pairs("find_homography", points1, points2, weights, least=4)
    h, valid = _fit(points1, points2, weights)
    return (h, valid) if return_valid else h


def _define(points1: Tensor, points2: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    p1, p2, w, good = without_nan(points1, points2, weights)
    q1, q2 = normalize_points(p1, weights=w), normalize_points(p2, weights=w)
    h, valid = _solve(_gram(q1.points, q2.points, w), q1.matrix, q2.matrix)
    return or_nan(h, good).to(points1.dtype), good & valid


def find_homography_lines(
    lines1: Float[Tensor, "*batch n 2 2"],
    lines2: Float[Tensor, "*batch n 2 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Tensor, Tensor]:
    """Returns the homography H, with H33 = 1, that takes the ends of segments to the lines through others.

    Args:
        lines1: the two ends (x, y) of four or more segments.
        lines2: two points each on the same lines in the other image, which need not be the same ends.
        weights: of the segments, at least 0; one of weight 0 does not count, whatever its coordinates.
        return_valid: whether to return also where it is finite, unique and invertible.

    Raises:
        ValueError: for less than four segments, or shapes that do not go together.

    Gradient: to ends and weights; degenerate cases as of `find_homography`. A segment of `lines2` whose points coincide
        does not count.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 4.1.1.

    >>> ends = torch.tensor([[[0.0, 0], [1, 0]], [[1, 0], [1, 1]], [[1, 1], [0, 1]], [[0, 1], [0, 0]]])
    >>> find_homography_lines(ends, 2 * ends + 3).round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    """
    for name, lines in (("lines1", lines1), ("lines2", lines2)):
        if not isinstance(lines, Tensor) or lines.ndim < 3 or lines.shape[-2:] != (2, 2) or lines.shape[-3] < 4:
            got = tuple(lines.shape) if isinstance(lines, Tensor) else type(lines).__name__
            raise refuse("find_homography_lines", name, "of shape (*batch, n, 2, 2), n at least 4", got)
    both = None if weights is None else weights.repeat_interleave(2, -1)
    names = ("lines1", "lines2")
    ends1, ends2 = lines1.flatten(-3, -2), lines2.flatten(-3, -2)
    p1, p2, w, good = clean_pairs("find_homography_lines", ends1, ends2, both, least=8, names=names)
    q1, q2 = normalize_points(p1, weights=w), normalize_points(p2, weights=w)
    on1 = to_homogeneous(q1.points).unflatten(-2, (-1, 2))
    on2 = to_homogeneous(q2.points).unflatten(-2, (-1, 2))
    line = torch.linalg.cross(on2[..., 0, :], on2[..., 1, :])
    square = line[..., :2].square().sum(-1, keepdim=True)
    line = line / torch.where(square > 0, square, 1).sqrt()
    # line^T H p = 0, for both ends p.
    rows = (line[..., None, :, None] * on1[..., None, :]).flatten(-2).flatten(-3, -2)
    h, valid = _solve(rows.mT @ weighted(rows, w), q1.matrix, q2.matrix)
    h = or_nan(h, good).to(lines1.dtype)
    return (h, good & valid) if return_valid else h


def refine_homography(
    homography: Float[Tensor, "*batch 3 3"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    iterations: int = 20,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Tensor, Tensor]:
    """Returns the homography H, with H33 = 1, of the least sum of squared distances |H p1 - p2|^2 near another.

    Args:
        homography: the start, such as that of `find_homography`; no gradient goes to it.
        points1: (x, y), four or more.
        points2: in the order of the first; their errors are what is minimised.
        weights: of the squared errors, at least 0; a pair of weight 0 does not count, whatever its coordinates.
        iterations: of Levenberg and Marquardt, at most.
        grad: "implicit" differentiates the conditions at the minimum, "unroll" the iterations, "none" nothing.
        return_valid: whether to return also which samples converged.

    Raises:
        ValueError: for shapes that do not go together, or an unknown `grad`.

    Gradient: to points and weights; 0 where it did not converge. NaN gives NaN, gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 4.5; it is the minimum of `cv2.findHomography(..., 0)`.

    >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> refine_homography(torch.eye(3), square, 2 * square + 3).round(decimals=3).add(0).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    """
    p1, p2, w, good = clean_pairs("refine_homography", points1, points2, weights, least=4)
    check_matrix("refine_homography", "homography", homography, (3, 3))
    check_batches("refine_homography", "homography", homography.shape[:-2], points1.shape[:-2])
    h, whole = finite_rows(homography.detach().double(), 2)
    q1, q2 = normalize_points(p1, weights=w), normalize_points(p2, weights=w)
    good = good & whole
    # In coordinates whose origin, the centre of the points, stays finite: H33 = 1 loses no homography there.
    start = with_last_one(q2.matrix.detach() @ h @ undo(q1.matrix.detach())).flatten(-2)[..., :8]
    start = start.expand(*good.shape, 8)

    def residual(x: Tensor) -> Tensor:
        mapped = to_homogeneous(q1.points) @ to_homogeneous(x).unflatten(-1, (3, 3)).mT
        errors = from_homogeneous(mapped) - q2.points
        if w is not None:
            # The root of 0 has no derivative; what it multiplies is 0.
            errors = errors * torch.where(w > 0, torch.where(w > 0, w, 1).sqrt(), 0)[..., None]
        return errors.flatten(-2).expand(*x.shape[:-1], -1)

    x, done = implicit_argmin(residual, start, iterations=iterations, grad=grad, return_valid=True)
    h = with_last_one(undo(q2.matrix) @ to_homogeneous(x).unflatten(-1, (3, 3)) @ q1.matrix)
    h = or_nan(held(h, done), good).to(points1.dtype)
    return (h, good & done) if return_valid else h


def _gram(p1: Tensor, p2: Tensor, weights: Tensor | None) -> Tensor:
    u, v = p2.unbind(-1)
    factors = torch.stack([torch.ones_like(u), -u, -v, u * u + v * v], -1)
    sums = weighted(factors, weights).mT @ monomials(p1)
    place = torch.tensor(PLACES, device=p1.device)
    spread = torch.nn.functional.one_hot(place, 25)[:, :24].to(p1.dtype)
    return (sums.flatten(-2) @ spread.mT).unflatten(-1, (9, 9))


def _solve(gram: Tensor, matrix1: Tensor, matrix2: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the homography between points as they were, and where it is unique and invertible."""
    h, unique = least_eigenvector(gram)
    normalized = h.unflatten(-1, (3, 3))
    regular = determinant(unit(normalized)).abs() > SINGULAR
    out = with_last_one(undo(matrix2) @ normalized @ matrix1)
    return held(out, unique), unique & regular


_fit = fitted(_define, epipolar=False)
