"""What a sweep does that is the same for all samples, and does not change from call to call."""

from __future__ import annotations

from typing import NamedTuple

import torch

from visionops.kernels.pixel.program import Layout, Program


class Spec(NamedTuple):
    """The static part of a warp with a pixel program after it.

    Args:
        size: (height, width) of the output.
        interpolation: "nearest", "bilinear" or "bicubic".
        border: what a tap outside the source reads: "constant" (the fill), "replicate", "reflect" or "circular".
        fill: one number for each channel, in the units of the image (uint8: 0 to 255).
        fills: likewise, for each domain.
        dtype: of the result.
        program: the layout of the encoded pixel program.
    """

    size: tuple[int, int]
    interpolation: str
    border: str
    fill: tuple[float, ...]
    fills: tuple[tuple[float, ...], ...]
    dtype: torch.dtype
    program: Layout = Layout()

    def is_plain(self, source: torch.dtype, program: Program) -> bool:
        """Returns whether pixels are only moved, in their own dtype."""
        return self.interpolation == "nearest" and not program and self.dtype == source
