"""Steps that are chosen together. A group keeps its steps' order, and merges as if it were not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from visionops.errors import mistake
from visionops.pipeline.numbers import floor
from visionops.pipeline.steps import Group, Step


class OneOf(Group):
    """Runs one of its steps.

    Args:
        steps: each runs with its own `p` once it is chosen.
        weights: how likely each is, relative to the others; None makes them equal.
        p: the probability that any is chosen.
    """

    def __init__(self, *steps: Step, weights: Sequence[float] | None = None, p: float = 1.0) -> None:
        super().__init__(_listed(steps), p=p)
        share = np.ones(len(self.steps)) if weights is None else np.array(weights, np.float64)
        if share.shape != (len(self.steps),) or not (share >= 0).all() or share.sum() == 0:
            raise mistake("OneOf", "weights", f"{len(self.steps)} numbers of at least 0, not all 0", weights)
        self.edges = [0.0, *np.cumsum(share / share.sum()).tolist()[:-1], 2.0]

    @property
    def draws(self) -> int:
        return 1

    def gates(self, uniforms: Sequence[Any]) -> list[Any]:
        u = uniforms[0]
        return [(u >= low) & (u < high) for low, high in zip(self.edges[:-1], self.edges[1:], strict=True)]


class SomeOf(Group):
    """Runs some of its steps, drawn without replacement, in their order.

    Args:
        steps: each runs with its own `p` once it is chosen.
        n: how many, or a range (low, high), both included.
        p: the probability that any are chosen.
    """

    def __init__(self, *steps: Step, n: int | Sequence[int], p: float = 1.0) -> None:
        super().__init__(_listed(steps), p=p)
        pair = (n, n) if isinstance(n, int) else tuple(n) if isinstance(n, list | tuple) else ()
        whole = len(pair) == 2 and all(isinstance(k, int) for k in pair)
        if not whole or not 0 <= pair[0] <= pair[1] <= len(self.steps):
            raise mistake("SomeOf", "n", f"from 0 to {len(self.steps)}, the number of steps", n)
        self.low, self.high = pair

    @property
    def draws(self) -> int:
        return len(self.steps) + 1

    def gates(self, uniforms: Sequence[Any]) -> list[Any]:
        count = self.low + floor(uniforms[0] * (self.high - self.low + 1))
        lots = uniforms[1:]
        # A step runs if fewer than `count` lots are smaller than its own.
        return [sum((other < mine) * 1 for other in lots) < count for mine in lots]


class Sequential(Group):
    """Runs all of its steps or none.

    Args:
        steps: each runs with its own `p`.
        p: the probability that they run.
    """

    def __init__(self, *steps: Step, p: float = 1.0) -> None:
        super().__init__(_listed(steps), p=p)

    def gates(self, uniforms: Sequence[Any]) -> list[Any]:
        return [True for _ in self.steps]


def _listed(steps: Sequence[Any]) -> Sequence[Step]:
    """Returns the steps, given one by one or as one list."""
    return list(steps[0]) if len(steps) == 1 and isinstance(steps[0], list | tuple) else steps
