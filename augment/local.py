"""Neighbourhood operators as steps."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from visionops.errors import mistake
from visionops.filters import gaussian_blur
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.steps import Local, Values


class GaussianBlur(Local):
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

    def run(self, image: Tensor, values: Values) -> Tensor:
        return gaussian_blur(image, sigma=values["sigma"], kernel_size=self.kernel_size, border=self.border)  # type: ignore[arg-type]

    def describe(self) -> str:
        return "blur"
