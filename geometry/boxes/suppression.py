"""Non-maximum suppression: of boxes that overlap, the one with the best score.

keep_i = no j before i, by score, with keep_j and iou_ij > threshold
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.arguments import check_number
from visionops.errors import refuse
from visionops.geometry.arguments import check_batches
from visionops.kernels.functions import opaque

from .formats import check_boxes
from .overlap import box_iou
from .rotated import rotated_box_iou


def nms(
    boxes: Float[Tensor, "n box"],
    scores: Float[Tensor, " n"],
    *,
    iou_threshold: float,
    labels: Int[Tensor, " n"] | None = None,
) -> Int[Tensor, " k"]:
    """Returns the places of the boxes that are kept, best score first.

    How many there are depends on the values: on a device this waits for it, and it does not compile. `nms_mask`
    has a size that is known.

    Args:
        boxes: xyxy (n, 4), or (cx, cy, w, h, degrees) (n, 5).
        scores: higher is better.
        iou_threshold: a box goes that overlaps more than this with a better one that is kept.
        labels: boxes of different labels leave each other alone.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: none, these are indices; `boxes[nms(...)]` has that of the boxes kept. Of equal scores the earlier box is
        better. Boxes and scores with NaN are not kept.
    Source: torchvision.ops.nms and batched_nms.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [6.0, 0.0, 8.0, 2.0]])
    >>> nms(boxes, torch.tensor([0.5, 0.9, 0.7]), iou_threshold=0.5).tolist()
    [1, 2]
    """
    _check("nms", boxes, scores, iou_threshold, labels)
    if boxes.ndim != 2:
        raise refuse("nms", "boxes", "(n, 4) or (n, 5)", tuple(boxes.shape), "nms_mask takes a batch.")
    keep = nms_mask(boxes, scores, iou_threshold=iou_threshold, labels=labels)
    order = scores.detach().argsort(dim=-1, descending=True, stable=True)
    return order[keep[order]]


def nms_mask(
    boxes: Float[Tensor, "*batch n box"],
    scores: Float[Tensor, "*batch n"],
    *,
    iou_threshold: float,
    labels: Int[Tensor, "*batch n"] | None = None,
) -> Bool[Tensor, "*batch n"]:
    """Returns which boxes non-maximum suppression keeps, each sample by itself.

    Args:
        boxes: xyxy (*batch, n, 4), or (cx, cy, w, h, degrees) (*batch, n, 5).
        scores: higher is better; a box that only pads a batch has score NaN.
        iou_threshold: a box goes that overlaps more than this with a better one that is kept.
        labels: boxes of different labels leave each other alone.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: none. Of equal scores the earlier box is better. Boxes and scores with NaN are not kept. Nothing waits for
        a device; memory and time are those of all pairs.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [6.0, 0.0, 8.0, 2.0]])
    >>> nms_mask(boxes, torch.tensor([0.5, 0.9, 0.7]), iou_threshold=0.5).tolist()
    [False, True, True]
    """
    _check("nms_mask", boxes, scores, iou_threshold, labels)
    batch = torch.broadcast_shapes(boxes.shape[:-2], scores.shape[:-1])
    boxes = boxes.detach().expand(*batch, *boxes.shape[-2:])
    scores = scores.detach().expand(*batch, scores.shape[-1])
    usable = boxes.isfinite().all(-1) & ~scores.isnan()
    order = torch.where(usable, scores, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    boxes = boxes.gather(-2, order[..., None].expand(boxes.shape))
    overlap = (box_iou if boxes.shape[-1] == 4 else rotated_box_iou)(boxes, boxes) > iou_threshold
    if labels is not None:
        sorted_labels = labels.expand(order.shape).gather(-1, order)
        overlap = overlap & (sorted_labels[..., :, None] == sorted_labels[..., None, :])
    usable = usable.gather(-1, order)
    n = boxes.shape[-2]
    keep = _kept(overlap.reshape(-1, n, n), usable.reshape(-1, n)) if overlap.numel() else usable
    keep = keep.reshape(usable.shape)
    return torch.zeros_like(keep).scatter(-1, order, keep)


def _check(function: str, boxes: Any, scores: Any, iou_threshold: Any, labels: Any) -> None:
    turned = isinstance(boxes, Tensor) and boxes.ndim > 1 and boxes.shape[-1] == 5
    check_boxes(function, "boxes", boxes, "cxcywha" if turned else "xyxy")
    check_number(function, "iou_threshold", iou_threshold)
    n = boxes.shape[-2]
    if not isinstance(scores, Tensor) or not scores.is_floating_point() or scores.ndim < 1 or scores.shape[-1] != n:
        got: Any = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise refuse(function, "scores", f"a floating tensor (*batch, {n})", got)
    check_batches(function, "scores", scores.shape[:-1], boxes.shape[:-2])
    if labels is not None and (not isinstance(labels, Tensor) or labels.ndim < 1 or labels.shape[-1] != n):
        got = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
        raise refuse(function, "labels", f"a tensor (*batch, {n})", got)


def _suppress(overlap: Bool[Tensor, "b n n"], usable: Bool[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
    """Returns which of boxes, the best first, are kept.

    From all kept, the rule is applied until nothing changes: after k rounds the first k boxes are right. A host sees
    when nothing changes; a device, which is not asked, takes all rounds.
    """
    before = overlap & torch.ones_like(overlap[0]).tril(-1)
    keep = usable
    for _ in range(overlap.shape[-1]):
        found = usable & ~(before & keep[:, None, :]).any(-1)
        if keep.device.type == "cpu" and torch.equal(found, keep):
            break
        keep = found
    return keep.clone()


_kept = opaque(
    "nms", "(Tensor overlap, Tensor usable) -> Tensor", _suppress, lambda overlap, usable: torch.empty_like(usable)
)
