"""Metrics of geometry: poses and boxes.

Functions give the value of what they are given. Classes, in capitals, accumulate over batches and ranks; they need
torchmetrics, which is imported with the first of them.
"""

from typing import TYPE_CHECKING, Any

from visionops.precision import make_exact as _make_exact

from .auc import auc_from_errors
from .mean_average_precision import mean_average_precision
from .pose_errors import pose_errors

if TYPE_CHECKING:
    from .accumulate import MeanAveragePrecision, PoseAUC

__all__ = ["MeanAveragePrecision", "PoseAUC", "auc_from_errors", "mean_average_precision", "pose_errors"]

_make_exact(__name__, __all__, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import accumulate

    return getattr(accumulate, name)
