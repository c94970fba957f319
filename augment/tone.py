"""Colour steps without a random order: gamma, grey, inversion, quantisation, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels.pixel import Instruction, Op
from visionops.kernels.pixel.program import INF, LUMA
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.numbers import floor, row
from visionops.pipeline.steps import Color, Values


class Gamma(Color):
    """Raises colours to a power: above 1 darkens, below 1 brightens.

    Args:
        gamma: the power, at least 0.
        p: the probability that it runs.

    Gradient: to the image and to gamma; 0 where a colour is 0.
    """

    def __init__(self, gamma: Any = (0.7, 1.5), *, p: float = 1.0) -> None:
        super().__init__(p=p, gamma=gamma)
        if (bounds := bound_values(self.drawn["gamma"])) and bounds[0] < 0:
            raise mistake("Gamma", "gamma", "at least 0", gamma)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        return [Instruction(Op.GAMMA, row(values["gamma"], 1.0))]


class Grayscale(Color):
    """Replaces colours by their luma, 0.299 R + 0.587 G + 0.114 B, in all three channels. One channel stays.

    Args:
        p: the probability that it runs.
    """

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        check_channels("Grayscale", channels)
        return [] if channels == 1 else [Instruction(Op.MATRIX, (*LUMA, 0.0) * 3 + (-INF, INF))]


class Invert(Color):
    """Replaces a colour x by 1 - x.

    Args:
        p: the probability that it runs.
    """

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        return [Instruction(Op.SCALE, (-1.0,) * channels + (1.0,) * channels + (-INF, INF))]


class Solarize(Color):
    """Inverts colours that reach a threshold.

    Args:
        threshold: in [0, 1].
        p: the probability that it runs.

    Gradient: to the image; none to the threshold.
    """

    def __init__(self, threshold: Any = 0.5, *, p: float = 1.0) -> None:
        super().__init__(p=p, threshold=threshold)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        return [Instruction(Op.SOLARIZE, row(values["threshold"]))]


class Posterize(Color):
    """Keeps only the highest bits of each 8-bit colour; floats are read as rint(255 x).

    Args:
        bits: how many to keep, 1 to 8.
        p: the probability that it runs.

    Gradient: none, the result is piecewise constant.
    """

    def __init__(self, bits: Any = 4, *, p: float = 1.0) -> None:
        super().__init__(p=p, bits=bits)
        if (bounds := bound_values(self.drawn["bits"])) and not 1 <= bounds[0] <= bounds[1] <= 8:
            raise mistake("Posterize", "bits", "from 1 to 8", bits)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        bits = floor(values["bits"] + 0.5)
        if isinstance(bits, Tensor):
            grey = torch.arange(256, dtype=bits.dtype, device=bits.device)
            return [Instruction(Op.LUT, _quantise(grey, 2 ** (8 - torch.atleast_1d(bits.detach())[:, None])))]
        step = 2.0 ** (8 - np.atleast_1d(bits)[:, None])
        return [Instruction(Op.LUT, _quantise(np.arange(256.0), step).astype(np.float32))]


def _quantise(grey: Any, step: Any) -> Any:
    return grey // step * step / 255


class Normalize(Color):
    """Subtracts a mean and divides by a standard deviation, by channel. The result is floating.

    Args:
        mean: a number, or one for each channel, colours being in [0, 1].
        std: likewise, above 0.

    >>> import torch, visionops as vo
    >>> vo.Pipeline(Normalize(0.5, 0.25))(torch.full((1, 1, 1), 255, dtype=torch.uint8)).item()
    2.0
    """

    to_float = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        super().__init__()
        try:
            self.mean, self.std = (tuple(float(v) for v in np.ravel(np.asarray(a))) for a in (mean, std))
        except (TypeError, ValueError):
            raise mistake("Normalize", "mean and std", "numbers", (mean, std)) from None
        if not np.isfinite(self.mean).all() or not np.isfinite(self.std).all() or min(self.std, default=0) <= 0:
            raise mistake("Normalize", "std", "finite numbers above 0", std)

    def program(self, values: Values, channels: int) -> list[Instruction]:
        scale, shift = [], []
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, channels):
                raise mistake(
                    "Normalize", name, f"a number or {channels} of them, one for each channel", getattr(self, name)
                )
        for i in range(channels):
            mean, std = (v[0] if len(v) == 1 else v[i] for v in (self.mean, self.std))
            scale.append(1 / std)
            shift.append(-mean / std)
        return [Instruction(Op.SCALE, (*scale, *shift, -INF, INF))]

    def describe(self) -> str:
        return "normalise"


class ToFloat(Color):
    """Makes the result floating: uint8 becomes float32 in [0, 1]."""

    to_float = True

    def __init__(self) -> None:
        super().__init__()

    def program(self, values: Values, channels: int) -> list[Instruction]:
        return []


def check_channels(function: str, channels: int) -> None:
    """Raises unless an image has one channel or three."""
    if channels not in (1, 3):
        raise mistake(function, "image", "of 1 or 3 channels", channels, "Split off alpha or further bands first.")
