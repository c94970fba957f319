"""The sweep as autograd, functorch and the compiler see it.

Two custom ops, forward and adjoint, each inside an `autograd.Function`: with `register_autograd` instead,
`torch.func.grad` raises, forward mode is silently zero and second derivatives fail (torch 2.13). The adjoint's own
derivative is that of the definition's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import adjoint_of_adjoint, fold, unfold, unfold_gradient
from visionops.kernels.pixel.program import Layout, Op

from . import cpu
from .spec import Spec
from .sweep import define

# Positions of the differentiable tensors: image, inverse, coordinates, params.
DIFFERENTIABLE = 4


def sweep(
    image: Tensor,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    params: Tensor,
    planes: Tensor | None,
    levels: Tensor | None,
    codes: Tensor,
    spec: Spec,
) -> Tensor:
    """Returns the images (b, c, h, w) after a sweep, with a graph.

    Args:
        inverse: (b or 1, 3, 3) float64, and so on with the batch of all tensors.
        params: of the encoded program, as its `codes`.
    """
    return _Sweep.apply(image, inverse, coordinates, params, planes, levels, codes, spec)


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(  # no *args: dynamo would count ctx among them (torch 2.13)
        image: Tensor, inverse: Any, coordinates: Any, params: Tensor, planes: Any, levels: Any, codes: Tensor,
        spec: Spec,
    ) -> Tensor:  # fmt: skip
        tensors = (image, inverse, coordinates, params, planes, levels, codes)
        if torch.compiler.is_compiling():
            return _sweep_op(*tensors, *_flat(spec))
        return _run(*tensors, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        image, inverse, coordinates, params, planes, levels, codes, spec = inputs
        needs = tuple(ctx.needs_input_grad[:DIFFERENTIABLE])
        ctx.spec, ctx.shape, ctx.dtype = spec, tuple(image.shape), image.dtype
        # The gradient of a linear sweep by its image does not depend on the image.
        reads = any(needs[1:]) or not spec.program.is_linear
        ctx.save_for_backward(image if reads else None, inverse, coordinates, params, planes, levels, codes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        needs = tuple(ctx.needs_input_grad[:DIFFERENTIABLE])
        grads = _Adjoint.apply(grad, *ctx.saved_tensors, ctx.shape, ctx.dtype, ctx.spec, needs)
        found = iter(grads)
        return (*(next(found) if need else None for need in needs), None, None, None, None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        tensors = fold(args[:-1], in_dims[:-1], info.batch_size)
        return unfold(_Sweep.apply(*tensors, args[-1]), info.batch_size), 0


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        grad: Tensor, image: Any, inverse: Any, coordinates: Any, params: Tensor, planes: Any, levels: Any,
        codes: Tensor, shape: Any, dtype: torch.dtype, spec: Spec, needs: Any,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        tensors = (image, inverse, coordinates, params, planes, levels, codes)
        if torch.compiler.is_compiling():
            return tuple(_adjoint_op(grad, *tensors, list(shape), dtype, *_flat(spec), list(needs)))
        return _run_adjoint(grad, *tensors, shape, dtype, spec, needs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[:8])
        ctx.rest = inputs[8:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        grad, image, inverse, coordinates, params, planes, levels, codes = ctx.saved_tensors
        _, _, spec, needs = ctx.rest

        def meaning(image: Tensor, inverse: Tensor | None, coordinates: Tensor | None, params: Tensor) -> Tensor:
            return define(image, inverse, coordinates, params, planes, levels, codes, spec)

        given = (image, inverse, coordinates, params)
        return (*adjoint_of_adjoint(meaning, grad, given, needs, grads), *(None,) * 7)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        *tensors, shape, dtype, spec, needs = args
        n = info.batch_size
        found = _Adjoint.apply(*fold(tensors, in_dims[:8], n), (n * shape[0], *shape[1:]), dtype, spec, needs)
        places = [1 + i for i, need in enumerate(needs) if need]
        # A gradient by the image has the image's batch, also where its values were not needed.
        out = [
            unfold(g, n) if tensors[i] is None else unfold_gradient(g, n, tensors[i], in_dims[i])
            for i, g in zip(places, found, strict=True)
        ]
        return tuple(out), (0,) * len(out)


def _run(image: Tensor, *args: Any) -> Tensor:
    if native.triton_may_run(image):
        from . import cuda

        return cuda.forward(image, *args)
    inverse, coordinates, params, planes, levels, codes, spec = args
    return cpu.sweep(image, inverse, coordinates, planes, levels, (codes, spec.program.starts, params), spec)


def _run_adjoint(grad: Tensor, image: Tensor | None, *args: Any) -> tuple[Tensor, ...]:
    inverse, coordinates, params, planes, levels, codes, shape, dtype, spec, needs = args
    found: Sequence[Tensor | None]
    if native.triton_may_run(grad):
        from . import cuda

        if image is None and spec.program.starts:  # a linear program: it reads colours that decide nothing
            image = grad.new_zeros(shape, dtype=dtype)
        given = (image, inverse, coordinates, params)
        found = cuda.backward(grad, image, shape, *given[1:], planes, levels, codes, spec, needs)
        # "nearest" gives positions no gradient.
        found = [torch.zeros_like(t) if n and g is None else g for g, n, t in zip(found, needs, given, strict=True)]
    else:
        program = (codes, spec.program.starts, params)
        found = cpu.adjoint(grad, image, shape, dtype, inverse, coordinates, planes, levels, program, spec, needs)
    return tuple(g for g in found if g is not None)


# A custom op takes no tuples of tuples: the static part travels flat.
STATIC = (
    "SymInt[] size, str interpolation, str border, float[] fill, float[] fills, ScalarType out, int[] starts, int[] ops"
)
TENSORS = "Tensor? inverse, Tensor? coordinates, Tensor params, Tensor? planes, Tensor? levels, Tensor codes"


def _flat(spec: Spec) -> tuple[Any, ...]:
    ops: list[int] = []
    for possible in spec.program.ops:
        ops += [len(possible), *(int(op) for op in possible)]
    fills = [value for row in spec.fills for value in row]
    starts = list(spec.program.starts)
    return list(spec.size), spec.interpolation, spec.border, list(spec.fill), fills, spec.dtype, starts, ops


def _spec(*flat: Any) -> Spec:
    size, interpolation, border, fill, fills, dtype, starts, ops = flat
    c = len(fill)
    rows = tuple(tuple(fills[i : i + c]) for i in range(0, len(fills), c)) if c else ()
    possible, left = [], list(ops)
    while left:
        n = left.pop(0)
        possible.append(tuple(Op(op) for op in left[:n]))
        del left[:n]
    return Spec(tuple(size), interpolation, border, tuple(fill), rows, dtype, Layout(tuple(starts), tuple(possible)))


@torch.library.custom_op("visionops::sweep", mutates_args=(), schema=f"(Tensor image, {TENSORS}, {STATIC}) -> Tensor")
def _sweep_op(image: Tensor, *args: Any) -> Tensor:
    return _run(image, *args[:6], _spec(*args[6:]))


@_sweep_op.register_fake
def _(image: Tensor, *args: Any) -> Tensor:
    return image.new_empty((*image.shape[:2], *args[6]), dtype=args[11])


@torch.library.custom_op(
    "visionops::sweep_adjoint",
    mutates_args=(),
    schema=f"(Tensor grad, Tensor? image, {TENSORS}, SymInt[] shape, ScalarType dtype, {STATIC}, bool[] needs)"
    " -> Tensor[]",
)
def _adjoint_op(grad: Tensor, image: Tensor | None, *args: Any) -> list[Tensor]:
    tensors, shape, dtype, needs = args[:6], args[6], args[7], args[-1]
    return list(_run_adjoint(grad, image, *tensors, tuple(shape), dtype, _spec(*args[8:-1]), needs))


@_adjoint_op.register_fake
def _(grad: Tensor, image: Tensor | None, *args: Any) -> list[Tensor]:
    inverse, coordinates, params = args[:3]
    shapes = (grad.new_empty(args[6], dtype=torch.float32), inverse, coordinates, params)
    wanted = [t for t, need in zip(shapes, args[-1], strict=True) if need]
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in wanted]
