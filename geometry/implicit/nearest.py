"""The rotation, essential matrix and matrix of rank two that are nearest to a matrix.

The quaternion q of the rotation nearest to M maximises q^T N(M) q, where N is linear in M (Horn): the sign of the
determinant needs no case, and the gap that its gradient divides by is the sum of the two least singular values, the
least signed by the determinant.

With v the right null vector, M (I - v v^T) is the nearest matrix of rank two, and R (I - v v^T) the nearest essential
matrix, smooth although its singular vectors are not.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, finite_rows, or_nan
from visionops.geometry.linalg import cofactors

from .eigen import least_eigenvector

# Cofactors of a matrix with entries up to 1, below which its rank is one but for rounding.
RANK1 = 1e-14


@overload
def nearest_rotation(matrix: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def nearest_rotation(matrix: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def nearest_rotation(
    matrix: Float[Tensor, "*batch n n"], *, return_valid: bool = False
) -> Float[Tensor, "*batch n n"] | tuple[Float[Tensor, "*batch n n"], Bool[Tensor, "*batch"]]:
    """Returns the rotation nearest to a matrix in the Frobenius norm: argmax of tr(R^T M).

    Args:
        matrix: 2 by 2 or 3 by 3, of any determinant.
        return_valid: whether to return also where it is finite and unique.

    Raises:
        ValueError: for any other shape.

    Gradient: to the matrix, by the implicit function theorem. 0 where the rotation is not unique: of rank one, of equal
        least singular values with negative determinant, and at 0. Computes in float64; NaN gives NaN and gradient 0.
    Source: B. K. P. Horn, Closed-form solution of absolute orientation using unit quaternions, 1987; Umeyama 1991.

    >>> nearest_rotation(torch.tensor([[0.0, -2.0], [1.0, 0.0]])).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    check_matrix("nearest_rotation", "matrix", matrix, (2, 2), (3, 3))
    m, good = finite_rows(matrix.double(), 2)
    rotation, unique = (_in_plane if m.shape[-1] == 2 else _in_space)(m)
    rotation = or_nan(rotation, good).to(matrix.dtype)
    return (rotation, good & unique) if return_valid else rotation


@overload
def nearest_rank2(matrix: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def nearest_rank2(matrix: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def nearest_rank2(
    matrix: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 3"] | tuple[Float[Tensor, "*batch 3 3"], Bool[Tensor, "*batch"]]:
    """Returns the matrix of rank two nearest to a matrix in the Frobenius norm.

    Args:
        matrix: 3 by 3.
        return_valid: whether to return also where it is finite and unique.

    Raises:
        ValueError: for any other shape.

    Gradient: to the matrix. Where the two least singular values are equal, one of the nearest is returned and taken for
        constant in direction. Computes in float64; NaN gives NaN and gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 11.1.1.

    >>> nearest_rank2(torch.diag(torch.tensor([3.0, 2.0, 1.0]))).diagonal().tolist()
    [3.0, 2.0, 0.0]
    """
    check_matrix("nearest_rank2", "matrix", matrix, (3, 3))
    m, good = finite_rows(matrix.double(), 2)
    flat, unique = _without_null(m, m)
    flat = or_nan(flat, good).to(matrix.dtype)
    return (flat, good & unique) if return_valid else flat


@overload
def nearest_essential(matrix: Tensor, *, return_valid: Literal[False] = False) -> Tensor: ...


@overload
def nearest_essential(matrix: Tensor, *, return_valid: Literal[True]) -> tuple[Tensor, Tensor]: ...


def nearest_essential(
    matrix: Float[Tensor, "*batch 3 3"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 3"] | tuple[Float[Tensor, "*batch 3 3"], Bool[Tensor, "*batch"]]:
    """Returns the essential matrix, of singular values 1, 1, 0, whose multiple is nearest to a matrix.

    Args:
        matrix: 3 by 3, of any scale.
        return_valid: whether to return also where it is finite and unique.

    Raises:
        ValueError: for any other shape.

    Gradient: to the matrix, also at exact essential matrices, whose equal singular values make the gradient of an SVD
        NaN. 0 where the matrix is not unique (rank one, equal least singular values). Computes in float64; NaN gives
        NaN and gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 11.7.3.

    >>> nearest_essential(torch.diag(torch.tensor([3.0, 2.0, 1.0]))).diagonal().tolist()
    [1.0, 1.0, 0.0]
    """
    check_matrix("nearest_essential", "matrix", matrix, (3, 3))
    m, good = finite_rows(matrix.double(), 2)
    rotation, turned = _in_space(m)
    essential, unique = _without_null(rotation, m)
    essential = or_nan(essential, good).to(matrix.dtype)
    return (essential, good & unique & turned) if return_valid else essential


def _without_null(matrix: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
    """Returns matrix (I - v v^T), v the right null vector of the second, and whether that is unique.

    The cofactors of singular values a >= b >= c have b c, a c and a b: v is their first right singular vector, to more
    digits than the last of the matrix itself, whose square is lost beside a^2.
    """
    size = of.detach().abs().amax((-1, -2), keepdim=True)
    c = cofactors(of / torch.where(size > 0, size, 1))
    c = torch.where(c.detach().abs().amax((-1, -2), keepdim=True) > RANK1, c, 0)
    v, unique = least_eigenvector(-(c.mT @ c))
    return matrix - (matrix @ v[..., None]) * v[..., None, :], unique


def _in_plane(m: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = m[..., 0, 0] + m[..., 1, 1], m[..., 1, 0] - m[..., 0, 1]
    square = cos.square() + sin.square()
    unique = square > 1e-24 * m.detach().square().sum((-1, -2))
    length = torch.where(unique, square, 1).sqrt()
    cos, sin = torch.where(unique, cos / length, 1), torch.where(unique, sin / length, 0)
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2), unique


def _in_space(m: Tensor) -> tuple[Tensor, Tensor]:
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in m.unbind(-2))
    rows = [
        [xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, xx - yy - zz, xy + yx, xz + zx],
        [xz - zx, xy + yx, yy - xx - zz, yz + zy],
        [yx - xy, xz + zx, yz + zy, zz - xx - yy],
    ]
    q, unique = least_eigenvector(-torch.stack([torch.stack(row, -1) for row in rows], -2))
    w, x, y, z = q.unbind(-1)
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2), unique
