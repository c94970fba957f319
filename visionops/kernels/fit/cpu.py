"""Fits and their adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native


def fit(means: Tensor, products: Tensor, eps: Tensor, guides: int) -> Tensor:
    """Returns the coefficients (b, n, h, w) of float32 means."""
    b, k, h, w = means.shape
    out = native.empty((b, coefficients_of(k, guides), h, w), torch.float32)
    means, products = means.contiguous(), products.contiguous()
    native.module.fit(
        native.addresses(means), native.addresses(products), h * w, guides, k - guides, native.host(eps, np.float32),
        native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> list[Tensor | None]:
    """Returns the gradients of means, products and eps, None where not needed."""
    means, products, eps = given
    (guides,) = fixed
    b, k, h, w = means.shape
    by_means, by_products = (native.empty(t.shape, torch.float32) for t in (means, products))
    means, products, grad = means.contiguous(), products.contiguous(), grad.contiguous()
    sums = native.module.fit_adjoint(
        native.addresses(means), native.addresses(products), h * w, guides, k - guides, native.host(eps, np.float32),
        native.addresses(grad), native.addresses(by_means), native.addresses(by_products), torch.get_num_threads(),
    )  # fmt: skip
    by_eps = torch.from_numpy(sums[:, 0]).to(eps.dtype)
    found = (by_means, by_products, by_eps if len(eps) == b else by_eps.sum(0, keepdim=True))
    return [g if need else None for g, need in zip(found, needs, strict=True)]


def coefficients_of(values: int, guides: int) -> int:
    """Returns how many coefficients so many values give, the guide's among them."""
    return (1 + guides) * (values - guides or guides)
