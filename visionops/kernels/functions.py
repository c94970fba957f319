"""What the `autograd.Function`s of all kernels share: vmap by the batch, and second derivatives by the definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def fold(tensors: Sequence[Tensor | None], in_dims: Sequence[int | None], mapped: int) -> list[Tensor | None]:
    """Returns tensors (b or 1, ...), the first of which has b rows, as (mapped b, ...), over which kernels loop anyway.

    Args:
        in_dims: where the mapped dimension of each tensor is; None where it has none.
        mapped: its size.
    """
    whole = [
        t if t is None else t.expand(mapped, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(tensors, in_dims, strict=True)
    ]
    assert whole[0] is not None
    batch = whole[0].shape[1]
    return [t if t is None else t.expand(-1, batch, *t.shape[2:]).flatten(0, 1) for t in whole]


def unfold(result: Tensor, mapped: int) -> Tensor:
    """Returns a result (mapped b, ...) as (mapped, b, ...)."""
    return result.unflatten(0, (mapped, -1))


def unfold_gradient(result: Tensor, mapped: int, of: Tensor, dim: Any) -> Tensor:
    """Returns a gradient as (mapped, b, ...), or (mapped, 1, ...) where one row of what it belongs to served all."""
    rows = of.shape[0] if dim is None else of.movedim(dim, 0).shape[1]
    result = unfold(result, mapped)
    return result.sum(1, keepdim=True) if rows == 1 else result


def adjoint_of_adjoint(
    define: Callable[..., Tensor],
    grad: Tensor,
    given: Sequence[Tensor | None],
    needs: Sequence[bool],
    cotangents: Sequence[Tensor],
) -> tuple[Tensor | None, ...]:
    """Returns the gradients by `grad` and by each of `given` of what an adjoint returned.

    Args:
        define: the definition, of all of `given`; linear in those that are None.
        grad: what the adjoint was given.
        needs: which of `given` the adjoint returned gradients of.
        cotangents: of those.
    """
    shapes = iter(cotangents)
    zeros = [torch.zeros_like(next(shapes)) if need else None for need in needs]
    floating = [i for i, t in enumerate(given) if t is not None and t.is_floating_point()]
    wanted = [i for i, need in enumerate(needs) if need]

    def adjoint(grad: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        tensors = [z if t is None else t for z, t in zip(zeros, _with(given, floating, values), strict=True)]
        result = torch.func.vjp(lambda *v: define(*_with(tensors, wanted, v)), *(tensors[i] for i in wanted))
        return result[1](grad)

    result = torch.func.vjp(adjoint, grad, *(given[i] for i in floating))
    by_grad, *found = result[1](tuple(cotangents))
    return by_grad, *_with((None,) * len(given), floating, found)


def _with(tensors: Sequence[Tensor | None], places: Sequence[int], values: Sequence[Tensor]) -> list[Tensor | None]:
    """Returns a copy with other values at some places."""
    changed = list(tensors)
    for i, value in zip(places, values, strict=True):
        changed[i] = value
    return changed
