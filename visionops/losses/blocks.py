"""What losses of plain torch share that work on parts of a tensor: they stay in a cache from one operation to the next.

An `autograd.Function` made of such parts reads its inputs once, keeps what its gradient needs, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from visionops.kernels.functions import defined, is_traced, takes_formula

# Bytes. A part, and what is made of it, stay in the caches; of smaller ones the calls would cost more than the work.
BLOCK = 2**20


def blocks(*tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Returns the same rows of all tensors, again and again: a block of the first one; on a device all at once.

    What has one row only belongs to all.
    """
    first = tensors[0]
    assert first is not None
    step = max(len(first), 1)
    if first.device.type == "cpu":
        step = max(BLOCK // max(first[:1].numel() * first.element_size(), 1), 1)
    for start in range(0, max(len(first), 1), step):
        yield tuple(t if t is None or len(t) == 1 else t[start : start + step] for t in tensors)


def recomputed(define: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Returns an elementwise function of tensors that broadcast to the first, of which autograd keeps them alone.

    What is between is computed again for the gradient, block by block.
    """

    class Recomputed(torch.autograd.Function):
        @staticmethod
        def forward(*tensors: Tensor) -> Tensor:
            out = torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
            for *some, to in blocks(*tensors, out):
                to.copy_(define(*some))
            return out

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
            tensors, needs = ctx.saved_tensors, ctx.needs_input_grad
            if takes_formula(grad):
                return defined(define, tensors, None, needs, grad)
            out = [torch.zeros_like(t) if need else None for t, need in zip(tensors, needs, strict=True)]
            for g, *some in blocks(grad, *(t.detach() for t in tensors), *out):
                found = defined(define, some[: len(needs)], None, needs, g)
                for to, part in zip(some[len(needs) :], found, strict=True):
                    if to is not None:
                        to.add_(part)
            return tuple(out)

    def call(first: Tensor, *rest: Tensor) -> Tensor:
        if first.ndim == 0 or is_traced():
            return define(first, *rest)
        return Recomputed.apply(first, *(t[(None,) * (first.ndim - t.ndim)] for t in rest))  # type: ignore[no-any-return]

    return call
