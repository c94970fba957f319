"""The poses of a camera that sees three points: up to four.

The depths l_i along unit rays obey  l_i^2 + l_j^2 - 2 c_ij l_i l_j = D_ij,  c the cosines of rays, D squared distances.
Two combinations without D are conics of (l_1 : l_2 : l_3); a singular conic of their pencil, a root of a cubic, is a
pair of lines, which meet the others in all solutions.
Source: Persson and Nordberg, Lambda Twist, 2018; Ding, Yang, Larsson, Olsson, Astrom, Revisiting the P3P Problem, 2023.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import finite_rows
from visionops.geometry.batches import over_batch
from visionops.geometry.implicit.steps import is_watched, newton_steps
from visionops.geometry.linalg import cofactors
from visionops.geometry.polynomials import pencil, real_roots
from visionops.kernels.functions import opaque

from .moves import tangents
from .rays import Pose, check_pose_points, unit_rays

SLOTS = 4
# Newton steps on the depths, and how well they must then fit, relative to the squared distances.
POLISH = 4
RESIDUAL = 1e-10
# Points are collinear, or depths a double solution, where determinants are smaller than this, relative to their terms.
FLAT, DOUBLE = 1e-10, 1e-8
PAIRS = ((0, 1), (0, 2), (1, 2))


def solve_p3p(points3d: Float[Tensor, "*batch 3 3"], points2d: Float[Tensor, "*batch 3 d"], camera: Any = None) -> Pose:
    """Returns `(R, t, valid)` with y = R x + t of every camera that sees three points so, in four slots.

    Args:
        points3d: x, in the world's frame, in the units that t will have.
        points2d: pixels of the camera; without one normalised coordinates (d = 2) or rays of any length (d = 3).
        camera: None, K (*batch, 3, 3), or an object whose `unproject` returns rays.

    Raises:
        ValueError: for other than three points, or what is no camera.

    Gradient: to points and camera, by the implicit function theorem on the depths, right to the second derivative. All
        points are in front: depths along the rays are positive. An empty slot is 0 with gradient 0; so are all of
        collinear or coincident points, NaN and infinity. A double solution (the camera on the cylinder through the
        points that stands on their plane) is returned with gradient 0 and not valid. Computes in float64.
    Source: Persson and Nordberg, Lambda Twist, 2018; Ding et al., Revisiting the P3P Problem, 2023.

    >>> points = torch.tensor([[0.0, 0, 4], [1, 0, 5], [0, 2, 6]])
    >>> R, t, valid = solve_p3p(points, points[:, :2] / points[:, 2:])
    >>> (R - torch.eye(3)).abs().amax((-1, -2))[valid].amin().item() < 1e-5  # the camera at the origin is one of them
    True
    """
    check_pose_points("solve_p3p", points3d, points2d, camera, 3)
    if points3d.shape[-2] != 3:
        raise refuse("solve_p3p", "points3d", "3 points", points3d.shape[-2], "solve_pnp takes more.")
    rays, seen = unit_rays(points2d, camera)
    batch = torch.broadcast_shapes(points3d.shape[:-2], rays.shape[:-2])
    rays = rays.expand(*batch, 3, 3)
    x, good = finite_rows(points3d.double().expand(*batch, 3, 3), 2)
    good = good & seen.all(-1).expand(batch)
    depths, found = over_batch(_declared, batch, rays, x, good)
    depths, valid = _depths(rays, x, depths, found, is_watched(points3d, rays))
    y = depths[..., None] * rays[..., None, :, :]
    R, t = move_triangle(x[..., None, :, :], y, found)
    return Pose(R.to(points3d.dtype), t.to(points3d.dtype), valid)


def _depths(rays: Tensor, x: Tensor, depths: Tensor, found: Tensor, watched: bool) -> tuple[Tensor, Tensor]:
    """Returns depths (..., 4, 3) as functions of rays and points, and which are isolated solutions."""
    chords, squares = _invariants(rays, x)
    chords, squares = chords[..., None, :], squares[..., None, :]
    inverse, regular = _inverse(_derivative(depths, chords.detach()))
    regular = regular & found
    inverse = torch.where(regular[..., None, None], inverse, 0)
    if watched:

        def residual(value: Tensor) -> Tensor:
            return torch.where(regular[..., None], _forms(value, chords) - squares, 0)

        depths = newton_steps(depths, residual, lambda value: (inverse * value[..., None, :]).sum(-1))
    return depths, regular


def _invariants(rays: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the squared distances of unit rays, c = 2 - 2 cos, and of points, of the three pairs.

    A cosine of rays that are close has lost the digits that depths are found by.
    """
    chords, squares = (
        torch.stack([(v[..., i, :] - v[..., j, :]).square().sum(-1) for i, j in PAIRS], -1) for v in (rays, x)
    )
    return chords, squares


def _forms(depths: Tensor, chords: Tensor) -> Tensor:
    """Returns the squared distances that depths give: (d1 - d2)^2 + c d1 d2."""
    d = depths.unbind(-1)
    values = [(d[i] - d[j]).square() + chords[..., k] * d[i] * d[j] for k, (i, j) in enumerate(PAIRS)]
    return torch.stack(values, -1)


def _derivative(depths: Tensor, chords: Tensor) -> Tensor:
    d, zero = depths.unbind(-1), torch.zeros_like(depths[..., 0])
    rows = []
    for k, (i, j) in enumerate(PAIRS):
        row = [zero, zero, zero]
        row[i] = 2 * (d[i] - d[j]) + chords[..., k] * d[j]
        row[j] = 2 * (d[j] - d[i]) + chords[..., k] * d[i]
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def _inverse(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the inverse of (..., 3, 3), and where there is one; 0 elsewhere."""
    minors = cofactors(matrix)
    terms = (minors * matrix)[..., 0, :]
    determinant = terms.sum(-1)
    size = torch.linalg.vector_norm(matrix, dim=(-1, -2)) ** 3
    regular = determinant.abs() > DOUBLE * size
    inverse = minors.mT / torch.where(regular, determinant, 1)[..., None, None]
    return torch.where(regular[..., None, None], inverse, 0), regular


def move_triangle(x: Tensor, y: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Returns R, t that move one triangle (..., 3, 3) onto its copy; 0 where there is none."""
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    safe = found[..., None, None]
    a, b, c = torch.where(safe, x, eye).unbind(-2)
    p, q, r = torch.where(safe, y, eye).unbind(-2)
    cross = torch.linalg.cross
    a1, a2, p1, p2 = b - a, c - a, q - p, r - p
    a3, p3 = cross(a1, a2), cross(p1, p2)
    # The inverse of the matrix of columns a1, a2, a3 has these rows.
    square = a3.square().sum(-1, keepdim=True)
    rows = (cross(a2, a3) / square, cross(a3, a1) / square, a3 / square)
    R = sum(p[..., :, None] * row[..., None, :] for p, row in zip((p1, p2, p3), rows, strict=True))
    t = (p + q + r) / 3 - (R @ ((a + b + c) / 3)[..., None])[..., 0]
    return torch.where(safe, R, 0), torch.where(safe[..., 0], t, 0)


def find_depths(rays: Tensor, x: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
    """Returns depths (b, 4, 3) and which are solutions; 1 elsewhere."""
    chords, squares = _invariants(rays, x)
    total = squares.sum(-1, keepdim=True)
    area = torch.linalg.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]).square().sum(-1, keepdim=True)
    good = good & (area > FLAT * total.square())[:, 0]
    unit = squares / torch.where(total > 0, total, 1)
    first, second = _conics(chords, unit)
    pairs, real = real_roots(pencil(first, second))
    pairs = pairs / torch.linalg.vector_norm(pairs, dim=-1, keepdim=True).clamp(min=1e-300)
    u, v = pairs[..., 0, None, None], pairs[..., 1, None, None]
    singular = u * first[:, None] + v * second[:, None]
    # Its cofactors are -p p^T, p where its lines meet, if they are real: the largest tells the best root.
    minors = cofactors(singular)
    power = -minors.diagonal(dim1=-2, dim2=-1).sum(-1)
    best = torch.where(real, power, -torch.inf).argmax(-1)[:, None, None, None].expand(-1, 1, 3, 3)
    singular, minors = singular.gather(1, best)[:, 0], minors.gather(1, best)[:, 0]
    u, v = u.gather(1, best[..., :1, :1])[:, 0], v.gather(1, best[..., :1, :1])[:, 0]
    depths = _meet(_lines(singular, minors), u * second - v * first)
    chords, squares = chords[:, None], squares[:, None]
    size = _forms(depths, chords).sum(-1, keepdim=True)
    able = size > 0
    depths = depths * (total[:, None] / torch.where(able, size, 1)).sqrt()
    depths = depths * torch.where(depths.sum(-1, keepdim=True) < 0, -1, 1)
    for _ in range(POLISH):
        inverse, _ = _inverse(_derivative(depths, chords))
        depths = depths - (inverse @ (_forms(depths, chords) - squares)[..., None])[..., 0]
    rest = (_forms(depths, chords) - squares).abs().amax(-1)
    found = good[:, None] & able[..., 0] & (depths > 0).all(-1) & (rest <= RESIDUAL * total)
    return torch.where(found[..., None], depths, 1), found


def _conics(chords: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the two combinations of the forms of pairs that squared distances make 0."""
    b = len(chords)
    forms = chords.new_zeros(b, 3, 3, 3)
    for k, (i, j) in enumerate(PAIRS):
        forms[:, k, i, i] = forms[:, k, j, j] = 1
        forms[:, k, i, j] = forms[:, k, j, i] = chords[:, k] / 2 - 1
    weights = tangents(squares)
    first, second = torch.einsum("bkc,bkij->cbij", weights, forms)
    return first, second


def _lines(conic: Tensor, minors: Tensor) -> Tensor:
    """Returns the two lines (b, 2, 3) of a singular conic: C + [p] = 2 m l^T."""
    diagonal = -minors.diagonal(dim1=-2, dim2=-1)
    size, place = diagonal.max(-1, keepdim=True)
    column = minors.gather(-1, place[..., None].expand(-1, 3, 1))[..., 0]
    p = column / size.clamp(min=1e-300).sqrt()
    x, y, z = p.unbind(-1)
    zero = torch.zeros_like(x)
    outer = conic + torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    place = outer.abs().flatten(1).argmax(-1)
    row = outer.gather(1, (place // 3)[:, None, None].expand(-1, 1, 3))[:, 0]
    column = outer.gather(2, (place % 3)[:, None, None].expand(-1, 3, 1))[..., 0]
    return torch.stack([row, column], 1)


def _meet(lines: Tensor, conic: Tensor) -> Tensor:
    """Returns the four points (b, 4, 3) in which two lines (b, 2, 3) meet a conic, or what is nearest to it."""
    along = tangents(lines)  # (b, 2, 3, 2)
    form = along.mT @ conic[:, None] @ along
    a, b, c = form[..., 0, 0], form[..., 0, 1], form[..., 1, 1]
    q = -(b + torch.where(b < 0, -1, 1) * (b * b - a * c).clamp(min=0).sqrt())
    ways = torch.stack([torch.stack([q, a], -1), torch.stack([c, q], -1)], 2)  # (b, line, root, 2)
    return (ways @ along.mT).flatten(1, 2)


def _empty(rays: Tensor, x: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
    return rays.new_empty(len(rays), SLOTS, 3), rays.new_empty(len(rays), SLOTS, dtype=torch.bool)


_declared = opaque("p3p", "(Tensor rays, Tensor x, Tensor good) -> (Tensor, Tensor)", find_depths, _empty)
