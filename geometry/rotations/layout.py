"""How formulas of rotations see their numbers: float64, components first, one batch dimension.

A vector is (3, b) and a matrix (9, b), by rows: sums over components and products with (b) then run along memory,
several times faster than over a last dimension of three.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.batches import batched
from visionops.kernels.functions import primitive

Core = Callable[..., Float[Tensor, "m b"]]


def lifted(core: Core, *values: Tensor, dims: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """Returns the core's result of values, as (*batch, *shape) in the dtype of the first.

    Args:
        core: the formula.
        values: of batch dimensions that broadcast.
        dims: how many of the last dimensions of each value belong to one sample.
        shape: of a result.
    """
    return _run(core, values, dims, shape, guard=False)


def guarded(core: Core, *values: Tensor, dims: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """Returns what `lifted` does, but NaN for a sample that is not finite, which gets no gradient."""
    return _run(core, values, dims, shape, guard=True)


def twinned(
    name: str, core: Core, forward: Callable[[Tensor], Tensor], adjoint: Callable[..., Any], *, dims: int,
    shape: tuple[int, ...],
) -> Callable[[Tensor], Tensor]:
    """Returns what `guarded` does of one value, as a function that is compiled where it may be.

    Args:
        name: of its custom op.
        forward: the compiled twin, of (b, ...) float32 or float64.
        adjoint: its gradient, as `primitive` takes it.
    """

    def define(value: Tensor) -> Tensor:
        return guarded(core, value, dims=(dims,), shape=shape)

    fast = primitive(
        name, tensors="Tensor value", static="", forward=forward, adjoint=adjoint, define=define,
        like=lambda value: value.new_empty(len(value), *shape),
    )  # fmt: skip

    run = batched(lambda value: (fast(value),), lambda value: (define(value),), (dims,))
    return lambda value: run(value)[0]


def _run(core: Core, values: tuple[Tensor, ...], dims: tuple[int, ...], shape: tuple[int, ...], guard: bool) -> Tensor:
    heads = [v.shape[: v.ndim - d] for v, d in zip(values, dims, strict=True)]
    batch = torch.broadcast_shapes(*heads)
    rows = [_first(v, batch, d) for v, d in zip(values, dims, strict=True)]
    if not guard:
        return _last(core(*rows), batch, shape, values[0].dtype)
    # 0 times the sum is 0 of what is finite and NaN of what is not, in one pass and without a branch.
    taint = sum(r.detach().sum(0) * 0 for r in rows)
    assert isinstance(taint, Tensor)
    good = taint == 0
    result = core(*(torch.where(good, r, 0) for r in rows)) + taint
    return _last(result, batch, shape, values[0].dtype)


def _first(value: Tensor, batch: torch.Size, dims: int) -> Float[Tensor, "k b"]:
    tail = value.shape[value.ndim - dims :]
    flat = value.expand((*batch, *tail)).reshape(prod(batch), prod(tail)).t()
    return flat.to(torch.float64, memory_format=torch.contiguous_format).contiguous()


def _last(result: Tensor, batch: torch.Size, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    flat = result.t().to(dtype, memory_format=torch.contiguous_format).contiguous()
    return flat.reshape((*batch, *shape))
