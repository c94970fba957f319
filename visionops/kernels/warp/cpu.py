"""The sweep and its adjoint as C++ runs them: checked arguments in, tensors out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

from .spec import Spec

Array = np.ndarray | Tensor


def sweep(
    image: Tensor | Sequence[Tensor],
    inverse: Array | None,
    coordinates: Tensor | None,
    planes: Array | None,
    levels: Array | None,
    program: tuple[Array, Sequence[int] | np.ndarray, Array],
    spec: Spec,
    out: Tensor | None = None,
) -> Tensor:
    """Returns the images after the sweep; `program` is its codes (b, n), starts (n) and parameters (b, p)."""
    first = image if isinstance(image, Tensor) else image[0]
    count = first.shape[0] if isinstance(image, Tensor) else len(image)
    if out is None:
        out = torch.empty((count, first.shape[-3], *spec.size), dtype=spec.dtype, device="cpu")
    coordinates = _dense(coordinates)
    native.module.sweep(
        native.describe(image), first.shape[-3], native.SWEEP_DTYPES[first.dtype],
        *_where(inverse, coordinates, planes, spec, count), *_how(levels, count, spec), *_program(program, count),
        native.addresses(out), native.SWEEP_DTYPES[spec.dtype], *spec.size, torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor,
    image: Tensor | None,
    shape: Sequence[int],
    dtype: torch.dtype,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    planes: Tensor | None,
    levels: Tensor | None,
    program: tuple[Tensor, Sequence[int], Tensor],
    spec: Spec,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Returns the gradients of image, inverse, coordinates and parameters, those that are needed.

    Args:
        image: None where its values decide nothing.
        shape: of the image.
        dtype: of the image.
    """
    b, c, h, w = shape
    sources = np.tile(np.array([0, h, w, h * w, w, 1], np.int64), (b, 1)) if image is None else native.describe(image)
    by_image = torch.empty(tuple(shape), dtype=torch.float32, device="cpu") if needs[0] else None
    by_map = None
    dense = _dense(coordinates)
    if needs[2]:
        assert dense is not None
        by_map = torch.empty((b, *dense.shape[1:]), dtype=torch.float32, device="cpu")
    by_matrix, by_params = native.module.sweep_adjoint(
        sources, c, native.SWEEP_DTYPES[dtype], *_where(inverse, dense, planes, spec, b), *_how(levels, b, spec),
        *_program(program, b), *spec.size, native.describe(grad),
        None if by_image is None else native.addresses(by_image), needs[1],
        None if by_map is None else native.addresses(by_map), needs[3], torch.get_num_threads(),
    )  # fmt: skip
    if by_map is not None and coordinates is not None and coordinates.shape[0] != b:
        by_map = by_map.sum(0, keepdim=True)
    return (
        by_image,
        _like(by_matrix.reshape(-1, 3, 3), inverse) if needs[1] else None,
        by_map,
        _like(by_params, program[2]) if needs[3] else None,
    )


def _dense(coordinates: Tensor | None) -> Tensor | None:
    return None if coordinates is None else coordinates.float().contiguous()


def _where(
    inverse: Array | None, coordinates: Tensor | None, planes: Array | None, spec: Spec, count: int
) -> tuple[Any, ...]:
    maps = None if coordinates is None else native.addresses(coordinates)
    if maps is not None and len(maps) != count:
        maps = np.repeat(maps, count)  # one map is read by all
    return (
        None if inverse is None else native.host(inverse, np.float64),
        maps,
        None if planes is None else native.host(planes, np.float64),
        np.array(spec.fills) if spec.fills and planes is not None else None,
        np.array(spec.fill),
    )


def _how(levels: Array | None, count: int, spec: Spec) -> tuple[Any, ...]:
    interpolation, border = native.INTERPOLATIONS[spec.interpolation], native.BORDERS[spec.border]
    if levels is None:
        return interpolation, border, None
    return interpolation, border, native.host(levels, np.int32, count)


def _program(
    program: tuple[Array, Sequence[int] | np.ndarray, Array], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    codes, starts, params = program
    return native.host(codes, np.int32, count), np.asarray(starts, np.int32), native.host(params, np.float32, count)


def _like(values: np.ndarray, given: Tensor | None) -> Tensor:
    """Returns gradients (b, ...) in the dtype and batch of what they belong to."""
    assert given is not None
    tensor = torch.from_numpy(values).to(given.dtype)
    return tensor if given.shape[0] == len(values) else tensor.sum(0, keepdim=True)
