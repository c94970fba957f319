"""The soft census loss: whether neighbours are darker and brighter in both images alike.

loss(p) = mean over the window's q of d^2 / (0.1 + d^2),   d = s(I(q) - I(p)) - s(J(q) - J(p))

with s(v) = v / sqrt(0.81 + v^2) of grey levels from 0 to 255: the -1, 0, 1 of the ternary transform, made smooth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from visionops.color import rgb_to_grayscale
from visionops.errors import refuse
from visionops.kernels.box import filter_box
from visionops.kernels.functions import defined, is_traced, takes_formula
from visionops.losses.blocks import blocks
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce

from .fields import check_alike, check_fields, of_pixels

# In grey levels squared, for images in [0, 1]; and of the distance.
SOFT = 0.81 / 255**2
HALF = 0.1

Index = tuple[Any, slice, slice]


def census(
    image: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    window_size: int = 7,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how unlike the order of grey levels around pixels is in two images, whatever their exposure: 0 to 1.

    Args:
        image: the reconstruction, as of `warp_by_flow`; floating, in [0, 1], grey or of three channels, RGB.
        target: of the same shape and dtype.
        window_size: odd, above 1; UnFlow, ARFlow and UFlow take 7.
        mask: True where pixels count, broadcast to (*batch, 1, h, w). A pixel is compared only to neighbours that count
            too, and the mean is over those. What is masked, NaN too, reaches neither loss nor gradient.
        weight: of each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives the map (*batch, 1, h, w), 0 where masked and where the window does not fit, window_size
            // 2 pixels at each border; "sum" its weighted sum; "mean" divides that by the sum of the weights that count
            (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that differ, other than one or three channels, and a window that is even.

    Gradient: to both images and the weight, of every order; 0 at equal images. Nothing but two grey images is kept.
    Source: Meister, Hur and Roth, UnFlow, 2018, section 3.2, as ARFlow (Liu et al. 2020) computes it: the mean over the
        window, its centre counted, where UnFlow and UFlow take the sum and put it under a power of 0.45 and 0.4. Grey
        is 0.299 R + 0.587 G + 0.114 B. ARFlow's mean counts the border too, as 0.

    >>> ramp = torch.linspace(0, 1, 64).reshape(1, 8, 8)
    >>> census(0.5 * ramp + 0.1, ramp).item().__round__(4), census(1 - ramp, ramp).item().__round__(4)
    (0.0017, 0.9556)
    """
    function = "census"
    check_fields(function, "image", image)
    check_alike(function, "target", target, "image", image)
    if image.shape[-3] not in (1, 3):
        raise refuse(function, "image", "of 1 or 3 channels", tuple(image.shape))
    if not isinstance(window_size, int) or window_size < 3 or window_size % 2 == 0:
        raise refuse(function, "window_size", "odd and above 1", window_size)
    check_fields(function, "image", image, least=window_size)
    check_mask(function, mask, of_pixels(image))
    check_weight(function, weight, of_pixels(image))
    check_reduction(function, reduction)
    dtype, radius = image.dtype, window_size // 2
    image, target = hide(mask, image, target)
    if image.shape[-3] == 3:
        image, target = rgb_to_grayscale(image), rgb_to_grayscale(target)
    counts = _fits(image, radius) if mask is None else _fits(image, radius) & mask
    values = _unlikeness(image, target, mask, radius)
    return reduce(values, reduction, mask=counts.expand(image.shape), weight=weight, dtype=dtype)


def _fits(image: Tensor, radius: int) -> Bool[Tensor, "h w"]:
    """Returns where the window is inside."""
    rows, columns = (torch.arange(n, device=image.device) for n in image.shape[-2:])
    rows, columns = ((t >= radius) & (t < len(t) - radius) for t in (rows, columns))
    return rows[:, None] & columns


def _unlikeness(x: Tensor, y: Tensor, mask: Tensor | None, radius: int) -> Tensor:
    """Returns the mean over the window of each pixel (*batch, 1, h, w), as far as it is in the image and counts."""
    a, b = (t.reshape(-1, *t.shape[-2:]) for t in (x, y))
    counts = None if mask is None else mask.expand(x.shape).reshape(a.shape).to(x.dtype)
    run = _define if is_traced() else _Unlikeness.apply
    return run(a, b, counts, radius).reshape(x.shape)


def _define(x: Tensor, y: Tensor, mask: Tensor | None, radius: int) -> Tensor:
    total = torch.zeros_like(x)
    for p, q in _pairs(x.shape, radius):
        d = (_order(x, p, q) - _order(y, p, q)).square()
        value = d / (d + HALF)
        for here, there in ((p, q), (q, p)):
            total = total + _put(value if mask is None else value * mask[there], here, x.shape)
    return total / _number(mask, radius)


def _pairs(shape: Sequence[int], radius: int) -> Iterator[tuple[Index, Index]]:
    """Returns where pixels and their neighbours are, each pair once."""
    for dy in range(radius + 1):
        for dx in range(-radius if dy else 1, radius + 1):
            (py, qy), (px, qx) = _apart(shape[-2], dy), _apart(shape[-1], dx)
            yield (..., py, px), (..., qy, qx)


def _apart(n: int, by: int) -> tuple[slice, slice]:
    return (slice(0, n - by), slice(by, n)) if by >= 0 else (slice(-by, n), slice(0, n + by))


def _order(image: Tensor, p: Index, q: Index) -> Tensor:
    v = image[q] - image[p]
    return v * (v * v + SOFT).rsqrt()


def _put(values: Tensor, where: Index, shape: Sequence[int]) -> Tensor:
    """Returns an image of 0 with values in a place."""
    _, y, x = where
    return pad(values, (x.start, shape[-1] - x.stop, y.start, shape[-2] - y.stop))


def _number(mask: Tensor | None, radius: int) -> float | Tensor:
    """Returns how many pixels of each window count, 1 where none does; at the border of a mask of all, too many."""
    size = 2 * radius + 1
    if mask is None:
        return float(size**2)
    total = filter_box(mask[:, None], size, size, border="constant")[:, 0] * size**2
    return total.round().clamp(min=1)


class _Unlikeness(torch.autograd.Function):
    """`_define` of grey images (n, h, w), some at a time; autograd would keep some ten maps for each pair."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, mask: Tensor | None, radius: int) -> Tensor:
        out = torch.zeros_like(x, memory_format=torch.contiguous_format)
        for a, b, m, to in blocks(x, y, mask, out):
            for p, q in _pairs(a.shape, radius):
                d = _order(a, p, q).sub_(_order(b, p, q)).square_()
                value = d.div_(d + HALF)
                to[p].add_(value if m is None else value * m[q])
                to[q].add_(value if m is None else value.mul_(m[p]))
        return out.div_(_number(mask, radius))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:3])
        ctx.radius = inputs[3]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, mask = ctx.saved_tensors
        needs = ctx.needs_input_grad[:2]
        if takes_formula(grad):
            return (*defined(lambda x, y: _define(x, y, mask, ctx.radius), (x, y), None, needs, grad), None, None)
        out = [torch.zeros_like(x, memory_format=torch.contiguous_format) if need else None for need in needs]
        for a, b, m, g, to_x, to_y in blocks(x, y, mask, grad / _number(mask, ctx.radius), *out):
            for p, q in _pairs(a.shape, ctx.radius):
                (v1, r1), (v2, r2) = ((v, (v * v).add_(SOFT).rsqrt_()) for v in (a[q] - a[p], b[q] - b[p]))
                d = v1.mul_(r1).sub_(v2.mul_(r2))
                below = (d * d).add_(HALF)
                both = g[p] + g[q] if m is None else (g[p] * m[q]).addcmul_(g[q], m[p])
                slope = both.mul_(d).mul_(2 * HALF * SOFT).div_(below).div_(below)
                for to, r, sign in ((to_x, r1, 1), (to_y, r2, -1)):
                    if to is not None:
                        part = (r * r).mul_(r).mul_(slope)
                        to[q].add_(part, alpha=sign)
                        to[p].sub_(part, alpha=sign)
        return (*out, None, None)
