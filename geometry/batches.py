"""Any batch dimensions for solvers that take one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor


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
