"""Assignments by optimal transport: Sinkhorn's iterations in the logarithms, differentiated at their fixed point.

log P = s / tau + u + v,    u, v such that the rows of P sum to a and its columns to b

With the gradient G of log P, H = [diag a, P; P^T, diag b] and H (x, y) = the sums of G over rows and over columns, that
of s / tau is G - P (x + y): one linear solve, whose Schur complement in the smaller side is factorised.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from visionops.arguments import check_choice, check_count, check_positive
from visionops.geometry.arguments import finite_rows, or_nan
from visionops.geometry.implicit.steps import GRADS, Grad, is_watched, may_branch, newton_steps
from visionops.kernels.functions import opaque
from visionops.losses.reduction import check_floating

from .matching import HIDDEN, over_temperature
from .views import check_mask_of, counts_of

# Iterations by products until P is made anew: in float32, which holds e^88, right for sums of up to e^11.
BLOCK = 8


def sinkhorn_assignment(
    scores: Float[Tensor, "*batch m n"],
    *,
    dustbin: float | Float[Tensor, "*#batch"] | None = None,
    temperature: float | Float[Tensor, "*#batch"] = 1.0,
    iterations: int = 100,
    tolerance: float = 1e-6,
    mask1: Bool[Tensor, "*#batch m"] | None = None,
    mask2: Bool[Tensor, "*#batch n"] | None = None,
    grad: Grad = "implicit",
) -> Float[Tensor, "*batch m n"] | Float[Tensor, "*batch m+1 n+1"]:
    """Returns the logarithm of the assignment P of most score plus temperature times entropy, with given sums.

    Without a dustbin the rows of P sum to min(m, n) / m and its columns to min(m, n) / n: to 1 if it is square. With
    one, P has another row and column; each row and column sums to 1, the last row to n and the last column to m.

    Args:
        scores: of matches. -inf forbids one.
        dustbin: the score of having no match, which fills the last row and column; a number, or a tensor that
            broadcasts to (*batch), which may be learned.
        temperature: tau; as it falls P becomes an assignment of most score, and more iterations are needed.
        iterations: at most; a sample stops where it has converged.
        tolerance: relative error of the sums of rows from which on a sample has converged. Columns are exact.
        mask1: True for rows that count, (*batch, m). What is masked, NaN too, has P = 0, whose logarithm is -inf, and
            reaches neither the others nor a gradient; m and n above are the numbers of those that count.
        mask2: True for columns that count, (*batch, n).
        grad: "implicit" differentiates the conditions at the solution, by one linear solve of min(m, n) unknowns;
            "unroll" differentiates the iterations and keeps two matrices of each; "none" is a constant.

    Raises:
        ValueError: for shapes that do not go together, and for options out of range.

    Gradient: to scores, dustbin and temperature, right to the second derivative. Where iterations ended before they
        converged, "implicit" is the gradient of the transport between the sums that were reached. Where P falls into
        blocks that exchange less than its rounding, their shifts against each other get no gradient. A sample that
        is not finite gives NaN, gradient 0. Half precision computes in float32, solves in float64.
    Source: Cuturi, Sinkhorn Distances, 2013; dustbins of Sarlin et al., SuperGlue, 2020, equations 6 to 8, whose P this
        is (their code's log P too). The gradient by the implicit function theorem: Eisenberger et al., A Unified
        Framework for Implicit Sinkhorn Differentiation, 2022.

    >>> round(sinkhorn_assignment(torch.tensor([[4.0, 0.0], [0.0, 4.0]])).exp()[0, 0].item(), 3)  # 1 / (1 + e^-4)
    0.982
    """
    function = "sinkhorn_assignment"
    check_floating(function, "scores", scores, "(*batch, m, n)")
    check_positive(function, "temperature", temperature)
    check_count(function, "iterations", iterations)
    check_choice(function, "grad", grad, GRADS)
    *batch, m, n = scores.shape
    check_mask_of(function, "mask1", mask1, (*batch, m))
    check_mask_of(function, "mask2", mask2, (*batch, n))
    dtype = scores.dtype
    rows, columns = counts_of(mask1, (*batch, m), scores), counts_of(mask2, (*batch, n), scores)
    live = rows[..., :, None] & columns[..., None, :] & (scores != -torch.inf)
    scores = torch.where(live, scores, 0)
    if dustbin is None:
        log_a, log_b = _even(rows, columns, scores)
    else:
        scores, live = _with_dustbin(scores, dustbin), pad(live, (0, 1, 0, 1), value=True)
        rows, columns, log_a, log_b = _with_bins(rows, columns, scores)
    live = live & rows[..., :, None] & columns[..., None, :]
    kernel, good = finite_rows(torch.where(live, over_temperature(scores, temperature), HIDDEN), 2)
    kernel = kernel.detach() if grad == "none" else kernel
    if kernel.numel():
        solve = _iterated if grad == "unroll" else _solved
        u, v = solve(kernel, log_a, log_b, rows, columns, iterations, tolerance)[:2]
        if grad == "implicit" and is_watched(kernel):
            u, v = _with_gradient(kernel, u, v)
        kernel = kernel + u[..., :, None] + v[..., None, :]
    return or_nan(torch.where(live, kernel, -torch.inf), good).to(dtype)


def _even(rows: Tensor, columns: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the logarithms of the sums of rows and columns, of as much as both sides have."""
    m, n = (count.sum(-1, keepdim=True).clamp(min=1).to(like.dtype) for count in (rows, columns))
    total = torch.minimum(m, n)
    return (total / m).log().expand(rows.shape), (total / n).log().expand(columns.shape)


def _with_dustbin(scores: Tensor, dustbin: float | Tensor) -> Tensor:
    """Returns scores with another row and column."""
    m, n = scores.shape[-2:]
    inner = pad(torch.ones(m, n, dtype=torch.bool, device=scores.device), (0, 1, 0, 1))
    dustbin = dustbin.to(scores.dtype)[..., None, None] if isinstance(dustbin, Tensor) else dustbin
    return torch.where(inner, pad(scores, (0, 1, 0, 1)), dustbin)


def _with_bins(rows: Tensor, columns: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns which rows and columns count, and the logarithms of their sums. A dustbin counts if it may be used."""
    m, n = (count.sum(-1, keepdim=True) for count in (rows, columns))
    log_a, log_b = (
        torch.cat([torch.zeros_like(own, dtype=like.dtype), other.clamp(min=1).to(like.dtype).log()], -1)
        for own, other in ((rows, n), (columns, m))
    )
    return torch.cat([rows, n > 0], -1), torch.cat([columns, m > 0], -1), log_a, log_b


def _iterated(
    kernel: Tensor, log_a: Tensor, log_b: Tensor, rows: Tensor, columns: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns u, v and what has converged, which does not move any more, after some of Sinkhorn's iterations."""
    u, v = torch.zeros_like(log_a), torch.zeros_like(log_b)
    done = torch.zeros_like(rows[..., :1])
    for _ in range(iterations):
        ahead = torch.where(rows, log_a - (kernel + v[..., None, :]).logsumexp(-1), 0)
        done = done | ((ahead - u).detach().abs().amax(-1, keepdim=True) <= tolerance)
        if may_branch(kernel) and bool(done.all()):
            break
        u = torch.where(done, u, ahead)
        v = torch.where(done, v, torch.where(columns, log_b - (kernel + u[..., :, None]).logsumexp(-2), 0))
    return u, v, done


def _solve(
    kernel: Tensor, log_a: Tensor, log_b: Tensor, rows: Tensor, columns: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Returns u and v as `_iterated` does, after the first iteration by products of P with factors exp(du), exp(dv).

    From then on no sum of a row or column is off by more than a factor of the total, so that a block of iterations
    overflows nothing.
    """
    u, v, done = _iterated(kernel, log_a, log_b, rows, columns, 1, tolerance)
    a, b = log_a.exp(), log_b.exp()
    for left in range(iterations - 1, 0, -BLOCK):
        if may_branch(kernel) and bool(done.all()):
            break
        plan = (kernel + u[:, :, None] + v[:, None, :]).exp_()
        x, y = torch.ones_like(a), torch.ones_like(b)
        for _ in range(min(left, BLOCK)):
            ahead = torch.where(rows, a / (plan @ y[..., None])[..., 0], 1)
            done = done | ((ahead / x - 1).abs().amax(-1, keepdim=True) <= tolerance)
            x = torch.where(done, x, ahead)
            y = torch.where(done, y, torch.where(columns, b / (plan.mT @ x[..., None])[..., 0], 1))
        u, v = u + x.log(), v + y.log()
    return u, v


def _solved(
    kernel: Tensor, log_a: Tensor, log_b: Tensor, rows: Tensor, columns: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    """Returns u and v as constants."""
    given = [t.reshape(-1, *t.shape[rows.ndim - 1 :]) for t in (kernel, log_a, log_b, rows, columns)]
    u, v = _declared(*given, *rest)
    return u.reshape(rows.shape), v.reshape(columns.shape)


def _unknown(kernel: Tensor, log_a: Tensor, log_b: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(log_a), torch.empty_like(log_b)


_declared = opaque(
    "sinkhorn",
    "(Tensor kernel, Tensor log_a, Tensor log_b, Tensor rows, Tensor columns, int iterations, float tolerance)"
    " -> (Tensor, Tensor)",
    _solve,
    _unknown,
)


def _with_gradient(
    kernel: Float[Tensor, "*batch m n"], u: Float[Tensor, "*batch m"], v: Float[Tensor, "*batch n"]
) -> tuple[Tensor, Tensor]:
    """Returns u and v as functions of the kernel, such that the sums of P stay what they are."""
    m, n = kernel.shape[-2:]
    if n > m:
        return _with_gradient(kernel.mT, v, u)[::-1]
    logs = (kernel + u[..., :, None] + v[..., None, :]).detach()
    plan, exact = logs.exp(), logs.double().exp()
    a, b = plan.sum(-1), plan.sum(-2)
    root_a, root_b = (torch.where(s > 0, s, 1).sqrt() for s in (exact.sum(-1), exact.sum(-2)))
    even = exact / root_a[..., :, None] / root_b[..., None, :]
    # I - A^T A is 0 along w, the shift u + c, v - c that P does not see: 1 in its place changes nothing.
    w = torch.where(b > 0, root_b, 0)
    w = w / torch.linalg.vector_norm(w, dim=-1, keepdim=True).clamp(min=1e-300)
    eye = torch.eye(n, dtype=exact.dtype, device=exact.device)
    # What P is off by, since its logarithm is rounded, relative to itself: modes that exchange less are not known.
    size = 1 + (u.abs().amax(-1) + v.abs().amax(-1)).detach().double()[..., None, None]
    least = 4 * torch.finfo(kernel.dtype).eps * size
    complement = (1 + least) * eye - even.mT @ even + w[..., :, None] * w[..., None, :]
    factor, _ = torch.linalg.cholesky_ex(complement)

    def sums(x: Tensor) -> Tensor:
        moved = (kernel + x[..., :m, None] + x[..., None, m:]).exp()
        return torch.cat([moved.sum(-1) - a, moved.sum(-2) - b], -1)

    def correct(rest: Tensor) -> Tensor:
        p, q = rest[..., :m].double() / root_a, rest[..., m:].double() / root_b
        q = torch.cholesky_solve((q - (even.mT @ p[..., None])[..., 0])[..., None], factor)
        p = p - (even @ q)[..., 0]
        return torch.cat([p / root_a, q[..., 0] / root_b], -1).to(rest.dtype)

    x = newton_steps(torch.cat([u, v], -1), sums, correct)
    return x[..., :m], x[..., m:]
