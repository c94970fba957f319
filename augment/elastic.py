"""Elastic deformation: a smooth random displacement field.

White normal noise at the knots of a cubic B-spline. With knots sqrt(3) sigma apart the spline's kernel has exactly
the standard deviation sigma, so the field looks like noise smoothed by that Gaussian, at the cost of two small
matrix products. Where its gradient would pass 0.9 the whole field is scaled down: it never folds.

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks (2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels.pixel.noise import normal_field
from visionops.pipeline.distributions import bound_values
from visionops.pipeline.numbers import Size
from visionops.pipeline.steps import Deform, Values

from .noise import key_halves, key_of

STEEPEST = 0.9
# The root mean square of the cubic B-spline's weights, along one axis, averaged over positions: white knots of
# deviation 1 give a field of deviation SPREAD ** 2. sum of B(t - i)^2 over i, averaged over t, is 151/315.
SPREAD = math.sqrt(151 / 315)


class Elastic(Deform):
    """Deforms the image by a smooth random field. Points and boxes follow by the inverse; intrinsics cannot.

    Args:
        alpha: standard deviation of the displacement along each axis, pixels. Where the field would fold it is
            scaled down for that sample, so that its gradient stays under 0.9.
        sigma: smoothness of the field, pixels: the deviation of the Gaussian it would be blurred with.
        fill: None takes the pipeline's.
        p: the probability that it runs.

    Gradient: to alpha. The field is a function of a key, which the parameters hold.
    """

    def __init__(self, alpha: Any = 5.0, sigma: float = 20.0, *, fill: Any = None, p: float = 1.0) -> None:
        super().__init__(p=p, fill=fill, alpha=alpha, key=(0.0, 1.0))
        if not isinstance(sigma, int | float) or not sigma > 0:
            raise mistake("Elastic", "sigma", "above 0", sigma, "Give the smoothness in pixels.")
        if (bounds := bound_values(self.drawn["alpha"])) and bounds[0] < 0:
            raise mistake("Elastic", "alpha", "at least 0", alpha)
        self.spacing = math.sqrt(3) * sigma

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        *first, last = uniforms
        values = super().sample([*first, 0.0], size)
        return {**values, "key": key_of(last)}

    def displacement(self, values: Values, size: tuple[int, int], like: Tensor) -> Tensor:
        h, w = size
        by, bx = _spline(h, self.spacing), _spline(w, self.spacing)
        high, low = (_whole(half, like.device) for half in key_halves(values["key"]))
        knots = normal_field(high, low, torch.Size((2, by.shape[1], bx.shape[1])))
        alpha = values["alpha"]
        alpha = (
            torch.as_tensor(alpha, dtype=torch.float32, device=like.device) if not isinstance(alpha, Tensor) else alpha
        )
        knots = knots * (alpha.reshape(-1, 1, 1, 1).float() / SPREAD**2)
        field = by.to(like.device) @ knots @ bx.to(like.device).T
        steepest = _steepest(field.expand(-1, -1, max(h, 2), max(w, 2)))  # one row of pixels is one that repeats
        return field * (STEEPEST / steepest.clamp(min=STEEPEST))


def _whole(number: Any, device: torch.device) -> Tensor:
    return torch.atleast_1d(torch.as_tensor(number).to(device, torch.int64))


def _steepest(field: Tensor) -> Tensor:
    """Returns the largest |du/dx| + |du/dy| of each field (b, 2, h, w), read bilinearly, as (b, 1, 1, 1)."""
    dx, dy = field.diff(dim=3).abs(), field.diff(dim=2).abs()
    cells = torch.maximum(dx[:, :, 1:], dx[:, :, :-1]) + torch.maximum(dy[..., 1:], dy[..., :-1])
    return cells.amax((1, 2, 3), keepdim=True)


def _spline(n: int, spacing: float) -> Tensor:
    """Returns the weights (n, knots) of a uniform cubic B-spline at pixels 0 to n - 1."""
    count = math.ceil(max(n - 1, 0) / spacing) + 4
    position = torch.arange(n, dtype=torch.float64)[:, None] / spacing
    t = (position + 1 - torch.arange(count, dtype=torch.float64)).abs()
    inner = 2 / 3 - t**2 + t**3 / 2
    outer = (2 - t).clamp(min=0) ** 3 / 6
    return torch.where(t < 1, inner, outer).float()
