"""Edge-aware smoothness of disparity.

loss = mean over x of |D_x d| exp(-a |D_x I|) + mean over y of |D_y d| exp(-a |D_y I|),   d = disparity / its mean
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice, check_range
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide

from .fields import check_beside, check_fields, of_pixels
from .variation import Edges, portions_of, scales_of, variation, variation_maps

# monodepth2's, so that a disparity of 0 everywhere is smooth.
LEAST = 1e-7


def edge_aware_smoothness(
    disparity: Float[Tensor, "*batch 1 h w"],
    image: Float[Tensor, "*batch c h w"],
    *,
    order: Literal[1, 2] = 1,
    edge_factor: float = 1.0,
    normalize: bool = True,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how much a disparity varies where the image beside it does not.

    Args:
        disparity: or inverse depth, positive, in any unit if it is normalised; of at least `order` pixels each way.
        image: in [0, 1], of the same batch, size and dtype.
        order: of the differences. 1 wants disparity constant, as fronto-parallel planes have it; 2 linear, as all
            planes do. The image is compared at pixels as far apart: I(p + order) - I(p), not divided.
        edge_factor: a: an edge excuses exp(-a s), s the absolute difference, the mean over channels. At 1 an edge from
            black to white still leaves 37 %; what is written for flow takes 10 and more.
        normalize: whether to divide by the mean disparity of each sample, over what is not masked: else a network
            makes everything smooth by taking it far away.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). A difference counts if all its pixels do. What is
            masked, NaN too, reaches neither loss nor gradient.
        weight: of the differences at each pixel, broadcast to (*batch, 1, h, w): those to the next pixel, or of order 2
            those of both neighbours.
        reduction: "none" gives a map for each of x and y (*batch, 2, h, w), 0 at the ends of rows and columns and where
            masked; "sum" the sum of both; "mean" adds the mean along x and the mean along y, each over all that count
            in the batch.

    Raises:
        ValueError: for another order, shapes that do not go together, and an edge_factor below 0.

    Gradient: to disparity, image and weight; 0 where neighbours are equal. Where the image and the weight need none it
        keeps one map.
    Source: Godard et al. 2019, equation 3, as monodepth2 computes it, to the 1e-7 that it adds to the mean. Kornia's
        `inverse_depth_smoothness_loss` is this with normalize=False.

    >>> edge_aware_smoothness(torch.tensor([[[1.0, 1.0, 4.0, 4.0]]]), torch.full((3, 1, 4), 0.5)).item().__round__(4)
    0.4
    """
    function = "edge_aware_smoothness"
    check_fields(function, "disparity", disparity, 1)
    edges = check_edges(function, "disparity", disparity, image, order, edge_factor)
    check_mask(function, mask, of_pixels(disparity))
    check_weight(function, weight, of_pixels(disparity))
    check_reduction(function, reduction)
    return smoothness(disparity, edges, mask, weight, reduction, normalize)


def check_edges(function: str, argument: str, field: Tensor, image: Tensor, order: int, edge_factor: float) -> Edges:
    """Returns the options that smoothness of disparity and flow share, or raises."""
    check_choice(function, "order", order, (1, 2))
    check_fields(function, argument, field, least=order)
    check_beside(function, "image", image, argument, field)
    check_range(function, "edge_factor", edge_factor, 0)
    return Edges(order, image, edge_factor)


def smoothness(
    field: Tensor, edges: Edges, mask: Tensor | None, weight: Tensor | None, reduction: Reduction, normalize: bool
) -> Tensor:
    """Returns the variation of a field, over its mean if it is to be normalised, reduced."""
    dtype = field.dtype
    assert edges.image is not None
    field, image = hide(mask, field, edges.image)
    edges = edges._replace(image=image)
    portions = portions_of(mask, None if weight is None else weight.to(field.dtype), field, edges.order)
    size = _mean_size(field, mask) if normalize else None
    if reduction == "none":
        maps = variation_maps(field, edges, portions)
        return (maps if size is None else maps / size[..., None, None, None]).to(dtype)
    total = variation(field, edges, portions, scales_of(field, edges, portions, reduction))
    return (total if size is None else total / size).sum().to(dtype)


def _mean_size(field: Tensor, mask: Tensor | None) -> Float[Tensor, "*batch"]:
    """Returns |mean| of each sample; the variation is homogeneous, so that it can be divided in the end."""
    if mask is None:
        mean = field.mean((-3, -2, -1)) if field.numel() else field.new_zeros(field.shape[:-3])
    else:
        count = mask.expand(of_pixels(field)).sum((-3, -2, -1))
        mean = field.sum((-3, -2, -1)) / count.clamp(min=1)
    return mean.abs() + LEAST
