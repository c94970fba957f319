"""A chain of geometric steps composed into one motion of the pixels: what one warp, and every label, follows.

Positions are followed backwards, from an output pixel to the source. Each step owns a domain, the part of its input
that it shows; a position that leaves one gets that step's fill. A domain that holds everything the output can see
is dropped here, so that no kernel tests it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake, refuse
from visionops.kernels.warp import definition

from . import matrix as mat
from .matrix import IDENTITY, Matrix
from .numbers import Size, are_scalars, beside, every, where
from .steps import Deform, Geometric, Values

# How far beyond its edge a domain reaches, pixels: the rounding of a composed position must not decide. In float32
# on a device a position errs by up to 1e-4 at 1000 pixels; hosts compute in float64.
EDGE_SLACK = 1e-4
# An inactive step's domain: larger than any image, small enough that no product overflows.
EVERYWHERE = 1e9
AT_ONE_SIZE = "A compiled batch has one size after every step."
# The largest power of two by which a source is reduced: 4096 pixels become one.
MAX_LEVEL = 12


class Bound(NamedTuple):
    """A geometric step with its values and, for each sample, whether it runs."""

    step: Geometric | Deform
    values: Values
    active: Any


class Domain(NamedTuple):
    """The rectangle (x0, y0, x1, y1), in pixel edges, that positions `matrix @ output` must stay in."""

    matrix: Matrix
    rectangle: tuple[Any, Any, Any, Any]
    fill: tuple[float, ...] | None


@dataclass(frozen=True)
class Leg:
    """A stretch of the way from the output back to the source: a matrix, then perhaps a deformation.

    Attributes:
        matrix: from where the leg starts, nearer the output, to where it ends.
        domains: what positions must stay in; their matrices start where the leg starts.
        field: the displacement (b, 2, h, w) added at its end, or None.
        size: of the image the leg ends in.
        border: how that image continues, where a leg follows.
    """

    matrix: Matrix
    domains: tuple[Domain, ...]
    field: Tensor | None
    size: Size
    border: str


@dataclass(frozen=True)
class Motion:
    """How the pixels of an output of one size find theirs in a source of another.

    Attributes:
        size: of the output.
        legs: the way from the output to the source; one, without a field, unless something deforms.
        bordered: for which samples the border holds; the source of the others is replicated.
    """

    size: Size
    source_size: Size
    legs: tuple[Leg, ...]
    bordered: Any = True

    @property
    def is_matrix(self) -> bool:
        return len(self.legs) == 1 and self.legs[0].field is None

    @property
    def deforms(self) -> bool:
        return any(leg.field is not None for leg in self.legs)

    @property
    def matrix(self) -> Matrix:
        """The product of the legs' matrices, from the output to the source: borders and fields left aside."""
        whole = self.legs[0].matrix
        for leg in self.legs[1:]:
            whole = mat.product(leg.matrix, whole)
        return whole

    @property
    def border(self) -> str:
        """How the source continues: a domain that ends in fill reads its last taps by replication."""
        border = self.legs[-1].border
        return "replicate" if border == "constant" else border


def autocasts(device: str) -> bool:
    """Returns whether autocast is on for a device; it would round positions to 8 bits, and is off in here."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def compose(bounds: Sequence[Bound], size: Size, like: Tensor) -> Motion:
    """Returns the motion of a chain of steps, first step first.

    Args:
        size: of the chain's input.
        like: a tensor of the device that dense maps are wanted on.
    """
    sizes = [size]
    for bound in bounds:
        sizes.append(size_after(bound, sizes[-1]))
    legs: list[Leg] = []
    position: Matrix = IDENTITY
    domains: list[Domain] = []
    for i in reversed(range(len(bounds))):
        step, values, active = bounds[i].step, bounds[i].values, bounds[i].active
        before = sizes[i]
        if active is False:
            continue
        field = None
        if isinstance(step, Deform):
            field = _field(step, values, active, before, like)
        else:
            seen = beside(before, values)
            inverse = mat.inverse(mat.settle(step.matrix(values, seen)))
            if active is not True:
                inverse = mat.select(active, inverse, IDENTITY)
            position = inverse if position is IDENTITY else mat.product(inverse, position)
            if step.border == "constant":
                domain = Domain(position, _limits(step.domain(values, seen), active), step.fill)
                unseen = isinstance(position, Tensor) and step.fits
                if legs or not (unseen or _holds(domain, sizes[-1])):
                    domains.append(domain)
        if field is not None or (step.border != "constant" and i > 0):
            legs.append(Leg(position, tuple(domains), field, before, step.border))
            rectangle = _limits((0, 0, before[1], before[0]), active)
            position, domains = IDENTITY, []
            if field is not None:
                domains.append(Domain(IDENTITY, rectangle, step.fill))
    border = bounds[0].step.border if bounds and bounds[0].active is not False else "constant"
    legs.append(Leg(position, tuple(domains), None, size, border))
    return Motion(sizes[-1], size, tuple(legs), True if border == "constant" else bounds[0].active)


def size_after(bound: Bound, size: Size) -> Size:
    """Returns the size of a step's output, sample by sample where only some run it."""
    step, values, active = bound
    if active is False or isinstance(step, Deform):
        return size
    after = step.output_size(values, size)
    if after is size or (active is True and type(after[0]) is int and type(after[1]) is int):
        return after
    if isinstance(active, Tensor):
        if isinstance(size[0], int) and isinstance(size[1], int) and tuple(after) == tuple(size):
            return size
        name = type(step).__name__
        raise refuse(name, "p", "1 under torch.compile where the step changes the image's size", step.p, AT_ONE_SIZE)
    if any(isinstance(n, np.ndarray) and len(n) == 0 for n in after):
        return size  # no sample decides
    return where(active, after[0], size[0]), where(active, after[1], size[1])


def uniform_size(size: Size) -> tuple[int, int] | None:
    """Returns a size as two ints if every sample has it, else None."""
    if isinstance(size[0], int) and isinstance(size[1], int):
        return size
    h, w = (np.unique(n) for n in size)
    return (int(h[0]), int(w[0])) if len(h) == len(w) == 1 else None


def planes(domains: Sequence[Domain]) -> np.ndarray | Tensor | None:
    """Returns the domains as half-planes (b, d, 4, 3), ``a u + b v + c >= 0``."""
    if not domains:
        return None
    tensor = next((d.matrix for d in domains if isinstance(d.matrix, Tensor)), None)
    if tensor is None:
        rows = [_four_planes(d.matrix, reach(d.rectangle)) for d in domains]  # type: ignore[arg-type]
        if all(map(are_scalars, rows)):
            return np.array(rows).reshape(1, len(domains), 4, 3)
        columns = np.broadcast_arrays(*(v for row in rows for v in row))
        return np.stack(columns, -1).reshape(-1, len(domains), 4, 3)
    sides = []
    for domain in domains:
        stacked = mat.stack(domain.matrix, tensor)
        assert isinstance(stacked, Tensor)
        entries = stacked.flatten(1).unbind(1)
        edges = tuple(_beside(edge, tensor, 0) for edge in reach(domain.rectangle))
        four = torch.broadcast_tensors(*(torch.as_tensor(v).to(tensor) for v in _four_planes(entries, edges)))
        sides.append(torch.stack(four, -1).reshape(-1, 4, 3))
    return torch.stack(torch.broadcast_tensors(*sides), 1)


def _four_planes(m: tuple[Any, ...], edges: tuple[Any, Any, Any, Any]) -> list[Any]:
    """Returns the twelve numbers of a rectangle's sides x >= x0, x <= x1, y >= y0, y <= y1, seen through a matrix."""
    (a, b, c, d, e, f), (g, h, i) = m[:6], m[6:] or mat.LAST_ROW
    x0, y0, x1, y1 = edges
    return [
        *(a - x0 * g, b - x0 * h, c - x0 * i),
        *(x1 * g - a, x1 * h - b, x1 * i - c),
        *(d - y0 * g, e - y0 * h, f - y0 * i),
        *(y1 * g - d, y1 * h - e, y1 * i - f),
    ]


def coordinates(motion: Motion, size: tuple[int, int], like: Tensor) -> Tensor:
    """Returns a motion as a dense map (b, h, w, 2); NaN where a domain behind its first leg was left."""
    matrix = _tensor(motion.legs[0].matrix, like)
    u, v = definition.pixel_grid(size, matrix)
    x, y = u.expand(1, *size), v.expand(1, *size)
    valid = torch.ones_like(x, dtype=torch.bool)
    for i, leg in enumerate(motion.legs):
        for domain in leg.domains if i else ():
            valid = valid & _inside(domain, x, y)
        x, y = _project(_tensor(leg.matrix, like), x, y)
        if leg.field is not None:
            moved = sample_field(leg.field, x, y)
            x, y = x + moved[:, 0].to(x.dtype), y + moved[:, 1].to(y.dtype)
        elif i + 1 < len(motion.legs):
            h, w = leg.size
            x, y = _continue(x, w, leg.border), _continue(y, h, leg.border)
    return torch.where(valid[..., None], torch.stack(torch.broadcast_tensors(x, y), -1), torch.nan)


def sample_field(field: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Returns a field (b, 2, h, w) at positions (b, ...), bilinear, continued by its edge: (b, 2, ...)."""
    (b,) = torch.broadcast_shapes(field.shape[:1], x.shape[:1])
    x, y = x.expand(b, *x.shape[1:]), y.expand(b, *y.shape[1:])
    at = torch.stack([x.flatten(1), y.flatten(1)], -1)[:, None].expand(b, -1, -1, -1)
    fill = torch.zeros(2, dtype=field.dtype, device=field.device)
    out = definition.warp(field.expand(b, -1, -1, -1), None, (1, at.shape[2]), coordinates=at, fill=fill)
    return out.reshape(b, 2, *x.shape[1:])


def levels(motion: Motion) -> np.ndarray | Tensor | None:
    """Returns the powers of two (b or 1, 2), along y and x, by which the motion minifies at the output's centre.

    Rounded down: what remains is a minification below 2, where bilinear taps still touch every source pixel.
    A tensor where the matrix is on a device or traced: it is not read back.
    """
    sx, sy = mat.stretch(motion.matrix, *mat.centre(motion.size))
    if isinstance(sx, Tensor):
        if torch.compiler.is_compiling() or sx.device.type != "cpu":
            powers = torch.stack([sy, sx], -1).clamp(1, 2.0**MAX_LEVEL).log2()
            return (powers + 1e-6).floor().int()
        sx, sy = sx.double().numpy(), sy.double().numpy()
    if isinstance(sx, float) and sx < 2 and sy < 2:
        return None
    if torch.compiler.is_compiling():  # a matrix that is never drawn
        return torch.tensor([[math.floor(math.log2(min(max(s, 1), 2.0**MAX_LEVEL)) + 1e-6) for s in (sy, sx)]])
    both = np.stack(np.broadcast_arrays(np.atleast_1d(sy), np.atleast_1d(sx)), -1).clip(1, 2.0**MAX_LEVEL)
    if np.isnan(both).any():
        raise mistake("Pipeline", "matrix", "finite", "NaN", "Look for NaN among the parameters and learned bounds.")
    return np.floor(np.log2(both) + 1e-6).astype(np.int32)


def _field(step: Deform, values: Values, active: Any, size: Size, like: Tensor) -> Tensor:
    field = step.displacement(values, size, like)
    return field if active is True else field * torch.as_tensor(active).to(field)[:, None, None, None]


def _limits(rectangle: tuple[Any, Any, Any, Any], active: Any) -> tuple[Any, Any, Any, Any]:
    if active is True:
        return rectangle
    everywhere = (-EVERYWHERE, -EVERYWHERE, EVERYWHERE, EVERYWHERE)
    x0, y0, x1, y1 = (where(active, a, b) for a, b in zip(rectangle, everywhere, strict=True))
    return x0, y0, x1, y1


def reach(rectangle: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Returns a rectangle of pixel edges in pixel-centre coordinates, with its slack."""
    x0, y0, x1, y1 = rectangle
    low, high = -0.5 - EDGE_SLACK, -0.5 + EDGE_SLACK
    return x0 + low, y0 + low, x1 + high, y1 + high


def _holds(domain: Domain, size: Size) -> bool:
    """Returns whether a domain certainly contains every position of an output of that size."""
    if isinstance(domain.matrix, Tensor):
        return False
    h, w = size
    x0, y0, x1, y1 = reach(domain.rectangle)
    for u, v in ((0, 0), (w - 1, h - 1), (w - 1, 0), (0, h - 1)):
        x, y, z = mat.apply(domain.matrix, u, v)
        if not every((z > 0) & (x >= x0 * z) & (x <= x1 * z) & (y >= y0 * z) & (y <= y1 * z)):
            return False
    return True


def _inside(domain: Domain, x: Tensor, y: Tensor) -> Tensor:
    px, py = _project(_tensor(domain.matrix, x), x, y)
    x0, y0, x1, y1 = (_beside(edge, px, 2) for edge in reach(domain.rectangle))
    return (px >= x0) & (px <= x1) & (py >= y0) & (py <= y1)


def _continue(x: Tensor, n: Any, border: str) -> Tensor:
    """Returns positions brought into an image of n pixels by its border rule."""
    last = _beside(n - 1, x, 2)
    if border == "circular":
        return (x + 0.5).remainder(last + 1) - 0.5
    if border == "reflect":
        period = torch.as_tensor(2 * last, dtype=x.dtype, device=x.device).clamp(min=1e-9)
        x = x.remainder(period)
        return torch.minimum(x, period - x)
    return torch.minimum(x.clamp(min=0), torch.as_tensor(last, dtype=x.dtype, device=x.device))


def _beside(edge: Any, like: Any, trailing: int) -> Any:
    """Returns a number as it is, and one for each sample shaped to go beside (b, *trailing)."""
    if isinstance(like, Tensor) and isinstance(edge, np.ndarray):
        edge = torch.from_numpy(edge).to(like.device, like.dtype)
    if isinstance(edge, np.ndarray | Tensor) and edge.ndim:
        return edge.reshape(-1, *(1,) * trailing)
    return edge


def on(device: torch.device, values: Any) -> Any:
    """Returns positions on a device, where they are float32; arrays, and tensors on the host, as they are."""
    if not isinstance(values, Tensor) or (values.device == device and device.type == "cpu"):
        return values
    return values.to(device, values.dtype if device.type == "cpu" else torch.float32)


def _project(m: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    entries = tuple(m[:, i, j].reshape(-1, *(1,) * (x.ndim - 1)) for i in range(3) for j in range(3))
    u, v, w = mat.apply(entries, x, y)
    return u / w, v / w


def _tensor(m: Matrix, like: Tensor) -> Tensor:
    stacked = mat.stack(m)
    if isinstance(stacked, Tensor):
        return on(like.device, stacked)
    return torch.from_numpy(stacked).to(like.device, torch.float64 if like.device.type == "cpu" else torch.float32)
