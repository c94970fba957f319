"""What the arguments of geometry may be, and the precision that solvers compute in."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.kernels.functions import is_traced


def check_points(
    function: str, argument: str, points: Any, dims: int | tuple[int, ...] | None = 2, least: int = 0
) -> None:
    """Raises unless points are (*batch, n, dims), floating, at least so many; dims None: any."""
    allowed = None if dims is None else dims if isinstance(dims, tuple) else (dims,)
    known = isinstance(points, Tensor) and points.is_floating_point()
    if not known or points.ndim < 2 or (allowed is not None and points.shape[-1] not in allowed):
        # Not before: a size that a compiler does not know has no text.
        shape = f"(*batch, n, {'d' if allowed is None else ' or '.join(map(str, allowed))})"
        _check_floating(function, argument, points, shape)
        turned = allowed is not None and points.ndim > 1 and points.shape[-2] in allowed
        remedy = f"Transpose it: {argument}.mT." if turned else ""
        raise refuse(function, argument, f"of shape {shape}", tuple(points.shape), remedy)
    if points.shape[-2] < least:
        single = points.ndim > 2 and points.shape[-2] == 1
        remedy = f"Take OpenCV's dimension away: {argument}.squeeze(-2)." if single else ""
        raise refuse(function, argument, f"at least {least} points", tuple(points.shape), remedy)


def check_of_points(function: str, argument: str, value: Any, points: Tensor) -> None:
    """Raises unless a value is a number of each point, (*batch, n)."""
    _check_floating(function, argument, value, "(*batch, n)")
    if value.ndim < 1 or value.shape[-1] != points.shape[-2]:
        remedy = f"Take its last dimension away: {argument}.squeeze(-1)." if value.shape[-1:] == (1,) else ""
        raise refuse(function, argument, f"of shape (*batch, {points.shape[-2]})", tuple(value.shape), remedy)
    check_batches(function, argument, value.shape[:-1], points.shape[:-2])


def check_same_points(function: str, argument: str, points: Tensor, other: Tensor) -> None:
    """Raises unless two sets have as many points, of batches that broadcast."""
    if points.shape[-2] != other.shape[-2]:
        raise refuse(function, argument, f"{other.shape[-2]} points", points.shape[-2])
    check_batches(function, argument, points.shape[:-2], other.shape[:-2])


def check_batches(function: str, argument: str, batch: Any, other: Any) -> None:
    """Raises unless batch dimensions broadcast."""
    for a, b in zip(reversed(batch), reversed(other), strict=False):
        if a != b and a != 1 and b != 1:
            raise refuse(function, argument, f"of a batch that goes with {tuple(other)}", tuple(batch))


def check_vector(function: str, argument: str, vector: Any, size: int) -> None:
    """Raises unless it is (*batch, size), floating."""
    _check_floating(function, argument, vector, f"(*batch, {size})")
    if vector.ndim < 1 or vector.shape[-1] != size:
        raise refuse(function, argument, f"of shape (*batch, {size})", tuple(vector.shape))


def check_matrix(function: str, argument: str, matrix: Any, *shapes: tuple[int, int]) -> None:
    """Raises unless it is (*batch, rows, columns) of one of the shapes, floating."""
    rule = " or ".join(f"(*batch, {rows}, {columns})" for rows, columns in shapes)
    _check_floating(function, argument, matrix, rule)
    if tuple(matrix.shape[-2:]) not in shapes:
        raise refuse(function, argument, f"of shape {rule}", tuple(matrix.shape))


def check_weights(function: str, weights: Any, points: Tensor) -> None:
    """Raises unless weights are None or (*batch, n), floating."""
    if weights is None:
        return
    check_of_points(function, "weights", weights, points)


def _check_floating(function: str, argument: str, value: Any, shape: str) -> None:
    if not isinstance(value, Tensor):
        raise refuse(function, argument, f"a tensor {shape}", type(value).__name__, "torch.as_tensor makes one.")
    if not value.is_floating_point():
        raise refuse(function, argument, "floating", value.dtype, "Convert it.")


def known_finite(value: Tensor) -> bool:
    """Returns whether all of a tensor is finite, as far as that may be asked for: on a host, in eager mode."""
    return value.device.type == "cpu" and not is_traced() and math.isfinite(float(value.detach().sum()))


def finite_rows(value: Tensor, dims: int) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
    """Returns the value with zeros for what is not finite, and which samples were finite in all of the last dims.

    The gradient to what was not finite is zero: an input is patched, so that no NaN can come back through it.
    """
    if known_finite(value):
        return value, value.new_ones(value.shape[: value.ndim - dims], dtype=torch.bool)
    finite = value.isfinite()
    good = finite.flatten(-dims).all(-1) if dims else finite
    return torch.where(finite, value, 0), good


def finite_points(matrix: Tensor, dims: int, *points: Tensor) -> tuple[Any, ...]:
    """Returns a matrix of each sample and points as `finite_rows` does, and which points are finite with their matrix;
    None: all.

    Points share the matrix: one that is not finite must not reach its gradient.

    Args:
        matrix: of so many dimensions; or a vector.
        points: sets (*batch, n, d) whose batches broadcast with that of the matrix.
    """
    values, good = finite_samples((matrix.unsqueeze(-dims - 1), dims), *((value, 1) for value in points))
    return values[0].squeeze(-dims - 1), *values[1:], good


def finite_samples(*given: tuple[Tensor, int]) -> tuple[list[Tensor], Bool[Tensor, "*batch"] | None]:
    """Returns tensors of so many dimensions a sample as `finite_rows` does, and where all are finite; None: everywhere.

    A sample that is not must not reach the gradient of what it shares with others.
    """
    if all(known_finite(value) for value, _ in given):
        return [value for value, _ in given], None
    values, goods = zip(*(finite_rows(value, dims) for value, dims in given), strict=True)
    return list(values), both(*goods)


def both(*masks: Tensor | None) -> Any:
    """Returns where all masks hold; None is one that holds everywhere."""
    some = [mask for mask in masks if mask is not None]
    return functools.reduce(torch.logical_and, some) if some else None


def or_nan(value: Tensor, good: Bool[Tensor, "*batch"] | None) -> Tensor:
    """Returns the value where it is good and NaN elsewhere, where no gradient comes back. None: all is."""
    if good is None:
        return value
    same = value.shape[: good.ndim] == good.shape
    if same and good.device.type == "cpu" and not is_traced() and bool(good.all()):
        return value
    return torch.where(good.reshape(*good.shape, *(1,) * (value.ndim - good.ndim)), value, float("nan"))


def promoted(*values: Float[Tensor, ...]) -> tuple[Any, ...]:
    """Returns tensors in the dtype that arithmetic on them gives, which products of matrices do not see to."""
    dtype = functools.reduce(torch.promote_types, (v.dtype for v in values))
    return tuple(v.to(dtype) for v in values)


def doubled(*values: Float[Tensor, ...] | None) -> tuple[Any, ...]:
    """Returns tensors in float64, in which solvers compute."""
    return tuple(v if v is None else v.double() for v in values)
