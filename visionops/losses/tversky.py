"""Dice's and Tversky's losses: 1 - overlap of soft regions, of each class of each sample.

TP = sum p t,  FP = sum p (1 - t),  FN = sum (1 - p) t        index = (TP + s) / (TP + alpha FP + beta FN + s)

Dice's index is that of alpha = beta = 1/2.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_range

from .labels import check_labels, shares
from .reduction import Reduction, check_reduction, check_weight, hide, ratio, reduce


def tversky(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#values"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 less the Tversky index of each class of each sample: 0 where regions are one, at most 1.

    Args:
        prediction: probabilities, of a softmax over the channels or a sigmoid in each.
        target: integer classes (*batch, h, w), or shares of each class (*batch, c, h, w). A pixel whose class is none
            (255, -1) does not count.
        alpha: what a false positive costs, at least 0.
        beta: what a false negative costs, at least 0.
        smooth: s, in pixels, at least 0: a class that is nowhere, and predicted nowhere, has loss 0, with any.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient; a sample without any pixel has loss 0 and does not count in the mean.
        weight: of each class and sample, broadcast to (*batch, c).
        reduction: "none" gives (*batch, c); "sum" the weighted sum; "mean" divides that by the sum of the weights that
            count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and numbers below 0.

    Gradient: to predictions, shares and weight, of every order; finite also where a class is nowhere. Half precision
        computes in float32.
    Source: Salehi, Erdogmus and Gholipour, Tversky loss function for image segmentation, 2017. Kornia's `tversky_loss`
        takes logits and pools all classes into one index.

    >>> half = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    >>> loss = tversky(half, torch.tensor([[[0.0, 1.0, 1.0, 1.0]]]), alpha=0.0, beta=1.0, smooth=0.0)  # 1 of 3 found
    >>> round(loss.item(), 4)
    0.6667
    """
    return _loss("tversky", prediction, target, alpha, beta, smooth, mask, weight, reduction)


def dice(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    smooth: float = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#values"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 less Dice's index 2 TP / (sum p + sum t) of each class of each sample: 0 where regions are one.

    Args:
        prediction: probabilities, of a softmax over the channels or a sigmoid in each.
        target: integer classes (*batch, h, w), or shares of each class (*batch, c, h, w); as of `tversky`.
        smooth: what numerator and denominator have more, in pixels, at least 0.
        mask, weight, reduction: as of `tversky`.

    Raises:
        ValueError: as `tversky`.

    Gradient: as of `tversky`.
    Source: Milletari, Navab and Ahmadi, V-Net, 2016, whose denominator has squares; sums are what most write. Kornia's
        `dice_loss` takes logits and, by default, pools all classes into one index.

    >>> half = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    >>> dice(half, torch.tensor([[[0.0, 1.0, 1.0, 0.0]]]), smooth=0.0).item()
    0.5
    """
    return _loss("dice", prediction, target, 0.5, 0.5, smooth, mask, weight, reduction, halved=True)


def _loss(
    function: str,
    prediction: Tensor,
    target: Tensor,
    alpha: float,
    beta: float,
    smooth: float,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
    halved: bool = False,
) -> Tensor:
    check_labels(function, prediction, target, mask)
    for name, value in (("alpha", alpha), ("beta", beta), ("smooth", smooth)):
        check_range(function, name, value, 0)
    check_weight(function, weight, prediction.shape[:-2])
    check_reduction(function, reduction)
    t, counts = shares(target, prediction, mask)
    (p,) = hide(counts, prediction)
    both = (p.flatten(-2)[..., None, :] @ t.flatten(-2)[..., None])[..., 0, 0]
    predicted, true = p.sum((-1, -2)), t.sum((-1, -2))
    smooth = smooth / 2 if halved else smooth
    top, bottom = both + smooth, both + alpha * (predicted - both) + beta * (true - both) + smooth
    # Where nothing is predicted and nothing is there, the index is 1.
    values = 1 - ratio(top, bottom, 1)
    seen = None if counts is None else counts.flatten(-3).any(-1, keepdim=True)
    return reduce(values, reduction, mask=seen, weight=weight, dtype=prediction.dtype)
