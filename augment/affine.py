"""Rotation and the affine map.

Affine = T(c + t) R Shear S T(-c)        c = ((W - 1) / 2, (H - 1) / 2)
R = [cos a, sin a; -sin a, cos a]        counter-clockwise as seen on the screen, whose y points down
Shear = [1, tan x; tan y, 1]
"""

from __future__ import annotations

import math
from typing import Any, Literal

from visionops.errors import mistake
from visionops.pipeline.distributions import Distribution, bound_values
from visionops.pipeline.matrix import Matrix, centre, product, translation
from visionops.pipeline.numbers import Number, Size, cos, sin, tan
from visionops.pipeline.steps import Geometric, Values

Border = Literal["constant", "reflect", "replicate", "circular"]


class Affine(Geometric):
    """Rotates, shears, scales and shifts the image about its centre, keeping its size.

    Args:
        rotate: degrees, counter-clockwise as seen on the screen.
        translate: pixels, right and down positive. A number or range goes to both axes, each with a draw of its own.
        scale: a factor, above 0. A number or range scales both axes by the same draw.
        shear: degrees, under 90 in size. A number or range shears along x only; positive moves the lower half right.
        border: how the image continues outside, "constant" fill, "reflect", "replicate" or "circular".
        fill: None takes the pipeline's.
        p: the probability that it runs.

    `translate`, `scale` and `shear` by axis: ((xlow, xhigh), (ylow, yhigh)), or a pair of distributions.
    """

    def __init__(
        self,
        rotate: Any = 0.0,
        translate: Any = 0.0,
        scale: Any = 1.0,
        shear: Any = 0.0,
        *,
        border: Border = "constant",
        fill: Any = None,
        p: float = 1.0,
    ) -> None:
        tx, ty = _axes(translate) or (translate, translate)
        sx, sy = _axes(scale) or (scale, None)
        kx, ky = _axes(shear) or (shear, 0.0)
        drawn = {"rotate": rotate, "translate_x": tx, "translate_y": ty, "scale_x": sx, "shear_x": kx, "shear_y": ky}
        if sy is not None:
            drawn["scale_y"] = sy
        super().__init__(p=p, border=border, fill=fill, **drawn)
        for key, distribution in self.drawn.items():
            bounds = bound_values(distribution)
            if key.startswith("scale") and bounds and bounds[0] <= 0:
                raise mistake("Affine", "scale", "above 0", scale)
            if key.startswith("shear") and bounds and max(map(abs, bounds)) >= 90:
                raise mistake("Affine", "shear", "under 90 degrees", shear)

    def matrix(self, values: Values, size: Size) -> Matrix:
        cx, cy = centre(size)
        sx = values["scale_x"]
        sy = values.get("scale_y", sx)
        c, s = _turn(values["rotate"])
        kx, ky = tan(values["shear_x"] * (math.pi / 180)), tan(values["shear_y"] * (math.pi / 180))
        # R Shear S, written out.
        a, b = (c + s * ky) * sx, (c * kx + s) * sy
        d, e = (c * ky - s) * sx, (c - s * kx) * sy
        tx, ty = values["translate_x"], values["translate_y"]
        return (a, b, cx + tx - a * cx - b * cy, d, e, cy + ty - d * cx - e * cy)


class Rotate(Geometric):
    """Rotates the image about its centre, keeping its size.

    Args:
        degrees: counter-clockwise as seen on the screen.
        border: how the image continues outside, "constant" fill, "reflect", "replicate" or "circular".
        fill: None takes the pipeline's.
        p: the probability that it runs.
    """

    def __init__(
        self, degrees: Any = (-180.0, 180.0), *, border: Border = "constant", fill: Any = None, p: float = 1.0
    ) -> None:
        super().__init__(p=p, border=border, fill=fill, degrees=degrees)

    def matrix(self, values: Values, size: Size) -> Matrix:
        x, y = centre(size)
        c, s = _turn(values["degrees"])
        return product(translation(x, y), product((c, s, 0.0, -s, c, 0.0), translation(-x, -y)))


def _turn(degrees: Number) -> tuple[Number, Number]:
    radians = degrees * (math.pi / 180)
    return cos(radians), sin(radians)


def _axes(value: Any) -> tuple[Any, Any] | None:
    """Returns the values of x and y where an argument gives both, as pairs or as distributions."""
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, list | tuple | Distribution) for v in value)
    ):
        return value[0], value[1]
    return None
