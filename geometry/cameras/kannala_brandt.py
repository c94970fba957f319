"""The fisheye camera of OpenCV: the distance from the centre is a polynomial of the angle from the axis.

    r = |(x, y)|,  t = atan2(r, z),  (mx, my) = (x, y) / r  t p(t^2),   p(w) = 1 + k1 w + k2 w^2 + k3 w^3 + k4 w^4

All of it is a smooth function of x, y and z at r = 0: t / r and t^2 are series in r^2. The inverse is solved for
q = t / |(mx, my)|, in q p(q^2 |m|^2) = 1, which is smooth at the centre too.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import doubled
from visionops.geometry.implicit.steps import Grad, is_watched, may_branch, newton_steps

from .camera import Camera
from .newton import NODES, Table, in_blocks, look_up, newton, tabulate

# Below these, series: of atan, to (r / z)^12 / 13 < 1e-19, and of sin and cos, to t^12 / 12! < 3e-21.
SMALL_TANGENT, SMALL_ANGLE = 1e-3, 1e-2
# (r / z)^2 of the ray straight back, which has no direction.
POLE = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class KannalaBrandtCamera(Camera):
    """The fisheye camera with a polynomial of the angle.

    Args:
        matrix: K, in pixels.
        distortion: k1 k2 k3 k4.

    It sees behind itself: points are valid at angles up to pi, but not on the ray straight back (it is projected to
    the principal point) nor past the angle where the polynomial stops growing, where values are the formula's.
    `unproject` solves by Newton's method in float64, to 1e-12; a pixel further out than any valid point gets the ray at
    the edge of the domain. OpenCV, which takes x / z, agrees for z > 0.

    Source: Kannala and Brandt, A generic camera model and calibration method for conventional, wide-angle, and fish-eye
    lenses, 2006, equation 6; OpenCV's fisheye model.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = KannalaBrandtCamera(k, torch.zeros(4))
    >>> camera.project(torch.tensor([[1.0, 0.0, 0.0]])).round().tolist()  # 50 + 100 pi / 2
    [[207.0, 40.0]]
    """

    distortion: Float[Tensor, "*batch 4"]

    lengths = (4,)

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        s = torch.addcmul(x * x, y, y)
        ratio = _angle_over_radius(s, z)
        scale = ratio * _polynomial(self._coefficients(), s * ratio * ratio)
        return x * scale, y * scale

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        k = tuple(c.detach() for c in self._coefficients())
        s = torch.addcmul(x * x, y, y)
        angle = torch.atan2(s.sqrt(), z)
        return ((z > 0) | (s > POLE * z * z)) & _grows(k, _tabulate(k), angle)

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kind = torch.promote_types(u.dtype, self.distortion.dtype)
        mx, my, *k = doubled(u, v, *self._coefficients())
        square = torch.addcmul(mx * mx, my, my)
        if grad == "unroll":
            q, done, _ = in_blocks(_solve, tuple(k), (square,))
        else:
            with torch.no_grad():
                q, done, inverse = in_blocks(_solve, tuple(c.detach() for c in k), (square.detach(),))
            if grad == "implicit" and is_watched(mx, my, *k):
                q = _with_gradient(tuple(k), q, square, inverse)
        sine, cosine = _sine_and_cosine(square * q * q)
        scale = q * sine
        return (mx * scale).to(kind), (my * scale).to(kind), cosine.to(kind), done


def _angle_over_radius(s: Tensor, z: Tensor) -> Tensor:
    """Returns atan2(r, z) / r of s = r^2; of the ray straight back, some number."""
    front = z > 0
    near = front & (s < SMALL_TANGENT * z * z)
    pole = ~front & (s <= POLE * z * z)
    zs = torch.where(near, z, 1)
    t = torch.where(near, s, 0) / (zs * zs)
    series = 1 - t * (1 / 3 - t * (1 / 5 - t * (1 / 7 - t * (1 / 9 - t / 11))))
    r = torch.where(near | pole, 1, s).sqrt()
    return torch.where(near, series / zs, torch.atan2(r, z) / r)


def _sine_and_cosine(w: Tensor) -> tuple[Tensor, Tensor]:
    """Returns sin(t) / t and cos(t) of w = t^2."""
    near = w < SMALL_ANGLE
    small = torch.where(near, w, 0)
    sine = 1 - small / 6 * (1 - small / 20 * (1 - small / 42 * (1 - small / 72 * (1 - small / 110))))
    cosine = 1 - small / 2 * (1 - small / 12 * (1 - small / 30 * (1 - small / 56 * (1 - small / 90))))
    t = torch.where(near, 1, w).sqrt()
    return torch.where(near, sine, t.sin() / t), torch.where(near, cosine, t.cos())


def _polynomial(k: tuple[Tensor, ...], w: Tensor) -> Tensor:
    k1, k2, k3, k4 = k
    return 1 + w * torch.addcmul(k1, w, torch.addcmul(k2, w, torch.addcmul(k3, w, k4)))


def _slope(k: tuple[Tensor, ...], w: Tensor) -> Tensor:
    """Returns the derivative of t p(t^2) by t, which is also that of q p(q^2 m^2) by q."""
    k1, k2, k3, k4 = k
    return 1 + w * torch.addcmul(3 * k1, w, torch.addcmul(5 * k2, w, torch.addcmul(7 * k3, w, 9 * k4)))


def _tabulate(k: tuple[Tensor, ...]) -> Table:
    t = torch.linspace(0, math.pi, NODES, dtype=k[0].dtype, device=k[0].device)
    return tabulate(t, t * _polynomial(k, t * t), _slope(k, t * t))


def _grows(k: tuple[Tensor, ...], table: Table, angle: Tensor) -> Tensor:
    """Returns which angles are before the end of the domain."""
    return (angle < table.end) & (angle <= math.pi) & (_slope(k, angle * angle) > 0)


def _solve(k: tuple[Tensor, ...], squares: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Returns q = t / m of squared distances m^2, in float64, where that was found, and the inverse of its equation.

    Elsewhere it is that of the last angle of the table before the end of the domain, and the inverse is 0.
    """
    (square,) = squares
    table = _tabulate(k)

    def step(q: Tensor) -> tuple[tuple[Tensor], tuple[Tensor, Tensor]]:
        w = square * q * q
        slope = _slope(k, w)
        rises = slope > 0
        inverse = torch.where(rises, 1 / torch.where(rises, slope, 1), 0)
        return (inverse * torch.addcmul(-torch.ones_like(q), q, _polynomial(k, w)),), (w, inverse)

    def solve(start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (q,), small, (w, inverse) = newton(step, (start,))
        return q, small & (inverse > 0) & (w <= math.pi**2) & (w < table.end.square()), inverse

    # Angles are close to distances, mostly; where that is no start, and where nothing may be asked, the table's is.
    if may_branch(square):
        q, done, inverse = solve(torch.ones_like(square))
        if bool(done.all()):
            return q, done, inverse
    away = square > 0
    target = torch.where(away, square, 1).sqrt()
    start = torch.where(away, look_up(table, target) / target, 1)
    q, done, inverse = solve(start)
    return torch.where(done, q, start), done, torch.where(done, inverse, 0)


def _with_gradient(k: tuple[Tensor, ...], q: Tensor, square: Tensor, inverse: Tensor) -> Tensor:
    return newton_steps(q, lambda q: q * _polynomial(k, square * q * q) - 1, lambda error: inverse * error)
