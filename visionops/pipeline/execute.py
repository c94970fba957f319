"""Runs the passes of a plan on images and masks, a batch at a time: a tensor, or a list where sizes differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels import native
from visionops.kernels.filter import filter_separable
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.pixel.program import tensors_of
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.warp import warp

from . import matrix as mat
from .memory import empty
from .motion import Bound, Motion, compose, coordinates, levels, on, planes, uniform_size
from .numbers import Size
from .params import Drawn
from .plan import Pass, Plan
from .reading import Where, decoded, limits_of, read_for_warp, reads_files
from .steps import Color, Filter, Local, Mix, Values

Images = Tensor | list[Tensor]
# So many samples go through all passes before the next: what one pass wrote is still in cache when the next reads it.
CHUNK = 4


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
            program.append(one if active is True else _gate(one, active))
    return program


def _gate(one: Instruction, active: Any) -> Instruction:
    """Returns an instruction that is NONE for the samples that do not run it."""
    if not isinstance(active, Tensor):
        return Instruction(np.where(active, one.codes, Op.NONE).astype(np.int32), one.params)
    if isinstance(one.codes, Tensor):
        return Instruction(torch.where(active, one.codes, 0), one.params, one.ops)
    code = Op(int(one.codes))
    return Instruction(active.int() * int(code), one.params, (code,))


class Options(NamedTuple):
    """How a pipeline treats one image target."""

    dtype: torch.dtype
    interpolation: str
    antialias: bool
    fill: tuple[float, ...]


class Work(NamedTuple):
    """A pass with everything that its draw decides: what is left needs only pixels.

    Attributes:
        run: takes the images of the samples `rows` (None: all), and returns them after the pass, written into the
            last argument if that is a tensor.
        size: of the result.
        tensors: that take part besides the images.
    """

    run: Callable[[Images, slice | None, Tensor | None], Tensor]
    size: Size
    tensors: tuple[Tensor, ...]


def run_passes(
    plan: Plan,
    passes: Sequence[Pass],
    drawn: Drawn,
    images: Images,
    size: Size,
    options: Options,
    make: Callable[[tuple[int, ...], torch.dtype], Tensor] | None = None,
) -> Tensor:
    """Returns the images (b, c, h, w) after the passes.

    Args:
        size: of the images.
        make: makes the tensor for the result, where the caller wants it somewhere.
    """
    if not passes or not passes[0].geometric:
        images = decoded(images)
    first = images if isinstance(images, Tensor) else images[0]
    between = torch.float32 if first.dtype == torch.uint8 else first.dtype
    works: list[Work] = []
    left = list(passes)
    while left:
        one = left.pop(0)
        filters = one.local is not None and isinstance(plan.nodes[one.local].step, Filter)
        # A sweep after a filter runs in its call, image by image.
        rider = left.pop(0) if filters and left and left[0].color and not left[0].geometric else None
        kind = between if left else options.dtype
        works.append(_prepare(plan, one, drawn, size, first, kind, options, rider, owned=len(works) > 0))
        size = works[-1].size
    if not works:
        batch = as_batch(images)
        whole = batch.clone() if batch.dtype == options.dtype else from_unit(to_unit(batch), options.dtype)
        return whole if make is None else make(tuple(whole.shape), whole.dtype).copy_(whole)
    each = [images] if isinstance(images, Tensor) else [one for one in images if isinstance(one, Tensor)]
    in_cache = native.may_run(*each, *(t for work in works for t in work.tensors))
    out = None
    if make is not None or (in_cache and len(images) > CHUNK):
        both = uniform_size(size)
        assert both is not None
        out = (make or empty)((len(images), first.shape[-3], *both), options.dtype)
    if out is None or not in_cache:
        for work in works:
            images = work.run(images, None, out if work is works[-1] else None)
        return as_batch(images)
    step = CHUNK if len(works) > 1 or reads_files(images) else max(len(images), 1)
    for start in range(0, len(images), step):
        rows = slice(start, start + step)
        part: Images = images[rows]
        for work in works:
            part = work.run(part, rows, out[rows] if work is works[-1] else None)
    return out


def _prepare(
    plan: Plan,
    one: Pass,
    drawn: Drawn,
    size: Size,
    like: Tensor,
    dtype: torch.dtype,
    options: Options,
    rider: Pass | None,
    *,
    owned: bool,
) -> Work:
    """Returns a pass bound to its draw.

    Args:
        size: of the images it will get.
        like: one of the first pass's images.
        dtype: of the result.
        rider: the colour pass that runs with it, after a filter.
        owned: whether the images will be ours to write to.
    """
    if one.local is not None:
        step, values, active = plan.nodes[one.local].step, drawn.values[one.local], drawn.active[one.local]
        assert isinstance(step, Local)
        if isinstance(step, Filter) and active is not False:
            program = [] if rider is None else program_of(plan, drawn, rider.color, like.shape[-3])
            return _prepare_filter(step, values, active, program, size, dtype)
        if rider is None:
            return _prepare_local(step, values, active, size, dtype)
        one = rider
    program = program_of(plan, drawn, one.color, like.shape[-3])
    if one.geometric:
        motion = compose(bind(plan, drawn, one.geometric), size, like)
        return _prepare_warp(motion, program, like, dtype, options, scaled=not owned, count=drawn.count)
    tensors = tuple(tensors_of(program))

    def sweep(images: Images, rows: slice | None, out: Tensor | None) -> Tensor:
        batch = as_batch(images)
        if out is None and owned and batch.dtype == dtype and native.may_run(batch, *tensors):
            out = batch
        return pixel(batch, _steps(program, rows), dtype=dtype, out=out)

    return Work(sweep, size, tensors)


def _prepare_local(step: Local, values: dict[str, Any], active: Any, size: Size, dtype: torch.dtype) -> Work:
    def run(images: Images, rows: slice | None, out: Tensor | None) -> Tensor:
        batch = as_batch(images)
        if batch.dtype != dtype:
            batch = to_unit(batch)
        mine = values if rows is None else {k: _cut(v, rows) for k, v in values.items()}
        result = from_unit(_gated(step.run, batch, mine, _cut(active, rows)), dtype)
        return result if out is None else out.copy_(result)

    return Work(run, size, tuple(v for v in values.values() if isinstance(v, Tensor)))


def _prepare_filter(
    step: Filter, values: Values, active: Any, program: Sequence[Instruction], size: Size, dtype: torch.dtype
) -> Work:
    across, down = step.taps(values if active is True else step.idle(values, active))

    def run(images: Images, rows: slice | None, out: Tensor | None) -> Tensor:
        row = _cut(across, rows)
        column = row if down is across else _cut(down, rows)
        steps = _steps(program, rows)
        return filter_separable(as_batch(images), row, column, border=step.border, program=steps, dtype=dtype, out=out)

    return Work(run, size, tuple(t for t in (across, down, *tensors_of(program)) if isinstance(t, Tensor)))


def _prepare_warp(
    motion: Motion,
    program: Sequence[Instruction],
    like: Tensor,
    dtype: torch.dtype,
    options: Options,
    *,
    scaled: bool,
    count: int,
) -> Work:
    size = one_size(motion)
    scale = 255.0 if scaled and like.dtype == torch.uint8 else 1.0
    channels = like.shape[-3]
    fill = options.fill
    domains = motion.legs[0].domains
    fills = [_scaled(fill if d.fill is None else d.fill, scale, channels) for d in domains]
    matrix, dense = _where(motion, size, like)
    reduced = levels(motion) if options.antialias and options.interpolation != "nearest" else None
    if isinstance(reduced, Tensor):
        reduced = reduced.expand(count, 2)
    elif reduced is not None and len(reduced) != count:
        reduced = np.broadcast_to(reduced, (count, 2))
    half_planes = on(like.device, planes(domains))
    if not motion.is_matrix:
        fill = next((d.fill for leg in motion.legs for d in leg.domains if d.fill is not None), fill)
    colour = _scaled(fill, scale, channels)

    def run(images: Images, rows: slice | None, out: Tensor | None) -> Tensor:
        where = Where(_cut(matrix, rows), _cut(dense, rows), _cut(reduced, rows))
        if reads_files(images):
            images, where = read_for_warp(images, where, size, _cut(limits_of(motion), rows), border=motion.border)
        results = [
            warp(
                images,
                where.matrix,
                size,
                coordinates=where.dense,
                interpolation=options.interpolation,
                border=border,
                fill=colour,
                planes=_cut(half_planes, rows),
                fills=fills,
                levels=where.levels,
                program=_steps(program, rows),
                dtype=dtype,
                out=out if motion.bordered is True else None,
            )
            for border in ((motion.border,) if motion.bordered is True else (motion.border, "replicate"))
        ]
        if len(results) == 1:
            return results[0]
        result = blend(_cut(motion.bordered, rows), *results)
        return result if out is None else out.copy_(result)

    given = (matrix, dense, half_planes, *tensors_of(program))
    return Work(run, size, tuple(t for t in given if isinstance(t, Tensor)))


def _cut(values: Any, rows: slice | None) -> Any:
    """Returns the rows of what differs from sample to sample; all of what does not."""
    if rows is None or not isinstance(values, np.ndarray | Tensor) or values.ndim == 0 or len(values) == 1:
        return values
    return values[rows]


def _steps(program: Sequence[Instruction], rows: slice | None) -> Sequence[Instruction]:
    return program if rows is None else [Instruction(_cut(s.codes, rows), _cut(s.params, rows), s.ops) for s in program]


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


def copied(images: Images) -> Images:
    """Returns the images in memory of their own: what came in may be the caller's, or read-only."""
    return images.clone() if isinstance(images, Tensor) else [t.clone() for t in images]


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
        planes=on(first.device, planes(domains)),
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
    return on(like.device, matrix), None


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


def _gated(run: Callable[..., Tensor], images: Tensor, values: dict[str, Any], active: Any) -> Tensor:
    """Returns the images, changed where the step runs; only those samples are computed, where the host knows them."""
    if active is False or len(images) == 0:
        return images
    if active is True:
        return run(images, values)
    if isinstance(active, Tensor):
        return blend(active, run(images, values), images)
    chosen = np.flatnonzero(active)
    index = torch.from_numpy(chosen).to(images.device, non_blocking=True)
    mine = {}
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            value = value[chosen]
        elif isinstance(value, Tensor) and value.ndim and value.shape[0] == len(images):
            value = value[index]
        mine[key] = value
    return images.index_copy(0, index, run(images[index], mine))


def run_mix(step: Mix, values: dict[str, Any], active: Any, images: Tensor) -> Tensor:
    """Returns the images mixed where the step runs; partners come from the whole batch."""
    if active is False or len(images) == 0:
        return images
    return blend(active, step.mix(images, values), images)


def blend(active: Any, a: Tensor, b: Tensor) -> Tensor:
    """Returns `a` for the samples that run a step, else `b`."""
    if active is True:
        return a
    chosen = torch.as_tensor(active).to(a.device).reshape(-1, *(1,) * (a.ndim - 1))
    return torch.where(chosen, a, b)
