"""How far a warp is from the exact one, in NumPy at float64, and from OpenCV's in float32; and whether masks are exact.

Compared inside the image: where no step's fill shows. The mask holds the number of every source pixel, so that one
pixel taken from the wrong place shows. Its reference is floor(position + 1/2) at float64 positions, not OpenCV's
nearest, which rounds otherwise. Within TIE of a half either neighbour is right: visionops sends ties up that a composed
matrix has rounded down.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

import visionops.augment as va
from visionops import Pipeline

from .machine import NOT_INSTALLED, installed, version_of
from .report import Table

LIMIT = 1e-4  # of full range, the issue's
TIE = 2e-6  # pixels
SIZE = (224, 224)
MOTIONS = {
    "affine map (crop, flip)": (va.RandomResizedCrop(SIZE), va.HorizontalFlip(p=0.5)),
    "homography (crop, flip, affine, perspective)": (
        va.RandomResizedCrop(SIZE), va.HorizontalFlip(p=0.5),
        va.Affine(rotate=(-30, 30), shear=(-10, 10)), va.Perspective(0.2),
    ),
}  # fmt: skip


def compare(photos: Sequence[np.ndarray], draws: int = 4) -> dict[str, Any]:
    """Returns, for each motion, the differences in fractions of full range and how many mask pixels are wrong."""
    cv2: Any = importlib.import_module("cv2") if installed("cv2") else None
    found: dict[str, Any] = {"limit": LIMIT, "opencv": version_of("opencv-python-headless", "opencv-python")}
    for name, steps in MOTIONS.items():
        pipe = Pipeline(*steps, va.ToFloat(), antialias=False, fill={"image": 0.0, "mask": -1.0})
        exact: list[np.ndarray] = []
        opencv: list[np.ndarray] = []
        wrong = ties = total = 0
        for i, photo in enumerate(photos):
            numbers = np.arange(photo.shape[0] * photo.shape[1], dtype=np.int32).reshape(photo.shape[:2])
            for k in range(draws):
                params = pipe.sample(photo.shape[:2], index=i * draws + k)
                out = pipe.apply(params, image=photo, mask=numbers)
                image, mask = out["image"].permute(1, 2, 0).numpy(), out["mask"].numpy()
                matrix, inside = pipe.matrix(params).numpy(), mask >= 0
                x, y = _positions(matrix, SIZE)
                at_half, differs = _compare_mask(mask, x, y, photo.shape)
                wrong, ties = wrong + int((differs & inside).sum()), ties + int((at_half & inside).sum())
                total += int(inside.sum())
                exact.append(np.abs(image - bilinear(photo / 255, x, y))[inside])
                if cv2 is not None:
                    opencv.append(np.abs(image - _warp_opencv(cv2, photo, matrix))[inside])
        pixels = len(photos) * draws * SIZE[0] * SIZE[1]
        found[name] = {"mask_pixels": total, "mask_wrong": wrong, "mask_ties": ties, "inside": total / pixels}
        for against, all_of in (("float64", exact), ("opencv", opencv)):
            joined = np.concatenate(all_of) if all_of else None
            found[name][against] = (
                None if joined is None else {"largest": float(joined.max()), "mean": float(joined.mean())}
            )
    return found


def table(found: dict[str, Any]) -> Table:
    """Returns the differences as a table."""
    rows = []
    for name in MOTIONS:
        one = found[name]
        for against, title in (("opencv", f"OpenCV {found['opencv']}, float32"), ("float64", "NumPy, float64")):
            d = one[against]
            numbers = [f"{d['largest']:.1e}", f"{d['mean']:.1e}"] if d else [NOT_INSTALLED, "-"]
            verdict = "-" if d is None else "met" if d["largest"] <= found["limit"] else "MISSED"
            mask = f"{one['mask_wrong']} of {one['mask_pixels']}" if against == "float64" else "-"
            rows.append(["" if against == "float64" else name, title, *numbers, verdict, mask])
    ties = sum(found[name]["mask_ties"] for name in MOTIONS)
    notes = ["Differences in fractions of full range, bilinear from uint8, antialias=False, where no fill shows.",
             "Masks beside floor(position + 1/2) at float64 positions: OpenCV's own nearest rounds otherwise. "
             f"{ties} pixels lie within {TIE:g} of a half, where either neighbour is right."]  # fmt: skip
    columns = ["motion", "compared with", "largest", "mean", f"at most {found['limit']:g}", "mask pixels wrong"]
    return Table("Accuracy of one warp", columns, rows, notes, labels=2)


def bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns image (h, w, c) at positions (x, y), continued by its edge, in float64."""
    h, w = image.shape[:2]
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    columns = [np.clip(x0 + k, 0, w - 1).astype(np.int64) for k in (0, 1)]
    rows = [np.clip(y0 + k, 0, h - 1).astype(np.int64) for k in (0, 1)]
    top, bottom = (image[r, columns[0]] * (1 - fx) + image[r, columns[1]] * fx for r in rows)
    return top * (1 - fy) + bottom * fy


def _positions(matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the source position (x, y) of every output pixel."""
    y, x = np.indices(size, dtype=np.float64)
    u, v, w = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), np.stack([x, y, np.ones_like(x)]))
    return u / w, v / w


def _compare_mask(
    mask: np.ndarray, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where a position lies at a half, and where the mask shows neither of the pixels it may."""
    at_half, differs = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    for position, got, n in ((x, mask % shape[1], shape[1]), (y, mask // shape[1], shape[0])):
        low, high = (np.clip(np.floor(position + 0.5 + s), 0, n - 1).astype(np.int64) for s in (-TIE, TIE))
        at_half |= low != high
        differs |= (got != low) & (got != high)
    return at_half, differs


def _warp_opencv(cv2: Any, photo: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    image = photo.astype(np.float32) / np.float32(255)
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    if np.allclose(matrix[2], (0, 0, 1), rtol=0, atol=0):
        return cv2.warpAffine(image, matrix[:2], SIZE[::-1], **options)
    return cv2.warpPerspective(image, matrix, SIZE[::-1], **options)
