"""The lines on a GPU, forward, beside Kornia eager and compiled, and how near a copy's bandwidth."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.bench.gpu import COPIED, _finish, copy_bandwidth
from visionops.bench.machine import NOT_INSTALLED
from visionops.bench.report import Table, cell, spread
from visionops.bench.rounds import Side, counted
from visionops.bench.rounds import measure as take_turns

from .compare import OURS, input_of
from .line import Line

BATCH, SIZE = 64, (1024, 1024)
COMPILED = "Kornia, compiled"


def measure(
    lines: Sequence[Line], levels: Tensor, library: Any, *, rounds: int, seconds: float,
    compiler: Callable[[Any], Any] = torch.compile, copied: int = COPIED,
) -> dict[str, Any]:  # fmt: skip
    """Returns for each line and side the milliseconds and the share of a copy's bandwidth; what raises "fails"."""
    device = levels.device
    bandwidth = copy_bandwidth(str(device), copied, rounds)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if levels.is_cuda else "cpu",
        "batch": list(levels.shape), "bytes_per_second_of_a_copy": bandwidth, "lines": {},
    }  # fmt: skip
    for line in lines:
        if line.kornia is None:
            continue
        x = input_of(line, levels, "float32")
        calls: dict[str, Callable[[Tensor], Any]] = {OURS: line.ours}
        if library is not None:
            theirs = partial(line.kornia.call, library)
            calls |= {"Kornia": theirs, COMPILED: compiler(theirs)}
        mine: dict[str, Any] = {}
        sides, bytes_moved = [], 0
        for name, call in calls.items():
            given = line.kornia.take(x) if name != OURS and line.kornia.take is not None else x
            work = partial(_forward, call, given)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of a peer's own code
                    y = work()
            except Exception as error:  # out of memory, or what the compiler cannot take
                mine[name] = {"fails": type(error).__name__}
                continue
            bytes_moved = bytes_moved or x.nbytes + y.nbytes
            del y
            sides.append(Side(name, "forward", counted(work, len(x))))
        rates = take_turns(sides, rounds=rounds, seconds=seconds / rounds) if sides else []
        for side, rate in zip(sides, rates, strict=True):
            times = (1000 * len(x) / np.array(rate)).tolist()
            share = bytes_moved / bandwidth / (np.array(times) / 1000)
            mine[side.name] = {"milliseconds": times, **spread(times), "of_bandwidth": share.tolist()}
        if OURS in mine and "milliseconds" in mine[OURS]:
            for name, one in mine.items():
                if name != OURS and "milliseconds" in one:
                    one["ratio"] = np.divide(one["milliseconds"], mine[OURS]["milliseconds"]).tolist()
        found["lines"][line.name] = mine
        torch.compiler.reset()
    return found


def _forward(call: Callable[[Tensor], Any], x: Tensor) -> Any:
    with torch.no_grad():
        y = call(x)
    _finish(x.device.type)
    return y


def table(found: dict[str, Any] | None, why: str | None) -> Table:
    """Returns the table, or one that says why there is none."""
    title = f"Forward on a GPU, {BATCH}x3x{SIZE[0]}x{SIZE[1]} float32"
    if found is None:
        return Table(title, ["operator"], [[f"not run, no figures: {why}"]])
    rows = []
    for name, sides in found["lines"].items():
        mine = sides[OURS]
        row = [name, mine.get("fails", "-"), "-"]
        if "milliseconds" in mine:
            share = (100 * np.array(mine["of_bandwidth"])).tolist()
            row[1:] = [cell(mine["milliseconds"]), cell(share, "{:.0f}", "%")]
        for peer in ("Kornia", COMPILED):
            one = sides.get(peer, {"fails": NOT_INSTALLED})
            row.append(cell(one["ratio"]) if "ratio" in one else one.get("fails", "-"))
        rows.append(row)
    notes = ["Each batch ends with a synchronisation. The bound is input and output once, at the speed of a copy."]
    title = f"Forward on {found['device']}, {'x'.join(map(str, found['batch']))} float32"
    return Table(title, ["operator", "ms", "of a copy's bandwidth", "x Kornia", f"x {COMPILED}"], rows, notes)
