"""The photometric loss: how unlike two images are, by structure and by colour.

loss = a clamp((1 - SSIM) / 2, 0, 1) + (1 - a) |x - y|,   each the mean over channels

SSIM under means of 3x3 pixels, mirrored at the border, with C1 = 0.01^2 and C2 = 0.03^2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_range
from visionops.kernels import native
from visionops.kernels.box import cpu as box
from visionops.kernels.functions import defined, is_traced, takes_formula
from visionops.losses.blocks import BLOCK
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce
from visionops.losses.ssim import whole_windows
from visionops.metrics.ssim import Window, similarity

from .fields import check_alike, check_fields, mean_distance, of_pixels

SIZE = 3
C1, C2 = 0.01**2, 0.03**2
WINDOW = Window(SIZE, 1.0, 1.0, "reflect", "box", "photometric")


def photometric(
    image: Float[Tensor, "*batch c h w"],
    target: Float[Tensor, "*batch c h w"],
    *,
    ssim_weight: float = 0.85,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how unlike an image and its reconstruction are: 0 where they are equal, at most 1 for images in [0, 1].

    Args:
        image: the reconstruction, as of `warp_by_depth` or `warp_by_flow`; floating, in [0, 1], of at least 2x2 pixels.
        target: of the same shape and dtype.
        ssim_weight: a, from 0 to 1. 0 is the absolute difference alone, which looks at no neighbours.
        mask: True where pixels count, broadcast to (*batch, 1, h, w): of a reconstruction, where it shows something. A
            pixel counts if all the 3x3 around it do. What is masked, NaN too, reaches neither loss nor gradient.
        weight: of each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives the map (*batch, 1, h, w), 0 where masked; "sum" its weighted sum; "mean" divides that
            by the sum of the weights that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for shapes that differ, and for an ssim_weight that is not from 0 to 1.

    Gradient: to both images and the weight, of every order; 0 at equal images, where the absolute difference has its
        kink. The compiled kernels keep nothing but the two images for it, and compute the means again.
    Source: Godard et al., Digging Into Self-Supervised Monocular Depth Estimation, 2019, equation 2, as monodepth2
        computes it. SSIM's window is a box of 3, not a Gaussian of 11, and its half is taken, as Kornia's `SSIMLoss`
        does and `visionops.losses.ssim` does not.

    >>> ramp = torch.linspace(0, 1, 8).expand(1, 8, 8)
    >>> round(photometric(0.5 * ramp, ramp).item(), 4)
    0.1855
    """
    function = "photometric"
    check_fields(function, "image", image)
    check_alike(function, "target", target, "image", image)
    check_ssim(function, "image", image, ssim_weight)
    check_mask(function, mask, of_pixels(image))
    check_weight(function, weight, of_pixels(image))
    check_reduction(function, reduction)
    x, y = hide(mask, image, target)
    values = unlikeness(x, y, ssim_weight)
    return reduce(values, reduction, mask=around(mask, image, ssim_weight), weight=weight, dtype=image.dtype)


def check_ssim(function: str, argument: str, image: Tensor, ssim_weight: float) -> None:
    """Raises unless the weight is from 0 to 1, and the image has pixels to mirror where windows are looked at."""
    check_range(function, "ssim_weight", ssim_weight, 0, 1)
    if ssim_weight:
        check_fields(function, argument, image, least=SIZE // 2 + 1)


def around(mask: Tensor | None, image: Tensor, ssim_weight: float) -> Tensor | None:
    """Returns which pixels have no masked one in what their loss looks at."""
    return mask if mask is None or not ssim_weight else whole_windows(mask, image.shape, WINDOW)


def unlikeness(
    x: Float[Tensor, "*batch c h w"], y: Float[Tensor, "*batch c h w"], ssim_weight: float
) -> Float[Tensor, "*batch 1 h w"]:
    """Returns the map of `photometric`, of images that were checked and are at least float32."""
    if not ssim_weight:
        return mean_distance([x], y)
    compiled = x.dtype == torch.float32 and not is_traced() and native.may_be_recorded(x, y)
    if not compiled or not x.numel():
        return _define(x, y, ssim_weight)
    flat = [t.reshape(-1, *t.shape[-3:]) for t in (x, y)]
    return _Unlikeness.apply(*flat, ssim_weight).reshape(of_pixels(x))  # type: ignore[no-any-return]


def _define(x: Tensor, y: Tensor, ssim_weight: float) -> Tensor:
    structure = ((1 - similarity(x, y, WINDOW)) / 2).clamp(0, 1).mean(-3, keepdim=True)
    return ssim_weight * structure + (1 - ssim_weight) * mean_distance([x], y)


class _Unlikeness(torch.autograd.Function):
    """`_define`, a channel of some samples at a time. The clamp only takes away roundings, so its slope is left out."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, ssim_weight: float) -> Tensor:
        out = x.new_zeros(len(x), 1, *x.shape[-2:])
        channels = x.shape[1]
        for some, channel in _blocks(x):
            a, b = x[some, channel], y[some, channel]
            top1, top2, bottom1, bottom2 = _factors(*_means(a, b))
            structure = top1.mul_(top2).div_(bottom1.mul_(bottom2)).neg_().add_(1).div_(2).clamp_(0, 1)
            out[some].add_(structure, alpha=ssim_weight / channels)
            out[some].add_(a.sub(b).abs_(), alpha=(1 - ssim_weight) / channels)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.ssim_weight = inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        needs = ctx.needs_input_grad[:2]
        if takes_formula(grad):
            return (*defined(lambda x, y: _define(x, y, ctx.ssim_weight), (x, y), None, needs, grad), None)
        out = [torch.empty_like(x) if need else None for need in needs]
        channels = x.shape[1]
        for some, channel in _blocks(x):
            a, b, g = x[some, channel], y[some, channel], grad[some]
            to_mean1, to_mean2, to_squares, to_product = _slopes(a, b, g, -ctx.ssim_weight / (2 * channels), needs)
            squares, product = _adjoint(to_squares), _adjoint(to_product)
            sign = a.sub(b).sign_().mul_(g).mul_((1 - ctx.ssim_weight) / channels)
            for to, mine, other, to_mean in ((out[0], a, b, to_mean1), (out[1], b, a, to_mean2)):
                if to is not None:
                    slope = _adjoint(to_mean).addcmul_(squares, mine, value=2).addcmul_(product, other)
                    to[some, channel] = slope.add_(sign, alpha=1 if mine is a else -1)
        return (*out, None)


def _blocks(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Returns some samples and one channel, again and again."""
    n, channels, h, w = x.shape
    step = max(BLOCK // (h * w * x.element_size()), 1)
    for start in range(0, n, step):
        for channel in range(channels):
            yield slice(start, start + step), slice(channel, channel + 1)


def _mean(x: Tensor) -> Tensor:
    return box.box(x, SIZE, SIZE, "reflect", 0.0)


def _adjoint(grad: Tensor) -> Tensor:
    return box.adjoint(grad, None, None, grad.shape, (SIZE, SIZE, "reflect", 0.0), None)[0]


def _means(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return _mean(x), _mean(y), _mean(torch.addcmul(x * x, y, y)), _mean(x * y)


def _factors(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor) -> tuple[Tensor, ...]:
    """Returns SSIM's two factors above the line and its two below, which are all new."""
    both, own = mx * my, torch.addcmul(mx * mx, my, my)
    top2, bottom2 = (product - both).mul_(2).add_(C2), (squares - own).add_(C2)
    return both.mul_(2).add_(C1), top2, own.add_(C1), bottom2


def _slopes(x: Tensor, y: Tensor, grad: Tensor, factor: float, needs: tuple[bool, bool]) -> tuple[Any, ...]:
    """Returns the gradients of the four means, of SSIM times a factor."""
    mx, my, squares, product = _means(x, y)
    a, b, c, d = _factors(mx, my, squares, product)
    per = grad.mul(2 * factor).div_(c * d)
    to_product = per * a
    to_squares = (to_product * b).div_(d).div_(-2)
    cross, own = b.sub_(a).mul_(per), d.sub_(c).div_(c).mul_(to_squares).mul_(2)
    to_mx = (own * mx).addcmul_(cross, my) if needs[0] else None
    to_my = (own * my).addcmul_(cross, mx) if needs[1] else None
    return to_mx, to_my, to_squares, to_product
