"""Small moves of rotations and of directions, for Newton steps.

R(w) = I + ([w] + [w]^2 / 2) / (1 + |w|^2 / 4),    R(w) = exp([w]) + O(|w|^3)      Cayley
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.geometry.linalg import skew


def cayley(w: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Returns a rotation about w, by 2 atan(|w| / 2) radians: exact for every w but a half turn, smooth at 0."""
    cross = skew(w)
    share = 1 / (1 + w.square().sum(-1) / 4)
    eye = torch.eye(3, dtype=w.dtype, device=w.device)
    return eye + share[..., None, None] * (cross + cross @ cross / 2)


def tangents(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 2"]:
    """Returns two unit vectors, as columns, that are orthogonal to a vector and to each other; 0 for the vector 0."""
    axis = torch.eye(3, dtype=vector.dtype, device=vector.device)[vector.abs().argmin(-1)]
    first = _unit(torch.linalg.cross(vector, axis))
    return torch.stack([first, _unit(torch.linalg.cross(vector, first))], -1)


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp(min=1e-300)
