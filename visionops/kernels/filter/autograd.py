"""The filter as autograd, functorch and the compiler see it; built as `visionops.kernels.warp.autograd`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import adjoint_of_adjoint, fold, unfold, unfold_gradient

from . import cpu, definition


def correlate(image: Tensor, taps_x: Tensor, taps_y: Tensor, border: str, fill: float) -> Tensor:
    """Returns float32 images (b, c, h, w) correlated with taps (b or 1, k), with a graph."""
    return _Filter.apply(image, taps_x, taps_y, border, fill)


class _Filter(torch.autograd.Function):
    @staticmethod
    def forward(image: Tensor, taps_x: Tensor, taps_y: Tensor, border: str, fill: float) -> Tensor:
        run = _filter_op if torch.compiler.is_compiling() else _run
        return run(image, taps_x, taps_y, border, fill)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        image, taps_x, taps_y, *ctx.rest = inputs
        # The gradient by the image does not depend on the image.
        ctx.save_for_backward(image if any(ctx.needs_input_grad[1:3]) else None, taps_x, taps_y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        needs = tuple(ctx.needs_input_grad[:3])
        found = iter(_Adjoint.apply(grad, *ctx.saved_tensors, *ctx.rest, needs))
        return (*(next(found) if need else None for need in needs), None, None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        n = info.batch_size
        return unfold(_Filter.apply(*fold(args[:3], in_dims[:3], n), *args[3:]), n), 0


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        grad: Tensor, image: Tensor | None, taps_x: Tensor, taps_y: Tensor, border: str, fill: float, needs: Any
    ) -> tuple[Tensor, ...]:
        if torch.compiler.is_compiling():
            return tuple(_adjoint_op(grad, image, taps_x, taps_y, border, fill, list(needs)))
        return _run_adjoint(grad, image, taps_x, taps_y, border, fill, needs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:4])
        ctx.rest = inputs[4:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        grad, image, taps_x, taps_y = ctx.saved_tensors
        border, fill, needs = ctx.rest

        def meaning(image: Tensor, taps_x: Tensor, taps_y: Tensor) -> Tensor:
            return definition.filter_separable(image, taps_x, taps_y, border=border, fill=fill)

        given = (image, taps_x, taps_y)
        return (*adjoint_of_adjoint(meaning, grad, given, needs, grads), None, None, None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        n, needs = info.batch_size, args[-1]
        found = _Adjoint.apply(*fold(args[:4], in_dims[:4], n), *args[4:])
        places = [1 + i for i, need in enumerate(needs) if need]
        out = [
            unfold(g, n) if i == 1 else unfold_gradient(g, n, args[i], in_dims[i])
            for i, g in zip(places, found, strict=True)
        ]
        return tuple(out), (0,) * len(out)


def _run(image: Tensor, *args: Any) -> Tensor:
    if native.triton_may_run(image):
        from . import cuda

        return cuda.forward(image, *args)
    return cpu.correlate(image, *args)


def _run_adjoint(grad: Tensor, *args: Any) -> tuple[Tensor, ...]:
    run = cpu.adjoint
    if native.triton_may_run(grad):
        from . import cuda

        run = cuda.backward
    return tuple(g for g in run(grad, *args) if g is not None)


ARGUMENTS = "Tensor taps_x, Tensor taps_y, str border, float fill"


@torch.library.custom_op("visionops::filter", mutates_args=(), schema=f"(Tensor image, {ARGUMENTS}) -> Tensor")
def _filter_op(image: Tensor, *args: Any) -> Tensor:
    return _run(image, *args)


@_filter_op.register_fake
def _(image: Tensor, *args: Any) -> Tensor:
    return image.new_empty(image.shape)


@torch.library.custom_op(
    "visionops::filter_adjoint",
    mutates_args=(),
    schema=f"(Tensor grad, Tensor? image, {ARGUMENTS}, bool[] needs) -> Tensor[]",
)
def _adjoint_op(*args: Any) -> list[Tensor]:
    return list(_run_adjoint(*args))


@_adjoint_op.register_fake
def _(grad: Tensor, image: Tensor | None, taps_x: Tensor, taps_y: Tensor, *rest: Any) -> list[Tensor]:
    return [t.new_empty(t.shape) for t, need in zip((grad, taps_x, taps_y), rest[-1], strict=True) if need]
