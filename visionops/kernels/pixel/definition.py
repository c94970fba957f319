"""The pixel program in plain torch: the meaning of every operation of `program.py`.

Each takes colours (b, c, h, w) and parameters (b, k) or (1, k) and is differentiable in both, except where the
operation is piecewise constant (LUT in its argument).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .noise import normal_field
from .program import LUMA, Instruction, Op, Program, rows


def pixel(x: Tensor, program: Program) -> Tensor:
    """Returns the colours after the program; `x` is floating."""
    for step in program:
        x = _run(x, step)
    return x


def _run(x: Tensor, step: Instruction) -> Tensor:
    if isinstance(step.codes, Tensor):
        return _choose(x, step)
    if not isinstance(step.codes, np.ndarray):
        return x if step.codes == Op.NONE else OPERATIONS[Op(step.codes)](x, rows(step, x))
    params = rows(step, x)
    for code in np.unique(step.codes):
        chosen = np.flatnonzero(step.codes == code)
        if code == Op.NONE:
            continue
        operation = OPERATIONS[Op(code)]
        if len(chosen) == len(step.codes):
            return operation(x, params)
        index = torch.from_numpy(chosen).to(x.device, non_blocking=True)
        mine = params if params.shape[0] == 1 else params[index]
        x = x.index_copy(0, index, operation(x[index], mine))
    return x


def _choose(x: Tensor, step: Instruction) -> Tensor:
    """Runs every operation that the codes can be on all samples, and keeps each sample's own: nothing is read back."""
    assert isinstance(step.codes, Tensor)
    codes, params, out = step.codes.to(x.device)[:, None], rows(step, x), x
    for op in step.possible:
        if op == Op.NONE:
            continue
        mine = codes == int(op)
        # Another operation's parameters could give a NaN, whose gradient `where` lets through; 1 harms none.
        changed = OPERATIONS[op](x, torch.where(mine, params, 1))
        out = torch.where(mine[:, :, None, None], changed, out)
    return out


def _column(params: Tensor, i: int) -> Tensor:
    return params[:, i, None, None, None]


def _scale(x: Tensor, params: Tensor) -> Tensor:
    c = x.shape[1]
    scale, shift = params[:, :c, None, None], params[:, c : 2 * c, None, None]
    return _clamp(torch.addcmul(shift, x, scale), params[:, 2 * c : 2 * c + 2])


def _clamp(x: Tensor, bounds: Tensor) -> Tensor:
    return x.clamp(bounds[:, 0, None, None, None], bounds[:, 1, None, None, None])


def _matrix(x: Tensor, params: Tensor) -> Tensor:
    m = params[:, :12].unflatten(1, (3, 4))
    # Multiply-adds, not a matmul: TF32 or bfloat16 would round a colour to ten bits.
    out = m[:, :, 3, None, None]
    for i in range(3):
        out = torch.addcmul(out, x[:, None, i], m[:, :, i, None, None])
    return _clamp(out, params[:, 12:14])


def luma(x: Tensor) -> Tensor:
    """Returns the luma (b, 1, h, w) of three channels, or the mean of any other number."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = x.split(1, 1)
    return (LUMA[0] * red).add(green, alpha=LUMA[1]).add(blue, alpha=LUMA[2])


def _contrast(x: Tensor, params: Tensor) -> Tensor:
    mean = luma(x).mean((1, 2, 3), keepdim=True)
    factor = _column(params, 0)
    return torch.lerp(mean, x, factor).clamp(0, 1)


def _hue(x: Tensor, params: Tensor) -> Tensor:
    r, g, b = x.unbind(1)
    value, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    chroma = value - low
    safe = torch.where(chroma > 0, chroma, 1)
    sextant = torch.where(value == r, (g - b) / safe, torch.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    turned = sextant + 6 * params[:, 0, None, None]
    # Back: v - c max(0, min(k, 4 - k, 1)) with k = (n + 6 hue) mod 6, n = 5, 3, 1 for red, green, blue.
    n = torch.arange(5, 0, -2, dtype=x.dtype, device=x.device)[:, None, None]
    k = (turned[:, None] + n).remainder(6)
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


def _gamma(x: Tensor, params: Tensor) -> Tensor:
    positive = x > 0
    # At 0 the derivative of x^g is infinite for g < 1; the subgradient taken is 0, in x and in g.
    power = torch.where(positive, x, 1) ** _column(params, 0)
    return (_column(params, 1) * torch.where(positive, power, 0)).clamp(0, 1)


def _lut(x: Tensor, params: Tensor) -> Tensor:
    index = (x.detach().clamp(0, 1) * 255).round().long()
    table = params[:, :256].expand(x.shape[0], -1)
    return table.gather(1, index.flatten(1)).unflatten(1, x.shape[1:])


def _solarize(x: Tensor, params: Tensor) -> Tensor:
    return torch.where(x >= _column(params, 0), 1 - x, x)


def _noise(x: Tensor, params: Tensor) -> Tensor:
    field = normal_field(params[:, 1].detach().long(), params[:, 2].detach().long(), x.shape[1:])
    return _clamp(x + _column(params, 0) * field.to(x.dtype), params[:, 3:5])


def _erase(x: Tensor, params: Tensor) -> Tensor:
    h, w = x.shape[-2:]
    column = torch.arange(w, device=x.device)
    row = torch.arange(h, device=x.device)[:, None]
    x0, y0, x1, y1 = (params[:, i, None, None] for i in range(4))
    inside = (column >= x0) & (column < x1) & (row >= y0) & (row < y1)
    return torch.where(inside[:, None], params[:, 4 : 4 + x.shape[1], None, None], x)


OPERATIONS: dict[Op, Callable[[Tensor, Tensor], Tensor]] = {
    Op.SCALE: _scale,
    Op.MATRIX: _matrix,
    Op.CONTRAST: _contrast,
    Op.HUE: _hue,
    Op.GAMMA: _gamma,
    Op.LUT: _lut,
    Op.SOLARIZE: _solarize,
    Op.NOISE: _noise,
    Op.ERASE: _erase,
}
