"""Arithmetic on a `Number`: a float (one sample), an array (a batch on the host) or a tensor (autograd, compile).

A step writes its formula once. One sample costs plain float arithmetic, a batch a few NumPy calls, and a learnable
bound gets its gradient, from the same lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Number = float | np.ndarray | Tensor
SCALARS = frozenset((float, int, bool))
Size = tuple[Any, Any]  # (height, width): ints, or int arrays (b,) where the samples of a batch differ


def _function(name: str) -> Callable[[Number], Any]:
    scalar, array, tensor = getattr(math, name), getattr(np, name), getattr(torch, name)

    def call(x: Number) -> Any:
        if isinstance(x, Tensor):
            return tensor(x)
        return array(x) if isinstance(x, np.ndarray) else scalar(x)

    call.__name__ = name
    return call


sin = _function("sin")
cos = _function("cos")
tan = _function("tan")
sqrt = _function("sqrt")
exp = _function("exp")
log = _function("log")
floor = _function("floor")


def where(condition: Any, a: Any, b: Any) -> Any:
    """Returns `a` where the condition holds, else `b`."""
    if condition is True or condition is False:
        return a if condition else b
    tensor = next((v for v in (condition, a, b) if isinstance(v, Tensor)), None)
    if tensor is None:
        return np.where(condition, a, b)
    if isinstance(condition, np.ndarray):
        condition = torch.from_numpy(condition).to(tensor.device)
    if not isinstance(a, Tensor | np.ndarray) and not isinstance(b, Tensor | np.ndarray):
        # Two plain numbers would become float32.
        b = torch.full((), b, dtype=torch.float64, device=tensor.device)
    a, b = (torch.from_numpy(v).to(tensor.device, tensor.dtype) if isinstance(v, np.ndarray) else v for v in (a, b))
    return torch.where(condition, a, b)


def logical_and(a: Any, b: Any) -> Any:
    """Returns a and b for bools or bool arrays."""
    if a is True:
        return b
    if b is True:
        return a
    return a & b


def minimum(a: Any, b: Any) -> Any:
    return where(a < b, a, b)


def maximum(a: Any, b: Any) -> Any:
    return where(a > b, a, b)


def are_scalars(values: Iterable[Any]) -> bool:
    """Returns whether all values are plain Python numbers."""
    return SCALARS.issuperset(map(type, values))


def every(condition: Any) -> bool:
    """Returns whether a host condition holds for all samples; for a tensor False, so that no device is waited for."""
    if condition is True or condition is False:
        return condition
    return False if isinstance(condition, Tensor) else bool(np.all(condition))


def beside(size: Size, values: Mapping[str, Any]) -> Size:
    """Returns a size that can be computed with beside a step's values: as tensors, where those are."""
    if not isinstance(size[0], np.ndarray) and not isinstance(size[1], np.ndarray):
        return size
    like = next((v for v in values.values() if isinstance(v, Tensor)), None)
    if like is None:
        return size
    h, w = (torch.as_tensor(n, dtype=like.dtype, device=like.device) for n in size)
    return h, w


def row(*values: Number) -> Any:
    """Returns numbers as parameters of an instruction: a tuple of floats, or an array or tensor (b, k)."""
    if are_scalars(values):
        return values
    tensors = [v for v in values if isinstance(v, Tensor)]
    if tensors:
        like = tensors[0]
        return torch.stack(torch.broadcast_tensors(*(_as_tensor(v, like) for v in values)), -1).reshape(-1, len(values))
    return np.stack(np.broadcast_arrays(*values), -1).astype(np.float32).reshape(-1, len(values))


def _as_tensor(value: Number, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)
