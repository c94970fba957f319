"""The way back: what was predicted on augmented images, as it lies on the source images. Geometry only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels.warp import warp

from . import labels
from . import matrix as mat
from .execute import bind
from .motion import Domain, Leg, Motion, autocasts, compose, planes, uniform_size
from .params import Drawn
from .targets import from_xyxy, read_image, read_mask, read_rows, to_xyxy, write_image

if TYPE_CHECKING:
    from .pipeline import Pipeline


def invert(pipeline: Pipeline, drawn: Drawn, targets: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """Returns the targets on the source images; sources of different sizes go one by one into lists."""
    device = next((v.device.type for v in targets.values() if isinstance(v, Tensor)), "cpu")
    if autocasts(device):
        with torch.autocast(device, enabled=False):
            return invert(pipeline, drawn, targets, kinds)
    if drawn.batch is not None and uniform_size(drawn.size) is None:
        each = [
            invert(pipeline, drawn.one(i), {name: value[i] for name, value in targets.items()}, kinds)
            for i in range(drawn.count)
        ]
        return {name: [one[name] for one in each] for name in each[0]}
    result: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = targets[name]
        if kind in ("image", "mask"):
            result[name] = _image_back(pipeline, drawn, name, kind, value)
        elif kind in ("boxes", "keypoints"):
            result.update(_rows_back(pipeline, drawn, name, kind, value))
        elif kind == "intrinsics":
            motion = _motion(pipeline, drawn, torch.empty(0))
            k = torch.as_tensor(value)
            back = Motion(motion.source_size, motion.size, (_turned(motion),))
            moved = labels.intrinsics_through(back, k.reshape(-1, 3, 3)).to(k.dtype)
            result[name] = moved[0] if drawn.batch is None else moved
        else:
            result[name] = value
    return result


def _motion(pipeline: Pipeline, drawn: Drawn, like: Tensor) -> Motion:
    return compose(bind(pipeline.plan, drawn, pipeline.plan.moves), drawn.size, like)


def _turned(motion: Motion) -> Any:
    """Returns the leg from the source to the output of a motion without deformation."""
    if motion.deforms:
        raise mistake("inverse", "targets", "without intrinsics where a step deforms", "intrinsics")
    return Leg(mat.inverse(motion.matrix), (), None, motion.size, "constant")


def _image_back(pipeline: Pipeline, drawn: Drawn, name: str, kind: str, value: Any) -> Any:
    tensor, layout = (
        read_image(name, value) if kind == "image" else read_mask(name, value, None, drawn.batch is not None)
    )
    if layout.has_batch != (drawn.batch is not None):
        raise mistake(
            "inverse", name, "one sample for params of one, a batch for params of a batch", tuple(tensor.shape)
        )
    batch = tensor if layout.has_batch else tensor[None]
    motion = _motion(pipeline, drawn, batch)
    size, shown = uniform_size(motion.source_size), uniform_size(motion.size)
    if shown != tuple(batch.shape[-2:]):
        raise mistake(
            "inverse",
            name,
            f"of the augmented size {shown}",
            tuple(batch.shape[-2:]),
            "Resize the prediction to the network's input first.",
        )
    assert size is not None
    unit = 255.0 if batch.dtype == torch.uint8 and kind == "image" else 1.0
    fill = [f * unit for f in pipeline.fill.get(name) or pipeline.fill.get(kind) or (0.0,)]
    options: dict[str, Any] = {
        "interpolation": "nearest" if kind == "mask" else pipeline.interpolation,
        "fill": fill if len(fill) > 1 else fill[0],
    }
    if motion.is_matrix:
        forward = mat.inverse(motion.legs[0].matrix)
        edge = planes([Domain(forward, (0, 0, motion.size[1], motion.size[0]), None)])
        out = warp(batch, mat.stack(forward), size, planes=edge, fills=[options["fill"]], **options)
    else:
        out = warp(batch, None, size, coordinates=_dense(motion, size, len(batch), batch), **options)
    if layout.kind == "tensor" or pipeline.output == "tensor":
        out = out.squeeze(-3) if kind == "mask" and not layout.has_channels else out
        return out if layout.has_batch else out[0]
    return write_image(out if layout.has_batch else out[0], layout)


def _dense(motion: Motion, size: tuple[int, int], batch: int, like: Tensor) -> Tensor:
    """Returns where each source pixel lies in the output, (b, h, w, 2), NaN where it is not seen."""
    h, w = size
    v, u = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    grid = torch.stack([u, v], -1).reshape(1, -1, 2).expand(batch, -1, -1).to(like.device, torch.float64)
    owner = torch.arange(batch, device=like.device).repeat_interleave(h * w)
    moved, seen = labels.points_forward(motion, grid.reshape(-1, 2), owner)
    return torch.where(seen[:, None], moved, torch.nan).reshape(batch, h, w, 2)


def _rows_back(pipeline: Pipeline, drawn: Drawn, name: str, kind: str, value: Any) -> dict[str, Any]:
    batch = drawn.batch
    form = "single" if batch is None else "ragged" if isinstance(value, list | tuple) else "dense"
    rows = read_rows(name, value, batch, form, (4,) if kind == "boxes" else (2, 3))
    motion = _motion(pipeline, drawn, rows.values)
    owner = rows.owner
    if kind == "keypoints":
        values, seen = labels.keypoints_through(motion, rows, pipeline.keypoint_swap, inverse=True)
        return {name: rows.regroup(values), f"{name}_valid": rows.regroup(seen)}
    boxes = to_xyxy(name, rows.values, pipeline.box_format, labels.sizes_of(motion.size, rows.values, owner))
    moved = labels.boxes_through(motion, boxes, owner, hull=pipeline.box_hull, inverse=True)
    sizes = labels.sizes_of(motion.source_size, rows.values, owner)
    limit = sizes.flip(-1).repeat(1, 2)
    clipped = torch.minimum(moved.clamp(min=0), limit)
    values = from_xyxy(clipped, pipeline.box_format, sizes)
    return {name: rows.regroup(values.to(rows.dtype))}
