"""The double sphere camera: a unit sphere, a second one ahead of it by xi, then a pinhole.

d1 = |(x, y, z)|,  c = xi d1 + z,  d2 = |(x, y, c)|,  (mx, my) = (x, y) / (a d2 + (1 - a) c)
"""

from __future__ import annotations

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.implicit.steps import Grad

from .camera import Camera
from .plane import LEAST, root
from .unified import depth_on_sphere, end_of_image, half_space


@dataclasses.dataclass(frozen=True, eq=False)
class DoubleSphereCamera(Camera):
    """The camera of two spheres, for fisheyes of more than 180 degrees, with an inverse in closed form.

    Args:
        matrix: K, in pixels.
        distortion: xi, between -1 and 1, and alpha, from 0 to 1. With xi = 0 it is the unified camera.

    Points are valid where z > -w2 d1, with w1 = alpha / (1 - alpha) or its inverse, whichever is less, and
    w2 = (w1 + xi) / sqrt(2 w1 xi + xi^2 + 1). A denominator below 1e-6 d1 is held there. For alpha > 1/2 the image ends
    at a radius of 1 / sqrt(2 alpha - 1) in the plane: pixels further out get the rays at that end.

    Source: Usenko, Demmel and Cremers, The double sphere camera model, 2018, equations 40 to 50.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> camera = DoubleSphereCamera(k, torch.tensor([0.0, 0.5]))
    >>> camera.project(torch.tensor([[4.0, 0.0, 3.0]])).tolist()
    [[150.0, 40.0]]
    """

    distortion: Float[Tensor, "*batch 2"]

    lengths = (2,)

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        xi, alpha = self._coefficients()
        flat = torch.addcmul(x * x, y, y)
        first = torch.addcmul(flat, z, z)
        away = first > 0
        d1 = torch.where(away, first, 1).sqrt()
        ahead = torch.addcmul(z, xi, d1)
        second = torch.addcmul(flat, ahead, ahead)
        d2 = torch.where(second > 0, second, 1).sqrt()
        d2 = torch.where(second > 0, d2, 0)
        scale = torch.maximum(alpha * d2 + (1 - alpha) * ahead, LEAST * d1.detach())
        scale = torch.where(away, scale, 1)
        return x / scale, y / scale

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        xi, alpha = (c.detach() for c in self._coefficients())
        w1 = half_space(alpha)
        w2 = (w1 + xi) / root(2 * w1 * xi + xi * xi + 1)
        d1 = torch.addcmul(torch.addcmul(x * x, y, y), z, z).sqrt()
        return (d1 > 0) & (z > -w2 * d1)

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        xi, alpha = self._coefficients()
        square = torch.addcmul(u * u, v, v)
        depth, inside = depth_on_sphere(alpha, square)
        shrink = torch.where(inside, 1, (end_of_image(alpha) / torch.where(inside, 1, square)).sqrt()).detach()
        x, y = u * shrink, v * shrink
        square = torch.addcmul(x * x, y, y)
        inner = torch.addcmul(depth * depth, 1 - xi * xi, square)
        length = torch.addcmul(depth * depth, x, x) + y * y
        scale = torch.addcmul(root(inner), depth, xi) / length
        return x * scale, y * scale, scale * depth - xi, inside & (inner.detach() >= 0)
