"""The bilateral filter and its adjoint as C++ runs them: tensors in and out, no autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from visionops.kernels import native

Array = np.ndarray | Tensor


def smooth(
    image: Tensor, guide: Tensor | None, sigma_color: Array, sigma_space: Array, size: Sequence[int], border: str
) -> Tensor:
    """Returns the filtered images (b, c, h, w), in their dtype; a guide has the same one."""
    out = torch.empty(image.shape, dtype=image.dtype, device="cpu")
    native.module.bilateral(
        *_described(image, guide, sigma_color, sigma_space, size, border), native.SWEEP_DTYPES[image.dtype],
        native.addresses(out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def adjoint(
    grad: Tensor,
    image: Tensor,
    guide: Tensor | None,
    sigma_color: Tensor,
    sigma_space: Tensor,
    size: Sequence[int],
    border: str,
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradients of float32 images, guide and sigmas, None where not needed."""
    by_image = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    by_guide = None if guide is None else torch.empty(guide.shape, dtype=torch.float32, device="cpu")
    sums = native.module.bilateral_adjoint(
        *_described(image, guide, sigma_color, sigma_space, size, border), native.describe(grad),
        native.addresses(by_image), None if by_guide is None else native.addresses(by_guide), torch.get_num_threads(),
    )  # fmt: skip
    by_sigmas = torch.from_numpy(sums).to(image.dtype).unbind(1)
    rows = (sigma_color.shape[0], sigma_space.shape[0])
    by_sigmas = tuple(g if len(g) == n else g.sum(0, keepdim=True) for g, n in zip(by_sigmas, rows, strict=True))
    return [g if need else None for g, need in zip((by_image, by_guide, *by_sigmas), needs, strict=True)]


def _described(
    image: Tensor, guide: Tensor | None, sigma_color: Array, sigma_space: Array, size: Sequence[int], border: str
) -> tuple[object, ...]:
    return (
        native.describe(image), image.shape[1], None if guide is None else native.describe(guide),
        0 if guide is None else guide.shape[1], native.host(sigma_color, np.float32),
        native.host(sigma_space, np.float32), *size, native.BORDERS[border],
    )  # fmt: skip
