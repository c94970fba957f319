"""Every image operator beside OpenCV and Kornia: time, accuracy and memory, one line each, and kernel-size curves.

One run, two threads on every side, batches of real photos; the sides take turns, ratios are formed within a round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from visionops.bench import gpu as devices
from visionops.bench.machine import NOT_INSTALLED, environment, installed
from visionops.bench.report import Report, progress
from visionops.bench.rounds import threads

from . import curves, gpu, memory, picture, tables
from .compare import FORMS, OURS, THREADS, libraries, photos, side_by_side
from .lines import choose

BATCH, SIZE = 8, (512, 512)
ROUNDS, SECONDS = 9, 0.6
CURVE_BATCH = 2
QUICK_BATCH, QUICK_ROUNDS, QUICK_SECONDS, QUICK_SIZES = 2, 3, 0.06, (3, 15, 101)


def run(
    *, only: Sequence[str] | None = None, quick: bool = False, batch: int = BATCH, size: tuple[int, int] = SIZE,
    rounds: int = ROUNDS, seconds: float = SECONDS, sizes: Sequence[int] = curves.SIZES, device: str = "cuda",
    gpu_batch: int = gpu.BATCH, gpu_size: tuple[int, int] = gpu.SIZE, compiler: Callable[[Any], Any] = torch.compile,
) -> Report:  # fmt: skip
    """Returns the tables.

    Args:
        only: operators ("median_blur") or lines ("median_blur 5x5"); without the curves. None: everything.
        quick: fewer images, rounds and sizes: a look, no figures to quote.
        batch: images in the batch.
        size: of the images.
        rounds: the sides take turns this often.
        seconds: of measuring, for each side, form and line, over all rounds.
        sizes: of the kernels in the curves.
        device: of the last section; "cpu" runs the same code, for its test.
        gpu_batch: images there.
        gpu_size: of them.
        compiler: compiles Kornia there.
    """
    if quick:
        batch, rounds, seconds = min(batch, QUICK_BATCH), min(rounds, QUICK_ROUNDS), min(seconds, QUICK_SECONDS)
        sizes = [k for k in sizes if k in QUICK_SIZES]
    lines, levels, peers = choose(only), photos(batch, size), libraries()
    results: dict[str, Any] = {"batch": list(levels.shape), "quick": quick, "lines": {}}
    with threads(THREADS):
        env = environment()
        with progress("operators", len(lines)) as advance:
            for line in lines:
                results["lines"][line.name] = {
                    form: side_by_side(line, levels, form, peers, rounds=rounds, seconds=seconds) for form in FORMS
                }
                advance()
        measured = [name for name, forms in results["lines"].items() if "Kornia" in forms["backward"]]
        results["memory"] = memory.measure(measured, batch, size) if measured else {}
        if only is None:
            few = levels[: min(CURVE_BATCH, batch)]
            with progress("kernel sizes", len(curves.CURVES) * len(sizes)) as advance:
                results["curves"] = curves.measure(
                    few, peers.get("OpenCV"), sizes=tuple(sizes), rounds=rounds, seconds=seconds, advance=advance
                )
            results["curves_batch"] = list(few.shape)
    why = devices.why_not() if device == "cuda" else None
    if why is None:
        many = photos(gpu_batch, gpu_size).to(device)
        copied = devices.COPIED if device == "cuda" else 2**16
        results["gpu"] = gpu.measure(
            lines, many, peers.get("Kornia"), rounds=rounds, seconds=seconds, compiler=compiler, copied=copied
        )
    shown = tables.all_of(results)
    if only is None:
        shown.append(curves.table(results["curves"], results["curves_batch"]))
    shown.append(gpu.table(results.get("gpu"), why))
    for name, module in (("OpenCV", "cv2"), ("Kornia", "kornia")):
        if not installed(module):
            shown[0].notes.append(f"{name} is {NOT_INSTALLED}; its columns are left out.")
    return Report("operators", env, shown, results)


def pictures(report: Report) -> dict[str, str]:
    """Returns the SVGs of a report by their suffix; none of a run of some operators only."""
    found = report.results.get("curves")
    return {".svg": picture.draw(found, "Time by kernel size, 2 threads")} if found else {}


__all__ = ["OURS", "pictures", "run"]
