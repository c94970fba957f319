"""Multi-scale gradient matching of depth or disparity.

loss = sum over scales k of 1 / M_k sum over pixels of |D_x R_k| + |D_y R_k|,   R = prediction - target

R_k is every 2^k-th row and column of R, and M_k the number of its pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_count
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce

from .fields import check_alike, check_fields
from .variation import Edges, portions_of, variation


def gradient_matching(
    prediction: Float[Tensor, "*batch 1 h w"],
    target: Float[Tensor, "*batch 1 h w"],
    *,
    scales: int = 4,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how unlike the slopes of prediction and target are, so that edges are sharp and where they belong.

    A constant between the two costs nothing; a factor does, so that both should be aligned, or be logarithms of depth.

    Args:
        prediction: disparity, depth or its logarithm.
        target: of the same shape and dtype.
        scales: how many. Of each following one half the rows and columns are left: pixels 1, 2, 4, 8 apart are compared
            without smoothing before.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). A difference counts if both its pixels do. What
            is masked, NaN too, reaches neither loss nor gradient.
        weight: of each pixel, broadcast to (*batch, 1, h, w), for its differences to the next ones; M_k is the sum of
            the weights.
        reduction: "none" gives one for each sample (*batch), 0 where nothing counts; "sum" their sum; "mean" their mean
            over the samples of which something counts (MiDaS's "image-based").

    Raises:
        ValueError: for shapes that do not go together, and scales below 1.

    Gradient: to prediction, target and weight; 0 where the slopes are equal.
    Source: Ranftl et al., Towards Robust Monocular Depth Estimation, 2020, equation 11, as MiDaS computes it: the sum
        over scales, each divided by its pixels, of which there are more than differences. MegaDepth's is of log depth.

    >>> step = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> gradient_matching(step, 0 * step, scales=2).item()  # 1 / 4 + 1 / 2
    0.75
    """
    function = "gradient_matching"
    check_fields(function, "prediction", prediction, 1, least=1)
    check_alike(function, "target", target, "prediction", prediction)
    check_count(function, "scales", scales)
    check_mask(function, mask, prediction.shape)
    check_weight(function, weight, prediction.shape)
    check_reduction(function, reduction)
    apart = torch.sub(*hide(mask, prediction, target))
    size = apart.shape[-2:]
    mask = None if mask is None else mask.expand(*mask.shape[:-2], *size)
    weight = None if weight is None else weight.to(apart.dtype).expand(*weight.shape[:-2], *size)
    loss, some = apart.new_zeros(apart.shape[:-3]), None
    for k in range(scales):
        residual = apart[..., :: 2**k, :: 2**k]
        inside, heavy = (None if t is None else t[..., :: 2**k, :: 2**k] for t in (mask, weight))
        number, counts = _number(residual, inside, heavy)
        loss = loss + variation(residual, Edges(1), portions_of(inside, heavy, residual, 1), (1.0, 1.0)) / number
        some = counts if some is None else some | counts
    return reduce(loss, reduction, mask=some, dtype=prediction.dtype)


def _number(field: Tensor, mask: Tensor | None, weight: Tensor | None) -> tuple[Tensor | int, Tensor]:
    """Returns how much the pixels of each sample count, 1 where none does, and where any does."""
    if mask is not None:
        weight = mask.to(field.dtype) if weight is None else torch.where(mask, weight, 0)
    if weight is None:
        return max(field.shape[-2] * field.shape[-1], 1), field.new_ones((), dtype=torch.bool)
    number = weight.expand(*field.shape[:-3], 1, *weight.shape[-2:]).sum((-3, -2, -1))
    return torch.where(number > 0, number, 1), number > 0
