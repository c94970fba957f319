"""All real roots of polynomials, each between two neighbouring extrema.

The roots of p' cut the line into pieces on which p is monotone, those of p'' the line for p', and so on: from the last
derivative upwards, every polynomial is searched on the pieces that the one before left, where a change of sign is one
root. Roots are pairs (u, v) with u / v = x, on [-1, 1] as (x, 1) and outside as (1, 1 / x), a root of the reversed
polynomial: nothing is far away, and a leading coefficient of 0 is a root at infinity.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels import native
from visionops.kernels.functions import opaque
from visionops.kernels.minimal import LARGEST_DEGREE
from visionops.kernels.minimal import real_roots as compiled_roots

from .arguments import finite_rows
from .batches import over_batch
from .implicit.steps import is_watched, may_branch, newton_steps
from .linalg import cofactors

# Newton steps a piece, guarded by bisection: extrema need not be exact, roots do.
COARSE, FINE = 20, 32
ROUNDING = 1e-15
# An extremum nearer to 0 than this, relative to the sum of the terms' sizes, is a double root.
TOUCH = 1e-12
# How far an extremum may be from where it is found.
PLACE = 1e-14
# A root this near to -1 or 1 is that of the end.
APART = 1e-5

# |1 / x| below this is at infinity.
INFINITE = 1e-14


class PolynomialRoots(NamedTuple):
    """Real roots in slots, and which slots have one."""

    values: Tensor
    valid: Tensor


def polynomial_roots(coefficients: Float[Tensor, "*batch n"]) -> PolynomialRoots:
    """Returns `(values, valid)`, both (*batch, n - 1): every real root, those in [-1, 1] first, each part ascending
    in x or in 1 / x.

    Args:
        coefficients: of x^(n-1), ..., x, 1; the first may be 0. At least two.

    Raises:
        ValueError: for fewer coefficients.

    Gradient: to the coefficients, -x^k / p'(x), right to the second derivative. A double root is found once or twice
        within rounding, and its gradient is 0, as that of an empty slot, whose value is 0. Beyond 1e14 a root is
        at infinity, and none. Computes in float64; of a polynomial that is 0, NaN or infinite no slot is valid.

    >>> values, valid = polynomial_roots(torch.tensor([1.0, -2.5, 1.0]))  # (x - 2) (x - 1/2)
    >>> values.tolist(), valid.tolist()
    ([0.5, 2.0], [True, True])
    """
    if not isinstance(coefficients, Tensor) or not coefficients.is_floating_point():
        got = coefficients.dtype if isinstance(coefficients, Tensor) else type(coefficients).__name__
        raise refuse("polynomial_roots", "coefficients", "a floating tensor (*batch, n)", got)
    if coefficients.ndim < 1 or coefficients.shape[-1] < 2:
        raise refuse("polynomial_roots", "coefficients", "at least two", tuple(coefficients.shape))
    c, good = finite_rows(coefficients.double().flip(-1), 1)
    pairs, valid = real_roots(c)
    u, v = pairs.unbind(-1)
    valid = valid & good[..., None] & (v.abs() > INFINITE)
    x = torch.where(valid, u / torch.where(valid, v, 1), 0)
    # Steps towards a root of higher order are slow; of one at 0 the coefficients are 0.
    zero = ((c[..., :2] == 0).all(-1) & (c.shape[-1] > 2))[..., None] & (x.abs() < APART)
    x = torch.where(zero, 0, x)
    if is_watched(coefficients):
        x = _with_gradient(c, x, valid)
    return PolynomialRoots(x.to(coefficients.dtype), valid)


def _with_gradient(c: Tensor, x: Tensor, valid: Tensor) -> Tensor:
    """Returns the roots x as functions of the coefficients (..., n), ascending."""
    slope = _horner([k * one for k, one in enumerate(c.detach()[..., None].unbind(-2))][1:], x)
    size = _horner([k * one.abs() for k, one in enumerate(c.detach()[..., None].unbind(-2))][1:], x.abs())
    simple = valid & (slope.abs() > 1e-7 * size)
    inverse = torch.where(simple, 1 / torch.where(simple, slope, 1), 0)
    terms = c[..., None].unbind(-2)
    return newton_steps(x, lambda x: _horner(terms, x), lambda value: inverse * value)


def real_roots(
    coefficients: Float[Tensor, "*batch n"],
) -> tuple[Float[Tensor, "*batch n-1 2"], Bool[Tensor, "*batch n-1"]]:
    """Returns pairs (u, v) with sum c_k u^k v^(n-1-k) = 0, and which of the n - 1 slots have one, as constants.

    Args:
        coefficients: c_0 first, finite, float64.
    """
    pairs, valid = over_batch(_declared, coefficients.shape[:-1], coefficients)
    return pairs, valid


def pencil(first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Returns the coefficients of det(u A + B), that of u^0 first."""
    minors1, minors2 = cofactors(first), cofactors(second)
    terms = [(minors2 * second)[..., 0, :].sum(-1), (minors2 * first).sum((-1, -2))]
    terms += [(minors1 * second).sum((-1, -2)), (minors1 * first)[..., 0, :].sum(-1)]
    return torch.stack(terms, -1)


def _find(coefficients: Tensor) -> tuple[Tensor, Tensor]:
    compiled = native.active() and coefficients.device.type == "cpu" and coefficients.shape[1] <= LARGEST_DEGREE + 1
    return (compiled_roots if compiled else _define)(coefficients)


def _define(coefficients: Tensor) -> tuple[Tensor, Tensor]:
    b, n = coefficients.shape
    size = coefficients.abs().amax(-1, keepdim=True)
    c = (coefficients / torch.where(size > 0, size, 1)).T.contiguous()
    # At the two ends both halves must agree on the sign, also where it is 0.
    even, odd = c[0::2].sum(0), c[1::2].sum(0)
    ahead, behind = even + odd >= 0, even - odd >= 0
    far = behind if n % 2 else ~behind
    ends = torch.stack([torch.cat([behind, far]), torch.cat([ahead, ahead])])
    x, found = _between_extrema(torch.cat([c, c.flip(0)], 1), ends)
    near, away = x.unflatten(1, (2, b)).unbind(1)
    one = torch.ones_like(near)
    pairs = torch.cat([torch.stack([near, one], -1), torch.stack([one, away], -1)])  # (slots, b, 2)
    found = found.unflatten(1, (2, b)).movedim(1, 0).flatten(0, 1) & (size[:, 0] > 0)
    # At the ends a root of even order crosses in neither half.
    for end, value in ((-1.0, even - odd), (1.0, even + odd)):
        near = (found & ((pairs[..., 0] - end * pairs[..., 1]).abs() < APART)).any(0)
        extra = (value.abs() <= TOUCH * c.abs().sum(0)) & ~near & (size[:, 0] > 0)
        pairs = torch.cat([pairs, torch.stack([end * one[0], one[0]], -1)[None]])
        found = torch.cat([found, extra[None]])
    order = (~found).to(torch.uint8).sort(stable=True, dim=0).indices[: n - 1]
    valid = found.gather(0, order)
    chosen = pairs.gather(0, order[..., None].expand(-1, -1, 2)) * valid[..., None]
    return chosen.movedim(0, 1).contiguous(), valid.T.contiguous()


def _between_extrema(c: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Returns candidates (slots, b) in [-1, 1] for roots of polynomials (n, b), ascending, and which are roots.

    Args:
        ends: whether the values at -1 and 1 count as positive.
    """
    chain = [c]
    while len(chain[-1]) > 2:
        chain.append(chain[-1][1:] * torch.arange(1, len(chain[-1]), dtype=c.dtype, device=c.device)[:, None])
    edge = torch.ones_like(c[:1])
    cuts, turns = torch.cat([-edge, edge]), None
    for p in reversed(chain):
        last = p is c
        values = _horner(list(p), cuts)
        positive = values >= 0
        if last:
            positive = torch.where(cuts == 1, ends[1], torch.where(cuts == -1, ends[0], positive))
        crosses = positive[1:] != positive[:-1]
        # Without a root the next polynomial has no cut there: an empty piece.
        x = _search(p, cuts, positive[:-1], crosses, FINE if last else COARSE)
        if last:
            break
        cuts, turns = torch.cat([-edge, x, edge]), crosses
    if turns is None:
        return x, crosses
    touches = turns & ~crosses[1:] & ~crosses[:-1]
    size = TOUCH * _horner(list(c.abs()), cuts[1:-1].abs())
    if len(chain) > 2:  # relative to the terms' sizes, or for its own place's rounding
        size = torch.maximum(size, PLACE**2 * _horner(list(chain[2]), cuts[1:-1]).abs())
    touches &= values[1:-1].abs() <= size
    # Where the extremum itself is the root it takes the slot of the piece before it, which has none.
    x = torch.where(torch.cat([touches, torch.zeros_like(crosses[:1])]), cuts[1:], x)
    return x, crosses | torch.cat([touches, torch.zeros_like(crosses[:1])])


def _search(c: Tensor, cuts: Tensor, below: Tensor, crosses: Tensor, steps: int) -> Tensor:
    """Returns where monotone polynomials (n, b) change sign between cuts (pieces + 1, b), and the upper cut elsewhere.

    Args:
        below: whether they are positive at the lower ends.
        crosses: where they change sign.
    """
    if len(c) == 2:
        flat = (c[1].abs() < c[0].abs()) | (c[1] == 0)
        return torch.where(crosses & ~flat, -c[0] / torch.where(flat, 1, c[1]), cuts[1:])
    low, high = cuts[:-1], cuts[1:]
    state: tuple[Tensor, ...] = (low, high, (low + high) / 2, high - low, below)
    if not may_branch(c):
        for _ in range(steps):
            state = _narrow(list(c), *state)
        return torch.where(crosses, state[2], high)
    # On a host only what has a root is searched, and what is not found yet goes on.
    x, lanes = high.flatten(), crosses.flatten().nonzero()[:, 0]
    terms, state = c[:, lanes % c.shape[1]], tuple(part.flatten()[lanes] for part in state)
    for done in range(steps):
        state = _narrow(list(terms), *state)
        if done % 4 == 3 or done == steps - 1:
            x[lanes] = state[2]
            left = (state[3] > ROUNDING).nonzero()[:, 0]
            if 2 * len(left) < len(lanes):
                lanes, terms, state = lanes[left], terms[:, left], tuple(part[left] for part in state)
    return x.view_as(high)


def _narrow(
    terms: list[Tensor], low: Tensor, high: Tensor, x: Tensor, before: Tensor, below: Tensor
) -> tuple[Tensor, ...]:
    """Returns the piece, the place in it and the step after a step of Newton's, or of bisection."""
    f, slope = _value_and_slope(terms, x)
    left = (f >= 0) == below
    low, high = torch.where(left, x, low), torch.where(left, high, x)
    step = f / torch.where(slope == 0, 1, slope)
    ahead = x - step
    size = step.abs()
    # A step must stay inside and shrink, or the piece is halved, until steps are rounding. A root at the end of a piece
    # is half a piece away from its middle, exactly.
    trusted = (ahead >= low - ROUNDING) & (ahead <= high + ROUNDING) & (size <= 0.501 * before) & (slope != 0)
    trusted |= size <= ROUNDING
    width = high - low
    return low, high, torch.where(trusted, ahead, low + width / 2), torch.where(trusted, size, width), below


def _horner(terms: list[Tensor] | tuple[Tensor, ...], x: Tensor) -> Tensor:
    """Returns the value at x of the polynomial of these coefficients, ascending."""
    value = terms[-1].expand_as(x)
    for term in terms[-2::-1]:
        value = torch.addcmul(term, value, x)
    return value


def _value_and_slope(terms: list[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.addcmul(terms[-2], terms[-1], x)
    slope = terms[-1].expand_as(x)
    for term in terms[-3::-1]:
        slope = torch.addcmul(value, slope, x)
        value = torch.addcmul(term, value, x)
    return value, slope


def _empty(coefficients: Tensor) -> tuple[Tensor, Tensor]:
    b, n = coefficients.shape
    return coefficients.new_empty(b, n - 1, 2), coefficients.new_empty(b, n - 1, dtype=torch.bool)


_declared = opaque("real_roots", "(Tensor coefficients) -> (Tensor, Tensor)", _find, _empty)
