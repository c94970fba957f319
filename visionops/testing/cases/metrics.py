"""Metrics of labels, pixels, poses and boxes. They count or compare: none has a gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

from visionops import metrics
from visionops.geometry import metrics as geometry_metrics
from visionops.geometry import so3
from visionops.testing.images import FLOATS
from visionops.testing.operators import Geometry, Operator

Inputs = tuple[Tensor, ...]
D = torch.float64
NO_GRADIENT = {"gradients": "it has none", "second_order": "it has none"}
POOLED = {**NO_GRADIENT, "batches": "it gives one value of the whole batch", "values": "labels are no numbers"}


def _normal(n: int, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(17 * n + seed)
    return torch.randn(n, *shape, generator=generator, dtype=D)


def _labels(n: int, _: torch.dtype) -> Inputs:
    generator = torch.Generator().manual_seed(n)
    prediction, target = (torch.randint(-1, 5, (n, 6, 7), generator=generator) for _ in range(2))
    return prediction, target


def _scores(n: int, dtype: torch.dtype) -> Inputs:
    return _normal(n, 6, 5).to(dtype), _labels(n, dtype)[1][:, :, 0]


def _flows(n: int, dtype: torch.dtype) -> Inputs:
    flow = 8 * _normal(n, 2, 6, 7)
    return (flow + 3 * _normal(n, 2, 6, 7, seed=1)).to(dtype), flow.to(dtype)


def _disparities(n: int, dtype: torch.dtype) -> Inputs:
    disparity = 40 + 8 * _normal(n, 1, 6, 7)
    return (disparity + 2 * _normal(n, 1, 6, 7, seed=1)).to(dtype), disparity.to(dtype)


def _depths(n: int, dtype: torch.dtype) -> Inputs:
    depth = 5 * (0.5 * _normal(n, 1, 6, 7)).exp()
    return (depth * (0.3 * _normal(n, 1, 6, 7, seed=1)).exp()).to(dtype), depth.to(dtype)


def _poses(n: int, dtype: torch.dtype) -> Inputs:
    R, t = so3.exp(_normal(n, 3)), _normal(n, 3, seed=1)
    off = so3.exp(0.1 * _normal(n, 3, seed=2))
    return tuple(v.to(dtype) for v in (off @ R, t + 0.1 * _normal(n, 3, seed=3), R, t))


def _errors(n: int, dtype: torch.dtype) -> Inputs:
    return (10 * _normal(n, 9).abs().to(dtype),)


def _detections(n: int, dtype: torch.dtype) -> Inputs:
    def upright(count: int, seed: int) -> Tensor:
        low = 20 * _normal(n, count, 2, seed=seed)
        return torch.cat([low, low + 10 + _normal(n, count, 2, seed=seed + 1).abs()], -1)

    target = upright(4, 1)
    boxes = torch.cat([target + 0.5 * _normal(n, 4, 4, seed=3), upright(3, 4)], 1)
    labels, target_labels = torch.arange(7).expand(n, 7) % 3, torch.arange(4).expand(n, 4) % 3
    scores = _normal(n, 7, seed=5)
    return boxes.to(dtype), scores.to(dtype), labels, target.to(dtype), target_labels


def _whole(labels: Tensor) -> Tensor:
    return (labels + 0.5).floor().long()


def _of_labels(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Labels stay integers, whatever the contract makes of them."""
    return lambda prediction, target, **options: function(_whole(prediction), _whole(target), **options)


def _precision(boxes: Tensor, scores: Tensor, labels: Tensor, target: Tensor, target_labels: Tensor) -> object:
    return geometry_metrics.mean_average_precision(
        boxes, scores, _whole(labels), target, _whole(target_labels), classes=3
    )


CASES = {
    "visionops.metrics.accuracy": Operator(
        lambda scores, target: metrics.accuracy(scores, target.long(), top_k=2),
        example=_scores,
        dtypes=(torch.float32,),
        skip=POOLED,
    ),
    "visionops.metrics.confusion_matrix": Operator(
        _of_labels(metrics.confusion_matrix),
        {"classes": 5},
        _labels,
        dtypes=(torch.float32,),
        out=torch.int64,
        skip=POOLED,
    ),
    "visionops.metrics.mean_iou": Operator(
        _of_labels(metrics.mean_iou), {"classes": 5}, _labels, dtypes=(torch.float32,), skip=POOLED
    ),
    "visionops.metrics.endpoint_error": Geometry(
        metrics.endpoint_error, example=_flows, dtypes=(D, torch.float32), skip=NO_GRADIENT
    ),
    "visionops.metrics.disparity_errors": Geometry(
        metrics.disparity_errors, example=_disparities, dtypes=(D, torch.float32), skip=NO_GRADIENT
    ),
    "visionops.metrics.depth_errors": Geometry(
        metrics.depth_errors, {"scaling": "median", "max_depth": 20.0}, _depths, dtypes=(D, torch.float32),
        skip=NO_GRADIENT,
    ),
    "visionops.geometry.metrics.pose_errors": Geometry(
        geometry_metrics.pose_errors, example=_poses, dtypes=(D, torch.float32), skip=NO_GRADIENT
    ),
    "visionops.geometry.metrics.auc_from_errors": Geometry(
        geometry_metrics.auc_from_errors, example=_errors, dtypes=FLOATS, skip=NO_GRADIENT
    ),
    "visionops.geometry.metrics.mean_average_precision": Operator(
        _precision, example=_detections, dtypes=(D, torch.float32),
        skip=POOLED,
    ),
}  # fmt: skip
