"""The direct maps between forms of rotations: what all conversions compose. Numbers are laid out as `layout` says.

A rotation by theta about a unit axis a, with v = theta a and Stumpff's c_n of theta^2:

R = c_0 I + c_1 [v] + c_2 v v^T        q = (cos theta / 2, sin(theta / 2) a)        4 q q^T = K(R), linear in R

Back from R, q is any column of K, made a unit; the one of the largest diagonal has a length of 1 at least. The
angle comes back by atan(t) = 2 atan(t / (1 + sqrt(1 + t^2))), from tan(theta / 4) twice, and a series: no case is
apart, at 0 and at pi. Source: B. K. P. Horn 1987; S. W. Shepperd, Quaternion from rotation matrix, 1978.
"""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .series import arctangent_rest, constant, stumpff

# An Euler angle this near to where the other two turn about one axis counts as there: SciPy's.
LOCK = 1e-7
# What is left of the second column must be this much of it. Rounding of float32 leaves 1e-7, of float64 1e-16.
PARALLEL = 1e-12


def matrix_of_vector(v: Float[Tensor, "3 b"]) -> Float[Tensor, "9 b"]:
    c0, c1, c2, _ = stumpff(dot(v, v))
    return spin(c0, c1 * v, c2 * v, v)


def spin(
    c: Float[Tensor, " b"], a: Float[Tensor, "3 b"], left: Float[Tensor, "3 b"], right: Float[Tensor, "3 b"]
) -> Float[Tensor, "9 b"]:
    """Returns c I + [a] + left right^T."""
    return torch.addmm((left[:, None] * right).flatten(0, 1), constant(_SPIN, a), torch.cat([c[None], a]))


def dot(a: Float[Tensor, "k b"], b: Float[Tensor, "k b"]) -> Float[Tensor, " b"]:
    return (a * b).sum(0)


def cross(a: Float[Tensor, "3 b"], b: Float[Tensor, "3 b"]) -> Float[Tensor, "3 b"]:
    return torch.linalg.cross(a, b, dim=0)


def quaternion_of_vector(v: Float[Tensor, "3 b"]) -> Float[Tensor, "4 b"]:
    cos, ratio, *_ = stumpff(dot(v, v) / 4)
    return torch.cat([cos[None], (0.5 * ratio) * v])


def matrix_of_quaternion(q: Float[Tensor, "4 b"]) -> Float[Tensor, "9 b"]:
    """Returns the rotation of a quaternion of any length; that of 0 is the identity."""
    square = dot(q, q)
    w, v = q.split([1, 3])
    twice = (2 / torch.where(square > 0, square, 1)) * v
    return spin(1 - dot(twice, v), w * twice, twice, v)


def quaternion_of_matrix(m: Float[Tensor, "9 b"]) -> Float[Tensor, "4 b"]:
    """Returns unit quaternions with w >= 0, and of w = 0 the largest component positive."""
    q = _column(m)
    return q / dot(q, q).sqrt()


def _column(m: Float[Tensor, "9 b"]) -> Float[Tensor, "4 b"]:
    """Returns the column of K of the largest diagonal, with w >= 0."""
    k = torch.addmm(constant(_EYE4, m), constant(_HORN, m), m)
    fixed = k.detach()
    a, b, c, d = fixed[::5].unbind(0)
    second, fourth, later = b > a, d > c, torch.maximum(c, d) > torch.maximum(a, b)
    best = torch.stack([~(second | later), second & ~later, later & ~fourth, later & fourth]).to(k.dtype)
    best = best * _sign(dot(fixed[:4], best) < 0, k)
    return (k.unflatten(0, (4, 4)) * best).sum(1)


def _sign(negative: Bool[Tensor, " b"], like: Tensor) -> Float[Tensor, " b"]:
    return 1 - 2 * negative.to(like.dtype)


def vector_of_quaternion(q: Float[Tensor, "4 b"]) -> Float[Tensor, "3 b"]:
    """Returns the rotation vector of at most pi of a quaternion of any length and sign; that of 0 is 0."""
    return _vector_and_lever(shorter(nonzero(q)))[0]


def vector_of_matrix(m: Float[Tensor, "9 b"]) -> Float[Tensor, "3 b"]:
    return _vector_and_lever(_column(m))[0]


def vector_and_lever(m: Float[Tensor, "9 b"]) -> tuple[Float[Tensor, "3 b"], Float[Tensor, " b"]]:
    """Returns the vector v of a matrix, and k of I - [v] / 2 + k [v]^2, the inverse of c_1 I + c_2 [v] + c_3 v v^T."""
    return _vector_and_lever(_column(m))


def _vector_and_lever(q: Float[Tensor, "4 b"]) -> tuple[Float[Tensor, "3 b"], Float[Tensor, " b"]]:
    """Returns both of quaternions with w >= 0 and of any length but 0.

    With t = tan(theta / 4), z = t^2 and atan(t) / t = g = 1 - z h, v = 4 g u, and k is (1 - theta / 2 cot(theta / 2)) /
    theta^2 = (g + h) / (16 g^2). Of half the angle, where sqrt(1 + z) = r - 1, h is 1 / r^2 + 2 h / r^3.
    """
    w, v = q.split([1, 3])
    u = v / (dot(q, q).sqrt() + w)
    z = dot(u, u)
    r = 1 + (1 + z).sqrt()
    half = r * r
    half_z = z / half
    r2 = 1 + (1 + half_z).sqrt()
    quarter = r2 * r2
    h = (1 + 2 * arctangent_rest(half_z / quarter) / r2) / quarter
    h = (1 + 2 * h / r) / half
    g = 1 - z * h
    return (4 * g) * u, (g + h) / (16 * (g * g))


def nonzero(q: Float[Tensor, "4 b"]) -> Float[Tensor, "4 b"]:
    """Returns quaternions with the identity for 0."""
    return torch.where(dot(q, q) > 0, q, constant(_EYE4, q)[:4])


def unit(q: Float[Tensor, "4 b"]) -> Float[Tensor, "4 b"]:
    q = nonzero(q)
    return q / dot(q, q).sqrt()


def shorter(q: Float[Tensor, "4 b"]) -> Float[Tensor, "4 b"]:
    """Returns q or -q: with w >= 0, and of w = 0 the largest component positive."""
    fixed = q.detach()
    largest = fixed.take_along_dim(fixed.abs().argmax(0, keepdim=True), 0)[0]
    return q * _sign((fixed[0] < 0) | ((fixed[0] == 0) & (largest < 0)), q)


def product(p: Float[Tensor, "4 b"], q: Float[Tensor, "4 b"]) -> Float[Tensor, "4 b"]:
    """Returns Hamilton's product."""
    return constant(_HAMILTON, p) @ (p[:, None] * q).flatten(0, 1)


def conjugate(q: Float[Tensor, "4 b"]) -> Float[Tensor, "4 b"]:
    w, v = q.split([1, 3])
    return torch.cat([w, -v])


def quaternion_of_euler(angles: Float[Tensor, "3 b"], convention: str) -> Float[Tensor, "4 b"]:
    eye = constant(_EYE4, angles).unflatten(0, (4, 4))
    first, second, third = (
        half.cos() * eye[0] + half.sin() * eye[1 + "xyz".index(axis)]
        for half, axis in zip((angles / 2).unbind(0), convention, strict=True)
    )
    return product(product(first, second), third)


def euler_of_quaternion(q: Float[Tensor, "4 b"], convention: str) -> Float[Tensor, "3 b"]:
    """Returns intrinsic angles; where the outer two turn about one axis, the third is 0 and has no gradient.

    Source: Bernardes and Viollet, Quaternion to Euler angles conversion, 2022.
    """
    k, j, i = ("xyz".index(axis) for axis in convention)
    proper = i == k
    k = 3 - i - j if proper else k
    sign = (i - j) * (j - k) * (k - i) // 2
    w, *v = q.unbind(0)
    a, b, c, d = w, v[i], v[j], sign * v[k]
    if not proper:
        a, b, c, d = a - c, b + d, c + a, d - b
    ab, cd = a * a + b * b, c * c + d * d
    straight, folded = cd <= (LOCK / 2) ** 2 * ab, ab <= (LOCK / 2) ** 2 * cd
    locked = straight | folded
    total = torch.atan2(torch.where(folded, 0, b), torch.where(folded, 1, a))
    difference = torch.atan2(torch.where(straight, 0, d), torch.where(straight, 1, c))
    first = (total + difference) * (1 + locked.to(q.dtype))
    second = 2 * torch.atan2(_length(cd, straight), _length(ab, folded))
    third = torch.where(locked, 0, total - difference)
    if not proper:
        first, second = sign * first, second - pi / 2
    angles = torch.stack([first, second, third])
    return angles - 2 * pi * (angles.detach() / (2 * pi)).round()


def _length(square: Tensor, constant_at: Bool[Tensor, " b"]) -> Tensor:
    """Returns the square root, without a gradient where that could be infinite."""
    return torch.where(constant_at, square.detach().sqrt(), torch.where(constant_at, 1, square).sqrt())


def matrix_of_columns(columns: Float[Tensor, "6 b"]) -> Float[Tensor, "9 b"]:
    """Returns Gram and Schmidt's rotation of two columns."""
    a, b = columns.split(3)
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    square = dot(a, a)
    some = square > 0
    x = torch.where(some, a, eye[0][:, None]) / torch.where(some, square, 1).sqrt()
    rest = b - dot(x, b) * x
    # In place of a column that is no help: the axis that the first is farthest from.
    least = x.detach().abs().argmin(0)
    other = (least == torch.arange(3, device=a.device)[:, None]).to(a.dtype)
    y = torch.where(_is_apart(rest, b), rest, other - dot(x, other) * x)
    y = y / dot(y, y).sqrt()
    return torch.stack([x, y, cross(x, y)], 1).flatten(0, 1)


def are_independent(columns: Float[Tensor, "6 b"]) -> Float[Tensor, "1 b"]:
    """Returns 1 where two columns make one rotation, 0 elsewhere."""
    a, b = columns.detach().split(3)
    square = dot(a, a)
    rest = b - dot(a, b) / torch.where(square > 0, square, 1) * a
    return ((square > 0) & _is_apart(rest, b)).to(a.dtype)[None]


def _is_apart(rest: Tensor, whole: Tensor) -> Bool[Tensor, " b"]:
    rest, whole = rest.detach(), whole.detach()
    return dot(rest, rest) > PARALLEL**2 * dot(whole, whole)


def columns_of_matrix(m: Float[Tensor, "9 b"]) -> Float[Tensor, "6 b"]:
    return m.unflatten(0, (3, 3))[:, :2].transpose(0, 1).flatten(0, 1)


def times(a: Float[Tensor, "9 b"], b: Float[Tensor, "9 b"]) -> Float[Tensor, "9 b"]:
    """Returns the product of matrices."""
    return (a.unflatten(0, (3, 3))[:, :, None] * b.unflatten(0, (3, 3))).sum(1).flatten(0, 1)


def transposed(m: Float[Tensor, "9 b"]) -> Float[Tensor, "9 b"]:
    return m.unflatten(0, (3, 3)).transpose(0, 1).flatten(0, 1)


def _rows(*rows: str) -> Tensor:
    return torch.tensor([[float(n) for n in row.split()] for row in rows], dtype=torch.float64, device="cpu")


_EYE4 = torch.eye(4, dtype=torch.float64, device="cpu").flatten()[:, None]
# The nine entries of c I + [a], of c and a.
_SPIN = _rows("1 0 0 0", "0 0 0 -1", "0 0 1 0", "0 0 0 1", "1 0 0 0", "0 -1 0 0", "0 0 -1 0", "0 1 0 0", "1 0 0 0")
# The sixteen of K - I, of the nine of R.
_K = {
    (0, 0): "1 0 0 0 1 0 0 0 1",
    (1, 1): "1 0 0 0 -1 0 0 0 -1",
    (2, 2): "-1 0 0 0 1 0 0 0 -1",
    (3, 3): "-1 0 0 0 -1 0 0 0 1",
    (0, 1): "0 0 0 0 0 -1 0 1 0",
    (0, 2): "0 0 1 0 0 0 -1 0 0",
    (0, 3): "0 -1 0 1 0 0 0 0 0",
    (1, 2): "0 1 0 1 0 0 0 0 0",
    (1, 3): "0 0 1 0 0 0 1 0 0",
    (2, 3): "0 0 0 0 0 1 0 1 0",
}
_HORN = _rows(*(_K[min(i, j), max(i, j)] for i in range(4) for j in range(4)))
# The four of p q, of the sixteen of p q^T.
_HAMILTON = _rows(
    "1 0 0 0  0 -1 0 0  0 0 -1 0  0 0 0 -1",
    "0 1 0 0  1 0 0 0  0 0 0 1  0 0 -1 0",
    "0 0 1 0  0 0 0 -1  1 0 0 0  0 1 0 0",
    "0 0 0 1  0 0 1 0  0 -1 0 0  1 0 0 0",
)
