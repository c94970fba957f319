"""A structuring element as the kernels take it: runs where it is flat and on the host, else heights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import kernel_sizes, per_sample
from visionops.errors import refuse
from visionops.kernels.morphology import extremum
from visionops.kernels.morphology.definition import Runs, soft_extremum, weighted_extremum
from visionops.kernels.pixel.units import from_unit, to_unit

Element = np.ndarray | Tensor


@dataclass(frozen=True)
class Structure:
    """An element and the place of its pixel: runs where it is flat, or heights, and where they are anchored."""

    size: tuple[int, int]
    anchor: tuple[int, int]
    runs: Runs | None
    heights: Tensor | None
    soft: float | Tensor | None

    def reflected(self) -> Structure:
        """Returns the element turned by 180 degrees about its anchor."""
        (h, w), (y, x) = self.size, self.anchor
        runs = None if self.runs is None else tuple((-dy, -x1, -x0) for dy, x0, x1 in reversed(self.runs))
        heights = None if self.heights is None else self.heights.flip(0, 1)
        return Structure(self.size, (h - 1 - y, w - 1 - x), runs, heights, self.soft)

    def extremum(self, image: Shaped[Tensor, "b c h w"], *, largest: bool) -> Shaped[Tensor, "b c h w"]:
        """Returns the least or largest value over the element at each pixel."""
        if self.runs is not None and self.soft is None:
            return extremum(image, self.runs, largest=largest)
        unit = to_unit(image)
        heights = self._heights(unit)
        if self.soft is None:
            out = weighted_extremum(unit, heights, self.anchor, largest)
        else:
            soft = self.soft.to(unit.dtype)[:, None, None, None] if isinstance(self.soft, Tensor) else self.soft
            out = soft_extremum(unit, heights, self.anchor, largest, soft)
        return from_unit(out, image.dtype)

    def _heights(self, unit: Tensor) -> Tensor:
        if self.heights is not None:
            return self.heights.to(unit.device, unit.dtype)
        assert self.runs is not None
        heights = torch.full(self.size, -torch.inf, dtype=unit.dtype, device=unit.device)
        for dy, x0, x1 in self.runs:
            heights[self.anchor[0] + dy, self.anchor[1] + x0 : self.anchor[1] + x1 + 1] = 0
        return heights


def structure(
    function: str,
    image: Tensor,
    kernel_size: int | Sequence[int] | None,
    element: Element | None,
    soft: float | Tensor | None,
) -> Structure:
    """Returns the element that the arguments ask for, checked."""
    if (kernel_size is None) == (element is None):
        raise refuse(function, "kernel_size", "given, or element, one of them", (kernel_size, element))
    temperature: Any = None if soft is None else per_sample(function, "soft", soft, image)
    if isinstance(temperature, float) and not temperature > 0:
        raise refuse(function, "soft", "None or above 0", soft)
    if kernel_size is not None:
        h, w = kernel_sizes(function, kernel_size, odd=False)
        runs = tuple((y - h // 2, -(w // 2), w - 1 - w // 2) for y in range(h))
        return Structure((h, w), (h // 2, w // 2), runs, None, temperature)
    given = torch.as_tensor(element)
    if given.ndim != 2 or 0 in given.shape:
        raise refuse(function, "element", "of shape (h, w), not empty", tuple(given.shape))
    h, w = given.shape
    anchor = (h // 2, w // 2)
    if given.is_floating_point():
        if not isinstance(element, Tensor) and not bool((given > -torch.inf).any()):
            raise refuse(function, "element", "somewhere above -inf", "-inf")
        return Structure((h, w), anchor, None, given, temperature)
    member = given != 0
    mapped = torch._C._functorch.is_batchedtensor(given)
    if torch.compiler.is_compiling() or mapped or member.device.type != "cpu":
        # Its values are not read on the host.
        heights = torch.zeros(h, w, device=given.device).masked_fill(~member, -torch.inf)
        return Structure((h, w), anchor, None, heights, temperature)
    runs = tuple(_runs(member.tolist(), anchor))
    if not runs:
        raise refuse(function, "element", "somewhere not 0", "zeros")
    return Structure((h, w), anchor, runs, None, temperature)


def _runs(member: list[list[bool]], anchor: tuple[int, int]) -> list[tuple[int, int, int]]:
    found = []
    for y, row in enumerate(member):
        start = None
        for x, here in enumerate([*row, False]):
            if here and start is None:
                start = x
            elif not here and start is not None:
                found.append((y - anchor[0], start - anchor[1], x - 1 - anchor[1]))
                start = None
    return found
