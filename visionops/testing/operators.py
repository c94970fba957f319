"""The contract of an operator."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from visionops.kernels import native
from visionops.module import OperatorModule

from .images import PIXELS, close, listed, noise_image

DOUBLES = (torch.float64, torch.float32)


@dataclass(frozen=True)
class Operator:
    """A case of a function of one batched tensor.

    Attributes:
        function: takes what `example` makes, and the options.
        options: its keyword arguments. The function's Module is tested with the same.
        example: makes the input of a batch of n, in a dtype. That of an image is the default, which is also tested
            without and with two batch dimensions, on one pixel, and with gradients at flat, black and white images.
        dtypes: that the function takes.
        saves: how many tensors as large as the input its kernels keep for the backward pass; None: it has no kernel.
        out: a dtype that all results have, whatever the input's; None: the input's.
        skip: the checks that the function cannot pass, by name ("gradients"), each with its reason.
    """

    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    example: Callable[[int, torch.dtype], Tensor] = noise_image
    dtypes: tuple[torch.dtype, ...] = PIXELS
    saves: int | None = None
    out: torch.dtype | None = None
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> Callable[[Tensor], Any]:
        return partial(self.function, **self.options)

    @property
    def is_of_images(self) -> bool:
        return self.example is noise_image

    @property
    def is_smooth(self) -> bool:
        return "gradients" not in self.skip


def check_dtypes(case: Operator) -> None:
    """The result has the input's dtype, and agrees with float64 up to it."""
    for dtype in case.dtypes:
        x = case.example(2, dtype)
        out = case.call(x)
        kind = case.out or dtype
        assert all(o.dtype == kind for o in listed(out)), f"{dtype} became {listed(out)[0].dtype}, not {kind}"
        if "values" in case.skip:
            continue
        exact = x.double() / 255 if dtype == torch.uint8 else x.double()
        expected = listed(case.call(exact))
        rounded = [(e * 255).clamp(0, 255) if kind == torch.uint8 else e for e in expected]
        close(out, rounded, dtype, scale=_size(expected))


def _size(values: list[Tensor]) -> float:
    return max(1.0, *(float(v.double().abs().max()) for v in values if v.numel()))


def check_leaves_input(case: Operator) -> None:
    x = case.example(2, torch.float32)
    before = x.clone()
    case.call(x)
    assert torch.equal(x, before), "the input was modified"


def check_batches(case: Operator) -> None:
    """A batch equals its samples one by one, and an empty batch gives an empty result."""
    x = case.example(3, torch.float32)
    together = listed(case.call(x))
    alone = [listed(case.call(x[i : i + 1])) for i in range(3)]
    for k, whole in enumerate(together):
        close(whole, torch.cat([one[k] for one in alone]), torch.float32, scale=_size([whole]))
        empty = listed(case.call(x[:0]))[k]
        assert empty.shape == (0, *whole.shape[1:]), f"an empty batch gave {tuple(empty.shape)}"


def check_batch_dims(case: Operator) -> None:
    """An image alone and images in two batch dimensions give what they give in one."""
    if not case.is_of_images:
        return
    x = case.example(4, torch.float32)
    together = listed(case.call(x))
    for k, whole in enumerate(together):
        scale = _size([whole])
        close(listed(case.call(x[0]))[k], whole[0], torch.float32, scale=scale)
        close(listed(case.call(x.unflatten(0, (2, 2))))[k], whole.unflatten(0, (2, 2)), torch.float32, scale=scale)
        empty = listed(case.call(x[:0].expand(0, *x.shape[1:]).unflatten(0, (0, 2))))[k]
        assert empty.shape == (0, 2, *whole.shape[1:]), f"an empty batch gave {tuple(empty.shape)}"


def check_edges(case: Operator) -> None:
    """One pixel, one row and one column work, or are refused with a clear error."""
    if not case.is_of_images:
        return
    for size in ((1, 1), (1, 7), (7, 1), (2, 2)):
        x = noise_image(2, torch.float32, size=size)
        try:
            out = listed(case.call(x))
        except ValueError as error:
            assert re.match(r"\w+: \w+ must be ", str(error)), f"of {size} pixels it says {error}"
        else:
            assert all(o.isfinite().all() for o in out if o.is_floating_point()), f"of {size} pixels it is not finite"


def check_singular(case: Operator) -> None:
    """Gradients are finite where formulas divide by zero: at black, white, grey and flat images."""
    if not case.is_of_images or not case.is_smooth:
        return
    flat = torch.tensor([0.2, 0.5, 0.7])[:, None, None].expand(1, 3, 9, 8)
    for x in (flat, torch.zeros(1, 3, 9, 8), torch.ones(1, 3, 9, 8), torch.full((1, 3, 9, 8), 0.5)):
        for dtype in DOUBLES:
            leaf = x.to(dtype, copy=True).requires_grad_()
            out = listed(case.call(leaf))
            assert all(o.isfinite().all() for o in out), f"not finite at {x[0, :, 0, 0].tolist()}"
            (grad,) = torch.autograd.grad(_energy(out), leaf)
            assert grad.isfinite().all(), f"the gradient is not finite at {x[0, :, 0, 0].tolist()}"


def check_strides(case: Operator) -> None:
    """A view that is not contiguous gives what its copy gives."""
    x = case.example(4, torch.float32)[::2]
    x = x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.ndim > 2 else x
    close(case.call(x), case.call(x.contiguous()), torch.float32, scale=_size(listed(case.call(x))))


def check_gradients(case: Operator) -> None:
    x = case.example(2, torch.float64).clone().requires_grad_()
    torch.autograd.gradcheck(case.call, (x,), fast_mode=True)
    torch.autograd.gradcheck(case.call, (x,), fast_mode=True, check_forward_ad=True, check_backward_ad=False)


def check_second_order(case: Operator) -> None:
    """Second derivatives are right in double precision, and those of float32's kernels are the same."""
    x = case.example(2, torch.float64)
    torch.autograd.gradgradcheck(case.call, (x.clone().requires_grad_(),), fast_mode=True)
    exact = _second_order(case, x)
    close(_second_order(case, x.float()), exact, torch.float32, scale=10 * _size([exact]))


def _second_order(case: Operator, x: Tensor) -> Tensor:
    """Returns the gradient of the squared gradient of a sum of fourth powers."""
    x = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(_energy(case.call(x)), x, create_graph=True)
    return torch.autograd.grad(first.square().sum(), x)[0]


def _energy(result: Any) -> Tensor:
    return sum(o.pow(4).sum() for o in listed(result))  # type: ignore[return-value]


def check_transforms(case: Operator) -> None:
    """vmap over a new dimension, torch.func.grad and vmap of it work, in double precision and by kernels."""
    for dtype in (torch.float64, torch.float32):
        x = case.example(2, dtype)
        both = torch.stack([x, x * 0.9])
        one_by_one = zip(*(listed(case.call(b)) for b in both), strict=True)
        close(torch.vmap(case.call)(both), [torch.stack(p) for p in one_by_one], dtype, scale=1e3)
        if not case.is_smooth:
            continue

        def energy(t: Tensor) -> Tensor:
            return _energy(case.call(t))

        expected = []
        for b in both:
            eager = b.clone().requires_grad_()
            expected += torch.autograd.grad(energy(eager), eager)
        scale = 10 * _size(expected)
        close(torch.func.grad(energy)(x), expected[0], dtype, scale=scale)
        close(torch.vmap(torch.func.grad(energy))(both), torch.stack(expected), dtype, scale=scale)


def check_compiles(case: Operator) -> None:
    """torch.compile takes the whole of it, forward and backward."""
    x = case.example(2, torch.float32).requires_grad_(case.is_smooth)
    torch.compiler.reset()
    out = torch.compile(case.call, fullgraph=True, backend="aot_eager")(x)
    expected = case.call(x)
    close(_detached(out), _detached(expected), torch.float32, scale=_size(_detached(out)))
    if not case.is_smooth:
        return
    grads = [torch.autograd.grad(_energy(o), x)[0] for o in (out, expected)]
    close(grads[0], grads[1], torch.float32, scale=10 * _size(grads))


def _detached(value: Any) -> list[Tensor]:
    return [v.detach() for v in listed(value)]


def check_saves(case: Operator) -> None:
    """Its kernels keep for the backward pass what the gradient needs, and no more."""
    if case.saves is None or not native.active():
        return
    x = case.example(2, torch.float32).requires_grad_()
    kept = saved_bytes(lambda: case.call(x))
    image = x.numel() * x.element_size()
    assert sum(n >= image for n in kept) == case.saves, f"kept {kept} bytes, of an input of {image}"
    assert sum(n for n in kept if n < image) < 1024, f"kept {kept} bytes"


def saved_bytes(run: Callable[[], Any]) -> list[int]:
    """Returns the sizes of the memory blocks that autograd keeps of a run, each once, views and all."""
    blocks: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        blocks[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = run()  # kept until the blocks are counted, so that no address is used twice
    sizes = list(blocks.values())
    del result
    return sizes


def check_module(module: type[OperatorModule], case: Operator) -> None:
    """The Module does what the function does, pickles, and shows its arguments."""
    x = case.example(2, torch.float32)
    built = module(**case.options)
    again = pickle.loads(pickle.dumps(built))
    close(again(x), case.call(x), torch.float32)
    assert repr(again) == repr(built)


CHECKS = {
    "dtypes": check_dtypes,
    "leaves_input": check_leaves_input,
    "batches": check_batches,
    "batch_dims": check_batch_dims,
    "strides": check_strides,
    "edges": check_edges,
    "gradients": check_gradients,
    "singular": check_singular,
    "second_order": check_second_order,
    "transforms": check_transforms,
    "compiles": check_compiles,
    "saves": check_saves,
}
