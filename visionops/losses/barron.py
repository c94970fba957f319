"""Barron's general robust loss, whose shape may be learned.

rho = b / a ((1 + z / b)^(a / 2) - 1),   b = |a - 2|,  z = (x / c)^2

with its limits: a = 2 is z / 2, 1 charbonnier, 0 cauchy, -2 geman_mcclure, -inf welsch. Barron, A General and Adaptive
Robust Loss Function, CVPR 2019, equation 13; its density, equations 16 and 17, is exp(-rho) / (c Z(a)).

It is computed as b u / 2 phi(a u / 2), u = log(1 + z / b), phi(t) = (exp(t) - 1) / t, which has no pole at a = 0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse

from .blocks import recomputed
from .reduction import Reduction, reduce
from .robust import MOST, RHO, Rho, option, residuals, robust_loss

# Of phi's series: from here on (exp(t) - 1) / t keeps its digits, and below it ten terms are exact.
NEAR, TERMS = 0.1, 10
# The trapezoid rule in s, x = sinh(pi / 2 sinh(s)): the heaviest tail, 1 / x^2 of a = 0, is followed to 3e16.
STEP, STEPS = 0.05, 78


def barron(
    prediction: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    alpha: float | Float[Tensor, "*#shape"] = 1.0,
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    nll: bool = False,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns Barron's general robust loss of residuals.

    Args:
        prediction: floating, of any shape.
        target: of the same shape and dtype; x = prediction - target.
        alpha: a, the shape: 2 is half the squares, 1 `charbonnier`, 0 `cauchy`, -2 `geman_mcclure`, -inf `welsch`. A
            number, or a tensor that broadcasts.
        scale: c, above 0, in the unit of the residuals; broadcasts.
        nll: adds log(c Z(a)), which makes it the negative logarithm of a density, so that alpha and scale can be
            learned: without it they would only make all residuals cheap. It needs alpha from 0 to 10; a tensor's
            values are not checked, `2 * latent.sigmoid()` keeps them there.
        mask: True where elements count, broadcasts. What is masked, NaN too, reaches neither loss nor gradient.
        weight: of each element, broadcasts.
        reduction: "none" gives every element, 0 where masked; "sum" the weighted sum; "mean" divides that by the sum of
            the weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that differ, a scale that is not above 0, and with `nll` an alpha that is not from 0 to
            10, where they are numbers.

    Gradient: to the images, alpha, scale and weight, of every order. By alpha it is exact at 0, 0 at -inf, and grows as
    log(1 / |a - 2|) at 2, where it is that of the dtype's epsilon away. Half precision computes in float32.
    Autograd keeps one tensor of the residuals' size; Z is a sum of 79 values for each alpha (to 1e-8), cheap where
    there is one for each channel.
    Source: Barron 2019. Its code ends at alpha = 2 with gradient 0, and reads Z from a table of splines.

    >>> x, zero = torch.tensor([1.0, 3.0]), torch.zeros(2)
    >>> [round(v, 4) for v in barron(x, zero, alpha=-2.0, reduction="none").tolist()]
    [0.4, 1.3846]
    >>> round(barron(zero, zero, alpha=2.0, nll=True).item(), 4)  # log sqrt(2 pi)
    0.9189
    """
    alpha = option("barron", "alpha", alpha, prediction, mask)
    if not isinstance(alpha, Tensor):
        if not alpha < float("inf"):
            raise refuse("barron", "alpha", "below infinity", alpha)
        if nll and not 0 <= alpha <= 10:
            raise refuse("barron", "alpha", "from 0 to 10 with nll", alpha)
        if not nll:
            return robust_loss("barron", _of_shape(alpha), prediction, target, scale, mask, weight, reduction)
    x = residuals("barron", prediction, target, scale, mask, weight, reduction)
    shape = alpha if isinstance(alpha, Tensor) else x.new_tensor(alpha)
    values = general(x, shape)
    if nll:
        scale = option("barron", "scale", scale, prediction, mask)
        size = scale.log() if isinstance(scale, Tensor) else math.log(scale)
        values = values + log_partition(shape) + size
    return reduce(values, reduction, mask=mask, weight=weight, dtype=prediction.dtype)


def _of_shape(a: float) -> Rho:
    if a == 2:
        return Rho(lambda z: z / 2, torch.ones_like)
    if a == 0:
        return RHO["cauchy"]
    if a <= -1 / torch.finfo(torch.float64).eps:
        return RHO["welsch"]
    b = abs(a - 2)
    return Rho(lambda z: (b / a) * (a / 2 * (z / b).log1p()).expm1(), lambda z: ((a / 2 - 1) * (z / b).log1p()).exp())


def _general(x: Float[Tensor, "*shape"], a: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """Returns rho of residuals beside their scale."""
    z, eps = x.clamp(-MOST, MOST).square(), torch.finfo(x.dtype).eps
    # So far from both ends, where limits are taken, values are off by no more than they are rounded.
    a = a.clamp(min=-1 / eps)
    b = (a - 2).abs().clamp(min=eps)
    u = (z / b).log1p()
    return b * u / 2 * _phi(a * u / 2)


general = recomputed(_general)


def _phi(t: Tensor) -> Tensor:
    """Returns (exp(t) - 1) / t."""
    near = t.abs() < NEAR
    small, far = torch.where(near, t, 0), torch.where(near, 1, t)
    series = torch.ones_like(t)
    for n in range(TERMS, 0, -1):
        series = 1 + small / (n + 1) * series
    return torch.where(near, series, far.expm1() / far)


def log_partition(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Returns log Z(a), Z the integral of exp(-rho) over all x at scale 1."""
    s = STEP * torch.arange(STEPS + 1, dtype=torch.float64, device=a.device)
    inner = torch.pi / 2 * s.sinh()
    weights = torch.pi * STEP * inner.cosh() * s.cosh()  # of x and -x
    weights = torch.where(s > 0, weights, weights / 2)
    return (_general(inner.sinh(), a.double()[..., None]).neg().exp() * weights).sum(-1).log().to(a.dtype)
