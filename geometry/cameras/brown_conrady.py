"""The camera of OpenCV: radial, tangential, thin prism and tilted sensor.

a = x / z,  b = y / z,  s = a^2 + b^2,  c = (1 + k1 s + k2 s^2 + k3 s^3) / (1 + k4 s + k5 s^2 + k6 s^3)
mx = a c + 2 p1 a b + p2 (s + 2 a^2) + s1 s + s2 s^2
my = b c + p1 (s + 2 b^2) + 2 p2 a b + s3 s + s4 s^2
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import both, doubled
from visionops.geometry.batches import COMPILED
from visionops.geometry.implicit.steps import Grad, is_watched, may_branch, newton_steps
from visionops.kernels import brown_conrady, native
from visionops.kernels.functions import opaque, primitive
from visionops.precision import exact

from .camera import Camera
from .newton import NODES, Table, in_blocks, look_up, newton, tabulate
from .plane import hold, in_front

# |x| + |y| relative to z from which on points are held: 89.4 degrees off the axis, where r^7 still fits a float32.
REACH = 100.0


class _Lens(NamedTuple):
    """Coefficients (*batch, 1): of numerator and denominator from 1 on, tangential, and of the thin prism."""

    top: tuple[Tensor, ...]
    bottom: tuple[Tensor, ...]
    tangential: tuple[Tensor, ...]
    prism: tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class BrownConradyCamera(Camera):
    """The camera of radial and tangential distortion, in all lengths of OpenCV.

    Args:
        matrix: K, in pixels.
        distortion: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], 4, 5, 8, 12 or 14 of them. tx and ty are the
            sensor's tilt about x and y in radians.

    A point is valid if it is less than 89.4 degrees off the axis (|x| + |y| < 100 z, about) and before the radius where
    the radial part stops growing: from there on images fold back. Values are the formula's beyond the fold; points
    behind are projected as if they were at the least z. `unproject` solves by Newton's method in float64, to 1e-12; a
    pixel that no valid point has gets the ray at the edge of the domain.

    Source: Brown, Decentering distortion of lenses, 1966; OpenCV's calibration model.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = BrownConradyCamera(k, torch.tensor([-0.25, 0.0, 0.0, 0.0]))
    >>> camera.project(torch.tensor([[1.0, 0.0, 1.0]])).tolist()
    [[125.0, 40.0]]
    """

    distortion: Float[Tensor, "*batch k"]

    lengths = (4, 5, 8, 12, 14)

    @exact
    def project(self, points: Tensor, *, return_valid: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Returns the pixels (x, y) of points; see `Camera.project`."""
        self._check("project", points, 3)
        flat = self._flattened(points)
        if flat is None:
            return super().project(points, return_valid=return_valid)
        batch, given = flat
        pixels = _project(*given).reshape(*batch, -1, 2)
        return (pixels, _see(*given).reshape(*batch, -1)) if return_valid else pixels

    def _rays(self, method: str, pixels: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
        self._check(method, pixels, 2)
        flat = self._flattened(pixels) if grad in ("implicit", "none") else None
        if flat is None:
            return super()._rays(method, pixels, grad)
        batch, (places, matrix, distortion) = flat
        if grad == "none":
            places, matrix, distortion = places.detach(), matrix.detach(), distortion.detach()
        sound = None
        if method == "undistort":  # what the tilt alone maps to
            sound, matrix = self._finite()[1], torch.eye(3, dtype=matrix.dtype)[None]
        found = _undistort(places, matrix, distortion).reshape(*batch, -1, 3)
        x, y, state = found.unbind(-1)
        state = state.detach()
        good = None if may_branch(state) and float(state.amin()) >= 0 else state >= 0
        return x, y, torch.ones_like(x[..., :1]), both(good, sound), both(state > 0, sound)

    def _flattened(self, places: Tensor) -> tuple[torch.Size, tuple[Tensor, Tensor, Tensor]] | None:
        """Returns the batch, and places and camera with one batch dimension; None where nothing compiled takes them."""
        kind, values = places.dtype, (places, self.matrix, self.distortion)
        if kind not in COMPILED or any(v.dtype != kind for v in values) or not native.may_be_recorded(*values):
            return None
        batch = torch.broadcast_shapes(places.shape[:-2], self.matrix.shape[:-2], self.distortion.shape[:-1])
        if 0 in batch or not places.numel():
            return None
        flat = places if places.shape[:-2] == batch else places.expand(*batch, -1, -1)
        flat = flat if flat.ndim == 3 else flat.reshape(-1, *places.shape[-2:])
        return batch, (flat, _rows(self.matrix, batch, 2), _rows(self.distortion, batch, 1))

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        depth = hold(x, y, z, 1 / REACH)
        return _bend(_lens(self._coefficients()), x / depth, y / depth)

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        lens = _lens(tuple(c.detach() for c in self._coefficients()))
        depth = hold(x, y, z, 1 / REACH)
        s = (x / depth).square() + (y / depth).square()
        return in_front(x, y, z, 1 / REACH) & _grows(lens, _tabulate(lens), s)

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kind = torch.promote_types(u.dtype, self.distortion.dtype)
        mx, my, *k = doubled(u, v, *self._coefficients())
        if grad == "unroll":
            x, y, done, *_ = in_blocks(_solve, tuple(k), (mx, my))
        else:
            with torch.no_grad():
                x, y, done, *inverse = in_blocks(_solve, tuple(c.detach() for c in k), (mx.detach(), my.detach()))
            if grad == "implicit" and is_watched(mx, my, *k):
                x, y = _with_gradient(_lens(tuple(k)), x, y, mx, my, inverse)
        return x.to(kind), y.to(kind), torch.ones_like(x[..., :1], dtype=kind), done

    def _tilt(self) -> Float[Tensor, "*batch 3 3"] | None:
        if self.distortion.shape[-1] < 14:
            return None
        about_x, about_y = self.distortion[..., 12:].unbind(-1)
        (sx, cx), (sy, cy) = ((a.sin(), a.cos()) for a in (about_x, about_y))
        # The projection along z of the plane that Ry Rx turned: rows 0 and 1 of R R33 - R13, R23 (row 2), and row 2.
        zero = torch.zeros_like(sx)
        top = [torch.stack(row, -1) for row in ([cy, sy * sx, -sy * cx], [zero, cx, sx], [sy, -cy * sx, cy * cx])]
        r13, r23, r33 = top[0][..., 2:], top[1][..., 2:], top[2][..., 2:]
        return torch.stack([r33 * top[0] - r13 * top[2], r33 * top[1] - r23 * top[2], top[2]], -2)


def _rows(value: Tensor, batch: torch.Size, dims: int) -> Tensor:
    """Returns a value of a batch with one batch dimension, of one row where that serves all."""
    head, tail = value.shape[: value.ndim - dims], value.shape[value.ndim - dims :]
    if head != batch and head.numel() != 1:
        value = value.expand(*batch, *tail)
    return value if value.ndim == dims + 1 else value.reshape(-1, *tail)


def _lens(k: tuple[Tensor, ...]) -> _Lens:
    one = torch.ones_like(k[0])
    return _Lens((one, *k[:2], *k[4:5]), (one, *k[5:8]), k[2:4], k[8:12])


def _bend(lens: _Lens, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.addcmul(a * a, b, b)
    factor = _polynomial(lens.top, s)
    if len(lens.bottom) > 1:
        factor = factor / _polynomial(lens.bottom, s)
    p1, p2 = lens.tangential
    factor = torch.addcmul(torch.addcmul(factor, 2 * p1, b), 2 * p2, a)
    if lens.prism:
        s1, s2, s3, s4 = lens.prism
        along_x, along_y = torch.addcmul(p2 + s1, s2, s), torch.addcmul(p1 + s3, s4, s)
    else:
        along_x, along_y = p2, p1
    return torch.addcmul(a * factor, along_x, s), torch.addcmul(b * factor, along_y, s)


def _polynomial(coefficients: tuple[Tensor, ...], s: Tensor) -> Tensor:
    """Returns c0 + c1 s + c2 s^2 + ..."""
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = torch.addcmul(c, total, s)
    return total


def _slope(coefficients: tuple[Tensor, ...], s: Tensor) -> Tensor:
    """Returns the derivative of `_polynomial`."""
    return _polynomial(tuple(n * c for n, c in enumerate(coefficients))[1:], s)


def _radial(lens: _Lens, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns c, dc/ds, and the derivative of r c by r; the last is -1 where the denominator is not positive."""
    c, slope = _polynomial(lens.top, s), _slope(lens.top, s)
    if len(lens.bottom) == 1:
        return c, slope, torch.addcmul(c, 2 * s, slope)
    bottom = _polynomial(lens.bottom, s)
    positive = bottom > 0
    bottom = torch.where(positive, bottom, 1)
    c = c / bottom
    slope = (slope - c * _slope(lens.bottom, s)) / bottom
    return c, slope, torch.where(positive, torch.addcmul(c, 2 * s, slope), -1)


def _tabulate(lens: _Lens) -> Table:
    like = lens.top[0]
    r = torch.linspace(0, math.atan(REACH), NODES, dtype=like.dtype, device=like.device).tan()
    c, _, grows = _radial(lens, r.square())
    return tabulate(r, r * c, grows)


def _grows(lens: _Lens, table: Table, s: Tensor) -> Tensor:
    """Returns which squared radii are before the fold: no node before them is past it, and they are not."""
    return (s < table.end.square()) & (_radial(lens, s)[2] > 0)


class _Step(NamedTuple):
    """What a step of Newton's leaves: s, whether the lens grows there, its Jacobian and one over the determinant."""

    s: Tensor
    grows: Tensor
    jacobian: tuple[Tensor, Tensor, Tensor, Tensor]
    scale: Tensor


def _inverse(step: _Step, scale: Tensor) -> tuple[Tensor, ...]:
    xa, xb, ya, yb = step.jacobian
    return yb * scale, -xb * scale, -ya * scale, xa * scale


def _solve(k: tuple[Tensor, ...], places: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Returns x, y that the lens bends to places, where they were found, and the inverse of its Jacobian, by rows.

    Elsewhere they are at the last node of the table before the fold, and the inverse is 0. In float64.
    """
    lens, (mx, my) = _lens(k), places
    table = _tabulate(lens)
    to_x, to_y = -mx, -my

    def step(a: Tensor, b: Tensor) -> tuple[tuple[Tensor, Tensor], _Step]:
        return _step(lens, to_x, to_y, a, b)

    def solve(start: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, ...], Tensor, _Step]:
        found, small, last = newton(step, start)
        return found, small & last.grows & (last.s < table.end.square()), last

    # Undistorted is close to distorted, mostly; where that is no start, and where nothing may be asked, the table's is.
    if may_branch(mx):
        (x, y), done, last = solve((mx, my))
        if bool(done.all()):
            return x, y, done, *_inverse(last, last.scale)
    away = torch.addcmul(mx * mx, my, my)
    far = away > 0
    target = torch.where(far, away, 1).sqrt()
    ratio = torch.where(far, look_up(table, target) / target, 1)
    start = ratio * mx, ratio * my
    (x, y), done, last = solve(start)
    x, y = torch.where(done, x, start[0]), torch.where(done, y, start[1])
    return x, y, done, *_inverse(last, torch.where(done, last.scale, 0))


def _step(lens: _Lens, to_x: Tensor, to_y: Tensor, a: Tensor, b: Tensor) -> tuple[tuple[Tensor, Tensor], _Step]:
    """Returns Newton's step to minus to_x, to_y; it is 0 where the Jacobian's determinant is not positive."""
    s = torch.addcmul(a * a, b, b)
    c, slope, grows = _radial(lens, s)
    p1, p2 = 2 * lens.tangential[0], 2 * lens.tangential[1]
    factor = torch.addcmul(torch.addcmul(c, p1, b), p2, a)
    by_a, by_b = torch.addcmul(p2, 2 * slope, a), torch.addcmul(p1, 2 * slope, b)
    along_x, along_y = lens.tangential[1], lens.tangential[0]
    turn_x, turn_y = p2, p1
    if lens.prism:
        s1, s2, s3, s4 = lens.prism
        along_x, along_y = torch.addcmul(along_x + s1, s2, s), torch.addcmul(along_y + s3, s4, s)
        turn_x, turn_y = torch.addcmul(2 * along_x, 2 * s2, s), torch.addcmul(2 * along_y, 2 * s4, s)
    du = torch.addcmul(torch.addcmul(to_x, a, factor), along_x, s)
    dv = torch.addcmul(torch.addcmul(to_y, b, factor), along_y, s)
    xa = torch.addcmul(torch.addcmul(factor, a, by_a), turn_x, a)
    xb = torch.addcmul(a * by_b, turn_x, b)
    ya = torch.addcmul(b * by_a, turn_y, a) if lens.prism else xb  # a gradient, and so symmetric
    yb = torch.addcmul(torch.addcmul(factor, b, by_b), turn_y, b)
    det = torch.addcmul(xa * yb, xb, ya, value=-1)
    regular = det > 0
    scale = torch.where(regular, 1 / torch.where(regular, det, 1), 0)
    moves = scale * torch.addcmul(yb * du, xb, dv, value=-1), scale * torch.addcmul(xa * dv, ya, du, value=-1)
    return moves, _Step(s, regular & (grows > 0), (xa, xb, ya, yb), scale)


def _with_gradient(
    lens: _Lens, x: Tensor, y: Tensor, mx: Tensor, my: Tensor, inverse: list[Tensor]
) -> tuple[Tensor, Tensor]:
    xa, xb, ya, yb = inverse

    def residual(xy: Tensor) -> Tensor:
        u, v = _bend(lens, *xy.unbind(0))
        return torch.stack([u - mx, v - my])

    def correct(error: Tensor) -> Tensor:
        u, v = error.unbind(0)
        return torch.stack([torch.addcmul(xa * u, xb, v), torch.addcmul(ya * u, yb, v)])

    x, y = newton_steps(torch.stack([x, y]), residual, correct).unbind(0)
    return x, y


def _define_project(points: Tensor, matrix: Tensor, distortion: Tensor) -> Tensor:
    pixels = Camera.project(BrownConradyCamera(matrix, distortion), points)
    assert isinstance(pixels, Tensor)
    return pixels


def _define_undistort(pixels: Tensor, matrix: Tensor, distortion: Tensor) -> Tensor:
    """Returns x, y, and 1 where they were found, 0 where they are at the edge and -1 where they are no numbers."""
    x, y, _, good, valid = Camera._rays(BrownConradyCamera(matrix, distortion), "unproject", pixels, "implicit")
    state = valid.to(x.dtype) if good is None else torch.where(good, valid.to(x.dtype), -1)
    return torch.stack(torch.broadcast_tensors(x, y, state), -1)


def _compiled(
    name: str, width: int, forward: Callable[..., Tensor], adjoint: Callable[..., Any], define: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    """Returns the compiled twin of a definition, of places (b, n, ..) and camera; results are (b, n, width)."""
    recorded = primitive(
        name, tensors=_TENSORS, static="", forward=forward, adjoint=adjoint, define=define, reads_output=width == 3,
        like=lambda places, *_: places.new_empty(*places.shape[:2], width),
    )  # fmt: skip
    return lambda *given: (forward if native.may_run(*given) else recorded)(*given)


_TENSORS = "Tensor places, Tensor matrix, Tensor distortion"
_project = _compiled("brown_conrady_project", 2, brown_conrady.project, brown_conrady.project_adjoint, _define_project)
_undistort = _compiled(
    "brown_conrady_undistort", 3, brown_conrady.undistort, brown_conrady.undistort_adjoint, _define_undistort
)
_see = opaque(
    "brown_conrady_see", f"({_TENSORS}) -> Tensor", brown_conrady.see,
    lambda points, *_: points.new_empty(points.shape[:2], dtype=torch.bool),
)  # fmt: skip
