"""The compiled functions, on tensors of one batch dimension of float32 or float64, in which they compute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels import native


def distances(
    F: Float[Tensor, "b 3 3"], points1: Float[Tensor, "#b n 2"], points2: Float[Tensor, "#b n 2"], each: bool
) -> Float[Tensor, "b n"]:
    """Returns Sampson's distances, or the sum of each point's from its line; squared."""
    F, points1, points2 = (t.contiguous() for t in (F, points1, points2))
    out = F.new_empty(len(F), points1.shape[1])
    native.module.epipolar_distances(
        [t.data_ptr() for t in (F, points1, points2)], out.data_ptr(), *out.shape, [len(points1), len(points2)],
        F.dtype == torch.float64, each, torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, given: Sequence[Tensor | None], output: None, shape: Sequence[int], fixed: tuple[bool],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradients of matrices and points."""
    F, points1, points2 = (t.contiguous() for t in given if t is not None)
    grad = grad.contiguous()
    b, n = grad.shape
    stretches = -(-n // native.module.EPIPOLAR_STRETCH)
    sums = torch.empty(b, stretches, 9, dtype=torch.float64, device="cpu") if needs[0] else None
    by = [F.new_empty(b, n, 2) if need else None for need in needs[1:]]
    native.module.epipolar_adjoint(
        [t.data_ptr() for t in (F, points1, points2)], grad.data_ptr(),
        [0 if t is None else t.data_ptr() for t in (sums, *by)], b, n, [len(points1), len(points2)],
        F.dtype == torch.float64, fixed[0], torch.get_num_threads(),
    )  # fmt: skip
    by_matrix = None if sums is None else sums.sum(1).to(F.dtype).reshape(b, 3, 3)
    for k, points in enumerate((points1, points2)):
        found = by[k]
        if found is not None and len(points) != b:
            by[k] = found.sum(0, keepdim=True)
    return [by_matrix, *by]
