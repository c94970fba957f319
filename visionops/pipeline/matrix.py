"""3x3 matrices of image coordinates, by rows: six numbers for an affine map, nine for any, or a tensor (b, 3, 3).

Host matrices are float64. Tensors, under autograd, are multiplied by explicit multiply-adds and inverted by cofactors:
TF32 would move a pixel, and a library solver would wait for the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .numbers import Number, Size, are_scalars, sqrt, where

Matrix = tuple[Any, ...] | Tensor

IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
LAST_ROW = (0.0, 0.0, 1.0)


def translation(x: Number, y: Number) -> Matrix:
    return (1.0, 0.0, x, 0.0, 1.0, y)


def product(a: Matrix, b: Matrix) -> Matrix:
    """Returns a @ b."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        a, b = _pair(a, b)
        return (a[:, :, :, None] * b[:, None]).sum(2)
    if len(a) == len(b) == 6:
        a0, a1, a2, a3, a4, a5 = a
        b0, b1, b2, b3, b4, b5 = b
        return (a0 * b0 + a1 * b3, a0 * b1 + a1 * b4, a0 * b2 + a1 * b5 + a2,
                a3 * b0 + a4 * b3, a3 * b1 + a4 * b4, a3 * b2 + a4 * b5 + a5)  # fmt: skip
    a0, a1, a2, a3, a4, a5, a6, a7, a8 = _nine(a)
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = _nine(b)
    return (a0 * b0 + a1 * b3 + a2 * b6, a0 * b1 + a1 * b4 + a2 * b7, a0 * b2 + a1 * b5 + a2 * b8,
            a3 * b0 + a4 * b3 + a5 * b6, a3 * b1 + a4 * b4 + a5 * b7, a3 * b2 + a4 * b5 + a5 * b8,
            a6 * b0 + a7 * b3 + a8 * b6, a6 * b1 + a7 * b4 + a8 * b7, a6 * b2 + a7 * b5 + a8 * b8)  # fmt: skip


def inverse(m: Matrix) -> Matrix:
    """Returns the inverse by cofactors; a singular matrix gives values that are not finite."""
    if isinstance(m, Tensor):
        r0, r1, r2 = m.unbind(1)
        columns = torch.stack([_cross(r1, r2), _cross(r2, r0), _cross(r0, r1)], 2)
        return columns / (r0 * columns[:, :, 0]).sum(1)[:, None, None]
    if len(m) == 6:
        a, b, c, d, e, f = m
        scale = _reciprocal(a * e - b * d)
        a, b, d, e = e * scale, -b * scale, -d * scale, a * scale
        return (a, b, -(a * c + b * f), d, e, -(d * c + e * f))
    a, b, c, d, e, f, g, h, i = m
    m0, m3, m6 = e * i - f * h, f * g - d * i, d * h - e * g
    scale = _reciprocal(a * m0 + b * m3 + c * m6)
    return (m0 * scale, (c * h - b * i) * scale, (b * f - c * e) * scale,
            m3 * scale, (a * i - c * g) * scale, (c * d - a * f) * scale,
            m6 * scale, (b * g - a * h) * scale, (a * e - b * d) * scale)  # fmt: skip


def _reciprocal(x: Number) -> Any:
    if isinstance(x, float):
        return 1 / x if x else float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 / x


def settle(m: Matrix) -> Matrix:
    """Returns a matrix whose numbers may be tensors as one tensor (b, 3, 3); a host matrix as it is."""
    if isinstance(m, Tensor) or are_scalars(m) or not any(isinstance(v, Tensor) for v in m):
        return m
    stacked = stack(m)
    assert isinstance(stacked, Tensor)
    return stacked


def select(condition: Any, a: Matrix, b: Matrix) -> Matrix:
    """Returns `a` for the samples where the condition holds, else `b`."""
    if isinstance(condition, bool):
        return a if condition else b
    if isinstance(condition, Tensor) or isinstance(a, Tensor) or isinstance(b, Tensor):
        a, b = _pair(a, b, condition)
        return torch.where(torch.as_tensor(condition).to(a.device)[:, None, None], a, b)
    if len(a) != len(b):
        a, b = _nine(a), _nine(b)
    return tuple(x if x is y else where(condition, x, y) for x, y in zip(a, b, strict=True))


def centre(size: Size) -> tuple[Any, Any]:
    """Returns the (x, y) of the middle of an image, in pixel-centre coordinates."""
    return (size[1] - 1) / 2, (size[0] - 1) / 2


def apply(m: Matrix, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Returns the homogeneous image of a point."""
    if isinstance(m, Tensor):
        m = m.flatten(1).unbind(1)
    if len(m) == 6:
        return m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], 1.0
    return m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], m[6] * x + m[7] * y + m[8]


def stretch(m: Matrix, x: Any, y: Any) -> tuple[Any, Any]:
    """Returns how fast the image of a point moves along x and along y, in pixels for each pixel the point moves."""
    if isinstance(m, Tensor):
        m = m.detach().flatten(1).unbind(1)
    a, b, _, d, e, _, g, h, _ = _nine(m)
    u, v, w = apply(m, x, y)
    dx = (a * w - u * g, b * w - u * h)
    dy = (d * w - v * g, e * w - v * h)
    return sqrt(dx[0] * dx[0] + dx[1] * dx[1]) / (w * w), sqrt(dy[0] * dy[0] + dy[1] * dy[1]) / (w * w)


def stack(m: Matrix, like: Tensor | None = None) -> np.ndarray | Tensor:
    """Returns the matrices as one float64 array (b or 1, 3, 3), or as the tensor they are (or `like` is)."""
    if isinstance(m, Tensor):
        return m
    nine = _nine(m)
    if like is None and are_scalars(nine):
        if torch.compiler.is_compiling():
            return torch.tensor(nine, dtype=torch.float64).reshape(1, 3, 3)
        return np.array(nine, np.float64).reshape(1, 3, 3)
    tensors = [v for v in nine if isinstance(v, Tensor)]
    if tensors or like is not None:
        like = tensors[0] if like is None else like
        entries = [
            v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in nine
        ]
        return torch.stack(torch.broadcast_tensors(*entries), -1).reshape(-1, 3, 3)
    out = np.empty((next(len(v) for v in nine if isinstance(v, np.ndarray)), 9))
    for i, v in enumerate(nine):
        out[:, i] = v
    return out.reshape(-1, 3, 3)


def _nine(m: tuple[Any, ...]) -> tuple[Any, ...]:
    return m + LAST_ROW if len(m) == 6 else m


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.cross(a, b, dim=-1)


def _pair(a: Matrix, b: Matrix, beside: Any = None) -> tuple[Tensor, Tensor]:
    """Returns two matrices as tensors, on the device of the first tensor among them and what they go beside."""
    like = a if isinstance(a, Tensor) else b
    if not isinstance(like, Tensor):
        like = torch.empty(0, dtype=torch.float64, device=beside.device)
    first, second = stack(a, like), stack(b, like)
    assert isinstance(first, Tensor) and isinstance(second, Tensor)
    return first, second
