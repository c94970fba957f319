"""Points under the matrices of rotations and motions."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from visionops.geometry.arguments import finite_rows, or_nan


def moved(
    block: Float[Tensor, "*batch d d"], shift: Float[Tensor, "*batch d"] | None, points: Float[Tensor, "*batch n d"]
) -> Float[Tensor, "*batch n d"]:
    """Returns block p + shift of points p; NaN stays with its point, or with the points of its map."""
    matrix, whole = finite_rows(block.double(), 2)
    p, good = finite_rows(points.double(), 1)
    out = p @ matrix.mT
    if shift is not None:
        shift, known = finite_rows(shift.double(), 1)
        out, whole = out + shift[..., None, :], whole & known
    return or_nan(out, good & whole[..., None]).to(points.dtype)
