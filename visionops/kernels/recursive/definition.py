"""A Gaussian as three pairs of complex decays in plain torch: the meaning of `blur_recursive`.

exp(-x^2 / 2) ~ sum_j Re(a_j exp(-l_j x)),  x >= 0,  to 7e-6 of its integral;     taps h[k] ~ sum_j Re(a_j p_j^|k|)

with p_j = exp(-l_j / sigma). Source: R. Deriche, Recursively Implementing the Gaussian and Its Derivatives, 1993, whose
two decays are off by 5e-4; these three are a least-squares fit on [0, 10].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.filter import definition

DECAYS = np.array([2.18267445 + 0.5266029j, 2.15157354 + 1.6161214j, 2.07919479 + 2.85670689j])
WEIGHTS = np.array([3.15438532 + 7.31163949j, -2.3128955 - 0.9195637j, 0.15850184 - 0.0439515j])

# How far outside the image it starts, in sigma: what is left out is 6e-7.
REACH = 5


def poles(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the p_j and the a_j; the taps add up to one."""
    p = np.exp(-DECAYS / sigma)
    total = (WEIGHTS * (1 + p) / (1 - p)).real.sum()
    return p, WEIGHTS / total


def radius(sigma: float) -> int:
    return math.ceil(REACH * sigma)


def blur_recursive(
    image: Float[Tensor, "b c h w"], sigma: Sequence[float], border: str, fill: float
) -> Float[Tensor, "b c h w"]:
    """Returns the blurred image; arguments as in `visionops.kernels.recursive`, already checked."""
    taps = torch.tensor(_taps(tuple(sigma)), dtype=image.dtype, device=image.device)
    if len(sigma) > 1:
        taps = taps.repeat(image.shape[0] // len(sigma), 1)
    return definition.filter_separable(image, taps, taps, border=border, fill=fill)


def _taps(sigma: tuple[float, ...]) -> list[list[float]]:
    """Returns a row of taps for each sigma, as far as the widest reaches."""
    r = max(radius(s) for s in sigma)
    rows = []
    for s in sigma:
        p, a = poles(s)
        half = (a[:, None] * p[:, None] ** np.arange(r + 1)).real.sum(0).tolist()
        rows.append([*half[:0:-1], *half])
    return rows


# Dynamo traces NumPy as torch, which gave other taps for these complex numbers (torch 2.13).
_taps._dynamo_marked_constant = True  # type: ignore[attr-defined]
