"""The essential matrices of five matches: up to ten.

E = x X + y Y + z Z + W spans what the matches leave. det E = 0 and 2 E E^T E = tr(E E^T) E are ten cubics in x, y, z;
elimination leaves three equations that are linear in x and y, whose determinant is of degree ten in z. Each root is
then a pose (R, t), E = [t] R, that Newton's method makes exact: five equations in its five unknowns, which also carry
the gradient. Source: D. Nister, An efficient solution to the five-point relative pose problem, 2004.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import check_weights, finite_rows
from visionops.geometry.batches import over_batch
from visionops.geometry.implicit.steps import is_watched, may_branch, newton_steps
from visionops.geometry.linalg import cofactors, skew, to_homogeneous
from visionops.geometry.polynomials import real_roots
from visionops.geometry.pose.moves import cayley, tangents
from visionops.geometry.subspace import least_subspace
from visionops.kernels.functions import opaque

from .equations import Roots, check_matches, epipolar_rows, matched, minimal, null_space

SLOTS = 10
# Newton steps with one inverse; twice as many make a root of the polynomial exact.
POLISH = 3
# |x2^T E x1| of unit equations, up to which a candidate is a root.
RESIDUAL = 1e-9
# The equations of a root may be so much worse than the best before it counts as double.
CONDITION = 1e7
# A last step so small, times the inverse, that the inverse is that of the root.
SETTLED = 1e-4


def find_essential(
    points1: Float[Tensor, "*batch n d"],
    points2: Float[Tensor, "*batch n d"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
) -> Roots:
    """Returns `(matrices, valid)`: every E with x2^T E x1 = 0 for five matches, in ten slots.

    Args:
        points1: x1 in normalised coordinates (d = 2: x / z, y / z), or rays of any length (d = 3), of five matches or
            more. Of more, E is in the span of the four vectors that sum w (x2^T E x1)^2 is least for: exact for exact
            matches, else a start for refinement.
        points2: x2, likewise.
        weights: at least 0; a match of weight 0 does not count, whatever its points. Five matches need none.

    Raises:
        ValueError: for fewer than five points, or weights of another shape.

    Gradient: to points and weights, by the implicit function theorem on the pose, for exact and inexact points, right
        to the second derivative. ||E||_F = sqrt 2, and the largest entry is positive. An empty slot is 0 with gradient
        0. A root that is not isolated (double, or any of infinitely many, as after a pure rotation) is returned with
        gradient 0 and not valid; matches that say less than five (coincident) leave all slots empty, as do NaN and
        infinity. Points may lie on a plane. Computes in float64.
    Source: Nister, An efficient solution to the five-point relative pose problem, 2004.

    >>> x1 = torch.tensor([[0.0, 0], [0.5, 0.1], [-0.4, 0.3], [0.2, -0.5], [-0.3, -0.2]])
    >>> x2 = x1 + torch.tensor([[0.1], [0.3], [0.2], [0.5], [0.4]]) * torch.tensor([1.0, 0])  # a camera that moved in x
    >>> matrices, valid = find_essential(x1, x2)
    >>> (matrices.abs() - torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 0]])).abs().amax((-1, -2)).amin().item() < 1e-5
    True
    """
    check_matches("find_essential", points1, points2, (2, 3), 5)
    check_weights("find_essential", weights, points1)
    if weights is None and points1.shape[-2] == 5:
        matrix, worth = _solve(points1, points2)
        return Roots(matrix, worth > 1)
    if weights is not None:
        points1, points2 = (torch.where(weights[..., None] <= 0, 0, p) for p in (points1, points2))
    x1, x2, good = _rays(points1, points2)
    rows = (x2[..., :, None] * x1[..., None, :]).flatten(-2)
    weighted = rows
    if weights is not None:
        w, whole = finite_rows(weights.double(), 1)
        weighted, good = w.clamp(min=0)[..., None] * rows, good & whole
    basis, rest, full = least_subspace(rows.mT @ weighted, 4)
    watched = is_watched(points1, points2, weights)
    matrix, _, regular = _roots_of(rest.mT, basis, full & good, watched)
    return Roots(matrix.to(points1.dtype), regular)


def _define(points1: Tensor, points2: Tensor) -> tuple[Tensor, Tensor]:
    x1, x2, good = _rays(points1, points2)
    rows = epipolar_rows(x1, x2)
    basis, _, full = null_space(rows)
    matrix, found, regular = _roots_of(rows, basis, full & good, is_watched(points1, points2))
    return matrix.to(points1.dtype), found.to(torch.uint8) + regular


def _rays(points1: Tensor, points2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns homogeneous points in float64, and which samples are finite."""
    x1, x2, good = matched(points1, points2)
    return (x1, x2, good) if x1.shape[-1] == 3 else (to_homogeneous(x1), to_homogeneous(x2), good)


def _roots_of(rows: Tensor, basis: Tensor, good: Tensor, watched: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Returns matrices (..., 10, 3, 3) as functions of rows, which slots have one, and which of those are isolated."""
    rotation, t, tangent, inverse, found, regular = over_batch(_declared, good.shape, rows, basis, good)
    return _matrix(rows, rotation, t, tangent, inverse, found, watched), found, regular


def _matrix(
    rows: Tensor,
    rotation: Tensor,
    t: Tensor,
    tangent: Tensor,
    inverse: Tensor,
    found: Tensor,
    watched: bool,
) -> Tensor:
    """Returns matrices (..., 10, 3, 3) as functions of the rows, near poses that are constants; see `_find`."""
    matrix = _crossed(t, rotation)
    flat = matrix.flatten(-2)
    sign = torch.where(flat.gather(-1, flat.abs().argmax(-1, keepdim=True)) < 0, -1.0, 1.0)[..., None]
    sign = torch.where(found[..., None, None], sign, 0)
    if not watched:
        return sign * matrix

    def essential(u: Tensor) -> Tensor:
        """Moves a pose, exactly to the second order: u is 0 and has derivatives."""
        turn, aside = u[..., :3], (tangent @ u[..., 3:, None])[..., 0]
        once = _crossed(turn, rotation)
        moved = rotation + once + _crossed(turn, once) / 2
        return _crossed(t + aside, moved) - aside.square().sum(-1)[..., None, None] / 2 * matrix

    def residual(u: Tensor) -> Tensor:
        return essential(u).flatten(-2) @ rows.mT

    def correct(value: Tensor) -> Tensor:
        return (inverse @ value[..., None])[..., 0]

    return sign * essential(newton_steps(t.new_zeros(*t.shape[:-1], 5), residual, correct))


def _crossed(vector: Tensor, matrix: Tensor) -> Tensor:
    """Returns [v] M."""
    return torch.linalg.cross(vector[..., None].expand_as(matrix), matrix, dim=-2)


def _find(rows: Tensor, basis: Tensor, good: Tensor) -> tuple[Tensor, ...]:
    """Returns the roots of (b, 5, 9) equations, whose solutions (b, 9, 4) span, in ten slots.

    R (b, 10, 3, 3), unit t (b, 10, 3), its tangent (b, 10, 3, 2), the inverse (b, 10, 5, 5) of the derivative of the
    equations by a turn of R from the left and by t along the tangent, which slots are roots, and which of those are
    isolated; 0 elsewhere.
    """
    b = len(rows)
    spanned = basis.mT.unflatten(-1, (3, 3)).contiguous()  # (b, 4, 3, 3)
    determinant, reduced = _hidden(_equations(spanned))
    finite = determinant.isfinite().all(-1) & good
    pairs, found = real_roots(torch.where(finite[:, None], determinant, 0))
    found = (found & finite[:, None]).flatten()
    # On a host slots without a root cost nothing.
    lanes = found.nonzero()[:, 0] if may_branch(rows) else torch.arange(len(found), device=rows.device)
    problem, kept = lanes // SLOTS, found[lanes]
    reduced = torch.where(finite[:, None, None, None], reduced, 0)[problem]
    rotation, t = _pose(_candidates(spanned[problem], reduced, pairs.flatten(0, 1)[lanes]), kept)
    rows = rows[problem]
    # Two pairs of steps, each with one inverse: the second is that of the exact root.
    for _ in range(2):
        tangent = tangents(t)
        inverse, regular = _inverse(_derivative(rows, rotation, t, tangent), kept)
        for _ in range(POLISH):
            value = (rows @ _crossed(t, rotation).flatten(-2)[..., None])[..., 0]
            u = (inverse @ value[..., None])[..., 0]
            rotation = cayley(-u[..., :3]) @ rotation
            t = t - (tangent @ u[..., 3:, None])[..., 0]
            t = t / torch.linalg.vector_norm(t, dim=-1, keepdim=True)
    # Towards a root that is not isolated steps shrink slowly, while the inverse grows.
    regular = regular & (u.abs().amax(-1) * inverse.abs().amax((-1, -2)) < SETTLED)
    inverse = torch.where(regular[:, None, None], inverse, 0)
    value = (rows @ _crossed(t, rotation).flatten(-2)[..., None])[..., 0]
    kept = kept & (value.abs().amax(-1) <= RESIDUAL * rows.abs().amax((-1, -2)))
    out = []
    for part in (rotation, t, tangent, inverse, kept, regular & kept):
        part = torch.where(kept.reshape(-1, *(1,) * (part.ndim - 1)), part, torch.zeros_like(part))
        out.append(part.new_zeros(b * SLOTS, *part.shape[1:]).index_copy(0, lanes, part).unflatten(0, (b, SLOTS)))
    return tuple(out)


def _derivative(rows: Tensor, rotation: Tensor, t: Tensor, tangent: Tensor) -> Tensor:
    """Returns the derivative (lanes, 5, 5) of rows E by a turn of R from the left, and by t along its tangent."""
    # [t] [e_k] R, where [t] [e_k] = e_k t^T - t_k I.
    turns = [-t[:, k, None, None] * rotation for k in range(3)]
    across = (t[:, None] @ rotation)[:, 0]
    for k in range(3):
        turns[k][:, k] += across
    sides = [_crossed(tangent[..., k], rotation) for k in range(2)]
    return rows @ torch.stack([*turns, *sides], 1).flatten(-2).mT


def _inverse(matrix: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the inverse, and where there is one; 0 elsewhere."""
    eye = torch.eye(5, dtype=matrix.dtype, device=matrix.device)
    inverse, _ = torch.linalg.inv_ex(torch.where(kept[:, None, None], matrix, eye))
    regular = kept & (inverse.abs().amax((-1, -2)) < CONDITION)  # false for NaN
    return torch.where(regular[:, None, None], inverse, 0), regular


# Monomials of degree three in (x, y, z, w), those with two of x and y or three first, in the order of elimination.
MONOMIALS = (
    *("xxx", "yyy", "xxy", "xyy", "xxz", "xxw", "yyz", "yyw", "xyz", "xyw"),
    *("xzz", "xzw", "xww", "yzz", "yzw", "yww", "zzz", "zzw", "zww", "www"),
)


@cache
def _tables() -> tuple[list[int], list[int], list[list[float]]]:
    """Returns the pairs of basis matrices, and where a pair times a matrix goes among the monomials."""
    pairs = list(combinations_with_replacement(range(4), 2))
    goes = [[0.0] * 20 for _ in range(40)]
    for p, (i, j) in enumerate(pairs):
        for k in range(4):
            name = "".join("xyzw"[n] for n in sorted((i, j, k)))
            goes[4 * p + k][MONOMIALS.index(name)] = 1.0
    return [i for i, _ in pairs], [j for _, j in pairs], goes


def _equations(basis: Tensor) -> Tensor:
    """Returns the coefficients (b, 10, 20) of the ten cubics."""
    left, right, goes = _tables()
    where = torch.tensor(goes, dtype=basis.dtype, device=basis.device)
    a, b = basis[:, left], basis[:, right]
    orders = [1.0 if i == j else 2.0 for i, j in zip(left, right, strict=True)]
    twice = torch.tensor(orders, dtype=basis.dtype, device=basis.device)[:, None, None]
    gram = a @ b.mT
    gram = twice / 2 * (gram + gram.mT)  # of every pair, both orders
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    eye = torch.eye(3, dtype=basis.dtype, device=basis.device)
    # (b, 30, 3) (b, 3, 12): every pair's 2 S - tr(S) I, times every matrix.
    products = (2 * gram - trace * eye).flatten(1, 2) @ basis.transpose(1, 2).flatten(2)
    products = products.unflatten(1, (10, 3)).unflatten(-1, (4, 3))  # pair, row, matrix, column
    cubics = products.permute(0, 2, 4, 1, 3).flatten(3) @ where
    cross = torch.linalg.cross
    minor = twice[..., 0] / 2 * (cross(a[:, :, 1], b[:, :, 2]) + cross(b[:, :, 1], a[:, :, 2]))
    determinant = (minor @ basis[:, :, 0].mT).flatten(1) @ where
    return torch.cat([cubics.flatten(1, 2), determinant[:, None]], 1)


def _hidden(equations: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the determinant (b, 11) in z, and the matrix (b, 3, 3, 5) that it is of, powers of z ascending."""
    solved, _ = torch.linalg.solve_ex(equations[..., :10], equations[..., 10:])
    upper, lower = solved[:, 4::2], solved[:, 5::2]  # x x z, y y z, x y z, and the same without z
    pad = torch.nn.functional.pad

    def reduce(first: int, last: int) -> Tensor:
        return pad(upper[..., first:last].flip(-1), (0, 1)) - pad(lower[..., first:last].flip(-1), (1, 0))

    x, y, one = reduce(0, 3), reduce(3, 6), reduce(6, 10)
    minors = [_times(x[:, i], y[:, j]) - _times(x[:, j], y[:, i]) for i, j in ((1, 2), (2, 0), (0, 1))]
    determinant = torch.stack([_times(minor, one[:, k]) for k, minor in enumerate(minors)]).sum(0)
    return determinant, torch.stack([pad(x, (0, 1)), pad(y, (0, 1)), one], 2)


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Returns the product of polynomials (b, n)."""
    n = b.shape[-1]
    out = a.new_zeros(len(a), a.shape[-1] + n - 1)
    for i, one in enumerate(a.unbind(-1)):
        out[:, i : i + n] += one[:, None] * b
    return out


def _candidates(basis: Tensor, reduced: Tensor, pairs: Tensor) -> Tensor:
    """Returns the matrix (lanes, 3, 3) of every root z = u / v: (x, y, 1) is what the reduced matrix maps to 0."""
    u, v = pairs.unbind(-1)
    powers = torch.stack([u**k * v ** (4 - k) for k in range(5)], -1)
    # The columns of x and y are of degree three in z: the division by v is a multiplication of x and y.
    shorter = torch.stack([u**k * v ** (3 - k) for k in range(4)], -1)
    xy = (reduced[:, :, :2, :4] @ shorter[:, None, :, None])[..., 0]
    one = (reduced[:, :, 2] @ powers[..., None])[..., 0]
    n = _largest_cross(torch.cat([xy, one[..., None]], -1))  # (v x, v y, 1)
    weights = torch.stack([n[:, 0], n[:, 1], u * n[:, 2], v * n[:, 2]], -1)
    return (weights[:, None] @ basis.flatten(2))[:, 0].unflatten(-1, (3, 3))


def _largest_cross(rows: Tensor) -> Tensor:
    """Returns the longest cross product of two rows of (..., 3, 3)."""
    crosses = torch.linalg.cross(rows, rows.roll(1, -2))
    best = crosses.square().sum(-1).argmax(-1)[..., None, None].expand(*rows.shape[:-2], 1, 3)
    return crosses.gather(-2, best)[..., 0, :]


def _pose(e: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Returns R and unit t of a matrix near [t] R: t is orthogonal to its columns, R = cof(E) - [t] E (Horn 1990)."""
    eye = torch.eye(3, dtype=e.dtype, device=e.device)
    size = torch.linalg.vector_norm(e, dim=(-1, -2), keepdim=True)
    found = found[:, None, None] & (size > 0)
    e = torch.where(found, e * (2**0.5 / torch.where(found, size, 1)), skew(eye[2]))
    t = _largest_cross(e.mT)
    length = torch.linalg.vector_norm(t, dim=-1, keepdim=True)
    t = torch.where(length > 0, t / torch.where(length > 0, length, 1), eye[2])
    rotation = cofactors(e) - _crossed(t, e)
    for _ in range(3):  # Newton's iteration for the nearest rotation, from nearby
        rotation = 1.5 * rotation - 0.5 * rotation @ rotation.mT @ rotation
    good = found & rotation.isfinite().all(-1).all(-1)[..., None, None]
    return torch.where(good, rotation, eye), t


def _empty(rows: Tensor, basis: Tensor, good: Tensor) -> tuple[Tensor, ...]:
    b = len(rows)
    sizes = ((3, 3), (3,), (3, 2), (5, 5))
    flags = [rows.new_empty(b, SLOTS, dtype=torch.bool) for _ in range(2)]
    return *(rows.new_empty(b, SLOTS, *size) for size in sizes), *flags


_declared = opaque(
    "five_point",
    "(Tensor rows, Tensor basis, Tensor good) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _find,
    _empty,
)

_solve = minimal("five_point_matches", SLOTS, _define)
