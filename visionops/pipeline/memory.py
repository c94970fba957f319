"""Memory of batches: taken from the system once, in huge pages, and used again when nobody holds the batch any more.

The first touch of a page costs about a microsecond, and a fresh page is zeroed before it is written: for a batch of
images more than all arithmetic. An allocator gives so large a block back to the system as soon as it is freed.
"""

from __future__ import annotations

import math
import mmap
import sys
import threading

import torch
from torch import Tensor

# From this on a batch is worth it. Bytes.
LARGE = 2**22
# How many blocks are kept: one being filled, one in use, one that a reader has not let go yet.
KEPT = 3
# References to an idle block: the list, the loop's variable, and the argument of getrefcount.
IDLE = 3

_blocks: list[mmap.mmap] = []
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Returns an empty tensor on the host. It and its views hold their block, and a held block is not used again."""
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype)
    with _lock:
        for block in _blocks:
            if len(block) == size and sys.getrefcount(block) == IDLE:
                break
        else:
            block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            block.madvise(mmap.MADV_HUGEPAGE)
            _blocks.append(block)
            del _blocks[:-KEPT]
        return torch.frombuffer(block, dtype=dtype, count=count).reshape(shape)
