"""Flips and quarter turns, exact in every dtype."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from visionops.errors import mistake, refuse
from visionops.pipeline.distributions import Choice, PerSample
from visionops.pipeline.matrix import Matrix
from visionops.pipeline.numbers import Size, where
from visionops.pipeline.steps import Geometric, Values


class HorizontalFlip(Geometric):
    """Mirrors the image left to right.

    Args:
        p: the probability that it runs.
    """

    fits = True

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    def matrix(self, values: Values, size: Size) -> Matrix:
        return (-1.0, 0.0, size[1] - 1.0, 0.0, 1.0, 0.0)


class VerticalFlip(Geometric):
    """Mirrors the image top to bottom.

    Args:
        p: the probability that it runs.
    """

    fits = True

    def __init__(self, p: float = 1.0) -> None:
        super().__init__(p=p)

    def matrix(self, values: Values, size: Size) -> Matrix:
        return (1.0, 0.0, 0.0, 0.0, -1.0, size[0] - 1.0)


class Rotate90(Geometric):
    """Turns the image by quarter turns, counter-clockwise as seen on the screen.

    Args:
        turns: how many; None draws 0, 1, 2 or 3. An odd number swaps height and width, which a batch of images that
            are not square cannot do for some samples only.
        p: the probability that it runs.
    """

    fits = True

    def __init__(self, turns: Any = None, *, p: float = 1.0) -> None:
        super().__init__(p=p, turns=Choice([0, 1, 2, 3]) if turns is None else turns)
        drawn = self.drawn["turns"]
        values = drawn.values if isinstance(drawn, Choice | PerSample) else [getattr(drawn, "value", 0.5)]
        if any(v % 1 for v in values):
            raise mistake("Rotate90", "turns", "a whole number, a Choice of them or a tensor", turns)

    def sample(self, uniforms: Any, size: Size) -> dict[str, Any]:
        return {"turns": super().sample(uniforms, size)["turns"] % 4}

    def output_size(self, values: Values, size: Size) -> Size:
        odd = values["turns"] % 2 == 1
        if isinstance(odd, Tensor):
            if isinstance(size[0], int) and size[0] == size[1]:
                return size
            if torch.compiler.is_compiling() or odd.device.type != "cpu":
                rule = "square where the host does not see the turns"
                raise refuse("Rotate90", "image", rule, tuple(size), "Turn before torch.compile, or pad.")
            odd = odd.numpy()
        return where(odd, size[1], size[0]), where(odd, size[0], size[1])

    def matrix(self, values: Values, size: Size) -> Matrix:
        right, bottom = size[1] - 1.0, size[0] - 1.0
        turns = values["turns"]

        def pick(*options: Any) -> Any:
            return where(
                turns == 0, options[0], where(turns == 1, options[1], where(turns == 2, options[2], options[3]))
            )

        c, s = pick(1.0, 0.0, -1.0, 0.0), pick(0.0, 1.0, 0.0, -1.0)
        return (c, s, pick(0.0, 0.0, right, bottom), -s, c, pick(0.0, right, bottom, 0.0))
