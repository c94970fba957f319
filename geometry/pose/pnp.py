"""The pose of a camera from four points or more, by linear equations.

A point y = A x + b on its ray f makes (I - f f^T) y = 0: twelve unknowns p = (A, b), of which sum w |(I - f f^T) y|^2
is the form p^T M p. "dlt" takes the least eigenvector of M, and the rotation nearest to A. "epnp" takes, in the span of
the four least, the p for which A^T A is nearest to I: its columns and b are the control points of EPnP in the frame of
the camera, at unit distances from the centroid. That needs four points, and holds where points are coplanar.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice
from visionops.geometry.arguments import check_weights, finite_rows, or_nan
from visionops.geometry.batches import over_batch
from visionops.geometry.implicit import nearest_rotation
from visionops.geometry.implicit.eigen import least_eigenvector
from visionops.geometry.implicit.steps import is_watched, newton_steps
from visionops.geometry.linalg import cofactors, normalize_points
from visionops.geometry.subspace import least_subspace
from visionops.kernels.eigen import eigen_symmetric
from visionops.kernels.functions import opaque

from .p3p import find_depths, move_triangle
from .rays import Pose, check_pose_points, unit_rays

LEAST = {"epnp": 4, "dlt": 6}
# Levenberg-Marquardt steps on the four coordinates in the span, and the damping's start, growth and fall.
STEPS, DAMPING, GROW, SHRINK = 10, 1e-3, 10.0, 0.1
# The least eigenvalue of the Hessian at a solution, of size one.
REGULAR = 1e-7


def solve_pnp(
    points3d: Float[Tensor, "*batch n 3"],
    points2d: Float[Tensor, "*batch n d"],
    camera: Any = None,
    *,
    method: Literal["epnp", "dlt"] = "epnp",
    weights: Float[Tensor, "*batch n"] | None = None,
) -> Pose:
    """Returns `(R, t, valid)`, y = R x + t from the world's frame to the camera's; exact for exact points.

    Args:
        points3d: x, in the world's frame, in the units that t will have.
        points2d: pixels of the camera; without one normalised coordinates (d = 2) or rays of any length (d = 3).
        camera: None, K (*batch, 3, 3), or an object whose `unproject` returns rays.
        method: "epnp" for four points or more, also on a plane, where few noisy ones make it a coarse start (of four
            with a pixel of noise, one in five is refined to another minimum); "dlt" for six or more, not on a plane.
        weights: at least 0; a point of weight 0 does not count, wherever it is.

    Raises:
        ValueError: for too few points, an unknown method, what is no camera, or weights of another shape.

    Gradient: to points, camera and weights, of the minimum that the method defines, right to the second derivative,
        for exact and inexact points. Where that is not unique (collinear or coincident points, "dlt" on a plane) the
        pose is finite and not valid, with gradient 0; NaN or infinity gives NaN and gradient 0. Valid poses see points
        in front on average; `refine_pnp` makes their reprojection least. Computes in float64.
    Source: Lepetit, Moreno-Noguer and Fua, EPnP, 2009; Hartley and Zisserman, 2004, 7.1; the start in the span by P3P.

    >>> x = torch.tensor([[0.0, 0, 4], [1, 0, 5], [0, 2, 6], [1, 1, 4], [2, 1, 7]])
    >>> R, t, valid = solve_pnp(x, x[:, :2] / x[:, 2:])
    >>> bool(valid), (R - torch.eye(3)).abs().max().item() < 1e-5, t.abs().max().item() < 1e-5
    (True, True, True)
    """
    check_choice("solve_pnp", "method", method, LEAST)
    check_pose_points("solve_pnp", points3d, points2d, camera, LEAST[method])
    check_weights("solve_pnp", weights, points3d)
    rays, seen = unit_rays(points2d, camera)
    batch = torch.broadcast_shapes(points3d.shape[:-2], rays.shape[:-2], () if weights is None else weights.shape[:-1])
    rays, seen = rays.expand(*batch, *rays.shape[-2:]), seen.expand(*batch, seen.shape[-1])
    x, present = finite_rows(points3d.double().expand(*batch, *points3d.shape[-2:]), 1)
    if weights is None:
        w = torch.ones_like(x[..., 0])
        good = (seen & present).all(-1)
    else:
        w, known = finite_rows(weights.double().expand(*batch, x.shape[-2]), 0)
        w = w.clamp(min=0)
        good = (known & ((seen & present) | (w == 0))).all(-1)
    x, scaling = normalize_points(x, weights=w)
    a, b, unique = (_dlt if method == "dlt" else _epnp)(x, rays, w, good)
    R, turned = nearest_rotation(a @ x.mT @ (w[..., None] * x), return_valid=True)
    size = 1 / scaling[..., :1, 0]
    t = size * (b + (R @ scaling[..., :3, 3:])[..., 0])
    depth = (w * (rays * (x @ a.mT + b[..., None, :])).sum(-1)).sum(-1)
    valid = good & unique & turned & (depth.detach() > 0)
    R, t = (torch.where(valid.reshape(*batch, *(1,) * k), v, v.detach()) for v, k in ((R, 2), (t, 1)))
    return Pose(or_nan(R, good).to(points3d.dtype), or_nan(t, good).to(points3d.dtype), valid)


def _form(x: Tensor, rays: Tensor, w: Tensor) -> Tensor:
    """Returns M (..., 12, 12), of [A b] row by row."""
    x = torch.nn.functional.pad(x, (0, 1), value=1.0)
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    across = w[..., None, None] * (eye - rays[..., :, None] * rays[..., None, :])
    products = across.flatten(-2).mT @ (x[..., :, None] * x[..., None, :]).flatten(-2)
    return products.unflatten(-1, (4, 4)).unflatten(-3, (3, 3)).transpose(-3, -2).flatten(-4, -3).flatten(-2)


def _dlt(x: Tensor, rays: Tensor, w: Tensor, good: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    p, unique = least_eigenvector(_form(x, rays, w))
    p = p.unflatten(-1, (3, 4))
    a, b = p[..., :3], p[..., 3]
    size = a.square().sum((-1, -2))
    unique = unique & (size.detach() > 1e-20)
    ahead = (w * (rays * (x @ a.mT + b[..., None, :])).sum(-1)).sum(-1).detach()
    scale = torch.where(ahead < 0, -1, 1) * (3 / torch.where(unique, size, 1)).sqrt()
    return scale[..., None, None] * a, scale[..., None] * b, unique


def _epnp(x: Tensor, rays: Tensor, w: Tensor, good: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    form = _form(x, rays, w)
    span, _, unique = least_subspace(form, 4)
    basis = span.mT.unflatten(-1, (3, 4))  # (..., 4, 3, 4)
    unique = unique & good
    with torch.no_grad():
        given = (basis, span.mT @ form @ span, x, rays, w, unique)
        beta, inverse, regular = over_batch(_declared, good.shape, *given)
    if is_watched(form):
        flat = basis[..., :3]
        beta = newton_steps(beta, lambda beta: _gradient(beta, flat), lambda g: (inverse @ g[..., None])[..., 0])
    p = torch.einsum("...k,...kij->...ij", beta, basis)
    return p[..., :3], p[..., 3], regular


def _gradient(beta: Tensor, basis: Tensor) -> Tensor:
    """Returns the gradient of |A^T A - I|^2 / 4 by the coordinates beta of A in a basis (..., 4, 3, 3)."""
    a = torch.einsum("...k,...kij->...ij", beta, basis)
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    return torch.einsum("...kij,...ij->...k", basis, a @ (a.mT @ a - eye))


def _inverse_hessian(beta: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the inverse of the Hessian of that, and where it is positive definite; 0 elsewhere."""
    a = torch.einsum("...k,...kij->...ij", beta, basis)
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    rest = a.mT @ a - eye
    change = basis.mT @ a[..., None, :, :]
    image = basis @ rest[..., None, :, :] + a[..., None, :, :] @ (change + change.mT)
    values, vectors = eigen_symmetric(torch.einsum("...kij,...lij->...kl", basis, image))
    regular = values[..., 0] > REGULAR
    values = torch.where(regular[..., None], 1 / torch.where(regular[..., None], values, 1), 0)
    return (vectors * values[..., None, :]) @ vectors.mT, regular


def _find(basis: Tensor, within: Tensor, x: Tensor, rays: Tensor, w: Tensor, good: Tensor) -> tuple[Tensor, ...]:
    """Returns the coordinates (b, 4) for which |A^T A - I|^2 is least: that of its minima which fits the rays best.

    Then the inverse (b, 4, 4) of its Hessian, and where it is positive definite; 0 elsewhere.
    """
    basis, within = (torch.where(good.reshape(-1, *(1,) * (v.ndim - 1)), v, 0) for v in (basis, within))
    beta = torch.cat([_starts(basis, x, rays, w, good), _least(basis, within, x, rays, w)], 1)
    flat = basis[..., :3]
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    damping = beta.new_full(beta.shape[:-1], DAMPING)

    def residual(beta: Tensor) -> tuple[Tensor, Tensor]:
        a = torch.einsum("bsk,bkij->bsij", beta, flat)
        return a, (a.mT @ a - eye).flatten(-2)

    a, rest = residual(beta)
    for _ in range(STEPS):
        change = flat.mT[:, None] @ a[:, :, None]
        j = (change + change.mT).flatten(-2)  # (b, starts, 4, 9)
        model = j @ j.mT + torch.diag_embed(damping[..., None].expand_as(beta))
        step = torch.linalg.solve_ex(model, (j @ rest[..., None]))[0][..., 0]
        ahead = beta - step
        a_ahead, there = residual(ahead)
        better = there.square().sum(-1) <= rest.square().sum(-1)
        beta, a, rest = (
            torch.where(better.reshape(*better.shape, *(1,) * (new.ndim - 2)), new, old)
            for new, old in ((ahead, beta), (a_ahead, a), (there, rest))
        )
        damping = (damping * torch.where(better, SHRINK, GROW)).clamp(1e-12, 1e12)
    p = torch.einsum("bsk,bkij->bsij", beta, basis)
    # Of points on a plane mirror images fit as well, until a point leaves it.
    mirrored = (cofactors(a) * a)[..., 0, :].sum(-1) < 0
    error = _misfit(p, x, rays, w) + torch.where(mirrored, 2 * w.sum(-1, keepdim=True), 0)
    best = error.argmin(1)[:, None, None].expand(-1, 1, 4)
    beta = beta.gather(1, best)[:, 0]
    for _ in range(3):  # by the exact Hessian, where steps above are not quite
        inverse, regular = _inverse_hessian(beta, flat)
        step = (inverse @ _gradient(beta, flat)[..., None])[..., 0]
        beta = torch.where(regular[:, None], beta - step, beta)
    inverse, regular = _inverse_hessian(beta, flat)
    return beta, torch.where(good[:, None, None], inverse, 0), regular & good


def _misfit(p: Tensor, x: Tensor, rays: Tensor, w: Tensor) -> Tensor:
    """Returns the sum of w (1 - cos) of the angles between rays and points, for poses near [A b] (b, starts, 3, 4)."""
    R = nearest_rotation(p[..., :3] @ (x.mT @ (w[..., None] * x))[:, None])
    y = x[:, None] @ R.mT + p[..., None, :, 3]
    size = torch.linalg.vector_norm(y, dim=-1).clamp(min=1e-300)
    return (w[:, None] * (1 - (rays[:, None] * y).sum(-1) / size)).sum(-1)


def _starts(basis: Tensor, x: Tensor, rays: Tensor, w: Tensor, good: Tensor) -> Tensor:
    """Returns the coordinates (b, 4, 4) of the poses of three points that are far apart; 0 where there are fewer."""
    counts = torch.where(w > 0, 1, 0)

    def take(score: Tensor) -> tuple[Tensor, Tensor]:
        place = (score * counts + counts).argmax(-1)[:, None, None].expand(-1, 1, 3)
        return x.gather(1, place), rays.gather(1, place)

    first, ray1 = take(x.square().sum(-1))
    second, ray2 = take((x - first).square().sum(-1))
    third, ray3 = take(torch.linalg.cross(x - first, (second - first).expand_as(x)).square().sum(-1))
    corners, seen = torch.cat([first, second, third], 1), torch.cat([ray1, ray2, ray3], 1)
    depths, found = find_depths(seen, corners, good)
    R, t = move_triangle(corners[:, None], depths[..., None] * seen[:, None], found)
    return torch.einsum("bsij,bkij->bsk", torch.cat([R, t[..., None]], -1), basis)


def _least(basis: Tensor, within: Tensor, x: Tensor, rays: Tensor, w: Tensor) -> Tensor:
    """Returns the coordinates (b, 1, 4) of the least eigenvector of M, of the size of a rotation, points in front."""
    beta = eigen_symmetric(within)[1][..., 0]
    p = torch.einsum("bk,bkij->bij", beta, basis)
    ahead = (w * (rays * (x @ p[..., :3].mT + p[:, None, :, 3])).sum(-1)).sum(-1)
    size = torch.linalg.vector_norm(p[..., :3], dim=(-1, -2)).clamp(min=1e-6)
    return (torch.where(ahead < 0, -1, 1) * 3**0.5 / size)[:, None, None] * beta[:, None]


def _empty(basis: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
    b = len(basis)
    return basis.new_empty(b, 4), basis.new_empty(b, 4, 4), basis.new_empty(b, dtype=torch.bool)


_declared = opaque(
    "epnp",
    "(Tensor basis, Tensor within, Tensor x, Tensor rays, Tensor w, Tensor good) -> (Tensor, Tensor, Tensor)",
    _find,
    _empty,
)
