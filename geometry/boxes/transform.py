"""Boxes clipped to an image, and the boxes around what matrices make of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix, finite_rows, or_nan
from visionops.geometry.linalg import from_homogeneous

from .formats import check_boxes, convert_boxes, pair_like

# Between edges, where boxes are, and centres, where matrices are: the centre of the first pixel is at (1/2, 1/2).
HALF = 0.5


def clip_boxes(
    boxes: Float[Tensor, "*batch n 4"],
    size: Sequence[int] | Float[Tensor, "*batch 2"],
    *,
    return_valid: bool = False,
) -> Float[Tensor, "*batch n 4"] | tuple[Float[Tensor, "*batch n 4"], Bool[Tensor, "*batch n"]]:
    """Returns xyxy boxes cut to the image, in pixel edges.

    Args:
        boxes: xyxy.
        size: (height, width) of the image, or a tensor of each sample's.
        return_valid: whether to return also which boxes keep an area.

    Raises:
        ValueError: for boxes of another shape, or a size that is not two numbers.

    Gradient: to the edges that stay, and a tensor of sizes. A box outside becomes one of no area at the image's edge.
        NaN gives NaN, with gradient 0, in its box.

    >>> clip_boxes(torch.tensor([[-2.0, 1.0, 3.0, 9.0]]), (4, 6)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    check_boxes("clip_boxes", "boxes", boxes, "xyxy")
    limits = pair_like("clip_boxes", size, boxes, boxes.shape[:-2]).flip(-1)[..., None, :]
    known, good = finite_rows(boxes, 1)
    clipped = torch.minimum(known.clamp(min=0), torch.cat([limits, limits], -1))
    valid = good & (clipped[..., 2:] > clipped[..., :2]).all(-1)
    out = or_nan(clipped, good.expand(valid.shape))
    return (out, valid) if return_valid else out


def transform_boxes(
    matrix: Float[Tensor, "*batch 3 3"], boxes: Float[Tensor, "*batch n box"], *, return_valid: bool = False
) -> Float[Tensor, "*batch n box"] | tuple[Float[Tensor, "*batch n box"], Bool[Tensor, "*batch n"]]:
    """Returns the upright boxes around the moved corners of boxes; of quads, the moved quads.

    Args:
        matrix: an affine (2, 3) or projective (3, 3) map of pixel centres, source to output, as all that warps images
            takes; the half pixel between centres and the edges that boxes are in is seen to here.
        boxes: xyxy (*batch, n, 4), or quads (*batch, n, 4, 2): those of turned boxes stay exact.
        return_valid: whether to return also which boxes are wholly on the near side of the horizon, w > 0.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the matrix and the corners that are outermost, to several equally where they are level. A box that
        crosses the horizon becomes 0, with gradient 0; one with NaN becomes NaN, with gradient 0.

    >>> flip = torch.tensor([[-1.0, 0.0, 9.0], [0.0, 1.0, 0.0]])  # of an image 10 pixels wide
    >>> transform_boxes(flip, torch.tensor([[0.0, 2.0, 4.0, 5.0]])).tolist()
    [[6.0, 2.0, 10.0, 5.0]]
    """
    is_quad = isinstance(boxes, Tensor) and boxes.ndim > 2 and tuple(boxes.shape[-2:]) == (4, 2)
    check_boxes("transform_boxes", "boxes", boxes, "quad" if is_quad else "xyxy")
    check_matrix("transform_boxes", "matrix", matrix, (3, 3), (2, 3))
    check_batches("transform_boxes", "matrix", matrix.shape[:-2], boxes.shape[: -3 if is_quad else -2])
    known, good = finite_rows(boxes, 2 if is_quad else 1)
    corners = (known if is_quad else convert_boxes(known, "xyxy", "quad")) - HALF
    moved, ahead = _moved(matrix, corners)
    whole = ahead.all(-1)
    moved = torch.where(whole[..., None, None], moved + HALF, 0)
    hulls = moved if is_quad else torch.cat([moved.amin(-2), moved.amax(-2)], -1)
    out = or_nan(hulls, good.expand(whole.shape))
    return (out, good & whole) if return_valid else out


def _moved(matrix: Tensor, corners: Float[Tensor, "*batch n 4 2"]) -> tuple[Tensor, Any]:
    """Returns where corners go, and which stay on the near side of the horizon."""
    columns = matrix[..., None, None, :, :].unbind(-1)
    moved = columns[0] * corners[..., :1] + columns[1] * corners[..., 1:] + columns[2]
    if matrix.shape[-2] == 2:
        return moved, torch.ones_like(moved[..., 0], dtype=torch.bool)
    places, finite = from_homogeneous(moved, return_valid=True)
    return places, finite & (moved[..., 2] > 0)
