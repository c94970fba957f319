"""Any batch dimensions for solvers and compiled functions that take one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.kernels import native

# The dtypes that compiled functions take.
COMPILED = {torch.float32, torch.float64}


def over_batch(
    solve: Callable[..., tuple[Tensor, ...]], batch: Sequence[int], *tensors: Tensor, rest: Sequence[Any] = ()
) -> tuple[Tensor, ...]:
    """Returns what a function of tensors (b, ...) gives for tensors (*batch, ...).

    Args:
        batch: which they all have.
        rest: what the function takes after its tensors.
    """
    n = len(batch)
    flat = [t.new_empty(0, *t.shape[n:]) if 0 in batch else t.reshape(-1, *t.shape[n:]) for t in tensors]
    return tuple(out.reshape((*batch, *out.shape[1:])) for out in solve(*flat, *rest))


def batched(
    fast: Callable[..., tuple[Tensor, ...]], define: Callable[..., tuple[Tensor, ...]], ranks: Sequence[int]
) -> Callable[..., tuple[Tensor, ...]]:
    """Returns a compiled function of tensors (b, ...) as one of tensors, or None, whose batches broadcast.

    Args:
        fast: takes tensors of one dtype.
        define: the definition, of any batch and dtypes, for all that the compiled one does not take.
        ranks: how many dimensions of each tensor are not the batch's.
    """

    def run(*tensors: Tensor | None) -> tuple[Tensor, ...]:
        given = [(t, t.ndim - rank) for t, rank in zip(tensors, ranks, strict=True) if t is not None]
        dtypes = {t.dtype for t, _ in given}
        if len(dtypes) > 1 or not dtypes & COMPILED or not native.may_be_recorded(*(t for t, _ in given)):
            return define(*tensors)
        batch = torch.broadcast_shapes(*(t.shape[:split] for t, split in given))
        if 0 in batch or any(0 in t.shape for t, _ in given):
            return define(*tensors)
        flat = iter([t.expand((*batch, *t.shape[split:])).reshape(-1, *t.shape[split:]) for t, split in given])
        out = fast(*(None if t is None else next(flat) for t in tensors))
        return tuple(value.reshape((*batch, *value.shape[1:])) for value in out)

    return run
