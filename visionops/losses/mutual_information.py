"""Mutual information of two images: what one tells of the other, whatever the curve between their brightnesses.

MI = H(x) + H(y) - H(x, y)        NMI = (H(x) + H(y)) / H(x, y),  from 1 to 2        H(p) = -sum p log p

of the joint histogram of pixels, in which each is spread over 4x4 bins by cubic B-splines (Parzen windows). Sources:
Thevenaz and Unser, Optimization of mutual information for multiresolution image registration, IEEE TIP 2000; Studholme,
Hill and Hawkes, An overlap invariant entropy measure of 3D medical image alignment, Pattern Recognition 1999.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_count, flatten
from visionops.errors import refuse
from visionops.kernels.histogram import joint_sums

from .reduction import Reduction, check_mask, check_pair, check_reduction, check_weight, ratio, reduce

TAPS = 4


def mutual_information(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    bins: int = 32,
    range: tuple[float, float] = (0.0, 1.0),
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns minus the mutual information of each channel, in nats: 0 of independent images, and lower the better.

    Args:
        prediction: floating.
        target: of the same shape.
        bins: of the histogram of either image, at least 4. Few see less detail, many more chance.
        range: (low, high), the ends of the histogram; what is beyond counts as the end, with gradient 0.
        mask: True where pixels count, broadcast to (*batch, c, h, w). What is masked, NaN too, reaches neither loss nor
            gradient; a channel without pixels is 0.
        weight: of pixels in the histogram, broadcast to (*batch, c, h, w).
        reduction: "none" gives one for each channel, (*batch, c); "sum" their sum; "mean" their mean, of those that
            have pixels.

    Raises:
        ValueError: for fewer bins, an empty range, and shapes that do not fit.

    Gradient: to both images and the weight, of every order. Logarithms take an empty bin for the smallest normal
    number, so that all is finite. Half precision computes in float32.
    Source: Thevenaz and Unser 2000. Kornia's `mutual_information_loss` stretches each image to its own extremes first,
    over the centres of 64 bins, and spreads pixels over two of them.

    >>> ramp = torch.linspace(0, 1, 4096).reshape(1, 64, 64)
    >>> round(mutual_information(ramp, 1 - ramp, bins=16).item(), 2), round(mutual_information(ramp, ramp.mT).item(), 2)
    (-1.63, -0.0)
    """
    return _loss("mutual_information", _negative, prediction, target, bins, range, mask, weight, reduction)


def normalized_mutual_information(
    prediction: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    bins: int = 32,
    range: tuple[float, float] = (0.0, 1.0),
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 2 minus the normalised mutual information of each channel: 1 of independent images, 0 at the least.

    It does not reward an overlap for being large or rich. Parzen windows keep it above 0 for equal images too.

    Args:
        prediction: floating, as of `mutual_information`, and so are the others.
        target: of the same shape.
        bins: of the histogram of either image.
        range: (low, high).
        mask: True where pixels count.
        weight: of pixels.
        reduction: "none", "sum" or "mean".

    Raises:
        ValueError: as `mutual_information`.

    Gradient: as of `mutual_information`.
    Source: Studholme et al. 1999; skimage's `normalized_mutual_information` is 2 minus this, of hard bins. Kornia's
    loss is minus the NMI.

    >>> ramp = torch.linspace(0, 1, 4096).reshape(1, 64, 64)
    >>> round(normalized_mutual_information(ramp, 1 - ramp, bins=16).item(), 2)
    0.58
    """
    return _loss("normalized_mutual_information", _normalized, prediction, target, bins, range, mask, weight, reduction)


def _negative(x: Tensor, y: Tensor, both: Tensor) -> Tensor:
    return both - x - y


def _normalized(x: Tensor, y: Tensor, both: Tensor) -> Tensor:
    return 2 - ratio(x + y, both, 2)


def _loss(
    function: str,
    value: Callable[[Tensor, Tensor, Tensor], Tensor],
    prediction: Tensor,
    target: Tensor,
    bins: int,
    range: tuple[float, float],
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    check_pair(function, prediction, target)
    check_count(function, "bins", bins, least=4)
    if len(range) != 2 or not range[0] < range[1]:
        raise refuse(function, "range", "(low, high) with low < high", range)
    check_mask(function, mask, prediction.shape)
    check_weight(function, weight, prediction.shape)
    check_reduction(function, reduction)
    low, high = (float(end) for end in range)
    x, y = (v.clamp(low, high) for v in (prediction, target))
    weights = None if weight is None else weight.to(x.dtype).expand(x.shape)
    if mask is not None:
        # The histogram leaves out what is outside its range.
        x, y = (torch.where(mask, v, 2 * low - high) for v in (x, y))
        weights = None if weights is None else torch.where(mask, weights, 0)
    weights = None if weights is None else flatten(weights)
    joint = joint_sums(flatten(x), flatten(y), weights, bins, low, high, TAPS)
    joint = joint.reshape(*prediction.shape[:-2], bins, bins)
    total = joint.sum((-2, -1), keepdim=True)
    some = total > 0
    joint = joint / torch.where(some, total, 1)
    # The histogram leaves NaN out.
    joint = joint + 0 * (x.detach() + y.detach()).sum((-2, -1))[..., None, None]
    entropies = (_entropy(joint.sum(-1)), _entropy(joint.sum(-2)), _entropy(joint.flatten(-2)))
    counts = None if mask is None and weight is None else some[..., 0, 0]
    return reduce(value(*entropies), reduction, mask=counts, dtype=prediction.dtype)


def _entropy(p: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    return -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum(-1)
