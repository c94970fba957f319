"""Minimal solvers, and the pose of a camera."""

from collections.abc import Callable

import torch
from torch import Tensor

from visionops.geometry import polynomials
from visionops.geometry.epipolar import five_point, seven_point
from visionops.geometry.pose import p3p, pnp, refine
from visionops.testing.operators import Geometry, Inputs

from .geometry_solvers import random

K = torch.tensor([[2.0, 0.1, 0.3], [0.0, 1.8, -0.2], [0.0, 0.0, 1.0]], dtype=torch.float64)


def scene(n: int, count: int, *, seed: int = 0, flat: bool = False) -> tuple[Tensor, ...]:
    """Returns points x (n, count, 3) in front of two cameras, the first at the origin, and R, t of the second."""
    low = torch.tensor([-2.0, -2.0, 4.0], dtype=torch.float64)
    x = low + 4 * torch.rand(n, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if flat:
        x[..., 2] = 6 + 0.3 * x[..., 0] - 0.2 * x[..., 1]
    turn = 0.1 * random(n, torch.float64, 3, 3, seed=seed + 1)
    t = random(n, torch.float64, 3, seed=seed + 2)
    return x, torch.matrix_exp(turn - turn.mT), t / t.norm(dim=-1, keepdim=True)


def _seen(x: Tensor) -> Tensor:
    return x[..., :2] / x[..., 2:]


def matches(n: int, count: int, *, noise: float = 0.0, seed: int = 0, flat: bool = False) -> tuple[Tensor, Tensor]:
    """Returns what both cameras see of the points."""
    x, R, t = scene(n, count, seed=seed, flat=flat)
    second = _seen(x @ R.mT + t[:, None])
    return _seen(x), second + noise * random(n, torch.float64, count, 2, seed=seed + 3)


def _of_matches(count: int, seed: int) -> Callable[[int, torch.dtype], Inputs]:
    return lambda n, dtype: tuple(p.to(dtype) for p in matches(n, count, seed=seed))


def _views(count: int, seed: int, noise: float = 0.0, flat: bool = False) -> tuple[Tensor, Tensor]:
    x, R, t = scene(4, count, seed=seed, flat=flat)
    return x, _seen(x @ R.mT + t[:, None]) + noise * random(4, torch.float64, count, 2, seed=seed + 3)


def _of_views(count: int, seed: int) -> Callable[[int, torch.dtype], Inputs]:
    return lambda n, dtype: tuple(p[:n].to(dtype) for p in _views(count, seed))


def _refine(x: Tensor, points: Tensor, k: Tensor, weights: Tensor) -> refine.Pose:
    first = torch.eye(3, dtype=x.dtype).expand(*x.shape[:-2], 3, 3), 0.1 * torch.ones_like(x[..., 0, :])
    return refine.refine_pnp(x, points, *first, k, weights=weights)


def _refined(n: int, dtype: torch.dtype, noise: float = 0.02) -> tuple[Tensor, ...]:
    x, _, _ = scene(n, 6, seed=8)
    points = _seen(x) @ K[:2, :2].mT + K[:2, 2] + noise * random(n, torch.float64, 6, 2)
    weights = 0.5 + torch.rand(n, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return tuple(v.to(dtype) for v in (x, points, K.expand(n, 3, 3), weights))


def _same(count: int, dims: int) -> Tensor:
    return torch.ones(1, count, dims, dtype=torch.float64)


def _on_line(count: int, dims: int) -> Tensor:
    along = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
    return (along * torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[:dims])[None] + 2 * (dims == 3)


def _turned(count: int) -> tuple[Tensor, Tensor]:
    x, R, _ = scene(1, count, seed=3)
    return _seen(x), _seen(x @ R.mT)


CASES = {
    "visionops.geometry.polynomial_roots": Geometry(
        polynomials.polynomial_roots,
        example=lambda n, dtype: (random(n, dtype, 6),),
        solves=True,
        regular={"a leading 0": lambda: (torch.tensor([[0.0, 1.0, -3.0, 1.5]], dtype=torch.float64)[:, 1:],)},
        singular={
            "a double root": lambda: (torch.tensor([[1.0, -2.0, 1.0], [0.0, 0.0, 0.0]]),),
            "at infinity": lambda: (torch.tensor([[0.0, 1.0, -3.0]]),),
        },
    ),
    "visionops.geometry.find_fundamental_7point": Geometry(
        seven_point.find_fundamental_7point,
        example=_of_matches(7, 14),
        solves=True,
        regular={"inexact": lambda: matches(2, 7, noise=0.02, seed=4)},
        singular={
            "coincident": lambda: (_same(7, 2), _same(7, 2)),
            "collinear": lambda: (_on_line(7, 2), matches(1, 7)[1]),
            "a plane": lambda: matches(1, 7, flat=True),
            "a rotation": lambda: _turned(7),
        },
    ),
    "visionops.geometry.find_essential": Geometry(
        five_point.find_essential,
        example=_of_matches(5, 21),
        solves=True,
        regular={
            "a plane": lambda: matches(2, 5, seed=5, flat=True),
            "more, exact": lambda: matches(2, 7, seed=6),
            "more, inexact": lambda: matches(2, 8, noise=0.01, seed=7),
        },
        singular={
            "coincident": lambda: (_same(5, 2), _same(5, 2)),
            "collinear": lambda: (_on_line(5, 2), _on_line(5, 2)),
            "a rotation": lambda: _turned(5),
            "no motion": lambda: (matches(1, 6)[0], matches(1, 6)[0]),
        },
    ),
    "visionops.geometry.solve_p3p": Geometry(
        p3p.solve_p3p,
        example=_of_views(3, 31),
        solves=True,
        singular={
            "coincident": lambda: (_same(3, 3), _same(3, 2)),
            "collinear": lambda: (_on_line(3, 3), _on_line(3, 2)),
            "one ray": lambda: (scene(1, 3)[0], _same(3, 2)),
        },
    ),
    "visionops.geometry.solve_pnp": Geometry(
        pnp.solve_pnp,
        example=_of_views(6, 41),
        solves=True,
        regular={
            "four": lambda: _views(4, 42),
            "a plane": lambda: _views(6, 43, flat=True),
            "inexact": lambda: _views(8, 44, noise=0.01),
        },
        singular={
            "coincident": lambda: (_same(5, 3), _same(5, 2)),
            "collinear": lambda: (_on_line(5, 3), _on_line(5, 2)),
        },
    ),
    "visionops.geometry.refine_pnp": Geometry(
        _refine,
        example=_refined,
        solves=True,
        regular={"exact": lambda: _refined(2, torch.float64, 0.0)},
        singular={
            "coincident": lambda: (_same(4, 3), _same(4, 2), K[None], torch.ones(1, 4, dtype=torch.float64)),
            "collinear": lambda: (_on_line(4, 3), _on_line(4, 2), K[None], torch.ones(1, 4, dtype=torch.float64)),
            "no weight": lambda: (*_refined(1, torch.float64)[:3], torch.zeros(1, 6, dtype=torch.float64)),
            "behind": lambda: (-_refined(1, torch.float64)[0], *_refined(1, torch.float64)[1:]),
        },
    ),
}
