"""Metrics: how good a prediction is, larger being better where not said otherwise.

Functions give the value of what they are given. Classes, in capitals, accumulate over batches and ranks; they need
torchmetrics, which is imported with the first of them.
"""

from typing import TYPE_CHECKING, Any

from visionops.precision import make_exact as _make_exact

from .accuracy import accuracy
from .confusion_matrix import confusion_matrix
from .depth_errors import depth_errors
from .disparity_errors import disparity_errors
from .endpoint_error import endpoint_error
from .mean_iou import mean_iou
from .ms_ssim import ms_ssim
from .psnr import psnr
from .ssim import ssim
from .ssim3d import ssim3d

if TYPE_CHECKING:
    from .accumulate import (
        MSSSIM,
        PSNR,
        SSIM,
        Accuracy,
        ConfusionMatrix,
        DepthErrors,
        DisparityErrors,
        EndpointError,
        MeanIoU,
    )

__all__ = [
    "MSSSIM",
    "PSNR",
    "SSIM",
    "Accuracy",
    "ConfusionMatrix",
    "DepthErrors",
    "DisparityErrors",
    "EndpointError",
    "MeanIoU",
    "accuracy",
    "confusion_matrix",
    "depth_errors",
    "disparity_errors",
    "endpoint_error",
    "mean_iou",
    "ms_ssim",
    "psnr",
    "ssim",
    "ssim3d",
]

_make_exact(__name__, __all__, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import accumulate

    return getattr(accumulate, name)
