"""What every camera model has in common: a lens, which maps points to a plane, and a matrix from there to pixels.

pixel ~ K (mx, my, 1),    (mx, my) = lens(x, y, z)

Points are in the camera's frame: x right, y down, z forward. K is any invertible 3 x 3 matrix in pixel-centre
coordinates, so that a camera follows crops, resizes, flips and warps of its image: K' = M K.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils import _pytree as pytree
from typing_extensions import Self

from visionops.arguments import check_choice
from visionops.errors import mistake, refuse
from visionops.geometry.arguments import (
    both,
    check_batches,
    check_matrix,
    check_of_points,
    check_points,
    check_vector,
    finite_rows,
    known_finite,
    promoted,
)
from visionops.geometry.implicit.steps import GRADS, Grad
from visionops.precision import exact

from .plane import back_through_plane, components, hold, joined, through_plane


class ProjectionJacobian(NamedTuple):
    """The derivatives of pixels: by points (.., n, 2, 3), by (fx, fy, cx, cy) and by the distortion (.., n, 2, k)."""

    points: Tensor
    intrinsics: Tensor
    distortion: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """The interface of every camera model, which is a pytree of tensors of any batch dimensions.

    The batch of a camera broadcasts with that of its points.
    """

    matrix: Float[Tensor, "*batch 3 3"]

    # How many coefficients `distortion` may have.
    lengths: ClassVar[tuple[int, ...]] = (0,)

    def __init_subclass__(cls) -> None:
        pytree.register_pytree_node(
            cls,
            lambda camera: (list(camera._tensors()), None),
            lambda values, _: _restored(cls, values),
            serialized_type_name=f"visionops.{cls.__name__}",
        )

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_matrix(name, "matrix", self.matrix, (3, 3))
        for vector in self._tensors()[1:]:
            size = vector.shape[-1] if isinstance(vector, Tensor) and vector.ndim else 0
            if size not in self.lengths:
                rule = f"of {' or '.join(map(str, self.lengths))} coefficients, (*batch, k)"
                raise refuse(name, "distortion", rule, tuple(getattr(vector, "shape", ())) or vector)
            check_vector(name, "distortion", vector, size)
            check_batches(name, "distortion", vector.shape[:-1], self.matrix.shape[:-2])

    @property
    def batch(self) -> torch.Size:
        """The batch dimensions of the camera."""
        return torch.broadcast_shapes(self.matrix.shape[:-2], *(v.shape[:-1] for v in self._tensors()[1:]))

    @exact
    def project(
        self, points: Float[Tensor, "*batch n 3"], *, return_valid: bool = False
    ) -> Float[Tensor, "*batch n 2"] | tuple[Float[Tensor, "*batch n 2"], Bool[Tensor, "*batch n"]]:
        """Returns the pixels (x, y) of points.

        Args:
            points: in the camera's frame, x right, y down, z forward, in any unit.
            return_valid: whether to return also which points are in the domain of the model, where it is one to one: at
                least in front of the camera, unless the model sees behind itself.

        Raises:
            ValueError: for another shape, or a batch that does not go with the camera's.

        Gradient: to points and camera, of every order. What is not valid has a finite value and gradient: see the
            model. A point at the camera's centre is projected to where (0, 0, 1) is; a point that is not finite to NaN,
            with gradient 0.
        """
        self._check("project", points, 3)
        camera, sound = self._finite()
        (x, y, z), good = components(points)
        good = both(good, sound)
        u, v, ahead = through_plane(camera._to_pixels(), *camera._bend(x, y, z))
        pixels = joined(u, v, good=good)
        if not return_valid:
            return pixels
        return pixels, _spread(both(good, ahead, camera._sees(x.detach(), y.detach(), z.detach())), pixels)

    @exact
    def unproject(
        self,
        pixels: Float[Tensor, "*batch n 2"],
        depth: Float[Tensor, "*batch n"] | None = None,
        *,
        grad: Grad = "implicit",
        return_valid: bool = False,
    ) -> Float[Tensor, "*batch n 3"] | tuple[Float[Tensor, "*batch n 3"], Bool[Tensor, "*batch n"]]:
        """Returns rays of length 1 through pixels, or with a depth the points there.

        Args:
            pixels: (x, y), whose centres are at integers.
            depth: z of the points to return, as in a depth map (not the distance, by which rays may be multiplied).
            grad: how the inverse of the lens is differentiated where it has to be solved for: "implicit", by the
                equations at the solution; "unroll", through the iterations; "none" makes rays constants.
            return_valid: whether to return also which pixels are in the image of the model's domain, and their points
                at a positive depth.

        Raises:
            ValueError: for another shape, a batch that does not go with the camera's, or an unknown `grad`.

        Gradient: to pixels, depth and camera. Pixels outside the image of the domain get the ray at its edge that is
            in their direction, with gradient 0 in what was held; a pixel that is not finite gets NaN, and gradient 0.
            A ray that never comes to a positive depth is held at 1e-6 of its length in z.
        """
        x, y, z, good, valid = self._rays("unproject", pixels, grad)
        if depth is None:
            scale = (x.square() + y.square() + z.square()).rsqrt()
        else:
            check_of_points("unproject", "depth", depth, pixels)
            known = depth.isfinite()
            depth = torch.where(known, depth, 1)
            good, valid = both(good, known), both(valid, known, z.detach() > 0, depth.detach() > 0)
            scale = depth / hold(x, y, z)
        points = joined(x * scale, y * scale, z * scale, good=good)
        return (points, _spread(valid, points)) if return_valid else points

    @exact
    def distort(
        self, points: Float[Tensor, "*batch n 2"], *, return_valid: bool = False
    ) -> Float[Tensor, "*batch n 2"] | tuple[Float[Tensor, "*batch n 2"], Bool[Tensor, "*batch n"]]:
        """Returns what the lens makes of normalised coordinates: those that the matrix maps to pixels.

        Args:
            points: (x / z, y / z) of points in front of the camera.
            return_valid: whether to return also which are in the domain of the model.

        Raises:
            ValueError: for another shape, or a batch that does not go with the camera's.

        Gradient: as of `project`.
        """
        self._check("distort", points, 2)
        camera, sound = self._finite()
        (x, y), good = components(points)
        good = both(good, sound)
        one = torch.ones_like(x)
        u, v = camera._bend(x, y, one)
        ahead = None
        tilt = camera._tilt()
        if tilt is not None:
            u, v, ahead = through_plane(tilt, u, v)
        out = self._of_batch(joined(u, v, good=good))
        if not return_valid:
            return out
        return out, _spread(both(good, ahead, camera._sees(x.detach(), y.detach(), one)), out)

    @exact
    def undistort(
        self, points: Float[Tensor, "*batch n 2"], *, grad: Grad = "implicit", return_valid: bool = False
    ) -> Float[Tensor, "*batch n 2"] | tuple[Float[Tensor, "*batch n 2"], Bool[Tensor, "*batch n"]]:
        """Returns the normalised coordinates that the lens distorts to given ones: the inverse of `distort`.

        Args:
            points: distorted normalised coordinates, K^-1 (x, y, 1) of pixels.
            grad: as of `unproject`.
            return_valid: whether to return also which have an answer: in the domain, and in front of the camera.

        Raises:
            ValueError: for another shape, a batch that does not go with the camera's, or an unknown `grad`.

        Gradient: as of `unproject`.
        """
        x, y, z, good, valid = self._rays("undistort", points, grad)
        scale = 1 / hold(x, y, z)
        out = self._of_batch(joined(x * scale, y * scale, good=good))
        return (out, _spread(both(valid, z.detach() > 0), out)) if return_valid else out

    @exact
    def jacobian(self, points: Float[Tensor, "*batch n 3"]) -> ProjectionJacobian:
        """Returns the derivatives of pixels by their points, by fx, fy, cx, cy and by the distortion.

        Args:
            points: in the camera's frame.

        Raises:
            ValueError: for another shape, or a batch that does not go with the camera's.

        Gradient: to points and camera. By forward mode, which does not nest: `torch.func.jvp` around it raises.
        """
        self._check("jacobian", points, 3)
        count = sum(v.shape[-1] for v in self._tensors()[1:])
        batch = torch.broadcast_shapes(points.shape[:-2], self.batch)
        offset = points.new_zeros(*batch, points.shape[-2], 3)
        change = points.new_zeros(*batch, 4 + count)
        by_points = _columns(lambda d: self.project(points + d), offset)
        by_camera = _columns(lambda d: self._changed(d).project(points), change)
        return ProjectionJacobian(by_points, by_camera[..., :4], by_camera[..., 4:])

    def transformed(self, matrix: Float[Tensor, "*batch 3 3"]) -> Self:
        """Returns the camera of the image after a transform: its matrix is M K.

        Args:
            matrix: M, from source pixels to output pixels, as a crop, resize, flip or warp has it.

        Raises:
            ValueError: for another shape.

        Gradient: to both matrices.
        """
        check_matrix(f"{type(self).__name__}.transformed", "matrix", matrix, (3, 3))
        return type(self)(matrix.to(self.matrix) @ self.matrix, *self._tensors()[1:])

    def to(self, *args: Any, **options: Any) -> Self:
        """Returns the camera on another device or in another dtype.

        Args:
            args: as of `torch.Tensor.to`.
            options: likewise.

        Gradient: to matrix and distortion.
        """
        return _restored(type(self), [value.to(*args, **options) for value in self._tensors()])

    def _rays(self, method: str, pixels: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
        """Returns x, y, z of rays of any length, which are finite, and which are in the image of the domain."""
        self._check(method, pixels, 2)
        check_choice(f"{type(self).__name__}.{method}", "grad", grad, GRADS)
        camera, sound = self._finite()
        (u, v), good = components(pixels)
        good = both(good, sound)
        plane = camera._tilt() if method == "undistort" else camera._to_pixels()
        ahead = None
        if plane is not None:
            u, v, ahead = back_through_plane(plane, u, v)
        x, y, z, valid = camera._unbend(u, v, grad)
        if grad == "none":
            x, y, z = x.detach(), y.detach(), z.detach()
        return x, y, z, good, both(good, ahead, valid)

    def _bend(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the lens makes of points: finite, whatever they are."""
        raise NotImplementedError

    def _sees(self, x: Tensor, y: Tensor, z: Tensor) -> Bool[Tensor, "*batch n"]:
        """Returns which points are in the domain of the model."""
        raise NotImplementedError

    def _unbend(self, u: Tensor, v: Tensor, grad: Grad) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns x, y, z of rays to places in the plane, and which of them are in the image of the domain."""
        raise NotImplementedError

    def _tilt(self) -> Float[Tensor, "*batch 3 3"] | None:
        """Returns the map of the plane to distorted normalised coordinates; None: the identity."""
        return None

    def _to_pixels(self) -> Float[Tensor, "*batch 3 3"]:
        tilt = self._tilt()
        if tilt is None:
            return self.matrix
        matrix, tilt = promoted(self.matrix, tilt)
        return matrix @ tilt

    def _tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, name) for name in _names(type(self)))

    def _coefficients(self) -> tuple[Tensor, ...]:
        """Returns the coefficients, each (*batch, 1)."""
        return self._tensors()[1][..., None].unbind(-2)

    def _finite(self) -> tuple[Self, Bool[Tensor, "*batch 1"] | None]:
        """Returns the camera with 0 for what is not finite, and where all of it was; None: everywhere."""
        if all(map(known_finite, self._tensors())):
            return self, None
        values = [finite_rows(value, rank) for value, rank in zip(self._tensors(), (2, 1), strict=False)]
        sound = values[0][1]
        for _, good in values[1:]:
            sound = sound & good
        return _restored(type(self), [value for value, _ in values]), sound[..., None]

    def _changed(self, by: Float[Tensor, "*batch k"]) -> Self:
        """Returns the camera with fx, fy, cx, cy and its coefficients moved."""
        fx, fy, cx, cy = by[..., :4].unbind(-1)
        zero = torch.zeros_like(fx)
        moved = torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, zero], -1).unflatten(-1, (3, 3))
        rest = (value + by[..., 4:] for value in self._tensors()[1:])
        return _restored(type(self), [self.matrix + moved, *rest])

    def _of_batch(self, points: Tensor) -> Tensor:
        """Returns points of the batch of the camera, all of which they need not depend on."""
        return points.expand(*torch.broadcast_shapes(points.shape[:-2], self.batch), *points.shape[-2:])

    def _check(self, method: str, points: Tensor, dims: int) -> None:
        name, argument = f"{type(self).__name__}.{method}", "pixels" if method == "unproject" else "points"
        check_points(name, argument, points, dims)
        check_batches(name, argument, points.shape[:-2], self.batch)


def as_camera(function: str, camera: Any) -> Camera:
    """Returns a camera, which a matrix stands for: that of a pinhole."""
    from .pinhole import PinholeCamera  # the models stand on this file

    if isinstance(camera, Camera):
        return camera
    if isinstance(camera, Tensor):
        check_matrix(function, "camera", camera, (3, 3))
        return PinholeCamera(camera)
    raise mistake(function, "camera", "a Camera or a matrix (*batch, 3, 3)", type(camera).__name__)


def _restored(cls: Any, values: Any) -> Any:
    """Returns a camera of values that are not checked: of a pytree they may be anything."""
    camera = object.__new__(cls)
    for name, value in zip(_names(cls), values, strict=True):
        object.__setattr__(camera, name, value)
    return camera


def _spread(mask: Tensor, points: Tensor) -> Tensor:
    return mask.expand(points.shape[:-1])


def _names(cls: type[Camera]) -> tuple[Literal["matrix", "distortion"], ...]:
    return ("matrix",) if cls.lengths == (0,) else ("matrix", "distortion")


def _columns(function: Any, at: Tensor) -> Tensor:
    """Returns the derivative of pixels by the last dimension, by forward mode; all samples at once."""
    size = at.shape[-1]
    basis = torch.eye(size, dtype=at.dtype, device=at.device)
    basis = basis.reshape(size, *(1,) * (at.ndim - 1), size).expand(size, *at.shape)
    return torch.vmap(lambda d: torch.func.jvp(function, (at,), (d,))[1])(basis).movedim(0, -1)
