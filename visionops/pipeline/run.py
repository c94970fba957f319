"""Takes all targets of a pipeline through its passes: images and masks by pixels, the rest by the motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake

from . import labels
from .execute import Options, bind, blend, copied, run_mix, run_passes, warp_mask
from .motion import Motion, autocasts, compose, size_after, uniform_size
from .numbers import Size
from .params import Drawn
from .plan import Pass, Stretch
from .state import State
from .steps import Deform, Geometric, Mix
from .targets import from_xyxy, to_xyxy

if TYPE_CHECKING:
    from .pipeline import Pipeline

# The kinds of targets that need the motion of the pixels.
FOLLOWERS = frozenset(("mask", "boxes", "keypoints", "intrinsics"))

MakeTensor = Callable[[tuple[int, ...], torch.dtype], Tensor]


def run(pipe: Pipeline, state: State, drawn: Drawn, out: MakeTensor | None = None) -> State:
    """Returns the targets, changed in place, under a draw.

    Args:
        out: makes the tensors of images, where the caller wants them somewhere.
    """
    device = state.like.device.type
    if autocasts(device):
        with torch.autocast(device, enabled=False):
            return run(pipe, state, drawn, out)
    stretches = pipe.plan.stretches
    if len(stretches) > 1:
        _refuse_mixed(pipe, state)
    for stretch in stretches:
        last = stretch is stretches[-1]
        size = state.size
        assert size is not None
        if state.form == "list" and not _fits_batch(pipe, stretch.passes, drawn, size):
            parts = [_advance(pipe, state.one(i), stretch, drawn.one(i), last, None) for i in range(state.count)]
            state = state.joined(parts)
        else:
            state = _advance(pipe, state, stretch, drawn, last, out if last else None)
        state.size = _size_of(state)
        if stretch.mix is not None:
            _mix(pipe, state, stretch.mix, drawn)
    return state


def _advance(pipe: Pipeline, state: State, stretch: Stretch, drawn: Drawn, last: bool, out: MakeTensor | None) -> State:
    """Returns the state, changed in place, after the passes of a stretch: every target moved once."""
    moves = stretch.moves
    motion: Motion | None = None
    assert state.size is not None
    if not FOLLOWERS.isdisjoint(state.kinds.values()):
        motion = compose(bind(pipe.plan, drawn, moves), state.size, state.like)
    for name, images in state.images.items():
        if state.kinds[name] == "mask":
            assert motion is not None
            fill = pipe.fill.get(name) or pipe.fill.get("mask") or (0.0,)
            state.images[name] = warp_mask(images, motion, fill[0]) if moves else copied(images)
            continue
        dtype = state.dtypes[name]
        if dtype == torch.uint8 and (pipe.plan.to_float or not last):
            dtype = torch.float32
        fill = pipe.fill.get(name) or pipe.fill.get("image") or (0.0,)
        options = Options(dtype, pipe.interpolation, pipe.antialias, fill)
        state.images[name] = run_passes(pipe.plan, stretch.passes, drawn, images, state.size, options, out)
    if motion is not None:
        _move_rows(pipe, state, motion)
        for name in state.of("intrinsics"):
            if motion.deforms:
                raise mistake(
                    "Pipeline",
                    name,
                    "used without a deformation",
                    "a pipeline that deforms",
                    "No camera matrix describes a deformed image.",
                )
            state.others[name] = labels.intrinsics_through(motion, state.others[name]).to(state.others[name].dtype)
    return state


def _fits_batch(pipe: Pipeline, passes: Sequence[Pass], drawn: Drawn, size: Size) -> bool:
    """Returns whether listed images can run as one batch: of one size after every pass, if not before the first."""
    if uniform_size(size) is None and not (passes and passes[0].geometric):
        return False
    for one in passes:
        for i in one.geometric:
            step = pipe.plan.nodes[i].step
            if isinstance(step, Deform) and uniform_size(size) is None:
                return False
            assert isinstance(step, Geometric | Deform)
            size = size_after(bind(pipe.plan, drawn, [i])[0], size)
        if uniform_size(size) is None:
            return False
    return True


def _move_rows(pipe: Pipeline, state: State, motion: Motion) -> None:
    for name in state.of("keypoints"):
        rows = state.rows[name]
        values, state.kept[name] = labels.keypoints_through(motion, rows, pipe.keypoint_swap)
        state.rows[name] = replace(rows, values=values)
    for name in state.of("boxes"):
        rows = state.rows[name]
        owner = rows.owner
        before = labels.sizes_of(motion.source_size, rows.values, owner)
        boxes = to_xyxy(name, rows.values, pipe.box_format, before)
        moved = labels.boxes_through(motion, boxes, owner, hull=pipe.box_hull)
        clipped, keep = labels.clip_boxes(
            motion, moved, owner, min_area=pipe.box_min_area, min_visibility=pipe.box_min_visibility
        )
        after = labels.sizes_of(motion.size, rows.values, owner)
        values = from_xyxy(clipped, pipe.box_format, after)
        state.rows[name] = replace(rows, values=values.to(rows.dtype))
        state.kept[name] = keep


def _refuse_mixed(pipe: Pipeline, state: State) -> None:
    """Raises where a batch step cannot take the targets."""
    mix = pipe.plan.stretches[0].mix
    assert mix is not None
    name = type(pipe.plan.nodes[mix].step).__name__
    if state.form == "single":
        raise mistake(name, "input", "a batch", "one sample", "Use collate_fn=pipe.collate, or pass batch tensors.")
    for kind in ("boxes", "keypoints", "intrinsics"):
        if state.of(kind):
            raise mistake(
                name,
                "targets",
                "images, masks and labels",
                kind,
                "A mixed image has no such label; mix in a pipeline of its own.",
            )


def _mix(pipe: Pipeline, state: State, node: int, drawn: Drawn) -> None:
    step, values, active = pipe.plan.nodes[node].step, drawn.values[node], drawn.active[node]
    assert isinstance(step, Mix) and state.size is not None
    for name, images in state.images.items():
        if isinstance(images, list):
            raise mistake(
                type(step).__name__,
                name,
                "of one size in a batch",
                [tuple(t.shape) for t in images],
                "Put RandomResizedCrop, Resize or a crop before it.",
            )
        if state.kinds[name] == "mask":
            state.images[name] = blend(active, step.mix_mask(images, values), images)
        else:
            state.images[name] = run_mix(step, values, active, images)
    h, w = state.size
    for name in state.of("label"):
        label = state.others[name]
        try:
            label = torch.as_tensor(label)
        except (TypeError, ValueError):
            raise mistake(type(step).__name__, name, "numbers, which have a mean", repr(label)) from None
        state.others[name] = step.soft_label(label, values, active, (h, w))


def _size_of(state: State) -> Size:
    for images in state.images.values():
        if isinstance(images, Tensor):
            return images.shape[2], images.shape[3]
        return np.array([t.shape[-2] for t in images]), np.array([t.shape[-1] for t in images])
    assert state.size is not None
    return state.size
