"""The span of the eigenvectors of the k least eigenvalues, which is smooth where the eigenvectors are not.

With V the span and U the rest, M V = V L, the perturbed span is V + U K, where K solves Riccati's equation

(U - V K^T)^T M (V + U K) = 0,      Newton:  K_oi -= residual_oi / (lambda_o - lambda_i)

so only gaps between the two sets divide. Source: G. W. Stewart, Error and perturbation bounds for subspaces, 1973.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels.eigen import eigen_symmetric
from visionops.kernels.eigen.definition import GAP

from .implicit.steps import STEPS, is_watched


def least_subspace(
    matrix: Float[Tensor, "*batch n n"], k: int
) -> tuple[Float[Tensor, "*batch n k"], Float[Tensor, "*batch n n-k"], Bool[Tensor, "*batch"]]:
    """Returns a basis of the span of the k least eigenvectors, one of its complement, and where the span is unique.

    Args:
        matrix: symmetric, finite, float64.
        k: how many.

    Gradient: to the matrix, right to the second derivative for what depends on the span alone; 0 where it is not
        unique. At the matrix itself the bases are orthonormal, and that of the span is the same for every choice of
        eigenvectors.
    """
    values, vectors = eigen_symmetric(matrix)
    span, rest = vectors[..., :k], vectors[..., k:]
    gaps = values[..., k:, None] - values[..., None, :k]
    unique = gaps[..., 0, -1] > GAP * values.abs().amax(-1)
    turn = _turn(span)
    if not is_watched(matrix):
        return span @ turn, rest, unique
    where = unique[..., None, None]
    inverse = torch.where(where, 1 / torch.where(where, gaps, 1), 0)
    within, across, beyond = span.mT @ matrix @ span, rest.mT @ matrix @ span, rest.mT @ matrix @ rest
    move = torch.zeros_like(across)
    for _ in range(STEPS):
        residual = across + beyond @ move - move @ within - move @ across.mT @ move
        move = move - inverse * residual
    return (span + rest @ move) @ turn, rest - span @ move.mT, unique


def _turn(span: Tensor) -> Tensor:
    """Returns the rotation of a basis after which it depends on the span alone, and smoothly almost everywhere.

    It is that of fixed vectors without symmetry, projected onto the span and made orthonormal in order.
    """
    n, k = span.shape[-2:]
    fixed = torch.sin(torch.arange(1, 1 + n * k, dtype=span.dtype, device=span.device) ** 2).reshape(n, k)
    columns: list[Tensor] = []
    for column in (span.mT @ fixed).unbind(-1):
        for other in columns:
            column = column - (other * column).sum(-1, keepdim=True) * other
        square = column.square().sum(-1, keepdim=True)
        columns.append(column / torch.where(square > 0, square, 1).sqrt())
    return torch.stack(columns, -1).detach()
