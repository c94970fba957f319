"""A DataLoader over the photos with one worker: visionops, Albumentations and Kornia take turns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from visionops.bench.machine import environment, installed, summary, version_of
from visionops.bench.report import spread
from visionops.bench.rounds import Side, measure
from visionops.bench.sides import BATCH, PIPELINES, SIZE, albumentations_pipeline, kornia_pipeline, visionops_pipeline

from . import page
from .charts import bars
from .shows import Photos

ROUNDS, SECONDS = 7, 0.7
KINDS = {"visionops": "us", "visionops, antialias": "us2", "Albumentations": "peer", "Kornia": "peer2"}


class _Repeated(Dataset):
    """The photos over and over, each through `each`."""

    def __init__(self, photos: Sequence[np.ndarray], length: int, each: Callable[[np.ndarray, int], Any]) -> None:
        self.photos, self.length, self.each = photos, length, each

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return self.each(self.photos[index % len(self.photos)], index)


def _sample(photo: np.ndarray, index: int) -> dict[str, Any]:
    return {"image": photo, "index": index}


class _Albumentations:
    def __init__(self, augment: Callable[..., dict[str, Any]]) -> None:
        self.augment = augment

    def __call__(self, photo: np.ndarray, index: int) -> torch.Tensor:
        return self.augment(image=photo)["image"]


class _Cut:
    """The photo's first rows and columns, of a size that all photos have."""

    def __init__(self, photos: Sequence[np.ndarray]) -> None:
        self.h, self.w = (min(p.shape[i] for p in photos) for i in (0, 1))

    def __call__(self, photo: np.ndarray, index: int) -> torch.Tensor:
        return torch.from_numpy(photo[: self.h, : self.w])


class _Kornia:
    def __init__(self, augment: torch.nn.Module) -> None:
        self.augment = augment

    def __call__(self, photos: list[torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            return self.augment(torch.stack(photos).permute(0, 3, 1, 2).float().div_(255))


def speed(photos: Photos, advance: Callable[[], None] = lambda: None) -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Returns the section, and images per second by pipeline and side, one for each round."""
    several, env = list(photos.values()), environment()
    found = {which: _race(which, several, advance) for which in PIPELINES}
    missing = [name for name, module in (("Albumentations", "albumentations"), ("Kornia", "kornia")) if not installed(module)]
    charts = "".join(_chart(PIPELINES[which], rates) for which, rates in found.items())
    sides = next(iter(found.values()))
    text = page.section(
        "speed", "One worker, one batch after another",
        _verdict(found),
        f'<div class="charts">{charts}</div>',
        page.note(
            f"Images per second of a DataLoader with one worker over {len(several)} photos held in memory: uint8 in, normalised "
            f"float32 {SIZE[0]}\u00d7{SIZE[1]} in batches of {BATCH} out, no decoding, bilinear. Bars are medians, whiskers quartiles of "
            f"{ROUNDS} rounds of about {SECONDS:g} s, {', '.join(map(escape, sides))} taking turns. "
            "visionops runs as <code>collate_fn=pipe.collate</code>, Albumentations on each sample, Kornia on the worker's stacked "
            "batch of equally large cuts. \u201cantialias\u201d prefilters what is shrunk, as Pillow does; the others do not."
            + (f" <b>{' and '.join(missing)} not measured: not installed (pip install 'visionops[bench]').</b>" if missing else "")
            + f" {escape(summary(env))}; load average before: {env['load'][0]:.1f} on {env['cores']} cores."),
    )  # fmt: skip
    return text, found


def _race(which: str, photos: list[np.ndarray], advance: Callable[[], None]) -> dict[str, list[float]]:
    makers = _makers(which, photos)
    sides = []
    for name, make in makers.items():
        # An epoch long enough that starting it costs little; a first, short one tells how long that is.
        (rate,), = measure([_side(name, make(4 * BATCH))], rounds=1, seconds=0)
        length = BATCH * max(2, round(rate * SECONDS / BATCH))
        sides.append(_side(name, make(length)))
    rates = measure(sides, rounds=ROUNDS, seconds=0, advance=advance)
    return {side.name: mine for side, mine in zip(sides, rates, strict=True)}


def _makers(which: str, photos: list[np.ndarray]) -> dict[str, Callable[[int], DataLoader]]:
    """Returns, for each side that is installed, what makes its loader for an epoch of some length."""
    makers: dict[str, Callable[[int], DataLoader]] = {}

    def add(name: str, each: Callable[[np.ndarray, int], Any], collate: Callable[[list[Any]], Any] | None) -> None:
        makers[name] = lambda length: DataLoader(_Repeated(photos, length, each), BATCH, num_workers=1, collate_fn=collate,
                                                 persistent_workers=True)  # fmt: skip

    add("visionops", _sample, visionops_pipeline(which, antialias=False).collate)
    add("visionops, antialias", _sample, visionops_pipeline(which, antialias=True).collate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if installed("albumentations") and installed("cv2"):
            add(f"Albumentations {version_of('albumentations')}", _Albumentations(albumentations_pipeline(which)), None)
        if installed("kornia"):
            add(f"Kornia {version_of('kornia')}", _Cut(photos), _Kornia(kornia_pipeline(which)))
    return makers


def _side(name: str, loader: DataLoader) -> Side:
    def run() -> int:
        done = 0
        for batch in loader:
            image = batch["image"] if isinstance(batch, dict) else batch
            done += len(image)
        assert image.dtype == torch.float32 and tuple(image.shape[1:]) == (3, *SIZE), (name, image.dtype, image.shape)
        return done

    return Side(name, "loader", run)


def _chart(title: str, rates: dict[str, list[float]]) -> str:
    ours = np.array(rates["visionops"])
    entries = []
    for name, mine in rates.items():
        s = spread(mine)
        peer = not name.startswith("visionops")
        ratio = float(np.median(ours / np.array(mine)))
        kind = next(k for n, k in reversed(KINDS.items()) if name.startswith(n))
        remark = f"ours {_times(ratio)}" if peer else ""
        entries.append((name, kind, s["median"], s["low"], s["high"], remark))
    return bars(title, entries, unit="/s")


def _verdict(found: dict[str, dict[str, list[float]]]) -> str:
    """Returns what the numbers say, losses too."""
    peers = [name for name in next(iter(found.values())) if not name.startswith("visionops")]
    if not peers:
        return "The plan of each sample runs straight from the photo into its slice of the batch. No peer is installed to compare with."
    lines = []
    for peer in peers:
        ratios = {which: float(np.median(np.array(rates["visionops"]) / np.array(rates[peer]))) for which, rates in found.items()}
        told = ", ".join(map(_times, ratios.values()))
        lost = [PIPELINES[which] for which, ratio in ratios.items() if ratio < 1]
        lines.append(f"{escape(peer)}: {told}" + (f", <b>slower with {escape(' and '.join(lost))}</b>" if lost else ""))
    return ("The plan of each sample runs straight from the photo into its slice of the batch. How many times as fast as the "
            f"others, pipeline by pipeline: {'; '.join(lines)}.")  # fmt: skip


def _times(ratio: float) -> str:
    return f"{ratio:.{1 if ratio >= 1 else 2}f}\u00d7"
