"""What the groups share: products and blocks of matrices, the path between two elements, and the mean of many."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.geometry.arguments import check_batches, check_matrix, check_points, or_nan
from visionops.geometry.implicit import implicit_root, nearest_rotation
from visionops.geometry.implicit.steps import GRADS, Grad
from visionops.geometry.rotations.layout import guarded, lifted
from visionops.geometry.rotations.mean import weighted
from visionops.geometry.rotations.points import moved

# Towards a mean: plain steps, whose error falls by the squared spread over 12 or more, then Newton's.
PLAIN, NEWTON = 4, 2


class Group(NamedTuple):
    """A group by its formulas, on numbers as `rotations.layout` has them."""

    name: str
    size: int
    dim: int
    exp: Callable[[Tensor], Tensor]
    log: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def product(a: Float[Tensor, "m b"], b: Float[Tensor, "m b"], size: int) -> Float[Tensor, "m b"]:
    """Returns the product of square matrices."""
    rows, columns = a.unflatten(0, (size, size)), b.unflatten(0, (size, size))
    return (rows[:, :, None] * columns).sum(1).flatten(0, 1)


def parts(m: Float[Tensor, "m b"], d: int) -> tuple[Float[Tensor, "n b"], Float[Tensor, "d b"]]:
    """Returns the block and the shift of the matrices of p -> block p + shift."""
    *rows, _ = m.split([d, 1] * d + [d + 1])
    return torch.cat(rows[::2]), torch.cat(rows[1::2])


def joined(block: Float[Tensor, "n b"], shift: Float[Tensor, "d b"], last: float = 1.0) -> Float[Tensor, "m b"]:
    """Returns the matrices of p -> block p + shift, or of the tangent, whose last entry is 0."""
    d = len(shift)
    rows = [part for pair in zip(block.split(d), shift.split(1), strict=True) for part in pair]
    zeros = torch.zeros_like(shift)
    return torch.cat([*rows, zeros, torch.full_like(zeros[:1], last)])


def acted(
    function: str, matrix: Float[Tensor, "*batch m m"], points: Float[Tensor, "*batch n d"], size: int, d: int
) -> Float[Tensor, "*batch n d"]:
    """Returns points moved by elements of a group of (size, size) matrices."""
    check_matrix(function, "matrix", matrix, (size, size))
    check_points(function, "points", points, d)
    check_batches(function, "matrix", matrix.shape[:-2], points.shape[:-2])
    return moved(matrix[..., :d, :d], matrix[..., :d, d] if size > d else None, points)


def interpolated(group: Group, start: Tensor, end: Tensor, t: Tensor | float) -> Tensor:
    """Returns exp(t log(end start^-1)) start, of t (*batch) or a number."""
    function, n = f"{group.name}.interpolate", group.size
    check_matrix(function, "start", start, (n, n))
    check_matrix(function, "end", end, (n, n))
    check_batches(function, "end", end.shape[:-2], start.shape[:-2])
    t = torch.as_tensor(t, dtype=start.dtype, device=start.device)
    check_batches(function, "t", t.shape, torch.broadcast_shapes(start.shape, end.shape)[:-2])

    def core(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        return product(group.exp(t * group.log(product(end, group.inverse(start), n))), start, n)

    return guarded(core, start, end, t, dims=(2, 2, 0), shape=(n, n))


def rotation_near(matrix: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    rotation, _ = nearest_rotation(matrix, return_valid=True)
    return rotation


def mean(
    group: Group,
    elements: Float[Tensor, "*batch n d d"],
    weights: Float[Tensor, "*batch n"] | None,
    start: Callable[[Tensor, Tensor], Tensor],
    grad: Grad,
) -> tuple[Float[Tensor, "*batch d d"], Bool[Tensor, "*batch"]]:
    """Returns the element X of sum_i w_i log(X_i X^-1) = 0, and whether it was found.

    By X <- exp(sum_i w_i log(X_i X^-1)) X without gradients, and then by Newton's method.

    Args:
        group: whose elements they are.
        elements: of weight 0 may be anything.
        weights: None counts all alike.
        start: of elements and weights (*batch, n, 1, 1) that sum to 1, the first X.
        grad: see `implicit_root`.
    """
    n = group.size
    check_choice(f"{group.name}.average", "grad", grad, GRADS)
    x, w, good = weighted(f"{group.name}.average", "elements", elements, weights, n)
    batch = torch.broadcast_shapes(x.shape[:-3], w.shape[:-1])
    x, w = x.expand((*batch, *x.shape[-3:])), w.expand((*batch, *w.shape[-1:]))
    first = start(x.detach(), w.detach()[..., None, None])

    def offset(x: Tensor, first: Tensor, step: Tensor) -> Tensor:
        return group.log(product(x, product(group.inverse(first), group.exp(-step), n), n))

    def residual(step: Tensor, x: Tensor, w: Tensor) -> Tensor:
        apart = (x, first[..., None, :, :], step[..., None, :])
        return (w[..., None] * lifted(offset, *apart, dims=(2, 2, 1), shape=(group.dim,))).sum(-2)

    def stepped(step: Tensor) -> Tensor:
        return lifted(lambda v, m: product(group.exp(v), m, n), step, first, dims=(1, 2), shape=(n, n))

    zero = torch.zeros((*batch, group.dim), dtype=x.dtype, device=x.device)
    for _ in range(PLAIN):
        first = stepped(residual(zero, x.detach(), w.detach()))
    step, found = implicit_root(residual, zero, x, w, iterations=NEWTON, grad=grad, return_valid=True)
    return or_nan(stepped(step), good).to(elements.dtype), good & found
