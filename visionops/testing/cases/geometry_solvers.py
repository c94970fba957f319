"""Implicit functions, and the linear maps of points."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from visionops.geometry import implicit, linalg
from visionops.testing.operators import Geometry


def random(n: int, dtype: torch.dtype, *shape: int, seed: int = 0) -> Tensor:
    """Returns repeatable normal numbers (n, *shape)."""
    made = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made.to(dtype)


def _of(*shape: int, seed: int = 0) -> Callable[[int, torch.dtype], Tensor]:
    return lambda n, dtype: random(n, dtype, *shape, seed=seed)


def _root(a: Tensor, b: Tensor) -> Tensor:
    def residual(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return x + 0.3 * torch.sin(x) * a - b

    return implicit.implicit_root(residual, torch.zeros_like(a), a, b, iterations=8)


def _argmin(a: Tensor, b: Tensor) -> Tensor:
    def residual(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([x - a, 0.3 * torch.sin(x) + 0.5 * b], -1)

    return implicit.implicit_argmin(residual, torch.zeros_like(a), a, b, iterations=10)


def _matrices(*rows: Sequence[Sequence[float]]) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.tensor(rows, dtype=torch.float64),)


def _exact_essential() -> tuple[Tensor, ...]:
    q, _ = torch.linalg.qr(random(3, torch.float64, 3, 3, seed=5))
    return (q @ torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)) @ q.mT.flip(0),)


ZEROS = [[0.0] * 3] * 3
EYE: list[list[float]] = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
RANK1: list[list[float]] = [[1.0, 2, 3], [2, 4, 6], [3, 6, 9]]
SINGULAR = {
    "0": _matrices(ZEROS),
    "rank one": _matrices(RANK1),
    "a reflection": _matrices([[1.0, 0, 0], [0, 1, 0], [0, 0, -1]]),
}

CASES = {
    "visionops.geometry.implicit_root": Geometry(
        _root, example=lambda n, dtype: (random(n, dtype, 3), random(n, dtype, 3, seed=1)), solves=True
    ),
    "visionops.geometry.implicit_argmin": Geometry(
        _argmin, example=lambda n, dtype: (random(n, dtype, 3), random(n, dtype, 3, seed=1)), solves=True
    ),
    "visionops.geometry.null_vector": Geometry(
        implicit.null_vector,
        example=_of(5, 4),
        solves=True,
        regular={
            "exact": lambda: (random(2, torch.float64, 3, 4),),
            "equal others": _matrices([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]),
        },
        singular={
            "0": _matrices(ZEROS),
            "rank one": _matrices(RANK1),
            "few rows": _matrices([[1.0, 2.0, 3.0]]),
        },
    ),
    "visionops.geometry.nearest_rotation": Geometry(
        implicit.nearest_rotation,
        example=_of(3, 3),
        solves=True,
        regular={"identity": _matrices(EYE), "rank two": _matrices([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])},
        singular=SINGULAR,
    ),
    "visionops.geometry.nearest_essential": Geometry(
        implicit.nearest_essential,
        example=_of(3, 3),
        solves=True,
        regular={"exact": _exact_essential},
        singular={**SINGULAR, "identity": _matrices(EYE)},
    ),
    "visionops.geometry.nearest_rank2": Geometry(
        implicit.nearest_rank2,
        example=_of(3, 3),
        solves=True,
        regular={"exact": _exact_essential},
        singular={**SINGULAR, "identity": _matrices(EYE)},
    ),
    "visionops.geometry.to_homogeneous": Geometry(linalg.to_homogeneous, example=_of(4, 2)),
    "visionops.geometry.from_homogeneous": Geometry(
        linalg.from_homogeneous,
        {"return_valid": True},
        solves=True,
        example=_of(4, 3),
        singular={"w = 0": _matrices([[1.0, 2, 0], [0, 0, 0], [-1, 3, -1e-30]])},
    ),
    "visionops.geometry.transform_points": Geometry(
        linalg.transform_points,
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 3, 3), random(n, dtype, 4, 2, seed=1)),
    ),
    "visionops.geometry.skew": Geometry(linalg.skew, example=_of(3)),
    "visionops.geometry.normalize_points": Geometry(
        linalg.normalize_points,
        example=_of(5, 2),
        singular={"coincident": _matrices([[3.0, 4], [3, 4], [3, 4]]), "one": _matrices([[3.0, 4]])},
    ),
}
