"""What resampling once keeps, beside resampling five times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from visionops import Pipeline
from visionops.bench.fusing import MIDDLE, chain, high_energy
from visionops.bench.machine import installed, version_of

from . import page
from .shows import Photos

DRAWS = 12
# What the crops show, (top, left) and side in pixels, within the middle, which never shows fill.
CROP, SIDE = (58, 40), 72


def sharpness(photos: Photos, advance: Callable[[], None] = lambda: None) -> tuple[str, float]:
    """Returns the section, and the median gain in dB."""
    photo = photos["astronaut"]
    fused, apart = chain(apart=False), chain(apart=True)
    found = []
    for index in range(DRAWS):
        one = _measured(photo, fused, apart, index)
        if one is not None:
            found.append(one)
        advance()
    gains = np.array([one["gain"] for one in found])
    low, gain, high = np.percentile(gains, (25, 50, 75))
    kept = {k: np.median([high_energy(one[k]) / high_energy(one["reference"]) for one in found]) for k in ("fused", "apart")}
    shown = min(found, key=lambda one: abs(one["gain"] - gain))
    titles = (("photo", "the photo itself", ""), ("reference", "bicubic, the reference", ""),
              ("fused", "visionops: five steps in one", f"<b>{shown['psnr_fused']:.1f} dB</b>"),
              ("apart", "<code>va.Rasterize()</code> after each", f"<b>{shown['psnr_apart']:.1f} dB</b>"))  # fmt: skip
    crops = [page.framed(_enlarged(shown[key]), f"{title} {number}", alt=title, kind="pixels", quality=0)
             for key, title, number in titles]  # fmt: skip
    names = ("after each: pixels made five times", "fused: pixels made once")
    left, right = (page.uri(_upright(shown[key]), 90) for key in ("apart", "fused"))
    size = _upright(shown["fused"]).shape[0]
    slider = (f'<div class="slider"><img src="{left}" width="{size}" height="{size}" alt="{names[0]}">'
              f'<img src="{right}" width="{size}" height="{size}" alt="{names[1]}"><span class="l">five times</span>'
              '<span class="r">once</span><input type="range" min="0" max="100" step="0.1" value="50" '
              'aria-label="where the two pictures meet" oninput="this.parentNode.style.setProperty(\'--at\',this.value+\'%\')">'
              "</div>")  # fmt: skip
    who = f"OpenCV {version_of('opencv-python-headless', 'opencv-python')}" if installed("cv2") else "visionops itself, for want of OpenCV"
    told = page.note(f"PSNR on the middle {MIDDLE.stop - MIDDLE.start} pixels, to a bicubic warp of the composed matrix by {who}. "
                     f"Over {len(found)} draws the gain is {gain:.1f} dB (quartiles {low:.1f} to {high:.1f}), and of the energy in the upper half "
                     f"of the frequencies {kept['fused']:.0%} is left, against {kept['apart']:.0%}.")  # fmt: skip
    source = ("step = dict(rotate=(-20, 20), translate=(-5, 5),\n            scale=(0.95, 1.05), shear=(-5, 5))\n"
              "pipe = vo.Pipeline(\n    *[va.Affine(**step) for _ in range(5)],\n    va.ToFloat(),\n)")  # fmt: skip
    text = page.section(
        "sharpness", "Pixels made once stay sharp",
        "Every bilinear resampling averages neighbours, so five in a row blur five times; the composed matrix blurs once. "
        "Drag the handle: same five affine steps, same draw.",
        page.beside(f'<div class="compare">{slider}{page.row(crops, columns=2)}</div>', page.code(source), page.plan(fused),
                    page.plan(apart), told),
    )  # fmt: skip
    return text, float(gain)


def _measured(photo: np.ndarray, fused: Pipeline, apart: Pipeline, index: int) -> dict[str, Any] | None:
    """Returns the middles of one draw and their PSNR, or None where fill shows in them."""
    params = fused.sample(photo.shape[:2], index=index)
    # The Rasterize steps are entries too: the draw without them is given to both.
    *moves, last = params["steps"]
    barrier = {"step": "Rasterize", "active": True}
    same = params | {"steps": [*(entry for move in moves for entry in (move, barrier)), last]}
    every = np.ones(photo.shape[:2], np.uint8)
    outs = {"fused": fused.apply(params, image=photo, mask=every), "apart": apart.apply(same, image=photo, mask=every)}
    if not all(one["mask"][MIDDLE, MIDDLE].all() for one in outs.values()):
        return None
    found: dict[str, Any] = {k: one["image"].permute(1, 2, 0).numpy()[MIDDLE, MIDDLE] for k, one in outs.items()}
    found["reference"] = _bicubic(photo, fused, params)[MIDDLE, MIDDLE]
    found["photo"] = (photo / np.float32(255))[MIDDLE, MIDDLE]
    for key in ("fused", "apart"):
        error = np.mean((found[key].astype(np.float64) - found["reference"]) ** 2)
        found[f"psnr_{key}"] = float(-10 * np.log10(error))
    return found | {"gain": found["psnr_fused"] - found["psnr_apart"]}


def _bicubic(photo: np.ndarray, fused: Pipeline, params: dict[str, Any]) -> np.ndarray:
    """Returns the photo through the composed matrix, by OpenCV where it is installed."""
    if not installed("cv2"):
        cubic = Pipeline(*fused.steps, interpolation="bicubic", antialias=False)  # type: ignore[arg-type]
        return cubic.apply(params, image=photo)["image"].permute(1, 2, 0).numpy()
    import cv2

    matrix, size = fused.matrix(params).numpy(), photo.shape[1::-1]
    return cv2.warpAffine(photo.astype(np.float32) / np.float32(255), matrix[:2], size, flags=cv2.INTER_CUBIC)


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def _enlarged(image: np.ndarray) -> np.ndarray:
    return _pixels(image[CROP[0] : CROP[0] + SIDE, CROP[1] : CROP[1] + SIDE])


def _upright(image: np.ndarray) -> np.ndarray:
    """Returns the whole middle, four times enlarged, its pixels as squares."""
    return np.asarray(Image.fromarray(_pixels(image)).resize((image.shape[1] * 4, image.shape[0] * 4), Image.Resampling.NEAREST))
