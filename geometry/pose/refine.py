"""The pose of least reprojection error, by Levenberg's and Marquardt's method on the six numbers of a motion.

y -> cayley(phi) y + rho   from the left,    J = [P, y x P],    P = d pixel / d y,    (J^T W J + damping) step = J^T W r
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice, check_count
from visionops.errors import refuse
from visionops.geometry.arguments import (
    check_batches,
    check_matrix,
    check_points,
    check_same_points,
    check_vector,
    check_weights,
    finite_rows,
    or_nan,
)
from visionops.geometry.batches import over_batch
from visionops.geometry.implicit import implicit_argmin
from visionops.geometry.implicit.argmin import definite_factor
from visionops.geometry.implicit.steps import GRADS, Grad, is_watched, may_branch
from visionops.geometry.linalg import from_homogeneous
from visionops.kernels.functions import opaque

from .moves import cayley
from .rays import Pose

# Steps smaller than this have converged; the damping's start, growth and fall.
SMALL = 1e-9
DAMPING, GROW, SHRINK = 1e-4, 10.0, 0.1

# Points in the camera's frame (b, n, 3) to pixels (b, n, 2) and their derivative (b, n, 2, 3).
Projection = Callable[[Tensor], tuple[Tensor, Tensor]]


def refine_pnp(
    points3d: Float[Tensor, "*batch n 3"],
    points2d: Float[Tensor, "*batch n 2"],
    R: Float[Tensor, "*batch 3 3"],
    t: Float[Tensor, "*batch 3"],
    camera: Any = None,
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    iterations: int = 20,
    grad: Grad = "implicit",
) -> Pose:
    """Returns `(R, t, valid)`, the pose y = R x + t with the least sum w |pixel(y) - point|^2 near a first one.

    Args:
        points3d: x, in the world's frame. At least three.
        points2d: pixels of the camera, or without one normalised coordinates.
        R: a first rotation, as `solve_pnp` gives it.
        t: a first translation, in the units of points3d.
        camera: None, K (*batch, 3, 3), or an object whose `project` maps points in its frame to pixels.
        weights: at least 0; a point of weight 0 does not count, wherever it is.
        iterations: at most; on a host they stop when every sample has converged.
        grad: "implicit" differentiates the conditions at the minimum, with the exact Hessian; "unroll" the iterations;
            "none" is a constant.

    Raises:
        ValueError: for fewer than three points, other shapes, what is no camera, or an unknown `grad`.

    Gradient: to points, camera and weights, right to the second derivative for "implicit", and none to the first pose.
        A sample is valid where the steps became small, the points determine the pose (J^T J is not singular) and every
        point that counts is in front (z > 0); else it keeps its best pose, with gradient 0. So has a pose whose Hessian
        is not positive definite. NaN or infinity gives NaN. Computes in float64.
    Source: Marquardt 1963; Hartley and Zisserman, Multiple View Geometry, 2004, 7.2.

    >>> x = torch.tensor([[0.0, 0, 4], [1, 0, 5], [0, 2, 6], [1, 1, 4]])
    >>> R, t, valid = refine_pnp(x, x[:, :2] / x[:, 2:], torch.eye(3), torch.tensor([0.1, -0.1, 0.2]))
    >>> t.abs().max().item() < 1e-5, bool(valid)
    (True, True)
    """
    _check(points3d, points2d, R, t, camera, weights, iterations, grad)
    shapes = [points3d.shape[:-2], points2d.shape[:-2], R.shape[:-2], t.shape[:-1]]
    shapes += [] if weights is None else [weights.shape[:-1]]
    shapes += [camera.shape[:-2]] if isinstance(camera, Tensor) else []
    batch = torch.broadcast_shapes(*shapes)
    x, present = finite_rows(points3d.double().expand(*batch, *points3d.shape[-2:]), 1)
    pixels, seen = finite_rows(points2d.double().expand(*batch, *points2d.shape[-2:]), 1)
    w = x.new_ones(x.shape[:-1]) if weights is None else weights.double().expand(x.shape[:-1])
    w, known = finite_rows(w.clamp(min=0), 0)
    first = torch.cat([R.double().expand(*batch, 3, 3), t.double().expand(*batch, 3)[..., None]], -1)
    first, sound = finite_rows(first, 2)
    good = sound & (known & ((present & seen) | (w == 0))).all(-1)
    w = torch.where(good[..., None], w, 0)
    if isinstance(camera, Tensor):
        k, real = finite_rows(camera.double().expand(*batch, 3, 3), 2)
        good = good & real
        camera = torch.where(good[..., None, None], k, torch.eye(3, dtype=k.dtype, device=k.device))
    pose, valid = _refine(x, pixels, first.detach(), w, camera, iterations, grad)
    y = x.detach() @ pose[..., :3].detach().mT + pose[..., None, :, 3].detach()
    valid = valid & good & ((y[..., 2] > 0) | (w == 0)).all(-1)
    pose = or_nan(torch.where(valid[..., None, None], pose, pose.detach()), good).to(points3d.dtype)
    return Pose(pose[..., :3], pose[..., 3], valid)


def _check(x: Any, pixels: Any, R: Any, t: Any, camera: Any, weights: Any, iterations: Any, grad: Any) -> None:
    name = "refine_pnp"
    check_points(name, "points3d", x, 3, 3)
    check_points(name, "points2d", pixels, 2)
    check_same_points(name, "points2d", pixels, x)
    check_matrix(name, "R", R, (3, 3))
    check_vector(name, "t", t, 3)
    check_weights(name, weights, x)
    check_count(name, "iterations", iterations, least=0)
    check_choice(name, "grad", grad, GRADS)
    if isinstance(camera, Tensor):
        check_matrix(name, "camera", camera, (3, 3))
        check_batches(name, "camera", camera.shape[:-2], x.shape[:-2])
    elif camera is not None and not hasattr(camera, "project"):
        rule = "None, a matrix K (*batch, 3, 3) or an object with project"
        raise refuse(name, "camera", rule, type(camera).__name__)


def _refine(
    x: Tensor, pixels: Tensor, first: Tensor, w: Tensor, camera: Any, iterations: int, grad: Grad
) -> tuple[Tensor, Tensor]:
    """Returns poses (..., 3, 4), as functions of points, weights and camera, and which are minima."""

    def cost(u: Tensor, pose: Tensor) -> Tensor:
        moved = _moved(pose, u)
        y = x @ moved[..., :3].mT + moved[..., None, :, 3]
        return (w * (_project(camera, y) - pixels).square().sum(-1)).sum(-1) / 2

    start = x.new_zeros(*first.shape[:-2], 6)
    if grad == "unroll":
        u, valid = implicit_argmin(
            lambda u: cost(u, first), start, kind="general", iterations=iterations, grad=grad, return_valid=True
        )
        return _moved(first, u), valid
    with torch.no_grad():
        if isinstance(camera, Tensor) or camera is None:
            pose, valid = _solve(x, pixels, first, w, camera, iterations)
        else:
            pose, valid = _descend(lambda y: _differentiated(camera.project, y), x, pixels, first, w, iterations)
    if grad == "none" or not is_watched(x, pixels, w, *_tensors(camera)):
        return pose, valid
    # A sample that is no minimum is replaced by one without derivatives: its pose is kept.
    u, minimal = implicit_argmin(
        lambda u: cost(u, pose), start, kind="general", iterations=0, grad=grad, return_valid=True
    )
    return _moved(pose, torch.where((valid & minimal)[..., None], u, 0)), valid


def _moved(pose: Tensor, u: Tensor) -> Tensor:
    """Returns poses (..., 3, 4) after small motions (rho, phi) from the left."""
    turned = cayley(u[..., 3:]) @ pose
    return torch.cat([turned[..., :3], turned[..., 3:] + u[..., :3, None]], -1)


def _tensors(camera: Any) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(camera) if isinstance(leaf, Tensor)]


def _project(camera: Any, y: Tensor) -> Tensor:
    if camera is None:
        return from_homogeneous(y)
    return from_homogeneous(y @ camera.mT) if isinstance(camera, Tensor) else camera.project(y)


def _differentiated(project: Callable[[Tensor], Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns pixels and their derivatives: every point moves its own pixel alone, so two pulls give them all."""
    pixels, pull = torch.func.vjp(project, y)[:2]
    rows = [pull(torch.eye(2, dtype=y.dtype, device=y.device)[k].expand_as(pixels))[0] for k in range(2)]
    return pixels, torch.stack(rows, -2)


def _pinhole(k: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    p = y @ k.mT
    depth = p[..., 2:]
    # Nearer than this the cost is so large that no step goes there.
    depth = torch.where(depth.abs() > 1e-12, depth, torch.where(depth < 0, -1e-12, 1e-12))
    pixels = p[..., :2] / depth
    rows = (k[..., None, :2, :] - pixels[..., None] * k[..., None, 2:, :]) / depth[..., None]
    return pixels, rows


def _solve(x: Tensor, pixels: Tensor, first: Tensor, w: Tensor, k: Any, iterations: int) -> tuple[Tensor, Tensor]:
    k = torch.eye(3, dtype=x.dtype, device=x.device).expand(*w.shape[:-1], 3, 3) if k is None else k
    pose, done = over_batch(_declared, w.shape[:-1], x, pixels, first, w, k, rest=(iterations,))
    return pose, done


def _find(x: Tensor, pixels: Tensor, first: Tensor, w: Tensor, k: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    return _descend(lambda y: _pinhole(k, y), x, pixels, first, w, iterations)


def _descend(
    project: Projection, x: Tensor, pixels: Tensor, pose: Tensor, w: Tensor, iterations: int
) -> tuple[Tensor, Tensor]:
    """Returns the best pose (..., 3, 4) of every sample, and where the last step was small."""

    def at(pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = x @ pose[..., :3].mT + pose[..., None, :, 3]
        there, rows = project(y)
        rest = there - pixels
        turns = torch.linalg.cross(y[..., None, :].expand_as(rows), rows)
        j = torch.cat([rows, turns], -1)  # (..., n, 2, 6)
        weighted = (w[..., None, None] * j).flatten(-3, -2)
        rest = rest.flatten(-2)[..., None]
        j = j.flatten(-3, -2)
        cost = (w * rest[..., 0].unflatten(-1, (-1, 2)).square().sum(-1)).sum(-1)
        return cost, weighted.mT @ j, (weighted.mT @ rest)[..., 0]

    cost, model, slope = at(pose)
    damping = torch.full_like(cost, DAMPING)
    done = torch.zeros_like(cost, dtype=torch.bool)
    eye = torch.eye(6, dtype=x.dtype, device=x.device)
    slack = 4 * torch.finfo(x.dtype).eps
    for _ in range(iterations):
        size = model.diagonal(dim1=-2, dim2=-1)
        size = size.clamp(min=1e-12 * size.amax(-1, keepdim=True).clamp(min=1e-30))
        matrix = model + torch.diag_embed(damping[..., None] * size)
        sound = matrix.isfinite().all(-1).all(-1)
        factor, info = torch.linalg.cholesky_ex(torch.where(sound[..., None, None], matrix, eye))
        sound = sound & (info == 0) & slope.isfinite().all(-1)
        step = torch.cholesky_solve(torch.where(sound[..., None], slope, 0)[..., None], factor)[..., 0]
        ahead = _moved(pose, -step)
        there = at(ahead)
        better = sound & ~done & (there[0] <= cost * (1 + slack))
        length = torch.linalg.vector_norm(pose[..., 3], dim=-1)
        small = torch.linalg.vector_norm(step[..., :3], dim=-1) <= SMALL * (1 + length)
        small = small & (torch.linalg.vector_norm(step[..., 3:], dim=-1) <= SMALL)
        done = done | (sound & small & cost.isfinite())
        pose = torch.where(better[..., None, None], ahead, pose)
        cost = torch.where(better, there[0], cost)
        model = torch.where(better[..., None, None], there[1], model)
        slope = torch.where(better[..., None], there[2], slope)
        damping = (damping * torch.where(better, SHRINK, GROW)).clamp(1e-12, 1e12)
        if may_branch(x) and bool(done.all()):
            break
    determined = definite_factor(model)[2]
    return pose, determined & (done if iterations else cost.isfinite())


def _empty(x: Tensor, pixels: Tensor, first: Tensor, w: Tensor, k: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(first), first.new_empty(len(first), dtype=torch.bool)


_declared = opaque(
    "refine_pnp",
    "(Tensor x, Tensor pixels, Tensor first, Tensor w, Tensor k, int iterations) -> (Tensor, Tensor)",
    _find,
    _empty,
)
