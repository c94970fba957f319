"""How much boxes overlap: the area of their intersection over that of their union."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, finite_rows, or_nan

from .formats import box_area, check_boxes


def box_iou(
    boxes1: Float[Tensor, "*batch n 4"], boxes2: Float[Tensor, "*batch m 4"], *, pairwise: bool = True
) -> Float[Tensor, "*batch n m"] | Float[Tensor, "*batch n"]:
    """Returns the intersection over union of boxes, from 0 to 1.

    Args:
        boxes1: xyxy, in any one unit.
        boxes2: likewise.
        pairwise: whether to compare each of the first with each of the second; or each with the one at its place, (n),
            where both are as many.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both; 0 where they do not touch. Where edges coincide, the intersection follows both boxes in equal
        parts: at identical boxes the IoU is 1 with gradient 0. Boxes without area have IoU 0 with all others and
        themselves. A box with NaN gives NaN, with gradient 0, in its row or column.

    >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
    tensor([[0.3333, 0.0000]])
    """
    (a, b), good = pairs_of("box_iou", boxes1, boxes2, "xyxy", pairwise)
    left, top = (torch.maximum(a[..., i], b[..., i]) for i in (0, 1))
    right, bottom = (torch.minimum(a[..., i], b[..., i]) for i in (2, 3))
    shared = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)
    return or_nan(over_union(shared, box_area(a) + box_area(b)), good)


def pairs_of(
    function: str, boxes1: Tensor, boxes2: Tensor, box_format: str, pairwise: bool
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Returns boxes that broadcast to all pairs, with 0 for what is not finite, and in which pairs all is finite."""
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        check_boxes(function, name, boxes, box_format)
    check_batches(function, "boxes2", boxes2.shape[:-2], boxes1.shape[:-2])
    if pairwise:
        boxes1, boxes2 = boxes1[..., :, None, :], boxes2[..., None, :, :]
    elif boxes1.shape[-2] != boxes2.shape[-2]:
        raise refuse(function, "boxes2", f"{boxes1.shape[-2]} boxes if not pairwise", boxes2.shape[-2])
    (a, good1), (b, good2) = finite_rows(boxes1, 1), finite_rows(boxes2, 1)
    return (a, b), good1 & good2


def over_union(shared: Tensor, areas: Tensor) -> Tensor:
    """Returns intersection over union of the intersection and the sum of both areas; 0 where that is 0."""
    union = areas - shared
    some = union > 0
    return torch.where(some, shared / torch.where(some, union, 1), 0)
