"""`filter_separable`: correlation with a row and a column of taps, compiled where it may."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.pixel import definition as pixel_definition
from visionops.kernels.pixel import pixel
from visionops.kernels.pixel.program import Program, encode, tensors_of
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition
from .autograd import correlate

Array = np.ndarray | Tensor


def filter_separable(
    image: Shaped[Tensor, "b c h w"],
    taps_x: Float[Array, "#b kx"],
    taps_y: Float[Array, "#b ky"],
    *,
    border: str = "reflect",
    fill: float = 0.0,
    sharpen: Float[Array, "#b"] | None = None,
    program: Program = (),
    dtype: torch.dtype | None = None,
    out: Tensor | None = None,
) -> Shaped[Tensor, "b c h w"]:
    """Returns images correlated with `taps_x` along rows and `taps_y` along columns.

    Args:
        image: floating, or uint8 (rounded and saturating).
        taps_x: an odd number of taps, for each sample or for all.
        taps_y: likewise.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.
        sharpen: f for each sample or for all; the result is filtered + f (image - filtered). It goes with neither
            `program` nor `dtype`.
        program: colours after the filter, see `visionops.kernels.pixel.program`; each image runs it while in cache.
        dtype: of the result; None keeps the image's.
        out: a contiguous tensor to write into, outside autograd only.

    Gradient: to the image, to the taps, to `sharpen` and to the program's parameters. float16 and bfloat16 compute in
    float32.
    """
    dtype = dtype or image.dtype
    if image.numel() == 0:
        return image.to(dtype, copy=True) if out is None else out
    given = [t for t in (taps_x, taps_y, sharpen) if isinstance(t, Tensor)] + tensors_of(program)
    plain = not program and dtype == image.dtype
    assert sharpen is None or plain
    if _is_compiled(image.dtype, dtype, plain) and native.may_run(image, *given):
        if plain:
            return cpu.correlate(image, taps_x, taps_y, border, fill, out, sharpen)
        if out is None:
            out = torch.empty(image.shape, dtype=dtype, device="cpu")
        row = native.host(taps_x, np.float32)
        column = row if taps_y is taps_x else native.host(taps_y, np.float32)
        codes, starts, params = encode(program, image.shape[0])
        native.module.filter_separable(
            native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype],
            row, column, native.BORDERS[border], fill, codes, starts, params, None,
            native.addresses(out), native.SWEEP_DTYPES[dtype], torch.get_num_threads(),
        )  # fmt: skip
        return out
    x = to_unit(image)
    fill = fill / 255 if image.dtype == torch.uint8 else fill
    across, down = (torch.as_tensor(t).to(x.device, x.dtype) for t in (taps_x, taps_y))
    recorded = native.triton_may_run(image, *given) or native.may_be_recorded(image, *given)
    if x.dtype == torch.float32 and recorded:
        result = pixel(_sharpened(correlate(x, across, down, border, fill), x, sharpen), program, dtype=dtype)
    else:
        filtered = definition.filter_separable(x, across, down, border=border, fill=fill)
        result = from_unit(pixel_definition.pixel(_sharpened(filtered, x, sharpen), program), dtype)
    return result if out is None else out.copy_(result)


def _sharpened(filtered: Tensor, image: Tensor, sharpen: Array | None) -> Tensor:
    if sharpen is None:
        return filtered
    return torch.lerp(filtered, image, torch.as_tensor(sharpen).to(image).reshape(-1, 1, 1, 1))


def _is_compiled(source: torch.dtype, target: torch.dtype, plain: bool) -> bool:
    """Returns whether one kernel reads and writes these: uint8 only where nothing follows the filter."""
    return source in native.SWEEP_DTYPES and target in native.SWEEP_DTYPES and (plain or source == torch.float32)
