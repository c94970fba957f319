"""vmap by the batch: a mapped dimension moves into the first one, over which kernels loop anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def fold(tensors: Sequence[Tensor | None], in_dims: Sequence[int | None], mapped: int) -> list[Tensor | None]:
    """Returns tensors (b or 1, ...), the first of which has b rows, as (mapped b, ...).

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
