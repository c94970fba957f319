"""Anisotropic diffusion: heat flows between neighbours unless they differ by much.

u <- u + step * sum over the four neighbours of g(|d|) d,   d = neighbour - u
g(d) = exp(-(d / kappa)^2)   or   1 / (1 + (d / kappa)^2)
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn.functional import pad

from visionops.arguments import check_choice, check_count, check_image, check_positive, column
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

# Beyond this a step can overshoot: a pixel would give away more than it differs by.
STABLE = 0.25


def anisotropic_diffusion(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kappa: float | np.ndarray | Tensor,
    iterations: int = 10,
    step: float = 0.2,
    conductance: Literal["exponential", "rational"] = "exponential",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image after some time of diffusion that stops at edges, each channel by itself.

    Args:
        image: floating, or uint8 (rounded once, at the end).
        kappa: difference of neighbours at which the flow stops growing (over sqrt 2: "exponential"), in [0, 1] also
            for uint8; above 0; a number, or one for each sample, (*batch).
        iterations: explicit steps of time. There is no limit to converge to but a flat image: it is the amount of
            smoothing, where differences are small about that of a Gaussian of sigma = sqrt(2 iterations step).
        step: time of each, above 0 and at most 1/4, up to which every value stays within those of its neighbours.
        conductance: "exponential" prefers edges of high contrast, "rational" wide regions over small ones.

    Nothing flows across the border.

    Raises:
        ValueError: for a kappa of 0, no iterations, or a step at which the scheme is unstable.

    Gradient: to image, and kappa where it is a tensor; smooth. Autograd keeps about ten images for each iteration.
    Half precision computes in float32.
    Source: Perona and Malik, "Scale-space and edge detection using anisotropic diffusion", TPAMI 1990, eqs. 7-8.

    >>> line = torch.tensor([0.0, 0.1, 0.9, 1.0]).expand(1, 1, 4)
    >>> [round(v, 3) for v in anisotropic_diffusion(line, kappa=0.2, iterations=20).flatten().tolist()]
    [0.05, 0.05, 0.95, 0.95]
    """
    check_image("anisotropic_diffusion", image)
    check_positive("anisotropic_diffusion", "kappa", kappa)
    check_count("anisotropic_diffusion", "iterations", iterations)
    check_choice("anisotropic_diffusion", "conductance", conductance, ("exponential", "rational"))
    if not 0 < step <= STABLE:
        raise refuse("anisotropic_diffusion", "step", "above 0 and at most 1/4", step)
    u = to_unit(image)
    kappa = column("anisotropic_diffusion", "kappa", kappa, u)

    def flow(d: Tensor) -> Tensor:
        square = (d / kappa).square()
        return d * torch.exp(-square) if conductance == "exponential" else d / (1 + square)

    for _ in range(iterations):
        down, right = flow(u.diff(dim=-2)), flow(u.diff(dim=-1))
        u = u + step * (pad(down, (0, 0, 0, 1)) - pad(down, (0, 0, 1, 0)) + pad(right, (0, 1)) - pad(right, (1, 0)))
    return from_unit(u, image.dtype)


AnisotropicDiffusion = as_module(anisotropic_diffusion)
