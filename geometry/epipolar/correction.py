"""The nearest exact matches: what least squares in both images makes of noisy ones.

|x1 - p1|^2 + |x2 - p2|^2 is least over x2^T F x1 = 0 where, with F = [A a; b^T f],

x1 + m (A^T x2 + b) = p1        x2 + m (A x1 + a) = p2

For |m| s < 1, s the greatest singular value of A, the Lagrangian is convex, and the constraint falls with m: its one
zero there is the global minimum, and m is found by Newton's method between bounds. The first step is Sampson's.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice, check_count
from visionops.geometry.arguments import check_batches, check_matrix, finite_rows
from visionops.geometry.implicit.steps import GRADS, Grad, may_branch, newton_steps
from visionops.geometry.projective.matrices import unit
from visionops.geometry.projective.pairs import clean_pairs

# How near to its bound 1 / s a multiplier may come.
INSIDE = 1 - 1e-9
# Of the last step, relative to the distance from that bound: what is left after it is its square.
CONVERGED = 1e-8


@overload
def optimal_correction(
    F: Tensor,
    points1: Tensor,
    points2: Tensor,
    *,
    iterations: int = 20,
    grad: Grad = "implicit",
    return_valid: Literal[False] = False,
) -> tuple[Tensor, Tensor]: ...


@overload
def optimal_correction(
    F: Tensor,
    points1: Tensor,
    points2: Tensor,
    *,
    iterations: int = 20,
    grad: Grad = "implicit",
    return_valid: Literal[True],
) -> tuple[Tensor, Tensor, Tensor]: ...


def optimal_correction(
    F: Float[Tensor, "*batch 3 3"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    iterations: int = 20,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]:
    """Returns `(points1, points2)`, the nearest matches with x2^T F x1 = 0, in the sum of both squared distances.

    Args:
        F: fundamental matrix, at any scale; or an essential one, of normalised points.
        points1: (x, y) in the first image.
        points2: in the order of the first.
        iterations: of the multiplier of a match, at most; on a host they stop when all have converged.
        grad: "implicit" differentiates the conditions at the minimum, "unroll" the iterations, "none" nothing.
        return_valid: whether to return also which matches (*batch, n) converged.

    Raises:
        ValueError: for shapes that do not go together, or an unknown `grad`.

    Gradient: to all three. A match that did not converge (both points as good as epipoles, where the nearest match is
        not unique) is the last one found, with m constant. NaN gives NaN for that match, gradient 0.
    Source: the problem of Hartley and Sturm, Triangulation, 1997, and of `cv2.correctMatches`; solved by its dual, in
        place of the six roots of a polynomial.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> x1, x2 = optimal_correction(F, torch.tensor([[4.0, 7.0]]), torch.tensor([[5.0, 9.0]]))
    >>> x1.tolist(), x2.tolist()
    ([[4.0, 8.0]], [[5.0, 8.0]])
    """
    check_choice("optimal_correction", "grad", grad, GRADS)
    check_count("optimal_correction", "iterations", iterations)
    check_matrix("optimal_correction", "F", F, (3, 3))
    clean_pairs("optimal_correction", points1, points2, least=0)
    check_batches("optimal_correction", "F", F.shape[:-2], points1.shape[:-2])
    f, known = finite_rows(F.double(), 2)
    p1, good1 = finite_rows(points1.double(), 0)
    p2, good2 = finite_rows(points2.double(), 0)
    good = (good1 & good2).all(-1) & known[..., None]
    parts = unit(f)[..., None, :, :]
    if grad == "unroll":
        m, _, done = _multiplier(parts, p1, p2, iterations)
    else:
        with torch.no_grad():
            m, slope, done = _multiplier(parts.detach(), p1.detach(), p2.detach(), iterations)
    if grad == "implicit":
        rate = torch.where(done, 1 / torch.where(done, slope, 1), 0)
        m = newton_steps(m, lambda m: _constraint(parts, p1, p2, m)[0], lambda value: value * rate)
    if grad == "none":
        parts, p1, p2 = parts.detach(), p1.detach(), p2.detach()
    x1, x2 = _matches(parts, p1, p2, m)
    x1, x2 = (torch.where(good[..., None], x, float("nan")).to(points1.dtype) for x in (x1, x2))
    return (x1, x2, good & done) if return_valid else (x1, x2)


def _multiplier(parts: Tensor, p1: Tensor, p2: Tensor, iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the multiplier of every match, the slope of the constraint by it, and where it converged."""
    A = parts[..., :2, :2].detach()
    trace, det = A.square().sum((-1, -2)), A[..., 0, 0] * A[..., 1, 1] - A[..., 0, 1] * A[..., 1, 0]
    greatest = ((trace + (trace.square() - 4 * det.square()).clamp(min=0).sqrt()) / 2).sqrt()
    edge = INSIDE / greatest.clamp(min=1e-150)
    shape = torch.broadcast_shapes(p1.shape[:-1], p2.shape[:-1], edge.shape)
    m = torch.zeros(shape, dtype=A.dtype, device=A.device)
    low, high = -edge, edge
    done = torch.zeros_like(m, dtype=torch.bool)
    for _ in range(iterations):
        value, slope = _constraint(parts, p1, p2, m)
        low, high = torch.where(value > 0, m, low).detach(), torch.where(value < 0, m, high).detach()
        falls = slope < 0
        ahead = m - value / torch.where(falls, slope, -1)
        inside = falls & ((value == 0) | ((ahead > low) & (ahead < high)))
        ahead = torch.where(inside, ahead, torch.where(value == 0, m, (low + high) / 2))
        small = inside & ((ahead - m).abs() <= CONVERGED * (edge - m.abs()))
        m, done = torch.where(done, m, ahead), done | small
        if may_branch(m) and bool(done.all()):
            break
    return m, _constraint(parts, p1, p2, m)[1], done


def _constraint(parts: Tensor, p1: Tensor, p2: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """Returns x2^T F x1 of the points that minimise the Lagrangian, and its derivative by the multiplier."""
    A, a, b = parts[..., :2, :2], parts[..., :2, 2], parts[..., 2, :2]
    x1, x2 = _matches(parts, p1, p2, m)
    v1, v2 = _times(A.mT, x2) + b, _times(A, x1) + a
    value = (x2 * v2).sum(-1) + (b * x1).sum(-1) + parts[..., 2, 2]
    y1, y2 = _invert(A, m, v1, v2)
    return value, -((v1 * y1).sum(-1) + (v2 * y2).sum(-1))


def _matches(parts: Tensor, p1: Tensor, p2: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    a, b = parts[..., :2, 2], parts[..., 2, :2]
    return _invert(parts[..., :2, :2], m, p1 - m[..., None] * b, p2 - m[..., None] * a)


def _invert(A: Tensor, m: Tensor, right1: Tensor, right2: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the solution of y1 + m A^T y2 = right1, y2 + m A y1 = right2."""
    square = m.square()
    normal = A.mT @ A
    c11, c12, c22 = normal[..., 0, 0], normal[..., 0, 1], normal[..., 1, 1]
    s11, s12, s22 = 1 - square * c11, -square * c12, 1 - square * c22
    x, y = (right1 - m[..., None] * _times(A.mT, right2)).unbind(-1)
    y1 = torch.stack([s22 * x - s12 * y, s11 * y - s12 * x], -1) / (s11 * s22 - s12.square())[..., None]
    return y1, right2 - m[..., None] * _times(A, y1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
