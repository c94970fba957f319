"""Fits in plain torch: the meaning of `fit`.

a = (E[I I^T] - E[I] E[I]^T + eps Id)^-1 (E[I p] - E[I] E[p])     b = E[p] - a . E[I]

I is a guide of g channels, p each channel of an image, or of the guide; E is a mean, which is given.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def fit(
    means: Float[Tensor, "b k h w"], products: Float[Tensor, "b m h w"], eps: Float[Tensor, "#b"], *, guides: int
) -> Float[Tensor, "b n h w"]:
    """Returns the coefficients; arguments as in `visionops.kernels.fit`, already checked."""
    g, k = guides, means.shape[1]
    first = g if k > g else 0
    covariance = products.unflatten(1, (g, k)) - means[:, :g, None] * means[:, None]
    ridge = eps[:, None, None, None]
    matrix = [[covariance[:, i, j : j + 1] + (ridge if i == j else 0) for j in range(i + 1)] for i in range(g)]
    a = _solve(matrix, [covariance[:, i, first:] for i in range(g)])
    b = means[:, first:] - sum(a[i] * means[:, i, None] for i in range(g))
    return torch.cat([*a, b], 1)


def _solve(matrix: list[list[Tensor]], right: list[Tensor]) -> list[Tensor]:
    """Returns x of M x = r at every pixel, M symmetric and positive definite, given below its diagonal.

    By L D L^T over whole planes: for a few channels far faster than a batched solver, which takes a call a pixel.
    """
    n = len(matrix)
    lower: list[list[Tensor]] = []
    diagonal: list[Tensor] = []
    for i in range(n):
        scaled: list[Tensor] = []  # of L D, of this row
        for j in range(i):
            scaled.append(matrix[i][j] - sum(scaled[k] * lower[j][k] for k in range(j)))
        lower.append([s / d for s, d in zip(scaled, diagonal, strict=True)])
        diagonal.append(matrix[i][i] - sum(s * w for s, w in zip(scaled, lower[i], strict=True)))
    x = list(right)
    for i in range(n):
        x[i] = x[i] - sum(lower[i][k] * x[k] for k in range(i))
    x = [v / d for v, d in zip(x, diagonal, strict=True)]
    for i in reversed(range(n)):
        x[i] = x[i] - sum(lower[k][i] * x[k] for k in range(i + 1, n))
    return x
