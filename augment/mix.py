"""MixUp and CutMix: each sample of a batch with a partner from the same batch, labels included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.pipeline.numbers import Size, floor, maximum, minimum, sqrt, where
from visionops.pipeline.steps import Mix, Values

# Nodes of the table that inverts the Beta distribution; errors of the quantile stay under 1e-4.
TABLE = 4097


class _Mixed(Mix):
    """What MixUp and CutMix share: a share drawn from Beta(alpha, alpha), a partner, soft labels."""

    def __init__(self, alpha: float, num_classes: int | None, p: float) -> None:
        super().__init__(p=p)
        name = type(self).__name__
        if not isinstance(alpha, int | float) or not alpha > 0:
            raise mistake(name, "alpha", "above 0", alpha)
        if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
            raise mistake(name, "num_classes", "a positive int", num_classes)
        self.num_classes = num_classes
        self.quantiles = torch.from_numpy(_beta_quantiles(float(alpha)))

    @property
    def draws(self) -> int:
        return 4

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        if isinstance(uniforms[0], Tensor):
            u, lot, x, y = uniforms
            turn = lot.argsort(stable=True)
            return {"share": self._share(u), "partner": turn.scatter(0, turn, turn.roll(-1)).to(u), "x": x, "y": y}
        u, lot, x, y = (np.atleast_1d(v) for v in uniforms)
        order = lot.argsort(kind="stable")
        partner = np.empty(len(order))
        partner[order] = np.roll(order, -1)  # a cycle: nobody is their own partner in a batch of two or more
        share = np.interp(u, np.linspace(0, 1, TABLE), self.quantiles.numpy())
        return {"share": share, "partner": partner, "x": x, "y": y}

    def _share(self, uniform: Tensor) -> Tensor:
        """Returns the quantile at a probability, between the table's nodes by a line."""
        table = self.quantiles.to(uniform.device)
        at = uniform * (TABLE - 1)
        low = at.floor().clamp(max=TABLE - 2)
        first, rest = table[low.long()], at - low
        return first + rest * (table[low.long() + 1] - first)

    def soft_label(self, label: Tensor, values: Values, active: Any, size: tuple[int, int]) -> Tensor:
        name = type(self).__name__
        if not label.is_floating_point():
            if self.num_classes is None:
                raise mistake(name, "num_classes", "given where labels are integers", None)
            if label.ndim != 1 or (
                label.device.type == "cpu"
                and not torch.compiler.is_compiling()
                and label.numel()
                and not 0 <= int(label.min()) <= int(label.max()) < self.num_classes
            ):
                raise mistake(name, "label", f"(b,) integers under {self.num_classes}, or soft labels", label.tolist())
            label = torch.nn.functional.one_hot(label.long(), self.num_classes).float()
        elif label.ndim != 2:
            raise mistake(name, "label", "integers (b,) or soft labels (b, classes)", tuple(label.shape))
        if active is False:
            return label
        share = where(active, self.kept_share(values, size), 1.0)
        weight = torch.as_tensor(share).to(label.device, label.dtype)[:, None]
        return weight * label + (1 - weight) * label[_index(values, label)]

    def kept_share(self, values: Values, size: tuple[int, int]) -> Any:
        """Returns the share (b,) of each image that is its own."""
        return values["share"]


class MixUp(_Mixed):
    """Blends each image of a batch with a partner, and their labels by the same share.

    Args:
        alpha: the share is drawn from Beta(alpha, alpha); small keeps most images nearly pure.
        num_classes: makes integer labels (b,) soft ones (b, num_classes).
        p: the probability that a sample is mixed.

    Raises:
        ValueError: for one sample, and with masks, boxes, keypoints or intrinsics, which cannot be blended.
    Source: Zhang et al., mixup: beyond empirical risk minimization (2017).
    """

    def __init__(self, alpha: float = 0.2, *, num_classes: int | None = None, p: float = 1.0) -> None:
        super().__init__(alpha, num_classes, p)

    def mix(self, image: Tensor, values: Values) -> Tensor:
        share = torch.as_tensor(values["share"]).to(image.device, torch.float32)[:, None, None, None]
        mixed = share * image + (1 - share) * image[_index(values, image)]
        return mixed.to(image.dtype) if image.is_floating_point() else mixed.round().to(image.dtype)

    def mix_mask(self, mask: Tensor, values: Values) -> Tensor:
        raise mistake("MixUp", "targets", "without masks", "a mask", "Two masks have no blend; use CutMix.")


class CutMix(_Mixed):
    """Replaces a rectangle of each image of a batch by a partner's, and shares labels by area. Masks follow.

    Args:
        alpha: the share kept is drawn from Beta(alpha, alpha).
        num_classes: makes integer labels (b,) soft ones (b, num_classes).
        p: the probability that a sample is mixed.

    Raises:
        ValueError: for one sample, and with boxes, keypoints or intrinsics.
    Source: Yun et al., CutMix: regularization strategy to train strong classifiers (2019).
    """

    def __init__(self, alpha: float = 1.0, *, num_classes: int | None = None, p: float = 1.0) -> None:
        super().__init__(alpha, num_classes, p)

    def mix(self, image: Tensor, values: Values) -> Tensor:
        h, w = image.shape[-2:]
        box = [torch.as_tensor(edge).to(image.device)[:, None, None] for edge in self.rectangle(values, (h, w))]
        column, row = torch.arange(w, device=image.device), torch.arange(h, device=image.device)[:, None]
        inside = (column >= box[0]) & (column < box[2]) & (row >= box[1]) & (row < box[3])
        return torch.where(inside[:, None], image[_index(values, image)], image)

    def mix_mask(self, mask: Tensor, values: Values) -> Tensor:
        return self.mix(mask, values)

    def rectangle(self, values: Values, size: tuple[int, int]) -> tuple[Any, ...]:
        """Returns x0, y0, x1, y1 (b,) of the partner's part: whole pixels, cut to the image."""
        h, w = size
        side = sqrt(1 - values["share"])
        edges = []
        for centre, n in ((values["x"], w), (values["y"], h)):
            middle, half = floor(centre * n), floor(side * n) / 2
            edges.append(tuple(minimum(maximum(floor(middle + s * half), 0), n) for s in (-1, 1)))
        (x0, x1), (y0, y1) = edges
        return x0, y0, x1, y1

    def kept_share(self, values: Values, size: tuple[int, int]) -> Any:
        x0, y0, x1, y1 = self.rectangle(values, size)
        return 1 - (x1 - x0) * (y1 - y0) / (size[0] * size[1])


def _index(values: Values, like: Tensor) -> Tensor:
    return torch.as_tensor(values["partner"]).to(like.device, torch.int64, non_blocking=True)


def _beta_quantiles(alpha: float) -> np.ndarray:
    """Returns the quantile function of Beta(alpha, alpha) at TABLE equally spaced probabilities.

    Below alpha = 1, x = t^(1/alpha) makes the density (1 - t^(1/alpha))^(alpha - 1) / alpha, which is smooth on
    x <= 1/2; from 1 on it is smooth as it is. The other half follows by symmetry.
    """
    power = max(1.0, 1 / alpha)
    t = np.linspace(0, 0.5 ** (1 / power), 8 * TABLE)
    density = t ** max(alpha - 1, 0) * (1 - t**power) ** (alpha - 1)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    half = TABLE // 2 + 1
    lower = np.interp(np.linspace(0, mass[-1], half), mass, t) ** power
    assert math.isclose(lower[-1], 0.5)
    return np.concatenate([lower, 1 - lower[-2::-1]])
