"""How much fields vary, but for where an image does: what smoothness and gradient matching share.

x and y:   mean over channels of |D^k f| exp(-a mean over channels of |I(p + k) - I(p)|)

with D f = f(p + 1) - f(p) and D^2 f = f(p + 2) - 2 f(p + 1) + f(p), along rows and along columns.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from visionops.kernels.functions import is_traced
from visionops.losses.reduction import Reduction

AXES = (-1, -2)
# Of a field, so many bytes at a time: what is made of it stays in a cache.
BLOCK = 2**18

Portions = Sequence[Tensor | None]


class Edges(NamedTuple):
    """The order k of differences, and the image (*batch, c, h, w) whose edges excuse them, with its factor a."""

    order: int
    image: Tensor | None = None
    factor: float = 0.0

    def excuse(self, axis: int, part: tuple[slice, ...] = ()) -> Tensor | None:
        """Returns what differences along an axis weigh, (*batch, 1, h', w') of the image or of a part of it."""
        if self.image is None or not self.factor:
            return None
        image = self.image[part] if part else self.image
        n = image.shape[axis] - self.order
        pairs = zip(*(image.narrow(axis, start, n).split(1, -3) for start in (self.order, 0)), strict=True)
        step = functools.reduce(Tensor.add_, ((last - first).abs_() for last, first in pairs))
        return step.mul_(-self.factor / image.shape[-3]).exp_()


def portions_of(
    mask: Bool[Tensor, "*#shape"] | None, weight: Float[Tensor, "*#shape"] | None, field: Tensor, order: int
) -> Portions:
    """Returns what differences along x and y count (*#batch, 1, h', w'): the weight of the pixel in the middle, 0 if
    one of the pixels is masked; None: 1 each."""
    if mask is None and weight is None:
        return (None, None)
    size, found = field.shape[-2:], []
    for axis in AXES:
        n = size[axis] - order
        portion = None if weight is None else weight.expand(*weight.shape[:-2], *size).narrow(axis, order // 2, n)
        if mask is not None:
            mask = mask.expand(*mask.shape[:-2], *size)
            whole = torch.stack([mask.narrow(axis, start, n) for start in range(order + 1)]).all(0)
            portion = whole.to(field.dtype) if portion is None else torch.where(whole, portion, 0)
        found.append(portion)
    return found


def variation_maps(
    field: Float[Tensor, "*batch c h w"], edges: Edges, portions: Portions
) -> Float[Tensor, "*batch 2 h w"]:
    """Returns the variation along x and along y at each pixel, 0 where rows and columns end."""
    before, after, maps = edges.order // 2, edges.order - edges.order // 2, []
    for axis, portion in zip(AXES, portions, strict=True):
        values = field.diff(n=edges.order, dim=axis).abs().mean(-3, keepdim=True)
        for factor in (edges.excuse(axis), portion):
            values = values if factor is None else values * factor
        maps.append(pad(values, (before, after) if axis == -1 else (0, 0, before, after)))
    return torch.cat(maps, -3)


def variation(
    field: Float[Tensor, "*batch c h w"], edges: Edges, portions: Portions, scales: Sequence[float | Tensor]
) -> Float[Tensor, "*batch"]:
    """Returns the sums of both maps, each times its scale."""
    constant = (edges.image, *portions)
    if is_traced() or any(t is not None and t.requires_grad for t in constant) or not field.numel():
        sums = variation_maps(field, edges, portions).sum((-2, -1))
        return sums[..., 0] * scales[0] + sums[..., 1] * scales[1]
    flat = field.reshape(-1, *field.shape[-3:])
    if edges.image is not None:
        edges = edges._replace(image=edges.image.reshape(-1, *edges.image.shape[-3:]))
    batch = field.shape[:-3]
    shaped = [p if p is None else p.expand(*batch, 1, *p.shape[-2:]).reshape(-1, 1, *p.shape[-2:]) for p in portions]
    wanted = field.requires_grad and torch.is_grad_enabled()
    return _Variation.apply(flat, edges, shaped, scales, wanted).reshape(batch)  # type: ignore[no-any-return]


def scales_of(field: Tensor, edges: Edges, portions: Portions, reduction: Reduction) -> list[float | Tensor]:
    """Returns 1 for "sum", and for "mean" over how much counts of the differences along x and along y."""
    if reduction == "sum":
        return [1.0, 1.0]
    scales: list[float | Tensor] = []
    for axis, portion in zip(AXES, portions, strict=True):
        if portion is None:
            samples = field[..., :1, :, :].numel() // field.shape[axis]
            scales.append(1 / max(samples * (field.shape[axis] - edges.order), 1))
        else:
            total = portion.expand(*field.shape[:-3], 1, *portion.shape[-2:]).sum(dtype=field.dtype)
            scales.append(torch.where(total > 0, 1 / torch.where(total > 0, total, 1), 0))
    return scales


class _Variation(torch.autograd.Function):
    """`variation` of fields (n, c, h, w), some rows at a time. It keeps one map, the gradient; autograd would keep
    four."""

    @staticmethod
    def forward(
        ctx: Any, field: Tensor, edges: Edges, portions: Portions, scales: Sequence[float | Tensor], wanted: bool
    ) -> Tensor:
        out = field.new_zeros(len(field))
        slopes = torch.zeros_like(field, memory_format=torch.contiguous_format) if wanted else None
        for some, start, stop in _strips(field):
            for axis, portion, scale in zip(AXES, portions, scales, strict=True):
                part = (some, slice(None), slice(start, stop if axis == -1 else stop + edges.order))
                difference = field[part].diff(n=edges.order, dim=axis)
                if not difference.numel():
                    continue
                factor, weight = scale / field.shape[1], edges.excuse(axis, part)
                if portion is not None:
                    here = portion[some, :, start:stop]
                    weight = here if weight is None else weight.mul_(here)
                slope = difference.sign() if weight is None else difference.sign().mul_(weight)
                out[some] += difference.mul_(slope).sum((1, 2, 3)) * factor
                if slopes is not None:
                    _spread(slopes[part], slope, axis, edges.order, factor)
        ctx.save_for_backward(slopes)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (slopes,) = ctx.saved_tensors
        return slopes * grad[:, None, None, None], None, None, None, None


def _strips(field: Tensor) -> Iterator[tuple[slice, int, int]]:
    """Returns some samples, and from which row to which; on a device all."""
    n, channels, h, w = field.shape
    size = BLOCK // field.element_size() if field.device.type == "cpu" else field.numel()
    step, rows = max(size // (channels * h * w), 1), min(max(size // (channels * w), 1), h)
    for first in range(0, n, step):
        for start in range(0, h, rows):
            yield slice(first, first + step), start, start + rows


def _spread(to: Tensor, slope: Tensor, axis: int, order: int, factor: float | Tensor) -> None:
    """Adds the adjoint of differences, times a factor."""
    if isinstance(factor, Tensor):
        slope, factor = slope.mul_(factor), 1.0
    n = slope.shape[axis]
    for start, tap in enumerate((-1, 1) if order == 1 else (1, -2, 1)):
        to.narrow(axis, start, n).add_(slope, alpha=tap * factor)
