"""The eigenvector of the least eigenvalue of symmetric matrices, with a gradient that divides by one gap alone.

With M h = lambda h, |h| = 1 and P the pseudo-inverse of M - lambda I,

dh = -P dM h        d lambda = h^T dM h

P has 1 / (lambda_i - lambda) of every other eigenvalue: two of those that are equal, where the gradient of a whole
eigenbasis is NaN, do no harm. Source: J. R. Magnus, On differentiating eigenvalues and eigenvectors, 1985.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.batches import batched
from visionops.kernels import eigen as kernels
from visionops.kernels.functions import closed

from .steps import STEPS, is_watched


def least_eigenvector(
    matrix: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns unit eigenvectors, and where they are unique.

    Args:
        matrix: symmetric, finite, float64. The component of the eigenvector that is largest is positive.

    Gradient: to the matrix; 0 where the eigenvector is not unique. Right to the second derivative.
    """
    h, unique = _least(matrix)
    return h, unique


def _define(matrix: Tensor) -> tuple[Tensor, Tensor]:
    h, inverse, unique = kernels.least_eigenvector(matrix)
    if not is_watched(matrix):
        return h, unique
    for _ in range(STEPS):
        image = (matrix @ h[..., None])[..., 0]
        rest = image - (h * image).sum(-1, keepdim=True) / (h * h).sum(-1, keepdim=True) * h
        h = h - (inverse @ rest[..., None])[..., 0]
    return h / h.square().sum(-1, keepdim=True).sqrt(), unique


def _run(matrix: Tensor, *, record: bool) -> tuple[Tensor, Tensor, Tensor]:
    h, inverse, unique = kernels.least_eigenvector(matrix)
    return h, unique, inverse


def _adjoint(grad: Tensor, tensors: Sequence[Tensor], h: Tensor, inverse: Tensor) -> tuple[Tensor]:
    return (-(inverse * grad[..., None, :]).sum(-1, keepdim=True) * h[..., None, :],)


_least = batched(closed(_run, _adjoint, _define), _define, (2,))
