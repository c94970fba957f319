"""One picture of the gallery: code that is run on a photo, and how what it returns is shown."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import visionops
from visionops.pipeline.steps import Step

from . import scenes

GAP = 4  # pixels between pictures
FAMILIES = {"color", "enhance", "filters", "geometry", "morphology", "resample"}


@dataclass(frozen=True)
class Picture:
    """What stands in the tables.

    Attributes:
        code: an expression over `image`, `grey`, the names of its family, and `torch`; its value is the picture. A step
            of a pipeline is applied to `image`.
        photo: a name of `scenes.WINDOWS`; it is `image`, and `grey` its mean over the channels.
        show: how values become colours, a key of `SHOWN`.
        of: what `image` is instead of the photo: an expression over it, as "noisy(image)".
    """

    code: str
    photo: str = "astronaut"
    show: str = "image"
    of: str = "image"


@dataclass(frozen=True)
class Shown:
    """A picture that was made: what came out and what went in, as WebP, and their widths and heights."""

    after: bytes
    before: bytes
    size: tuple[int, int]


def render(family: str, picture: Picture) -> Shown:
    """Runs the code of one picture and returns what it shows.

    Args:
        family: the module whose names the code may use, as "visionops.filters".
        picture: from the family's table.

    Raises:
        ValueError: the code fails; the error names it.
    """
    names: dict[str, Any] = {
        "torch": torch,
        "noisy": scenes.noisy,
        "speckled": scenes.speckled,
        "grid_of": scenes.grid_of,
        "photo": scenes.scene,
    }
    for module in FAMILIES & set(re.findall(r"\w+", f"{picture.of} {picture.code}")):
        names[module] = importlib.import_module(f"visionops.{module}")
    own = importlib.import_module(family)
    names |= {name: getattr(own, name) for name in own.__all__}
    names["image"] = scenes.scene(picture.photo)
    try:
        names["image"] = image = eval(picture.of, names)
        names["grey"] = image.mean(-3, keepdim=True)
        with torch.no_grad():
            value = eval(picture.code, names)
            if isinstance(value, Step):
                index = torch.arange(len(image)) if image.ndim == 4 else 1
                value = visionops.Pipeline(value, seed=3)(image, index=index)
        before = _image(names["grey"] if "grey" in picture.code else image)
        parts = SHOWN[picture.show](value)
    except Exception as error:
        raise ValueError(f"gallery: {picture.code} must run, got {type(error).__name__}: {error}") from error
    after = _enlarged(_beside([before, *parts] if picture.show == "channels" else parts))
    return Shown(_webp(after), _webp(before), (after.shape[1], after.shape[0]))


def _webp(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=82, method=4)
    return buffer.getvalue()


def _rgb(values: Tensor) -> np.ndarray:
    """Returns (c, h, w) in [0, 1] as uint8 (h, w, 3): one channel as grey, of four the colour over white."""
    values = torch.as_tensor(values).detach().float().cpu()
    values = values[(0,) * (values.ndim - 3)] if values.ndim > 3 else values.reshape(-1, *values.shape[-2:])
    if values.shape[0] == 4:
        values = values[:3] * values[3:] + 1 - values[3:]
    if values.shape[0] not in (1, 3):
        raise ValueError(f"{tuple(values.shape)} is no picture of 1, 3 or 4 channels")
    pixels = (255 * values.nan_to_num(0).clamp(0, 1)).round().byte().expand(3, -1, -1)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    """Returns a small picture with its pixels as squares, as many as the page has room for."""
    side = min(n // m for n, m in zip(scenes.SIZE, pixels.shape, strict=False))
    return pixels.repeat(max(1, side), 0).repeat(max(1, side), 1)


def _image(value: Tensor) -> np.ndarray:
    return _rgb(value / 255 if value.dtype == torch.uint8 else value)


def _signed(value: Tensor) -> np.ndarray:
    """Grey is 0; the largest magnitude but one in a hundred is black or white."""
    value = value.float()
    return _rgb(0.5 + 0.5 * value / _high(value.abs()))


def _stretched(value: Tensor) -> np.ndarray:
    value = value.float()
    low = value.amin()
    return _rgb((value - low) / _high(value - low))


def _heat(value: Tensor) -> np.ndarray:
    from matplotlib import colormaps

    values = value.float().reshape(-1, *value.shape[-2:]).mean(0)
    low = values.amin()
    scaled = ((values - low) / _high(values - low)).clamp(0, 1).numpy()
    return (255 * colormaps["viridis"](scaled)[..., :3]).round().astype(np.uint8)


def _labels(value: Tensor) -> np.ndarray:
    """Each whole number a colour of its own, 0 black."""
    palette = np.random.default_rng(4).integers(70, 256, (4096, 3)).astype(np.uint8)
    palette[0] = 0
    return palette[value.long().reshape(-1, *value.shape[-2:])[0].numpy() % 4096]


def _kernel(value: Any) -> np.ndarray:
    """Taps as large squares on a dark page; grey is 0."""
    value = torch.as_tensor(value).float().squeeze()
    value = value.expand(max(1, value.shape[-1] // 3), -1) if value.ndim == 1 else value
    pixels = _enlarged(_signed((value[0] if value.ndim == 3 else value)[None]))
    canvas = np.full((*scenes.SIZE, 3), 30, np.uint8)
    top, left = ((n - m) // 2 for n, m in zip(scenes.SIZE, pixels.shape, strict=False))
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas


def _channels(value: Any) -> list[np.ndarray]:
    """Each channel of an image, or of those in a tuple, as a grey picture, stretched; the photo comes first."""
    parts = value if isinstance(value, tuple | list) else [value]
    return [_stretched(channel) for part in parts for channel in part.reshape(-1, 1, *part.shape[-2:])]


def _images(value: Any) -> list[np.ndarray]:
    """The images of a list or a batch, each in its size."""
    return [_image(part) for part in value]


def _bands(value: Any) -> list[np.ndarray]:
    """A pyramid of differences, signed, and the image that is left."""
    return [*(_signed(part) for part in value[:-1]), _image(value[-1])]


def _bars(value: Tensor) -> np.ndarray:
    """A histogram (..., bins), each row in its colour."""
    rows = value.detach().float().reshape(-1, value.shape[-1])
    h, w = scenes.SIZE
    high = rows.amax() * 1.05 + 1e-9
    columns = torch.linspace(0, rows.shape[1] - 1e-3, w).long()
    canvas = np.full((h, w, 3), 250, np.uint8)
    colours = ((213, 60, 60), (0, 140, 90), (40, 90, 200)) if len(rows) == 3 else ((70, 70, 74),)
    at = torch.arange(h, 0, -1)[:, None]
    for row, colour in zip(rows, colours, strict=False):
        filled = (at <= (row[columns] / high * h)[None]).numpy()
        canvas[filled] = (0.45 * canvas[filled] + 0.55 * np.array(colour)).astype(np.uint8)
    return canvas


def _beside(parts: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """Returns one picture as it is; more in rows, from left to right, on white."""
    if isinstance(parts, np.ndarray):
        return parts
    columns = {2: 2, 4: 2, 12: 4}.get(len(parts), 3)
    rows = [parts[i : i + columns] for i in range(0, len(parts), columns)]
    heights = [max(p.shape[0] for p in row) for row in rows]
    width = max(sum(p.shape[1] + GAP for p in row) - GAP for row in rows)
    canvas = np.full((sum(heights) + GAP * (len(rows) - 1), width, 3), 255, np.uint8)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for p in row:
            canvas[top : top + p.shape[0], left : left + p.shape[1]] = p
            left += p.shape[1] + GAP
        top += height + GAP
    return canvas


def _high(value: Tensor) -> Tensor:
    """Returns the value that one in a hundred exceeds, above 0."""
    flat = value.flatten()
    at = flat.kthvalue(max(1, round(0.99 * flat.numel()))).values
    return torch.where(at > 0, at, flat.amax().clamp(min=1e-12))


# One picture, or several that go side by side.
SHOWN: dict[str, Callable[[Any], np.ndarray | list[np.ndarray]]] = {
    "image": _image,
    "signed": _signed,
    "stretched": _stretched,
    "heat": _heat,
    "labels": _labels,
    "kernel": _kernel,
    "channels": _channels,
    "images": _images,
    "bands": _bands,
    "bars": _bars,
}
