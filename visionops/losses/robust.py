"""Robust losses of residuals, and the same functions as kernels of squared distances.

With z = (x / c)^2 of a residual x and a scale c, as in Barron, A General and Adaptive Robust Loss Function, CVPR 2019,
equations 8 to 13, all of them z / 2 near 0:

    charbonnier  sqrt(1 + z) - 1    cauchy  log(1 + z / 2)    welsch  1 - exp(-z / 2)    geman_mcclure  2 z / (z + 4)

As kernels they are multiplied by 2 c^2, so that small distances stay what they are, whatever the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice, check_number, check_positive
from visionops.errors import refuse
from visionops.kernels import losses as kernels
from visionops.kernels import native
from visionops.kernels.functions import is_traced, primitive, takes_formula

from .blocks import blocks
from .reduction import Reduction, check_mask, check_pair, check_reduction, check_weight, hide, reduce

Kernel = Literal["l2", "l1", "huber", "charbonnier", "cauchy", "welsch", "geman_mcclure"]


class Rho(NamedTuple):
    """A robust function of z, and twice its derivative: what a residual weighs in a sum of squares."""

    value: Callable[[Tensor], Tensor]
    weight: Callable[[Tensor], Tensor]


# Written so that nothing cancels at z = 0.
RHO = {
    "charbonnier": Rho(lambda z: z / ((1 + z).sqrt() + 1), lambda z: (1 + z).rsqrt()),
    "cauchy": Rho(lambda z: (z / 2).log1p(), lambda z: 2 / (2 + z)),
    "welsch": Rho(lambda z: -(z / -2).expm1(), lambda z: (z / -2).exp()),
    "geman_mcclure": Rho(lambda z: 2 * z / (z + 4), lambda z: 16 / (z + 4).square()),
}
# Of residuals beside their scale, what squares can hold: an infinite one is an outlier like any.
MOST = 1e18
KERNELS = ("l2", "l1", "huber", *RHO)


def charbonnier(
    prediction: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns sqrt(1 + (x / c)^2) - 1 of residuals x: quadratic, then linear; also called L1-L2 or pseudo-Huber.

    Args:
        prediction: floating, of any shape.
        target: of the same shape and dtype; x = prediction - target.
        scale: c, above 0, in the unit of the residuals: where the loss turns; broadcasts.
        mask: True where elements count, broadcasts. What is masked, NaN too, reaches neither loss nor gradient.
        weight: of each element, broadcasts.
        reduction: "none" gives every element, 0 where masked; "sum" the weighted sum; "mean" divides that by the sum of
            the weights that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that differ, and a scale that is a number and not above 0.

    Gradient: to the images, the scale and the weight, of every order; 0 at equal images. A residual beyond 1e18 c, and
    an infinite one, counts as 1e18 c. Half precision computes in float32.
    Source: Charbonnier et al. 1994; equation 13 of Barron 2019 with alpha = 1, whose factors it has, as Kornia's has at
    scale 1. What others write as sqrt(x^2 + c^2) is c times this, plus c.

    >>> x = torch.tensor([0.0, 3.0])
    >>> charbonnier(x, torch.zeros(2), scale=4.0, reduction="none").tolist()
    [0.0, 0.25]
    """
    return robust_loss("charbonnier", RHO["charbonnier"], prediction, target, scale, mask, weight, reduction)


def cauchy(
    prediction: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns log(1 + (x / c)^2 / 2) of residuals x, whose pull fades as 1 / x; also called Lorentzian.

    Args:
        prediction: floating, of any shape.
        target: of the same shape and dtype.
        scale: c, as of `charbonnier`, and so are the others.
        mask: True where elements count.
        weight: of each element.
        reduction: "none", "sum" or "mean".

    Raises:
        ValueError: as `charbonnier`.

    Gradient: as of `charbonnier`; at most 1 / (sqrt(2) c), at x = sqrt(2) c.
    Source: Black and Anandan 1996; Barron 2019 with alpha = 0. Ceres writes c^2 log(1 + x^2 / c^2).

    >>> round(cauchy(torch.tensor(2.0), torch.tensor(0.0)).item(), 4)  # log 3
    1.0986
    """
    return robust_loss("cauchy", RHO["cauchy"], prediction, target, scale, mask, weight, reduction)


def welsch(
    prediction: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 - exp(-(x / c)^2 / 2) of residuals x: outliers count 1 each, and do not pull; also called Leclerc.

    Args:
        prediction: floating, of any shape.
        target: of the same shape and dtype.
        scale: c, as of `charbonnier`, and so are the others.
        mask: True where elements count.
        weight: of each element.
        reduction: "none", "sum" or "mean".

    Raises:
        ValueError: as `charbonnier`.

    Gradient: as of `charbonnier`; largest at x = c, and 0 in float32 beyond 13 c.
    Source: Dennis and Welsch 1978; Barron 2019 with alpha = -inf.

    >>> round(welsch(torch.tensor(1.0), torch.tensor(0.0)).item(), 4)
    0.3935
    """
    return robust_loss("welsch", RHO["welsch"], prediction, target, scale, mask, weight, reduction)


def geman_mcclure(
    prediction: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 2 (x / c)^2 / ((x / c)^2 + 4) of residuals x: at most 2, with a pull that fades as 1 / x^3.

    Args:
        prediction: floating, of any shape.
        target: of the same shape and dtype.
        scale: c, as of `charbonnier`, and so are the others.
        mask: True where elements count.
        weight: of each element.
        reduction: "none", "sum" or "mean".

    Raises:
        ValueError: as `charbonnier`.

    Gradient: as of `charbonnier`; largest at x = 2 c / sqrt(3).
    Source: Geman and McClure 1985; Barron 2019 with alpha = -2. Others write x^2 / (x^2 + s^2): half of this at
    s = 2 c.

    >>> geman_mcclure(torch.tensor(2.0), torch.tensor(0.0)).item()
    1.0
    """
    return robust_loss("geman_mcclure", RHO["geman_mcclure"], prediction, target, scale, mask, weight, reduction)


def robust_loss(
    function: str,
    rho: Rho,
    prediction: Tensor,
    target: Tensor,
    scale: float | Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    """Returns a robust function of residuals, reduced."""
    if reduction == "none" or mask is not None or weight is not None or isinstance(scale, Tensor):
        x = residuals(function, prediction, target, scale, mask, weight, reduction)
        return reduce(_apply(x, rho, False), reduction, mask=mask, weight=weight, dtype=prediction.dtype)
    scale = check_residuals(function, prediction, target, scale, mask, weight, reduction)
    a, b = prediction, target
    if function in RHO and a.numel() and a.dtype == torch.float32 and native.may_be_recorded(a, b):
        (total,) = robust_sums(a.reshape(1, -1), b.reshape(1, -1), function, scale)
    else:
        total = _apply((a - b) / scale, rho, True)
    return (total / max(a.numel(), 1) if reduction == "mean" else total).to(prediction.dtype)


def residuals(
    function: str,
    prediction: Tensor,
    target: Tensor,
    scale: float | Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    """Returns (prediction - target) / scale, 0 where masked, of arguments that it checks."""
    scale = check_residuals(function, prediction, target, scale, mask, weight, reduction)
    # Nothing of a difference is kept, so that hiding it is enough.
    (x,) = hide(mask, prediction - target)
    return x if not isinstance(scale, Tensor) and scale == 1 else x / scale


def check_residuals(
    function: str,
    prediction: Tensor,
    target: Tensor,
    scale: float | Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> float | Tensor:
    """Returns the scale as `option` does, or raises for a caller's mistake."""
    check_pair(function, prediction, target, "(*shape)")
    scale = option(function, "scale", scale, prediction, mask)
    check_positive(function, "scale", scale)
    check_mask(function, mask, prediction.shape)
    check_weight(function, weight, prediction.shape)
    check_reduction(function, reduction)
    return scale


def option(function: str, argument: str, value: float | Tensor, like: Tensor, mask: Tensor | None) -> float | Tensor:
    """Returns a number as it is, and a tensor that broadcasts to the residuals in their dtype, 1 where masked."""
    if not isinstance(value, Tensor):
        check_number(function, argument, value)
        return float(value)
    if not broadcasts(value.shape, like.shape):
        raise refuse(function, argument, f"a number or broadcastable to {tuple(like.shape)}", tuple(value.shape))
    shaped = value.to(like)
    # One that masked and other elements share is not to be hidden.
    return torch.where(mask, shaped, 1) if mask is not None and broadcasts(mask.shape, shaped.shape) else shaped


def broadcasts(shape: Sequence[int], to: Sequence[int]) -> bool:
    """Returns whether a shape broadcasts to another, and leaves that as it is."""
    if len(shape) > len(to):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))


def robust_kernel(
    function: str, name: Kernel, squared: Float[Tensor, "*shape"], scale: float | Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    """Returns rho of squared distances s, in their unit: s as long as it is small beside scale^2.

    "l2" is s and "l1" its root, at any scale; "huber" is s up to scale^2 and 2 scale sqrt(s) - scale^2 beyond; the
    others are 2 scale^2 times the loss of their name.

    Args:
        function: that the errors name.
        name: of the kernel.
        squared: at least 0.
        scale: above 0, in the unit of the distance; broadcasts.

    Raises:
        ValueError: for an unknown kernel, and a scale that is a number and not above 0.

    Gradient: to both, of every order; at s = 0 finite, and 0 of "l1".
    """
    check_choice(function, "kernel", name, KERNELS)
    check_positive(function, "scale", scale)
    if name == "l2":
        return squared
    if name == "l1":
        return safe_root(squared)
    if isinstance(scale, Tensor):
        if not broadcasts(scale.shape, squared.shape):
            raise refuse(function, "scale", f"a number or broadcastable to {tuple(squared.shape)}", tuple(scale.shape))
        scale = scale.to(squared.dtype)
    if name == "huber":
        near = squared <= scale * scale
        return torch.where(near, squared, scale * (2 * torch.where(near, 1, squared).sqrt() - scale))
    double = 2 * scale * scale
    return double * RHO[name].value((2 / double * squared).clamp(max=MOST**2))


def safe_root(square: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Returns the square root, which is 0 with gradient 0 at 0."""
    none = square <= 0  # NaN is not, and stays
    return torch.where(none, 0, torch.where(none, 1, square).sqrt())


def _sums(a: Tensor, b: Tensor, rho: str, scale: float) -> Float[Tensor, " b"]:
    x = (a - b) / scale
    return (x.square() if rho == "square" else RHO[rho].value(_bounded(x).square())).sum(-1)


# The sums of a robust function of (a - b) / scale over rows (b, n), or of its square.
robust_sums = primitive(
    "robust_sums",
    tensors="Tensor a, Tensor b",
    static="str rho, float scale",
    forward=kernels.robust_sums,
    adjoint=kernels.robust_slopes,
    define=_sums,
    like=lambda a, *_: a.new_empty(len(a)),
)


def _apply(x: Tensor, rho: Rho, summed: bool) -> Tensor:
    return _values(x, rho, summed) if is_traced() else _Rho.apply(x, rho, summed)


def _values(x: Tensor, rho: Rho, summed: bool) -> Tensor:
    values = rho.value(_bounded(x).square())
    return values.sum() if summed else values


def _bounded(x: Tensor) -> Tensor:
    return x.clamp(-MOST, MOST)


class _Rho(torch.autograd.Function):
    """`_values`, of which autograd would keep two or three tensors, block by block."""

    @staticmethod
    def forward(x: Tensor, rho: Rho, summed: bool) -> Tensor:
        if summed:
            return torch.stack([rho.value(_bounded(b).square_()).sum() for (b,) in blocks(x.reshape(-1))]).sum()
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        for b, o in blocks(x.reshape(-1), out.view(-1)):
            o.copy_(rho.value(_bounded(b).square_()))
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.rho = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        weight = ctx.rho.weight
        if takes_formula(grad):
            x = _bounded(x)
            return grad * weight(x * x) * x, None, None
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        for b, o, g in blocks(x.reshape(-1), out.view(-1), grad.expand(x.shape).reshape(-1) if grad.ndim else None):
            b = _bounded(b)
            torch.mul(weight(b * b).mul_(grad if g is None else g), b, out=o)
        return out, None, None
