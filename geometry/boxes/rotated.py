"""The overlap of turned boxes, exactly.

In the frame of box B, a path clamped to B runs along B's edges where it leaves B. By Green's theorem the area of A and
B is what the outline of A encloses once it is clamped:

|A and B| = sum over edges of A of the integral of clamp(x) d clamp(y)

A clamped edge is made of straight pieces, three of them where clamp(y) moves. No corners are sorted and nothing is
decided: the area is a continuous function of both boxes, whatever coincides.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import doubled, or_nan

from .formats import turned_corners
from .overlap import over_union, pairs_of

# An edge that moves less than this along an axis, of the size of the boxes, is parallel to the other box's edge: where
# it crosses cannot be told and does not matter, by as much; its gradient would be rounding over this.
PARALLEL = 1e-11


def rotated_box_iou(
    boxes1: Float[Tensor, "*batch n 5"], boxes2: Float[Tensor, "*batch m 5"], *, pairwise: bool = True
) -> Float[Tensor, "*batch n m"] | Float[Tensor, "*batch n"]:
    """Returns the exact intersection over union of turned boxes, from 0 to 1.

    Args:
        boxes1: (cx, cy, w, h, angle), the angle in degrees, counter-clockwise on the screen; the rest in any one unit.
        boxes2: likewise.
        pairwise: whether to compare each of the first with each of the second; or each with the one at its place, (n),
            where both are as many.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to both, angles included; 0 where they do not touch. Where edges coincide, the intersection follows both
        boxes in equal parts: at boxes of the same five numbers the IoU is 1 with gradient 0, and at others that cover
        the same it is one-sided. Boxes without area, or with a negative size, have IoU 0 with all. A box with NaN gives
        NaN, with gradient 0, in its row or column. Computes in float64.
    Source: Green's theorem on the outline projected to the other box; OpenCV's rotatedRectangleIntersection has its
        angle clockwise.

    >>> square, diamond = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0, 2.0, 45.0]])
    >>> rotated_box_iou(square, diamond)
    tensor([[0.7071]])
    """
    (a, b), good = pairs_of("rotated_box_iou", boxes1, boxes2, "cxcywha", pairwise)
    a, b = doubled(a, b)
    (w1, h1), (w2, h2) = ((box[..., 2].clamp(min=0), box[..., 3].clamp(min=0)) for box in (a, b))
    x, y = _seen_from(a, b, w1 / 2, h1 / 2)
    size = torch.maximum(torch.maximum(w1, h1), torch.maximum(w2, h2)).detach()
    shared = _clamped_area(x, y, w2 / 2, h2 / 2, size)
    return or_nan(over_union(shared.clamp(min=0), w1 * h1 + w2 * h2), good).to(boxes1.dtype)


def _seen_from(a: Tensor, b: Tensor, w: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Returns x and y (4, *batch, n, m) of the corners of boxes a, of half sizes w and h, in the frame of boxes b.

    Exact where their angles are equal.
    """
    dx, dy = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
    angle = torch.deg2rad(b[..., 4])
    cos, sin = angle.cos(), angle.sin()
    x, y = turned_corners(w, h, torch.deg2rad(a[..., 4] - b[..., 4]))
    return cos * dx - sin * dy + x, sin * dx + cos * dy + y


def _clamped_area(x: Tensor, y: Tensor, w: Tensor, h: Tensor, size: Tensor) -> Tensor:
    """Returns the area that outlines enclose once they are clamped to +-w and +-h.

    Args:
        x, y: of corners (4, *batch).
        w, h: (*batch).
        size: of the boxes (*batch), a constant.
    """
    along, down = x.roll(-1, 0) - x, y.roll(-1, 0) - y
    start, end = _within(y, down, h, size)
    bends = (_between(bend, start, end) for bend in _within(x, along, w, size))
    area = torch.zeros_like(x)
    last: tuple[Tensor, Tensor] | None = None
    for time in (start, *bends, end):
        place = _clamp(x + time * along, w), _clamp(y + time * down, h)
        if last is not None:
            area = area + (place[0] + last[0]) * (place[1] - last[1])
        last = place
    return area.sum(0) / 2


def _within(x: Tensor, way: Tensor, w: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Returns from when to when, from 0 to 1, a coordinate that starts at x and goes a way is within +-w."""
    crosses = way.abs() > PARALLEL * size
    pace = torch.where(crosses, way, 1)
    one, other = (-w - x) / pace, (w - x) / pace
    first = torch.where(crosses, torch.minimum(one, other), 0)
    last = torch.where(crosses, torch.maximum(one, other), 1)
    return _between(first, 0, 1), _between(last, 0, 1)


def _between(time: Tensor, low: Tensor | int, high: Tensor | int) -> Tensor:
    """Returns times clamped, at a bound with the bound's gradient: a corner then stays a corner, which B clamps."""
    time = torch.where(time > low, time, low)
    return torch.where(time < high, time, high)


def _clamp(x: Tensor, w: Tensor) -> Tensor:
    """Returns x clamped to +-w; on the bound it follows both in equal parts."""
    return torch.minimum(torch.maximum(x, -w), w)
