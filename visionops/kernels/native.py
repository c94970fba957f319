"""The compiled module: whether it is there, whether it may run, and how images are described to it.

`VISIONOPS_KERNELS=off` runs the definitions everywhere. Nothing here imports torch's C++ headers: images cross as
addresses and strides.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

try:
    from visionops import _native as module  # type: ignore[attr-defined]
except ImportError as error:  # a pure build, or a checkout that was not installed
    module = None
    why_not = f"the compiled module is missing ({error})"
else:
    why_not = ""

# The dtypes that the sweep reads and writes, by the code it knows them under.
SWEEP_DTYPES = {torch.uint8: 0, torch.float32: 1}
BORDERS = {"constant": 0, "replicate": 1, "reflect": 2, "circular": 3}
INTERPOLATIONS = {"nearest": 0, "bilinear": 1, "bicubic": 2}

# What Triton's kernels read and write.
TRITON_DTYPES = frozenset((torch.uint8, torch.float16, torch.bfloat16, torch.float32))

_triton = os.environ.get("VISIONOPS_TRITON") == "1"
_interpreted = os.environ.get("TRITON_INTERPRET") == "1"
_enabled = os.environ.get("VISIONOPS_KERNELS", "on").lower() not in ("off", "0", "false", "no")
if not _enabled:
    why_not = "VISIONOPS_KERNELS is off"


@contextmanager
def definitions_only() -> Iterator[None]:
    """Runs the definitions inside the block, whatever is compiled."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def active() -> bool:
    """Returns whether the compiled kernels run where they can."""
    return module is not None and _enabled


def may_run(*tensors: Tensor) -> bool:
    """Returns whether a compiled kernel may be called as it is: on CPU tensors, outside gradients, transforms and
    compile."""
    if not may_be_recorded(*tensors) or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))


def may_be_recorded(*tensors: Tensor) -> bool:
    """Returns whether a compiled kernel may run inside an `autograd.Function`, which leaves out forward mode."""
    return module is not None and _enabled and _are_plain("cpu", tensors)


def triton_may_run(*tensors: Tensor) -> bool:
    """Returns whether Triton's kernels may take these: where VISIONOPS_TRITON=1 asks for them, on CUDA tensors, or in
    Triton's interpreter on any. No GPU has run them yet."""
    return _triton and _enabled and _are_plain(None if _interpreted else "cuda", tensors)


def _are_plain(device: str | None, tensors: tuple[Tensor, ...]) -> bool:
    if torch.autograd.forward_ad._current_level >= 0:
        return False
    return all(type(t) in (Tensor, torch.nn.Parameter) and device in (None, t.device.type) for t in tensors)


def describe(images: Tensor | Sequence[Tensor]) -> np.ndarray:
    """Returns an int64 row for each image (c, h, w): address, height, width, strides of channel, row and column."""
    if isinstance(images, Tensor):
        b, _, h, w = images.shape
        s, *strides = images.stride()
        if b == 1:
            return np.array([(images.data_ptr(), h, w, *strides)], np.int64)
        table = np.empty((b, 6), np.int64)
        table[:, 0] = images.data_ptr() + np.arange(b) * (s * images.element_size())
        table[:, 1:] = (h, w, *strides)
        return table
    return np.array([(t.data_ptr(), *t.shape[1:], *t.stride()) for t in images], np.int64).reshape(-1, 6)


def addresses(batch: Tensor) -> np.ndarray:
    """Returns the address of each image of a contiguous batch."""
    b = batch.shape[0]
    if b == 1:
        return np.array([batch.data_ptr()], np.int64)
    return batch.data_ptr() + np.arange(b, dtype=np.int64) * (batch.stride(0) * batch.element_size())


# From this on malloc maps memory afresh for every block, and gives it back when that is freed. Bytes.
MAPPED = 2**25


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Returns an empty tensor on the host; a block that malloc would map in small pages comes in huge ones.

    The first touch of a small page costs more than the arithmetic of a filter on it.
    """
    out = torch.empty(tuple(shape), dtype=dtype, device="cpu")
    size = out.numel() * out.element_size()
    if size >= MAPPED and module is not None:
        module.use_huge_pages(out.data_ptr(), size)
    return out


def host(values: np.ndarray | Tensor, dtype: Any, count: int = 1) -> np.ndarray:
    """Returns the values as a contiguous host array of the dtype; one row serves `count` samples, repeated."""
    if isinstance(values, Tensor):
        values = values.detach().numpy()
    if count != 1 and len(values) == 1:
        values = np.broadcast_to(values, (count, *values.shape[1:]))
    return np.ascontiguousarray(values, dtype)
