"""The minimum reprojection loss: each pixel is judged by the view that explains it best.

loss = min over views v of pe(I_v warped, I)        and with the views as they are  min(loss, min over v of pe(I_v, I))

where pe is `photometric`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.losses.reduction import Reduction, check_mask, check_reduction, check_weight, hide, reduce

from .fields import check_alike, check_fields, of_pixels
from .photometric import around, check_ssim, unlikeness


def min_reprojection(
    warped: Float[Tensor, "*batch v c h w"] | Sequence[Tensor],
    target: Float[Tensor, "*batch c h w"],
    *,
    sources: Float[Tensor, "*batch v c h w"] | Sequence[Tensor] | None = None,
    visible: Bool[Tensor, "*batch v 1 h w"] | Sequence[Tensor] | None = None,
    ssim_weight: float = 0.85,
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns how unlike the target is the reconstruction that comes nearest, pixel by pixel.

    A pixel that is hidden in one view is seen in another, and the least of the errors is that of a view that sees it.

    Args:
        warped: the target rebuilt from each view, stacked before the channels, or a list of (*batch, c, h, w); in
            [0, 1], of at least 2x2 pixels.
        target: the image that they rebuild.
        sources: the views as they are, warped by nothing, stacked likewise: the auto-mask. A pixel that they explain at
            least as well keeps their error, so it pulls at nothing: it does not move, moves along with the camera, or
            has no texture. Any number of views.
        visible: where each view sees the pixel, (*batch, v, 1, h, w) or a list, as `warp_by_depth` returns it. A pixel
            that is not seen by a view, with all of the 3x3 around it, is not judged by that; one that no view sees does
            not count.
        ssim_weight: as of `photometric`.
        mask: True where pixels of the target count, broadcast to (*batch, 1, h, w), as of `photometric`.
        weight: of each pixel, broadcast to (*batch, 1, h, w).
        reduction: "none" gives the map (*batch, 1, h, w), 0 where masked; "sum" its weighted sum; "mean" divides that
            by the sum of the weights that count, and is 0 where none does. Pixels that `sources` explain count.

    Raises:
        ValueError: for no views, shapes that do not go together, and an ssim_weight that is not from 0 to 1.

    Gradient: to the views, the target and the weight; at a tie of views, shared among them. A tie of warped and source
        goes to the source, so that a camera that stands still teaches nothing. monodepth2 adds noise of 1e-5 to the
        sources' errors instead, which makes its loss another one at each call.
    Source: Godard et al. 2019, equations 4 and 5, with the minimum that monodepth2 takes in place of the mask mu: their
        gradients are the same.

    >>> target, dark, light = torch.full((1, 4, 4), 0.5), torch.zeros(1, 4, 4), torch.full((1, 4, 4), 0.6)
    >>> min_reprojection([dark, light], target, ssim_weight=0.0).item().__round__(4)
    0.1
    """
    function = "min_reprojection"
    check_fields(function, "target", target)
    check_ssim(function, "target", target, ssim_weight)
    views = _views(function, "warped", warped, target)
    others = [] if sources is None else _views(function, "sources", sources, target)
    seen = [None] * len(views) if visible is None else _visible(function, visible, target, len(views))
    check_mask(function, mask, of_pixels(target))
    check_weight(function, weight, of_pixels(target))
    check_reduction(function, reduction)
    best, counts = _least([_error(v, target, _both(s, mask), ssim_weight) for v, s in zip(views, seen, strict=True)])
    if others:
        still, _ = _least([_error(v, target, mask, ssim_weight) for v in others])
        best = torch.where((still <= best) | still.isnan(), still, best)
    return reduce(best, reduction, mask=counts, weight=weight, dtype=target.dtype)


def _views(function: str, argument: str, views: Any, target: Tensor) -> list[Tensor]:
    """Returns images (*batch, c, h, w)."""
    if isinstance(views, Tensor):
        if views.ndim != target.ndim + 1:
            raise refuse(function, argument, "of shape (*batch, v, c, h, w), or a list", tuple(views.shape))
        views = views.unbind(-4)
    if not isinstance(views, list | tuple) or not views:
        raise refuse(function, argument, "at least one view, stacked or a list", type(views).__name__)
    for view in views:
        check_alike(function, argument, view, "target", target)
    return list(views)


def _visible(function: str, visible: Any, target: Tensor, views: int) -> list[Tensor]:
    """Returns masks that broadcast to (*batch, 1, h, w)."""
    if isinstance(visible, Tensor):
        visible = visible.unbind(-4) if visible.ndim == target.ndim + 1 else [visible]
    if not isinstance(visible, list | tuple) or len(visible) != views or any(v is None for v in visible):
        got = len(visible) if isinstance(visible, list | tuple) else type(visible).__name__
        raise refuse(function, "visible", f"a mask for each of {views} views", got)
    for one in visible:
        check_mask(function, one, of_pixels(target))
    return list(visible)


def _both(visible: Tensor | None, mask: Tensor | None) -> Tensor | None:
    if visible is None or mask is None:
        return mask if visible is None else visible
    return visible & mask


def _error(view: Tensor, target: Tensor, mask: Tensor | None, ssim_weight: float) -> tuple[Tensor, Tensor | None]:
    """Returns the errors of a view, and where they count."""
    x, y = hide(mask, view, target)
    return unlikeness(x, y, ssim_weight), around(mask, target, ssim_weight)


def _least(errors: Sequence[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """Returns the least of the errors that count, and where any does."""
    values, counts = zip(*errors, strict=True)
    if counts[0] is None:
        return (values[0] if len(values) == 1 else torch.stack(values).amin(0)), None
    masks = torch.stack([torch.broadcast_to(c, values[0].shape) for c in counts])
    some = masks.any(0)
    # Nothing is infinite where nothing counts: amin shares its gradient among equals.
    stacked = torch.where(masks | ~some, torch.stack(values), torch.inf)
    return stacked.amin(0), some
