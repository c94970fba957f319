"""What functions of geometry and losses share: nothing in half precision, whatever the inputs and whatever is around.

A product of 3 x 3 matrices in bfloat16 moves pixel 511 to 512, and the sum of 512 x 512 ones is no float16.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

HALF = (torch.float16, torch.bfloat16)

Function = TypeVar("Function", bound=Callable[..., Any])


def exact(function: Function) -> Function:
    """Returns a function that autocast leaves alone, and that computes in float32 what comes in half precision.

    Results then have the dtype of the first half-precision input.
    """

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        half = _half_of((*args, *options.values()))
        devices = [d for d in ("cpu", "cuda") if torch.is_autocast_enabled(d)]
        if half is None and not devices:
            return function(*args, **options)
        if half is not None:
            args, options = pytree.tree_map(_widened, (args, options))
        with ExitStack() as stack:
            for device in devices:
                stack.enter_context(torch.autocast(device, enabled=False))
            result = function(*args, **options)
        return result if half is None else pytree.tree_map(lambda value: _narrowed(value, half), result)

    return run  # type: ignore[return-value]


def make_exact(module: str, names: Sequence[str], namespace: dict[str, Any]) -> None:
    """Puts `exact` around the functions among the public names of a module; its classes see to themselves."""
    for name in names:
        if isinstance(namespace[name], FunctionType):
            namespace[name] = exact(namespace[name])
            namespace[name].__module__ = module  # where pickle finds it


def _half_of(values: Sequence[Any]) -> torch.dtype | None:
    for value in values:
        if isinstance(value, list | tuple) and (half := _half_of(value)) is not None:
            return half
        tensor = getattr(value, "matrix", value)  # a camera's
        if isinstance(tensor, Tensor) and tensor.dtype in HALF:
            return tensor.dtype
    return None


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value


def _narrowed(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.dtype == torch.float32 else value
