"""How camera 2 sees what camera 1 sees.

p2 w = K2 R K1^-1 (p1, 1) z + K2 t
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_batches, check_matrix, check_vector, finite_rows
from visionops.geometry.linalg import INFINITY

from .rays import check_intrinsics, seen_at_one


class View(NamedTuple):
    """The point at depth z is seen at (x w, y w, w), and lies at z2 before camera 2: all four are z * slope + start.

    Attributes:
        slope: (*batch, 4, h, w).
        start: (*batch, 4, 1, 1).
        sees: where a pixel of view 1 has a ray (*batch, 1, h, w).
        finite: which samples have finite matrices (*batch, 1, 1, 1).
    """

    slope: Tensor
    start: Tensor
    sees: Tensor
    finite: Tensor

    def places(
        self, depth: Float[Tensor, "*batch 1 h w"]
    ) -> tuple[Float[Tensor, "*batch 2 h w"], Bool[Tensor, "*batch 1 h w"]]:
        """Returns where points are seen, NaN for those that are not, and which are."""
        good = depth.isfinite()
        xy, w, z = torch.addcmul(self.start, torch.where(good, depth, 0), self.slope).split([2, 1, 1], -3)
        near = w > INFINITY * xy.detach().abs().amax(-3, keepdim=True)
        there = good & (depth > 0) & self.sees & self.finite & (z > 0) & near
        return torch.where(there, xy / torch.where(there, w, 1), float("nan")), there


def check_pose(function: str, batch: Any, K1: Tensor, R: Tensor, t: Tensor, K2: Tensor | None) -> None:
    """Raises unless they are matrices (3, 3) and a vector (3), of batches that go with another."""
    check_intrinsics(function, "K1", K1, batch)
    check_matrix(function, "R", R, (3, 3))
    check_batches(function, "R", R.shape[:-2], batch)
    check_vector(function, "t", t, 3)
    check_batches(function, "t", t.shape[:-1], batch)
    if K2 is not None:
        check_intrinsics(function, "K2", K2, batch)


def view_of(K1: Tensor, R: Tensor, t: Tensor, K2: Tensor | None, size: Sequence[int], like: Tensor) -> View:
    """Returns how camera 2 sees the pixels (height, width) of camera 1, in the dtype of `like`."""
    given = ((K1, 2), (R, 2), (t, 1), (K1 if K2 is None else K2, 2))
    (k1, r, shift, k2), found = zip(*(finite_rows(values.double(), dims) for values, dims in given), strict=True)
    finite = found[0] & found[1] & found[2] & found[3]
    turn, move = k2 @ r, (k2 @ shift[..., None])[..., 0]
    turn = torch.cat([turn, r[..., 2:, :].expand(*turn.shape[:-2], 1, 3)], -2)
    move = torch.cat([move, shift[..., 2:].expand(*move.shape[:-1], 1)], -1)
    slope, sees = seen_at_one(k1, size, like, turn)
    return View(slope, move.to(like.dtype)[..., None, None], sees, finite[..., None, None, None])
