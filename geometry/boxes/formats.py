"""The formats of boxes, and their areas.

xyxy        x1, y1, x2, y2      left, top, right, bottom; right and bottom exclusive
xywh        x1, y1, w, h
cxcywh      cx, cy, w, h        centre and size
yolo        the same as fractions of the image's width and height
cxcywha     and an angle in degrees, counter-clockwise on the screen
quad        (4, 2)              corners: top left, top right, bottom right, bottom left, as before the turn
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.errors import refuse
from visionops.geometry.arguments import check_batches

BoxFormat = Literal["xyxy", "xywh", "cxcywh", "yolo", "cxcywha", "quad"]
FORMATS = get_args(BoxFormat)
WIDTHS = {"cxcywha": 5}


def convert_boxes(
    boxes: Float[Tensor, "*batch n box"],
    source: BoxFormat,
    target: BoxFormat,
    *,
    size: Sequence[float] | Float[Tensor, "*batch 2"] | None = None,
) -> Float[Tensor, "*batch n box"]:
    """Returns boxes in another format, in pixel edges.

    Args:
        boxes: (*batch, n, 4), for "cxcywha" (*batch, n, 5), for "quad" (*batch, n, 4, 2).
        source: of what is given: "xyxy"; "xywh"; "cxcywh"; "yolo", which is that as fractions of the image; "cxcywha",
            that and an angle in degrees, counter-clockwise on the screen; "quad", the corners (x, y) from the top left
            one on, clockwise on the screen.
        target: of the result. A turned box or a quad becomes, in a format without an angle, the box around it; a quad
            that is no rectangle becomes, with one, that of its centre, mean sides and mean direction.
        size: (height, width) of the image, or of each sample's, for "yolo".

    Raises:
        ValueError: for boxes of another shape, an unknown format, or "yolo" without a size.

    Gradient: to the boxes and a tensor of sizes. Boxes of no extent have a finite gradient: 0 for the angle of a quad
        without width. A box around another follows its outermost corners, equally where several are.

    >>> convert_boxes(torch.tensor([[10.0, 20.0, 14.0, 22.0]]), "xyxy", "cxcywh").tolist()
    [[12.0, 21.0, 4.0, 2.0]]
    >>> convert_boxes(torch.tensor([[12.0, 21.0, 4.0, 2.0, 90.0]]), "cxcywha", "xyxy").round(decimals=3).tolist()
    [[11.0, 19.0, 13.0, 23.0]]
    """
    check_boxes("convert_boxes", "boxes", boxes, source, named="source")
    check_choice("convert_boxes", "target", target, FORMATS)
    if source == target:
        return boxes
    if "yolo" in (source, target):
        sizes = pair_like("convert_boxes", size, boxes, boxes.shape[: -3 if source == "quad" else -2]).flip(-1)
        scale = torch.cat([sizes, sizes], -1)[..., None, :]
        if target == "yolo":
            return convert_boxes(boxes, source, "cxcywh") / scale
        return convert_boxes(boxes * scale, "cxcywh", target)
    if source in ("cxcywha", "quad"):
        quads = boxes if source == "quad" else corners_of(boxes)
        if target == "quad":
            return quads
        if target == "cxcywha":
            return _turned(quads)
        low, high = quads.amin(-2), quads.amax(-2)
    else:
        low, high = _edges(boxes, source)
    if target == "xyxy":
        return torch.cat([low, high], -1)
    extent = high - low
    if target == "xywh":
        return torch.cat([low, extent], -1)
    centred = torch.cat([(low + high) / 2, extent], -1)
    if target == "cxcywh":
        return centred
    turned = torch.nn.functional.pad(centred, (0, 1))
    return turned if target == "cxcywha" else corners_of(turned)


def box_area(boxes: Float[Tensor, "*batch n box"], *, box_format: BoxFormat = "xyxy") -> Float[Tensor, "*batch n"]:
    """Returns the areas of boxes, in square pixels; 0 where a box runs backwards.

    Args:
        boxes: (*batch, n, 4), for "cxcywha" (*batch, n, 5), for "quad" (*batch, n, 4, 2).
        box_format: as of `convert_boxes`; an area as a fraction of the image for "yolo".

    Raises:
        ValueError: for boxes of another shape or an unknown format.

    Gradient: to the boxes; where a side is 0, that of the box which grows. Quads may have any four sides that do not
        cross.

    >>> box_area(torch.tensor([[1.0, 2.0, 4.0, 6.0], [1.0, 2.0, 0.0, 6.0]])).tolist()
    [12.0, 0.0]
    """
    check_boxes("box_area", "boxes", boxes, box_format, named="box_format")
    if box_format == "quad":
        # About a corner, so that large coordinates do not cancel.
        x, y = (boxes - boxes[..., :1, :]).unbind(-1)
        return (x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1).abs() / 2
    extent = boxes[..., 2:4] - boxes[..., :2] if box_format == "xyxy" else boxes[..., 2:4]
    return extent.clamp(min=0).prod(-1)


def check_boxes(function: str, argument: str, boxes: Any, box_format: str, *, named: str = "") -> None:
    """Raises unless boxes are floating and of the shape of their format, which is an argument if it is named."""
    if named:
        check_choice(function, named, box_format, FORMATS)
    own = (4, 2) if box_format == "quad" else (WIDTHS.get(box_format, 4),)
    shape = f"(*batch, n, {', '.join(map(str, own))})"
    if not isinstance(boxes, Tensor):
        raise refuse(function, argument, f"a tensor {shape}", type(boxes).__name__, "torch.as_tensor makes one.")
    if not boxes.is_floating_point():
        raise refuse(function, argument, "floating", boxes.dtype, "Convert it.")
    if boxes.ndim <= len(own) or tuple(boxes.shape[-len(own) :]) != own:
        raise refuse(function, argument, f"of shape {shape}", tuple(boxes.shape))


def corners_of(boxes: Float[Tensor, "*batch n 5"]) -> Float[Tensor, "*batch n 4 2"]:
    """Returns the corners of turned boxes, from the top left one before the turn on."""
    cx, cy, w, h, angle = boxes.unbind(-1)
    x, y = turned_corners(w / 2, h / 2, torch.deg2rad(angle))
    return torch.stack([cx + x, cy + y], -1).movedim(0, -2)


def turned_corners(w: Tensor, h: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Returns x and y (4, *batch) of the corners of boxes around 0, of half sizes w and h, turned by radians."""
    x, y = torch.stack([-w, w, w, -w]), torch.stack([-h, -h, h, h])
    cos, sin = angle.cos(), angle.sin()
    # y points down: counter-clockwise on the screen takes (1, 0) to (cos, -sin).
    return cos * x + sin * y, cos * y - sin * x


def pair_like(function: str, size: Any, like: Tensor, batch: Any) -> Float[Tensor, "*batch 2"]:
    """Returns (height, width), given as two numbers or as a tensor (*batch, 2), in the dtype of `like`."""
    rule = "(height, width)"
    if isinstance(size, Tensor):
        if size.ndim < 1 or size.shape[-1] != 2:
            raise refuse(function, "size", f"{rule}, or (*batch, 2)", tuple(size.shape))
        check_batches(function, "size", size.shape[:-1], batch)
        return size.to(like)
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise refuse(function, "size", rule, size)
    # Filled in where they are used: nothing waits for a copy to a device.
    return torch.stack([like.new_full((), n) for n in size])


def _turned(quads: Float[Tensor, "*batch n 4 2"]) -> Float[Tensor, "*batch n 5"]:
    """Returns the box of the centre, mean sides and mean direction of quads."""
    p0, p1, p2, p3 = quads.unbind(-2)
    right, down = (p1 - p0 + p2 - p3) / 2, (p3 - p0 + p2 - p1) / 2
    # Both sides tell the direction, the longer one better: (a, b) right, (-b, a) down.
    x, y = right[..., 0] + down[..., 1], right[..., 1] - down[..., 0]
    known = (x != 0) | (y != 0)
    angle = -torch.rad2deg(torch.atan2(torch.where(known, y, 0), torch.where(known, x, 1)))
    return torch.cat([quads.mean(-2), torch.stack([_length(right), _length(down), angle], -1)], -1)


def _length(vector: Tensor) -> Tensor:
    square = vector.square().sum(-1)
    away = square > 0
    return torch.where(away, torch.where(away, square, 1).sqrt(), 0)


def _edges(boxes: Tensor, source: str) -> tuple[Tensor, Tensor]:
    """Returns the corners of least and largest coordinates of boxes without an angle."""
    first, second = boxes.split(2, -1)
    if source == "xyxy":
        return first, second
    low = first if source == "xywh" else first - second / 2
    return low, low + second
