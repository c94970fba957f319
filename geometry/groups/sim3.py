"""Similarities of space, as 4x4 matrices [[e^sigma R, t], [0, 1]]: namespace `sim3`.

A tangent is (rho, phi, sigma): translation in the units of points, the rotation vector in radians, and the logarithm of
the scale. Small changes are on the left, exp(delta) S.
"""

from __future__ import annotations

from math import factorial
from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.geometry.arguments import check_matrix, check_vector
from visionops.geometry.implicit.steps import Grad
from visionops.geometry.rotations.forms import cross, dot, spin, transposed, vector_of_matrix
from visionops.geometry.rotations.layout import guarded
from visionops.geometry.rotations.series import constant, stumpff

from .common import Group, acted, interpolated, joined, mean, parts, rotation_near

__all__ = [
    "act",
    "adjoint",
    "average",
    "exp",
    "hat",
    "interpolate",
    "inverse",
    "log",
    "vee",
]


def exp(tangent: Float[Tensor, "*batch 7"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns the similarities that tangent vectors lead to.

    Args:
        tangent: (rho, phi, sigma), the translation first, the logarithm of the scale last.

    Raises:
        ValueError: for other than seven numbers.

    Gradient: of every order and at every tangent, 0 included. Computes in float64; NaN gives NaN and gradient 0.
    Source: H. Strasdat, Local accuracy and global consistency for efficient visual SLAM, 2012, appendix A.

    >>> exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])).diagonal()
    tensor([2.7183, 2.7183, 2.7183, 1.0000])
    """
    check_vector("sim3.exp", "tangent", tangent, 7)
    return guarded(_exp, tangent, dims=(1,), shape=(4, 4))


def log(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 7"]:
    """Returns the shortest tangent vectors that lead to similarities; `exp` undoes it.

    Args:
        matrix: similarities, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along similarities, of every order, at the identity too. At pi as of `so3.log`. Finite for any finite
        matrix. NaN gives NaN and gradient 0.
    Source: H. Strasdat, Local accuracy and global consistency for efficient visual SLAM, 2012, appendix A.

    >>> log(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))[6]
    tensor(0.6931)
    """
    check_matrix("sim3.log", "matrix", matrix, (4, 4))
    return guarded(_log, matrix, dims=(2,), shape=(7,))


def hat(tangent: Float[Tensor, "*batch 7"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns tangent vectors as the matrices whose matrix exponential is `exp`.

    Args:
        tangent: (rho, phi, sigma), the translation first, the logarithm of the scale last.

    Raises:
        ValueError: for other than seven numbers.

    Gradient: to the tangent.

    >>> hat(torch.tensor([1.0, 2.0, 3.0, 0.0, 0.0, 4.0, 5.0])).tolist()
    [[5.0, -4.0, 0.0, 1.0], [4.0, 5.0, 0.0, 2.0], [0.0, 0.0, 5.0, 3.0], [0.0, 0.0, 0.0, 0.0]]
    """
    check_vector("sim3.hat", "tangent", tangent, 7)
    return guarded(_hat, tangent, dims=(1,), shape=(4, 4))


def vee(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 7"]:
    """Returns the tangent vectors that `hat` makes such matrices of.

    Args:
        matrix: as `hat` makes it; of its linear part the skew part, and the mean of the diagonal, counts.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix.

    >>> vee(hat(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    check_matrix("sim3.vee", "matrix", matrix, (4, 4))
    return guarded(_vee, matrix, dims=(2,), shape=(7,))


def inverse(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Returns the inverses of similarities, by the transpose of the rotation over the scale.

    Args:
        matrix: similarities, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: along the group. A block of 0 counts as of scale 1. NaN gives NaN and gradient 0.

    >>> inverse(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))).diagonal().tolist()
    [0.5, 0.5, 0.5, 1.0]
    """
    check_matrix("sim3.inverse", "matrix", matrix, (4, 4))
    return guarded(_inverse, matrix, dims=(2,), shape=(4, 4))


def act(matrix: Float[Tensor, "*batch 4 4"], points: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
    """Returns points moved by similarities.

    Args:
        matrix: similarities, up to rounding. Its batch broadcasts with that of the points.
        points: (x, y, z), in the units of the translation.

    Raises:
        ValueError: for other sizes.

    Gradient: to both. NaN in a point stays with it, in a matrix with its points, and gives gradient 0.

    >>> act(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])), torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[2.0, 4.0, 6.0]]
    """
    return acted("sim3.act", matrix, points, 4, 3)


def adjoint(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 7 7"]:
    """Returns the matrices Ad of X exp(v) = exp(Ad v) X.

    Args:
        matrix: X, similarities, up to rounding.

    Raises:
        ValueError: for another size.

    Gradient: to the matrix. NaN gives NaN and gradient 0.
    Source: H. Strasdat, Local accuracy and global consistency for efficient visual SLAM, 2012, appendix A.

    >>> adjoint(torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))).diagonal().tolist()
    [2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    """
    check_matrix("sim3.adjoint", "matrix", matrix, (4, 4))
    return guarded(_adjoint, matrix, dims=(2,), shape=(7, 7))


def interpolate(
    start: Float[Tensor, "*batch 4 4"], end: Float[Tensor, "*batch 4 4"], t: Float[Tensor, "*batch"] | float
) -> Float[Tensor, "*batch 4 4"]:
    """Returns similarities on the way from one to another: exp(t log(end start^-1)) start.

    Args:
        start: at t = 0.
        end: at t = 1.
        t: a number, or one for each sample; outside of [0, 1] the motion goes on.

    Raises:
        ValueError: for other sizes.

    Gradient: to all three, also where both are one. Half a turn apart the way round is that of `log`. NaN gives NaN and
        gradient 0.
    Source: H. Strasdat, Local accuracy and global consistency for efficient visual SLAM, 2012.

    >>> interpolate(torch.eye(4), torch.diag(torch.tensor([4.0, 4.0, 4.0, 1.0])), 0.5).diagonal().tolist()
    [2.0, 2.0, 2.0, 1.0]
    """
    return interpolated(_GROUP, start, end, t)


@overload
def average(
    elements: Tensor, *, weights: Tensor | None = None, grad: Grad = "implicit", return_valid: Literal[False] = False
) -> Tensor: ...


@overload
def average(
    elements: Tensor, *, weights: Tensor | None = None, grad: Grad = "implicit", return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def average(
    elements: Float[Tensor, "*batch n 4 4"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch 4 4"] | tuple[Float[Tensor, "*batch 4 4"], Bool[Tensor, "*batch"]]:
    """Returns the mean X of similarities: sum_i w_i log(X_i X^-1) = 0.

    It moves with the elements, from either side: the mean of A X_i B is A X B.

    Args:
        elements: similarities, up to rounding. Unique where they turn by less than a right angle from their mean.
        weights: below 0 counts as 0; an element of weight 0 may be anything, NaN too. None counts all alike.
        grad: "implicit" differentiates the equation, "unroll" the iterations; "none" is a constant.
        return_valid: whether to return also where the iterations converged, to a mean of some.

    Raises:
        ValueError: for other shapes, or an unknown `grad`.

    Gradient: to elements and weights, right to the second derivative; 0 where not valid. NaN in what counts gives NaN
        and gradient 0.
    Source: Pennec and Arsigny, Exponential barycenters of the canonical Cartan connection, 2013.

    >>> average(torch.diag_embed(torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 4.0, 4.0, 1.0]]))).diagonal().tolist()
    [2.0, 2.0, 2.0, 1.0]
    """
    found, valid = mean(_GROUP, elements, weights, _start, grad)
    return (found, valid) if return_valid else found


def _exp(v: Tensor) -> Tensor:
    rho, phi, sigma = v.split([3, 3, 1])
    c0, c1, c2, _, a, b, c = _coefficients(dot(phi, phi), sigma[0])
    scale = sigma.exp()
    turn = cross(phi, rho)
    return joined(scale * spin(c0, c1 * phi, c2 * phi, phi), a * rho + b * turn + c * cross(phi, turn))


def _log(m: Tensor) -> Tensor:
    block, shift = parts(m, 3)
    square = dot(block, block) / 3
    square = torch.where(square > 0, square, 1)
    phi, sigma = vector_of_matrix(block / square.sqrt()), square.log() / 2
    s = dot(phi, phi)
    *_, a, b, c = _coefficients(s, sigma)
    # The inverse of a I + b [phi] + c [phi]^2, whose eigenvalues are a and (a - s c) +- i theta b, not 0 up to pi.
    size = (a - s * c).square() + s * b * b
    turn = cross(phi, shift)
    k = (b * b - a * c + s * c * c) / (a * size)
    return torch.cat([shift / a - (b / size) * turn + k * cross(phi, turn), phi, sigma[None]])


def _coefficients(s: Tensor, sigma: Tensor) -> tuple[Tensor, ...]:
    """Returns c_0 to c_3 of s = theta^2, and a, b, c of the integral over u of e^(sigma u) exp(u phi).

    It is a I + b [phi] + c [phi]^2. With E = e^sigma and m_n the integral of u^n e^(sigma u), a = m_0 and

    b = (sigma^2 m_1 + s E (c_2 - sigma c_3)) / (sigma^2 + s)        c = (sigma^2 m_2 / 2 + s E (c_3 - sigma c_4)) / ...

    which is a mean of two, so that its value is good everywhere; its derivatives are not near 0, where double series
    are: of 16 terms in sigma below 1/2 and 8 in s below 1/4, whose rest is under 1e-17.
    """
    c0, c1, c2, c3, c4, _ = stumpff(s, 5)
    small = sigma.abs() < 0.5
    near = small & (s < 0.25)
    low, high = torch.where(small, sigma, 0), torch.where(small, 1, sigma)
    moments, grid = (constant(_SERIES, s) @ _powers(low, 4)).split([3, 16])
    series = (grid.unflatten(0, (2, 8)) * _powers(torch.where(near, s, 0), 2)).sum(1)
    e = sigma.exp()
    m0 = torch.special.expm1(high) / high
    m1 = (high.exp() - m0) / high
    half_m2 = (high.exp() / 2 - m1) / high
    m0, m1, half_m2 = torch.where(small, moments, torch.stack([m0, m1, half_m2])).unbind(0)
    square = sigma * sigma
    whole = torch.where(near, 1, square + s)
    far = torch.stack([square * m1 + s * e * (c2 - sigma * c3), square * half_m2 + s * e * (c3 - sigma * c4)]) / whole
    b, c = torch.where(near, series, far).unbind(0)
    return c0, c1, c2, c3, m0, b, c


def _powers(x: Tensor, groups: int) -> Tensor:
    """Returns x^0, x^1, ... of so many groups of four."""
    square = x * x
    first = torch.stack([torch.ones_like(x), x, square, square * x])
    rows, fourth = [first], square * square
    for _ in range(groups - 1):
        rows.append(rows[-1] * fourth)
    return torch.cat(rows)


def _hat(v: Tensor) -> Tensor:
    rho, phi, sigma = v.split([3, 3, 1])
    return joined(spin(sigma[0], phi, phi * 0, phi), rho, last=0.0)


def _vee(m: Tensor) -> Tensor:
    block, shift = parts(m, 3)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = block.unbind(0)
    turn = torch.stack([zy - yz, xz - zx, yx - xy]) / 2
    return torch.cat([shift, turn, ((xx + yy + zz) / 3)[None]])


def _inverse(m: Tensor) -> Tensor:
    block, shift = parts(m, 3)
    square = dot(block, block) / 3
    back = transposed(block) / torch.where(square > 0, square, 1)
    return joined(back, -(back.unflatten(0, (3, 3)) * shift).sum(1))


def _adjoint(m: Tensor) -> Tensor:
    block, shift = parts(m, 3)
    square = dot(block, block) / 3
    scaled = block.unflatten(0, (3, 3))
    turn = scaled / torch.where(square > 0, square, 1).sqrt()
    lever = torch.linalg.cross(shift[:, None].expand_as(turn), turn, dim=0)
    zeros = torch.zeros_like(turn)
    rows = [torch.cat([scaled, lever, -shift[:, None]], 1), torch.cat([zeros, turn, zeros[:, :1]], 1)]
    last = torch.cat([zeros[:2].flatten(0, 1), torch.ones_like(shift[:1])])
    return torch.cat([torch.cat(rows).flatten(0, 1), last])


def _start(x: Tensor, w: Tensor) -> Tensor:
    """Returns the means by chords of the rotations, of the logarithms of the scales, and of the shifts."""
    block = x[..., :3, :3]
    square = block.square().sum((-1, -2), keepdim=True) / 3
    square = torch.where(square > 0, square, 1)
    scale = (w * square.log() / 2).sum(-3).exp()
    rotation = rotation_near((w * block / square.sqrt()).sum(-3))
    top = torch.cat([scale * rotation, (w * x[..., :3, 3:]).sum(-3)], -1)
    last = torch.eye(4, dtype=x.dtype, device=x.device)[3:]
    return torch.cat([top, last.expand(*top.shape[:-2], 1, 4)], -2)


# Of sigma^j: m_0, m_1 and m_2 / 2; then those of b and of c for s^0 to s^7.
_SERIES = torch.tensor(
    [[1 / factorial(j) / (j + n + 1) / max(n, 1) for j in range(16)] for n in range(3)]
    + [
        [(-1) ** k / factorial(2 * k + n) / factorial(j) / (2 * k + n + j + 1) for j in range(16)]
        for n in (1, 2)
        for k in range(8)
    ],
    dtype=torch.float64,
    device="cpu",
)
_GROUP = Group("sim3", 4, 7, _exp, _log, _inverse)
