"""Images per second that one core makes ready for training, beside Albumentations and Kornia, and how exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from . import accuracy
from .machine import NOT_INSTALLED, environment
from .photos import load_photos
from .report import Report, Table, cell, progress, spread
from .rounds import measure, one_core
from .sides import BATCH, DIFFERENCES, FLOORS, PIPELINES, make_sides

ROUNDS = 9
NAMES = {"single": "alone", "batch": "batch"}


def run(*, photos: int = 8, seconds: float = 2.0, rounds: int = ROUNDS, batch: int = BATCH) -> Report:
    """Returns the loader's table.

    Args:
        photos: how many of the eight photos.
        seconds: of measuring, for each side, form and pipeline, over all rounds.
        rounds: the sides take turns this often.
        batch: images in a batch.
    """
    named, real = load_photos(photos)
    several = list(named.values())
    results: dict[str, Any] = {"photos": {k: list(v.shape) for k, v in named.items()}, "real_photos": real,
                               "batch": batch, "differences": list(DIFFERENCES), "pipelines": {}}  # fmt: skip
    torch.manual_seed(0)
    with one_core() as core, progress("loader", rounds * len(PIPELINES)) as advance:
        env = environment() | {"core": core}
        for which, title in PIPELINES.items():
            sides, missing = make_sides(which, several, batch)
            rates = measure(sides, rounds=rounds, seconds=seconds / rounds, advance=advance)
            results["pipelines"][which] = _collect(which, title, sides, missing, rates)
    results["accuracy"] = accuracy.compare(several)
    notes = ["Median (quartiles) over rounds in which the sides take turns; 'x Alb.' is the ratio within a round.",
             *DIFFERENCES]  # fmt: skip
    if not real:
        notes.append("scikit-image is missing: synthetic images of the photos' sizes.")
    speed = Table(
        f"Loader: {len(several)} uint8 photos to normalised float32 224x224, one core, bilinear",
        ["pipeline", "side", "alone, images/s", "x Alb.", f"batch of {batch}, images/s", "x Alb.", "floor / aim"],
        [row for found in results["pipelines"].values() for row in _rows(found)], notes, labels=2,
    )  # fmt: skip
    return Report("loader", env, [speed, accuracy.table(results["accuracy"])], results)


def _collect(which: str, title: str, sides: list[Any], missing: list[str], rates: list[list[float]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side, mine in zip(sides, rates, strict=True):
        found.setdefault(side.name, {})[side.form] = {"images_per_second": mine, **spread(mine)}
    peer = next((forms for name, forms in found.items() if name.startswith("Albumentations")), None)
    for forms in found.values():
        for form, one in forms.items():
            if peer is not None:
                ratio = np.divide(one["images_per_second"], peer[form]["images_per_second"]).tolist()
                one["times_albumentations"] = ratio
    floor, aim = FLOORS[which]
    return {"title": title, "floor": floor, "aim": aim, "sides": found, "missing": missing}


def _rows(found: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, forms in found["sides"].items():
        row = [found["title"] if not rows else "", name]
        for form in NAMES:
            one = forms.get(form)
            row.append(cell(one["images_per_second"], "{:.0f}") if one else "-")
            ratio = one.get("times_albumentations") if one else None
            row.append(cell(ratio) if ratio and not name.startswith("Alb") else "-")
        rows.append([*row, _verdict(found, forms) if name.endswith("antialias=False") else ""])
    rows += [["", name, NOT_INSTALLED, "-", NOT_INSTALLED, "-", ""] for name in found["missing"]]
    return rows


def _verdict(found: dict[str, Any], forms: dict[str, Any]) -> str:
    """Returns the floor and the aim, and which of them each form reaches."""
    said = []
    for form, one in forms.items():
        ratio = float(np.median(one.get("times_albumentations", np.nan)))
        reached = "aim met" if ratio >= found["aim"] else "floor met" if ratio >= found["floor"] else "MISSED"
        said.append(f"{NAMES[form]} {'not compared' if np.isnan(ratio) else reached}")
    return f"{found['floor']:g}x / {found['aim']:g}x: {', '.join(said)}"
