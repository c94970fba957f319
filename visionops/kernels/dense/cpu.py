"""Dense correlation and its adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

NORMS = {"none": 0, "l1": 1, "l2": 2}


def correlate(image: Tensor, kernel: Tensor, border: str, fill: float, norm: str) -> Tensor:
    """Returns images (b, c, d, h, w) correlated with kernels (b or 1, n, kd, kh, kw), in their dtype."""
    b, c, *size = image.shape
    out = native.empty((b, c, kernel.shape[1] if norm == "none" else 1, *size), image.dtype)
    native.module.filter_dense(
        image.data_ptr(), list(image.shape), list(image.stride()), native.SWEEP_DTYPES[image.dtype],
        native.host(kernel, np.float32), native.BORDERS[border], fill, NORMS[norm], out.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, image: Tensor | None, kernel: Tensor, shape: Sequence[int], border: str, fill: float, norm: str,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """Returns the gradients of image and kernel, those that are needed."""
    weights = native.host(kernel, np.float32)
    if norm != "none" and needs[1]:
        assert image is not None
        grad, norm = _through_norm(grad, correlate(image, kernel, border, fill, "none"), norm), "none"
    by_image = by_kernel = None
    if needs[0]:
        by_image = native.empty(tuple(shape), torch.float32)
        own = [] if norm == "none" or image is None else [image.data_ptr(), *image.stride()]
        native.module.filter_dense_adjoint(
            grad.data_ptr(), list(shape), list(grad.stride()), own, weights, native.BORDERS[border], fill, NORMS[norm],
            by_image.data_ptr(), torch.get_num_threads(),
        )  # fmt: skip
    if needs[1]:
        assert image is not None
        sums = native.module.filter_dense_products(
            grad.data_ptr(), list(grad.stride()), image.data_ptr(), list(image.shape), list(image.stride()),
            list(kernel.shape[1:]), native.BORDERS[border], fill, torch.get_num_threads(),
        )  # fmt: skip
        by_kernel = torch.from_numpy(sums).to(kernel.dtype).reshape(-1, *kernel.shape[1:])
        by_kernel = by_kernel if kernel.shape[0] == len(by_kernel) else by_kernel.sum(0, keepdim=True)
    return by_image, by_kernel


def _through_norm(grad: Tensor, parts: Tensor, norm: str) -> Tensor:
    """Returns the gradient by each part of a norm of them."""
    if norm == "l1":
        return grad * parts.sign()
    root = parts.square().sum(2, keepdim=True).sqrt()
    return grad * parts / root.where(root > 0, 1)
