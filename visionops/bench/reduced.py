"""What decoding at a reduced scale changes: beside decoding whole, and both beside exact means over areas.

A crop resized by bilinear taps after means over powers of two is near the mean over each output pixel's own area, and
so is one from a decoder's reduction, which leaves out frequencies. The reference is that mean, of the whole decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import visionops.augment as va
from visionops import Pipeline
from visionops.io import read_image

from .report import Table
from .sides import SIZE

DRAWS = 3  # of each photo
PAIRS = {
    "va.read, whole decode": ("read", "whole"),
    "va.read, exact": ("read", "exact"),
    "whole decode, exact": ("whole", "exact"),
    "no filter, exact": ("plain", "exact"),
}


def compare(files: Sequence[bytes]) -> dict[str, Any]:
    """Returns mean and largest differences in grey levels of 255, over the draws in which the decoder reduces."""
    filtered, plain = (Pipeline(va.RandomResizedCrop(SIZE), va.ToFloat(), antialias=a) for a in (True, False))
    sums = dict.fromkeys(PAIRS, 0.0)
    most = dict.fromkeys(PAIRS, 0.0)
    count = 0
    for i, data in enumerate(files):
        source, whole = va.read(data), read_image(data)
        for draw in range(DRAWS):
            params = filtered.sample(source.size, index=i * DRAWS + draw)
            left, top, width, height = (params["steps"][0][name] for name in ("left", "top", "width", "height"))
            if width < 2 * SIZE[1] or height < 2 * SIZE[0]:
                continue
            seen = {"exact": area_mean(whole, (left, top, width, height), SIZE)}
            for name, pipe, image in (("read", filtered, source), ("whole", filtered, whole), ("plain", plain, whole)):
                seen[name] = pipe.apply(params, image=image)["image"].permute(1, 2, 0).numpy() * 255.0
            for pair, (a, b) in PAIRS.items():
                difference = np.abs(seen[a] - seen[b])
                sums[pair] += float(difference.mean())
                most[pair] = max(most[pair], float(difference.max()))
            count += 1
    pairs = {pair: {"mean": sums[pair] / count, "largest": most[pair]} if count else None for pair in PAIRS}
    return {"draws": len(files) * DRAWS, "reduced": count, "pairs": pairs}


def table(found: dict[str, Any]) -> Table:
    """Returns the differences of each kind of photos as a table."""
    rows = []
    for title, one in found.items():
        cells = [f"{p['mean']:.2f}, {p['largest']:.0f}" if (p := one["pairs"][pair]) else "-" for pair in PAIRS]
        rows.append([title, f"{one['reduced']} of {one['draws']}", *cells])
    notes = ["Mean, largest difference in grey levels of 255, of draws of RandomResizedCrop that minify both axes by "
             "2 or more: only these are decoded at a reduced scale.",
             "exact: the mean of the whole decode over each output pixel's area, in NumPy. no filter: "
             "antialias=False, as Albumentations samples."]  # fmt: skip
    return Table("What reduced decoding changes", ["photos", "draws reduced", *PAIRS], rows, notes)


def area_mean(image: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
    """Returns the means (h, w, c) of an image over the cells of a box (left, top, width, height) in pixel edges."""
    left, top, width, height = box
    rows = _shares(top, height, size[0], image.shape[0])
    columns = _shares(left, width, size[1], image.shape[1])
    across = np.einsum("uw,hwc->huc", columns, image.astype(np.float64), optimize=True)
    return np.einsum("vh,huc->vuc", rows, across, optimize=True)


def _shares(start: float, extent: float, cells: int, pixels: int) -> np.ndarray:
    """Returns which share (cells, pixels) of each cell each pixel covers."""
    edges = start + extent / cells * np.arange(cells + 1)
    at = np.arange(pixels)
    overlap = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return overlap.clip(0) / (extent / cells)
