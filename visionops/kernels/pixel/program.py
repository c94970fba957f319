"""Pixel programs: a short list of per-pixel colour steps as plain arrays, which both the definition and C++ read.

A program is a sequence of `Instruction`. Every sample of a batch runs the same sequence, but may run another
operation in it, or none: that is how gates, OneOf and a random order are written. Colours are floats, nominally in
[0, 1]; C is the number of channels.

    op        parameters                              new colour
    NONE                                              x
    SCALE     scale[C], shift[C], low, high           clamp(scale x + shift, low, high)      by channel
    MATRIX    3x4 by rows, low, high                  clamp(A x + b, low, high)              C = 3
    CONTRAST  factor                                  clamp(f x + (1 - f) mean, 0, 1)        mean of the image's luma
    HUE       shift in turns                          hue rotated in HSV                     C = 3
    GAMMA     gamma, gain                             clamp(gain x^gamma, 0, 1)
    LUT       table[256]                              table[rint(255 clamp(x, 0, 1))]
    SOLARIZE  threshold                               1 - x where x >= threshold
    NOISE     sigma, key (two 24-bit halves), low, high      clamp(x + sigma normal, low, high)
    ERASE     x0, y0, x1, y1, value[C]                value where x0 <= column < x1 and y0 <= row < y1
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
INF = float("inf")


class Op(IntEnum):
    """The operations of a pixel program; the module says what each does."""

    NONE = 0
    SCALE = 1
    MATRIX = 2
    CONTRAST = 3
    HUE = 4
    GAMMA = 5
    LUT = 6
    SOLARIZE = 7
    NOISE = 8
    ERASE = 9


class Instruction(NamedTuple):
    """One step of a program: which operation each sample runs, and with what.

    Args:
        codes: an `Op` for all samples, or an int array or tensor (b,) of one each.
        params: k numbers for all samples, or (b, k) or (1, k), a float array on the host or a tensor; a row is read
            from its start as its operation needs.
        ops: which operations the codes can be, where they are a tensor: nothing waits for a device to look.
    """

    codes: int | np.ndarray | Tensor
    params: tuple[float, ...] | np.ndarray | Tensor
    ops: tuple[Op, ...] | None = None

    def of(self, i: int) -> Instruction:
        """Returns the step of sample i alone."""
        shared = isinstance(self.params, tuple) or self.params.shape[0] == 1
        params = self.params if shared else self.params[i : i + 1]
        if isinstance(self.codes, Tensor):
            return Instruction(self.codes[i : i + 1], params, self.ops)
        return Instruction(int(self.codes[i]) if isinstance(self.codes, np.ndarray) else self.codes, params)

    @property
    def possible(self) -> tuple[Op, ...]:
        """Which operations the codes can be."""
        if isinstance(self.codes, Tensor):
            return tuple(Op) if self.ops is None else self.ops
        return tuple(map(Op, np.unique(self.codes))) if isinstance(self.codes, np.ndarray) else (Op(self.codes),)


Program = Sequence[Instruction]


class Layout(NamedTuple):
    """What is the same for all samples of an encoded program.

    Args:
        starts: where the parameters of each step start in a sample's row.
        ops: which operations each step can be.
        is_linear: whether it is certainly linear in the colours, but for constants.
    """

    starts: tuple[int, ...] = ()
    ops: tuple[tuple[Op, ...], ...] = ()
    is_linear: bool = True


def tensors_of(program: Program) -> list[Tensor]:
    return [t for step in program for t in (step.codes, step.params) if isinstance(t, Tensor)]


def encode_tensors(program: Program, device: torch.device) -> tuple[Tensor, Tensor, Layout]:
    """Returns a program as codes (b or 1, n) int32, parameters (b or 1, p) float32 with their graph, and its layout."""
    codes, params, starts, width = [], [], [], 0
    for step in program:
        codes.append(torch.atleast_1d(torch.as_tensor(step.codes, dtype=torch.int32, device=device)))
        params.append(rows(step, torch.empty(0, device=device)))
        starts.append(width)
        width += params[-1].shape[1]
    layout = Layout(tuple(starts), tuple(step.possible for step in program), all(map(_is_linear, program)))
    if not codes:
        return torch.empty(1, 0, dtype=torch.int32, device=device), torch.empty(1, 0, device=device), layout
    batch = max(p.shape[0] for p in params)
    joined = torch.cat([p.expand(batch, -1) for p in params], 1)
    return torch.stack(torch.broadcast_tensors(*codes), 1), joined, layout


def decode_tensors(codes: Tensor, params: Tensor, layout: Layout) -> list[Instruction]:
    """Returns the program that was encoded."""
    ends = (*layout.starts[1:], params.shape[1])[: len(layout.starts)]
    return [
        Instruction(codes[:, i], params[:, start:end], ops)
        for i, (start, end, ops) in enumerate(zip(layout.starts, ends, layout.ops, strict=True))
    ]


def _is_linear(step: Instruction) -> bool:
    """Returns whether nothing that a step can be bends, as far as its parameters are known here."""
    bends = set(step.possible) - {Op.NONE, Op.ERASE}
    if bends - {Op.SCALE, Op.MATRIX} or (bends and not isinstance(step.params, tuple)):
        return False
    return not bends or step.params[-2:] == (-INF, INF)


def rows(step: Instruction, like: Tensor) -> Tensor:
    """Returns the parameters as a tensor in the dtype and on the device of `like`."""
    params = step.params
    if isinstance(params, tuple):
        params = np.array([params])
    if isinstance(params, np.ndarray):
        params = torch.from_numpy(params)
    return params.to(like.device, like.dtype, non_blocking=True)


def encode(program: Program, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the program as the sweep reads it: codes (batch, n), start of each step's parameters (n), parameters."""
    if batch == 1 and all(type(step.params) is tuple for step in program):
        flat: list[float] = []
        firsts = []
        for step in program:
            firsts.append(len(flat))
            flat += step.params  # type: ignore[arg-type]
        codes = np.array([[step.codes for step in program]], np.int32).reshape(1, -1)
        return codes, np.array(firsts, np.int32), np.array([flat], np.float32)
    codes = np.empty((batch, len(program)), np.int32)
    parts = []
    for i, step in enumerate(program):
        codes[:, i] = step.codes.numpy() if isinstance(step.codes, Tensor) else step.codes
        parts.append(step.params if isinstance(step.params, tuple) else _on_host(step.params))
    widths = [len(part) if isinstance(part, tuple) else part.shape[1] for part in parts]
    starts = np.array([0, *widths], np.int32).cumsum(dtype=np.int32)
    params = np.empty((batch, int(starts[-1])), np.float32)
    for part, start, width in zip(parts, starts.tolist(), widths, strict=False):
        params[:, start : start + width] = part
    return codes, starts[:-1], params


def _on_host(params: np.ndarray | Tensor) -> np.ndarray:
    return params.detach().numpy() if isinstance(params, Tensor) else params
