"""Where a pixel of one image cannot be seen in the other, told from the flow there and back.

forward-backward  |f(p) + b(p + f(p))|^2 > a (|f|^2 + |b|^2) + c        range map  sum over q of k(q + b(q) - p) < t

with k the bilinear kernel (1 - |x|)+ (1 - |y|)+.
"""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_range
from visionops.geometry.spatial import warp_by_flow
from visionops.geometry.spatial.rays import pixel_grid

from .fields import check_alike, check_fields


def forward_backward_occlusion(
    flow12: Float[Tensor, "*batch 2 h w"],
    flow21: Float[Tensor, "*batch 2 h w"],
    *,
    alpha: float = 0.01,
    beta: float = 0.5,
) -> Bool[Tensor, "*batch 1 h w"]:
    """Returns which pixels of image 1 are occluded in image 2: the way there and back ends elsewhere.

    `mask=~occluded` is what losses take.

    Args:
        flow12: f, from image 1 to image 2, in pixels: p2 = p1 + f.
        flow21: b, from image 2 to image 1, of the same shape and dtype.
        alpha: a, how much the two may differ, squared, for each squared length of both.
        beta: c, and how much in any case, in pixels squared.

    Raises:
        ValueError: for shapes that differ, and an alpha or beta below 0.

    Gradient: none. What leaves image 2 is occluded (UnFlow has a mask of its own for that; ARFlow reads a flow of 0
        there, and lets pass what moves by less than a pixel), and so is what is not finite.
    Source: Meister, Hur and Roth, UnFlow, 2018, equation 2, after Sundaram, Brox and Keutzer, Dense Point Trajectories,
        2010.

    >>> there = torch.zeros(2, 1, 4)
    >>> there[0] = torch.tensor([0.0, 2.0, 0.0, 1.0])
    >>> forward_backward_occlusion(there, torch.zeros(2, 1, 4))[0, 0].tolist()
    [False, True, False, True]
    """
    function = "forward_backward_occlusion"
    check_fields(function, "flow12", flow12, 2, least=1)
    check_alike(function, "flow21", flow21, "flow12", flow12)
    for name, value in (("alpha", alpha), ("beta", beta)):
        check_range(function, name, value, 0)
    there, back = flow12.detach(), flow21.detach()
    back, inside = warp_by_flow(back, there, return_valid=True)
    apart, own = (there + back).square().sum(-3, keepdim=True), there.square() + back.square()
    return ~(inside & apart.isfinite() & (apart <= alpha * own.sum(-3, keepdim=True) + beta))


@overload
def range_map_occlusion(flow21: Tensor, *, threshold: float = ..., return_count: Literal[False] = False) -> Tensor: ...


@overload
def range_map_occlusion(
    flow21: Tensor, *, threshold: float = ..., return_count: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def range_map_occlusion(
    flow21: Float[Tensor, "*batch 2 h w"], *, threshold: float = 0.75, return_count: bool = False
) -> Any:
    """Returns which pixels of image 1 are occluded in image 2: too little of image 2 comes from there.

    Every pixel of image 2 is laid where its flow points, over four pixels of image 1; what is covered is seen.
    `mask=~occluded` is what losses take.

    Args:
        flow21: b, from image 2 to image 1, in pixels.
        threshold: from 0 to 1: what is covered less is occluded. UFlow takes 0.75, ARFlow 0.2. Where the image grows,
            pixels in between are covered less than 1 without being hidden: of what 0.75 marks on the stereo pair of
            `notebooks/05_self_supervised_depth` 39 % is hidden, of what 0.2 marks 61 %.
        return_count: whether to return also how much of pixels lies on each (*batch, 1, h, w), 1 where nothing moves;
            Wang's soft mask, a weight, is `count.clamp(max=1)`.

    Raises:
        ValueError: for another shape, and a threshold out of range.

    Gradient: none, as in all of these papers. A flow that is not finite covers nothing.
    Source: Wang et al., Occlusion Aware Unsupervised Learning of Optical Flow, 2018, equations 3 and 4.

    >>> back = torch.zeros(2, 1, 4)
    >>> back[0] = torch.tensor([0.0, 1.0, 0.5, 0.0])
    >>> occluded, count = range_map_occlusion(back, return_count=True)
    >>> occluded[0, 0].tolist(), count[0, 0].tolist()
    ([False, True, False, False], [1.0, 0.0, 1.5, 1.5])
    """
    function = "range_map_occlusion"
    check_fields(function, "flow21", flow21, 2, least=1)
    check_range(function, "threshold", threshold, 0, 1)
    flow = flow21.detach()
    count = _covered(flow.reshape(-1, *flow.shape[-3:])).reshape(*flow.shape[:-3], 1, *flow.shape[-2:])
    occluded = count < threshold
    return (occluded, count.to(flow21.dtype)) if return_count else occluded


def _covered(flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n h w"]:
    """Returns the sum of the bilinear kernels of all pixels where they land."""
    h, w = flow.shape[-2:]
    x, y = (grid + move for grid, move in zip(pixel_grid((h, w), flow), flow.unbind(-3), strict=True))
    # A pixel off the image, so that every index is small, and NaN is off it too.
    x, y = (torch.where((t > -1) & (t < n), t, -1) for t, n in ((x, w), (y, h)))
    left, top = x.floor(), y.floor()
    out = flow.new_zeros(len(flow), h * w)
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        share = (1 - (x - column).abs()) * (1 - (y - row).abs())
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        index = torch.where(inside, row * w + column, 0).long()
        out = out.scatter_add(1, index.flatten(1), torch.where(inside, share, 0).flatten(1))
    return out.unflatten(1, (h, w))
