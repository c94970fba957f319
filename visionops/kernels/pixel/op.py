"""`pixel`: runs a pixel program on images, by the compiled sweep where it may and by the definition elsewhere."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

from . import definition
from .program import Program, tensors_of


def pixel(
    image: Shaped[Tensor, "b c h w"], program: Program, *, dtype: torch.dtype | None = None, out: Tensor | None = None
) -> Shaped[Tensor, "b c h w"]:
    """Returns the images after a pixel program.

    Args:
        image: floating, nominally in [0, 1], or uint8 (read as a fraction of 255).
        program: see `visionops.kernels.pixel.program`.
        dtype: of the result; None keeps the image's. uint8 is rounded and saturates.
        out: a contiguous tensor to write into, outside autograd only.

    Gradient: to the image and to every parameter that is a tensor; at a clamp's bounds 1, at kinks of the hue a
    subgradient. float16 and bfloat16 compute in float32.
    """
    dtype = dtype or image.dtype
    if (
        dtype in native.SWEEP_DTYPES
        and image.dtype in native.SWEEP_DTYPES
        and native.may_run(image, *tensors_of(program))
    ):
        if out is None:
            out = torch.empty(image.shape, dtype=dtype)
        native.module.sweep(
            native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype], None, None, None, None, None,
            0, 0, None, *encode(program, image.shape[0]), native.addresses(out), native.SWEEP_DTYPES[dtype],
            image.shape[2], image.shape[3], torch.get_num_threads(),
        )  # fmt: skip
        return out
    result = from_unit(definition.pixel(to_unit(image), program), dtype)
    return result if out is None else out.copy_(result)


def to_unit(image: Tensor) -> Tensor:
    """Returns the image as floats to compute with: integers as a fraction of their maximum, halves in float32."""
    if image.dtype == torch.uint8:
        return image.float() / 255
    return image if image.dtype == torch.float64 else image.float()


def from_unit(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns floats as the dtype; uint8 is rounded and saturates."""
    if dtype == torch.uint8:
        return (image * 255).round().clamp(0, 255).to(torch.uint8)
    return image.to(dtype)


def encode(program: Program, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the program as the sweep reads it: codes (batch, n), start of each step's parameters (n), parameters."""
    if batch == 1 and all(type(step.params) is tuple for step in program):
        flat: list[float] = []
        firsts = []
        for step in program:
            firsts.append(len(flat))
            flat += step.params  # type: ignore[arg-type]
        codes = np.array([[step.codes for step in program]], np.int32).reshape(1, -1)
        return codes, np.array(firsts, np.int32), np.array([flat], np.float32)
    codes = np.empty((batch, len(program)), np.int32)
    parts = []
    for i, step in enumerate(program):
        codes[:, i] = step.codes
        parts.append(step.params if isinstance(step.params, tuple) else native.host(step.params, np.float32))
    widths = [len(part) if isinstance(part, tuple) else part.shape[1] for part in parts]
    starts = np.array([0, *widths], np.int32).cumsum(dtype=np.int32)
    params = np.empty((batch, int(starts[-1])), np.float32)
    for part, start, width in zip(parts, starts.tolist(), widths, strict=False):
        params[:, start : start + width] = part
    return codes, starts[:-1], params
