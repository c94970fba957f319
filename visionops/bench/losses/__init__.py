"""`visionops bench losses`: forward and backward of losses beside Kornia, torchmetrics and pytorch-msssim.

One run, two threads on every side, the same tensors; the sides take turns, ratios are formed within a round. Beside the
time stand the values' difference and the memory that autograd keeps between forward and backward.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.bench.machine import NOT_INSTALLED, environment, installed, version_of
from visionops.bench.report import Report, Table, cell, geometric_mean, progress, spread
from visionops.bench.rounds import Side, counted, measure, threads
from visionops.errors import mistake
from visionops.testing import saved_bytes

from .lines import LINES, OURS, Line, Size

THREADS = 2
PEERS = {"Kornia": "kornia", "torchmetrics": "torchmetrics", "pytorch-msssim": "pytorch_msssim"}
SIZE = Size(8, 512, 512)
QUICK_SIZE, QUICK_ROUNDS, QUICK_SECONDS = Size(2, 256, 256), 3, 0.3
# What the project asks of itself: times a peer's speed and the share of its memory in the geometric mean over all rows,
# and of SSIM times Kornia's speed.
FASTER, LEANER, SSIM_FASTER = 3.0, 0.5, 5.0
SSIM = "ssim"


def run(
    *, only: Sequence[str] | None = None, quick: bool = False, size: Size = SIZE, rounds: int = 9, seconds: float = 3.0
) -> Report:
    """Returns the table.

    Args:
        only: words that the names of lines begin with. None: all of them.
        quick: smaller images and fewer rounds: a look, no figures to quote.
        size: of the batch and its images.
        rounds: the sides take turns this often.
        seconds: of measuring, for each side, over all rounds.
    """
    if quick:
        size, rounds, seconds = QUICK_SIZE, min(rounds, QUICK_ROUNDS), min(seconds, QUICK_SECONDS)
    chosen = [line for line in LINES if only is None or any(line.name.startswith(word) for word in only)]
    if not chosen:
        known = ", ".join(line.name for line in LINES)
        raise mistake("bench losses", "only", "the beginning of a line's name", only, known)
    peers = {name: importlib.import_module(module) for name, module in PEERS.items() if installed(module)}
    results: dict[str, Any] = {
        "size": list(size), "quick": quick, "versions": {name: version_of(name.lower()) for name in peers}, "lines": {}
    }  # fmt: skip
    with threads(THREADS):
        with progress("losses", len(chosen)) as advance, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a peer's own code
            for line in chosen:
                results["lines"][line.name] = _side_by_side(line, size, peers, rounds=rounds, seconds=seconds)
                advance()
        env = environment()
    table = _table(results)
    table.notes += [f"{name} is {NOT_INSTALLED}; its rows are left out." for name in PEERS if name not in peers]
    return Report("losses", env, [table], results)


def _side_by_side(line: Line, size: Size, peers: dict[str, Any], *, rounds: int, seconds: float) -> dict[str, Any]:
    """Returns for each side its value, the bytes kept, its milliseconds and their ratio to ours."""
    inputs = line.make(size)
    calls: dict[str, Callable[..., Tensor]] = {OURS: line.ours}
    calls |= {name: partial(peer.call, peers[name]) for name, peer in line.peers.items() if name in peers}
    found: dict[str, Any] = {}
    works: dict[str, Callable[[], Any]] = {}
    for name, call in calls.items():
        leaves = [t.clone().requires_grad_() for t in inputs[: line.leaves]]
        rest = inputs[line.leaves :]
        try:
            value = float(call(*leaves, *rest).detach())
            kept = sum(saved_bytes(partial(call, *leaves, *rest)))
            works[name] = partial(_step, call, leaves, rest)
            works[name]()
        except Exception as error:  # told in its row; the others are measured
            found[name] = {"fails": f"{type(error).__name__}: {error}"[:200]}
            works.pop(name, None)
            continue
        found[name] = {"value": value, "kept_bytes": kept}
    sides = [Side(name, "step", counted(work, 1)) for name, work in works.items()]
    rates = measure(sides, rounds=rounds, seconds=seconds / rounds) if OURS in works else []
    times = {name: 1000 / np.array(rate) for name, rate in zip(works, rates, strict=False)}
    for name, milliseconds in times.items():
        found[name] |= {"milliseconds": milliseconds.tolist(), **spread(milliseconds.tolist())}
        if name != OURS:
            found[name] |= {
                "ratio": (milliseconds / times[OURS]).tolist(),
                "share": max(found[OURS]["kept_bytes"], 1) / max(found[name]["kept_bytes"], 1),
                "apart": abs(found[OURS]["value"] - found[name]["value"]) / max(abs(found[name]["value"]), 1e-12),
                "near": line.peers[name].near,
            }
    return found


def _step(call: Callable[..., Tensor], leaves: list[Tensor], rest: tuple[Tensor, ...]) -> Any:
    return torch.autograd.grad(call(*leaves, *rest), leaves)


def _table(results: dict[str, Any]) -> Table:
    columns = ["loss", "beside", "ms", "its ms", "times as fast", "values apart", "kept, MB", "of its"]
    rows: list[list[str]] = []
    for name, sides in results["lines"].items():
        mine = sides[OURS]
        for peer in [one for one in sides if one != OURS] or ["none"]:
            rows.append(
                [name if not rows or all(row[0] != name for row in rows) else "", peer, *_cells(mine, sides.get(peer))]
            )
    speed, share = _all_of(results, "ratio"), _all_of(results, "share")
    if speed:
        rows.append(["geometric mean", f"of {len(speed)}", "", "", f"{geometric_mean(speed):.2f}", "", "",
                     f"{geometric_mean(share):.0%}"])  # fmt: skip
    batch, h, w = results["size"]
    return Table(
        f"Forward and backward of losses on {batch}x3x{h}x{w} float32, {THREADS} threads", columns, rows,
        _notes(results), labels=2,
    )  # fmt: skip


def _cells(mine: dict[str, Any], peer: dict[str, Any] | None) -> list[str]:
    own = cell(mine["milliseconds"], "{:.1f}") if "milliseconds" in mine else _failed(mine)
    kept = f"{mine['kept_bytes'] / 1e6:.1f}" if "kept_bytes" in mine else "-"
    if peer is None or "ratio" not in peer:
        return [own, "-" if peer is None else _failed(peer), "-", "-", kept, "-"]
    apart = "another definition" if peer["near"] is None else f"{peer['apart']:.0e}"
    flag = "!" if peer["near"] is not None and peer["apart"] > peer["near"] else ""
    theirs = cell(peer["milliseconds"], "{:.1f}")
    return [own, theirs, cell(peer["ratio"]), apart + flag, kept, f"{peer['share']:.0%}"]


def _failed(side: dict[str, Any]) -> str:
    return f"fails: {side['fails'].split(':')[0]}" if "fails" in side else "-"


def _all_of(results: dict[str, Any], key: str, peer: str | None = None) -> list[float]:
    """Returns the median ratios, or the shares of memory, of all rows, or of those beside a peer."""
    sides = [(name, one) for line in results["lines"].values() for name, one in line.items() if key in one]
    return [float(np.median(one[key])) for name, one in sides if peer in (None, name)]


def _notes(results: dict[str, Any]) -> list[str]:
    notes = [
        "times as fast: median (quartiles) over rounds in which the sides take turns, of the peer's time over ours.",
        "values apart: relative to the peer's; ! where that is more than rounding. kept: bytes that autograd keeps "
        "between forward and backward, inputs included.",
    ]
    for peer, version in results["versions"].items():
        ratios = _all_of(results, "ratio", peer)
        if ratios:
            part = geometric_mean(_all_of(results, "share", peer))
            slower = sum(ratio < 1 for ratio in ratios)
            notes.append(
                f"Beside {peer} {version}: {geometric_mean(ratios):.2f}x in the geometric mean of {len(ratios)}, "
                f"{slower} slower; {part:.0%} of its memory."
            )
    speed, share = _all_of(results, "ratio"), _all_of(results, "share")
    if speed:
        met = geometric_mean(speed) >= FASTER and geometric_mean(share) <= LEANER
        notes.append(f"At least {FASTER:g}x and at most {LEANER:.0%} wanted over all: {'met' if met else 'MISSED'}.")
    ssim = results["lines"].get(SSIM, {}).get("Kornia", {})
    if "ratio" in ssim:
        ratio = float(np.median(ssim["ratio"]))
        met = ratio >= SSIM_FASTER
        notes.append(f"SSIM {ratio:.2f}x Kornia, at least {SSIM_FASTER:g} wanted: {'met' if met else 'MISSED'}.")
    if results["quick"]:
        notes.append("A quick run: no figures to quote.")
    return notes


__all__ = ["run"]
