"""Inverses of lenses: a table of each camera to start from, and Newton's method for each point.

A lens is one to one up to the radius where its radial function f stops growing. The table holds f up to there, so that
a start lies on the right branch, within a cell of the root: four steps are enough, and no step is ever far.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.implicit.steps import may_branch

# Nodes of a table; Newton's steps from it, of which points near the end of the domain need more; the longest step; and
# the last one, below which the next is exact.
NODES, ITERATIONS, LONGEST, TOLERANCE = 64, 10, 100.0, 1e-8
# Points that are solved for together on a host, where blocks that stay in cache are twice as fast.
BLOCK = 8192


class Table(NamedTuple):
    """A radial function (*batch, nodes) at the nodes where it grows, infinite after them, and where it may end."""

    nodes: Float[Tensor, " nodes"]
    values: Float[Tensor, "*batch nodes"]
    end: Float[Tensor, "*batch 1"]


def tabulate(nodes: Float[Tensor, " nodes"], values: Tensor, slopes: Tensor) -> Table:
    """Returns the table of a function of given values and slopes, which counts until it stops growing."""
    grows = (slopes > 0).cumprod(-1) > 0
    count = grows.sum(-1, keepdim=True)
    after = torch.cat([nodes, nodes.new_full((1,), float("inf"))])
    return Table(nodes, torch.where(grows, values, float("inf")), after[count])


def look_up(table: Table, target: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """Returns the radius where the function reaches a target, within a cell; the last node beyond that."""
    batch = torch.broadcast_shapes(table.values.shape[:-1], target.shape[:-1])
    values = table.values.expand(*batch, -1).contiguous()
    target = target.expand(*batch, -1).contiguous()
    known = values.isfinite()
    low = torch.minimum(torch.searchsorted(values, target, right=True), known.sum(-1, keepdim=True)) - 1
    rises = known[..., 1:]
    rise = torch.where(rises, values[..., 1:] - torch.where(known, values, 0)[..., :-1], 1)
    slopes = torch.where(rises, (table.nodes[1:] - table.nodes[:-1]) / rise, 0)
    slopes = torch.nn.functional.pad(slopes, (0, 1))
    return table.nodes[low] + (target - values.gather(-1, low)) * slopes.gather(-1, low)


def newton(
    step: Callable[..., tuple[tuple[Tensor, ...], Any]], start: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], Bool[Tensor, "*batch n"], Any]:
    """Returns the unknowns of every point, where they converged, and what the last step returned beside its moves.

    Args:
        step: Newton's moves of the unknowns, given them, and anything else.
        start: each unknown of every point.
    """
    x = start
    for _ in range(ITERATIONS):
        moves, rest = step(*x)
        moves = tuple(d.clamp(-LONGEST, LONGEST) for d in moves)
        x = tuple(a - d for a, d in zip(x, moves, strict=True))
        small = functools.reduce(torch.maximum, [d.detach().abs() for d in moves]) <= TOLERANCE
        if may_branch(small) and bool(small.all()):
            break
    return x, small, rest


def in_blocks(
    solve: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]],
    coefficients: tuple[Float[Tensor, "*batch 1"], ...],
    places: tuple[Float[Tensor, "*batch n"], ...],
) -> tuple[Tensor, ...]:
    """Returns what a function of coefficients and places does, block by block where that is faster."""
    if not may_branch(places[0]) or places[0].numel() <= 2 * BLOCK:
        return solve(coefficients, places)
    batch = torch.broadcast_shapes(*(value.shape[:-1] for value in (*coefficients, *places)))
    n = places[0].shape[-1]
    rows = [value.expand(*batch, value.shape[-1]).reshape(-1, value.shape[-1]) for value in (*coefficients, *places)]
    count = len(coefficients)
    few = len(rows[0]) == 1
    if few:
        parts = zip(*(value.split(BLOCK, 1) for value in rows[count:]), strict=True)
        results = [solve(tuple(rows[:count]), part) for part in parts]
    else:
        parts = zip(*(value.split(max(1, BLOCK // n)) for value in rows), strict=True)
        results = [solve(part[:count], part[count:]) for part in parts]
    return tuple(torch.cat(part, int(few)).reshape(*batch, n) for part in zip(*results, strict=True))
