"""Metrics of geometry that accumulate over batches and ranks; see `visionops.metrics.accumulate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.metrics.accumulate import Metric, keep_apart
from visionops.precision import exact

from .auc import THRESHOLDS, auc_from_errors, check_thresholds
from .mean_average_precision import IOU_THRESHOLDS, BoxFormat, Matches, check_options, matched, precision_of
from .pose_errors import pose_errors


class _Lists(Metric):
    """States that are lists of batches, whose dtype and shape a rank knows that has no batch."""

    full_state_update, is_differentiable, higher_is_better = False, False, True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kinds: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}

    def add_list(self, name: str, *row: int, dtype: torch.dtype) -> None:
        """Adds a state of rows of a shape."""
        self.add_state(name, [], dist_reduce_fx="cat")
        self.kinds[name] = (0, *row), dtype

    def sync(self, *args: Any, **options: Any) -> None:
        """As of `torchmetrics.Metric`, for which an empty list is of numbers in float32: ranks would not agree."""
        for name in self.kinds:
            if not len(getattr(self, name)):
                setattr(self, name, [self._nothing(name)])
        super().sync(*args, **options)

    def together(self, name: str) -> Tensor:
        """Returns a state, a list of batches or already one tensor of all ranks, as one."""
        state = getattr(self, name)
        return state if isinstance(state, Tensor) else torch.cat(state or [self._nothing(name)])

    def _nothing(self, name: str) -> Tensor:
        shape, dtype = self.kinds[name]
        return torch.zeros(shape, dtype=dtype, device=self.device)


class PoseAUC(_Lists):
    """The `auc_from_errors` of the largest `pose_errors`; `compute` returns {"auc@5": ..., "auc@10": ...} in float64.

    Args:
        thresholds: in degrees.
        signed: as of `pose_errors`.
        options: of `torchmetrics.Metric`.
    """

    errors: list[Tensor]

    def __init__(self, *, thresholds: Sequence[float] = THRESHOLDS, signed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        check_thresholds("PoseAUC", "thresholds", thresholds)
        self.thresholds, self.signed = tuple(thresholds), signed
        self.add_list("errors", dtype=torch.float64)
        keep_apart(self, "PoseAUC", signed=signed)

    @exact
    def update(self, R: Tensor, t: Tensor, target_R: Tensor, target_t: Tensor, mask: Tensor | None = None) -> None:
        """Adds the poses of a batch."""
        errors = pose_errors(R, t, target_R, target_t, signed=self.signed, mask=mask).largest.double()
        failed = errors.isnan() if mask is None else errors.isnan() & mask  # what is masked stays NaN
        self.errors.append(torch.where(failed, torch.inf, errors).flatten())

    def compute(self) -> dict[str, Tensor]:
        errors = self.together("errors")
        areas = auc_from_errors(errors, thresholds=self.thresholds, mask=~errors.isnan())
        return {f"auc@{t:g}": area for t, area in zip(self.thresholds, areas, strict=True)}


class MeanAveragePrecision(_Lists):
    """The `mean_average_precision` of all images; `compute` returns {"map", "map_50", "map_75", "recall"} in float64.

    `map_50` and `map_75` are there if their thresholds are.

    Args:
        classes: how many there are.
        box_format, iou_thresholds, max_detections, area: as of `mean_average_precision`.
        options: of `torchmetrics.Metric`.
    """

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
        self.add_list("scores", dtype=torch.float64)
        self.add_list("labels", dtype=torch.int64)
        self.add_list("hits", len(self.iou_thresholds), dtype=torch.int8)
        self.add_state("targets", torch.zeros(classes, dtype=torch.int64), dist_reduce_fx="sum")
        keep_apart(self, name, classes=classes, thresholds=self.iou_thresholds, **self.settings)

    @exact
    def update(
        self, boxes: Any, scores: Any, labels: Any, target_boxes: Any, target_labels: Any,
        mask: Tensor | None = None, target_mask: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Adds the images of a batch."""
        found = matched(
            "MeanAveragePrecision", boxes, scores, labels, target_boxes, target_labels, classes=self.classes,
            mask=mask, target_mask=target_mask, thresholds=self.iou_thresholds, **self.settings,
        )  # fmt: skip
        self.scores.append(found.scores.double())
        self.labels.append(found.labels)
        self.hits.append(found.hits)
        self.targets = self.targets + found.targets

    def compute(self) -> dict[str, Tensor]:
        scores, labels, hits = (self.together(name) for name in ("scores", "labels", "hits"))
        means = precision_of(Matches(scores, labels, hits, self.targets))
        by_name = {"map": means.map, "recall": means.recall}
        for threshold, value in zip(self.iou_thresholds, means.by_threshold, strict=True):
            if round(threshold, 6) in (0.5, 0.75):
                by_name[f"map_{round(100 * threshold)}"] = value
        return by_name
