"""The camera of panoramas: longitude and latitude.

mx = atan2(x, z),  my = atan2(y, sqrt(x^2 + z^2))
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor
from typing_extensions import Self

from visionops.geometry.implicit.steps import Grad

from .camera import Camera

# cos^2 of the latitude from which on a point is at a pole.
POLE = 1e-24


@dataclasses.dataclass(frozen=True, eq=False)
class EquirectangularCamera(Camera):
    """The camera of all directions: longitude to the right of z, latitude downwards, as y.

    Args:
        matrix: K, of pixels for each radian in place of focal lengths. `of_size` makes that of a whole panorama.

    Every point is valid but those at the poles, straight up or down, which have no longitude (it is 0, with gradient
    0), and the centre. Every pixel has a ray; those outside |longitude| <= pi, |latitude| <= pi / 2 are not valid, and
    get the ray of their longitude and latitude.

    >>> camera = EquirectangularCamera.of_size((180, 360))
    >>> camera.project(torch.tensor([[1.0, 0.0, 0.0]])).tolist()
    [[269.5, 89.5]]
    """

    @classmethod
    def of_size(cls, size: tuple[int, int], *, dtype: torch.dtype = torch.float32) -> Self:
        """Returns the camera of a panorama of 360 by 180 degrees.

        Args:
            size: (height, width).
            dtype: of the matrix.
        """
        h, w = size
        rows = [[w / (2 * math.pi), 0, (w - 1) / 2], [0, h / math.pi, (h - 1) / 2], [0, 0, 1]]
        return cls(torch.tensor(rows, dtype=dtype))

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        square = torch.addcmul(x * x, z, z)
        turns = square > POLE * y * y
        across = torch.where(turns, square, 1).sqrt()
        one = torch.where(turns, z, 1)
        longitude = torch.atan2(torch.where(turns, x, 0), one)
        pole = torch.atan2(y, torch.where(turns, across, 1))
        latitude = torch.where(turns, pole, y.detach().sign() * (math.pi / 2))
        return longitude, latitude

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return torch.addcmul(x * x, z, z) > POLE * y * y

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        across = v.cos()
        inside = (u.detach().abs() <= math.pi) & (v.detach().abs() <= math.pi / 2)
        return u.sin() * across, v.sin(), u.cos() * across, inside
