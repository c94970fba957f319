"""Epipolar losses: how far matches are from what a fundamental or essential matrix allows, under a robust kernel.

loss = rho(d^2),   d^2 the Sampson or the symmetric epipolar distance of `visionops.geometry`, squared as there
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix, check_points, check_same_points
from visionops.geometry.epipolar import sampson_distance, symmetric_epipolar_distance
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.robust import Kernel, robust_kernel


def sampson(
    F: Float[Tensor, "*batch 3 3"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    kernel: Kernel = "l2",
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the Sampson distances of matches under a robust kernel: 0 where all obey x2^T F x1 = 0.

    Args:
        F: fundamental matrix, at any scale; or an essential one, of normalised points.
        points1: x1 = (x, y).
        points2: x2, in the order of the first.
        kernel: rho, of the squared distance; see `visionops.losses.robust`. "l2" leaves it squared, "l1" is its root.
        scale: where the kernel turns from quadratic, in the unit of the points.
        mask: True where matches count, broadcast to (*batch, n). What is masked, NaN too, reaches neither loss nor
            gradient; nor does F of a sample that is all masked.
        weight: of each match, broadcast to (*batch, n).
        reduction: "none" gives (*batch, n), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of
            the weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and for options out of range.

    Gradient: to matrix, points and weight, of every order. It is 0 where both points are the epipoles.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 11.9; see
        `visionops.geometry.sampson_distance`.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> sampson(F, torch.tensor([[4.0, 7.0]]), torch.tensor([[5.0, 9.0]])).item()  # 2 rows: 1 for each point
    2.0
    """
    return _loss("sampson", sampson_distance, F, points1, points2, kernel, scale, mask, weight, reduction)


def symmetric_epipolar(
    F: Float[Tensor, "*batch 3 3"],
    points1: Float[Tensor, "*batch n 2"],
    points2: Float[Tensor, "*batch n 2"],
    *,
    kernel: Kernel = "l2",
    scale: float | Float[Tensor, "*#shape"] = 1.0,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the distances of both points of matches from their epipolar lines, summed, under a robust kernel.

    Args:
        F: fundamental matrix, at any scale; or an essential one, of normalised points.
        points1: x1 = (x, y).
        points2: x2, in the order of the first.
        kernel: rho, of the sum of the two squared distances; else as of `sampson`.
        scale: where the kernel turns from quadratic, in the unit of the points.
        mask, weight, reduction: as of `sampson`.

    Raises:
        ValueError: for shapes that do not go together, and for options out of range.

    Gradient: to matrix, points and weight, of every order. The part of a point whose partner is the epipole, which has
        no line, is 0 with gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, equation 11.10: the sum, not the mean of the two.

    >>> F = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> symmetric_epipolar(F, torch.tensor([[4.0, 7.0]]), torch.tensor([[5.0, 9.0]])).item()
    8.0
    """
    distance = symmetric_epipolar_distance
    return _loss("symmetric_epipolar", distance, F, points1, points2, kernel, scale, mask, weight, reduction)


def _loss(
    function: str,
    distance: Callable[[Tensor, Tensor, Tensor], Tensor],
    F: Tensor,
    points1: Tensor,
    points2: Tensor,
    kernel: Kernel,
    scale: float | Tensor,
    mask: Tensor | None,
    weight: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    check_matrix(function, "F", F, (3, 3))
    check_points(function, "points1", points1)
    check_points(function, "points2", points2)
    check_same_points(function, "points2", points2, points1)
    batch = torch.broadcast_shapes(points1.shape[:-2], points2.shape[:-2])
    check_batches(function, "F", F.shape[:-2], batch)
    shape = (*torch.broadcast_shapes(F.shape[:-2], batch), points1.shape[-2])
    check_mask(function, mask, shape)
    check_weight(function, weight, shape)
    check_reduction(function, reduction)
    dtype = F.dtype
    if mask is not None:
        # A matrix that was not found goes with its matches.
        (F,) = hide(mask.expand(shape).any(-1)[..., None, None], F)
        points1, points2 = hide(mask[..., None], points1, points2)
    values = robust_kernel(function, kernel, distance(F, points1, points2), scale)
    return reduce(values, reduction, mask=mask, weight=weight, dtype=dtype)
