"""The functions of angles that rotations are made of, smooth at 0 to every derivative.

Stumpff's functions of s = theta^2,

c_n(s) = sum_k (-s)^k / (2k + n)!        c_n = 1 / n! - s c_(n+2)

are cos theta, sin theta / theta, (1 - cos theta) / theta^2, (theta - sin theta) / theta^3 and so on: never a square
root of what can be 0. Below s = 1 they are twelve terms of their series, whose rest is under 1e-24; above, the closed
forms, of which derivatives lose no more than some digits. In float64, as all of geometry.
"""

from __future__ import annotations

from math import factorial

import torch
from jaxtyping import Float
from torch import Tensor

# Terms of each series: three groups of four, which one linear map sums.
TERMS = 12


def stumpff(s: Float[Tensor, " b"], highest: int = 3) -> tuple[Tensor, ...]:
    """Returns c_0 to c_highest, for a highest of 3 or 5."""
    series = polynomials(s.clamp(max=1), _TABLES[highest])
    far = s.clamp(min=1)
    theta = far.sqrt()
    closed = [theta.cos(), theta.sin() / theta]
    for n in range(highest - 1):
        closed.append((1 / factorial(n) - closed[n]) / far)
    near = s < 1
    below = s.clamp(max=1)
    functions = list(series.unbind(0))[::-1]
    for n in range(highest - 2, -1, -1):
        functions.append(1 / factorial(n) - below * functions[-2])
    return tuple(torch.where(near, f, c) for f, c in zip(reversed(functions), closed, strict=True))


def arctangent_rest(z: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Returns (1 - atan(t) / t) / z, z = t^2 below 0.04, where the rest of the series is under 1e-18."""
    return polynomials(z, _ARCTANGENT).squeeze(0)


def polynomials(x: Float[Tensor, " b"], table: tuple[Tensor, Tensor]) -> Float[Tensor, "f b"]:
    """Returns the values of polynomials of twelve coefficients, as `tabled` packs them."""
    square = x * x
    weight, bias = (constant(t, x) for t in table)
    groups = torch.addmm(bias, weight, torch.stack([x, square, square * x]))
    low, middle, high = groups.unflatten(0, (3, -1)).unbind(0)
    fourth = square * square
    return torch.addcmul(low, fourth, torch.addcmul(middle, fourth, high))


def tabled(*coefficients: list[float]) -> tuple[Tensor, Tensor]:
    """Returns the weight and the bias of the linear map from x, x^2, x^3 to groups of four terms."""
    groups = torch.tensor(coefficients, dtype=torch.float64, device="cpu").unflatten(-1, (3, 4)).transpose(0, 1)
    return groups[..., 1:].flatten(0, 1), groups[..., :1].flatten(0, 1)


def constant(table: Tensor, like: Tensor) -> Tensor:
    """Returns a constant of the module where the other tensor is; that does not wait for a device."""
    return table.to(like.device, non_blocking=True)


_TABLES = {
    highest: tabled(*([(-1) ** k / factorial(2 * k + n) for k in range(TERMS)] for n in (highest - 1, highest)))
    for highest in (3, 5)
}
_ARCTANGENT = tabled([(-1) ** k / (2 * k + 3) for k in range(TERMS)])
