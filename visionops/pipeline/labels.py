"""Points, boxes and intrinsics that follow a motion. All samples of a batch are one flat list with an owner each.

Points are in pixel centres, boxes in pixel edges: `boxes_through` and `_shrink` cross between the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.errors import mistake
from visionops.kernels.warp import definition

from . import matrix as mat
from .matrix import Matrix
from .motion import Domain, Leg, Motion, reach
from .numbers import Size
from .targets import Rows, may_look

# The inverse of a deformation by fixed point: its gradient is under 0.9, so the error shrinks at least that fast.
INVERSION_STEPS = 60
INVERSION_TOLERANCE = 0.01  # pixels
# Where along its sides a box is followed when sides do not stay straight.
SIDE_POINTS = (0.0, 0.25, 0.5, 0.75)


def points_forward(
    motion: Motion, points: Float[Tensor, "t 2"], owner: Int[Tensor, " t"]
) -> tuple[Float[Tensor, "t 2"], Bool[Tensor, " t"]]:
    """Returns where source points land in the output, and which of them are seen there.

    A point is seen if it lies inside the output and left no domain on its way. On the host computed in float64.
    """
    x, y = points.to(_precision(points)).unbind(-1)
    seen = torch.ones_like(x, dtype=torch.bool)
    for leg in reversed(motion.legs):
        if leg.field is not None:
            x, y, converged = _undo_field(leg.field, x, y, owner)
            seen = seen & converged
        x, y, w = mat.apply(_entries(mat.inverse(leg.matrix), owner, x), x, y)
        x, y = x / w, y / w
        seen = seen & (w > 0)
        for domain in leg.domains:
            seen = seen & _stays(domain, x, y, owner)
    height, width = (_each(n, owner, x) for n in motion.size)
    seen = seen & (x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)
    return torch.stack([x, y], -1), seen


def points_backward(
    motion: Motion, points: Float[Tensor, "t 2"], owner: Int[Tensor, " t"]
) -> tuple[Float[Tensor, "t 2"], Bool[Tensor, " t"]]:
    """Returns where output points come from in the source, and which of them lie inside it."""
    x, y = points.to(_precision(points)).unbind(-1)
    seen = torch.ones_like(x, dtype=torch.bool)
    for leg in motion.legs:
        for domain in leg.domains:
            seen = seen & _stays(domain, x, y, owner)
        x, y, w = mat.apply(_entries(leg.matrix, owner, x), x, y)
        x, y = x / w, y / w
        seen = seen & (w > 0)
        if leg.field is not None:
            moved = _field_at(leg.field, x, y, owner)
            x, y = x + moved[0], y + moved[1]
    height, width = (_each(n, owner, x) for n in motion.source_size)
    seen = seen & (x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)
    return torch.stack([x, y], -1), seen


def keypoints_through(
    motion: Motion, rows: Rows, pairs: Sequence[tuple[int, int]], *, inverse: bool = False
) -> tuple[Float[Tensor, "t w"], Bool[Tensor, " t"]]:
    """Returns keypoints moved, with what else their rows carry, and which are seen; pairs swap in a mirror.

    Args:
        inverse: from the output to the source.
    """
    through = points_backward if inverse else points_forward
    moved, seen = through(motion, rows.values[:, :2], rows.owner)
    values = torch.cat([moved.to(rows.dtype), rows.values[:, 2:].to(rows.dtype)], 1)
    if pairs:
        order = swap_order(motion, rows, pairs)
        values, seen = values[order], seen[order]
    return values, seen


def boxes_through(
    motion: Motion, boxes: Float[Tensor, "t 4"], owner: Int[Tensor, " t"], *, hull: str, inverse: bool = False
) -> Float[Tensor, "t 4"]:
    """Returns xyxy boxes around the moved boxes, in pixel edges, neither clipped nor filtered.

    Args:
        hull: "corners" bounds the moved rectangle, "ellipse" the moved ellipse inscribed in it, which is tighter
            around round things when rotated. A deformation takes "corners".
        inverse: from the output to the source.

    A box that crosses the horizon of a perspective is NaN.
    """
    centred = boxes.to(_precision(boxes)) - 0.5
    if hull == "ellipse" and motion.is_matrix:
        matrix = motion.legs[0].matrix if inverse else mat.inverse(motion.legs[0].matrix)
        return _ellipse_bounds(_entries(matrix, owner, centred), centred) + 0.5
    outline = _outline(centred, (0.0,) if motion.is_matrix else SIDE_POINTS)
    n = outline.shape[1]
    many = owner.repeat_interleave(n)
    through = points_backward if inverse else points_forward
    moved, _ = through(motion, outline.flatten(0, 1), many)
    ahead = _ahead(motion, outline.flatten(0, 1), many, inverse).unflatten(0, (-1, n)).all(1)
    moved = moved.unflatten(0, (-1, n))
    hulls = torch.cat([moved.amin(1), moved.amax(1)], -1) + 0.5
    return torch.where(ahead[:, None], hulls, torch.nan)


def clip_boxes(
    motion: Motion, boxes: Float[Tensor, "t 4"], owner: Int[Tensor, " t"], *, min_area: float, min_visibility: float
) -> tuple[Float[Tensor, "t 4"], Bool[Tensor, " t"]]:
    """Returns boxes clipped to what the output shows, and which of them stay.

    A box stays if it keeps an area over 0, at least `min_area` square pixels and `min_visibility` of its whole.
    """
    window = torch.stack(
        [
            torch.zeros_like(boxes[:, 0]),
            torch.zeros_like(boxes[:, 0]),
            _each(motion.size[1], owner, boxes[:, 0]),
            _each(motion.size[0], owner, boxes[:, 0]),
        ],
        -1,
    )
    for domain in motion.legs[0].domains:
        window = _shrink(window, domain, owner)
    low = torch.maximum(boxes[:, :2], window[:, :2])
    high = torch.minimum(boxes[:, 2:], window[:, 2:])
    high = torch.maximum(low, high)
    area = (high - low).prod(-1)
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    keep = (area > 0) & (area >= min_area) & (area >= min_visibility * whole)
    return torch.where(keep[:, None], torch.cat([low, high], -1), 0), keep


def is_mirrored(motion: Motion, like: Tensor) -> Bool[Tensor, " b"]:
    """Returns whether each sample's image is seen in a mirror, so that left and right change places."""
    sign: Tensor | None = None
    for leg in motion.legs:
        m = mat.stack(leg.matrix)
        m = m if isinstance(m, Tensor) else torch.from_numpy(m)
        r0, r1, r2 = m.detach().unbind(1)
        determinant = (r0 * torch.linalg.cross(r1, r2, dim=-1)).sum(-1)
        sign = determinant if sign is None else sign * determinant
    assert sign is not None
    return (sign < 0).to(like.device)


def _precision(values: Tensor) -> torch.dtype:
    return torch.float64 if values.device.type == "cpu" else torch.float32


def _entries(m: Matrix, owner: Tensor, like: Tensor) -> tuple[Tensor, ...]:
    """Returns the nine entries of each point's matrix."""
    stacked = mat.stack(m)
    tensor = stacked if isinstance(stacked, Tensor) else torch.from_numpy(stacked)
    tensor = tensor.to(like.device, like.dtype)
    return (tensor if tensor.shape[0] == 1 else tensor[owner]).flatten(1).unbind(1)


def _each(n: object, owner: Tensor, like: Tensor) -> Tensor:
    """Returns a number, or one for each sample, as one for each point."""
    value = torch.as_tensor(n, dtype=like.dtype, device=like.device)
    return value[owner] if value.ndim else value.expand(like.shape[0])


def _stays(domain: Domain, x: Tensor, y: Tensor, owner: Tensor) -> Tensor:
    px, py, w = mat.apply(_entries(domain.matrix, owner, x), x, y)
    x0, y0, x1, y1 = (_each(edge, owner, x) for edge in reach(domain.rectangle))
    return (w > 0) & (px >= x0 * w) & (px <= x1 * w) & (py >= y0 * w) & (py <= y1 * w)


def _field_at(field: Tensor, x: Tensor, y: Tensor, owner: Tensor) -> Tensor:
    """Returns the displacement (2, t) at points, each in its own sample's field, bilinear."""
    b, _, h, w = field.shape
    flat = field.to(x.dtype).transpose(0, 1).flatten(1)
    first = owner * h if b > 1 else torch.zeros_like(owner)
    out = torch.zeros(2, len(x), dtype=x.dtype, device=x.device)
    xs, wx = definition.taps(x, "bilinear", x.dtype)
    ys, wy = definition.taps(y, "bilinear", y.dtype)
    for iy, weight_y in zip(ys, wy, strict=True):
        for ix, weight_x in zip(xs, wx, strict=True):
            index = (first + definition.fold(iy, h, "replicate")) * w + definition.fold(ix, w, "replicate")
            out = out + flat[:, index] * (weight_x * weight_y)
    return out


def _undo_field(field: Tensor, x: Tensor, y: Tensor, owner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Solves p + field(p) = (x, y) for p by fixed point; one Newton step at the end carries the gradient."""
    px, py = x, y
    with torch.no_grad():
        for _ in range(INVERSION_STEPS):
            moved = _field_at(field, px, py, owner)
            step = torch.maximum((x - moved[0] - px).abs(), (y - moved[1] - py).abs())
            px, py = x - moved[0], y - moved[1]
            if may_look(x) and bool((step < 1e-4).all()):
                break  # a device is not asked
        h = INVERSION_TOLERANCE
        a, c = (_field_at(field, px + h, py, owner) - _field_at(field, px - h, py, owner)) / (2 * h)
        b, d = (_field_at(field, px, py + h, owner) - _field_at(field, px, py - h, owner)) / (2 * h)
        a, d = 1 + a, 1 + d
        scale = 1 / (a * d - b * c)  # the slope is under 0.9: never 0
    moved = _field_at(field, px, py, owner)
    ex, ey = px + moved[0] - x, py + moved[1] - y
    near = torch.maximum(ex.abs(), ey.abs()) < INVERSION_TOLERANCE
    return px - (d * ex - b * ey) * scale, py - (a * ey - c * ex) * scale, near


def _outline(boxes: Tensor, along: tuple[float, ...]) -> Tensor:
    """Returns points (t, 4 len(along), 2) around each box, from each corner on along the side after it."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    corners = torch.stack([torch.stack(c, -1) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], 1)
    following = corners.roll(-1, 1)
    return torch.cat([corners + a * (following - corners) for a in along], 1)


def _ahead(motion: Motion, points: Tensor, owner: Tensor, inverse: bool) -> Tensor:
    """Returns which points lie on the near side of the horizon all the way."""
    legs: list[Leg] = list(motion.legs)
    if len(legs) > 1:
        return torch.ones(len(points), dtype=torch.bool, device=points.device)
    matrix = legs[0].matrix if inverse else mat.inverse(legs[0].matrix)
    return mat.apply(_entries(matrix, owner, points), points[:, 0], points[:, 1])[2] > 0


def _ellipse_bounds(m: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
    """Returns the bounds of each box's inscribed ellipse seen through a homography, by its dual conic.

    The dual conic C* = A diag(a^2, b^2, -1) A^T, A the matrix times the translation to the centre, bounds x at the
    roots of C*22 x^2 - 2 C*02 x + C*00 = 0. Source: Hartley and Zisserman, Multiple View Geometry, sec. 2.2.3.
    """
    a, b = (boxes[:, 2] - boxes[:, 0]) / 2, (boxes[:, 3] - boxes[:, 1]) / 2
    cx, cy = (boxes[:, 2] + boxes[:, 0]) / 2, (boxes[:, 3] + boxes[:, 1]) / 2
    rows = [(m[3 * i] * a, m[3 * i + 1] * b, m[3 * i] * cx + m[3 * i + 1] * cy + m[3 * i + 2]) for i in range(3)]

    def conic(i: int, j: int) -> Tensor:
        return rows[i][0] * rows[j][0] + rows[i][1] * rows[j][1] - rows[i][2] * rows[j][2]

    c22 = conic(2, 2)
    bounds = []
    for i in (0, 1):
        middle = conic(i, 2) / c22
        half = (middle * middle - conic(i, i) / c22).clamp(min=0).sqrt()
        bounds.append((middle - half, middle + half))
    (x0, x1), (y0, y1) = bounds
    # c22 < 0 is an ellipse wholly on one side of the horizon; its centre says which.
    return torch.where(((c22 < 0) & (rows[2][2] > 0))[:, None], torch.stack([x0, y0, x1, y1], -1), torch.nan)


def _shrink(window: Tensor, domain: Domain, owner: Tensor) -> Tensor:
    """Returns the window cut to the bounds of a domain seen in the output, where those are finite."""
    rectangle = torch.stack([_each(edge, owner, window[:, 0]) for edge in domain.rectangle], -1) - 0.5
    corners = _outline(rectangle, (0.0,))
    entries = tuple(e[:, None] for e in _entries(mat.inverse(domain.matrix), owner, window))
    x, y, w = mat.apply(entries, corners[..., 0], corners[..., 1])
    x, y, ahead = x / w + 0.5, y / w + 0.5, (w > 0).all(1)
    bounds = torch.stack([x.amin(1), y.amin(1), x.amax(1), y.amax(1)], -1)
    low = torch.maximum(window[:, :2], bounds[:, :2])
    high = torch.minimum(window[:, 2:], bounds[:, 2:])
    return torch.where(ahead[:, None], torch.cat([low, high], -1), window)


def intrinsics_through(motion: Motion, intrinsics: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 3 3"]:
    """Returns M K, the intrinsics of the output's camera, literally: a flip makes a focal length negative."""
    stacked = mat.stack(mat.inverse(motion.matrix))
    m = stacked if isinstance(stacked, Tensor) else torch.from_numpy(np.ascontiguousarray(stacked))
    kind = _precision(intrinsics)
    m, k = m.to(intrinsics.device, kind), intrinsics.to(kind)
    return (m[:, :, :, None] * k[:, None]).sum(2)


def sizes_of(size: Size, like: Tensor, owner: Int[Tensor, " t"]) -> Float[Tensor, "t 2"]:
    """Returns the (height, width) that each row's sample has."""
    reference = like.new_empty(len(owner), dtype=_precision(like))
    return torch.stack([_each(n, owner, reference) for n in size], -1)


def swap_order(motion: Motion, rows: Rows, pairs: Sequence[tuple[int, int]]) -> Int[Tensor, " t"]:
    """Returns the order of keypoints in which the pairs have changed places in every mirrored sample."""
    most, named = max(rows.counts, default=0), 1 + max(max(pair) for pair in pairs)
    short = [n for n in rows.counts if 0 < n < named]
    if short:
        raise mistake("Pipeline", "keypoint_swap", f"pairs of the {short[0]} keypoints", list(pairs))
    table = torch.arange(max(most, named))
    for a, b in pairs:
        table[a], table[b] = b, a
    owner = rows.owner
    counts = torch.tensor(rows.counts, dtype=torch.int64, device=owner.device)
    start = (counts.cumsum(0) - counts)[owner]
    local = torch.arange(len(owner), device=owner.device) - start
    mirrored = is_mirrored(motion, rows.values).expand(len(rows.counts))
    return start + torch.where(mirrored[owner], table.to(owner.device)[local], local)
