"""The tables: first where visionops loses, then every line by form, with geometric means."""

from __future__ import annotations

from typing import Any

import numpy as np

from visionops.bench.report import Table, cell, geometric_mean

from .compare import OURS, THREADS

TITLES = {"float32": "Forward, float32", "uint8": "Forward, uint8", "backward": "Forward and backward, float32"}
# What the project asks of itself: times OpenCV's speed and Kornia's, in the geometric mean and of any one line.
AIMS = {("float32", "OpenCV"): (1.0, 0.5), ("backward", "Kornia"): (5.0, 0.0)}
NOTES = (
    "x: how many times as fast as the peer; median (quartiles) of rounds in which the sides take turns.",
    "off by: largest difference of the results, in their units (uint8: levels); ! is more than the line allows.",
)  # fmt: skip


def all_of(results: dict[str, Any]) -> list[Table]:
    """Returns the table of losses and one for each form."""
    shape = "x".join(map(str, results["batch"]))
    return [_losses(results), *(_form(results, form, f"{TITLES[form]}, {shape}, {THREADS} threads") for form in TITLES)]


def ratios(results: dict[str, Any], form: str, peer: str) -> dict[str, float]:
    """Returns the median ratio of each line that has one."""
    found = {name: forms[form].get(peer, {}) for name, forms in results["lines"].items()}
    return {name: float(np.median(one["ratio"])) for name, one in found.items() if "ratio" in one}


def _losses(results: dict[str, Any]) -> Table:
    found = []
    for name, forms in results["lines"].items():
        for form, sides in forms.items():
            if "fails" in sides.get(OURS, {}):
                found.append((-1.0, [name, TITLES[form], sides[OURS]["fails"], "-"]))
            for peer, one in sides.items():
                if "ratio" in one and float(np.median(one["ratio"])) < 1:
                    found.append((float(np.median(one["ratio"])), [name, TITLES[form], peer, cell(one["ratio"])]))
    rows = [row for _, row in sorted(found, key=lambda one: one[0])]
    notes = []
    for (form, peer), (mean, least) in AIMS.items():
        values = ratios(results, form, peer)
        if not values:
            continue
        got, worst = geometric_mean(values.values()), min(values.values())
        text = f"{TITLES[form]}: {got:.2f}x {peer} in the geometric mean, at least {mean:g} wanted"
        met = got >= mean and worst >= least
        text += f"; none below {least:g}, worst {worst:.2f}" if least else ""
        notes.append(f"{text}: {'met' if met else 'MISSED'}")
    if results["quick"]:
        notes.append("A quick run: no figures to quote.")
    columns = ["operator", "form", "beside", "x the peer"]
    return Table("Slower than a peer", columns, rows or [["none", "", "", ""]], notes)


def _form(results: dict[str, Any], form: str, title: str) -> Table:
    lines = {name: forms[form] for name, forms in results["lines"].items() if forms[form]}
    peers = [peer for peer in ("OpenCV", "Kornia") if any(peer in sides for sides in lines.values())]
    memory = results["memory"] if form == "backward" else {}
    columns = ["operator", "ms"]
    for peer in peers:
        columns += [f"x {peer}", "off by"]
    columns += ["kept, MB", "of Kornia's", "peak, MB", "of Kornia's"] if memory else []
    rows = []
    for name, sides in lines.items():
        mine = sides.get(OURS, {})
        row = [name, cell(mine["milliseconds"], "{:.1f}") if "milliseconds" in mine else mine.get("fails", "-")[:40]]
        for peer in peers:
            row += _beside(sides.get(peer))
        if memory:
            row += _memory(memory.get(name, {}))
        rows.append(row)
    last = ["geometric mean", ""]
    for peer in peers:
        values = ratios(results, form, peer)
        last += [f"{geometric_mean(values.values()):.2f} of {len(values)}" if values else "-", ""]
    if rows:
        rows.append(last + [""] * (len(columns) - len(last)))
    return Table(title, columns, rows, list(NOTES))


def _beside(one: dict[str, Any] | None) -> list[str]:
    if one is None:
        return ["-", "-"]
    if "fails" in one:
        return [f"fails: {one['fails'].split(':')[0]}", "-"]
    if one["near"] is None:
        return [cell(one["ratio"]) if "ratio" in one else "-", "not compared"]
    flag = "!" if one["difference"] > one["near"] else ""
    return [cell(one["ratio"]) if "ratio" in one else "-", f"{one['difference']:.1e}{flag}"]


def _memory(sides: dict[str, Any]) -> list[str]:
    mine, peer = sides.get(OURS, {}), sides.get("Kornia", {})
    cells = []
    for key in ("kept_bytes", "peak_bytes"):
        if key not in mine:
            return ["-"] * 4
        share = f"{mine[key] / peer[key]:.0%}" if peer.get(key) else "-"
        cells += [f"{mine[key] / 1e6:.0f}", share]
    return cells
