"""Gaussian noise. What is drawn is a key; the noise of a pixel is a function of the key and its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from visionops.errors import mistake
from visionops.kernels.pixel import Instruction, Op
from visionops.kernels.pixel.program import INF
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.numbers import Size, floor, row
from visionops.pipeline.steps import Color, Values

# A key has 48 bits: exact in a double, and each half exact in a float32.
HALF = float(2**24)


def key_of(uniform: Any) -> Any:
    """Returns a key, a whole number under 2^48, for a uniform in [0, 1)."""
    return floor(uniform * HALF**2) * 1.0


def key_halves(key: Any) -> tuple[Any, Any]:
    """Returns the high and the low 24 bits of a key, as whole numbers."""
    high = floor(key / HALF) * 1.0
    return high, key - high * HALF


class GaussianNoise(Color):
    """Adds normal noise, independent for each pixel and channel.

    Args:
        sigma: standard deviation, colours being in [0, 1].
        clip: whether colours are kept in [0, 1].
        p: the probability that it runs.

    The noise does not depend on batch, device or worker. Gradient: to the image and to sigma.
    """

    def __init__(self, sigma: Any = (0.0, 0.1), *, clip: bool = True, p: float = 1.0) -> None:
        super().__init__(p=p, sigma=sigma, key=(0.0, 1.0))
        if (bounds := bound_values(self.drawn["sigma"])) and bounds[0] < 0:
            raise mistake("GaussianNoise", "sigma", "at least 0", sigma)
        self.bounds = (0.0, 1.0) if clip else (-INF, INF)

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        *first, last = uniforms
        values = super().sample([*first, 0.0], size)
        return {**values, "key": key_of(last)}

    def program(self, values: Values, channels: int) -> list[Instruction]:
        high, low = key_halves(values["key"])
        return [Instruction(Op.NOISE, row(values["sigma"], high, low, *self.bounds))]
