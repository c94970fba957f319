"""The compiled functions on tensors of one batch dimension, float32 or float64; they compute in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels import native


def exp(tangent: Float[Tensor, "b d"]) -> Float[Tensor, "b n n"]:
    """Returns 3 x 3 rotations of d = 3 numbers, and 4 x 4 rigid motions of 6; NaN of what is not finite."""
    n = 4 if tangent.shape[1] == 6 else 3
    return _run(native.module.motions_exp, [tangent], tangent.new_empty(len(tangent), n, n), n == 4)


def log(matrix: Float[Tensor, "b n n"]) -> Float[Tensor, "b d"]:
    """Returns what `exp` made the matrices of; NaN of what is not finite."""
    rigid = matrix.shape[1] == 4
    return _run(native.module.motions_log, [matrix], matrix.new_empty(len(matrix), 6 if rigid else 3), rigid)


def exp_adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor]:
    """Returns the gradient by tangents, 0 where those are not finite."""
    (tangent,) = given
    return [_run(native.module.motions_exp_adjoint, [tangent, grad], tangent.new_empty(tuple(shape)), shape[1] == 6)]


def log_adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor]:
    """Returns the gradient by matrices, 0 where those are not finite."""
    (matrix,) = given
    return [_run(native.module.motions_log_adjoint, [matrix, grad], matrix.new_empty(tuple(shape)), shape[1] == 4)]


def _run(kernel: Callable[..., None], values: Sequence[Tensor], out: Tensor, rigid: bool) -> Tensor:
    values = [v.contiguous() for v in values]
    places = (*(v.data_ptr() for v in values), out.data_ptr())
    kernel(*places, len(out), out.dtype == torch.float64, rigid, torch.get_num_threads())
    return out
