"""Divergences of heat maps, each a distribution over the pixels of its channel.

KL(t | p) = sum t log(t / p)        JS(t, p) = KL(t | m) / 2 + KL(p | m) / 2,   m = (t + p) / 2

Source: Kullback and Leibler 1951; Lin, Divergence measures based on the Shannon entropy, 1991. As losses of heat maps:
Nibali et al., Numerical coordinate regression with convolutional neural networks, 2018.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.kernels.functions import is_traced, takes_formula

from .blocks import blocks
from .reduction import Reduction, check_mask, check_pair, check_reduction, check_weight, reduce


def kl_divergence(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    mask: Bool[Tensor, "*#batch #c"] | None = None,
    weight: Float[Tensor, "*#batch #c"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Kullback-Leibler divergences of the target from the prediction, KL(t | p), in nats: 0 where equal.

    Args:
        prediction: p, heat maps of at least 0 that sum to 1 over each (h, w), which is not checked.
        target: t, likewise.
        mask: True where heat maps count, broadcast to (*batch, c): points that are visible. What is masked, NaN too,
            reaches neither loss nor gradient.
        weight: of each heat map, broadcast to (*batch, c).
        reduction: "none" gives one for each heat map, (*batch, c), 0 where masked; "sum" the weighted sum; "mean"
            divides that by the sum of the weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not fit.

    Gradient: to both and the weight, of every order: -t / p, and log(t / p) + 1. In logarithms and quotients what is
    below the smallest normal number counts as that, so that all is finite: a p of 0 costs 87 t in float32, with
    gradient 0. Half precision computes in float32.
    Source: Kornia's `kl_div_loss_2d`, the same order of arguments; it is infinite where only p is 0. Torch's `kl_div`
    takes log p.

    >>> even, peak = torch.full((1, 1, 4), 0.25), torch.tensor([[[1.0, 0, 0, 0]]])
    >>> round(kl_divergence(even, peak).item(), 4)  # log 4
    1.3863
    """
    return _loss("kl_divergence", False, prediction, target, mask, weight, reduction)


def js_divergence(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    mask: Bool[Tensor, "*#batch #c"] | None = None,
    weight: Float[Tensor, "*#batch #c"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Jensen-Shannon divergences of heat maps, in nats: 0 where equal, at most log 2.

    Args:
        prediction: as of `kl_divergence`, and so are the others.
        target: heat maps.
        mask: True where heat maps count.
        weight: of each heat map.
        reduction: "none", "sum" or "mean".

    Raises:
        ValueError: for shapes that do not fit.

    Gradient: log(p / m) / 2, and the same of t; finite at 0 as of `kl_divergence`.
    Source: Lin 1991; Kornia's `js_div_loss_2d`. SciPy's `jensenshannon` is its root.

    >>> left, right = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    >>> round(js_divergence(left, right).item(), 4)
    0.6931
    """
    return _loss("js_divergence", True, prediction, target, mask, weight, reduction)


def _loss(
    function: str,
    symmetric: bool,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    check_pair(function, prediction, target)
    check_mask(function, mask, prediction.shape[:-2])
    check_weight(function, weight, prediction.shape[:-2])
    check_reduction(function, reduction)
    p, t = (v.flatten(-2) for v in (prediction, target))
    if mask is not None:
        p, t = (torch.where(mask[..., None], v, 0) for v in (p, t))
    values = _values(p, t, symmetric) if is_traced() else _Divergence.apply(p, t, symmetric)
    return reduce(values, reduction, mask=mask, weight=weight, dtype=prediction.dtype)


def _log(x: Tensor) -> Tensor:
    return x.clamp(min=torch.finfo(x.dtype).tiny).log()


def _values(p: Tensor, t: Tensor, symmetric: bool) -> Tensor:
    if symmetric:
        middle = _log((p + t) / 2)
        return ((_log(p) - middle) * p + (_log(t) - middle) * t).sum(-1) / 2
    return ((_log(t) - _log(p)) * t).sum(-1)


def _slope(p: Tensor, t: Tensor, symmetric: bool, to_target: bool) -> Tensor:
    """Returns the derivative of `_values` by p, or by t."""
    tiny = torch.finfo(p.dtype).tiny
    if symmetric:  # that of the logarithms is 0 together
        return (_log(t if to_target else p) - _log((p + t) / 2)) / 2
    return _log(t) - _log(p) + (t >= tiny) if to_target else torch.where(p >= tiny, -t / p.clamp(min=tiny), 0)


class _Divergence(torch.autograd.Function):
    """`_values`, of which autograd would keep logarithms and quotients, some rows at a time."""

    @staticmethod
    def forward(p: Tensor, t: Tensor, symmetric: bool) -> Tensor:
        parts = [_values(a, b, symmetric) for a, b in blocks(p.flatten(0, -2), t.flatten(0, -2))]
        return torch.cat(parts).reshape(p.shape[:-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.symmetric = inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        p, t = ctx.saved_tensors
        found: list[Tensor | None] = [None, None]
        for k in range(2):
            if not ctx.needs_input_grad[k]:
                continue
            if takes_formula(grad):
                found[k] = grad[..., None] * _slope(p, t, ctx.symmetric, bool(k))
                continue
            out = torch.empty_like(p, memory_format=torch.contiguous_format)
            for a, b, g, o in blocks(*(v.flatten(0, -2) for v in (p, t, grad[..., None], out))):
                torch.mul(_slope(a, b, ctx.symmetric, bool(k)), g, out=o)
            found[k] = out
        return *found, None
