"""Edge-aware smoothness of optical flow, of first and second order.

loss = mean over x of |D_x^k f| exp(-a |I(x + k) - I(x)|) + the same over y,   |.| the mean over channels
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight

from .fields import check_fields, of_pixels
from .smoothness import check_edges, smoothness


def flow_smoothness(
    flow: Float[Tensor, "*batch 2 h w"],
    image: Float[Tensor, "*batch c h w"],
    *,
    order: Literal[1, 2] = 1,
    edge_factor: float = 10.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how much a flow varies where the image that it starts in does not.

    Args:
        flow: (dx, dy) from image 1 to image 2, in pixels; of at least `order` pixels each way.
        image: image 1, in [0, 1], of the same batch, size and dtype.
        order: of the differences. 1 wants the flow constant, 2 affine: of anything that recedes, for scenes seen while
            driving.
        edge_factor: a; see `edge_aware_smoothness`. 10 is ARFlow's; UFlow takes 150.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). A difference counts if all its pixels do. What is
            masked, NaN too, reaches neither loss nor gradient. Occluded pixels should count: smoothness is all that
            they have.
        weight: of the differences at each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives a map for each of x and y (*batch, 2, h, w), the mean of both components; "sum" the sum
            of both; "mean" adds the mean along x and the mean along y.

    Raises:
        ValueError: as `edge_aware_smoothness`.

    Gradient: to flow, image and weight, as there.
    Source: Jonschkowski et al., What Matters in Unsupervised Optical Flow, 2020, equations 2 and 3, whose penalty is
        sqrt(x^2 + 0.001^2), and whose first order compares I(p + 1) and I(p), the second I(p + 2) and I(p) as here.
        ARFlow (Liu et al. 2020) has a quarter of this for order 1 and half of it for order 2, and excuses the second
        differences by the first ones of the image.

    >>> flow = torch.tensor([[[0.0, 1.0, 2.0, 4.0]], [[0.0, 0.0, 0.0, 0.0]]])
    >>> image = torch.zeros(3, 1, 4)
    >>> round(flow_smoothness(flow, image).item(), 4)
    0.6667
    """
    function = "flow_smoothness"
    check_fields(function, "flow", flow, 2)
    edges = check_edges(function, "flow", flow, image, order, edge_factor)
    check_mask(function, mask, of_pixels(flow))
    check_weight(function, weight, of_pixels(flow))
    check_reduction(function, reduction)
    return smoothness(flow, edges, mask, weight, reduction, normalize=False)
