"""What losses of plain torch share that work on parts of a tensor: they stay in a cache from one operation to the next.

An `autograd.Function` made of such parts reads its inputs once, keeps what its gradient needs, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

# Bytes. A part, and what is made of it, stay in the caches; of smaller ones the calls would cost more than the work.
BLOCK = 2**20


def blocks(*tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Returns the same rows of all tensors, again and again: a block of the first one; on a device all at once."""
    first = tensors[0]
    assert first is not None
    step = max(len(first), 1)
    if first.device.type == "cpu":
        step = max(BLOCK // max(first[:1].numel() * first.element_size(), 1), 1)
    for start in range(0, max(len(first), 1), step):
        yield tuple(None if t is None else t[start : start + step] for t in tensors)
