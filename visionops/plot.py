"""Pictures for a person to look at: `draw` puts labels on one image, `grid` lays many out on a page.

Everything is painted through its signed distance d to the pixel's centre: coverage = clip(1/2 - d, 0, 1). This
antialiases without supersampling and touches only the pixels near the shape.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ._checks import describe, image_to_hwc
from .errors import mistake

if TYPE_CHECKING:
    from jaxtyping import UInt8

__all__ = ["draw", "grid"]

# Okabe and Ito's colours, told apart with every kind of colour blindness; without black, which photos hide.
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167), (0, 114, 178), (240, 228, 66))
PAGE, INK = (250, 250, 249), (38, 38, 40)
IGNORE = 255

_KEYS = ("boxes", "box_labels", "keypoints", "keypoints_valid", "mask")


def draw(
    image: Any,
    *,
    boxes: Any = None,
    box_labels: Sequence[Any] | None = None,
    keypoints: Any = None,
    keypoints_valid: Any = None,
    mask: Any = None,
    title: str | None = None,
    class_names: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float = 1.0,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the image with its labels drawn on it, uint8 RGB (H, W, 3); a title adds a bar above.

    Labels are drawn at the output's resolution. Their colours come from a palette for the colour-blind: a box takes the
    colour of its label (without labels, of its place in the list), a keypoint of its place, a pixel of its class. Parts
    outside the image are cut off.

    Args:
        image: numpy (H, W, C) or (H, W), or tensor (C, H, W) or (H, W), with 1, 3 or 4 channels; alpha is laid over
            white. uint8 in [0, 255] or float in [0, 1]. Floats that leave [0, 1] by more than 0.05 are stretched from
            their smallest and largest value to [0, 1], smaller excesses clamp; NaN and infinity show in magenta.
        boxes: (N, 4), xyxy in pixels, in the coordinates of pixel edges: (0, 0, W, H) is the whole image. The outer
            side of the line is the box.
        box_labels: N strings or class numbers, written beside the boxes.
        keypoints: (..., 2), (x, y) in pixels; integers are pixel centres.
        keypoints_valid: (...), bool; points that are not valid are left out.
        mask: (H, W) or (1, H, W), integer or bool class numbers. 0 is left clear; 255 and negative numbers, to be
            ignored, are hatched in grey.
        title: one line of text, shortened to fit.
        class_names: what class number i is called.
        mean, std: one number, or one a channel, with which a float image was normalised: image * std + mean is shown.
        scale: enlarges or shrinks the image first; from 3 on its pixels show as squares.

    Raises:
        TypeError, ValueError: an image or a label of another kind, shape or length, x2 < x1, coordinates not finite.

    >>> draw(np.zeros((8, 8, 3), np.uint8), boxes=[[2, 2, 6, 6]])[2, 2].tolist()
    [230, 159, 0]
    """
    if not 0 < scale < math.inf:
        raise mistake("draw", "scale", "positive", scale, "1 keeps the size.")
    rgb = _shown("draw", image, mean, std)
    h, w = (max(1, round(n * scale)) for n in rgb.shape[:2])
    labels = dict(zip(_KEYS, (boxes, box_labels, keypoints, keypoints_valid, mask), strict=True))
    unit = math.sqrt(h * w)
    canvas = _render("draw", rgb, (h, w), unit, labels, class_names, {})
    if title is None:
        return canvas
    size = _text_size(unit)
    bar = np.full((round(size * 1.7), w, 3), PAGE, np.uint8)
    _write(bar, title, size, w / 2, len(bar) / 2, w - size // 2)
    return np.concatenate([bar, canvas])


def grid(
    samples: Any,
    *,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    cell: int | tuple[int, int] = 256,
    gap: int = 16,
    class_names: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns images of any sizes, with their labels, laid out in rows on a light page, uint8 RGB (H, W, 3).

    Images keep their aspect; small ones are enlarged with their pixels visible. To compare, put one list after the
    other: `grid([*before, *after], columns=len(before), row_titles=["before", "after"])`.

    Args:
        samples: a sequence of images (as in `draw`) and of dicts as a pipeline returns them, with `image` and, where
            there are any, `boxes`, `boxes_valid`, `box_labels`, `keypoints`, `keypoints_valid` and `mask` (other keys
            are passed over, and so are boxes that are not valid); or one such dict; or one dict of a batch, whose image
            has 4 dimensions; or a batch of images.
        columns: images in a row; by default up to 5, then about as many as rows.
        titles: above the images: one for each, or one for each column.
        row_titles: at the left of the rows, one for each.
        cell: (height, width) in pixels into which images are fitted, or one number for both.
        gap: pixels between images.
        class_names, mean, std: as in `draw`, for all images.

    Raises:
        TypeError, ValueError: as `draw`; or no samples, or a number of titles that fits neither images nor columns.

    >>> grid([np.zeros((10, 20), np.uint8)] * 2, cell=100, gap=10).shape
    (70, 230, 3)
    """
    items = _split(samples)
    if not items:
        raise mistake("grid", "samples", "at least one image", "none", "Look at what was passed.")
    n = len(items)
    if columns is not None and columns < 1:
        raise mistake("grid", "columns", "at least 1", columns, "Leave it out for a default.")
    columns = min(n, columns or (n if n <= 5 else math.ceil(math.sqrt(n))))
    rows = math.ceil(n / columns)
    for name, got, allowed in (("titles", titles, (n, columns)), ("row_titles", row_titles, (rows,))):
        if got is not None and len(got) not in allowed:
            rule = " or ".join(str(a) for a in dict.fromkeys(allowed)) + " strings"
            raise mistake("grid", name, rule, len(got), "Give one for each.")
    height, width = (cell, cell) if isinstance(cell, int) else cell
    if min(height, width) < 1 or gap < 0:
        raise mistake("grid", "cell and gap", "positive", f"{cell} and {gap}", "Give pixels, as 256 and 16.")
    colours: dict[Hashable, int] = {}
    unit = math.sqrt(height * width)
    pictures = []
    for item in items:
        rgb = _shown("grid", item["image"], mean, std)
        h, w = rgb.shape[:2]
        factor = min(height / h, width / w)
        fitted = max(1, round(h * factor)), max(1, round(w * factor))
        pictures.append(_render("grid", rgb, fitted, unit, item, class_names, colours))
    size = _text_size(unit)
    top = round(size * 1.6) if titles else 0
    left = math.ceil(max(_font(size).getlength(t) for t in row_titles)) + gap if row_titles else 0
    widths = [max(p.shape[1] for p in pictures[c::columns]) for c in range(columns)]
    heights = [max(p.shape[0] for p in pictures[r * columns : (r + 1) * columns]) for r in range(rows)]
    tops = [top if titles and r * columns < len(titles) else 0 for r in range(rows)]
    xs = np.cumsum([left + gap] + [gap + w for w in widths]).tolist()
    ys = (np.cumsum([gap] + [gap + h for h in heights]) + np.cumsum([*tops, 0])).tolist()
    page = np.full((ys[-1], xs[-1], 3), PAGE, np.uint8)
    for k, picture in enumerate(pictures):
        r, c = divmod(k, columns)
        x = xs[c] + (widths[c] - picture.shape[1]) // 2
        page[ys[r] : ys[r] + picture.shape[0], x : x + picture.shape[1]] = picture
        if titles and k < len(titles):
            _write(page, titles[k], size, xs[c] + widths[c] / 2, ys[r] - top / 2 - 1, widths[c] + gap // 2)
    for text, y, h in zip(row_titles or (), ys, heights, strict=False):
        _write(page, text, size, (gap + left) / 2, y + h / 2, left)
    return page


def _split(samples: Any) -> list[dict[str, Any]]:
    """Returns one dict for each image; boxes that are not valid are gone."""
    if isinstance(samples, Mapping):
        batch = getattr(samples.get("image"), "ndim", 3) == 4
        keys = [k for k in ("image", "boxes_valid", *_KEYS) if samples.get(k) is not None]
        samples = [{k: samples[k][i] for k in keys} for i in range(len(samples["image"]))] if batch else [samples]
    elif getattr(samples, "ndim", 4) < 4:
        raise mistake("grid", "samples", "a sequence or a batch", describe(samples), "Put it into a list.")
    items = []
    for sample in samples:
        item = dict(sample) if isinstance(sample, Mapping) else {"image": sample}
        if "image" not in item:
            raise mistake("grid", "samples", "dicts with the key 'image'", f"the keys {sorted(item)}", "Name it so.")
        valid = item.get("boxes_valid")
        if valid is not None and item.get("boxes") is not None:
            valid = _numpy(valid).astype(bool)
            item["boxes"] = _numpy(item["boxes"])[valid]
            if item.get("box_labels") is not None:
                item["box_labels"] = [label for label, ok in zip(item["box_labels"], valid, strict=True) if ok]
        items.append(item)
    return items


def _numpy(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.dtype.is_floating_point else value).numpy()
    return np.asarray(value)


def _shown(function: str, image: Any, mean: Any, std: Any) -> np.ndarray:
    """Returns the image as uint8 RGB, NaN in magenta."""
    array = image_to_hwc(function, image)
    if (mean is None) != (std is None):
        raise mistake(function, "mean and std", "given together", "only one", "Give both, or neither.")
    broken = np.zeros(array.shape[:2], bool)
    if array.dtype != np.uint8:
        broken = ~np.isfinite(array).all(-1)
        array = np.where(broken[:, :, None], np.float32(0), array)
        if mean is not None:
            mean, std = (_numpy(v).astype(np.float32).reshape(-1) for v in (mean, std))
            if not {mean.size, std.size} <= {1, array.shape[2]}:
                rule = f"one number, or one for each of {array.shape[2]} channels"
                raise mistake(function, "mean and std", rule, f"{mean.size} and {std.size}", "Is the image grey?")
            array = array * std + mean
        elif not broken.all():
            low, high = float(array[~broken].min()), float(array[~broken].max())
            if low < -0.05 or high > 1.05:
                array = (array - low) / max(high - low, 1e-12)
        array = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    if array.shape[2] == 4:
        alpha = array[:, :, 3:].astype(np.float32) / 255
        array = np.rint(array[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    rgb = np.broadcast_to(array, (*array.shape[:2], 3)).copy()
    rgb[broken] = (255, 0, 255)
    return rgb


def _render(
    function: str,
    rgb: np.ndarray,
    size: tuple[int, int],
    unit: float,
    labels: Mapping[str, Any],
    class_names: Sequence[str] | None,
    colours: dict[Hashable, int],
) -> np.ndarray:
    """Returns rgb at the size (h, w) with labels on it.

    Lines and letters scale with `unit`; `colours` remembers which string took which colour.
    """
    h, w = size
    source = rgb.shape[:2]
    up = min(h / source[0], w / source[1])
    how = Image.Resampling.NEAREST if up >= 3 else Image.Resampling.BICUBIC if up > 1 else Image.Resampling.LANCZOS
    canvas = rgb if size == source else np.array(Image.fromarray(rgb).resize((w, h), how))
    to_canvas = np.array([w / source[1], h / source[0]])
    line = max(1, round(unit / 150))
    if labels.get("mask") is not None:
        canvas = _paint_mask(canvas, _mask(function, labels["mask"], source), line)
    boxes = _boxes(function, labels.get("boxes")) * np.tile(to_canvas, 2)
    names = labels.get("box_labels")
    if names is not None and len(names) != len(boxes):
        rule = f"one for each of {len(boxes)} boxes"
        raise mistake(function, "box_labels", rule, len(names), "Filter them together.")
    names = [None] * len(boxes) if names is None else [n.item() if hasattr(n, "item") else n for n in names]
    tags = []
    for i, ((x0, y0, x1, y1), name) in enumerate(zip(boxes.tolist(), names, strict=True)):
        index = i if name is None else name if isinstance(name, int) else colours.setdefault(name, len(colours))
        thin_x, thin_y = max(0, line - (x1 - x0)) / 2, max(0, line - (y1 - y0)) / 2
        box = (x0 - thin_x, y0 - thin_y, x1 + thin_x, y1 + thin_y)
        _paint(canvas, (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), INK, alpha=0.35, border=1)
        _paint(canvas, box, _colour(index), border=line)
        if name is not None and x0 < w and y0 < h and x1 > 0 and y1 > 0:
            named = isinstance(name, int) and 0 <= name < len(class_names or ())
            tags.append((box, str(class_names[name] if class_names and named else name), _colour(index)))
    for box, text, colour in tags:
        _paint_tag(canvas, box, text, colour, unit)
    for i, (x, y) in _points(function, labels.get("keypoints"), labels.get("keypoints_valid")):
        x, y = (x + 0.5) * to_canvas[0], (y + 0.5) * to_canvas[1]  # the half from pixel centres to pixel edges
        for radius, colour in ((2.5 * line + 1, (255, 255, 255)), (2 * line + 0.5, _colour(i))):
            _paint(canvas, (x - radius, y - radius, x + radius, y + radius), colour, radius=radius)
    return canvas


def _boxes(function: str, boxes: Any) -> np.ndarray:
    array = _numpy([] if boxes is None else boxes).astype(np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise mistake(function, "boxes", "(N, 4)", f"shape {array.shape}", "Convert them to xyxy.")
    good = np.isfinite(array).all(1) & (array[:, 2:] >= array[:, :2]).all(1)
    if not good.all():
        rule = "finite with x1 <= x2 and y1 <= y2"
        raise mistake(function, "boxes", rule, array[~good][0].tolist(), "If they are xywh, convert them.")
    return array


def _points(function: str, keypoints: Any, valid: Any) -> list[tuple[int, list[float]]]:
    array = _numpy([] if keypoints is None else keypoints).astype(np.float64)
    if array.size == 0:
        return []
    if array.shape[-1] != 2:
        raise mistake(function, "keypoints", "(..., 2)", f"shape {array.shape}", "Drop other columns.")
    keep = np.ones(array.shape[:-1], bool) if valid is None else _numpy(valid).astype(bool)
    if keep.shape != array.shape[:-1]:
        raise mistake(function, "keypoints_valid", f"of shape {array.shape[:-1]}", keep.shape, "Give one flag a point.")
    if not np.isfinite(array[keep]).all():
        raise mistake(function, "keypoints", "finite", "NaN or infinity", "Leave them out with keypoints_valid.")
    return [(i, xy) for i, (xy, ok) in enumerate(zip(array.reshape(-1, 2).tolist(), keep.flat, strict=True)) if ok]


def _mask(function: str, mask: Any, size: tuple[int, int]) -> np.ndarray:
    array = _numpy(mask)
    array = array[0] if array.ndim == 3 and len(array) == 1 else array
    if array.dtype.kind not in "uib":
        raise TypeError(f"{function}: mask must be integer or bool, got {array.dtype}. Take an argmax or a threshold.")
    if array.shape != size:
        raise mistake(function, "mask", f"of the image's size {size}", array.shape, "Resize it with the image.")
    return array.astype(np.int64)


def _paint_mask(canvas: np.ndarray, mask: np.ndarray, line: int) -> np.ndarray:
    """Returns the canvas under translucent class colours, each region with an outline on its own side."""
    h, w = canvas.shape[:2]
    rows, columns = ((np.arange(n) * 2 + 1) * m // (2 * n) for n, m in ((h, mask.shape[0]), (w, mask.shape[1])))
    mask = mask[rows[:, None], columns]
    classes, inverse = np.unique(mask, return_inverse=True)
    colour = np.array([_colour(int(c)) for c in classes], np.float32)[inverse.reshape(mask.shape)]
    padded = np.pad(mask, line, mode="edge")
    outline = np.zeros(mask.shape, bool)
    for dy, dx in ((0, line), (line, 0), (2 * line, line), (line, 2 * line)):
        outline |= padded[dy : dy + h, dx : dx + w] != mask
    alpha = np.where(outline, 0.95, 0.5) * (mask != 0)
    ignored = (mask == IGNORE) | (mask < 0)
    stripe = (np.arange(h)[:, None] + np.arange(w)) // (3 * line) % 2
    colour[ignored] = np.where(stripe, 225, 110)[ignored][:, None]
    alpha[ignored] = 0.6
    return np.rint(canvas + (colour - canvas) * alpha[:, :, None]).astype(np.uint8)


def _paint_tag(canvas: np.ndarray, box: Sequence[float], text: str, colour: Sequence[int], unit: float) -> None:
    """Writes on a filled tag above the box's first corner, or inside it where there is no room above."""
    w = canvas.shape[1]
    size = max(11, round(_text_size(unit) * 0.85))
    tall, wide = round(size * 1.35), min(w, math.ceil(_font(size).getlength(text)) + size // 2 + 2)
    x, y = min(max(round(box[0]), 0), w - wide), max(round(box[1]) - tall, 0)
    _paint(canvas, (x, y, x + wide, y + tall), colour, radius=size / 6)
    dark = np.dot(colour, (0.299, 0.587, 0.114)) > 120
    _write(canvas, text, size, x + wide / 2, y + tall / 2, wide - 2, (0, 0, 0) if dark else (255, 255, 255))


def _paint(
    canvas: np.ndarray,
    box: Sequence[float],
    colour: Sequence[int],
    *,
    radius: float = 0.0,
    alpha: float = 1.0,
    border: float | None = None,
) -> None:
    """Paints a rectangle in pixel edges in place, its corners rounded, whole or only a border inside it."""
    x0, y0, x1, y1 = box
    h, w = canvas.shape[:2]
    left, right = (min(max(math.floor(v), 0), w) for v in (x0 - 1, x1 + 2))
    top, bottom = (min(max(math.floor(v), 0), h) for v in (y0 - 1, y1 + 2))
    qx = np.abs(np.arange(left, right) + 0.5 - (x0 + x1) / 2) - (x1 - x0) / 2 + radius
    qy = (np.abs(np.arange(top, bottom) + 0.5 - (y0 + y1) / 2) - (y1 - y0) / 2 + radius)[:, None]
    distance = np.hypot(qx.clip(0), qy.clip(0)) + np.maximum(qx, qy).clip(max=0) - radius
    if border is not None:
        distance = np.maximum(distance, -distance - border)
    _blend(canvas[top:bottom, left:right], colour, (0.5 - distance).clip(0, 1)[:, :, None] * alpha)


def _write(
    canvas: np.ndarray, text: str, size: int, x: float, y: float, limit: float, colour: Sequence[int] = INK
) -> None:
    """Writes one line in place, centred on (x, y), shortened to the limit in pixels."""
    font = _font(size)
    text = " ".join(str(text).split())
    if font.getlength(text) > limit:
        while text and font.getlength(text + "\u2026") > limit:
            text = text[:-1]
        text = text.rstrip() + "\u2026"
    wide, tall = math.ceil(font.getlength(text)), sum(font.getmetrics())
    glyphs = Image.new("L", (max(1, wide), tall))
    ImageDraw.Draw(glyphs).text((0, 0), text, 255, font)
    left, top = round(x - wide / 2), round(y - tall / 2)
    cover = np.asarray(glyphs)[max(0, -top) :, max(0, -left) :, None] / 255
    window = canvas[max(0, top) :, max(0, left) :][: cover.shape[0], : cover.shape[1]]
    _blend(window, colour, cover[: window.shape[0], : window.shape[1]])


def _blend(window: np.ndarray, colour: Sequence[int], cover: np.ndarray) -> None:
    window[:] = np.rint(window + (np.array(colour) - window) * cover)


@lru_cache(maxsize=32)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _text_size(unit: float) -> int:
    return max(12, round(unit / 18))


def _colour(index: int) -> tuple[int, ...]:
    """Returns the palette's colour; the second time round lighter, the third darker."""
    base, lap = PALETTE[index % len(PALETTE)], index // len(PALETTE) % 3
    return tuple((c, (c + 255) // 2, c * 5 // 9)[lap] for c in base)
