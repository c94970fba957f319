"""The eight photos that every number is measured on: scikit-image's, uint8 RGB (H, W, 3)."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import numpy as np

from visionops.io import read_image

# File in scikit-image's data folder, and its size as used here. The two large ones are cut to their middle.
PHOTOS = {
    "astronaut": ("astronaut.png", (512, 512)),
    "coffee": ("coffee.png", (400, 600)),
    "chelsea": ("chelsea.png", (300, 451)),
    "rocket": ("rocket.jpg", (427, 640)),
    "motorcycle": ("motorcycle_left.png", (500, 741)),
    "retina": ("retina.jpg", (600, 800)),
    "hubble": ("hubble_deep_field.jpg", (600, 800)),
    "immunohistochemistry": ("ihc.png", (512, 512)),
}


def load_photos(count: int = len(PHOTOS)) -> tuple[dict[str, np.ndarray], bool]:
    """Returns the first `count` photos by name, and whether they are real: without scikit-image, they are noise."""
    names = list(PHOTOS)[: max(1, count)]
    spec = util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return {name: _clouds(PHOTOS[name][1], seed) for seed, name in enumerate(names)}, False
    folder = Path(spec.origin).parent / "data"
    return {name: _cut(_read(folder, name), PHOTOS[name][1]) for name in names}, True


def _read(folder: Path, name: str) -> np.ndarray:
    path = folder / PHOTOS[name][0]
    if path.exists():
        return read_image(path)
    from skimage import data  # fetches what the wheel does not hold

    return data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, _FUNCTIONS.get(name, name))()


_FUNCTIONS = {"hubble": "hubble_deep_field"}


def _cut(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = ((n - m) // 2 for n, m in zip(photo.shape, size, strict=False))
    return np.ascontiguousarray(photo[top : top + size[0], left : left + size[1], :3])


def _clouds(size: tuple[int, int], seed: int) -> np.ndarray:
    """Returns smooth noise, whose spectrum falls as that of photos does: 1 / frequency."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    fall = 1 / np.hypot(fy, fx).clip(1 / max(size))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, *size))) * fall, size)
    noise = (noise - noise.mean()) / noise.std()
    return np.rint((128 + 50 * noise).clip(0, 255)).astype(np.uint8).transpose(1, 2, 0).copy()
