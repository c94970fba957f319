"""The photos of the page, and labels placed on them by hand: boxes, keypoints and masks."""

from __future__ import annotations

import math
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from visionops.bench.photos import load_photos
from visionops.io import read_image

# Boxes are xyxy in pixels, keypoints (x, y); left and right are the subject's.
BOXES: dict[str, dict[str, tuple[int, int, int, int]]] = {
    "astronaut": {"face": (180, 68, 270, 180), "patch": (133, 348, 208, 422), "shuttle": (353, 0, 472, 290),
                  "helmet": (277, 343, 511, 511)},
    "motorcycle": {"headlamp": (510, 122, 561, 188), "tank": (324, 158, 489, 252), "rear wheel": (121, 236, 277, 403),
                   "front wheel": (510, 292, 685, 456)},
    "rocket": {"rocket": (308, 126, 337, 408)},
}  # fmt: skip
POINTS: dict[str, dict[str, tuple[float, float]]] = {
    "astronaut": {"left eye": (247, 103), "right eye": (203.5, 100.5), "nose": (222, 127),
                  "left mouth corner": (241.5, 141.5), "right mouth corner": (205, 141.5)},
    "chelsea": {"left eye": (313.5, 131), "right eye": (171, 113), "nose": (262, 235), "left ear": (362, 30),
                "right ear": (64, 11)},
}  # fmt: skip

COFFEE = ("background", "saucer", "cup", "coffee", "spoon")
RETINA = ("background", "vessel", "optic disc", "fovea")

# The camera of the stereo pair: focal length, centre of the left photo, how much further right the right one's lies.
# Source: Scharstein et al., Middlebury 2014, Motorcycle at a quarter of its size, as scikit-image's docstring gives it.
FOCAL, CENTRE, SHIFT, BASELINE = 994.978, (311.193, 254.877), 31.086, 0.193001  # pixels, the last in metres


def photos() -> dict[str, np.ndarray]:
    """Returns the eight photos by name, uint8 RGB (H, W, 3); the retina whole, at half its size.

    Raises:
        ValueError: without scikit-image, which carries them.
    """
    named, real = load_photos()
    if not real:
        raise ValueError("demo: scikit-image must be installed, for its photos. Install it: pip install 'visionops[demo]'.")
    with Image.open(_folder() / "retina.jpg") as whole:
        named["retina"] = np.array(whole.convert("RGB").resize((512, 512), Image.Resampling.LANCZOS))
    return named


def boxes_of(name: str) -> dict[str, Any]:
    """Returns a photo's boxes (n, 4) and their names, as targets of a pipeline."""
    return {"boxes": np.array(list(BOXES[name].values()), np.float32), "box_labels": list(BOXES[name])}


def points_of(name: str) -> np.ndarray:
    """Returns a photo's keypoints (n, 2)."""
    return np.array(list(POINTS[name].values()), np.float32)


def coffee_mask(photo: np.ndarray) -> np.ndarray:
    """Returns the classes of the coffee photo's pixels, uint8: ellipses and polygons along its edges."""
    mask = Image.new("L", photo.shape[1::-1])
    draw = ImageDraw.Draw(mask)
    draw.polygon(_ellipse(279.8, 221.5, 202.7, 166.5, 13.1), fill=1)
    draw.polygon([(173, 112), (178, 150), (186, 190), (203, 222), (218, 235), (207, 258), (197, 284), (206, 303), (224, 307),
                  (236, 290), (256, 283), (292, 286), (318, 279), (330, 250), (372, 226), (391, 190), (403, 150), (409, 112)],
                 fill=2)  # fmt: skip
    draw.polygon(_ellipse(290.6, 112.6, 118, 95.5, 6.4), fill=2)
    draw.polygon([(203, 148), (207, 135), (214, 122), (226, 108), (240, 102), (254, 98), (285, 95), (315, 99), (340, 111),
                  (352, 122), (362, 136), (368, 150), (367, 163), (354, 178), (330, 188), (300, 193), (270, 189), (240, 179),
                  (219, 165)], fill=3)  # fmt: skip
    draw.polygon([(371, 245), (374, 216), (389, 180), (404, 138), (409, 108), (398, 80), (402, 69), (412, 66), (424, 74),
                  (420, 95), (415, 118), (405, 158), (391, 196), (384, 220), (390, 250)], fill=4)  # fmt: skip
    draw.ellipse((326, 239, 406, 326), fill=4)
    return np.array(mask)


def retina_mask(photo: np.ndarray) -> np.ndarray:
    """Returns the classes of the retina photo's pixels, uint8: vessels found, disc and fovea by hand."""
    mask = Image.fromarray(vessels(photo))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((69, 206, 117, 276), fill=2)
    draw.ellipse((230, 229, 284, 281), fill=3)
    return np.array(mask)


def vessels(photo: np.ndarray) -> np.ndarray:
    """Returns where a retina is darker in green than its surroundings, uint8; its rim is left out."""
    around = np.asarray(Image.fromarray(photo[:, :, 1]).filter(ImageFilter.GaussianBlur(8)), np.int16)
    lit = Image.fromarray(((photo[:, :, 0] > 60) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(8))
    return ((around - photo[:, :, 1] > 7) & (np.asarray(lit) > 252)).astype(np.uint8)


def stereo() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the left and right photo of the stereo pair, and the left one's disparity in pixels, NaN where unknown."""
    with np.load(_folder() / "motorcycle_disp.npz") as file:
        disparity = file["arr_0"].astype(np.float64)
    left, right = (read_image(_folder() / f"motorcycle_{side}.png") for side in ("left", "right"))
    return left, right, np.where(np.isfinite(disparity), disparity, np.nan)


def textures() -> dict[str, np.ndarray]:
    """Returns the three textures by name, grey in [0, 1], (512, 512)."""
    named = {}
    for name in ("brick", "grass", "gravel"):
        with Image.open(_folder() / f"{name}.png") as photo:
            named[name] = np.asarray(photo.convert("L")) / 255
    return named


def _ellipse(x: float, y: float, a: float, b: float, degrees: float) -> list[tuple[float, float]]:
    """Returns points around a centre, the axis `a` turned clockwise on the screen."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = [2 * math.pi * k / 120 for k in range(120)]
    return [(x + a * math.cos(t) * c - b * math.sin(t) * s, y + a * math.cos(t) * s + b * math.sin(t) * c) for t in turn]


def _folder() -> Path:
    spec = util.find_spec("skimage")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "data"
