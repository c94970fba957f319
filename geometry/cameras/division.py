"""The division camera: one coefficient, and the inverse of its distortion in closed form.

(x, y, z) ~ (mx, my, 1 + l (mx^2 + my^2)),  (mx, my) = (x, y) 2 / (z + sqrt(z^2 - 4 l (x^2 + y^2)))
"""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.implicit.steps import Grad

from .camera import Camera
from .plane import LEAST


@dataclasses.dataclass(frozen=True, eq=False)
class DivisionCamera(Camera):
    """The camera of a single coefficient, which minimal solvers use.

    Args:
        matrix: K, in pixels.
        distortion: lambda, in normalised coordinates: negative of a barrel, as wide-angle lenses have.

    With lambda < 0 it sees behind itself, up to the ray straight back (valid is where the denominator is more than
    1e-6 of the distance, at which it is held). With lambda > 0 points are valid where z > 2 sqrt(lambda) r, and
    pixels up to the radius 1 / sqrt(lambda); points beyond are projected, pixels unprojected, as those at that end.

    Source: Fitzgibbon, Simultaneous linear estimation of multiple view geometry and lens distortion, 2001, equation 2.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = DivisionCamera(k, torch.tensor([-0.5]))
    >>> camera.undistort(torch.tensor([[1.0, 0.0]])).tolist()
    [[2.0, 0.0]]
    """

    distortion: Float[Tensor, "*batch 1"]

    lengths = (1,)

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        scale, _ = _denominator(self._coefficients()[0], x, y, z)
        return 2 * x / scale, 2 * y / scale

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return _denominator(self._coefficients()[0].detach(), x, y, z)[1]

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        (k,) = self._coefficients()
        bulge = k * torch.addcmul(u * u, v, v)
        inside = bulge.detach() < 1
        shrink = torch.where(inside, 1, torch.where(inside, 1, bulge).rsqrt()).detach()
        return u * shrink, v * shrink, 1 + torch.where(inside, bulge, 1), inside


def _denominator(k: Tensor, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Returns z + sqrt(z^2 - 4 k r^2), held at a fraction of the distance, and where it is of the formula."""
    square = torch.addcmul(x * x, y, y)
    size = torch.addcmul(square, z, z).detach().sqrt()
    inner = torch.addcmul(z * z, -4 * k, square)
    real = inner.detach() > 0
    length = torch.where(real, torch.where(real, inner, 1).sqrt(), 0)
    front = z > 0
    # Behind, z + sqrt(..) would cancel: it is -4 k r^2 / (sqrt(..) - z).
    back = torch.where(front, 1, length - z)
    value = torch.where(front, z + length, -4 * k * square / torch.where(back > 0, back, 1))
    least = LEAST * size
    held = torch.maximum(value, torch.where(size > 0, least, 2))
    return held, real & (value > least)
