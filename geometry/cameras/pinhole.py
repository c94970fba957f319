"""Cameras without a lens: central and parallel projection."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from visionops.errors import mistake
from visionops.geometry.arguments import both, check_of_points
from visionops.geometry.implicit.steps import Grad
from visionops.precision import exact

from .camera import Camera
from .plane import hold, in_front, joined


@dataclasses.dataclass(frozen=True, eq=False)
class PinholeCamera(Camera):
    """The camera of central projection: pixel ~ K (x, y, z).

    Args:
        matrix: K, in pixels.

    Points are valid from z > 1e-6 (|x| + |y| + |z|) on. Others are projected as if they were at that z, far away in
    their direction, with no gradient to z: never mirrored. Every pixel has a ray.

    >>> camera = PinholeCamera(torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]))
    >>> camera.project(torch.tensor([[1.0, 2.0, 4.0]])).tolist()
    [[75.0, 90.0]]
    """

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        depth = hold(x, y, z)
        return x / depth, y / depth

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return in_front(x, y, z)

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        one = torch.ones_like(u)
        return u, v, one, one > 0


@dataclasses.dataclass(frozen=True, eq=False)
class OrthographicCamera(Camera):
    """The camera of parallel projection along z: pixel ~ K (x, y, 1).

    Args:
        matrix: K, of pixels for each unit of length in place of focal lengths.

    Every finite point is valid, in front or behind: such a camera is nowhere. It has no rays through a centre, so that
    `unproject` needs a depth.

    >>> camera = OrthographicCamera(torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]))
    >>> camera.project(torch.tensor([[1.0, 2.0, 4.0]])).tolist()
    [[150.0, 240.0]]
    """

    @exact
    def unproject(
        self, pixels: Tensor, depth: Tensor | None = None, *, grad: Grad = "implicit", return_valid: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Returns the points of pixels at a depth, which is any z; see `Camera.unproject`."""
        if depth is None:
            raise mistake("OrthographicCamera.unproject", "depth", "given", None, "Its rays are all parallel to z.")
        x, y, _, good, valid = self._rays("unproject", pixels, grad)
        check_of_points("unproject", "depth", depth, pixels)
        known = depth.isfinite()
        points = joined(x, y, depth, good=both(good, known))
        return (points, (valid & known).expand(points.shape[:-1])) if return_valid else points

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return x, y

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return z == z

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        one = torch.ones_like(u)
        return u, v, one, one > 0
