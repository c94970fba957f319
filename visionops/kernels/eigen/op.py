"""Eigenvalues and eigenvectors of many small matrices, or the least alone, as constants; compiled where they may be."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import opaque

from . import definition

# The largest matrices that rotations are faster for than LAPACK.
LARGEST = 16


def eigen_symmetric(
    matrix: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n n"]]:
    """Returns eigenvalues, ascending, and unit eigenvectors as columns, of any sign.

    Args:
        matrix: symmetric, float64; of one that is not finite the values are neither.

    Gradient: none.
    """
    n, batch = matrix.shape[-1], matrix.shape[:-2]
    values, vectors = _declared(matrix.new_empty(0, n, n) if 0 in batch else matrix.reshape(-1, n, n))
    return values.reshape(*batch, n), vectors.reshape(*batch, n, n)


def _run(matrix: Tensor) -> tuple[Tensor, Tensor]:
    if native.active() and matrix.device.type == "cpu" and matrix.shape[-1] <= LARGEST:
        return _compiled(matrix)
    return definition.eigen_symmetric(matrix)


def _compiled(matrix: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = _empty(matrix)
    native.module.eigen_symmetric(
        matrix.contiguous().numpy(), values.data_ptr(), vectors.data_ptr(), torch.get_num_threads()
    )
    return values, vectors


def _empty(matrix: Tensor) -> tuple[Tensor, Tensor]:
    return matrix.new_empty(matrix.shape[:-1]), matrix.new_empty(matrix.shape)


_declared = opaque("eigen_symmetric", "(Tensor matrix) -> (Tensor, Tensor)", _run, _empty)


def least_eigenvector(
    matrix: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n n"], Bool[Tensor, "*batch"]]:
    """Returns the unit eigenvector h of the least eigenvalue lambda, the pseudo-inverse of M - lambda I, and whether
    h is unique: the next eigenvalue is farther than `GAP` of the norm of M.

    Args:
        matrix: symmetric, float64; of one that is not finite the result is neither. The largest component of h is
            positive. Where it is not unique the pseudo-inverse is 0.

    Gradient: none.
    """
    n, batch = matrix.shape[-1], matrix.shape[:-2]
    h, inverse, unique = _declared_least(matrix.new_empty(0, n, n) if 0 in batch else matrix.reshape(-1, n, n))
    return h.reshape(*batch, n), inverse.reshape(*batch, n, n), unique.reshape(batch)


def _run_least(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if not (native.active() and matrix.device.type == "cpu" and matrix.shape[-1] <= LARGEST):
        return definition.least_eigenvector(matrix)
    h, inverse, unique = _empty_least(matrix)
    native.module.least_eigenvector(
        matrix.contiguous().numpy(), definition.GAP, h.data_ptr(), inverse.data_ptr(), unique.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    return h, inverse, unique


def _empty_least(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return (*_empty(matrix), matrix.new_empty(matrix.shape[:1], dtype=torch.bool))


_declared_least = opaque("least_eigenvector", "(Tensor matrix) -> (Tensor, Tensor, Tensor)", _run_least, _empty_least)
