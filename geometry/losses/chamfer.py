"""The Chamfer distance of two sets of points.

loss = 1/n sum_i min_j |p_i - q_j|^2 + 1/m sum_j min_i |p_i - q_j|^2
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_points
from visionops.kernels.functions import opaque
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import safe_root

from .views import check_mask_of, counts_of

# Distances that are held at once while nearest points are looked for: what a cache holds, and what fills a device.
ON_HOST, ON_DEVICE = 2**17, 2**25


def chamfer(
    points1: Float[Tensor, "*batch n d"],
    points2: Float[Tensor, "*batch m d"],
    *,
    squared: bool = True,
    mask1: Bool[Tensor, "*#batch n"] | None = None,
    mask2: Bool[Tensor, "*#batch m"] | None = None,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Chamfer distances of sets of points: the mean to the nearest of the other set, of both sets, summed.

    Args:
        points1: of any dimension d.
        points2: of the same dimension, as many as there are.
        squared: whether distances are squared, as in PyTorch3D; else they are lengths.
        mask1: True for the points of the first set that count, (*batch, n): sets of a batch may differ in size. A point
            that is masked, NaN too, is nobody's nearest and reaches neither loss nor gradient.
        mask2: of the second set, (*batch, m).
        mask: True where samples count, broadcast to (*batch). A sample one of whose sets is empty does not count.
        weight: of each sample, broadcast to (*batch).
        reduction: "none" gives (*batch), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of the
            weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both sets and the weight, with the nearest points held: where two are equally near it is that of one of
        them. A distance of 0 has gradient 0. What is kept are the indices of the nearest points, never a table of n x
        m.
    Source: Fan, Su and Guibas, A Point Set Generation Network, 2017, with means in place of sums; the sum of the two
        directions, of which other authors take half.

    >>> chamfer(torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item()  # (1 + 10) / 2 + 1
    6.5
    """
    function = "chamfer"
    dims = points1.shape[-1] if isinstance(points1, Tensor) and points1.ndim else 1
    check_points(function, "points1", points1, dims)
    check_points(function, "points2", points2, dims)
    check_batches(function, "points2", points2.shape[:-2], points1.shape[:-2])
    batch = torch.broadcast_shapes(points1.shape[:-2], points2.shape[:-2])
    check_mask_of(function, "mask1", mask1, (*batch, points1.shape[-2]))
    check_mask_of(function, "mask2", mask2, (*batch, points2.shape[-2]))
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    if points2.dtype != points1.dtype:
        raise refuse(function, "points2", "of the dtype of points1", points2.dtype)
    dtype = points1.dtype
    first, counts1 = _set(points1, mask1, batch, mask)
    second, counts2 = _set(points2, mask2, batch, mask)
    nearest1, nearest2 = _nearest(first, second, counts1, counts2)
    values = _mean(first, second, nearest1, counts1, squared) + _mean(second, first, nearest2, counts2, squared)
    counts = counts1.any(-1) & counts2.any(-1)
    return reduce(values, reduction, mask=counts, weight=weight, dtype=dtype)


def _set(points: Tensor, mask: Tensor | None, batch: torch.Size, samples: Tensor | None) -> tuple[Tensor, Tensor]:
    """Returns the points (*batch, n, d), 0 where they do not count, and which do. There is one at least."""
    counts = counts_of(mask, (*batch, points.shape[-2]), points, samples)
    points = points.expand(*batch, *points.shape[-2:])
    if mask is not None or samples is not None:
        (points,) = hide(counts[..., None], points)
    if not points.shape[-2]:
        points, counts = torch.nn.functional.pad(points, (0, 0, 0, 1)), torch.nn.functional.pad(counts, (0, 1))
    return points, counts


def _mean(points: Tensor, others: Tensor, nearest: Tensor, counts: Tensor, squared: bool) -> Float[Tensor, "*batch"]:
    """Returns the mean distance of the points that count from the nearest of the others."""
    partners = others.gather(-2, nearest[..., None].expand(points.shape))
    distance = (points - partners).square().sum(-1)
    distance = torch.where(counts, distance if squared else safe_root(distance), 0)
    return distance.sum(-1) / counts.sum(-1).clamp(min=1)


def _nearest(first: Tensor, second: Tensor, counts1: Tensor, counts2: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the index of the nearest point of the other set, for both; any where there is none."""
    flat = [t.reshape(-1, *t.shape[counts1.ndim - 1 :]) for t in (first, second, counts1, counts2)]
    nearest1, nearest2 = _declared(*flat)
    return nearest1.reshape(counts1.shape), nearest2.reshape(counts2.shape)


def _search(
    first: Float[Tensor, "b n d"],
    second: Float[Tensor, "b m d"],
    counts1: Bool[Tensor, "b n"],
    counts2: Bool[Tensor, "b m"],
) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b m"]]:
    # At opposite ends of nowhere, points that do not count are infinitely far from each other too.
    first = torch.where(counts1[..., None], first, torch.inf)
    second = torch.where(counts2[..., None], second, -torch.inf).mT.contiguous()
    b, n, m = len(first), first.shape[1], second.shape[-1]
    rows = max(1, (ON_HOST if first.device.type == "cpu" else ON_DEVICE) // (b * m))
    nearest1 = []
    for start in range(0, n, rows):
        block = first[:, start : start + rows]
        table = (block[..., :1] - second[:, :1]).square_()
        for k in range(1, block.shape[-1]):
            table = table.add_((block[..., k : k + 1] - second[:, k : k + 1]).square_())
        nearest1.append(table.min(-1).indices)  # twice as fast as argmin
        least, at = table.min(-2)
        if not start:
            best, nearest2 = least, at
            continue
        nearer = least < best
        best, nearest2 = torch.where(nearer, least, best), torch.where(nearer, at + start, nearest2)
    return torch.cat(nearest1, -1), nearest2


def _unknown(first: Tensor, second: Tensor, counts1: Tensor, counts2: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(counts1, dtype=torch.int64), torch.empty_like(counts2, dtype=torch.int64)


_declared = opaque(
    "nearest_points",
    "(Tensor first, Tensor second, Tensor counts1, Tensor counts2) -> (Tensor, Tensor)",
    _search,
    _unknown,
)
