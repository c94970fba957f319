"""Hausdorff loss by erosion: wrong pixels count the more, the deeper inside a wrong region they lie.

d_0 = (p - t)^2,    d_k = erode(d_(k-1)),    loss = sum_k d_k k^alpha,  k from 1 on

Erosion is soft: the mean of a pixel and its neighbours, less one half, at least 0, stretched to a maximum of 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_count, check_number
from visionops.kernels import losses as kernels
from visionops.kernels import native
from visionops.kernels.functions import primitive

from .labels import check_labels, shares
from .reduction import Reduction, check_reduction, check_weight, hide, reduce


def hausdorff(
    prediction: Float[Tensor, "*batch c h w"],
    target: Tensor,
    *,
    alpha: float = 2.0,
    iterations: int = 10,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the erosion loss, which falls with the Hausdorff distance of regions from where they should be.

    What is wrong by a pixel's width erodes to nothing and counts 0: add a loss that counts pixels, as the paper does.

    Args:
        prediction: probabilities, of a softmax over the channels or a sigmoid in each.
        target: integer classes (*batch, h, w), or shares of each class (*batch, c, h, w). A pixel whose class is none
            (255, -1) does not count.
        alpha: how much depth counts.
        iterations: of the erosion: regions wrong by more pixels count as if by so many.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). What is masked, NaN too, reaches neither loss nor
            gradient; it is taken for right.
        weight: of each pixel, broadcast to (*batch, c, h, w).
        reduction: "none" gives the map (*batch, c, h, w); "sum" its weighted sum; "mean" divides that by the sum of the
            weights of the pixels that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and a negative number of iterations.

    Gradient: to predictions, shares and weight. Where an eroded map is stretched, its maximum counts as a constant.
        Half precision computes in float32.
    Source: Karimi and Salcudean, Reducing the Hausdorff distance in medical image segmentation, 2019, equation 8.
        Kornia's `HausdorffERLoss` stretches from the minimum too, which is 0 but where all of an image is wrong.

    >>> p, t = torch.zeros(1, 5, 5), torch.zeros(1, 5, 5)
    >>> t[0, 1:4, 1:4] = 1  # nine pixels are missing; the one in their middle is left after two erosions
    >>> hausdorff(p, t, reduction="none")[0, 1:4, 1:4]
    tensor([[0.2000, 0.6000, 0.2000],
            [0.6000, 5.0000, 0.6000],
            [0.2000, 0.6000, 0.2000]])
    """
    check_labels("hausdorff", prediction, target, mask)
    check_number("hausdorff", "alpha", alpha)
    check_count("hausdorff", "iterations", iterations, least=0)
    check_weight("hausdorff", weight, prediction.shape)
    check_reduction("hausdorff", reduction)
    t, counts = shares(target, prediction, mask)
    (p,) = hide(counts, prediction)
    wrong = (p - t).square()
    run = _eroded_sum if wrong.dtype == torch.float32 and native.may_be_recorded(wrong) else _define
    # Of nothing, there is no maximum.
    values = run(wrong.flatten(0, -3), iterations, float(alpha)).reshape(wrong.shape) if wrong.numel() else wrong
    return reduce(values, reduction, mask=counts, weight=weight, dtype=prediction.dtype)


def _define(wrong: Float[Tensor, "b h w"], iterations: int, alpha: float) -> Float[Tensor, "b h w"]:
    """Returns the sum of a map eroded 1, 2, ... times, the k-th times k^alpha."""
    values = torch.zeros_like(wrong)
    for k in range(1, iterations + 1):
        wrong = _eroded(wrong)
        values = values + wrong * float(k**alpha)
    return values


_eroded_sum = primitive(
    "eroded_sum",
    tensors="Tensor wrong",
    static="int iterations, float alpha",
    forward=kernels.eroded_sum,
    adjoint=kernels.eroded_sum_adjoint,
    define=_define,
)


def _eroded(wrong: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Returns the mean with the four neighbours, 0 outside, less one half, stretched to a maximum of 1."""
    pad = torch.nn.functional.pad
    total = wrong + pad(wrong[..., 1:, :], (0, 0, 0, 1)) + pad(wrong[..., :-1, :], (0, 0, 1, 0))
    total = total + pad(wrong[..., 1:], (0, 1)) + pad(wrong[..., :-1], (1, 0))
    eroded = (total / 5 - 0.5).clamp(min=0)
    most = eroded.detach().amax((-1, -2), keepdim=True)
    return eroded / torch.where(most > 0, most, 1)
