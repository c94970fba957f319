"""The unified camera and the extended one: a sphere or ellipsoid, then a pinhole.

    d = sqrt(b (x^2 + y^2) + z^2),  (mx, my) = (x, y) / (a d + (1 - a) z)

of a = alpha, and b = beta, 1 in the unified model.
"""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.implicit.steps import Grad

from .camera import Camera
from .plane import LEAST, root


@dataclasses.dataclass(frozen=True, eq=False)
class UnifiedCamera(Camera):
    """The camera of a unit sphere that a pinhole looks at, for wide angles and mirrors.

    Args:
        matrix: K, in pixels.
        distortion: alpha, from 0 (a pinhole) to 1. In Mei and Rives's form xi = alpha / (1 - alpha), and their focal
            lengths are those of K over 1 - alpha.

    Points are valid where z > -w d, with w = alpha / (1 - alpha) or its inverse, whichever is less, and d the distance:
    beyond it two points have one pixel, or none. A denominator below 1e-6 d is held there. For alpha > 1/2 the image
    ends at a radius of 1 / sqrt(2 alpha - 1) in the plane, further out pixels get the rays at that end.

    Source: Mei and Rives, Single view point omnidirectional camera calibration from planar grids, 2007; in the form of
    Usenko, Demmel and Cremers, The double sphere camera model, 2018, section 2.2.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = UnifiedCamera(k, torch.tensor([0.5]))
    >>> camera.project(torch.tensor([[4.0, 0.0, 3.0]])).tolist()
    [[150.0, 40.0]]
    """

    distortion: Float[Tensor, "*batch 1"]

    lengths = (1,)

    def _shape(self) -> tuple[Tensor, Tensor | float]:
        """Returns alpha and beta."""
        return self._coefficients()[0], 1.0

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        alpha, beta = self._shape()
        d, away = _distance(x, y, z, beta)
        scale = torch.maximum(alpha * d + (1 - alpha) * z, LEAST * d.detach())
        scale = torch.where(away, scale, 1)
        return x / scale, y / scale

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        alpha, beta = self._shape()
        d, away = _distance(x, y, z, beta)
        return away & (z > -half_space(alpha.detach()) * d.detach())

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        alpha, beta = self._shape()
        square = torch.addcmul(u * u, v, v) * beta
        depth, inside = depth_on_sphere(alpha, square)
        # Beyond the image's end: the ray there, in the pixel's direction.
        shrink = torch.where(inside, 1, (end_of_image(alpha) / torch.where(inside, 1, square)).sqrt()).detach()
        return u * shrink, v * shrink, depth, inside


@dataclasses.dataclass(frozen=True, eq=False)
class ExtendedUnifiedCamera(UnifiedCamera):
    """The camera of an ellipsoid that a pinhole looks at.

    Args:
        matrix: K, in pixels.
        distortion: alpha, from 0 to 1, and beta > 0; beta = 1 is the unified camera.

    Valid points and pixels are those of `UnifiedCamera`, with d in place of the distance, and the radius over
    sqrt(beta).

    Source: Khomutenko, Garcia and Martinet, An enhanced unified camera model, 2016, equations 3 to 9.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = ExtendedUnifiedCamera(k, torch.tensor([0.5, 1.0]))
    >>> camera.project(torch.tensor([[4.0, 0.0, 3.0]])).tolist()
    [[150.0, 40.0]]
    """

    distortion: Float[Tensor, "*batch 2"]

    lengths = (2,)

    def _shape(self) -> tuple[Tensor, Tensor | float]:
        alpha, beta = self._coefficients()
        return alpha, beta


def half_space(alpha: Tensor) -> Tensor:
    """Returns the cosine up to which points are seen, negative: alpha / (1 - alpha) or its inverse."""
    low = alpha <= 0.5
    return torch.where(low, alpha, 1 - alpha) / torch.where(low, 1 - alpha, alpha)


def end_of_image(alpha: Tensor) -> Tensor:
    """Returns the squared radius where the image ends; infinite for alpha up to 1/2."""
    ends = alpha > 0.5
    return torch.where(ends, 1 / torch.where(ends, 2 * alpha - 1, 1), float("inf"))


def depth_on_sphere(alpha: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """Returns z of the ray (mx, my, z) to a squared radius, and where the image has it; else that of its end."""
    inside = square <= end_of_image(alpha.detach())
    kept = torch.where(inside, square, 0)
    edge = torch.where(inside, 0, end_of_image(alpha).clamp(max=1e30))
    square = kept + edge.detach()
    return (1 - alpha * alpha * square) / (alpha * root(1 - (2 * alpha - 1) * square) + 1 - alpha), inside


def _distance(x: Tensor, y: Tensor, z: Tensor, beta: Tensor | float) -> tuple[Tensor, Tensor]:
    """Returns d, 1 where it is 0, and where it is not 0."""
    square = torch.addcmul(z * z, beta * x, x) + beta * y * y
    away = square > 0
    return torch.where(away, square, 1).sqrt(), away
