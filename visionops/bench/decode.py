"""Images per second from JPEG bytes to a batch on one core, beside Albumentations with OpenCV and with Pillow.

Photos of 500x375 are resized from the eight photos. Larger ones are tiled from them, mirrored at the seams, which keeps
the detail of small photos in every pixel; or enlarged, which leaves hardly any. A camera's lie between: the bytes a
pixel, which decoding takes most of its time for, are in the table.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

import visionops.augment as va
from visionops import Pipeline

from . import reduced
from .machine import NOT_INSTALLED, environment, installed, version_of
from .photos import load_photos
from .report import Report, Table, cell, progress, spread
from .rounds import Side, measure, one_core
from .sides import BATCH, PIPELINES, SIZE, albumentations_pipeline, visionops_pipeline

ROUNDS = 15
QUALITY = 92  # with colours at half resolution, 4:2:0, as cameras write
# Height and width, whether tiled or enlarged, the pipelines, and how many times the fastest peer's speed is wanted.
CASES: dict[str, tuple[tuple[int, int], bool, tuple[str, ...], float | None]] = {
    "500x375": ((375, 500), False, ("crop", "jitter", "full"), 1.3),
    "3 megapixels, tiled": ((1536, 2048), True, ("crop",), None),
    "6 megapixels, tiled": ((2000, 3000), True, ("crop",), 2.5),
    "6 megapixels, enlarged": ((2000, 3000), False, ("crop",), 2.5),
    "12 megapixels, tiled": ((3000, 4000), True, ("crop",), None),
}
# RandomResizedCrop's defaults: the smallest share of the area, and the narrowest shape.
LEAST_AREA, NARROWEST = 0.08, 3 / 4
NOTES = (
    "Median (quartiles) over rounds in which the sides take turns; the ratio is within a round.",
    "visionops runs with antialias=True unless it says otherwise. Albumentations does not filter, and works in uint8.",
    "'at 1/n by hand': decoded at a fixed reduction, the largest at which the smallest crop is still not enlarged. It "
    "changes what Albumentations returns: a large crop is sampled without a filter from fewer pixels.",
    "The aim is judged by the fastest peer that decodes whole images.",
)


def run(*, photos: int = 8, seconds: float = 2.0, rounds: int = ROUNDS) -> Report:
    """Returns the table of speeds, and that of what reduced decoding changes.

    Args:
        photos: how many of the eight photos.
        seconds: of measuring, for each side and pipeline, over all rounds.
        rounds: the sides take turns this often.
    """
    named, real = load_photos(photos)
    several = list(named.values())
    results: dict[str, Any] = {"photos": list(named), "real_photos": real, "quality": QUALITY, "notes": list(NOTES),
                               "cases": {}}  # fmt: skip
    torch.manual_seed(0)
    rows: list[list[str]] = []
    total = rounds * sum(len(which) for _, _, which, _ in CASES.values())
    with one_core() as core, progress("decode", total) as advance:
        env = environment() | {"core": core}
        for title, (size, tiled, pipelines, aim) in CASES.items():
            files = [encode(make_photo(photo, size, tiled=tiled)) for photo in several]
            case: dict[str, Any] = {"bytes": [len(f) for f in files], "size": list(size), "pipelines": {}, "aim": aim}
            for which in pipelines:
                batch = BATCH if size[0] < 1000 else len(files)
                sides = make_sides(which, files, size, batch)
                rates = measure(sides, rounds=rounds, seconds=seconds / rounds, advance=advance)
                case["pipelines"][which] = _collect(sides, rates)
                rows += _rows(title, which, case)
            case["differences"] = reduced.compare(files)
            results["cases"][title] = case
    results["loads"] = {"before": env["load"], "after": environment()["load"]}
    notes = [*NOTES, f"JPEGs of quality {QUALITY}, 4:2:0; visionops decodes by {env['jpeg']}."]
    if not real:
        notes.append("scikit-image is missing: synthetic images of the photos' sizes.")
    speed = Table(f"JPEG bytes to normalised float32 batches of {SIZE[0]}x{SIZE[1]}, one core",
                  ["photos", "side", "images/s", "x fastest peer", "aim"], rows, notes, labels=2)  # fmt: skip
    differences = {title: case["differences"] for title, case in results["cases"].items()}
    return Report("decode", env, [speed, reduced.table(differences)], results)


def make_photo(photo: np.ndarray, size: tuple[int, int], *, tiled: bool) -> np.ndarray:
    """Returns a photo brought to a size: tiled with mirrored copies, or resized to cover it and cut."""
    h, w = size
    if tiled:
        pair = np.concatenate([photo, photo[:, ::-1]], 1)
        four = np.concatenate([pair, pair[::-1]])
        return np.tile(four, (-(-h // four.shape[0]), -(-w // four.shape[1]), 1))[:h, :w]
    image = Image.fromarray(photo)
    scale = max(w / image.width, h / image.height)
    cover = (max(w, round(image.width * scale)), max(h, round(image.height * scale)))
    return np.asarray(image.resize(cover, Image.Resampling.BICUBIC))[:h, :w]


def encode(photo: np.ndarray) -> bytes:
    """Returns a photo as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=QUALITY, subsampling=2)
    return file.getvalue()


def by_hand(size: tuple[int, int]) -> int:
    """Returns the largest reduction, 1 to 8, that leaves the smallest crop as many pixels as the output has."""
    narrow = (LEAST_AREA * size[0] * size[1] * NARROWEST) ** 0.5
    return max(n for n in (1, 2, 4, 8) if n == 1 or narrow >= n * max(SIZE))


def make_sides(which: str, files: Sequence[bytes], size: tuple[int, int], batch: int) -> list[Side]:
    """Returns the sides of one pipeline that can run here. Each takes encoded files, and gives a float32 batch."""
    many = [files[i % len(files)] for i in range(batch)]
    sides = []
    for antialias in (True, False):
        pipe = visionops_pipeline(which, antialias=antialias)
        name = "visionops, va.read" + ("" if antialias else ", antialias=False")
        sides.append(Side(name, "batch", _whole(partial(_visionops, pipe, many), batch)))
    if not (installed("albumentations") and installed("cv2")):
        return sides
    augment, name = albumentations_pipeline(which), f"Albumentations {version_of('albumentations')}"
    for decoder, decode in (("OpenCV", _opencv), ("Pillow", _pillow)):
        for reduction in sorted({1, by_hand(size)}):
            how = f" at 1/{reduction} by hand" if reduction > 1 else ""
            run = partial(_peer, augment, partial(decode, reduction), many)
            sides.append(Side(f"{name}, {decoder}{how}", "batch", _whole(run, batch)))
    return sides


def _visionops(pipe: Pipeline, files: Sequence[bytes]) -> torch.Tensor:
    return pipe.collate([va.read(data) for data in files])["image"]


def _peer(augment: Callable[..., Any], decode: Callable[[bytes], np.ndarray], files: Sequence[bytes]) -> torch.Tensor:
    return torch.utils.data.default_collate([augment(image=decode(data))["image"] for data in files])


def _opencv(reduction: int, data: bytes) -> np.ndarray:
    cv2: Any = importlib.import_module("cv2")
    flag = cv2.IMREAD_COLOR if reduction == 1 else getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
    encoded = np.frombuffer(data, np.uint8)
    if reduction == 1 and hasattr(cv2, "IMREAD_COLOR_RGB"):  # since 4.11, and no pass over the pixels
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    return cv2.cvtColor(cv2.imdecode(encoded, flag), cv2.COLOR_BGR2RGB)


def _pillow(reduction: int, data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    if reduction > 1:
        image.draft("RGB", (image.width // reduction, image.height // reduction))
    return np.asarray(image)


def _whole(all_at_once: Callable[[], torch.Tensor], batch: int) -> Callable[[], int]:
    out = all_at_once()
    assert out.dtype == torch.float32 and tuple(out.shape) == (batch, 3, *SIZE), (out.dtype, out.shape)

    def run() -> int:
        all_at_once()
        return batch

    return run


def _collect(sides: Sequence[Side], rates: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Returns the rounds of each side, and their ratio to the fastest peer that decodes whole images."""
    found: dict[str, Any] = {side.name: {"images_per_second": list(r), **spread(r)}
                             for side, r in zip(sides, rates, strict=True)}  # fmt: skip
    peers = [name for name in found if name.startswith("Alb") and "by hand" not in name]
    fastest = max(peers, key=lambda name: found[name]["median"], default=None)
    for one in found.values():
        if fastest is not None:
            ratio = np.divide(one["images_per_second"], found[fastest]["images_per_second"]).tolist()
            one["times_fastest_peer"] = ratio
    return {"sides": found, "fastest_peer": fastest}


def _rows(title: str, which: str, case: dict[str, Any]) -> list[list[str]]:
    found, aim = case["pipelines"][which], case["aim"]
    mean = sum(case["bytes"]) / len(case["bytes"])
    density = mean / (case["size"][0] * case["size"][1])
    rows: list[list[str]] = []
    for name, one in found["sides"].items():
        label = f"{title} ({density:.2f} bytes a pixel): {PIPELINES[which]}" if not rows else ""
        ratio = one.get("times_fastest_peer")
        judged = ratio and aim and name == "visionops, va.read"
        reached = "met" if judged and np.median(ratio) >= aim else "MISSED"
        rows.append([label, name, cell(one["images_per_second"], "{:.0f}"), cell(ratio) if ratio else "-",
                     f"{aim:g}x: {reached}" if judged else ""])  # fmt: skip
    if found["fastest_peer"] is None:
        rows.append(["", "Albumentations", NOT_INSTALLED, "-", ""])
    return rows
