"""`blur_recursive`: Gaussian blur at any sigma for the same cost, compiled where it may be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition


def blur_recursive(
    image: Shaped[Tensor, "b c h w"], sigma: Sequence[float], *, border: str = "reflect", fill: float = 0.0
) -> Shaped[Tensor, "b c h w"]:
    """Returns the image convolved with a Gaussian that is off by 7e-6 of its integral along each axis.

    float32 adds about 3e-8 sigma, the rounding of its poles.

    Args:
        image: floating, or uint8 (rounded).
        sigma: in pixels, at least 2; one, or one for each sample.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.

    Gradient: to the image. float16 and bfloat16 compute in float32.
    """
    if image.numel() == 0:
        return image.clone()
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image):
        return cpu.blur(image, sigma, border, fill)
    x = to_unit(image)
    fill = fill / 255 if image.dtype == torch.uint8 else fill
    compiled = x.dtype == torch.float32 and native.may_be_recorded(image)
    run = _blur if compiled else definition.blur_recursive
    return from_unit(run(x, tuple(sigma), border, fill), image.dtype)


_blur = primitive(
    "blur_recursive",
    tensors="Tensor image",
    static="float[] sigma, str border, float fill",
    forward=cpu.blur,
    adjoint=cpu.adjoint,
    define=definition.blur_recursive,
    reads=lambda needs, *_: (False,),
)
