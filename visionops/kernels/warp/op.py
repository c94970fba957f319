"""`warp`: one resampling with everything that rides on it, compiled where it may and by the definition elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.pixel.program import Program, encode, encode_tensors, tensors_of

from . import cpu
from .autograd import sweep
from .spec import Spec
from .sweep import run_definition, typed

Array = np.ndarray | Tensor


def warp(
    image: Shaped[Tensor, "b c h w"] | Sequence[Shaped[Tensor, "c _h _w"]],
    inverse: Float[Array, "#b 3 3"] | None,
    size: tuple[int, int],
    *,
    coordinates: Float[Tensor, "#b oh ow 2"] | None = None,
    interpolation: str = "bilinear",
    border: str = "replicate",
    fill: float | Sequence[float] = 0.0,
    planes: Float[Array, "#b d 4 3"] | None = None,
    fills: Sequence[float | Sequence[float]] | None = None,
    levels: Int[Array, "b 2"] | None = None,
    program: Program = (),
    dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Shaped[Tensor, "b c oh ow"]:
    """Returns images resampled at a matrix or a dense map, then coloured by a pixel program, in one sweep.

    The output pixel (u, v) reads the source at ``inverse @ (u, v, 1)``, or at ``coordinates[v, u]``, in pixels whose
    integer coordinates are centres. Where that position is an integer the result is the source pixel, bit for bit;
    where it is not finite the result is the fill.

    Args:
        image: floating or integer; a sequence holds images of different sizes that share channels and dtype.
        inverse: from output to source pixels, for each sample or for all. None with `coordinates`.
        size: (height, width) of the output.
        coordinates: source (x, y) of each output pixel.
        interpolation: "nearest" (any dtype, exact; ties go up), "bilinear" or "bicubic" (a = -0.75).
        border: what a tap outside the source reads: "constant" (the fill), "replicate", "reflect" or "circular".
        fill: a number, or one for each channel, in the units of the image (uint8: 0 to 255).
        planes: half-planes ``a u + b v + c >= 0`` of the output, four for each of d domains. A pixel outside
            domain i and inside all before it gets ``fills[i]``.
        fills: a fill for each domain.
        levels: powers of two (along y, along x) by which each source is reduced first, by area; "nearest" reduces none.
        program: colours after the resampling, see `visionops.kernels.pixel.program`.
        dtype: of the result; None keeps the image's.
        out: a contiguous tensor to write into, outside autograd only.

    Gradient: to the image, the matrix or the coordinates, and the program's parameters. With "nearest" the
    matrix gets none. At integer positions the derivative by the position is the one from the right. float16 and
    bfloat16 compute in float32.
    """
    first = image if isinstance(image, Tensor) else image[0]
    c = first.shape[-3]
    if interpolation == "nearest" or (isinstance(levels, np.ndarray) and not levels.any()):
        levels = None
    border_fills = () if fills is None or planes is None else tuple(_colours(f, c) for f in fills)
    spec = Spec(size, interpolation, border, _colours(fill, c), border_fills, dtype or first.dtype)
    given = [t for t in (inverse, coordinates, planes, levels) if isinstance(t, Tensor)] + tensors_of(program)
    images = [image] if isinstance(image, Tensor) else image
    kinds = {first.dtype, spec.dtype}
    if isinstance(image, Tensor) and kinds <= native.TRITON_DTYPES and native.triton_may_run(image, *given):
        return _record(image, inverse, coordinates, planes, levels, program, spec)
    if kinds <= native.SWEEP_DTYPES.keys():
        if native.may_run(*images, *given):
            encoded = encode(program, len(image))
            return cpu.sweep(image, inverse, coordinates, planes, levels, encoded, spec, out)
        if isinstance(image, Tensor) and image.numel() and native.may_be_recorded(image, *given):
            return _record(image, inverse, coordinates, planes, levels, program, spec)
    elif spec.is_plain(first.dtype, program) and native.may_run(*images, *given):
        return _gather(image, inverse, coordinates, planes, spec, out)
    matrix, dense, sides = (_tensor(values, first.device) for values in (inverse, coordinates, planes))
    if isinstance(image, Tensor):
        result = run_definition(image, matrix, dense, sides, levels, program, spec)
    else:
        result = torch.cat(
            [
                run_definition(
                    one[None], _row(matrix, i), _row(dense, i), _row(sides, i),
                    None if levels is None else levels[i : i + 1], [step.of(i) for step in program], spec,
                )
                for i, one in enumerate(image)
            ]
        )  # fmt: skip
    return result if out is None else out.copy_(result)


def _row(values: Tensor | None, i: int) -> Tensor | None:
    return values if values is None or values.shape[0] == 1 else values[i : i + 1]


def _record(
    image: Tensor,
    inverse: Array | None,
    coordinates: Tensor | None,
    planes: Array | None,
    levels: Array | None,
    program: Program,
    spec: Spec,
) -> Tensor:
    """Returns the sweep with a graph, by kernels both ways."""
    codes, params, layout = encode_tensors(program, image.device)
    inverse, planes, levels = (_tensor(values, image.device) for values in (inverse, planes, levels))
    if inverse is not None:
        inverse = inverse.double() if image.device.type == "cpu" else inverse.float()
    coordinates = None if coordinates is None else coordinates.float()
    return sweep(image, inverse, coordinates, params, planes, levels, codes, spec._replace(program=layout))


def _gather(
    image: Tensor | Sequence[Tensor],
    inverse: Array | None,
    coordinates: Tensor | None,
    planes: Array | None,
    spec: Spec,
    out: Tensor | None,
) -> Tensor:
    """Returns images of any dtype with their pixels moved, bit for bit."""
    first = image if isinstance(image, Tensor) else image[0]
    target = native.empty((len(image), first.shape[-3], *spec.size), spec.dtype) if out is None else out
    dense = None if coordinates is None else coordinates.float().expand(len(image), -1, -1, -1).contiguous()
    native.module.gather_nearest(
        native.describe(image), first.shape[-3], first.element_size(),
        None if inverse is None else native.host(inverse, np.float64),
        None if dense is None else native.addresses(dense),
        None if planes is None else native.host(planes, np.float64),
        _bits(spec.fills, spec.dtype) if spec.fills else None, _bits(spec.fill, spec.dtype),
        native.BORDERS[spec.border], native.addresses(target), *spec.size, torch.get_num_threads(),
    )  # fmt: skip
    return target


def _colours(fill: float | Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(fill) if isinstance(fill, Sequence | np.ndarray) else (float(fill),) * channels


def _tensor(values: Array | None, device: torch.device) -> Tensor | None:
    if values is None or isinstance(values, Tensor):
        return values
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    # Double precision costs nothing on a host; on a device positions are float32.
    if device.type == "cpu" or not tensor.is_floating_point():
        return tensor.to(device, non_blocking=True)
    return tensor.to(device, torch.float32, non_blocking=True)


def _bits(values: Sequence[float] | Sequence[Sequence[float]], dtype: torch.dtype) -> np.ndarray:
    """Returns numbers as the bytes they have in the dtype, each in the low end of a uint64."""
    numbers = np.array(values, np.float64)
    raw = typed(numbers, dtype).contiguous().view(torch.uint8).reshape(*numbers.shape, -1).numpy()
    padded = np.zeros((*numbers.shape, 8), np.uint8)
    padded[..., : raw.shape[-1]] = raw
    return padded.view(np.uint64)[..., 0]
