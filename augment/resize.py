"""Resize and pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from visionops.errors import mistake
from visionops.pipeline.matrix import Matrix, translation
from visionops.pipeline.numbers import Size, floor, maximum, minimum
from visionops.pipeline.steps import Geometric, Values

from .crop import check_size


class Resize(Geometric):
    """Resizes the image, with the half-pixel convention of OpenCV, Pillow and torch.

    Args:
        size: (height, width), or the length of one side in pixels, which keeps the aspect.
        side: which side an int means.
        p: the probability that it runs.

    Merged with its neighbours: Resize(64), Resize(512) costs no detail. Put Rasterize between to lose it.
    """

    fits = True

    def __init__(
        self, size: int | Sequence[int], *, side: Literal["shortest", "longest"] = "shortest", p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        pair = check_size("Resize", size)
        if side not in ("shortest", "longest"):
            raise mistake("Resize", "side", "'shortest' or 'longest'", repr(side))
        self.side = None if isinstance(size, list | tuple) else side
        self.length = pair[0]
        self.fixed_size = None if not isinstance(size, list | tuple) else pair

    def output_size(self, values: Values, size: Size) -> Size:
        if self.fixed_size is not None:
            return self.fixed_size
        h, w = size
        base = minimum(h, w) if self.side == "shortest" else maximum(h, w)
        return _rounded(h * self.length / base), _rounded(w * self.length / base)

    def matrix(self, values: Values, size: Size) -> Matrix:
        h, w = self.output_size(values, size)
        sx, sy = w / size[1], h / size[0]
        return (sx, 0.0, 0.5 * sx - 0.5, 0.0, sy, 0.5 * sy - 0.5)


class Pad(Geometric):
    """Adds pixels around the image.

    Args:
        padding: pixels on every side, (horizontal, vertical), or (left, top, right, bottom).
        border: "constant" adds fill; "reflect" (without repeating the edge), "replicate" or "circular" continue the
            image.
        fill: None takes the pipeline's.
        p: the probability that it runs.
    """

    def __init__(
        self,
        padding: int | Sequence[int],
        *,
        border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
        fill: Any = None,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p, border=border, fill=fill)
        sides = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        sides = sides * 2 if len(sides) == 2 else sides
        if len(sides) != 4 or any(not isinstance(n, int) or n < 0 for n in sides):
            raise mistake("Pad", "padding", "whole pixels: one, (x, y) or (left, top, right, bottom)", padding)
        self.left, self.top, self.right, self.bottom = sides

    def output_size(self, values: Values, size: Size) -> Size:
        return size[0] + self.top + self.bottom, size[1] + self.left + self.right

    def matrix(self, values: Values, size: Size) -> Matrix:
        return translation(float(self.left), float(self.top))


def _rounded(n: Any) -> Any:
    whole = maximum(floor(n + 0.5), 1)
    return int(whole) if isinstance(whole, int | float) else whole.astype(int)
