"""The null vector of a matrix: what linear estimation of homographies, fundamental matrices and points comes down to.

h = argmin |sqrt(W) A h|^2 over |h| = 1, the eigenvector of A^T W A of the least eigenvalue.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, doubled, finite_rows, or_nan

from .eigen import least_eigenvector


@overload
def null_vector(matrix: Tensor, *, weights: Tensor | None = None, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def null_vector(
    matrix: Tensor, *, weights: Tensor | None = None, return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def null_vector(
    matrix: Float[Tensor, "*batch m n"],
    *,
    weights: Float[Tensor, "*batch m"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n"] | tuple[Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns the unit vector that a matrix makes smallest; its largest component is positive.

    Args:
        matrix: of any number of rows, also fewer than columns.
        weights: of the rows, at least 0; a row of weight 0 does not count, whatever is in it.
        return_valid: whether to return also where the vector is finite and unique (a second one would be shorter than
            1e-6 of the longest).

    Raises:
        ValueError: for a matrix without columns, or weights of another shape.

    Gradient: to the matrix and the weights, by the implicit function theorem, for exact and inexact systems; it divides
        by the gap to the next singular value alone. 0 where the vector is not unique. Computes in float64. NaN or
        infinite rows give a NaN vector and gradient 0, and leave the other samples alone.
    Source: Magnus, On differentiating eigenvalues and eigenvectors, 1985; Hartley and Zisserman, 2004, A5.3.

    >>> null_vector(torch.tensor([[4.0, 3.0]])).round(decimals=6).tolist() == torch.tensor([-0.6, 0.8]).tolist()
    True
    """
    if not isinstance(matrix, Tensor) or not matrix.is_floating_point() or matrix.ndim < 2 or not matrix.shape[-1]:
        got = tuple(matrix.shape) if isinstance(matrix, Tensor) else type(matrix).__name__
        raise refuse("null_vector", "matrix", "a floating tensor (*batch, m, n) with columns", got)
    a, w = doubled(matrix, weights)
    if w is None:
        a, good = finite_rows(a, 2)
        gram = a.mT @ a
    else:
        if w.ndim < 1 or w.shape[-1] != a.shape[-2]:
            raise refuse("null_vector", "weights", f"of shape (*batch, {a.shape[-2]})", tuple(w.shape))
        check_batches("null_vector", "weights", w.shape[:-1], a.shape[:-2])
        w, good = finite_rows(w, 1)
        w = w.clamp(min=0)
        rows, whole = finite_rows(torch.where(w[..., None] == 0, 0, a), 2)
        good = good & whole
        gram = rows.mT @ (w[..., None] * rows)
    h, unique = least_eigenvector(gram)
    h = or_nan(h, good).to(matrix.dtype)
    return (h, good & unique) if return_valid else h
