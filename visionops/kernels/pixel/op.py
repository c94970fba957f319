"""`pixel`: runs a pixel program on images, by the compiled sweep where it may and by the definition elsewhere."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.warp import cpu
from visionops.kernels.warp.autograd import sweep
from visionops.kernels.warp.spec import Spec

from . import definition
from .program import Program, encode, encode_tensors, tensors_of
from .units import from_unit, to_unit


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
    given = (image, *tensors_of(program))
    kinds = {dtype, image.dtype}
    b, c, h, w = image.shape
    spec = Spec((h, w), "nearest", "replicate", (0.0,) * c, (), dtype)
    if kinds <= native.SWEEP_DTYPES.keys() and native.may_run(*given):
        return cpu.sweep(image, None, None, None, None, encode(program, b), spec, out)
    by_triton = kinds <= native.TRITON_DTYPES and native.triton_may_run(*given)
    if by_triton or (kinds <= native.SWEEP_DTYPES.keys() and image.numel() and native.may_be_recorded(*given)):
        codes, params, layout = encode_tensors(program, image.device)
        return sweep(image, None, None, params, None, None, codes, spec._replace(program=layout))
    result = from_unit(definition.pixel(to_unit(image), program), dtype)
    return result if out is None else out.copy_(result)
