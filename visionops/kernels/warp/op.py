"""`warp`: one resampling with everything that rides on it, compiled where it may and by the definition elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.pixel import definition as pixel_definition
from visionops.kernels.pixel.op import encode, from_unit, to_unit
from visionops.kernels.pixel.program import Program, tensors_of

from . import definition
from .reduce import reduce

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
    levels: Int[np.ndarray, "b 2"] | None = None,
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
        levels: powers of two (along y, along x) by which each source is reduced first, by area. None reduces nothing.
        program: colours after the resampling, see `visionops.kernels.pixel.program`.
        dtype: of the result; None keeps the image's.
        out: a contiguous tensor to write into, outside autograd only.

    Gradient: to the image, the matrix or the coordinates, and the program's parameters. With "nearest" the
    matrix gets none. At integer positions the derivative by the position is the one from the right. float16 and
    bfloat16 compute in float32.
    """
    first = image if isinstance(image, Tensor) else image[0]
    b, c = len(image), first.shape[-3]
    dtype = dtype or first.dtype
    device = first.device
    fill_row = _colours(fill, c)
    fill_rows = None if fills is None or planes is None else np.stack([_colours(f, c) for f in fills])
    given = [t for t in (inverse, coordinates, planes) if isinstance(t, Tensor)] + tensors_of(program)
    images = [image] if isinstance(image, Tensor) else image
    if native.may_run(*images, *given):
        table = native.describe(image)
        shape = (b, c, *size)
        target = torch.empty(shape, dtype=dtype) if out is None else out
        outputs = native.addresses(target)
        if coordinates is not None:
            coordinates = coordinates.float().expand(b, -1, -1, -1).contiguous()
        where = (
            None if inverse is None else native.host(inverse, np.float64),
            None if coordinates is None else native.addresses(coordinates),
            None if planes is None else native.host(planes, np.float64),
        )
        threads = torch.get_num_threads()
        if first.dtype in native.SWEEP_DTYPES and dtype in native.SWEEP_DTYPES:
            native.module.sweep(
                table, c, native.SWEEP_DTYPES[first.dtype], *where, fill_rows, fill_row,
                native.INTERPOLATIONS[interpolation], native.BORDERS[border],
                None if levels is None or not levels.any() else np.ascontiguousarray(levels, np.int32),
                *encode(program, b), outputs, native.SWEEP_DTYPES[dtype], *size, threads,
            )  # fmt: skip
            return target
        if interpolation == "nearest" and not program and dtype == first.dtype:
            native.module.gather_nearest(
                table, c, first.element_size(), *where, _bits(fill_rows, dtype), _bits(fill_row, dtype),
                native.BORDERS[border], outputs, *size, threads,
            )  # fmt: skip
            return target
    if not isinstance(image, Tensor):
        parts = [
            _define(one[None], *_sample(i, inverse, coordinates, planes), size, interpolation, border, fill_row,
                    fill_rows, None if levels is None else levels[i : i + 1], [step.of(i) for step in program], dtype)
            for i, one in enumerate(image)
        ]  # fmt: skip
        result = torch.cat(parts)
    else:
        where = (_tensor(inverse, device), coordinates, _tensor(planes, device))
        result = _define(image, *where, size, interpolation, border, fill_row, fill_rows, levels, program, dtype)
    return result if out is None else out.copy_(result)


def _define(
    image: Tensor,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    planes: Tensor | None,
    size: tuple[int, int],
    interpolation: str,
    border: str,
    fill: np.ndarray,
    fills: np.ndarray | None,
    levels: np.ndarray | None,
    program: Program,
    dtype: torch.dtype,
) -> Tensor:
    plain = interpolation == "nearest" and not program and dtype == image.dtype
    x = image if plain else to_unit(image)
    unit = 1.0 if plain or image.dtype != torch.uint8 else 1 / 255
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    colours = (torch.from_numpy(f * unit).to(x.device, x.dtype if plain else kind) for f in (fill,))
    options = {
        "interpolation": interpolation,
        "border": border,
        "fill": next(colours),
        "planes": planes,
        "fills": None if fills is None else torch.from_numpy(fills * unit).to(x.device, x.dtype),
    }
    if levels is None or not levels.any():
        x = definition.warp(x, inverse, size, coordinates=coordinates, **options)
    else:
        x = reduce(x, inverse, size, coordinates, levels, options)
    return x if plain else from_unit(pixel_definition.pixel(x, program), dtype)


def _colours(fill: float | Sequence[float], channels: int) -> np.ndarray:
    row = np.empty(channels)
    row[:] = fill
    return row


def _tensor(values: Array | None, device: torch.device) -> Tensor | None:
    if values is None or isinstance(values, Tensor):
        return values
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    # Double precision costs nothing on a host; on a device positions are float32.
    return tensor if device.type == "cpu" else tensor.to(device, torch.float32, non_blocking=True)


def _sample(i: int, *values: Array | None) -> list[Tensor | None]:
    """Returns sample i of each, as tensors of batch one on the host."""
    cpu = torch.device("cpu")
    return [None if v is None else _tensor(v if v.shape[0] == 1 else v[i : i + 1], cpu) for v in values]


def _bits(values: np.ndarray | None, dtype: torch.dtype) -> np.ndarray | None:
    """Returns numbers as the bytes they have in the dtype, each in the low end of a uint64."""
    if values is None:
        return None
    typed = torch.from_numpy(np.ascontiguousarray(values)).to(dtype)
    raw = typed.view(torch.uint8).reshape(*values.shape, -1).numpy()
    padded = np.zeros((*values.shape, 8), np.uint8)
    padded[..., : raw.shape[-1]] = raw
    return padded.view(np.uint64)[..., 0]
