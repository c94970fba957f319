"""Sections of pictures: draws of one pipeline, and the labels that follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.plot import PALETTE

from . import labels, page, pipelines
from .charts import shares

Photos = dict[str, np.ndarray]
# Photos at the top of the page, and the indices of their draws.
DRAWN = (("astronaut", (0, 16, 20)), ("coffee", (7, 15, 28)), ("chelsea", (32, 34, 24)), ("motorcycle", (18, 10, 29)))


def mosaic(photos: Photos) -> str:
    """Returns draws of the first pipeline, each row behind its photo."""
    pipe = pipelines.everything()
    cells = []
    for name, indices in DRAWN:
        cells.append(page.figure(photos[name], alt=name, kind="before", scale=0.6))
        cells += [_shown(pipe(image=photos[name], index=i)["image"], f"{name}, draw {i}") for i in indices]
    return f'<div class="mosaic">{"".join(cells)}</div>'


def classification(photos: Photos) -> str:
    pipe = pipelines.classification()
    rows = []
    for i, name in enumerate(("chelsea", "coffee", "motorcycle", "immunohistochemistry")):
        first = page.figure(photos[name], alt=name, kind="before", scale=0.6)
        draws = [_shown(pipe(image=photos[name], index=10 * i + k)["image"], f"{name}, draw {k}") for k in range(4)]
        rows.append(page.row([first, *draws], columns=5, kind="square five"))
    return page.section(
        "classification", "Crop, flip, jitter, normalise: one pass",
        "Framed, the photo; beside it, four draws. Crop and flip are one resampling, and the colours are worked out on its "
        "pixels before they are written, once, as the floats that a network takes.",
        page.beside("".join(rows), page.code(page.source_of(pipelines.classification)), page.plan(pipe)),
    )  # fmt: skip


def detection(photos: Photos) -> str:
    pipe = pipelines.detection()
    rows, dropped, total = [], 0, 0
    for name, indices in (("astronaut", (1, 2, 5)), ("motorcycle", (11, 12, 16)), ("rocket", (22, 23, 24))):
        boxes = labels.boxes_of(name)
        draws = [pipe(image=photos[name], **boxes, index=i) for i in indices]
        total += len(draws) * len(boxes["boxes"])
        dropped += len(draws) * len(boxes["boxes"]) - sum(len(d["boxes"]) for d in draws)
        first = page.figure(photos[name], alt=f"{name} with boxes", kind="before", **boxes)
        rows.append(page.row([first, *(_drawn(d, f"{name}, augmented") for d in draws)], columns=4, kind="square"))
    return page.section(
        "boxes", "Boxes go through once",
        "A box is moved by the one composed matrix, then clipped and filtered once, at the end. A box of which under 30% is "
        f"left is dropped with its label: {dropped} of {total} here.",
        page.beside("".join(rows), page.code(page.source_of(pipelines.detection)), page.plan(pipe)),
    )  # fmt: skip


def segmentation(photos: Photos) -> str:
    pipe = pipelines.segmentation()
    parts, kept = [], True
    for name, mask, classes, indices in (
        ("coffee", labels.coffee_mask(photos["coffee"]), labels.COFFEE, (1, 3, 4)),
        ("retina", labels.retina_mask(photos["retina"]), labels.RETINA, (11, 12, 14)),
    ):
        draws = [pipe(image=photos[name], mask=mask, index=i) for i in indices]
        kept &= all(set(d["mask"].unique().tolist()) <= set(np.unique(mask).tolist()) for d in draws)
        assert all(d["mask"].dtype == torch.uint8 for d in draws)
        first = page.figure(photos[name], alt=f"{name} with its mask", kind="before", mask=mask)
        parts.append(page.row([first, *(_drawn(d, f"{name}, deformed") for d in draws)], columns=4, kind="square"))
        parts.append(page.legend(classes[1:], PALETTE[1 : len(classes)]))
    told = "no class appeared that was not there before" if kept else "CLASSES APPEARED THAT WERE NOT THERE BEFORE"
    return page.section(
        "masks", "Masks stay labels, even when the image bends",
        "An elastic field between matrices makes one map with them. The image is read through it bilinearly, the mask by the nearest "
        f"pixel, in its own dtype: in these draws {told}. The vessels are a threshold, the rest is drawn by hand.",
        page.beside("".join(parts), page.code(page.source_of(pipelines.segmentation)), page.plan(pipe)),
    )  # fmt: skip


def pose(photos: Photos) -> str:
    pipe = pipelines.pose()
    rows = []
    for name, indices in (("astronaut", (0, 3, 4)), ("chelsea", (6, 10, 11))):
        photo, points = photos[name], labels.points_of(name)
        if name == "astronaut":  # the head
            photo, points = np.ascontiguousarray(photo[:256, 96:352]), points - (96, 0)
        figures = [page.figure(photo, "photo", alt=f"{name} with keypoints", kind="before", scale=1.5, keypoints=points)]
        for i in indices:
            params = pipe.sample(photo.shape[:2], index=i)
            out = pipe.apply(params, image=photo, keypoints=points)
            figures.append(_drawn(out, f"{name}, augmented", "<b>mirrored</b>" if _flips(params) else "not mirrored", scale=1.5))
        rows.append(page.row(figures, columns=4))
    names = ("left eye", "right eye", "nose", "left ear or mouth corner", "right ear or mouth corner")
    return page.section(
        "keypoints", "A left eye stays a left eye",
        "A mirror turns the subject's left eye into a right one. With a swap table the two rows change places whenever the "
        "composed matrix mirrors: orange marks row 0, always the subject's own left eye.",
        page.beside("".join(rows) + page.legend(names, PALETTE), page.code(page.source_of(pipelines.pose)), page.plan(pipe)),
    )  # fmt: skip


def mixing(photos: Photos) -> str:
    names = ["astronaut", "coffee", "chelsea", "rocket", "motorcycle", "retina"]
    parts = []
    for title, build in (("MixUp", pipelines.mixup), ("CutMix", pipelines.cutmix)):
        samples = [{"image": photos[name], "label": i, "index": i} for i, name in enumerate(names)]
        batch = build().collate(samples)
        figures = [_shown(image, f"{title} of {name}", under=shares(names, label.tolist(), PALETTE))
                   for image, label, name in zip(batch["image"], batch["label"], names, strict=True)]  # fmt: skip
        parts.append(f"<h3>{title}</h3>" + page.row(figures, columns=3, kind="triple"))
    calls = 'loader = DataLoader(photos, batch_size=6,\n                    collate_fn=pipe.collate)\nnext(iter(loader))["label"].shape  # (6, 6)'
    return page.section(
        "mixing", "Two photos, one soft label",
        "MixUp and CutMix work on the whole batch, so they end a pass. Integer labels come out as shares, CutMix's counted "
        "from the pixels that are really there.",
        page.beside("".join(parts), page.code(page.source_of(pipelines.cutmix, "", *calls.split("\n"))),
                    page.plan(pipelines.cutmix())),
    )  # fmt: skip


def denormalised(image: Tensor) -> Tensor:
    """Returns a normalised image as colours again."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (pipelines.MEAN, pipelines.STD))
    return (image * std + mean).clamp(0, 1)


def _shown(image: Tensor, alt: str, under: str = "") -> str:
    return page.figure(denormalised(image), alt=alt, under=under)


def _drawn(out: dict[str, Any], alt: str, caption: str = "", scale: float = 1.2) -> str:
    kept = {k: v for k, v in out.items() if k in ("boxes", "box_labels", "keypoints", "keypoints_valid", "mask")}
    return page.figure(out["image"], caption, alt=alt, scale=scale, **kept)


def _flips(params: dict[str, Any]) -> bool:
    return any(step["step"] == "HorizontalFlip" and step["active"] for step in params["steps"])


