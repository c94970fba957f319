"""Two images pixel by pixel: by C++ where it may, in plain torch elsewhere."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

INF = float("inf")


def blend(
    first: Shaped[Tensor, "b c h w"],
    second: Shaped[Tensor, "b c h w"],
    weights: tuple[float | Tensor, float | Tensor, float | Tensor],
    *,
    low: float = -INF,
    high: float = INF,
) -> Shaped[Tensor, "b c h w"]:
    """Returns ``clamp(alpha first + beta second + gamma, low, high)``; of uint8 rounded and saturating.

    Args:
        first: floating or uint8.
        second: of the same shape and dtype.
        weights: alpha, beta and gamma: numbers, or one for each sample, (b,).

    Gradient: to the images and the weights. Halves compute in float32.
    """
    given = [w for w in weights if isinstance(w, Tensor)]
    if _is_compiled(first, second) and native.may_run(first, second, *given):
        rows = torch.stack(torch.broadcast_tensors(*(torch.as_tensor(w).float().reshape(-1) for w in weights)), 1)
        out = torch.empty(first.shape, dtype=first.dtype, device="cpu")
        native.module.blend(
            native.describe(first), native.describe(second), first.shape[1], native.SWEEP_DTYPES[first.dtype],
            native.host(rows, np.float32), low, high, native.addresses(out), torch.get_num_threads(),
        )  # fmt: skip
        return out
    wide = first.dtype if first.dtype == torch.float64 else torch.float32
    a, b, c = (w.to(wide).reshape(-1, 1, 1, 1) if isinstance(w, Tensor) else w for w in weights)
    total = first.to(wide) * a + second.to(wide) * b
    if isinstance(c, Tensor) or c != 0:
        total = total + c
    if first.dtype == torch.uint8:
        return total.round().clamp(0, 255).to(torch.uint8)
    return (total if (low, high) == (-INF, INF) else total.clamp(low, high)).to(first.dtype)


def where_above(
    first: Shaped[Tensor, "b c h w"], second: Shaped[Tensor, "b c h w"], offset: float, yes: float, no: float
) -> Shaped[Tensor, "b c h w"]:
    """Returns `yes` where the first image is above the second less an offset, `no` elsewhere, in their dtype.

    Args:
        first: floating or uint8.
        second: of the same shape and dtype.
        offset: of uint8 an integer.

    Gradient: none.
    """
    if _is_compiled(first, second) and native.may_run(first, second):
        out = torch.empty(first.shape, dtype=first.dtype, device="cpu")
        native.module.where_above(
            native.describe(first), native.describe(second), first.shape[1], native.SWEEP_DTYPES[first.dtype],
            offset, yes, no, native.addresses(out), torch.get_num_threads(),
        )  # fmt: skip
        return out
    a, b = (first.short(), second.short()) if first.dtype == torch.uint8 else (first, second)
    return torch.where(a > b - offset, yes, no).to(first.dtype)


def _is_compiled(first: Tensor, second: Tensor) -> bool:
    return first.dtype == second.dtype and first.dtype in native.SWEEP_DTYPES and first.numel() > 0
