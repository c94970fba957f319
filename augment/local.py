"""Neighbourhood operators as steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from visionops.errors import mistake, refuse
from visionops.filters import gaussian_kernel1d
from visionops.filters.gaussian import truncated_taps
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.numbers import where
from visionops.pipeline.steps import Filter, Values


class GaussianBlur(Filter):
    """Blurs the image with a Gaussian.

    Args:
        sigma: standard deviation in pixels, drawn for each sample.
        kernel_size: odd number of taps; None takes 2 ceil(4 sigma) + 1.
        border: how the image continues outside.
        p: the probability that it runs.
    """

    def __init__(
        self, sigma: Any = (0.1, 2.0), kernel_size: int | None = None, *, border: str = "reflect", p: float = 1.0
    ) -> None:
        super().__init__(p=p, sigma=sigma)
        if (bounds := bound_values(self.drawn["sigma"])) and bounds[0] < 0:
            raise mistake("GaussianBlur", "sigma", "at least 0", sigma)
        if kernel_size is not None and (not isinstance(kernel_size, int) or kernel_size < 1 or kernel_size % 2 == 0):
            raise mistake("GaussianBlur", "kernel_size", "odd and positive", kernel_size, "Add 1.")
        if border not in ("constant", "reflect", "replicate", "circular"):
            raise mistake("GaussianBlur", "border", "'constant', 'reflect', 'replicate' or 'circular'", repr(border))
        self.kernel_size, self.border = kernel_size, border
        self.widest = bounds[1] if bounds else None

    def taps(self, values: Values) -> tuple[Any, Any]:
        sigma = values["sigma"]
        if self.kernel_size is None and isinstance(sigma, Tensor) and torch.compiler.is_compiling():
            if self.widest is None:
                rule = "given under torch.compile where sigma has no fixed bound"
                raise refuse("GaussianBlur", "kernel_size", rule, None)
            taps: Any = truncated_taps(sigma, math.ceil(4 * self.widest))
        else:
            taps = gaussian_kernel1d(sigma, self.kernel_size)
        return taps, taps

    def idle(self, values: Values, active: Any) -> Values:
        return {**values, "sigma": where(active, values["sigma"], 0.0)}  # one tap

    def describe(self) -> str:
        return "blur"
