"""`filter_box`: means over windows, compiled where they may be."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import primitive
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition


def filter_box(
    image: Shaped[Tensor, "b c h w"], height: int, width: int, *, border: str = "reflect", fill: float = 0.0
) -> Shaped[Tensor, "b c h w"]:
    """Returns the mean over a window around each pixel.

    Args:
        image: floating, or uint8 (rounded).
        height: of the window, whose middle is at half of it, rounded down.
        width: likewise.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.

    Gradient: to the image. float16 and bfloat16 compute in float32.
    """
    if image.numel() == 0:
        return image.clone()
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image):
        return cpu.box(image, height, width, border, fill)
    x = to_unit(image)
    fill = fill / 255 if image.dtype == torch.uint8 else fill
    compiled = x.dtype == torch.float32 and native.may_be_recorded(image)
    run = _box if compiled else definition.filter_box
    return from_unit(run(x, height, width, border, fill), image.dtype)


_box = primitive(
    "filter_box",
    tensors="Tensor image",
    static="int height, int width, str border, float fill",
    forward=cpu.box,
    adjoint=cpu.adjoint,
    define=definition.filter_box,
    reads=lambda needs, *_: (False,),
)
