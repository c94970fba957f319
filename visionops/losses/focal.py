"""Focal loss: cross entropy that pixels which are right already hardly count in.

of classes   -a_t (1 - p_t)^gamma log p_t,    p the softmax over channels, t the class
of labels    -a y q^gamma log p - (1 - a) (1 - y) p^gamma log q,    p = sigmoid(x), q = 1 - p, in each channel
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from visionops.arguments import check_range
from visionops.errors import refuse
from visionops.kernels import losses as kernels
from visionops.kernels import native
from visionops.kernels.functions import is_traced, primitive

from .labels import check_labels, class_pixels
from .reduction import Reduction, check_reduction, check_weight, hide, reduce


def focal(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | Float[Tensor, " c"] | None = None,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the focal loss of logits: of classes that exclude each other, or of labels that do not.

    Args:
        prediction: logits.
        target: integer classes (*batch, h, w), for a softmax over the channels; or floating labels between 0 and 1
            (*batch, c, h, w), for a sigmoid in each. A pixel whose class is none (255, -1) does not count.
        gamma: at least 0; 0 is cross entropy.
        alpha: weights of the classes (c); of labels a number, or one for each channel: what a label of 1 weighs, and 1
            less that one of 0. None counts all alike, with weight 1.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each value, broadcast to those.
        reduction: "none" gives (*batch, 1, h, w) of classes and (*batch, c, h, w) of labels, 0 where masked; "sum" the
            weighted sum; "mean" divides that by the sum of the weights of what counts (alpha is none of them), and is 0
            where nothing does.

    Raises:
        ValueError: for shapes that do not go together, and a gamma below 0.

    Gradient: to predictions, labels, alpha and weight, of every order for gamma of 0 or from 1 on; finite for any gamma
        at certain predictions. Half precision computes in float32.
    Source: Lin et al., Focal loss for dense object detection, 2017, equations 4 and 5. Kornia's `focal_loss` takes
        alpha for class 0 and 1 - alpha for all others, and its mean divides by all pixels.

    >>> logits = torch.tensor([2.0, 0.0]).reshape(2, 1, 1)
    >>> round(focal(logits, torch.zeros(1, 1, dtype=torch.long)).item(), 5)  # (1 - 0.8808)^2 0.12693
    0.0018
    """
    check_labels("focal", prediction, target, mask)
    check_range("focal", "gamma", gamma, 0)
    check_reduction("focal", reduction)
    classes = not target.is_floating_point()
    values_of = prediction.shape if not classes else (*prediction.shape[:-3], 1, *prediction.shape[-2:])
    check_weight("focal", weight, values_of)
    a = _alpha(alpha, prediction, classes)
    if classes:
        place, mask = class_pixels(target, prediction.shape[-3], mask)
        (x,) = hide(mask, prediction)
        values = _values_of_classes(x, place, float(gamma))
        values = values if a is None else values * a.expand(x.shape).gather(-3, place)
    else:
        x, y = hide(mask, prediction, target.to(prediction.dtype))
        values = _values_of_labels(x, y, a, float(gamma))
    return reduce(values, reduction, mask=mask, weight=weight, dtype=prediction.dtype)


def _alpha(alpha: float | Tensor | None, like: Tensor, classes: bool) -> Tensor | None:
    if alpha is None:
        return None
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    a = torch.as_tensor(alpha, dtype=dtype, device=like.device)
    if a.shape not in ((like.shape[-3],), *(() if classes else ((),))):
        rule = f"one for each of {like.shape[-3]} classes" if classes else f"a number, or ({like.shape[-3]},)"
        raise refuse("focal", "alpha", rule, alpha if a.ndim == 0 else tuple(a.shape))
    return a.reshape(-1, 1, 1)


def _values_of_classes(x: Tensor, place: Tensor, gamma: float) -> Tensor:
    if x.numel() and x.dtype == torch.float32 and native.may_be_recorded(x):
        batch, pixels = x.shape[:-3], x.shape[-2] * x.shape[-1]
        flat = _compiled_of_classes(x.reshape(-1, x.shape[-3], pixels), place.reshape(-1, pixels), gamma)
        return flat.reshape(*batch, 1, *x.shape[-2:])
    return _of_classes(x, place, gamma) if is_traced() else _OfClasses.apply(x, place, gamma)  # type: ignore[no-any-return]


def _values_of_labels(x: Tensor, y: Tensor, alpha: Tensor | None, gamma: float) -> Tensor:
    learned = alpha is not None and alpha.requires_grad
    if x.numel() and x.dtype == torch.float32 and not learned and native.may_be_recorded(x, y):
        rows = x.new_ones(x.shape[:-2]) if alpha is None else alpha[..., 0, 0].expand(x.shape[:-2])
        flat = (t.reshape(-1, x.shape[-2] * x.shape[-1]) for t in (x, y))
        return _compiled_of_labels(*flat, rows.reshape(-1), gamma, alpha is not None).reshape(x.shape)
    return _of_labels(x, y, alpha, gamma) if is_traced() else _OfLabels.apply(x, y, alpha, gamma)  # type: ignore[no-any-return]


def _of_classes(x: Tensor, place: Tensor, gamma: float) -> Tensor:
    log_p = log_softmax(x, -3).gather(-3, place)
    return -_rest(log_p).pow(gamma) * log_p if gamma else -log_p


def _rest(log_p: Tensor) -> Tensor:
    """Returns 1 - p, at least the least normal number: a power of 0 has no derivative."""
    return (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)


class _OfClasses(torch.autograd.Function):
    """`_of_classes`, of which autograd would keep the logarithms of all classes, and more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, place: Tensor, gamma: float) -> Tensor:
        ctx.save_for_backward(x, place)
        ctx.gamma = gamma
        return _of_classes(x, place, gamma)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, place = ctx.saved_tensors
        gamma, logs = ctx.gamma, log_softmax(x, -3)
        log_p, p = logs.gather(-3, place), logs.exp()
        slope = -torch.ones_like(log_p)
        if gamma:
            rest = _rest(log_p)
            # (1 - p)^(gamma - 1) p log p, of which log p / (1 - p) is finite
            slope = rest.pow(gamma) * (gamma * log_p.exp() * (log_p / rest) - 1)
        by_log = grad * slope
        return (-p * by_log).scatter_add(-3, place, by_log), None, None


def _of_labels(x: Tensor, y: Tensor, alpha: Tensor | None, gamma: float) -> Tensor:
    log_p, log_q = logsigmoid(x), logsigmoid(-x)
    one, zero = (gamma * log_q).exp() * log_p, (gamma * log_p).exp() * log_q
    if alpha is None:
        return -y * one - (1 - y) * zero
    return -alpha * y * one - (1 - alpha) * (1 - y) * zero


class _OfLabels(torch.autograd.Function):
    """`_of_labels`, of which autograd would keep six maps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, alpha: Tensor | None, gamma: float) -> Tensor:
        ctx.save_for_backward(x, y, alpha)
        ctx.gamma = gamma
        return _of_labels(x, y, alpha, gamma)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, alpha = ctx.saved_tensors
        gamma, (log_p, log_q) = ctx.gamma, (logsigmoid(x), logsigmoid(-x))
        p, q = log_p.exp(), log_q.exp()
        one, zero = (gamma * log_q).exp(), (gamma * log_p).exp()
        on, off = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        by_x = on * y * one * (gamma * p * log_p - q) - off * (1 - y) * zero * (gamma * q * log_q - p)
        by_y = by_alpha = None
        if ctx.needs_input_grad[1]:
            by_y = grad * (off * zero * log_q - on * one * log_p)
        if alpha is not None and ctx.needs_input_grad[2]:
            by_alpha = (grad * ((1 - y) * zero * log_q - y * one * log_p)).sum_to_size(alpha.shape)
        return grad * by_x, by_y, by_alpha, None


# Of logits (b, c, n) and classes (b, n).
_compiled_of_classes = primitive(
    "focal_of_classes",
    tensors="Tensor logits, Tensor classes",
    static="float gamma",
    forward=kernels.focal_of_classes,
    adjoint=kernels.focal_slopes_of_classes,
    define=lambda x, place, gamma: _of_classes(x[:, :, None], place[:, None, None], gamma)[:, 0, 0],
    like=lambda x, place, gamma: x.new_empty(place.shape),
)

# Of logits and labels (b, n), and an alpha for each row if they are weighted.
_compiled_of_labels = primitive(
    "focal_of_labels",
    tensors="Tensor logits, Tensor labels, Tensor alpha",
    static="float gamma, bool weighted",
    forward=kernels.focal_of_labels,
    adjoint=kernels.focal_slopes_of_labels,
    define=lambda x, y, alpha, gamma, weighted: _of_labels(x, y, alpha[:, None] if weighted else None, gamma),
)
