"""How the time grows with the size of the kernel, from 3 to 101, beside OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import filters, morphology
from visionops.bench.report import Table, spread
from visionops.bench.rounds import Side
from visionops.bench.rounds import measure as take_turns

from .compare import OURS, images_of

SIZES = (3, 5, 9, 15, 25, 41, 65, 101)


@dataclass(frozen=True)
class Curve:
    """A filter by its kernel size.

    Attributes:
        ours: (image, size) -> image.
        opencv: (cv2, image, size) -> image, None where it has none.
        form: dtype of the images.
    """

    ours: Callable[[Tensor, int], Any]
    opencv: Callable[[Any, Any, int], Any] | None
    form: str = "float32"


def _sigma(size: int) -> float:
    return size / 6


CURVES = {
    "box": Curve(lambda x, k: filters.box_blur(x, kernel_size=k), lambda cv, a, k: cv.blur(a, (k, k))),
    "gaussian, exact": Curve(
        lambda x, k: filters.gaussian_blur(x, sigma=_sigma(k), kernel_size=k),
        lambda cv, a, k: cv.GaussianBlur(a, (k, k), _sigma(k)),
    ),
    "gaussian, fast": Curve(lambda x, k: filters.gaussian_blur(x, sigma=_sigma(k), method="fast"), None),
    "median, float32": Curve(lambda x, k: filters.median_blur(x, kernel_size=k), None),
    "median, uint8": Curve(
        lambda x, k: filters.median_blur(x, kernel_size=k), lambda cv, a, k: cv.medianBlur(a, k), "uint8"
    ),
    "erosion by a box": Curve(
        lambda x, k: morphology.erosion(x, kernel_size=k), lambda cv, a, k: cv.erode(a, np.ones((k, k), np.uint8))
    ),
}


def measure(
    levels: Tensor, cv: Any, *, sizes: tuple[int, ...], rounds: int, seconds: float, advance: Callable[[], None]
) -> dict[str, Any]:
    """Returns {curve: {side: {size: nanoseconds a pixel and channel}}}; a side that raises has "fails"."""
    found: dict[str, Any] = {}
    for name, curve in CURVES.items():
        x = levels if curve.form == "uint8" else levels.float() / 255
        images = images_of(x)
        mine: dict[str, Any] = {}
        for size in sizes:
            works: dict[str, Callable[[], Any]] = {OURS: partial(curve.ours, x, size)}
            if cv is not None and curve.opencv is not None:
                works["OpenCV"] = partial(_loop, partial(curve.opencv, cv), images, size)
            sides = []
            for side, work in works.items():
                try:
                    work()
                except Exception as error:  # told in the table
                    mine.setdefault(side, {})["fails"] = type(error).__name__
                    continue
                sides.append(Side(side, curve.form, _pixels(work, x.numel())))
            with torch.no_grad():
                rates = take_turns(sides, rounds=rounds, seconds=seconds / rounds) if sides else []
            for one, rate in zip(sides, rates, strict=True):
                times = (1e9 / np.array(rate)).tolist()
                mine.setdefault(one.name, {})[str(size)] = {"nanoseconds": times, **spread(times)}
            advance()
        found[name] = mine
    return found


def _loop(call: Callable[[Any, int], Any], images: list[Any], size: int) -> list[Any]:
    return [call(image, size) for image in images]


def _pixels(work: Callable[[], Any], count: int) -> Callable[[], int]:
    def run() -> int:
        work()
        return count

    return run


def table(found: dict[str, Any], shape: list[int]) -> Table:
    """Returns the curves as a table: a row a side, a column a size."""
    sizes = list(dict.fromkeys(size for sides in found.values() for one in sides.values() for size in one))
    sizes = [size for size in sizes if size != "fails"]
    rows = []
    for name, sides in found.items():
        for k, (side, one) in enumerate(sides.items()):
            cells = [f"{one[s]['median']:.2f}" if s in one else one.get("fails", "-") for s in sizes]
            grows = one[sizes[-1]]["median"] / one[sizes[0]]["median"] if sizes[-1] in one and sizes[0] in one else None
            rows.append(["" if k else name, side, *cells, "-" if grows is None else f"{grows:.1f}x"])
    title = f"Nanoseconds a pixel and channel by kernel size, {'x'.join(map(str, shape))}"
    notes = ["Medians of rounds in which the sides take turns. Gaussians have a sigma of a sixth of the size."]
    return Table(title, ["filter", "side", *sizes, "last by first"], rows, notes, labels=2)
