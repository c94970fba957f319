"""Eigenvalues and eigenvectors of symmetric matrices in plain torch: the meaning of `eigen_symmetric`.

M = V diag(values) V^T,    values ascending
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# The next eigenvalue must be farther than this from the least, of the norm: rounding of float32 input leaves 1e-13.
GAP = 1e-12


def eigen_symmetric(matrix: Float[Tensor, "b n n"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n n"]]:
    """Returns values, and unit vectors as columns; NaN of a matrix that is not finite."""
    good = matrix.isfinite().all(-1).all(-1)
    # LAPACK would give up on the whole batch. The form that checks nothing does not wait for a device.
    values, vectors = torch._linalg_eigh(torch.where(good[:, None, None], matrix, 0))
    nan = float("nan")
    return torch.where(good[:, None], values, nan), torch.where(good[:, None, None], vectors, nan)


def least_eigenvector(
    matrix: Float[Tensor, "b n n"],
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n n"], Bool[Tensor, " b"]]:
    """Returns what `visionops.kernels.eigen.least_eigenvector` does."""
    values, vectors = eigen_symmetric(matrix)
    gaps = values[..., 1:] - values[..., :1]
    unique = (gaps > GAP * torch.linalg.vector_norm(values, dim=-1, keepdim=True)).all(-1)
    h = vectors[..., 0]
    h = h * torch.where(h.gather(-1, h.abs().argmax(-1, keepdim=True)) < 0, -1.0, 1.0)
    scale = torch.where(unique[..., None], 1 / torch.where(unique[..., None], gaps, 1), 0)
    others = vectors[..., 1:]
    return h, (others * scale[..., None, :]) @ others.mT, unique
