"""Total variation: how much neighbouring pixels differ.

anisotropic  |dx| + |dy|      isotropic  sqrt(dx^2 + dy^2)      dx = u[y, x + 1] - u[y, x]  dy = u[y + 1, x] - u[y, x]

Source: Rudin, Osher and Fatemi, Nonlinear total variation based noise removal algorithms, Physica D 1992.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from visionops.arguments import check_choice
from visionops.kernels.functions import is_traced, takes_formula

from .blocks import blocks
from .reduction import (
    Reduction,
    check_floating,
    check_mask,
    check_reduction,
    check_weight,
    hide,
    reduce,
)
from .robust import safe_root


def total_variation(
    image: Float[Tensor, "*batch c h w"],
    *,
    kind: Literal["anisotropic", "isotropic"] = "anisotropic",
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the total variation of images: of each pixel, how much the next ones right of and below it differ.

    Args:
        image: floating; each channel for itself. Beyond the last row and column there is no difference.
        kind: "anisotropic" adds the two absolute differences, "isotropic" takes the length of both.
        mask: True where pixels count, broadcast to (*batch, c, h, w). A difference counts if both its pixels do. What
            is masked, NaN too, reaches neither loss nor gradient.
        weight: of the differences of each pixel, broadcast to (*batch, c, h, w).
        reduction: "none" gives the map (*batch, c, h, w); "sum" its weighted sum; "mean" divides that by the sum of the
            weights of the pixels that count (without weights, their number), and is 0 where none does.

    Raises:
        ValueError: for an unknown kind, and shapes that do not fit.

    Gradient: to the image and the weight; at equal neighbours the subgradient 0. Half precision computes in float32.
    Source: Rudin, Osher and Fatemi 1992. Kornia's `total_variation` is the sum over each channel, or by "mean" the mean
    of the horizontal differences plus that of the vertical ones, of which there are fewer than pixels; torchmetrics' is
    the sum over each sample, and by "mean" the mean of those. Both are anisotropic.

    >>> total_variation(torch.tensor([[[0.0, 3.0], [4.0, 4.0]]]), reduction="none")[0].tolist()
    [[7.0, 1.0], [0.0, 0.0]]
    """
    check_floating("total_variation", "image", image)
    check_choice("total_variation", "kind", kind, ("anisotropic", "isotropic"))
    check_mask("total_variation", mask, image.shape)
    check_weight("total_variation", weight, image.shape)
    check_reduction("total_variation", reduction)
    (x,) = hide(mask, image)
    if kind == "anisotropic" and reduction != "none" and mask is None and weight is None and not is_traced():
        total = _Sum.apply(x.flatten(0, -3))
        return (total / max(x.numel(), 1) if reduction == "mean" else total).to(image.dtype)
    down, right = x.diff(dim=-2), x.diff(dim=-1)
    if mask is not None:
        # The pixel itself is masked below.
        shown = mask.expand(*mask.shape[:-2], *x.shape[-2:])
        down, right = torch.where(shown[..., 1:, :], down, 0), torch.where(shown[..., 1:], right, 0)
    down, right = pad(down, (0, 0, 0, 1)), pad(right, (0, 1))
    values = down.abs() + right.abs() if kind == "anisotropic" else safe_root(down * down + right * right)
    return reduce(values, reduction, mask=mask, weight=weight, dtype=image.dtype)


class _Sum(torch.autograd.Function):
    """The sum of absolute differences of planes (n, h, w), some at a time, of which autograd would keep both."""

    @staticmethod
    def forward(planes: Tensor) -> Tensor:
        parts = [_sum(part) for (part,) in blocks(planes)]
        return torch.stack(parts).sum()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (planes,) = ctx.saved_tensors
        if takes_formula(grad):
            down, right = grad * planes.diff(dim=-2).sign(), grad * planes.diff(dim=-1).sign()
            return pad(down, (0, 0, 1, 0)) - pad(down, (0, 0, 0, 1)) + pad(right, (1, 0)) - pad(right, (0, 1))
        out = torch.zeros_like(planes, memory_format=torch.contiguous_format)
        for part, to in blocks(planes, out):
            for dim in (-2, -1):
                sign = part.diff(dim=dim).sign_()
                n = sign.shape[dim]
                to.narrow(dim, 1 if n else 0, n).add_(sign)
                to.narrow(dim, 0, n).sub_(sign)
            to.mul_(grad)
        return out


def _sum(planes: Tensor) -> Tensor:
    return planes.diff(dim=-2).abs_().sum() + planes.diff(dim=-1).abs_().sum()
