"""`primitive`: a kernel and its adjoint as one function for autograd, functorch and the compiler; `opaque`: one whose
results are constants; `closed`: a solver of eager mode with its gradient.

Two custom ops, forward and adjoint, each inside an `autograd.Function`: with `register_autograd` instead,
`torch.func.grad` raises, forward mode is silently zero and second derivatives fail (torch 2.13). vmap goes into the
batch; second derivatives are the definition's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

SLOTS = 4

# By name, in a global: dynamo does not follow a class that is in a closure (torch 2.13).
_adjoints: dict[str, type[torch.autograd.Function]] = {}


def is_transformed() -> bool:
    """Returns whether functorch or forward mode is at work, so that values of tensors may be hidden."""
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0


def is_batched(grad: Tensor) -> bool:
    """Returns whether a gradient is many at once, of `is_grads_batched=True`, so that it has no memory of its own."""
    return torch._C._functorch.is_legacy_batchedtensor(grad)


def takes_formula(grad: Tensor) -> bool:
    """Returns whether a backward pass must be plain torch: it is differentiated, or of many gradients at once."""
    return torch.is_grad_enabled() or is_batched(grad) or torch._C._functorch.is_batchedtensor(grad)


def is_traced() -> bool:
    """Returns whether forward mode, a transform or a compiler looks on: they take a formula as it is."""
    return is_transformed() or torch.compiler.is_compiling()


def primitive(
    name: str,
    *,
    tensors: str,
    static: str,
    forward: Callable[..., Tensor],
    adjoint: Callable[..., Sequence[Tensor | None]],
    define: Callable[..., Tensor],
    like: Callable[..., Tensor] | None = None,
    reads: Callable[..., Sequence[bool]] | None = None,
    reads_output: bool = False,
) -> Callable[..., Tensor]:
    """Returns a differentiable function ``f(*tensors, *static)`` of images (b, c, ...) and of what goes with them.

    Args:
        name: of its custom ops.
        tensors: their schema, up to four, "Tensor image, Tensor? guide"; each has b rows or one, the first has b. They
            are float32 where they are differentiable.
        static: the schema of what follows, "str border, float fill"; hashable, never a tensor.
        forward: of `(*tensors, *static)`, what kernels compute; the result is new.
        adjoint: of `(grad, tensors, output, shape, static, needs)`: a gradient for each tensor, where `needs` says so.
            Of tensors and output it sees those that it reads, None for others; `shape` is the first tensor's.
        define: of `(*tensors, *static)`, in plain torch.
        like: of `(*tensors, *static)`, an empty tensor like the result; None: one like the first.
        reads: of `(needs, *static)`, which of the tensors the adjoint reads; None: all.
        reads_output: whether it also reads the result.
    """
    count = tensors.count("Tensor")
    assert 1 <= count <= SLOTS
    empty = like or (lambda first, *_: first.new_empty(first.shape))
    rest = f", {static}" if static else ""
    declared = torch.library.custom_op(
        f"visionops::{name}", forward, mutates_args=(), schema=f"({tensors}{rest}) -> Tensor"
    )
    declared.register_fake(empty)
    forward_op = getattr(torch.ops.visionops, name).default

    def run_adjoint(
        grad: Tensor, given: Sequence[Tensor | None], output: Tensor | None, shape: Any, fixed: Any, needs: Any
    ) -> tuple[Tensor, ...]:
        found = adjoint(grad, given, output, tuple(shape), fixed, needs)
        return tuple(g for g in found if g is not None)

    def flat_adjoint(grad: Tensor, *args: Any) -> list[Tensor]:
        return list(run_adjoint(grad, args[:count], args[count], args[count + 1], args[count + 2 : -1], args[-1]))

    optional = ", ".join(part.replace("Tensor ", "Tensor? ") for part in tensors.split(", "))
    declared_adjoint = torch.library.custom_op(
        f"visionops::{name}_adjoint",
        flat_adjoint,
        mutates_args=(),
        schema=f"(Tensor grad, {optional}, Tensor? output, SymInt[] shape{rest}, bool[] needs) -> Tensor[]",
    )

    @declared_adjoint.register_fake
    def _(grad: Tensor, *args: Any) -> list[Tensor]:
        shapes = (args[count + 1], *(None if t is None else t.shape for t in args[1:count]))
        return [grad.new_empty(s) for s, need in zip(shapes, args[-1], strict=True) if need]

    adjoint_op = getattr(torch.ops.visionops, f"{name}_adjoint").default

    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(a: Tensor, b: Any, c: Any, d: Any, fixed: Any) -> Tensor:  # no *args: dynamo would count ctx
            run = forward_op if torch.compiler.is_compiling() else forward
            return run(*(a, b, c, d)[:count], *fixed)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            needs = tuple(ctx.needs_input_grad[:count])
            ctx.fixed, ctx.shape = inputs[-1], tuple(inputs[0].shape)
            read = (True,) * count if reads is None else reads(needs, *ctx.fixed)
            kept = [t if r else None for t, r in zip(inputs[:count], read, strict=True)]
            ctx.save_for_backward(*kept, output if reads_output else None)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
            needs = tuple(ctx.needs_input_grad[:count])
            *given, output = ctx.saved_tensors
            if not torch.compiler.is_compiling() and is_batched(grad):
                found = defined(lambda *t: define(*t, *ctx.fixed), given, ctx.shape, needs, grad)
                return (*found, *(None,) * (SLOTS - count + 1))
            given += [None] * (SLOTS - count)
            found = iter(_adjoints[name].apply(grad, *given, output, ctx.shape, ctx.fixed, needs))
            return (*(next(found) if need else None for need in needs), *(None,) * (SLOTS - count + 1))

        @staticmethod
        def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
            n = info.batch_size
            return unfold(Forward.apply(*fold(args[:SLOTS], in_dims[:SLOTS], n), args[-1]), n), 0

    class Adjoint(torch.autograd.Function):
        @staticmethod
        def forward(
            grad: Tensor, a: Any, b: Any, c: Any, d: Any, output: Any, shape: Any, fixed: Any, needs: Any
        ) -> tuple[Tensor, ...]:
            given = (a, b, c, d)[:count]
            if torch.compiler.is_compiling():
                return tuple(adjoint_op(grad, *given, output, list(shape), *fixed, list(needs)))
            return run_adjoint(grad, given, output, shape, fixed, needs)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.save_for_backward(*inputs[: 1 + count])
            ctx.fixed, ctx.needs = inputs[-2:]

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
            grad, *given = ctx.saved_tensors
            fixed = ctx.fixed
            found = adjoint_of_adjoint(lambda *t: define(*t, *fixed), grad, given, ctx.needs, grads)
            return (*found, *(None,) * (SLOTS - count + 4))

        @staticmethod
        def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
            *given, shape, fixed, needs = args
            n = info.batch_size
            folded = fold(given, in_dims[: 2 + SLOTS], n)
            found = Adjoint.apply(*folded, (n * shape[0], *shape[1:]), fixed, needs)
            places = [1 + i for i, need in enumerate(needs) if need]
            # A gradient by the image has the image's batch, also where its values were not needed.
            out = [
                unfold(g, n) if i == 1 else unfold_gradient(g, n, args[i], in_dims[i])
                for i, g in zip(places, found, strict=True)
            ]
            return tuple(out), (0,) * len(out)

    _adjoints[name] = Adjoint

    def call(*args: Any) -> Tensor:
        given = args[:count] + (None,) * (SLOTS - count)
        return Forward.apply(*given, args[count:])

    return call


def opaque(name: str, schema: str, run: Callable[..., Any], like: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `run`, whose results count as constants, as one custom op for functorch and the compiler.

    Args:
        name: of the op.
        schema: "(Tensor a, Tensor b, int n) -> (Tensor, Tensor)"; tensors first, each with b rows.
        run: computes it, on tensors with at least one element.
        like: of the same arguments, empty tensors as `run` returns, where there is nothing to compute or not yet.
    """
    count = schema.partition("->")[0].count("Tensor")
    declared = torch.library.custom_op(f"visionops::{name}", run, mutates_args=(), schema=schema)
    declared.register_fake(like)

    @declared.register_vmap
    def _(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        n = info.batch_size
        out = op(*fold(args[:count], in_dims[:count], n), *args[count:])
        return (unfold(out, n), 0) if isinstance(out, Tensor) else (tuple(unfold(o, n) for o in out), (0,) * len(out))

    op = getattr(torch.ops.visionops, name).default

    def call(*args: Any) -> Any:
        args = (*(t.detach() for t in args[:count]), *args[count:])
        if args[0].numel() == 0:
            return like(*args)
        transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        return (op if transformed else run)(*args)

    return call


def closed(
    run: Callable[..., tuple[Tensor, Tensor, Tensor | None]],
    adjoint: Callable[..., Sequence[Tensor | None]],
    define: Callable[..., tuple[Tensor, Tensor]],
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Returns a compiled function ``f(*tensors)`` of eager mode, with its gradient in closed form.

    Whoever calls it has asked `native.may_be_recorded` of the tensors, and that none is empty.

    It is for what has a second result, which is constant, and a gradient that reads more than both. Transforms, forward
    mode and the compiler take the definition, and so does a gradient that is differentiated.

    Args:
        run: of tensors or None, the result, what is constant, and, with `record=True`, what the adjoint reads.
        adjoint: of (grad, tensors, result, what it reads), a gradient for each tensor.
        define: of the tensors, both results in plain torch.
    """

    class Closed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
            result, constant, saved = run(*tensors, record=True)
            ctx.save_for_backward(*tensors, result, saved)
            ctx.mark_non_differentiable(constant)
            return result, constant

        @staticmethod
        def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
            *tensors, result, saved = ctx.saved_tensors
            needs = ctx.needs_input_grad
            if takes_formula(grad):
                return defined(lambda *t: define(*t)[0], tensors, None, needs, grad)
            found = adjoint(grad, tensors, result, saved)
            return tuple(g if need else None for g, need in zip(found, needs, strict=True))

    def call(*tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        if is_traced():
            return define(*tensors)
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
            return Closed.apply(*tensors)
        return run(*tensors, record=False)[:2]

    return call


def defined(
    define: Callable[..., Tensor], given: Sequence[Tensor | None], shape: Any, needs: Sequence[bool], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of a definition, which can be differentiated where autograd records.

    Args:
        given: its tensors; the first, if None, is any of a shape.
        needs: which gradients are wanted.
    """
    recorded = torch.is_grad_enabled()
    with torch.enable_grad():
        values = list(given)
        if values[0] is None:
            values[0] = torch.zeros(shape, dtype=grad.dtype, device=grad.device)
        values = [
            t if t is None or t.requires_grad or not need else t.detach().requires_grad_()
            for t, need in zip(values, needs, strict=True)
        ]
        result = define(*values)
        wanted = [t for t, need in zip(values, needs, strict=True) if need and t is not None]
        found = iter(torch.autograd.grad(result, wanted, grad, create_graph=recorded, materialize_grads=True))
    return tuple(next(found) if need else None for need in needs)


def fold(tensors: Sequence[Tensor | None], in_dims: Sequence[int | None], mapped: int) -> list[Tensor | None]:
    """Returns tensors (b or 1, ...), the first of which has b rows, as (mapped b, ...), over which kernels loop anyway.

    Args:
        in_dims: where the mapped dimension of each tensor is; None where it has none.
        mapped: its size.
    """
    whole = [
        t if t is None else t.expand(mapped, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(tensors, in_dims, strict=True)
    ]
    assert whole[0] is not None
    batch = whole[0].shape[1]
    return [t if t is None else t.expand(-1, batch, *t.shape[2:]).flatten(0, 1) for t in whole]


def unfold(result: Tensor, mapped: int) -> Tensor:
    """Returns a result (mapped b, ...) as (mapped, b, ...)."""
    return result.unflatten(0, (mapped, -1))


def unfold_gradient(result: Tensor, mapped: int, of: Tensor, dim: Any) -> Tensor:
    """Returns a gradient as (mapped, b, ...), or (mapped, 1, ...) where one row of what it belongs to served all."""
    rows = of.shape[0] if dim is None else of.movedim(dim, 0).shape[1]
    result = unfold(result, mapped)
    return result.sum(1, keepdim=True) if rows == 1 else result


def adjoint_of_adjoint(
    define: Callable[..., Tensor],
    grad: Tensor,
    given: Sequence[Tensor | None],
    needs: Sequence[bool],
    cotangents: Sequence[Tensor],
) -> tuple[Tensor | None, ...]:
    """Returns the gradients by `grad` and by each of `given` of what an adjoint returned.

    Args:
        define: the definition, of all of `given`; linear in those that are None.
        grad: what the adjoint was given.
        needs: which of `given` the adjoint returned gradients of.
        cotangents: of those.
    """
    shapes = iter(cotangents)
    zeros = [torch.zeros_like(next(shapes)) if need else None for need in needs]
    floating = [i for i, t in enumerate(given) if t is not None and t.is_floating_point()]
    wanted = [i for i, need in enumerate(needs) if need]

    def adjoint(grad: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        tensors = [z if t is None else t for z, t in zip(zeros, _with(given, floating, values), strict=True)]
        result = torch.func.vjp(lambda *v: define(*_with(tensors, wanted, v)), *(tensors[i] for i in wanted))
        return result[1](grad)

    result = torch.func.vjp(adjoint, grad, *(given[i] for i in floating))
    by_grad, *found = result[1](tuple(cotangents))
    return by_grad, *_with((None,) * len(given), floating, found)


def _with(tensors: Sequence[Tensor | None], places: Sequence[int], values: Sequence[Tensor]) -> list[Tensor | None]:
    """Returns a copy with other values at some places."""
    changed = list(tensors)
    for i, value in zip(places, values, strict=True):
        changed[i] = value
    return changed
