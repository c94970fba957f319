"""Crops of boxes and quadrilaterals, with gradients to their corners.

A box is continuous, (x1, y1, x2, y2) in pixel edges: (0, 0, w, h) is the whole image. Output pixel (u, v) of (h', w')
reads the centre of its part: edge position (u + 1/2) / w' of the way from left to right.

Source: for quadrilaterals, the unit square's homography of Heckbert, Fundamentals of Texture Mapping (1989), 2.2.3.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.module import as_module

from .warping import Array, Fill, check_size, check_warp, like_positions, of_batch, sample

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Border = Literal["constant", "reflect", "replicate", "circular"]


def crop_and_resize(
    image: Shaped[Tensor, "*batch c h w"],
    boxes: Float[Array, "*batch 4"],
    size: tuple[int, int],
    *,
    interpolation: Interpolation = "bilinear",
    border: Border = "replicate",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the inside of a box, resized without a prefilter.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        boxes: (x1, y1, x2, y2) in pixel edges, x2 and y2 exclusive, for all samples or for each. They may be
            fractional, reach beyond the image, or run backwards, which flips.
        size: (height, width) of the output.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image and the boxes, one-sided at whole pixels; with "nearest" none to the boxes.

    >>> crop_and_resize(torch.arange(4.0).reshape(1, 1, 4), [1.0, 0.0, 3.0, 1.0], (1, 4))[0].tolist()
    [[0.75, 1.25, 1.75, 2.25]]
    """
    check_warp("crop_and_resize", image, interpolation, border)
    h, w = check_size("crop_and_resize", size)
    x1, y1, x2, y2 = _corners("crop_and_resize", boxes, image, (4,)).unbind(1)
    sx, sy = (x2 - x1) / w, (y2 - y1) / h
    zero, one = torch.zeros_like(sx), torch.ones_like(sx)
    entries = [sx, zero, x1 + 0.5 * sx - 0.5, zero, sy, y1 + 0.5 * sy - 0.5, zero, zero, one]
    inverse = torch.stack(entries, 1).reshape(-1, 3, 3)
    options = {"interpolation": interpolation, "border": border}
    return sample("crop_and_resize", image, inverse, (h, w), fill=fill, **options)  # type: ignore[arg-type]


def crop_by_boxes(
    image: Shaped[Tensor, "*batch c h w"],
    boxes: Float[Array, "*batch 4 2"],
    size: tuple[int, int],
    *,
    interpolation: Interpolation = "bilinear",
    border: Border = "replicate",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the inside of a quadrilateral, straightened by a homography, without a prefilter.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        boxes: the corners (x, y), in pixel edges, that become the output's top left, top right, bottom right and
            bottom left, for all samples or for each.
        size: (height, width) of the output.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image and the corners, one-sided at whole pixels; with "nearest" none to the corners. Three corners
    on a line have no homography: the result is then fill or arbitrary, and so is the gradient.
    Source: OpenCV getPerspectiveTransform and warpPerspective.

    >>> turned = [[0.0, 2.0], [0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]
    >>> crop_by_boxes(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), turned, (2, 2))[0].tolist()
    [[3.0, 1.0], [4.0, 2.0]]
    """
    check_warp("crop_by_boxes", image, interpolation, border)
    h, w = check_size("crop_by_boxes", size)
    corners = _corners("crop_by_boxes", boxes, image, (4, 2))
    matrix = _square_to_quad(corners)
    # Pixel (u, v) is ((u + 1/2) / w, (v + 1/2) / h) of the square, and edges lie half a pixel before centres.
    a, b, c = matrix.unbind(2)
    inverse = torch.stack([a / w, b / h, c + a * (0.5 / w) + b * (0.5 / h)], 2)
    inverse = torch.cat([inverse[:, :2] - 0.5 * inverse[:, 2:], inverse[:, 2:]], 1)
    options = {"interpolation": interpolation, "border": border}
    return sample("crop_by_boxes", image, inverse, (h, w), fill=fill, **options)  # type: ignore[arg-type]


def _corners(function: str, boxes: Array, image: Tensor, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(boxes, Tensor):
        boxes = torch.as_tensor(boxes, dtype=torch.float64)
    return like_positions(of_batch(function, "boxes", boxes, image, shape))


def _square_to_quad(corners: Float[Tensor, "b 4 2"]) -> Float[Tensor, "b 3 3"]:
    """Returns homographies from the unit square to its corners' places."""
    p0, p1, p2, p3 = corners.unbind(1)
    bend, d1, d2 = p0 - p1 + p2 - p3, p1 - p2, p3 - p2
    scale = _cross(d1, d2)
    g, h = (_cross(bend, d2) / scale)[:, None], (_cross(d1, bend) / scale)[:, None]
    columns = [torch.cat([p1 - p0 + g * p1, g], 1), torch.cat([p3 - p0 + h * p3, h], 1)]
    return torch.stack([*columns, torch.cat([p0, torch.ones_like(g)], 1)], 2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


CropAndResize = as_module(crop_and_resize)
CropByBoxes = as_module(crop_by_boxes)
