"""`filter_separable`: correlation with a row and a column of taps, compiled where it may."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.pixel.op import from_unit, to_unit

from . import definition

Array = np.ndarray | Tensor


def filter_separable(
    image: Shaped[Tensor, "b c h w"],
    taps_x: Float[Array, "#b kx"],
    taps_y: Float[Array, "#b ky"],
    *,
    border: str = "reflect",
    fill: float = 0.0,
) -> Shaped[Tensor, "b c h w"]:
    """Returns images correlated with `taps_x` along rows and `taps_y` along columns.

    Args:
        image: floating, or uint8 (rounded and saturating).
        taps_x: an odd number of taps, for each sample or for all.
        taps_y: likewise.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant".
        fill: what "constant" reads outside, in the units of the image.

    Gradient: to the image and to the taps. float16 and bfloat16 compute in float32.
    """
    if image.numel() == 0:
        return image.clone()
    given = [t for t in (taps_x, taps_y) if isinstance(t, Tensor)]
    if image.dtype in native.SWEEP_DTYPES and native.may_run(image, *given):
        out = torch.empty(image.shape, dtype=image.dtype)
        row = native.host(taps_x, np.float32)
        column = row if taps_y is taps_x else native.host(taps_y, np.float32)
        native.module.filter_separable(
            native.describe(image), image.shape[1], native.SWEEP_DTYPES[image.dtype],
            row, column, native.BORDERS[border], fill,
            native.addresses(out), torch.get_num_threads(),
        )  # fmt: skip
        return out
    x = to_unit(image)
    unit = 1 / 255 if image.dtype == torch.uint8 else 1.0
    across, down = (torch.as_tensor(t).to(x.device, x.dtype) for t in (taps_x, taps_y))
    return from_unit(definition.filter_separable(x, across, down, border=border, fill=fill * unit), image.dtype)
