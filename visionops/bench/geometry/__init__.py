"""`visionops bench geometry`: thousands of small problems at once, beside Kornia, and loops over OpenCV and PoseLib."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.bench.machine import NOT_INSTALLED, environment, installed
from visionops.bench.report import Report, Table, cell, geometric_mean, progress, spread
from visionops.bench.rounds import Side, counted, measure, threads
from visionops.errors import mistake

from . import minimal
from .lines import LINES, OURS, Line
from .scenes import Problem

THREADS, COUNT = 2, 10_000
PEERS = {"Kornia": "kornia", "OpenCV": "cv2", "PoseLib": "poselib"}
FORMS = {"forward": "Forward", "backward": "Forward and backward"}
# What the project asks of itself: times Kornia's speed in the geometric mean, and OpenCV's of each line.
AIMS = {"Kornia": (5.0, 0.0), "OpenCV": (1.0, 1.0)}
QUICK_COUNT, QUICK_ROUNDS = 500, 3


def run(
    *, only: Sequence[str] | None = None, quick: bool = False, count: int = COUNT, rounds: int = 7, seconds: float = 3.0
) -> Report:
    """Returns the tables.

    Args:
        only: words that the names of lines begin with. None: all of them.
        quick: fewer problems and rounds: a look, no figures to quote.
        count: of problems; a line of many points in each has fewer.
        rounds: the sides take turns this often.
        seconds: of measuring, for each side and form, over all rounds; a loop that takes longer runs once a round.
    """
    if quick:
        count, rounds, seconds = min(count, QUICK_COUNT), min(rounds, QUICK_ROUNDS), min(seconds, 0.3)
    chosen = [line for line in LINES if only is None or any(line.name.startswith(word) for word in only)]
    if not chosen:
        raise mistake(
            "bench geometry", "only", "the beginning of a line's name", only, ", ".join(x.name for x in LINES)
        )
    peers = {name: importlib.import_module(module) for name, module in PEERS.items() if installed(module)}
    results: dict[str, Any] = {"count": count, "quick": quick, "lines": {}}
    with threads(THREADS):
        with progress("geometry", len(chosen)) as advance, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a peer's own code
            for line in chosen:
                problem = line.make(count)
                results["lines"][line.name] = {
                    form: _side_by_side(line, problem, form, peers, rounds=rounds, seconds=seconds) for form in FORMS
                }
                advance()
        results["minimal"] = minimal.measure(count, peers) if only is None else {}
        env = environment()
    tables = [_table(results, form) for form in FORMS] + ([minimal.table(results["minimal"])] if only is None else [])
    tables[0].notes += [f"{name} is {NOT_INSTALLED}; its column is left out." for name in PEERS if name not in peers]
    return Report("geometry", env, tables, results)


def _side_by_side(
    line: Line, problem: Problem, form: str, peers: dict[str, Any], *, rounds: int, seconds: float
) -> dict[str, Any]:
    """Returns for each side its milliseconds for all problems, the ratio to ours, and its median error."""
    works = {OURS: _batched(line.ours, line, problem, form)}
    if line.kornia is not None and "Kornia" in peers:
        works["Kornia"] = _batched(partial(line.kornia, peers["Kornia"]), line, problem, form)
    if form == "forward":
        singles = _singles(problem)
        for name, one in (("OpenCV", line.opencv), ("PoseLib", line.poselib)):
            if one is not None and name in peers:
                works[name] = partial(_each, partial(one, peers[name]), singles)
    found: dict[str, Any] = {}
    for name, work in list(works.items()):
        try:
            result = work()
        except Exception as error:  # told in its row; the others are measured
            found[name] = {"fails": f"{type(error).__name__}: {error}"[:200]}
            del works[name]
            continue
        found[name] = {}
        if line.error is not None and form == "forward":
            found[name]["error"] = float(np.nanmedian(line.error(result, problem).numpy()))
    sides = [Side(name, form, counted(work, 1)) for name, work in works.items()]
    rates = measure(sides, rounds=rounds, seconds=seconds / rounds) if OURS in works else []
    times = {name: 1000 / np.array(rate) for name, rate in zip(works, rates, strict=False)}
    for name, milliseconds in times.items():
        found[name] |= {"milliseconds": milliseconds.tolist(), **spread(milliseconds.tolist())}
        if name != OURS:
            found[name]["ratio"] = (milliseconds / times[OURS]).tolist()
    return found


def _batched(call: Callable[..., Any], line: Line, problem: Problem, form: str) -> Callable[[], Any]:
    if form == "forward":

        def forward() -> Any:
            with torch.no_grad():
                return call(*(problem[name] for name in line.inputs))

        return forward
    leaves = [problem[name].clone().requires_grad_() for name in line.inputs]

    def step() -> Any:
        values = [t for t in _tensors(call(*leaves)) if t.is_floating_point()]
        # Kornia's roots that are not there are NaN.
        total = torch.stack([torch.where(v.isfinite(), v, 0).sum() for v in values]).sum()
        return torch.autograd.grad(total, leaves, allow_unused=True)

    return step


def _tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [t for one in value for t in _tensors(one)]


def _singles(problem: Problem) -> list[dict[str, np.ndarray]]:
    arrays = {name: np.ascontiguousarray(value.numpy()) for name, value in problem.items()}
    return [{name: value[i] for name, value in arrays.items()} for i in range(len(next(iter(arrays.values()))))]


def _each(call: Callable[[dict[str, np.ndarray]], Any], singles: list[dict[str, np.ndarray]]) -> list[Any]:
    return [call(one) for one in singles]


def _table(results: dict[str, Any], form: str) -> Table:
    lines = {name: forms[form] for name, forms in results["lines"].items()}
    peers = [peer for peer in PEERS if any(peer in sides for sides in lines.values())]
    errors = form == "forward"
    columns = ["problem", "ms", *(["error"] if errors else [])]
    for peer in peers:
        columns += [f"x {peer}", *(["error"] if errors else [])]
    rows = []
    for name, sides in lines.items():
        row = [name]
        for side in (OURS, *peers):
            one = sides.get(side, {})
            key, shown = ("milliseconds", "{:.1f}") if side == OURS else ("ratio", "{:.2f}")
            row.append(cell(one[key], shown) if key in one else one.get("fails", "-").split(":")[0])
            if errors:
                row.append(f"{one['error']:.1e}" if "error" in one else "-")
        rows.append(row)
    means, notes = _means(lines, peers)
    last = ["geometric mean", "", *([""] if errors else [])]
    for peer in peers:
        last += [means[peer], *([""] if errors else [])]
    notes = [
        "x: how many times as fast as the peer; median (quartiles) of rounds in which the sides take turns.",
        *notes,
    ]
    if errors:
        notes.append(
            "error: the median distance from the truth; of exact data, but homographies (0.5 px of noise) and poses."
        )
    if results["quick"]:
        notes.append("A quick run: no figures to quote.")
    return Table(
        f"{FORMS[form]}, {results['count']} problems, {THREADS} threads, float64", columns, [*rows, last], notes
    )


def _means(lines: dict[str, Any], peers: list[str]) -> tuple[dict[str, str], list[str]]:
    """Returns the geometric mean beside each peer, and what became of the aims."""
    means, notes = {}, []
    for peer in peers:
        values = [np.median(sides[peer]["ratio"]) for sides in lines.values() if "ratio" in sides.get(peer, {})]
        if not values:
            means[peer] = "-"
            continue
        mean, worst = geometric_mean(values), float(min(values))
        means[peer] = f"{mean:.2f} of {len(values)}"
        if peer in AIMS:
            wanted, least = AIMS[peer]
            met = "met" if mean >= wanted and worst >= least else "MISSED"
            each = f", none below {least:g} (worst {worst:.2f})" if least else ""
            notes.append(f"{mean:.2f}x {peer} in the geometric mean, at least {wanted:g} wanted{each}: {met}")
    return means, notes


__all__ = ["run"]
