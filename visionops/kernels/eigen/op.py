"""`eigen_symmetric`: eigenvalues and eigenvectors of many small matrices, as constants; compiled where that may run."""

from __future__ import annotations

import torch
from jaxtyping import Float
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
