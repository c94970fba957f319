"""The photos that the gallery's pictures are made of, and what else their code may name."""

from __future__ import annotations

from functools import lru_cache
from importlib import util
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visionops.io import read_image

SIZE = (240, 320)

# File in scikit-image's data folder; left, top, right, bottom of a 4:3 window, resized to SIZE.
WINDOWS = {
    "astronaut": ("astronaut.png", (30, 0, 510, 360)),
    "brick": ("brick.png", (0, 0, 512, 384)),
    "camera": ("camera.png", (0, 10, 512, 394)),
    "cat": ("chelsea.png", (20, 0, 420, 300)),
    "coffee": ("coffee.png", (30, 0, 563, 400)),
    "coins": ("coins.png", (0, 0, 384, 288)),
    "moon": ("moon.png", (0, 60, 512, 444)),
    "motorcycle": ("motorcycle_left.png", (60, 0, 727, 500)),
    "motorcycle right": ("motorcycle_right.png", (60, 0, 727, 500)),
    "page": ("page.png", (0, 0, 255, 191)),
    "horse": ("horse.png", (0, 14, 400, 314)),
    "retina": ("retina.jpg", (0, 178, 1411, 1236)),
    "rocket": ("rocket.jpg", (120, 40, 620, 415)),
}


@lru_cache
def scene(name: str) -> Tensor:
    """Returns a photo, float32 (c, 240, 320) in [0, 1]; grey ones have one channel.

    Raises:
        ValueError: without scikit-image, which carries the photos.
    """
    spec = util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ValueError("gallery: scikit-image must be installed, for its photos. Install it: pip install 'visionops[demo]'.")
    file, window = WINDOWS[name]
    path = Path(spec.origin).parent / "data" / file
    with Image.open(path) as opened:
        grey = opened.mode in ("L", "1")
    photo = Image.fromarray(read_image(path)[..., :3].squeeze()).crop(window)
    array = np.asarray(photo.convert("L" if grey else "RGB").resize(SIZE[::-1], Image.Resampling.LANCZOS))
    return torch.from_numpy(array.reshape(*SIZE, -1).transpose(2, 0, 1).astype(np.float32) / 255)


def noisy(image: Tensor, strength: float = 0.1) -> Tensor:
    """Returns the image with Gaussian noise, the same each time."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + strength * noise).clamp(0, 1)


def speckled(image: Tensor, share: float = 0.06) -> Tensor:
    """Returns the image with that share of its pixels black or white, the same each time."""
    draw = torch.rand(image.shape[-2:], generator=torch.Generator().manual_seed(0))
    return torch.where(draw < share / 2, 0.0, torch.where(draw > 1 - share / 2, 1.0, image))


def grid_of(size: tuple[int, int] = SIZE) -> Tensor:
    """Returns the pixel (x, y) of each pixel, (h, w, 2)."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return torch.stack([x, y], -1).float()
