"""The eigenvector of the least eigenvalue of symmetric matrices, with a gradient that divides by one gap alone.

With M h = lambda h, |h| = 1 and P the pseudo-inverse of M - lambda I,

dh = -P dM h        d lambda = h^T dM h

P has 1 / (lambda_i - lambda) of every other eigenvalue: two of those that are equal, where the gradient of a whole
eigenbasis is NaN, do no harm. Source: J. R. Magnus, On differentiating eigenvalues and eigenvectors, 1985.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels.eigen import eigen_symmetric

from .steps import STEPS, is_watched

# The next eigenvalue must be farther than this from the least, of the greatest: rounding of float32 input leaves 1e-13.
GAP = 1e-12


def least_eigenvector(
    matrix: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns unit eigenvectors, and where they are unique.

    Args:
        matrix: symmetric, finite, float64. The component of the eigenvector that is largest is positive.

    Gradient: to the matrix; 0 where the eigenvector is not unique. Right to the second derivative.
    """
    values, vectors = eigen_symmetric(matrix)
    gaps = values[..., 1:] - values[..., :1]
    unique = gaps[..., 0] > GAP * values.abs().amax(-1)
    h = vectors[..., 0]
    h = h * torch.where(h.gather(-1, h.abs().argmax(-1, keepdim=True)) < 0, -1.0, 1.0)
    if not is_watched(matrix):
        return h, unique
    scale = torch.where(unique[..., None], 1 / torch.where(unique[..., None], gaps, 1), 0)
    others = vectors[..., 1:]
    inverse = (others * scale[..., None, :]) @ others.mT
    for _ in range(STEPS):
        image = (matrix @ h[..., None])[..., 0]
        rest = image - (h * image).sum(-1, keepdim=True) / (h * h).sum(-1, keepdim=True) * h
        h = h - (inverse @ rest[..., None])[..., 0]
    return h / h.square().sum(-1, keepdim=True).sqrt(), unique
