"""Whole pipelines on a batch, eager and under torch.compile(fullgraph=True): speed, differences, recompilations."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .machine import environment
from .report import Report, Table, cell, progress, spread
from .rounds import Side, measure
from .sides import visionops_pipeline

ROUNDS = 9
BATCH = 16
SIZE = (256, 256)
THREADS = 2
WORK = ("forward", "forward, backward")
TITLES = {"jitter": "crop, flip, jitter, normalise", "full": "crop, flip, affine, perspective, jitter, blur, normalise"}


def run(
    *,
    seconds: float = 4.0,
    rounds: int = ROUNDS,
    batch: int = BATCH,
    size: tuple[int, int] = SIZE,
    which: Sequence[str] = tuple(TITLES),
    backend: str = "inductor",
) -> Report:
    """Returns the speed of both ways to run a pipeline on a float32 batch, and what lies between their results.

    Args:
        seconds: of measuring, for each side and each row, over all rounds.
        rounds: the sides take turns this often.
        batch: images in a batch.
        size: (height, width) of the images.
        which: pipelines of `TITLES`.
        backend: of torch.compile.
    """
    results: dict[str, Any] = {"batch": batch, "size": list(size), "backend": backend, "pipelines": {}}
    rows: list[list[str]] = []
    torch.manual_seed(0)
    image = torch.rand(batch, 3, *size)
    with threads(THREADS), progress("compiled", rounds * len(WORK) * len(which)) as advance:
        env = environment()
        for name in which:
            found: dict[str, Any] = {"title": TITLES[name]}
            results["pipelines"][name] = found
            for work in WORK:
                one = _one(name, work, image, backend, rounds=rounds, seconds=seconds / rounds, advance=advance)
                found[work] = one
                rows.append(_row(TITLES[name] if work == WORK[0] else "", work, one))
    notes = ["Median (quartiles) over rounds in which the two take turns; the ratio is formed within a round.",
             "Every call has indices of its own, so that it draws anew; both draw the same. Antialiasing is on.",
             "First call: tracing, compiling and one run, with an empty cache or a full one, as the machine has it.",
             "Differences are the largest: of normalised colours, and of the image's gradient beside its largest.",
             ]  # fmt: skip
    table = Table(
        f"Compiled pipelines: {batch} float32 images of {size[1]}x{size[0]} to 224x224, {THREADS} threads, {backend}",
        ["pipeline", "work", "eager, images/s", "compiled, images/s", "compiled / eager", "first call, s", "recompiled",
         "image differs", "gradient differs"], rows, notes, labels=2,
    )  # fmt: skip
    return Report("compiled", env, [table], results)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Gives torch so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)



def _one(
    name: str, work: str, image: Tensor, backend: str, *, rounds: int, seconds: float, advance: Callable[[], None]
) -> dict[str, Any]:
    pipe = visionops_pipeline(name, antialias=True)

    def eager(image: Tensor, index: Tensor) -> Tensor:
        return pipe(image=image, index=index)["image"]

    torch.compiler.reset()
    fast = torch.compile(eager, fullgraph=True, backend=backend)
    source = image.clone().requires_grad_(work != WORK[0])
    index = torch.arange(len(image))
    start = time.perf_counter()
    seen = _run(fast, source, index)
    first, graphs = time.perf_counter() - start, _graphs()
    expected = _run(eager, source, index)
    share = [float((a - b).abs().max()) for a, b in zip(seen, expected, strict=True)]
    found: dict[str, Any] = {"first_call": first, "image_differs": share[0]}
    if len(seen) == 2:
        found["gradient_differs"] = share[1] / float(expected[1].abs().max())
    sides = [Side(side, "batch", _unit(call, source)) for side, call in (("eager", eager), ("compiled", fast))]
    for side, rates in zip(sides, measure(sides, rounds=rounds, seconds=seconds, advance=advance), strict=True):
        found[side.name] = {"images_per_second": rates, **spread(rates)}
    found["ratio"] = np.divide(*(found[side]["images_per_second"] for side in ("compiled", "eager"))).tolist()
    found["recompiled"] = _graphs() - graphs
    return found


def _graphs() -> int:
    """Returns how many graphs this process has compiled."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def _run(call: Callable[[Tensor, Tensor], Tensor], image: Tensor, index: Tensor) -> tuple[Tensor, ...]:
    """Returns the images, and where the source wants one its gradient."""
    out = call(image, index)
    return (out.detach(), *torch.autograd.grad(out.square().mean(), image)) if image.requires_grad else (out,)


def _unit(call: Callable[[Tensor, Tensor], Tensor], image: Tensor) -> Callable[[], int]:
    counter = itertools.count()

    def unit() -> int:
        _run(call, image, torch.arange(len(image)) + next(counter) * len(image))
        return len(image)

    return unit


def _row(title: str, work: str, one: dict[str, Any]) -> list[str]:
    rates = (one[side]["images_per_second"] for side in ("eager", "compiled"))
    gradient = f"{one['gradient_differs']:.1e}" if "gradient_differs" in one else "-"
    return [title, work, *(cell(r, "{:.0f}") for r in rates), cell(one["ratio"]), f"{one['first_call']:.1f}",
            str(one["recompiled"]), f"{one['image_differs']:.1e}", gradient]  # fmt: skip
