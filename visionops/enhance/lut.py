"""Tables of one colour: given by their entries, or by a smooth curve through points.

F. Fritsch, J. Butland, A method for constructing local monotone piecewise cubic interpolants, 1984.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import look_up, look_up_levels
from visionops.module import as_module

from .pointwise import rows_by_channel

# Entries of the table that a curve is read from. A line between two is within 5e-7 y'' of the curve; with more of them
# the differences of float32 entries, which gradients are made of, would lose digits.
CURVE = 512


def lut1d(
    image: Shaped[Tensor, "*batch c h w"], table: Shaped[Tensor | np.ndarray, "*rows k"]
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the table's entries at the image's colours, linearly between entries.

    Args:
        image: floating in [0, 1] (clamped), or uint8.
        table: at least two entries evenly spaced over [0, 1]: (k,) for all, (c, k) for each channel or (*batch, c, k).
            Floating, in the units of the result, [0, 1]; or uint8, in levels.

    Raises:
        ValueError: for a table of another shape, of one entry, or of other integers than uint8.

    Gradient: to the image, at an entry that of the segment after it, and to the table.
    Source: OpenCV LUT, which is the case of a uint8 image and 256 entries.

    >>> lut1d(torch.tensor([[[0.25]]]), torch.tensor([0.0, 0.5, 0.6])).item()
    0.25
    """
    check_image("lut1d", image)
    entries = torch.as_tensor(table)
    if entries.ndim < 1 or entries.shape[-1] < 2:
        raise refuse("lut1d", "table", "of shape (..., k) with k at least 2", tuple(entries.shape))
    if not entries.is_floating_point() and entries.dtype != torch.uint8:
        raise refuse("lut1d", "table", "floating in [0, 1], or uint8", entries.dtype)
    rows = rows_by_channel("lut1d", "table", entries, image, tail=1)
    return _apply(image, rows / 255 if entries.dtype == torch.uint8 else rows)


def _apply(image: Tensor, rows: Tensor) -> Tensor:
    """Returns the image looked up in floating tables (b or 1, c or 1, k)."""
    flat = flatten(image)
    if image.dtype != torch.uint8:
        x = to_unit(flat)
        return unflatten(from_unit(look_up(x, rows[:, :, None, None].to(x.dtype)), image.dtype), image.shape[:-3])
    rows = rows.float()
    if rows.shape[-1] != 256:
        level = torch.arange(256, device=image.device).float() / 255
        rows = look_up(level.expand(*rows.shape[:2], 1, 256), rows[:, :, None, None])[:, :, 0]
    return unflatten(look_up_levels(flat, from_unit(rows, torch.uint8)), image.shape[:-3])


def tone_curve(
    image: Shaped[Tensor, "*batch c h w"], points: Shaped[Tensor | np.ndarray, "*rows k 2"]
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image's colours mapped by the smooth curve through points that turns only where they do.

    Args:
        image: floating in [0, 1] (clamped), or uint8 (rounded).
        points: at least two (input, output) in [0, 1], inputs increasing: (k, 2) for all, (c, k, 2) for each channel or
            (*batch, c, k, 2). Before the first and after the last the curve is flat.

    Raises:
        ValueError: for points of another shape, integers, or inputs that do not increase. A tensor's values are not
            checked.

    Gradient: to the image and to the points; where neighbouring slopes change sign, a subgradient.
    Source: Fritsch and Butland 1984, as scipy.interpolate.PchipInterpolator; read from a table of 512 entries.

    >>> curve = torch.tensor([[0.0, 0.0], [0.5, 0.7], [1.0, 1.0]])
    >>> tone_curve(torch.tensor([[[0.5, 1.0]]]), curve).flatten().round(decimals=4).tolist()
    [0.699999988079071, 1.0]
    """
    check_image("tone_curve", image)
    given = torch.as_tensor(points)
    if given.ndim < 2 or given.shape[-1] != 2 or given.shape[-2] < 2:
        raise refuse("tone_curve", "points", "of shape (..., k, 2) with k at least 2", tuple(given.shape))
    if not given.is_floating_point():
        raise refuse("tone_curve", "points", "floating in [0, 1]", given.dtype)
    if not isinstance(points, Tensor) and not bool((given[..., 1:, 0] > given[..., :-1, 0]).all()):
        raise refuse("tone_curve", "points", "of increasing inputs", given[..., 0].tolist())
    rows = rows_by_channel("tone_curve", "points", given, image, tail=2)
    rows = rows.to(torch.float64 if image.dtype == torch.float64 else torch.float32)
    size = 256 if image.dtype == torch.uint8 else CURVE
    at = torch.linspace(0, 1, size, dtype=rows.dtype, device=rows.device)
    return _apply(image, _curve(rows[..., 0], rows[..., 1], at))


def _curve(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Returns the curves through (x, y), (b, c, k) each, at positions (n,)."""
    step = x[..., 1:] - x[..., :-1]
    slope = (y[..., 1:] - y[..., :-1]) / step
    tangent = _tangents(step, slope)
    after = (at >= x.detach()[..., 1:-1, None]).sum(-2)
    t, x0, h = at.expand(*x.shape[:-1], -1), x.gather(-1, after), step.gather(-1, after)
    part = ((t - x0) / h).clamp(0, 1)
    y0, y1 = y.gather(-1, after), y.gather(-1, after + 1)
    m0, m1 = tangent.gather(-1, after) * h, tangent.gather(-1, after + 1) * h
    rest = 1 - part
    ends = y0 * (1 + 2 * part) * rest**2 + y1 * (3 - 2 * part) * part**2
    return ends + m0 * part * rest**2 - m1 * part**2 * rest


def _tangents(step: Tensor, slope: Tensor) -> Tensor:
    if step.shape[-1] == 1:
        return torch.cat([slope, slope], -1)
    h0, h1, m0, m1 = step[..., :-1], step[..., 1:], slope[..., :-1], slope[..., 1:]
    same = m0 * m1 > 0
    w0, w1 = 2 * h1 + h0, h1 + 2 * h0
    mean = (w0 + w1) / (w0 / torch.where(same, m0, 1) + w1 / torch.where(same, m1, 1))
    inner = torch.where(same, mean, 0)
    first = _end(step[..., :1], step[..., 1:2], slope[..., :1], slope[..., 1:2])
    last = _end(step[..., -1:], step[..., -2:-1], slope[..., -1:], slope[..., -2:-1])
    return torch.cat([first, inner, last], -1)


def _end(h0: Tensor, h1: Tensor, m0: Tensor, m1: Tensor) -> Tensor:
    """Returns the tangent at an end: that of the parabola through three points, as far as it keeps the shape."""
    tangent = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (m0 * m1 <= 0) & (tangent.abs() > 3 * m0.abs())
    return torch.where(tangent * m0 <= 0, 0, torch.where(steep, 3 * m0, tangent))


Lut1d = as_module(lut1d)
ToneCurve = as_module(tone_curve)
