"""`extremum`, the least or largest value over a flat structuring element, and `compound`, what two of them make."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.kernels import native

from . import cpu, definition
from .autograd import selected
from .definition import Result, Runs


def extremum(image: Shaped[Tensor, "b c h w"], runs: Runs, *, largest: bool) -> Shaped[Tensor, "b c h w"]:
    """Returns the least or largest value over an element at each pixel, as `visionops.kernels.morphology.definition`.

    Args:
        image: floating or uint8, without NaN: what lies near one is undefined.
        runs: of the element, in reading order, at least one.
        largest: the largest value, not the least.

    Gradient: to the pixel whose value it is; of equal ones to the first in reading order of the element.
    """
    if image.numel() == 0:
        return image.clone()
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image):
        return cpu.extremum(image, runs, largest)
    if not native.may_be_recorded(image) or image.dtype in (torch.uint8, torch.float64):
        return definition.extremum(image, runs, largest)
    # Halves are exact in float32, and so is what is chosen of them.
    return selected(image.float(), tuple(n for run in runs for n in run), largest).to(image.dtype)


def compound(
    image: Shaped[Tensor, "b c h w"], first: Runs, second: Runs, *, largest: bool, result: Result
) -> Shaped[Tensor, "b c h w"]:
    """Returns what the extremes over two elements make together, in one pass where nothing needs a gradient.

    Args:
        image: as of `extremum`.
        first: as the runs of `extremum`.
        second: likewise, of the other extreme: of the first, or of the image where the first is subtracted.
        largest: whether the first takes the largest value.
        result: what comes back; of uint8, differences saturate.

    Gradient: as that of `extremum`, through both.
    """
    if image.dtype in native.SWEEP_DTYPES and image.numel() and native.may_run(image):
        return cpu.compound(image, first, second, largest, result)
    return definition.compound(
        image,
        lambda x: extremum(x, first, largest=largest),
        lambda x: extremum(x, second, largest=not largest),
        result,
    )
