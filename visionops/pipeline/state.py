"""The targets of a batch on their way through a pipeline, whatever form they came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake

from .execute import Images
from .numbers import Size
from .source import Source
from .targets import FILE, Layout, Rows, may_look, read_image, read_mask, read_rows, refuse_uncapturable, write_image

if TYPE_CHECKING:
    from .opened import Opened

RowsOf = dict[str, Rows]


@dataclass
class State:
    """One batch. `form` says how it came and will leave: one sample, a batch of tensors, or a list of samples.

    Attributes:
        kinds: of every target, in the order given.
        size: of the images: one for all, or arrays (b,) where they differ.
        images: of kind image and mask, (b, c, h, w), or a list where sizes differ.
        dtypes: of images as they came in.
        rows: boxes and keypoints.
        others: everything else, by name.
        kept: which boxes are still there, and which keypoints are seen.
    """

    form: str  # "single", "batch" or "list"
    count: int
    kinds: dict[str, str]
    size: Size | None
    images: dict[str, Images] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)
    dtypes: dict[str, torch.dtype] = field(default_factory=dict)
    rows: RowsOf = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)

    def of(self, kind: str) -> list[str]:
        return [name for name, k in self.kinds.items() if k == kind]

    @property
    def like(self) -> Tensor:
        """A tensor on the device that maps are wanted on."""
        for images in self.images.values():
            first = images if isinstance(images, Tensor) else images[0]
            return first if isinstance(first, Tensor) else torch.empty(0)
        for rows in self.rows.values():
            return rows.values
        return torch.empty(0)

    def one(self, i: int) -> State:
        """Returns sample i as a state of one."""
        size = None if self.size is None else tuple(n[i].item() if isinstance(n, np.ndarray) else n for n in self.size)
        images: dict[str, Images] = {name: [images[i]] for name, images in self.images.items()}
        rows = {}
        for name, r in self.rows.items():
            start = sum(r.counts[:i])
            rows[name] = replace(r, values=r.values[start : start + r.counts[i]], counts=(r.counts[i],))
        others = {
            name: value[i : i + 1] if isinstance(value, Tensor) else [value[i]] for name, value in self.others.items()
        }
        return State(self.form, 1, self.kinds, size, images, self.layouts, self.dtypes, rows, others)  # type: ignore[arg-type]

    def joined(self, parts: Sequence[State]) -> State:
        """Returns the parts, in their order, as one state like this one."""
        images: dict[str, Images] = {}
        for name in self.images:
            each = [image for part in parts for image in part.images[name]]
            same = len({t.shape for t in each}) == 1
            images[name] = torch.stack(each) if same else each
        rows, kept = {}, {}
        for name, r in self.rows.items():
            rows[name] = replace(r, values=torch.cat([part.rows[name].values for part in parts]))
            if name in parts[0].kept:
                kept[name] = torch.cat([part.kept[name] for part in parts])
        others: dict[str, Any] = {}
        for name, value in self.others.items():
            each = [part.others[name] for part in parts]
            others[name] = torch.cat(each) if isinstance(value, Tensor) else [v for part in each for v in part]
        return replace(self, images=images, rows=rows, others=others, kept=kept)


def read_one(targets: Mapping[str, Any], kinds: dict[str, str]) -> State:
    """Returns the keyword targets of one sample, or of a batch where the first image is one."""
    if torch.compiler.is_compiling():
        refuse_uncapturable(targets, kinds)
    state = State("single", 1, kinds, None)
    for name, kind in kinds.items():
        if kind == "image":
            value = targets[name]
            opened = (value.open(), FILE) if isinstance(value, Source) else read_image(name, value)
            _take_image(state, name, *opened)
    for name, kind in kinds.items():
        if kind == "mask":
            has_batch = None if state.size is None else state.form == "batch"
            tensor, layout = read_mask(name, targets[name], state.size, has_batch)  # type: ignore[arg-type]
            _take_image(state, name, tensor, layout)
    batch = None if state.form == "single" else state.count
    for name, kind in kinds.items():
        value = targets[name]
        if kind in ("boxes", "keypoints"):
            listed = isinstance(value, list | tuple) and (batch is not None)
            form = "single" if batch is None else "ragged" if listed else "dense"
            state.rows[name] = read_rows(name, value, batch, form, (4,) if kind == "boxes" else (2, 3))
        elif kind == "intrinsics":
            state.others[name] = _read_intrinsics(name, value, batch)
        elif kind == "label" and batch is not None:
            state.others[name] = _read_label(name, value, batch)
        elif kind not in ("image", "mask"):
            state.others[name] = [value] if batch is None else value
    return state


def read_list(samples: Sequence[Mapping[str, Any]], kinds: dict[str, str], index: Sequence[Any]) -> State:
    """Returns a list of samples as one batch. A mistake names the sample and its index."""
    states = []
    for i, sample in enumerate(samples):
        try:
            if sample.keys() != samples[0].keys():
                raise mistake("collate", "samples", f"of the same targets, {sorted(samples[0])}", sorted(sample))
            one = read_one(sample, kinds)
            if one.form != "single":
                raise mistake("collate", "samples", "single samples", "a batch", "Call pipe(...) on batches.")
            states.append(one)
        except (ValueError, TypeError) as error:
            known = f" (index {index[i]})" if index[i] is not None else ""
            raise ValueError(f"sample {i}{known}: {error}") from error
    first = states[0]
    images: dict[str, Images] = {name: [s.images[name][0] for s in states] for name in first.images}
    for name, each in images.items():
        if len({(t.shape[0], t.dtype) for t in each}) > 1:
            raise mistake(
                "collate",
                name,
                "of one dtype and channel count in all samples",
                sorted({(str(t.dtype), t.shape[0]) for t in each}),
                "Read every image in one mode, image.convert('RGB').",
            )
    sizes = np.array([s.size or (0, 0) for s in states], np.int64)
    same = (sizes == sizes[0]).all()
    size: Size = (int(sizes[0, 0]), int(sizes[0, 1])) if same else (sizes[:, 0], sizes[:, 1])
    rows = {}
    for name, r in first.rows.items():
        values = [s.rows[name].values for s in states]
        width = max((v.shape[1] for v in values if len(v)), default=values[0].shape[1])
        filled = [v if len(v) else v.new_empty(0, width) for v in values]
        counts = tuple(len(v) for v in values)
        rows[name] = Rows(torch.cat(filled), counts, "ragged", r.dtype, numpy=False)
    others: dict[str, Any] = {}
    for name, value in first.others.items():
        each = [s.others[name] for s in states]
        others[name] = torch.cat(each) if isinstance(value, Tensor) else [v[0] for v in each]
        if kinds[name] == "label":
            others[name] = _stack_labels(others[name])
    size_or_none = None if first.size is None else size
    return State("list", len(states), kinds, size_or_none, images, first.layouts, first.dtypes, rows, others)


def _take_image(state: State, name: str, tensor: Tensor | Opened, layout: Layout) -> None:
    form = "batch" if layout.has_batch else "single"
    size = (tensor.shape[-2], tensor.shape[-1])
    count = tensor.shape[0] if layout.has_batch else 1
    if state.size is None:
        state.form, state.size, state.count = form, size, count
    elif (form, size, count) != (state.form, state.size, state.count):
        raise mistake(
            "Pipeline",
            name,
            f"like the first image, {state.form} {state.count} x {state.size}",
            f"{form} {count} x {size}",
            "Targets of one call share their size and their batch.",
        )
    # A batch of one is a tensor (1, c, h, w); so is one sample.
    state.images[name] = tensor if layout.has_batch else [tensor]  # type: ignore[assignment, list-item]
    state.layouts[name] = layout
    state.dtypes[name] = tensor.dtype


def _read_intrinsics(name: str, value: Any, batch: int | None) -> Tensor:
    # As elsewhere, arrays keep their precision and lists of numbers are float32.
    tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else torch.as_tensor(value)
    shape = (3, 3) if batch is None else (batch, 3, 3)
    if batch is not None and tensor.shape == (3, 3):
        tensor = tensor.expand(shape)
    if tuple(tensor.shape) != shape:
        raise mistake("Pipeline", name, f"of shape {shape}", tuple(tensor.shape))
    if may_look(tensor) and not torch.isfinite(tensor).all():
        raise mistake("Pipeline", name, "finite", "NaN or infinity")
    return (tensor if tensor.is_floating_point() else tensor.float()).reshape(-1, 3, 3)


def _read_label(name: str, value: Any, batch: int) -> Any:
    many = isinstance(value, list | tuple) or (isinstance(value, Tensor | np.ndarray) and value.ndim > 0)
    if not many or len(value) != batch:
        raise mistake("Pipeline", name, f"one for each of {batch} samples", len(value) if many else repr(value))
    return torch.as_tensor(value) if isinstance(value, np.ndarray) else value


def _stack_labels(labels: list[Any]) -> Any:
    """Returns numbers and tensors of one shape as a tensor, anything else as the list it is."""
    if all(isinstance(v, Tensor | np.ndarray) for v in labels) and len({tuple(v.shape) for v in labels}) == 1:
        return torch.stack([torch.as_tensor(v) for v in labels])
    if all(isinstance(v, int | float | bool | np.number) for v in labels):
        return torch.as_tensor(labels)
    return labels


def write(state: State, output: str) -> dict[str, Any]:
    """Returns the targets in the form they came in."""
    result: dict[str, Any] = {}
    for name, kind in state.kinds.items():
        if name in state.images:
            result[name] = _write_image(state, name, output)
        elif name in state.rows:
            rows = state.rows[name]
            rows = replace(rows, numpy=rows.numpy and output == "same")
            drops = kind == "boxes" and rows.form != "dense"
            result[name] = rows.regroup(rows.values, state.kept[name] if drops else None)
            if not drops:
                result[f"{name}_valid"] = rows.regroup(state.kept[name])
        elif kind == "box_labels":
            result[name] = _write_box_labels(state, name)
        else:
            value = state.others[name]
            result[name] = value[0] if state.form == "single" else value
    return result


def _write_image(state: State, name: str, output: str) -> Any:
    images, layout = state.images[name], state.layouts[name]
    if output == "same" and state.form != "list":
        return write_image(images[0] if state.form == "single" else images, layout)  # type: ignore[arg-type]
    if not layout.has_channels and state.kinds[name] == "mask":
        images = [t[0] for t in images] if isinstance(images, list) else images.squeeze(1)
    return images[0] if state.form == "single" else images


def _write_box_labels(state: State, name: str) -> Any:
    value = state.others[name]
    owners = [n for n in state.of("boxes") if state.rows[n].form != "dense"]
    if not owners:
        return value[0] if state.form == "single" else value
    rows = state.rows[owners[0]]
    keeps = state.kept[owners[0]].split(list(rows.counts))
    if len(value) != len(keeps):
        raise mistake("Pipeline", name, f"one list for each of {len(keeps)} samples", len(value))
    each = [_filter(name, v, keep) for v, keep in zip(value, keeps, strict=True)]
    return each[0] if state.form == "single" else each


def _filter(name: str, values: Any, keep: Tensor) -> Any:
    """Returns the entries of a list, array or tensor that are kept."""
    if not isinstance(values, list | tuple | np.ndarray | Tensor):
        raise mistake("Pipeline", name, "a list, an array or a tensor", type(values).__name__)
    if len(values) != len(keep):
        raise mistake("Pipeline", name, f"one for each of {len(keep)} boxes", len(values))
    if isinstance(values, Tensor):
        return values[keep.to(values.device)]
    if isinstance(values, np.ndarray):
        return values[keep.cpu().numpy()]
    return type(values)(v for v, k in zip(values, keep.tolist(), strict=True) if k)
