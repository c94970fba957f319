"""What geometry, losses and metrics share: nothing in half precision, whatever the inputs and whatever is around.

A product of 3 x 3 matrices in bfloat16 moves pixel 511 to 512, and the sum of 512 x 512 ones is no float16.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
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

    Results have the dtype of the first floating tensor, if that is half; but under autocast they are float32, as those
    of torch's losses are: a scaler multiplies them by what a half cannot hold.
    """

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        dtypes = _dtypes((*args, *options.values()))
        devices = [d for d in ("cpu", "cuda") if torch.is_autocast_enabled(d)]
        some = any(dtype in HALF for dtype in dtypes)
        if not some and not devices:
            return function(*args, **options)
        if some:
            args, options = pytree.tree_map(_widened, (args, options))
        with ExitStack() as stack:
            for device in devices:
                stack.enter_context(torch.autocast(device, enabled=False))
            result = function(*args, **options)
        if devices or dtypes[0] not in HALF:
            return result
        return pytree.tree_map(lambda value: _narrowed(value, dtypes[0]), result)

    return run  # type: ignore[return-value]


def make_exact(module: str, names: Sequence[str], namespace: dict[str, Any]) -> None:
    """Puts `exact` around the functions among the public names of a module; its classes see to themselves."""
    for name in names:
        if isinstance(namespace.get(name), FunctionType):
            namespace[name] = exact(namespace[name])
            namespace[name].__module__ = module  # where pickle finds it


def _dtypes(values: Iterable[Any]) -> list[torch.dtype]:
    """Returns the dtypes of floating tensors, of a camera that of its matrix."""
    found = []
    for value in values:
        if isinstance(value, list | tuple | dict):
            found += _dtypes(value.values() if isinstance(value, dict) else value)
        tensor = getattr(value, "matrix", value)
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            found.append(tensor.dtype)
    return found


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value


def _narrowed(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.dtype == torch.float32 else value
