"""`resample`: resampling with a table of taps for each axis, compiled where it may."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

from . import cpu, definition
from .autograd import recorded
from .tables import moves


def resample(
    image: Shaped[Tensor, "b c h w"], size: tuple[int, int], kind_y: str, kind_x: str
) -> Shaped[Tensor, "b c oh ow"]:
    """Returns images at another size.

    Args:
        image: floating or uint8 (rounded, ties up, and saturating); of any dtype where both kinds move pixels only.
        size: (height, width) of the output, positive.
        kind_y: how rows are made of rows, as `tables` names them; "same" leaves them.
        kind_x: how columns are made of columns.

    Gradient: to the image, of which nothing is kept. float16 and bfloat16 compute in float32.
    """
    if kind_y == kind_x == "same":
        return image.clone()
    if image.numel() == 0:
        return image.new_empty((*image.shape[:2], *size))
    if image.dtype in native.SWEEP_DTYPES:
        if native.may_run(image):
            return cpu.resample(image, kind_y, kind_x, size)
        if image.dtype == torch.float32 and native.may_be_recorded(image):
            return recorded(image, kind_y, kind_x, tuple(size))
    if image.dtype in (torch.float16, torch.bfloat16):
        return resample(image.float(), size, kind_y, kind_x).to(image.dtype)
    if moves(kind_y) and moves(kind_x):
        return definition.resample(image, kind_y, kind_x, size)
    if image.dtype == torch.uint8:
        return definition.to_bytes(definition.resample(image.float(), kind_y, kind_x, size))
    return definition.resample(image, kind_y, kind_x, size)
