"""`visionops preview`: a grid of photos before and after a pipeline, labels included."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionops import Pipeline

LABELS = ("boxes", "box_labels", "keypoints")
_DESCRIPTION = """\
Writes a grid: one row a photo, first as it is, then as the pipeline draws it. Normalised colours are shown as they
were before. Prints the pipeline's plan.

PIPELINE is what `Pipeline.to_yaml` or `to_json` wrote, or by hand:

  steps:
    - RandomResizedCrop: {size: [224, 224]}
    - HorizontalFlip: {p: 0.5}
    - Affine: {rotate: [-30, 30]}
    - ColorJitter: {brightness: 0.4, contrast: 0.4}

Labels lie beside a photo and are found by its name. For street.jpg:

  street.json       {"boxes": [[x0, y0, x1, y1], ...], "box_labels": ["car", ...], "keypoints": [[x, y], ...]},
                    any of these, in pixels; boxes are in the pipeline's box_format, if it sets one
  street.mask.png   a class number for each pixel: 0 is left clear, 255 is hatched as ignored"""


def add(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "preview", help="a grid of photos before and after a pipeline, with their labels",
        description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("pipeline", type=Path, metavar="PIPELINE", help="a .yaml, .yml or .json file")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="photos, of any size")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="such as grid.png or grid.jpg")
    parser.add_argument("--samples", type=int, default=3, metavar="N", help="draws a photo (default: %(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="instead of the pipeline's own")
    parser.add_argument("--index", type=int, default=0, metavar="I",
                        help="of the first photo in its data set, the next has the one after it; draw n is what "
                        "epoch n shows at that index (default: %(default)s)")  # fmt: skip
    parser.add_argument("--cell", type=int, default=256, metavar="PIXELS", help="of a picture (default: %(default)s)")
    parser.add_argument("--no-labels", action="store_true", help="take no notice of labels beside the photos")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from visionops.io import write_image
    from visionops.plot import grid

    if args.samples < 1 or args.cell < 1:
        raise ValueError("--samples and --cell must be at least 1")
    pipe = read_pipeline(args.pipeline)
    if args.seed is not None:
        pipe.seed = args.seed
    samples = [read_sample(path, labels=not args.no_labels) for path in args.images]
    columns = [samples]
    for epoch in range(args.samples):
        columns.append(_draw(pipe, samples, args.images, args.index, epoch))
    cells = [_for_grid(pipe, column[row]) for row in range(len(samples)) for column in columns]
    mean, std = shown_as(pipe)
    titles = ["original", *(f"draw {n}" for n in range(args.samples))]
    page = grid(cells, columns=len(columns), titles=titles, row_titles=[p.name for p in args.images], cell=args.cell,
                mean=mean, std=std)  # fmt: skip
    write_image(args.output, page)
    print(f"{pipe.explain()}\nwrote {args.output}")
    return 0


def read_pipeline(path: Path) -> Pipeline:
    """Returns the pipeline of a file; errors name the file."""
    import visionops.augment  # noqa: F401  (its steps register themselves)
    from visionops import Pipeline

    suffix = path.suffix.lower()
    if suffix not in (".yaml", ".yml", ".json"):
        raise ValueError(f"PIPELINE must be a .yaml, .yml or .json file, got '{path}'. The images come after it.")
    text = path.read_text(encoding="utf-8")
    try:
        return Pipeline.from_json(text) if suffix == ".json" else Pipeline.from_yaml(text)
    except (TypeError, ValueError) as error:  # a wrong kind of value in the file raises TypeError
        raise ValueError(f"{path}: {error}") from error


def read_sample(path: Path, *, labels: bool) -> dict[str, Any]:
    """Returns a photo with the labels beside it, as targets of a pipeline."""
    from visionops.io import read_image

    sample: dict[str, Any] = {"image": read_image(path)}
    beside, mask = path.with_suffix(".json"), path.with_suffix(".mask.png")
    if labels and beside.exists():
        sample |= _read_labels(beside)
    if labels and mask.exists():
        sample["mask"] = read_image(mask, mode="raw")
    return sample


def _read_labels(path: Path) -> dict[str, Any]:
    remedy = "--no-labels takes no notice of it."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON. {error}. {remedy}") from error
    if not isinstance(found, dict) or not found.keys() <= set(LABELS):
        got = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{path} must hold a mapping with the keys {', '.join(LABELS)}, got {got}. {remedy}")
    if "box_labels" in found and len(found["box_labels"]) != len(found.get("boxes", ())):
        raise ValueError(f"{path}: box_labels must be one for each of {len(found.get('boxes', ()))} boxes, "
                         f"got {len(found['box_labels'])}.")  # fmt: skip
    return found


def _draw(
    pipe: Pipeline, samples: list[dict[str, Any]], paths: list[Path], first: int, epoch: int
) -> list[dict[str, Any]]:
    """Returns every sample after one draw."""
    if any(one.mix is not None for one in pipe.plan.passes):
        # A mix needs a batch, and moves no boxes or points.
        kept = [k for k in ("image", "mask") if all(k in sample for sample in samples)]
        pipe.set_epoch(epoch)
        batch = pipe.collate([{k: s[k] for k in kept} | {"index": first + i} for i, s in enumerate(samples)])
        return [{k: batch[k][i] for k in kept} for i in range(len(samples))]
    drawn = []
    for i, (sample, path) in enumerate(zip(samples, paths, strict=True)):
        try:
            drawn.append(pipe(**sample, index=first + i, epoch=epoch))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return drawn


def _for_grid(pipe: Pipeline, sample: dict[str, Any]) -> dict[str, Any]:
    """Returns a sample as `grid` draws it, its boxes as xyxy in pixels."""
    import torch

    from visionops.pipeline.targets import to_xyxy

    boxes = sample.get("boxes")
    if boxes is None or pipe.box_format == "xyxy" or len(boxes) == 0:
        return sample
    image = sample["image"]
    h, w = image.shape[-2:] if isinstance(image, torch.Tensor) else image.shape[:2]
    rows = torch.as_tensor(boxes, dtype=torch.float64)
    return sample | {"boxes": to_xyxy("boxes", rows, pipe.box_format, rows.new_tensor([[h, w]]).expand(len(rows), 2))}


def shown_as(pipe: Pipeline) -> tuple[list[float] | None, list[float] | None]:
    """Returns the mean and std that undo what the pipeline's Normalize steps did, or None for both."""
    import numpy as np

    import visionops.augment as va

    mean, std, found = np.zeros(1), np.ones(1), False
    for step in pipe.steps:
        if isinstance(step, va.Normalize):
            # ((x - m1) / s1 - m2) / s2 = (x - (m1 + s1 m2)) / (s1 s2)
            mean, std, found = mean + std * np.array(step.mean), std * np.array(step.std), True
    return (mean.tolist(), std.tolist()) if found else (None, None)
