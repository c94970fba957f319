"""Eigenvalues and eigenvectors of symmetric matrices in plain torch: the meaning of `eigen_symmetric`.

M = V diag(values) V^T,    values ascending
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def eigen_symmetric(matrix: Float[Tensor, "b n n"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n n"]]:
    """Returns values, and unit vectors as columns; NaN of a matrix that is not finite."""
    good = matrix.isfinite().all(-1).all(-1)
    # LAPACK would give up on the whole batch. The form that checks nothing does not wait for a device.
    values, vectors = torch._linalg_eigh(torch.where(good[:, None, None], matrix, 0))
    nan = float("nan")
    return torch.where(good[:, None], values, nan), torch.where(good[:, None, None], vectors, nan)
