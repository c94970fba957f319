"""Crops. A crop keeps what it cut away hidden: a later rotation shows fill there, not the source."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from visionops.errors import mistake
from visionops.pipeline.distributions import bound_values, uniforms_like
from visionops.pipeline.matrix import Matrix, translation
from visionops.pipeline.numbers import Size, beside, every, exp, floor, maximum, minimum, sqrt, where
from visionops.pipeline.steps import Geometric, Values

# As many proposals as torchvision makes before it takes the central crop.
TRIES = 10


class _Window(Geometric):
    """Shows a rectangle (left, top, right, bottom of pixel edges) of its input at a size."""

    fixed_size: tuple[int, int]

    def window(self, values: Values, size: Size) -> tuple[Any, Any, Any, Any]:
        raise NotImplementedError

    def output_size(self, values: Values, size: Size) -> Size:
        return self.fixed_size

    def matrix(self, values: Values, size: Size) -> Matrix:
        x0, y0, x1, y1 = self.window(values, size)
        h, w = self.fixed_size
        sx, sy = w / (x1 - x0), h / (y1 - y0)
        return (sx, 0.0, (0.5 - x0) * sx - 0.5, 0.0, sy, (0.5 - y0) * sy - 0.5)

    def domain(self, values: Values, size: Size) -> tuple[Any, Any, Any, Any]:
        x0, y0, x1, y1 = self.window(values, size)
        return maximum(x0, 0), maximum(y0, 0), minimum(x1, size[1]), minimum(y1, size[0])


class RandomResizedCrop(_Window):
    """Resizes a random part of the image, of random area and aspect, to one size.

    Args:
        size: (height, width) of the output; an int is both.
        scale: the part's share of the image's area.
        ratio: the part's aspect, width over height, drawn uniformly in the logarithm.
        p: the probability that it runs; where it does not, the image keeps its size.

    The part is not rounded to whole pixels, so that a learned bound gets a gradient. If ten proposals do not fit the
    image, the largest central part of a permitted aspect is taken.
    Source: the defaults and the proposals are torchvision's; Szegedy et al., Going deeper with convolutions (2015).
    """

    def __init__(
        self, size: int | Sequence[int], scale: Any = (0.08, 1.0), ratio: Any = (3 / 4, 4 / 3), *, p: float = 1.0
    ) -> None:
        super().__init__(p=p, scale=scale)
        if (bounds := bound_values(self.drawn["scale"])) and bounds[0] <= 0:
            raise mistake("RandomResizedCrop", "scale", "above 0", scale)
        self.fixed_size = check_size("RandomResizedCrop", size)
        self.low, self.high = _positive_range("ratio", ratio)

    @property
    def draws(self) -> int:
        return TRIES * (self.drawn["scale"].draws + 1) + 2

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        scale = self.drawn["scale"]
        if self.is_learnable:
            uniforms = uniforms_like([scale], uniforms)
        h, w = beside(size, {"u": uniforms[0]})
        done: Any = False
        width: Any = None
        height: Any = None
        each = scale.draws + 1
        low, high = math.log(self.low), math.log(self.high)
        for i in range(TRIES):
            mine = uniforms[2 + i * each : 2 + (i + 1) * each]
            area = scale.draw(mine[1:]) * (h * w)
            ratio = exp(low + (high - low) * mine[0])
            across, down = sqrt(area * ratio), sqrt(area / ratio)
            fits = (across <= w) & (down <= h)
            width = across if width is None else where(done, width, across)
            height = down if height is None else where(done, height, down)
            done = fits | done
            if every(done):
                break
        else:
            aspect = w / h
            aspect = minimum(maximum(aspect, self.low), self.high)
            width, height = where(done, width, minimum(w, h * aspect)), where(done, height, minimum(h, w / aspect))
        # The fallback is central: it ignores the position's draw.
        u, v = where(done, uniforms[0], 0.5), where(done, uniforms[1], 0.5)
        return {"left": u * (w - width), "top": v * (h - height), "width": width, "height": height}

    def window(self, values: Values, size: Size) -> tuple[Any, Any, Any, Any]:
        left, top = values["left"], values["top"]
        return left, top, left + values["width"], top + values["height"]


class RandomCrop(_Window):
    """Cuts out a random window of whole pixels.

    Args:
        size: (height, width) of the window; an int is both. Where the image is smaller, it lies in the middle and
            the rest is fill.
        fill: None takes the pipeline's.
        p: the probability that it runs.
    """

    def __init__(self, size: int | Sequence[int], *, fill: Any = None, p: float = 1.0) -> None:
        super().__init__(p=p, fill=fill, u=(0.0, 1.0), v=(0.0, 1.0))
        self.fixed_size = check_size("RandomCrop", size)

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        return {
            "left": _place(uniforms[0], size[1], self.fixed_size[1]),
            "top": _place(uniforms[1], size[0], self.fixed_size[0]),
        }

    def window(self, values: Values, size: Size) -> tuple[Any, Any, Any, Any]:
        left, top = values["left"], values["top"]
        return left, top, left + self.fixed_size[1], top + self.fixed_size[0]

    def matrix(self, values: Values, size: Size) -> Matrix:
        return translation(-values["left"], -values["top"])


class CenterCrop(RandomCrop):
    """Cuts out the central window of whole pixels.

    Args:
        size: (height, width) of the window; an int is both. Where the image is smaller, the rest is fill.
        fill: None takes the pipeline's.
        p: the probability that it runs.
    """

    def __init__(self, size: int | Sequence[int], *, fill: Any = None, p: float = 1.0) -> None:
        super().__init__(size, fill=fill, p=p)

    @property
    def draws(self) -> int:
        return 0

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        return super().sample((0.5, 0.5), size)


class Crop(RandomCrop):
    """Cuts out a given window of whole pixels.

    Args:
        box: (x0, y0, x1, y1) in pixel edges, the last two exclusive. What lies outside the image is fill.
        fill: None takes the pipeline's.
        p: the probability that it runs.
    """

    def __init__(self, box: Sequence[int], *, fill: Any = None, p: float = 1.0) -> None:
        values = list(box) if isinstance(box, list | tuple) else []
        whole = len(values) == 4 and all(isinstance(v, int) for v in values)
        if not whole or values[2] <= values[0] or values[3] <= values[1]:
            raise mistake("Crop", "box", "whole pixels (x0, y0, x1, y1) with x1 > x0 and y1 > y0", box)
        super().__init__((values[3] - values[1], values[2] - values[0]), fill=fill, p=p)
        self.left, self.top = float(values[0]), float(values[1])

    @property
    def draws(self) -> int:
        return 0

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        return {"left": self.left, "top": self.top}


def _place(uniform: Any, n: Any, window: int) -> Any:
    """Returns a whole offset at which a window lies inside n pixels, or n in the middle of the window."""
    room = n - window
    return where(room < 0, floor(room / 2), floor(uniform * (room + 1))) * 1.0


def check_size(function: str, size: Any) -> tuple[int, int]:
    """Returns (height, width) for an int or a pair of ints."""
    whole = isinstance(size, numbers.Integral)
    pair = (size, size) if whole else tuple(size) if isinstance(size, list | tuple) else ()
    if len(pair) != 2 or any(not isinstance(n, numbers.Integral) or isinstance(n, bool) or n < 1 for n in pair):
        raise mistake(function, "size", "a positive int or (height, width)", repr(size))
    return int(pair[0]), int(pair[1])


def _positive_range(name: str, value: Any) -> tuple[float, float]:
    if isinstance(value, int | float):
        value = (value, value)
    numbers = isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value)
    if not numbers or len(value) != 2 or not 0 < value[0] <= value[1]:
        raise mistake("RandomResizedCrop", name, "positive numbers (low, high)", value)
    return float(value[0]), float(value[1])
