"""Lovasz's losses: the convex extension of 1 - intersection over union, as a function of all errors.

With errors e sorted, the largest first, the loss is  sum e_i g_i,  g_i = J_i - J_(i-1),  J_i the Jaccard loss of a
prediction that has the first i pixels wrong. g is the gradient.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.kernels import losses as kernels
from visionops.kernels import native

from .labels import check_labels, shares
from .reduction import Reduction, check_reduction, check_weight, hide, reduce


def lovasz_softmax(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    classes: Literal["present", "all"] = "present",
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#values"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Lovasz-softmax loss of each class of each sample, a surrogate of 1 - IoU.

    Args:
        prediction: probabilities, of a softmax over the channels.
        target: integer classes (*batch, h, w); a pixel whose class is none (255, -1) does not count. Or floating, 0
            or 1 in each channel.
        classes: "present" counts the classes that are in a sample, the others have 0; "all" counts all.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient.
        weight: of each class and sample, broadcast to (*batch, c).
        reduction: "none" gives (*batch, c); "sum" the weighted sum; "mean" divides that by the sum of the weights that
            count (without weights, their number), and is 0 where none does: a mean over the classes of all samples, not
            of the samples' means.

    Raises:
        ValueError: for shapes that do not go together, and an unknown option.

    Gradient: to predictions and weight: g, which is constant between ties, at which it is one of the subgradients. Half
        precision computes in float32.
    Source: Berman, Triki and Blaschko, The Lovasz-softmax loss, 2018, equation 11, per image. Kornia's takes logits.

    >>> p = torch.tensor([[[0.9, 0.6]], [[0.1, 0.4]]])
    >>> lovasz_softmax(p, torch.tensor([[0, 1]]), reduction="none")
    tensor([0.3500, 0.6000])
    """
    check_labels("lovasz_softmax", prediction, target, mask)
    check_choice("lovasz_softmax", "classes", classes, ("present", "all"))
    check_weight("lovasz_softmax", weight, prediction.shape[:-2])
    check_reduction("lovasz_softmax", reduction)
    t, counts = shares(target, prediction, mask)
    (p,) = hide(counts, prediction)
    errors = (t.detach() - p).abs()
    errors = errors if counts is None else torch.where(counts, errors, 0)
    values = _extension(errors, t, counts)
    counted = None if counts is None else counts.flatten(-2).any(-1)
    if classes == "present":
        present = (t.detach() > 0).flatten(-2).any(-1)
        counted = present if counted is None else present & counted
    elif counted is not None:
        counted = counted.expand(values.shape)
    return reduce(values, reduction, mask=counted, weight=weight, dtype=prediction.dtype)


def lovasz_hinge(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#values"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Lovasz hinge of each channel of each sample, for labels that are there or not.

    Args:
        prediction: logits; above 0 says that the label is there.
        target: floating (*batch, c, h, w), 1 where the label is there, else 0; or classes (*batch, h, w), each of which
            is a label.
        mask: True where pixels count, broadcast to (*batch, 1, h, w); as of `lovasz_softmax`.
        weight: of each channel and sample, broadcast to (*batch, c).
        reduction: "none" gives (*batch, c); "sum" the weighted sum; "mean" divides that by the sum of the weights that
            count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and an unknown option.

    Gradient: to predictions and weight, as of `lovasz_softmax`; 0 where the margin is kept.
    Source: Berman, Triki and Blaschko 2018, equation 8; Yu and Blaschko 2015. Kornia's, of one channel, takes integer
    labels (*batch, h, w), which here are `target[..., None, :, :].float()`.

    >>> lovasz_hinge(torch.tensor([[[2.0, 0.5]]]), torch.tensor([[[1.0, 0.0]]])).item()  # the second is 1.5 short
    0.75
    """
    check_labels("lovasz_hinge", prediction, target, mask)
    check_weight("lovasz_hinge", weight, prediction.shape[:-2])
    check_reduction("lovasz_hinge", reduction)
    t, counts = shares(target, prediction, mask)
    (x,) = hide(counts, prediction)
    errors = 1 - x * (2 * t.detach() - 1)
    errors = errors if counts is None else torch.where(counts, errors, 0)
    values = _extension(errors, t, counts, hinge=True)
    counted = None if counts is None else counts.flatten(-2).any(-1)
    return reduce(values, reduction, mask=counted, weight=weight, dtype=prediction.dtype)


def _extension(errors: Tensor, target: Tensor, counts: Tensor | None, *, hinge: bool = False) -> Tensor:
    """Returns sum e g over the pixels (..., h, w) of each channel; errors below 0 count as 0."""
    errors, there = errors.flatten(-2), target.detach().flatten(-2)
    with torch.no_grad():
        known = None if counts is None else counts.flatten(-2).expand(errors.shape)
        keys = errors.detach()
        if keys.numel() and keys.dtype == there.dtype == torch.float32 and native.may_run(keys, there):
            rows = (keys.reshape(-1, keys.shape[-1]), there.reshape(-1, keys.shape[-1]))
            mask = None if known is None else known.reshape(-1, keys.shape[-1])
            gradient = kernels.jaccard_steps(*rows, mask).reshape(keys.shape)
        else:
            gradient = _steps(keys, there, known)
    kept = errors.clamp(min=0) if hinge else errors
    return (kept * gradient).sum(-1)


def _steps(keys: Tensor, there: Tensor, counts: Tensor | None) -> Tensor:
    """Returns what `jaccard_steps` computes."""
    keys = keys.clamp(min=0)
    if counts is not None:
        keys = torch.where(counts, keys, -1)
    order = keys.argsort(dim=-1, descending=True, stable=True)
    ahead = there.gather(-1, order).cumsum(-1)
    total = ahead[..., -1:]
    wrong = torch.arange(1, order.shape[-1] + 1, dtype=ahead.dtype, device=ahead.device) - ahead
    jaccard = 1 - (total - ahead) / (total + wrong)
    steps = torch.cat([jaccard[..., :1], jaccard.diff(dim=-1)], -1)
    return torch.zeros_like(steps).scatter(-1, order, steps)
