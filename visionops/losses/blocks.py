"""What losses of plain torch share that work on parts of a tensor: they stay in a cache from one operation to the next.

An `autograd.Function` made of such parts reads its inputs once, keeps what its gradient needs, and nothing else.
"""

from __future__ import annotations

from torch import Tensor

# Bytes. A part, and what is made of it, stay in the caches; of smaller ones the calls would cost more than the work.
BLOCK = 2**20


def blocks(x: Tensor) -> tuple[Tensor, ...]:
    """Returns parts of a tensor that stay in a cache; on a device the whole."""
    size = BLOCK // x.element_size() if x.device.type == "cpu" else max(x.numel(), 1)
    return x.reshape(-1).split(size)
