"""Random problems with known answers: points in front of two cameras, rigid motions, lenses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from visionops.geometry import nearest_rotation, skew, to_homogeneous

Problem = dict[str, Tensor]
K = torch.tensor([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
DISTORTION = torch.tensor([-0.3, 0.1, 0.001, -0.0005, -0.02], dtype=torch.float64)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=_generator(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=_generator(seed), dtype=torch.float64) * 2 - 1


def two_views(count: int, points: int, *, noise: float = 0.0, seed: int = 0) -> Problem:
    """Returns points of space seen from two cameras, in normalised coordinates and in pixels, and the motion between.

    Depths are 2 to 8, the second camera is turned by up to 30 degrees and one unit away.
    """
    rotation = nearest_rotation(torch.eye(3, dtype=torch.float64) + 0.3 * uniform(count, 3, 3, seed=seed))
    translation = torch.nn.functional.normalize(normal(count, 3, seed=seed + 1), dim=-1)
    rays = torch.cat([0.6 * uniform(count, points, 2, seed=seed + 2), torch.ones(count, points, 1).double()], -1)
    points3d = rays * (5 + 3 * uniform(count, points, 1, seed=seed + 3))
    moved = points3d @ rotation.mT + translation[:, None]
    x1, x2 = rays[..., :2], moved[..., :2] / moved[..., 2:]
    x1, x2 = (x + noise / 500 * normal(count, points, 2, seed=seed + 4 + i) for i, x in enumerate((x1, x2)))
    eye = torch.eye(3, 4, dtype=torch.float64).expand(count, 3, 4)
    pose = torch.cat([rotation, translation[..., None]], -1)
    essential = skew(translation) @ rotation
    inverse = torch.linalg.inv(K)
    return {
        "x1": x1, "x2": x2, "p1": x1 * 500 + K[:2, 2], "p2": x2 * 500 + K[:2, 2], "points3d": points3d,
        "R": rotation, "t": translation, "P1": eye, "P2": pose, "E": essential,
        "F": unit(inverse.mT @ essential @ inverse),
    }  # fmt: skip


def homographies(count: int, points: int, *, noise: float, seed: int = 0) -> Problem:
    """Returns points of images 640 by 480 and where homographies near the identity put them."""
    matrix = torch.eye(3, dtype=torch.float64) + uniform(count, 3, 3, seed=seed) * torch.tensor(
        [[0.2, 0.2, 40.0], [0.2, 0.2, 40.0], [2e-4, 2e-4, 0.0]], dtype=torch.float64
    )
    p1 = (uniform(count, points, 2, seed=seed + 1) + 1) * torch.tensor([320.0, 240.0])
    p2 = to_homogeneous(p1) @ matrix.mT
    p2 = p2[..., :2] / p2[..., 2:] + noise * normal(count, points, 2, seed=seed + 2)
    return {"p1": p1, "p2": p2, "H": matrix}


def unit(matrix: Tensor) -> Tensor:
    """Returns matrices of Frobenius norm 1."""
    return matrix / matrix.square().sum((-1, -2), keepdim=True).sqrt()


def nearest_root(matrices: Tensor, valid: Tensor, truth: Tensor) -> Tensor:
    """Returns how far the nearest valid root (count, roots, 3, 3) is from the truth, up to scale and sign."""
    a, b = unit(torch.where(valid[..., None, None], matrices, 1)), unit(truth)[:, None]
    apart = torch.minimum((a - b).square().sum((-1, -2)), (a + b).square().sum((-1, -2))).sqrt()
    return torch.where(valid, apart, torch.inf).amin(-1)


def padded(found: list[np.ndarray], slots: int) -> tuple[Tensor, Tensor]:
    """Returns lists of matrices as (count, slots, 3, 3) and which are there."""
    matrices, valid = np.zeros((len(found), slots, 3, 3)), np.zeros((len(found), slots), bool)
    for i, one in enumerate(found):
        many = min(len(one), slots)
        if many:
            matrices[i, :many], valid[i, :many] = one[:many], True
    return torch.from_numpy(matrices), torch.from_numpy(valid)
