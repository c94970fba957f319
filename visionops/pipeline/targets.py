"""What goes in and comes out: numpy, PIL and tensors become CHW tensors without a copy, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import closest, mistake, refuse

from .source import Source

KINDS = ("image", "mask", "boxes", "box_labels", "keypoints", "intrinsics", "label")
IMAGE_DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
BOX_FORMATS = ("xyxy", "xywh", "cxcywh", "yolo")
# A box may come with x2 below x1 by this much: the rounding of a normalised coordinate.
BOX_SLACK = 0.01  # pixels


@dataclass(frozen=True)
class Layout:
    """How an image or mask came in: what it was, and whether it had channels and a batch."""

    kind: str  # "tensor", "numpy" or "pil"
    has_channels: bool
    has_batch: bool


# How an image of a file leaves where it is to leave as it came: as an array (h, w, 3).
FILE = Layout("numpy", True, False)


@dataclass(frozen=True)
class Rows:
    """Boxes or keypoints of a batch as one flat list.

    Attributes:
        values: (t, width).
        counts: rows of each sample.
        form: "single" (n, width), "dense" (b, n, width) or "ragged", a list.
        dtype: of what came in; integers leave as float32.
        numpy: whether it came as an array.
        each: rows of every sample, where the form is dense.
    """

    values: Tensor
    counts: tuple[int, ...]
    form: str
    dtype: torch.dtype
    numpy: bool
    each: int = 0

    @property
    def owner(self) -> Tensor:
        """The sample of each row."""
        device = self.values.device
        if self.form == "dense":
            return torch.arange(len(self.counts), device=device).repeat_interleave(self.each)
        return torch.arange(len(self.counts), device=device).repeat_interleave(
            torch.tensor(self.counts, dtype=torch.int64, device=device), output_size=len(self.values)
        )

    def regroup(self, values: Tensor, keep: Tensor | None = None) -> Any:
        """Returns values (t, ...) in the form that came in; `keep` drops rows, where a form can lose any."""
        if self.form == "dense":
            out: Any = values.reshape(len(self.counts), self.each, *values.shape[1:])
            return out.numpy() if self.numpy else out
        parts = list(values.split(list(self.counts)))
        if keep is not None:
            parts = [part[k] for part, k in zip(parts, keep.split(list(self.counts)), strict=True)]
        out = [part.numpy() for part in parts] if self.numpy else parts
        return out[0] if self.form == "single" else out


def kinds_of(
    function: str, names: Sequence[str], extra: Mapping[str, str], passthrough: Sequence[str]
) -> dict[str, str]:
    """Returns the kind of each given target; an unknown name raises."""
    kinds = {}
    for name in names:
        kind = extra.get(name, name if name in KINDS else None)
        if kind is None and name in passthrough:
            kind = "passthrough"
        if kind is None:
            known = [*KINDS, *extra, *passthrough, "index", "epoch", "view"]
            raise ValueError(
                f"{function}: argument {name!r} is unknown. {closest(name, known)} Declare others with "
                f"targets={{{name!r}: kind}} or passthrough=[{name!r}]."
            )
        kinds[name] = kind
    return kinds


def refuse_uncapturable(targets: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
    """Raises for what `torch.compile` cannot capture: targets that are no tensors."""
    for name, kind in kinds.items():
        if kind not in ("passthrough", "box_labels") and not isinstance(targets[name], Tensor):
            rule, got = "a tensor under torch.compile", type(targets[name]).__name__
            raise refuse("Pipeline", name, rule, got, "Batch it as tensors, or call the pipeline outside.")


def read_image(name: str, value: Any) -> tuple[Tensor, Layout]:
    """Returns an image as (c, h, w) or (b, c, h, w), sharing memory where it can."""
    tensor, layout = _to_tensor(name, value)
    if tensor.dtype not in IMAGE_DTYPES:
        raise mistake(
            "Pipeline", name, "uint8 or floating", _dtype(value), "Convert it: astype(float32) / its maximum."
        )
    _check_shape(name, tensor, layout)
    return tensor, layout


def read_mask(
    name: str, value: Any, size: tuple[int, int] | None, has_batch: bool | None = None
) -> tuple[Tensor, Layout]:
    """Returns a mask as (c, h, w) or (b, c, h, w), in its own dtype.

    Args:
        size: that it must have, if that is known.
        has_batch: whether an array of rank 3 is (b, h, w); None guesses.
    """
    tensor, layout = _to_tensor(name, value, is_mask=True, has_batch=has_batch)
    if size is not None and tuple(tensor.shape[-2:]) != size:
        raise mistake(
            "Pipeline",
            name,
            f"of the image's size {size}",
            tuple(tensor.shape[-2:]),
            "Resize it to the image first, with nearest interpolation.",
        )
    if 0 in tensor.shape[-3:]:
        raise mistake("Pipeline", name, "at least one pixel large", tuple(tensor.shape))
    return tensor, layout


def _to_tensor(name: str, value: Any, *, is_mask: bool = False, has_batch: bool | None = None) -> tuple[Tensor, Layout]:
    if isinstance(value, Tensor):
        # A mask tensor has channels only where its rank says so: (h, w), (b, h, w) or (b, c, h, w).
        if is_mask:
            if value.ndim not in (2, 3, 4):
                raise mistake("Pipeline", name, "a tensor (h, w), (b, h, w) or (b, c, h, w)", tuple(value.shape))
            layout = Layout("tensor", value.ndim == 4, value.ndim > 2)
            return (value if value.ndim == 4 else value.unsqueeze(-3)), layout
        if value.ndim not in (3, 4):
            raise mistake(
                "Pipeline",
                name,
                "a tensor (c, h, w) or (b, c, h, w)",
                tuple(value.shape),
                "Add the channel with image[None].",
            )
        return value, Layout("tensor", True, value.ndim == 4)
    kind = "numpy"
    if isinstance(value, Source):
        value = value.decoded("raw" if is_mask else "RGB")
    if not isinstance(value, np.ndarray):
        value, kind = _from_pil(name, value, is_mask=is_mask), "pil"
    if value.ndim not in (2, 3, 4):
        raise mistake("Pipeline", name, "an array (h, w), (h, w, c) or (b, h, w, c)", value.shape)
    if has_batch is None or value.ndim != 3:
        has_batch = value.ndim == 4 or (is_mask and value.ndim == 3 and value.shape[2] > 4)
    has_channels = value.ndim == 4 or (value.ndim == 3 and not has_batch)
    tensor = _from_numpy(name, value)
    if has_channels:
        return tensor.permute(2, 0, 1) if value.ndim == 3 else tensor.permute(0, 3, 1, 2), Layout(kind, True, has_batch)
    return tensor.unsqueeze(-3), Layout(kind, False, has_batch)


def _from_pil(name: str, value: Any, *, is_mask: bool) -> np.ndarray:
    mode = getattr(value, "mode", None)
    if mode is None or not hasattr(value, "convert"):
        raise mistake(
            "Pipeline", name, "a numpy array (h, w, c), a PIL image or a tensor (c, h, w)", type(value).__name__
        )
    try:
        # A mask's values are labels: a palette's indices, and 16 bits, stay what they are.
        if mode == "1" and not is_mask:
            value = value.convert("L")
        elif mode not in ("L", "RGB", "RGBA", "I", "F") and not mode.startswith("I;16") and not is_mask:
            value = value.convert("RGB")
        return np.asarray(value)
    except OSError as error:  # Pillow decodes here what it only opened before
        raise mistake("Pipeline", name, "a file that can be decoded", error) from error


def _from_numpy(name: str, value: np.ndarray) -> Tensor:
    if min(value.strides, default=0) < 0 or not value.dtype.isnative:
        value = np.ascontiguousarray(value, value.dtype.newbyteorder("="))
    if not value.flags.writeable:
        # torch warns of read-only memory. Nothing here writes to a source.
        value = np.asarray(_Writable(value))
    try:
        return torch.from_numpy(value)
    except TypeError:
        raise mistake("Pipeline", name, "of a dtype that torch has", value.dtype, "Convert it with astype.") from None


class _Writable:
    """The same memory, declared writable."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}


def _check_shape(name: str, tensor: Tensor, layout: Layout) -> None:
    c, h, w = tensor.shape[-3:]
    if c == 0 or h == 0 or w == 0:
        raise mistake("Pipeline", name, "at least one pixel large", _shape(tensor, layout), "Skip empty images.")
    if layout.kind == "tensor":
        if c > 4 and w in (1, 3, 4) and h > 4:
            raise mistake(
                "Pipeline", name, "a tensor with channels first", tuple(tensor.shape), "Use permute(2, 0, 1)."
            )
    elif layout.has_channels and c > 4 and h in (1, 3, 4) and w > 4:
        raise mistake(
            "Pipeline", name, "an array with channels last", _shape(tensor, layout), "Use transpose(1, 2, 0)."
        )


def _shape(tensor: Tensor, layout: Layout) -> tuple[int, ...]:
    c, h, w = tensor.shape[-3:]
    return (c, h, w) if layout.kind == "tensor" else (h, w, c)


def _dtype(value: Any) -> Any:
    return getattr(value, "dtype", getattr(value, "mode", type(value).__name__))


def write_image(tensor: Tensor, layout: Layout) -> Any:
    """Returns a result (c, h, w) or (b, c, h, w) as what came in."""
    if layout.kind == "tensor":
        return tensor if layout.has_channels else tensor.squeeze(-3)
    array = tensor.detach().movedim(-3, -1).numpy()
    if not layout.has_channels:
        array = array[..., 0]
    if layout.kind == "numpy":
        return np.ascontiguousarray(array)
    from PIL import Image

    if array.dtype.kind == "f" and array.ndim == 3:
        raise ValueError(
            "Pipeline: output='same' cannot put floats into a PIL image. Leave out Normalize and ToFloat, "
            "or take tensors."
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array))


def read_rows(name: str, value: Any, batch: int | None, form: str, widths: tuple[int, ...]) -> Rows:
    """Returns boxes or keypoints of one sample (batch None), of a batch, or of a list of samples, flat."""
    values = [value] if form == "single" else list(value) if form == "ragged" else value
    if form == "dense":
        tensor = _rows_tensor(name, value, widths, 3)
        if tensor.shape[0] != batch:
            raise mistake("Pipeline", name, f"for {batch} samples", tuple(tensor.shape))
        counts = (tensor.shape[1],) * tensor.shape[0]
        flat = tensor.flatten(0, 1)
    else:
        tensors = [_rows_tensor(name, v, widths, 2) for v in values]
        if batch is not None and len(tensors) != batch:
            raise mistake("Pipeline", name, f"a list of {batch}", len(tensors))
        counts = tuple(len(t) for t in tensors)
        width = max((t.shape[1] for t in tensors if len(t)), default=tensors[0].shape[1] if tensors else widths[0])
        tensors = [t if len(t) else t.new_empty(0, width) for t in tensors]
        if any(t.shape[1] != width for t in tensors):
            raise mistake("Pipeline", name, "of one width in all samples", [t.shape[1] for t in tensors])
        flat = torch.cat(tensors) if tensors else torch.empty(0, width)
    dtype = flat.dtype if flat.is_floating_point() else torch.float32
    each = tensor.shape[1] if form == "dense" else 0
    return Rows(flat, counts, form, dtype, isinstance(value, np.ndarray), each)


def _rows_tensor(name: str, value: Any, widths: tuple[int, ...], ndim: int) -> Tensor:
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
        except ValueError:
            raise mistake("Pipeline", name, f"rows of {' or '.join(map(str, widths))} numbers", repr(value)) from None
        if array.size == 0 and array.ndim < ndim:
            array = np.empty((*array.shape[: ndim - 2], 0, widths[0]), np.float32)
        if array.dtype == object or array.dtype.kind not in "fiu":
            raise mistake("Pipeline", name, "numbers", f"dtype {array.dtype}")
        # Lists of Python numbers are float32, as torch would make them.
        value = _from_numpy(name, array if isinstance(value, np.ndarray) else array.astype(np.float32))
    if value.ndim != ndim or value.shape[-1] not in widths:
        shape = "(n, " if ndim == 2 else "(b, n, "
        rule = " or ".join(f"{shape}{w})" for w in widths)
        raise mistake("Pipeline", name, f"of shape {rule}", tuple(value.shape))
    if (
        may_look(value)
        and value.is_floating_point()
        and not torch.isfinite(value[..., : 4 if widths == (4,) else 2]).all()
    ):
        raise mistake("Pipeline", name, "finite", "NaN or infinity", "Drop such rows first.")
    return value


def may_look(values: Tensor) -> bool:
    """Returns whether values may be checked: those on the host, outside of compile."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def to_xyxy(name: str, boxes: Tensor, form: str, sizes: Tensor) -> Tensor:
    """Returns boxes (t, 4) of a format as xyxy in pixels; `sizes` (t, 2) are (height, width). Checks their order."""
    boxes = boxes.double() if boxes.device.type == "cpu" else boxes.float()
    if form == "yolo":
        boxes = boxes * sizes.flip(-1).repeat(1, 2)
    if form != "xyxy":
        a, extent = boxes.split(2, -1)
        low = a if form == "xywh" else a - extent / 2
        boxes = torch.cat([low, low + extent], -1)
    if may_look(boxes):
        bad = (boxes[:, 2:] < boxes[:, :2] - BOX_SLACK).any(-1)
        if bad.any():
            raise mistake(
                "Pipeline",
                name,
                "ordered, x2 >= x1 and y2 >= y1",
                boxes[bad][0].tolist(),
                f"They were read as {form!r}; set box_format if they are in another one of {BOX_FORMATS}.",
            )
    return boxes


def from_xyxy(boxes: Tensor, form: str, sizes: Tensor) -> Tensor:
    """Returns xyxy boxes in a format."""
    if form == "xyxy":
        return boxes
    low, high = boxes.split(2, -1)
    extent = high - low
    out = torch.cat([low if form == "xywh" else (low + high) / 2, extent], -1)
    return out / sizes.flip(-1).repeat(1, 2) if form == "yolo" else out
