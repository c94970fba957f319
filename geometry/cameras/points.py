"""Pixels of points in the world, and pixels with and without the distortion of a lens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import both, check_batches, check_matrix, check_points, check_vector, finite_rows
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.linalg import transform_points

from .camera import Camera, as_camera
from .pinhole import PinholeCamera
from .plane import back_through_plane, components, joined, through_plane

Points = Float[Tensor, "*batch n 2"]
Valid = Bool[Tensor, "*batch n"]


def normalize_pixels(
    pixels: Float[Tensor, "*batch n 2"], matrix: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Points | tuple[Points, Valid]:
    """Returns normalised coordinates, K^-1 (x, y, 1): x / z and y / z of what a pinhole camera sees there.

    Args:
        pixels: (x, y), whose centres are at integers.
        matrix: K, of any shape that an invertible matrix may have; its batch broadcasts with that of the pixels.
        return_valid: whether to return also which are finite, and on the centre's side of the horizon if K has one.

    Raises:
        ValueError: for other shapes.

    Gradient: to pixels and matrix. What is beyond the horizon is held just before it; NaN gives NaN and gradient 0.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> normalize_pixels(torch.tensor([[150.0, 90.0]]), k).tolist()
    [[1.0, 0.5]]
    """
    return _mapped("normalize_pixels", "pixels", pixels, matrix, True, return_valid)


def denormalize_pixels(
    points: Float[Tensor, "*batch n 2"], matrix: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Points | tuple[Points, Valid]:
    """Returns the pixels K (x, y, 1) of normalised coordinates: the inverse of `normalize_pixels`.

    Args:
        points: x / z and y / z.
        matrix: K.
        return_valid: as of `normalize_pixels`.

    Raises:
        ValueError: for other shapes.

    Gradient: as of `normalize_pixels`.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> denormalize_pixels(torch.tensor([[1.0, 0.5]]), k).tolist()
    [[150.0, 90.0]]
    """
    return _mapped("denormalize_pixels", "points", points, matrix, False, return_valid)


def project_points(
    points: Float[Tensor, "*batch n 3"],
    camera: Camera | Float[Tensor, "*batch 3 3"],
    R: Float[Tensor, "*batch 3 3"] | None = None,
    t: Float[Tensor, "*batch 3"] | None = None,
    *,
    return_valid: bool = False,
) -> Points | tuple[Points, Valid]:
    """Returns the pixels of points in the world: those of R X + t in the camera's frame.

    Args:
        points: X.
        camera: any model; a matrix K stands for a pinhole.
        R: the rotation from world to camera; None: none.
        t: the translation from world to camera, in the unit of the points; None: 0.
        return_valid: whether to return also which are in the domain of the camera; see `Camera.project`.

    Raises:
        ValueError: for other shapes.

    Gradient: to all of them; as of `Camera.project`.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> project_points(torch.tensor([[1.0, 2.0, 0.0]]), k, t=torch.tensor([0.0, 0.0, 4.0])).tolist()
    [[75.0, 90.0]]
    """
    camera = as_camera("project_points", camera)
    check_points("project_points", "points", points, 3)
    if R is not None:
        check_matrix("project_points", "R", R, (3, 3))
        check_batches("project_points", "R", R.shape[:-2], points.shape[:-2])
        points = transform_points(R, points)
    if t is not None:
        check_vector("project_points", "t", t, 3)
        check_batches("project_points", "t", t.shape[:-1], points.shape[:-2])
        points = points + t[..., None, :]
    return camera.project(points, return_valid=return_valid)


def undistort_points(
    pixels: Float[Tensor, "*batch n 2"],
    camera: Camera | Float[Tensor, "*batch 3 3"],
    *,
    matrix: Float[Tensor, "*batch 3 3"] | None = None,
    R: Float[Tensor, "*batch 3 3"] | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Points | tuple[Points, Valid]:
    """Returns where a pinhole camera in the same place sees what a camera sees at pixels.

    Args:
        pixels: (x, y) in the camera's image.
        camera: any model with a centre.
        matrix: K of the pinhole; None: that of the camera. The identity gives normalised coordinates.
        R: the rotation from the camera's frame to the pinhole's, as rectification has it; None: none.
        grad: how the lens is differentiated; see `Camera.unproject`.
        return_valid: whether to return also which pixels are in the image of the camera's domain, and in front of the
            pinhole.

    Raises:
        ValueError: for other shapes or an unknown `grad`.

    Gradient: to all of them; as of `Camera.unproject`, then `Camera.project`.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> from visionops.geometry.cameras import DivisionCamera
    >>> undistort_points(torch.tensor([[150.0, 40.0]]), DivisionCamera(k, torch.tensor([-0.5]))).tolist()
    [[250.0, 40.0]]
    """
    name = "undistort_points"
    camera = as_camera(name, camera)
    x, y, z, good, valid = _turned(name, camera._rays("unproject", pixels, grad), R, inverse=False)
    pinhole, sound = _pinhole(name, camera, matrix)._finite()
    u, v, ahead = through_plane(pinhole.matrix, *pinhole._bend(x, y, z))
    out = joined(u, v, good=both(good, sound))
    if not return_valid:
        return out
    return out, both(valid, sound, ahead, pinhole._sees(x.detach(), y.detach(), z.detach())).expand(out.shape[:-1])


def distort_points(
    pixels: Float[Tensor, "*batch n 2"],
    camera: Camera | Float[Tensor, "*batch 3 3"],
    *,
    matrix: Float[Tensor, "*batch 3 3"] | None = None,
    R: Float[Tensor, "*batch 3 3"] | None = None,
    return_valid: bool = False,
) -> Points | tuple[Points, Valid]:
    """Returns where a camera sees what a pinhole camera in the same place sees: the inverse of `undistort_points`.

    Args:
        pixels: (x, y) in the pinhole's image.
        camera: any model.
        matrix: K of the pinhole; None: that of the camera.
        R: the rotation from the camera's frame to the pinhole's; None: none.
        return_valid: whether to return also which are in the domain of the camera.

    Raises:
        ValueError: for other shapes.

    Gradient: to all of them; as of `Camera.project`.

    >>> k = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> from visionops.geometry.cameras import DivisionCamera
    >>> distort_points(torch.tensor([[250.0, 40.0]]), DivisionCamera(k, torch.tensor([-0.5]))).tolist()
    [[150.0, 40.0]]
    """
    name = "distort_points"
    camera = as_camera(name, camera)
    pinhole = _pinhole(name, camera, matrix)
    x, y, z, good, valid = _turned(name, pinhole._rays("unproject", pixels, "implicit"), R, inverse=True)
    lens, sound = camera._finite()
    u, v, ahead = through_plane(lens._to_pixels(), *lens._bend(x, y, z))
    out = joined(u, v, good=both(good, sound))
    if not return_valid:
        return out
    return out, both(valid, sound, ahead, lens._sees(x.detach(), y.detach(), z.detach())).expand(out.shape[:-1])


def _turned(
    function: str, rays: tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor], R: Tensor | None, *, inverse: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor]:
    """Returns rays turned by R, or by its inverse."""
    if R is None:
        return rays
    x, y, z, good, valid = rays
    check_matrix(function, "R", R, (3, 3))
    check_batches(function, "R", R.shape[:-2], x.shape[:-1])
    turn, sound = finite_rows(R, 2)
    points = torch.stack(torch.broadcast_tensors(x, y, z), -1) @ (turn if inverse else turn.mT)
    sound = sound[..., None]
    return *points.unbind(-1), both(good, sound), both(valid, sound)


def _pinhole(function: str, camera: Camera, matrix: Tensor | None) -> PinholeCamera:
    if matrix is None:
        return PinholeCamera(camera.matrix)
    check_matrix(function, "matrix", matrix, (3, 3))
    return PinholeCamera(matrix)


def _mapped(
    function: str, argument: str, points: Tensor, matrix: Tensor, inverse: bool, return_valid: bool
) -> Tensor | tuple[Tensor, Tensor]:
    check_points(function, argument, points, 2)
    check_matrix(function, "matrix", matrix, (3, 3))
    check_batches(function, "matrix", matrix.shape[:-2], points.shape[:-2])
    (x, y), good = components(points)
    plane, sound = finite_rows(matrix, 2)
    good = both(good, sound[..., None])
    u, v, ahead = (back_through_plane if inverse else through_plane)(plane, x, y)
    out = joined(u, v, good=good)
    return (out, both(good, ahead).expand(out.shape[:-1])) if return_valid else out
