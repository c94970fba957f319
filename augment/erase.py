"""Random erasing, or cutout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from visionops.errors import mistake
from visionops.kernels.pixel import Instruction, Op
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.numbers import Size, beside, exp, floor, maximum, minimum, row, sqrt
from visionops.pipeline.steps import Color, Values


class Erase(Color):
    """Paints a random rectangle of the image in one colour.

    Args:
        scale: the rectangle's share of the image's area.
        ratio: its aspect, width over height, drawn uniformly in the logarithm.
        value: the colour in [0, 1], a number or one for each channel. After Normalize it is a normalised colour.
        p: the probability that it runs.

    The rectangle has whole pixels and is cut to the image's size. Masks, boxes and keypoints do not notice it.
    Source: Zhong et al., Random erasing data augmentation (2017), whose ranges are the defaults.
    """

    def __init__(
        self, scale: Any = (0.02, 0.33), ratio: Sequence[float] = (0.3, 3.3), *, value: Any = 0.0, p: float = 1.0
    ) -> None:
        low, high = (float(r) for r in ratio)
        if not 0 < low <= high:
            raise mistake("Erase", "ratio", "positive numbers (low, high)", ratio)
        super().__init__(p=p, share=scale, aspect=(math.log(low), math.log(high)), u=(0.0, 1.0), v=(0.0, 1.0))
        if (bounds := bound_values(self.drawn["share"])) and not 0 <= bounds[0] <= bounds[1] <= 1:
            raise mistake("Erase", "scale", "from 0 to 1", scale)
        self.value = tuple(float(v) for v in np.ravel(value))

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        values = super().sample(uniforms, size)
        h, w = beside(size, values)
        area, aspect = values["share"] * (h * w), exp(values["aspect"])
        across = minimum(floor(sqrt(area * aspect) + 0.5), w)
        down = minimum(floor(sqrt(area / aspect) + 0.5), h)
        across, down = maximum(across, 1), maximum(down, 1)
        x0, y0 = floor(values["u"] * (w - across + 1)), floor(values["v"] * (h - down + 1))
        return {"x0": x0 * 1.0, "y0": y0 * 1.0, "x1": (x0 + across) * 1.0, "y1": (y0 + down) * 1.0}

    def program(self, values: Values, channels: int) -> list[Instruction]:
        colour = self.value * channels if len(self.value) == 1 else self.value
        if len(colour) != channels:
            raise mistake("Erase", "value", f"a number or {channels} of them", self.value)
        return [Instruction(Op.ERASE, row(*(values[k] for k in ("x0", "y0", "x1", "y1")), *colour))]
