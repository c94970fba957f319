"""Functions of single colours: gamma, logarithm, sigmoid, inversion, solarisation and quantisation.

Floats are read in [0, 1]; uint8 is looked up in a table of 256 levels.
"""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image
from visionops.errors import refuse
from visionops.kernels import native
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

from .pointwise import Number, each_value, number, parameters, rows_of, units


def adjust_gamma(
    image: Shaped[Tensor, "*batch c h w"], gamma: Number, *, gain: Number = 1.0
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns gain x^gamma, clamped to [0, 1].

    Args:
        image: floating in [0, 1] (below 0 counts as 0), or uint8 (rounded).
        gamma: at least 0; above 1 darkens. A number, or one for each sample, (*batch).
        gain: a factor, likewise.

    Raises:
        ValueError: for a negative gamma.

    Gradient: to the image, gamma and gain; at 0 it is 0, where that of x^gamma is infinite for gamma below 1.
    Source: torchvision adjust_gamma, scikit-image adjust_gamma.

    >>> adjust_gamma(torch.full((1, 1, 1), 0.5), 2.0).item()
    0.25
    """
    check_image("adjust_gamma", image)
    power = number("adjust_gamma", "gamma", gamma, image, low=0)
    factor = number("adjust_gamma", "gain", gain, image)
    program = [Instruction(Op.GAMMA, parameters(power, factor))]
    return each_value(image, lambda x: pixel(x, program), samples=rows_of(power, factor))


def adjust_log(
    image: Shaped[Tensor, "*batch c h w"], *, gain: Number = 1.0, inverse: bool = False
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns gain log2(1 + x), or gain (2^x - 1), clamped to [0, 1].

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        gain: a factor; a number, or one for each sample, (*batch).
        inverse: whether to take the second formula.

    Gradient: to the image and to the gain; 0 where the image or the result is clamped.
    Source: scikit-image adjust_log, which does not clamp the result.

    >>> adjust_log(torch.full((1, 1, 1), 1.0)).item()
    1.0
    """
    check_image("adjust_log", image)
    factor = number("adjust_log", "gain", gain, image)

    def curve(x: Tensor) -> Tensor:
        x = x.clamp(0, 1)
        return torch.exp2(x) - 1 if inverse else torch.log2(1 + x)

    return each_value(image, lambda x: _times(x, curve(to_unit(x)), factor), samples=rows_of(factor))


def adjust_sigmoid(
    image: Shaped[Tensor, "*batch c h w"], *, cutoff: Number = 0.5, gain: Number = 10.0, inverse: bool = False
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns 1 / (1 + exp(gain (cutoff - x))), an S-shaped curve that raises contrast.

    Args:
        image: floating in [0, 1], or uint8 (rounded).
        cutoff: the colour that becomes 1/2, in [0, 1]; a number, or one for each sample, (*batch).
        gain: how steep it is; likewise.
        inverse: whether to return 1 minus that.

    Gradient: to the image, cutoff and gain.
    Source: scikit-image adjust_sigmoid.

    >>> adjust_sigmoid(torch.full((1, 1, 1), 0.5)).item()
    0.5
    """
    check_image("adjust_sigmoid", image)
    middle = number("adjust_sigmoid", "cutoff", cutoff, image)
    slope = number("adjust_sigmoid", "gain", gain, image)

    def curve(x: Tensor) -> Tensor:
        given, x = x, to_unit(x)
        y = torch.sigmoid(_column(slope, x) * (x - _column(middle, x)))
        return from_unit(1 - y if inverse else y, given.dtype)

    return each_value(image, curve, samples=rows_of(middle, slope))


def _times(given: Tensor, x: Tensor, factor: float | Tensor) -> Tensor:
    """Returns colours x in [0, 1] times a factor, in the dtype of what was given."""
    if isinstance(factor, float) and factor == 1:
        return from_unit(x, given.dtype)
    return from_unit((_column(factor, x) * x).clamp(0, 1), given.dtype)


def _column(value: float | Tensor, like: Tensor) -> float | Tensor:
    return value.to(like.dtype).reshape(-1, 1, 1, 1) if isinstance(value, Tensor) else value


def invert(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns 1 - x, or 255 - x of uint8.

    Args:
        image: floating or uint8.

    Gradient: to the image.

    >>> invert(torch.tensor([[[0, 255, 3]]], dtype=torch.uint8)).flatten().tolist()
    [255, 0, 252]
    """
    check_image("invert", image)
    return (255 if image.dtype == torch.uint8 else 1) - image


def solarize(
    image: Shaped[Tensor, "*batch c h w"], threshold: Number | None = None
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with the colours that reach a threshold inverted.

    Args:
        image: floating in [0, 1], or uint8.
        threshold: in the units of the image; None is half, 0.5 or 128. A number, or one for each sample, (*batch).

    Gradient: to the image, -1 where it is inverted; none to the threshold, at which the result jumps.
    Source: torchvision solarize, Pillow ImageOps.solarize.

    >>> solarize(torch.tensor([[[0.25, 0.5, 0.75]]])).flatten().tolist()
    [0.25, 0.5, 0.25]
    """
    check_image("solarize", image)
    limit = 0.5 if threshold is None else number("solarize", "threshold", threshold, image)
    if threshold is not None:
        limit = limit / units(image)
    # A level as a float32 fraction may lie a rounding below the threshold's.
    limit = limit - 1e-6 if image.dtype == torch.uint8 else limit
    program = [Instruction(Op.SOLARIZE, parameters(limit))]
    return each_value(image, lambda x: pixel(x, program), samples=rows_of(limit))


def posterize(image: Shaped[Tensor, "*batch c h w"], bits: Number) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image with only the highest bits of each 8-bit colour kept; floats are read as rint(255 x).

    Args:
        image: floating in [0, 1], or uint8.
        bits: how many to keep, 0 to 8. A number, or one for each sample, (*batch); a tensor's are rounded and clamped.

    Raises:
        ValueError: for a number that is no integer from 0 to 8.

    Gradient: to the image straight through, as if it were only clamped to [0, 1]; none to the bits.
    Source: Pillow ImageOps.posterize.

    >>> posterize(torch.tensor([[[255, 100, 3]]], dtype=torch.uint8), 2).flatten().tolist()
    [192, 64, 0]
    """
    check_image("posterize", image)
    kept = number("posterize", "bits", bits, image)
    if isinstance(kept, float) and kept not in range(9):
        raise refuse("posterize", "bits", "an integer from 0 to 8", bits)
    if isinstance(kept, float) and image.dtype == torch.uint8:
        return image & (256 - 2 ** (8 - int(kept)))
    level = torch.arange(256, device=image.device)
    step = 2 ** (8 - torch.as_tensor(kept, device=image.device).round().clamp(0, 8).long().reshape(-1, 1))
    table = (level // step * step / 255).to(torch.float64 if image.dtype == torch.float64 else torch.float32)
    result = each_value(image, lambda x: pixel(x, [Instruction(Op.LUT, table)]), samples=len(table))
    if image.dtype == torch.uint8 or native.may_run(image):
        return result
    inside = image.clamp(0, 1)
    return result.detach() + (inside - inside.detach())


AdjustGamma = as_module(adjust_gamma)
AdjustLog = as_module(adjust_log)
AdjustSigmoid = as_module(adjust_sigmoid)
Invert = as_module(invert)
Solarize = as_module(solarize)
Posterize = as_module(posterize)
