"""Mean average precision of detected boxes, by COCO's rules.

In each image and class, detections in the order of their scores take the free target of largest IoU, if that reaches a
threshold. Over all images, precision and recall follow the scores; the average precision of a class is the mean over
the recalls r = 0, 0.01, ... 1 of the largest precision at any recall of at least r.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from visionops.arguments import check_choice, check_count
from visionops.errors import refuse
from visionops.geometry.boxes import box_area, box_iou, convert_boxes, rotated_box_iou
from visionops.geometry.boxes.formats import check_boxes
from visionops.losses.reduction import check_floating, check_mask, hide
from visionops.metrics.confusion_matrix import check_integers

from .auc import check_thresholds

FORMATS = ("xyxy", "xywh", "cxcywh", "cxcywha")
IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = 101
# COCO takes an IoU of 1 for reached by one this close to it.
WHOLE = 1 - 1e-10

BoxFormat: TypeAlias = Literal["xyxy", "xywh", "cxcywh", "cxcywha"]


class AveragePrecision(NamedTuple):
    """The mean over classes and IoU thresholds, and the same means apart."""

    map: Float[Tensor, ""]
    by_threshold: Float[Tensor, " thresholds"]
    by_class: Float[Tensor, " classes"]
    recall: Float[Tensor, ""]


def mean_average_precision(
    boxes: Float[Tensor, "b n box"] | Sequence[Tensor],
    scores: Float[Tensor, "b n"] | Sequence[Tensor],
    labels: Int[Tensor, "b n"] | Sequence[Tensor],
    target_boxes: Float[Tensor, "b m box"] | Sequence[Tensor],
    target_labels: Int[Tensor, "b m"] | Sequence[Tensor],
    *,
    classes: int,
    box_format: BoxFormat = "xyxy",
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    max_detections: int = 100,
    area: tuple[float, float] | None = None,
    mask: Bool[Tensor, "b n"] | None = None,
    target_mask: Bool[Tensor, "b m"] | None = None,
) -> AveragePrecision:
    """Returns `(map, by_threshold, by_class, recall)` over a set of images, all from 0 to 1.

    `map` is the mean over thresholds and over the classes that have targets; of the default thresholds
    `by_threshold[0]` is AP50 and `by_threshold[5]` AP75; `by_class` is NaN for a class without a target; `recall` is
    the mean of the recall of all detections (COCO's AR). Without any target all are NaN, where COCO says -1.

    Args:
        boxes: detections: padded to (b, n, 4), for "cxcywha" (b, n, 5), with a mask; or a list of (n_i, 4), one for
            each image. So are all that follow.
        scores: of detections. NaN is higher than all, and a detection with NaN in its score or box is wrong.
        labels: of detections, from 0 to classes - 1.
        target_boxes: true boxes, of as many images.
        target_labels: of true boxes.
        classes: how many there are. Boxes of other labels do not count.
        box_format: of all boxes, as of `convert_boxes`; those of "cxcywha" are turned, and overlap exactly.
        iou_thresholds: above 0, at most 1.
        max_detections: of each image and class, those of the highest scores.
        area: (low, high) in square pixels: only targets from low to high count; detections that match others, or match
            none and are not of that size themselves, are left out. COCO's small, medium and large are (0, 32^2),
            (32^2, 96^2) and (96^2, 1e10), of the masks' areas if there are masks.
        mask: True where detections are, not padding, broadcast to (b, n). What is padding may be NaN.
        target_mask: likewise of true boxes, (b, m).

    Raises:
        ValueError: for shapes that do not go together, and options out of range.

    Gradient: none. Overlaps compute in float64. Crowds are not known: hide them by `target_mask`.
    Source: Lin et al., Microsoft COCO, 2014, as `pycocotools.cocoeval` computes it for bounding boxes.

    >>> boxes = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30]]])
    >>> scores, labels = torch.tensor([[0.9, 0.8]]), torch.tensor([[0, 0]])
    >>> mean_average_precision(boxes, scores, labels, boxes[:, 1:], labels[:, 1:], classes=1).map.item()
    0.5
    """
    found = matched(
        "mean_average_precision", boxes, scores, labels, target_boxes, target_labels, classes=classes, mask=mask,
        target_mask=target_mask, box_format=box_format, thresholds=iou_thresholds, most=max_detections, area=area,
    )  # fmt: skip
    return precision_of(found)


class Matches(NamedTuple):
    """Detections of any number of images, whose order in equal scores is theirs, and how many targets classes have.

    Attributes:
        scores: of detections, of any kind.
        labels: the number of classes stands for none.
        hits: at each threshold 1 where a target is met, 0 where none is, -1 where the detection is left out.
        targets: of each class.
    """

    scores: Float[Tensor, " n"]
    labels: Int[Tensor, " n"]
    hits: Int[Tensor, "n thresholds"]
    targets: Int[Tensor, " classes"]


def matched(
    function: str, boxes: Any, scores: Any, labels: Any, target_boxes: Any, target_labels: Any, *, classes: int,
    mask: Any, target_mask: Any, box_format: str, thresholds: Sequence[float], most: int,
    area: tuple[float, float] | None,
) -> Matches:  # fmt: skip
    """Returns what `precision_of` needs of images; that of several sets may be concatenated."""
    check_options(function, classes, box_format, thresholds, most, area)
    lists = boxes, target_boxes
    boxes, mask = _padded(function, "boxes", boxes, mask)
    target_boxes, target_mask = _padded(function, "target_boxes", target_boxes, target_mask)
    scores, labels = (_filled(function, *v, "boxes", lists[0]) for v in (("scores", scores), ("labels", labels)))
    target_labels = _filled(function, "target_labels", target_labels, "target_boxes", lists[1])
    _check(function, boxes, scores, labels, target_boxes, target_labels, box_format)
    check_mask(function, mask, scores.shape)
    check_mask(function, target_mask, target_labels.shape)
    boxes, scores, target_boxes = boxes.detach(), scores.detach(), target_boxes.detach()
    there, wanted = _known(labels, mask, classes), _known(target_labels, target_mask, classes)
    order = torch.where(there, scores, -torch.inf).sort(dim=-1, descending=True, stable=True).indices
    boxes = boxes.gather(1, order[..., None].expand(boxes.shape))
    scores, labels, there = (value.gather(1, order) for value in (scores, labels, there))
    same = labels[..., None] == labels[:, None, :]
    earlier = (same & there[:, None, :]).tril(-1).sum(-1)
    there = there & (earlier < most)

    (boxes,), (target_boxes,) = hide(there[..., None], boxes), hide(wanted[..., None], target_boxes)
    boxes, target_boxes = _corners(boxes, box_format), _corners(target_boxes, box_format)
    overlap = (rotated_box_iou if box_format == "cxcywha" else box_iou)(boxes, target_boxes)
    allowed = (labels[..., None] == target_labels[:, None, :]) & wanted[:, None, :]
    allowed = allowed & (there & ~scores.isnan())[..., None]
    overlap = torch.where(allowed, overlap, -1)
    counts, fits = wanted, there
    if area is not None:
        counts, fits = counts & _within(target_boxes, box_format, area), fits & _within(boxes, box_format, area)
    met, left = _match(overlap, wanted, counts, thresholds)
    hits = torch.where(met, torch.where(left, -1, 1), torch.where(fits, 0, -1)[..., None])
    labels = torch.where(there, labels, classes)
    targets = torch.where(counts, target_labels, classes).flatten()
    return Matches(
        scores.flatten(), labels.flatten().long(), hits.flatten(0, 1).to(torch.int8),
        _sums(torch.ones_like(targets), targets.long(), classes + 1)[:-1],
    )  # fmt: skip


def check_options(function: str, classes: Any, box_format: Any, thresholds: Any, most: Any, area: Any) -> None:
    """Raises for options out of range."""
    check_count(function, "classes", classes)
    check_count(function, "max_detections", most)
    check_choice(function, "box_format", box_format, FORMATS)
    check_thresholds(function, "iou_thresholds", thresholds, most=1)
    if area is not None and not (isinstance(area, Sequence | np.ndarray) and len(area) == 2 and area[0] < area[1]):
        raise refuse(function, "area", "(low, high)", area)


def _padded(function: str, argument: str, boxes: Any, mask: Any) -> tuple[Any, Any]:
    """Returns boxes as one tensor and the mask of what is no padding."""
    if isinstance(boxes, Tensor):
        return boxes, mask
    if mask is not None:
        name = "mask" if argument == "boxes" else "target_mask"
        raise refuse(function, name, f"None where {argument} is a list", "one", "Leave out of the list what is hidden.")
    lengths = _lengths(function, argument, boxes)
    if not lengths:
        raise refuse(function, argument, "of one image at least", boxes)
    together = pad_sequence(list(boxes), batch_first=True)
    place = torch.arange(together.shape[1], device=together.device)
    return together, torch.stack([place < length for length in lengths])


def _filled(function: str, argument: str, value: Any, boxes_name: str, boxes: Any) -> Any:
    """Returns what is said of boxes as one tensor."""
    if isinstance(value, Tensor) and isinstance(boxes, Tensor):
        return value
    got, want = _lengths(function, argument, value), _lengths(function, boxes_name, boxes)
    if got != want:
        raise refuse(function, argument, f"of as many elements in each image as {boxes_name}, {want}", got)
    return value if isinstance(value, Tensor) else pad_sequence(list(value), batch_first=True)


def _lengths(function: str, argument: str, images: Any) -> list[int]:
    """Returns how many rows each image has."""
    if not isinstance(images, Sequence | Tensor) or not all(isinstance(one, Tensor) and one.ndim for one in images):
        raise refuse(function, argument, "a tensor, or a list of one for each image", type(images).__name__)
    return [len(one) for one in images]


def _check(
    function: str, boxes: Any, scores: Any, labels: Any, target_boxes: Any, target_labels: Any, box_format: str
) -> None:
    """Raises unless detections and targets are of one batch and their parts of one number."""
    check_boxes(function, "boxes", boxes, box_format)
    check_boxes(function, "target_boxes", target_boxes, box_format)
    check_floating(function, "scores", scores, "(b, n)")
    check_integers(function, "labels", labels)
    check_integers(function, "target_labels", target_labels)
    if boxes.ndim != 3:
        raise refuse(function, "boxes", "of shape (b, n, box)", tuple(boxes.shape), "unsqueeze(0) makes a batch.")
    if target_boxes.ndim != 3 or len(target_boxes) != len(boxes):
        raise refuse(function, "target_boxes", f"of shape ({len(boxes)}, m, box)", tuple(target_boxes.shape))
    for name, value, like in (("scores", scores, boxes), ("labels", labels, boxes),
                              ("target_labels", target_labels, target_boxes)):  # fmt: skip
        if value.shape != like.shape[:2]:
            raise refuse(function, name, f"of shape {tuple(like.shape[:2])}", tuple(value.shape))


def _known(labels: Tensor, mask: Tensor | None, classes: int) -> Bool[Tensor, "b n"]:
    known = (labels >= 0) & (labels < classes)
    return known if mask is None else known & mask


def _corners(boxes: Tensor, box_format: str) -> Tensor:
    """Returns boxes in float64, as what tells their overlap takes them."""
    boxes = boxes.double()
    return boxes if box_format == "cxcywha" else convert_boxes(boxes, box_format, "xyxy")  # type: ignore[arg-type]


def _within(boxes: Tensor, box_format: str, area: tuple[float, float]) -> Bool[Tensor, "b n"]:
    areas = box_area(boxes, box_format="cxcywha" if box_format == "cxcywha" else "xyxy")
    return ~((areas < area[0]) | (areas > area[1]))  # NaN counts


def _match(
    overlap: Float[Tensor, "b n m"],
    wanted: Bool[Tensor, "b m"],
    counts: Bool[Tensor, "b m"],
    thresholds: Sequence[float],
) -> tuple[Bool[Tensor, "b n thresholds"], Bool[Tensor, "b n thresholds"]]:
    """Returns which detections, in order, get a target at each threshold, and which get one that does not count."""
    b, n, m = overlap.shape
    if not n or not m:
        nothing = wanted.new_zeros(b, n, len(thresholds))
        return nothing, nothing
    least = torch.stack([overlap.new_full((), min(t, WHOLE)) for t in thresholds])[:, None]
    free = wanted[:, None, :].expand(b, len(thresholds), m)
    place = torch.arange(m, device=overlap.device)
    met, left = [], []
    for k in range(n):
        here = overlap[:, k, None, :]
        # A target that counts goes before one that does not; of equal ones COCO takes the last.
        choice = torch.where(free & (here >= least), here + 2 * counts[:, None, :], -1).flip(-1)
        best = place == (m - 1 - choice.argmax(-1, keepdim=True))
        taken = best & (choice.amax(-1, keepdim=True) >= 0)
        free = free & ~taken
        met.append(taken.any(-1))
        left.append((taken & ~counts[:, None, :]).any(-1))
    return torch.stack(met, 1), torch.stack(left, 1)


def precision_of(found: Matches) -> AveragePrecision:
    """Returns the average precisions of matches."""
    classes, bins = len(found.targets), len(found.targets) + 1
    order = found.scores.sort(descending=True, stable=True).indices
    order = order[found.labels[order].sort(stable=True).indices]  # by class, and in each by score
    labels, hits = found.labels[order], found.hits[order]
    right, wrong = (hits == 1).long(), (hits == 0).long()
    all_right, all_wrong = (_sums(value, labels, bins) for value in (right, wrong))
    # How many up to each detection, of its class.
    right = right.cumsum(0) - (all_right.cumsum(0) - all_right)[labels]
    wrong = wrong.cumsum(0) - (all_wrong.cumsum(0) - all_wrong)[labels]
    targets = torch.nn.functional.pad(found.targets, (0, 1)).clamp(min=1)[:, None].double()
    grid = torch.from_numpy(np.linspace(0, 1, RECALLS)).to(targets.device)
    step = torch.searchsorted(grid, (right / targets[labels]).contiguous(), right=True) - 1
    precision = right / (right + wrong).clamp(min=1).double()
    table = precision.new_zeros(bins * RECALLS, hits.shape[-1])
    table = table.scatter_reduce(0, labels[:, None] * RECALLS + step, precision, "amax").unflatten(0, (bins, RECALLS))
    average = table.flip(1).cummax(1).values.mean(1)[:classes]
    recall = (all_right / targets)[:classes]
    there = found.targets > 0
    number = there.sum()
    means = torch.where(there[:, None], average, 0).sum(0) / number
    mean_recall = torch.where(there[:, None], recall, 0).sum(0) / number
    by_class = torch.where(there, average.mean(-1), torch.nan)
    dtype = found.scores.dtype
    return AveragePrecision(*(v.to(dtype) for v in (means.mean(), means, by_class, mean_recall.mean())))


def _sums(values: Int[Tensor, " n *more"], labels: Int[Tensor, " n"], bins: int) -> Int[Tensor, " bins *more"]:
    return values.new_zeros(bins, *values.shape[1:]).index_add(0, labels, values)
