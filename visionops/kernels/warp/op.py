"""`warp`: one resampling with everything that rides on it, compiled where it may and by the definition elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
            A tensor is not read back: every level is made.
        program: colours after the resampling, see `visionops.kernels.pixel.program`.
        dtype: of the result; None keeps the image's.
        out: a contiguous tensor to write into, outside autograd only.

    Gradient: to the image, the matrix or the coordinates, and the program's parameters. With "nearest" the
    matrix gets none. At integer positions the derivative by the position is the one from the right. float16 and
    bfloat16 compute in float32.
    """
    first = image if isinstance(image, Tensor) else image[0]
    c = first.shape[-3]
    if interpolation == "nearest" or levels is None or (isinstance(levels, np.ndarray) and not levels.any()):
        levels = None
    look = _Look(
        size,
        interpolation,
        border,
        _colours(fill, c),
        None if fills is None or planes is None else np.stack([_colours(f, c) for f in fills]),
        dtype or first.dtype,
    )
    given = [t for t in (inverse, coordinates, planes, levels) if isinstance(t, Tensor)] + tensors_of(program)
    images = [image] if isinstance(image, Tensor) else image
    if look.is_compiled(first.dtype, program) and native.may_run(*images, *given):
        return _compiled(image, inverse, coordinates, planes, look, levels, program, out)
    where = [_tensor(values, first.device) for values in (inverse, coordinates, planes)]
    if isinstance(image, Tensor):
        result = _define(image, where, look, levels, program)
    else:
        result = torch.cat(
            [
                _define(
                    one[None],
                    [None if v is None else v if v.shape[0] == 1 else v[i : i + 1] for v in where],
                    look,
                    None if levels is None else levels[i : i + 1],
                    [step.of(i) for step in program],
                )
                for i, one in enumerate(image)
            ]
        )
    return result if out is None else out.copy_(result)


class _Look(NamedTuple):
    """What is the same for all samples. Fills are in the units of the image."""

    size: tuple[int, int]
    interpolation: str
    border: str
    fill: np.ndarray
    fills: np.ndarray | None
    dtype: torch.dtype

    def is_plain(self, source: torch.dtype, program: Program) -> bool:
        """Returns whether pixels are only moved, in their own dtype."""
        return self.interpolation == "nearest" and not program and self.dtype == source

    def is_compiled(self, source: torch.dtype, program: Program) -> bool:
        swept = source in native.SWEEP_DTYPES and self.dtype in native.SWEEP_DTYPES
        return swept or self.is_plain(source, program)


def _compiled(
    image: Tensor | Sequence[Tensor],
    inverse: Array | None,
    coordinates: Tensor | None,
    planes: Array | None,
    look: _Look,
    levels: Array | None,
    program: Program,
    out: Tensor | None,
) -> Tensor:
    first = image if isinstance(image, Tensor) else image[0]
    b = first.shape[0] if isinstance(image, Tensor) else len(image)
    c = first.shape[-3]
    target = torch.empty((b, c, *look.size), dtype=look.dtype) if out is None else out
    if coordinates is not None:
        coordinates = coordinates.float().expand(b, -1, -1, -1).contiguous()
    where = (
        None if inverse is None else native.host(inverse, np.float64),
        None if coordinates is None else native.addresses(coordinates),
        None if planes is None else native.host(planes, np.float64),
    )
    sources, outputs, threads = native.describe(image), native.addresses(target), torch.get_num_threads()
    border = native.BORDERS[look.border]
    if first.dtype in native.SWEEP_DTYPES and look.dtype in native.SWEEP_DTYPES:
        native.module.sweep(
            sources, c, native.SWEEP_DTYPES[first.dtype], *where, look.fills, look.fill,
            native.INTERPOLATIONS[look.interpolation], border,
            None if levels is None else native.host(levels, np.int32),
            *encode(program, b), outputs, native.SWEEP_DTYPES[look.dtype], *look.size, threads,
        )  # fmt: skip
    else:
        fills = None if look.fills is None else _bits(look.fills, look.dtype)
        native.module.gather_nearest(
            sources, c, first.element_size(), *where, fills, _bits(look.fill, look.dtype), border, outputs,
            *look.size, threads,
        )  # fmt: skip
    return target


def _define(
    image: Tensor, where: Sequence[Tensor | None], look: _Look, levels: Array | None, program: Program
) -> Tensor:
    inverse, coordinates, planes = where
    plain = look.is_plain(image.dtype, program)
    x = image if plain else to_unit(image)
    unit = 1 / 255 if image.dtype == torch.uint8 and not plain else 1.0
    options: dict[str, Any] = {
        "interpolation": look.interpolation,
        "border": look.border,
        "fill": _typed(look.fill * unit, x.dtype).to(x.device),
        "planes": planes,
        "fills": None if look.fills is None else _typed(look.fills * unit, x.dtype).to(x.device),
    }
    if levels is None:
        x = definition.warp(x, inverse, look.size, coordinates=coordinates, **options)
    else:
        x = reduce(x, inverse, look.size, coordinates, levels, options)
    return x if plain else from_unit(pixel_definition.pixel(x, program), look.dtype)


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


def _typed(values: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Returns numbers in a dtype, rounded where it holds integers."""
    return torch.from_numpy(values if dtype.is_floating_point else values.round()).to(dtype)


def _bits(values: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Returns numbers as the bytes they have in the dtype, each in the low end of a uint64."""
    raw = _typed(values, dtype).contiguous().view(torch.uint8).reshape(*values.shape, -1).numpy()
    padded = np.zeros((*values.shape, 8), np.uint8)
    padded[..., : raw.shape[-1]] = raw
    return padded.view(np.uint64)[..., 0]
