"""Interleaved timing: A B C, C B A, A B C ... so that a machine that slows down slows every side."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from .machine import installed


@dataclass(frozen=True)
class Side:
    """One of the things compared.

    Attributes:
        name: what it is.
        form: "single" (one call a sample) or "batch".
        run: does one unit of work and returns how many images that was.
    """

    name: str
    form: str
    run: Callable[[], int]


def measure(
    sides: Sequence[Side], *, rounds: int, seconds: float, advance: Callable[[], None] = lambda: None
) -> list[list[float]]:
    """Returns the images per second of each side in each round.

    Args:
        rounds: how many times every side runs, in an order that turns round each time.
        seconds: for each side and round; a unit of work that has begun is finished and counted.
    """
    rates: list[list[float]] = [[] for _ in sides]
    for side in sides:
        side.run()
    for k in range(rounds):
        order = range(len(sides)) if k % 2 == 0 else reversed(range(len(sides)))
        for i in order:
            run, done = sides[i].run, 0
            start = time.perf_counter()
            while (took := time.perf_counter() - start) < seconds or done == 0:
                done += run()
            rates[i].append(done / took)
        advance()
    return rates


def counted(work: Callable[[], Any], images: int) -> Callable[[], int]:
    """Returns work as a side runs it: it tells how many images that was."""

    def run() -> int:
        work()
        return images

    return run


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Keeps torch and OpenCV at so many threads inside the block."""
    cv2: Any = importlib.import_module("cv2") if installed("cv2") else None
    before = torch.get_num_threads(), cv2.getNumThreads() if cv2 is not None else 0
    try:
        torch.set_num_threads(count)
        if cv2 is not None:
            cv2.setNumThreads(count)
        yield
    finally:
        torch.set_num_threads(before[0])
        if cv2 is not None:
            cv2.setNumThreads(before[1])


@contextmanager
def one_core() -> Iterator[int | None]:
    """Keeps this thread on one core, and torch and OpenCV at one thread, inside the block. Yields the core."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    core = max(allowed) if allowed else None
    with threads(1):
        try:
            if core is not None:
                os.sched_setaffinity(0, {core})
            yield core
        finally:
            if allowed:
                os.sched_setaffinity(0, allowed)
