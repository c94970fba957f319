"""Metrics that accumulate over batches and ranks, as subclasses of `torchmetrics.Metric`.

    miou = visionops.metrics.MeanIoU(classes=19)
    for images, labels in loader:
        miou.update(model(images).argmax(-3), labels)
    miou.compute()

They drop into a `MetricCollection`, where those share a state that add up the same, and Lightning's `self.log`; calling
one gives the value of that batch. What they keep are counts in int64 and sums in float64, added up over ranks: no
update waits for a device, and the result does not depend on how samples were batched. Without torchmetrics they can be
imported, not made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from visionops.arguments import check_choice, check_count, check_positive
from visionops.precision import exact

from .accuracy import hits_of
from .confusion_matrix import confusion_matrix
from .depth_errors import DepthErrorValues, check_options, depth_means
from .disparity_errors import DisparityErrorValues, disparity_means
from .endpoint_error import EndpointErrorValues, flow_means
from .mean_iou import iou_of
from .ms_ssim import WEIGHTS, check_levels, ms_ssim
from .psnr import psnr
from .ssim import Window, ssim

try:
    from torchmetrics import Metric
except ModuleNotFoundError as error:
    if error.name != "torchmetrics":
        raise

    class Metric:  # type: ignore[no-redef]
        def __init__(self, **options: Any) -> None:
            name = type(self).__name__
            raise ModuleNotFoundError(f"{name}: torchmetrics must be installed. pip install 'visionops[metrics]'")


IMAGES = ("image1", "image2")


def keep_apart(metric: Metric, kind: str, **settings: Any) -> None:
    """Adds a state that is always 0, and whose name stands for what the metric adds up.

    After its first batch a `MetricCollection` lets metrics whose states have equal names and values share them for
    good: the values of metrics that add up something else may be equal by chance.
    """
    digest = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:8]
    metric.add_state(f"of_{kind}_{digest}", torch.zeros(()), dist_reduce_fx="sum")


class ConfusionMatrix(Metric):
    """The `confusion_matrix` of all batches; `compute` returns it.

    Args:
        classes: how many there are.
        options: of `torchmetrics.Metric`.
    """

    full_state_update, is_differentiable = False, False
    matrix: Tensor

    def __init__(self, *, classes: int, **options: Any) -> None:
        super().__init__(**options)
        check_count(type(self).__name__, "classes", classes)
        self.classes = classes
        self.add_state("matrix", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")
        keep_apart(self, "ConfusionMatrix", classes=classes)  # MeanIoU adds the same

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Adds a batch of labels."""
        self.matrix = self.matrix + confusion_matrix(prediction, target, classes=self.classes, mask=mask)

    def compute(self) -> Tensor:
        return self.matrix


class MeanIoU(ConfusionMatrix):
    """The `mean_iou` of all batches: of the confusion matrix of all pixels.

    Args:
        classes: how many there are.
        reduction: as of `mean_iou`.
        options: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, *, classes: int, reduction: Literal["mean", "none"] = "mean", **options: Any) -> None:
        super().__init__(classes=classes, **options)
        check_choice("MeanIoU", "reduction", reduction, ("mean", "none"))
        self.reduction = reduction

    def compute(self) -> Tensor:
        return iou_of(self.matrix, self.reduction)


class _Mean(Metric):
    """A weighted mean over samples of the values that `names` lists; NaN before any counts.

    Args:
        options: of `torchmetrics.Metric`.
        settings: all that what is added depends on.
    """

    full_state_update, is_differentiable = False, False
    names: tuple[str, ...] = ("value",)
    total: Tensor
    count: Tensor

    def __init__(self, options: dict[str, Any], **settings: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        keep_apart(self, type(self).__name__, **settings)

    def _add(self, values: Float[Tensor, "*batch n"], weights: Float[Tensor, "*batch"] | Int[Tensor, "*batch"]) -> None:
        weights = weights.double()
        values = torch.where(weights[..., None] > 0, values.double(), 0) * weights[..., None]
        self.total = self.total + values.reshape(-1, len(self.names)).sum(0)
        self.count = self.count + weights.sum()

    def compute(self) -> Any:
        means = (self.total / self.count).unbind()
        return means[0] if self.names == _Mean.names else dict(zip(self.names, means, strict=True))


class Accuracy(_Mean):
    """The `accuracy` of all elements of all batches.

    Args:
        top_k: as of `accuracy`.
        options: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, *, top_k: int = 1, **options: Any) -> None:
        super().__init__(options, top_k=top_k)
        check_count("Accuracy", "top_k", top_k)
        self.top_k = top_k

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Adds a batch of labels or scores."""
        hits, count = hits_of("Accuracy", prediction, target, self.top_k, mask)
        self.total = self.total + hits
        self.count = self.count + count


class _PixelMean(_Mean):
    """Errors of pixels, averaged over all that count or over samples."""

    higher_is_better = False
    means: Callable[..., tuple[Tensor, Tensor]]

    def __init__(self, *, average: Literal["pixels", "samples"] = "pixels", **options: Any) -> None:
        super().__init__(options, average=average)
        check_choice(type(self).__name__, "average", average, ("pixels", "samples"))
        self.average = average

    @exact
    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Adds a batch."""
        values, count = type(self).means(type(self).__name__, prediction, target, mask)
        self._add(values, count if self.average == "pixels" else count > 0)


class EndpointError(_PixelMean):
    """The `endpoint_error` of all batches; `compute` returns {"epe", "bad1", "bad3", "bad5", "fl_all"}.

    Args:
        average: over the pixels of all samples alike, as Sintel and KITTI do; or over samples, each with the mean of
            its pixels.
        options: of `torchmetrics.Metric`.
    """

    names, means = EndpointErrorValues._fields, staticmethod(flow_means)


class DisparityErrors(_PixelMean):
    """The `disparity_errors` of all batches; `compute` returns {"epe", "bad1", "bad2", "bad3", "d1_all"}.

    Args:
        average: over the pixels of all samples alike, as KITTI does; or over samples, each with the mean of its pixels,
            as Middlebury does.
        options: of `torchmetrics.Metric`.
    """

    names, means = DisparityErrorValues._fields, staticmethod(disparity_means)


class _SampleMean(_Mean):
    """Values of each sample that a function gives, averaged over samples."""

    def __init__(self, options: dict[str, Any], **settings: Any) -> None:
        super().__init__(options, **settings)
        self.settings = settings


class DepthErrors(_SampleMean):
    """The `depth_errors` of all batches, a mean over samples; `compute` returns {"abs_rel", "sq_rel", "rmse", ...}.

    Args:
        min_depth, max_depth, scaling: as of `depth_errors`.
        options: of `torchmetrics.Metric`.
    """

    names = DepthErrorValues._fields

    def __init__(
        self, *, min_depth: float = 1e-3, max_depth: float | None = None,
        scaling: Literal["none", "median"] = "none", **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(options, min_depth=min_depth, max_depth=max_depth, scaling=scaling)
        check_options("DepthErrors", **self.settings)

    @exact
    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Adds a batch."""
        values, count = depth_means("DepthErrors", prediction, target, mask=mask, **self.settings)
        self._add(values, count > 0)


class _ImageMean(_SampleMean):
    """Similarities of images."""

    is_differentiable, higher_is_better = True, True
    function: Callable[..., Tensor]

    @exact
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Adds a batch of images."""
        values = type(self).function(prediction, target, reduction="none", **self.settings)
        values = values[..., None].flatten(prediction.ndim - 3).mean(-1, keepdim=True)
        self._add(values, torch.ones_like(values[..., 0]))


class PSNR(_ImageMean):
    """The mean `psnr` of the images of all batches, in decibels: infinite once two are equal.

    Args:
        data_range: as of `psnr`.
        options: of `torchmetrics.Metric`.
    """

    function = staticmethod(psnr)

    def __init__(self, *, data_range: float = 1.0, **options: Any) -> None:
        super().__init__(options, data_range=data_range)
        check_positive("psnr", "data_range", data_range)


class SSIM(_ImageMean):
    """The mean `ssim` of the images of all batches.

    Args:
        window_size, sigma, window, data_range, padding: as of `ssim`.
        options: of `torchmetrics.Metric`.
    """

    function = staticmethod(ssim)

    def __init__(
        self, *, window_size: int = 11, sigma: float = 1.5, window: Literal["gaussian", "box"] = "gaussian",
        data_range: float = 1.0, padding: Literal["valid", "reflect"] = "valid", **options: Any,
    ) -> None:  # fmt: skip
        settings = {"window_size": window_size, "sigma": sigma, "data_range": data_range, "padding": padding}
        super().__init__(options, window=window, **settings)
        Window(window_size, sigma, data_range, padding, window).check(*_boundless(), "mean", IMAGES)


class MSSSIM(_ImageMean):
    """The mean `ms_ssim` of the images of all batches.

    Args:
        weights, window_size, sigma, window, data_range, padding: as of `ms_ssim`.
        options: of `torchmetrics.Metric`.
    """

    function = staticmethod(ms_ssim)

    def __init__(
        self, *, weights: Sequence[float] = WEIGHTS, window_size: int = 11, sigma: float = 1.5,
        window: Literal["gaussian", "box"] = "gaussian", data_range: float = 1.0,
        padding: Literal["valid", "reflect"] = "valid", **options: Any,
    ) -> None:  # fmt: skip
        settings = {"window_size": window_size, "sigma": sigma, "data_range": data_range, "padding": padding}
        super().__init__(options, weights=weights, window=window, **settings)
        of = Window(window_size, sigma, data_range, padding, window, "ms_ssim")
        check_levels(*_boundless(), of, weights, "mean", IMAGES)


def _boundless() -> tuple[Tensor, Tensor]:
    """Returns two images without pixels that are large enough for any window."""
    image = torch.empty(1, 1 << 30, 1 << 30, device="meta")
    return image, image
