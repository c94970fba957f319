"""Runs the passes of a plan on images and masks, a batch at a time: a tensor, or a list where sizes differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels import native, pixel, warp
from visionops.kernels.pixel import Instruction, Op
from visionops.kernels.pixel.op import from_unit, to_unit
from visionops.kernels.pixel.program import tensors_of

from . import matrix as mat
from .motion import Bound, Motion, compose, coordinates, levels, planes, uniform_size
from .numbers import Size
from .params import Drawn
from .plan import Pass, Plan
from .steps import Color, Local, Mix

Images = Tensor | list[Tensor]


def bind(plan: Plan, drawn: Drawn, members: Sequence[int]) -> list[Bound]:
    """Returns geometric steps with their values."""
    return [Bound(plan.nodes[i].step, drawn.values[i], drawn.active[i]) for i in members]  # type: ignore[arg-type]


def program_of(plan: Plan, drawn: Drawn, members: Sequence[int], channels: int) -> list[Instruction]:
    """Returns the colour steps as one pixel program; where a sample does not run a step its codes are NONE."""
    program: list[Instruction] = []
    for i in members:
        step, active = plan.nodes[i].step, drawn.active[i]
        assert isinstance(step, Color)
        if active is False:
            continue
        for one in step.program(drawn.values[i], channels):
            if active is not True:
                one = Instruction(np.where(active, one.codes, Op.NONE).astype(np.int32), one.params)
            program.append(one)
    return program


def run_passes(
    plan: Plan,
    passes: Sequence[Pass],
    drawn: Drawn,
    images: Images,
    size: Size,
    *,
    dtype: torch.dtype,
    interpolation: str,
    antialias: bool,
    fill: tuple[float, ...],
    out: Callable[[tuple[int, ...], torch.dtype], Tensor] | None = None,
) -> Tensor:
    """Returns the images (b, c, h, w) after the passes, in the dtype.

    Args:
        size: of the images.
        out: makes the tensor for the result, where the caller wants it somewhere.
    """
    first = images if isinstance(images, Tensor) else images[0]
    channels = first.shape[-3]
    between = torch.float32 if first.dtype == torch.uint8 else first.dtype
    owned = False  # whether the images are ours to write to
    for i, one in enumerate(passes):
        is_last = i + 1 == len(passes)
        kind = dtype if is_last else between
        target = out if is_last else None
        if one.geometric:
            program = program_of(plan, drawn, one.color, channels)
            motion = compose(bind(plan, drawn, one.geometric), size, first)
            images = _warp(images, motion, program, kind, interpolation, antialias, fill, target)
            size, owned = (images.shape[2], images.shape[3]), True
            continue
        images = as_batch(images)
        if one.color:
            program = program_of(plan, drawn, one.color, channels)
            if target is not None:
                given = target(tuple(images.shape), kind)
            else:
                in_place = owned and images.dtype == kind and native.may_run(images, *tensors_of(program))
                given = images if in_place else None
            images, owned = pixel(images, program, dtype=kind, out=given), True
        elif one.local is not None:
            if not (is_last and images.dtype == kind):
                images = to_unit(images).to(between)
            step = plan.nodes[one.local].step
            assert isinstance(step, Local)
            images, owned = _gated(step.apply, images, drawn.values[one.local], drawn.active[one.local]), False
    result = as_batch(images)
    if result.dtype != dtype:
        result = from_unit(to_unit(result), dtype)
    elif result is first and not owned:
        result = result.clone()
    if out is not None and not (passes and (passes[-1].geometric or passes[-1].color)):
        result = out(tuple(result.shape), dtype).copy_(result)
    return result


def as_batch(images: Images) -> Tensor:
    """Returns the images as one tensor; different sizes raise."""
    if isinstance(images, Tensor):
        return images
    if len(images) == 1:
        return images[0][None]
    shapes = {tuple(t.shape) for t in images}
    if len(shapes) != 1:
        raise mistake(
            "Pipeline",
            "images",
            "of one size where a batch is needed",
            sorted(shapes),
            "Begin with RandomResizedCrop, Resize or a crop.",
        )
    return torch.stack(images)


def _warp(
    images: Images,
    motion: Motion,
    program: Sequence[Instruction],
    dtype: torch.dtype,
    interpolation: str,
    antialias: bool,
    fill: tuple[float, ...],
    out: Callable[[tuple[int, ...], torch.dtype], Tensor] | None,
) -> Tensor:
    size = one_size(motion)
    first = images if isinstance(images, Tensor) else images[0]
    target = None if out is None else out((len(images), first.shape[-3], *size), dtype)
    scale = 255.0 if first.dtype == torch.uint8 else 1.0
    channels = first.shape[-3]
    fills = [_scaled(fill if d.fill is None else d.fill, scale, channels) for d in motion.legs[0].domains]
    reduced = levels(motion) if antialias and interpolation != "nearest" else None
    if reduced is not None and len(reduced) != len(images):
        reduced = np.broadcast_to(reduced, (len(images), 2))
    matrix, dense = _where(motion, size, first)
    if not motion.is_matrix:
        fill = next((d.fill for leg in motion.legs for d in leg.domains if d.fill is not None), fill)
    return warp(
        images,
        matrix,
        size,
        coordinates=dense,
        interpolation=interpolation,
        border=motion.border,
        fill=_scaled(fill, scale, channels),
        planes=planes(motion.legs[0].domains),
        fills=fills,
        levels=reduced,
        program=program,
        dtype=dtype,
        out=target,
    )


def warp_mask(masks: Images, motion: Motion, fill: float) -> Tensor:
    """Returns masks resampled once, nearest, in their own dtype."""
    size = one_size(motion)
    first = masks if isinstance(masks, Tensor) else masks[0]
    if fill and not first.dtype.is_floating_point and torch.tensor(fill, dtype=torch.float64).to(first.dtype) != fill:
        raise mistake("Pipeline", "fill", f"a value of a {first.dtype} mask", fill)
    matrix, dense = _where(motion, size, first)
    domains = motion.legs[0].domains
    return warp(
        masks,
        matrix,
        size,
        coordinates=dense,
        interpolation="nearest",
        border=motion.border,
        fill=fill,
        planes=planes(domains),
        fills=[fill] * len(domains),
    )


def _where(motion: Motion, size: tuple[int, int], like: Tensor) -> tuple[Any, Tensor | None]:
    """Returns the matrix of a motion, or its dense map."""
    if not motion.is_matrix:
        return None, coordinates(motion, size, like)
    matrix = mat.stack(motion.legs[0].matrix)
    if isinstance(matrix, np.ndarray) and not np.isfinite(matrix).all():
        bad = int(np.flatnonzero(~np.isfinite(matrix).all((1, 2)))[0])
        raise mistake(
            "Pipeline",
            "matrix",
            "finite and invertible",
            f"inverse {matrix[bad].tolist()} in sample {bad}",
            "Look for a scale of 0 or NaN among the parameters.",
        )
    return matrix, None


def one_size(motion: Motion) -> tuple[int, int]:
    """Returns the output size of all samples; different ones raise."""
    size = uniform_size(motion.size)
    if size is None:
        shapes = sorted({(int(a), int(b)) for a, b in np.broadcast(*motion.size)})
        raise mistake(
            "Pipeline",
            "output",
            "of one size in a batch",
            shapes,
            "End with RandomResizedCrop, Resize, a crop or Pad to a fixed size.",
        )
    return size


def _scaled(fill: tuple[float, ...], scale: float, channels: int) -> float | list[float]:
    if len(fill) not in (1, channels):
        raise mistake("Pipeline", "fill", f"a number or {channels} of them, one for each channel", fill)
    if scale != 1 and max(fill) > 1:
        raise mistake("Pipeline", "fill", "in [0, 1], a fraction of white", fill, "255 is 1.0.")
    return fill[0] * scale if len(fill) == 1 else [f * scale for f in fill]


def _gated(apply: Callable[..., Tensor], images: Tensor, values: dict[str, Any], active: Any) -> Tensor:
    """Returns the images, changed where the step runs; only those samples are computed."""
    if active is False or len(images) == 0:
        return images
    if active is True:
        return apply(images, values)
    chosen = np.flatnonzero(active)
    index = torch.from_numpy(chosen).to(images.device, non_blocking=True)
    mine = {}
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            value = value[chosen]
        elif isinstance(value, Tensor) and value.ndim and value.shape[0] == len(images):
            value = value[index]
        mine[key] = value
    return images.index_copy(0, index, apply(images[index], mine))


def run_mix(step: Mix, values: dict[str, Any], active: Any, images: Tensor) -> Tensor:
    """Returns the images mixed where the step runs; partners come from the whole batch."""
    if active is False or len(images) == 0:
        return images
    mixed = step.mix(images, values)
    return mixed if active is True else blend(active, mixed, images)


def blend(active: Any, a: Tensor, b: Tensor) -> Tensor:
    """Returns `a` for the samples that run a step, else `b`."""
    if active is True:
        return a
    chosen = torch.as_tensor(active).to(a.device).reshape(-1, *(1,) * (a.ndim - 1))
    return torch.where(chosen, a, b)
