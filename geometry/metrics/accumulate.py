"""Metrics of geometry that accumulate over batches and ranks; see `visionops.metrics.accumulate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.metrics.accumulate import Metric

from .auc import THRESHOLDS, auc_from_errors, check_thresholds
from .mean_average_precision import IOU_THRESHOLDS, BoxFormat, Matches, check_options, matched, precision_of
from .pose_errors import pose_errors


class PoseAUC(Metric):
    """The `auc_from_errors` of the largest `pose_errors`; `compute` returns {"auc@5": ..., "auc@10": ...}.

    Args:
        thresholds: in degrees.
        signed: as of `pose_errors`.
        options: of `torchmetrics.Metric`.
    """

    full_state_update, is_differentiable, higher_is_better = False, False, True
    errors: list[Tensor]

    def __init__(self, *, thresholds: Sequence[float] = THRESHOLDS, signed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        check_thresholds("PoseAUC", thresholds)
        self.thresholds, self.signed = tuple(thresholds), signed
        self.add_state("errors", [], dist_reduce_fx="cat")

    def update(self, R: Tensor, t: Tensor, target_R: Tensor, target_t: Tensor, mask: Tensor | None = None) -> None:
        """Adds the poses of a batch."""
        errors = pose_errors(R, t, target_R, target_t, signed=self.signed, mask=mask).largest
        self.errors.append(errors.flatten())

    def compute(self) -> dict[str, Tensor]:
        errors = _together(self.errors, self.device)
        areas = auc_from_errors(errors, thresholds=self.thresholds, mask=~errors.isnan())
        return {f"auc@{t:g}": area for t, area in zip(self.thresholds, areas, strict=True)}


class MeanAveragePrecision(Metric):
    """The `mean_average_precision` of all images; `compute` returns {"map", "map_50", "map_75", "recall"}.

    `map_50` and `map_75` are there if their thresholds are.

    Args:
        classes: how many there are.
        box_format, iou_thresholds, max_detections, area: as of `mean_average_precision`.
        options: of `torchmetrics.Metric`.
    """

    full_state_update, is_differentiable, higher_is_better = False, False, True
    scores: list[Tensor]
    labels: list[Tensor]
    hits: list[Tensor]
    targets: Tensor

    def __init__(
        self, *, classes: int, box_format: BoxFormat = "xyxy",
        iou_thresholds: Sequence[float] = IOU_THRESHOLDS, max_detections: int = 100,
        area: tuple[float, float] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(**options)
        name = "MeanAveragePrecision"
        check_options(name, classes, box_format, iou_thresholds, max_detections, area)
        self.classes, self.iou_thresholds = classes, tuple(iou_thresholds)
        self.settings: dict[str, Any] = {"box_format": box_format, "most": max_detections, "area": area}
        for state in ("scores", "labels", "hits"):
            self.add_state(state, [], dist_reduce_fx="cat")
        self.add_state("targets", torch.zeros(classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, boxes: Any, scores: Any, labels: Any, target_boxes: Any, target_labels: Any,
        mask: Tensor | None = None, target_mask: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Adds the images of a batch."""
        found = matched(
            "MeanAveragePrecision", boxes, scores, labels, target_boxes, target_labels, classes=self.classes,
            mask=mask, target_mask=target_mask, thresholds=self.iou_thresholds, **self.settings,
        )  # fmt: skip
        self.scores.append(found.scores)
        self.labels.append(found.labels)
        self.hits.append(found.hits)
        self.targets = self.targets + found.targets

    def compute(self) -> dict[str, Tensor]:
        parts = [_together(state, self.device) for state in (self.scores, self.labels, self.hits)]
        hits = parts[2].reshape(-1, len(self.iou_thresholds))
        means = precision_of(Matches(parts[0], parts[1].long(), hits, self.targets))
        by_name = {"map": means.map, "recall": means.recall}
        for threshold, value in zip(self.iou_thresholds, means.by_threshold, strict=True):
            if round(threshold, 6) in (0.5, 0.75):
                by_name[f"map_{round(100 * threshold)}"] = value
        return by_name


def _together(state: Tensor | list[Tensor], device: torch.device) -> Tensor:
    """Returns a state that is a list of batches, or already one tensor of all ranks."""
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.zeros(0, device=device)
