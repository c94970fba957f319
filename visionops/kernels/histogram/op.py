"""Histograms: by C++ where it may, by the definition elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive

from . import definition


def bin_sums(
    image: Float[Tensor, "b c h w"], bins: int, low: float, high: float, taps: int
) -> Shaped[Tensor, "b c bins"]:
    """Returns how many pixels are in each bin: int64 of one tap, else in the image's dtype; see the definition.

    Gradient: of more taps than one, to the image.
    """
    if _is_compiled(image):
        run = _sums if native.may_run(image) else _bin_sums
        return run(image, bins, low, high, taps)
    return definition.bin_sums(image, bins, low, high, taps)


def joint_sums(
    image1: Float[Tensor, "b c h w"],
    image2: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "b c h w"] | None,
    bins: int,
    low: float,
    high: float,
    taps: int,
) -> Shaped[Tensor, "b c bins bins"]:
    """Returns how many pixels are in each pair of bins, of the first image along rows, or what they weigh.

    Weights go with more taps than one.

    Gradient: of more taps than one, to both images and the weight.
    """
    given = [t for t in (image1, image2, weight) if t is not None]
    if _is_compiled(*given):
        run = _pair_sums if native.may_run(*given) else _joint_sums
        return run(image1, image2, weight, bins, low, high, taps)
    return definition.joint_sums(image1, image2, weight, bins, low, high, taps)


def _is_compiled(*images: Tensor) -> bool:
    return all(x.dtype == torch.float32 and x.numel() for x in images) and native.may_be_recorded(*images)


def _sums(image: Tensor, bins: int, low: float, high: float, taps: int) -> Tensor:
    sums = native.module.bin_sums(
        native.describe(image), image.shape[1], bins, low, high, taps, torch.get_num_threads()
    )
    return _result(sums, taps).reshape(*image.shape[:2], bins)


def _pair_sums(
    image1: Tensor, image2: Tensor, weight: Tensor | None, bins: int, low: float, high: float, taps: int
) -> Tensor:
    sums = native.module.joint_sums(
        *_described(image1, image2, weight), image1.shape[1], bins, low, high, taps, torch.get_num_threads()
    )
    return _result(sums, taps).reshape(*image1.shape[:2], bins, bins)


def _result(sums: np.ndarray, taps: int) -> Tensor:
    return torch.from_numpy(sums).to(torch.int64 if taps == 1 else torch.float32)


def _described(*tensors: Tensor | None) -> list[Any]:
    return [None if t is None else native.describe(t) for t in tensors]


def _sums_adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    (image,) = given
    out = torch.empty(image.shape, dtype=torch.float32, device="cpu")
    native.module.bin_sums_adjoint(
        native.host(grad, np.float32), native.describe(image), *fixed, native.addresses(out), torch.get_num_threads()
    )
    return (out,)


def _pair_sums_adjoint(
    grad: Tensor, given: Sequence[Any], output: None, shape: Sequence[int], fixed: Any, needs: Sequence[bool]
) -> Sequence[Tensor | None]:
    out = [native.empty(t.shape, torch.float32) if need else None for t, need in zip(given, needs, strict=True)]
    native.module.joint_sums_adjoint(
        native.host(grad, np.float32), *_described(*given), *fixed,
        *(None if t is None else native.addresses(t) for t in out), torch.get_num_threads(),
    )  # fmt: skip
    return out


def _like_sums(image: Tensor, bins: int, low: float, high: float, taps: int) -> Tensor:
    return image.new_empty((*image.shape[:2], bins), dtype=torch.int64 if taps == 1 else None)


def _like_pair_sums(
    image1: Tensor, image2: Tensor, weight: Tensor | None, bins: int, low: float, high: float, taps: int
) -> Tensor:
    return image1.new_empty((*image1.shape[:2], bins, bins), dtype=torch.int64 if taps == 1 else None)


_bin_sums = primitive(
    "bin_sums",
    tensors="Tensor image",
    static="int bins, float low, float high, int taps",
    forward=_sums,
    adjoint=_sums_adjoint,
    define=definition.bin_sums,
    like=_like_sums,
)

_joint_sums = primitive(
    "joint_sums",
    tensors="Tensor image1, Tensor image2, Tensor? weight",
    static="int bins, float low, float high, int taps",
    forward=_pair_sums,
    adjoint=_pair_sums_adjoint,
    define=definition.joint_sums,
    like=_like_pair_sums,
)
