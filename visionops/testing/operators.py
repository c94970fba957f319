"""The contract of an operator."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from visionops.kernels import native
from visionops.module import OperatorModule

from .images import PIXELS, close, listed, noise_image

DOUBLES = (torch.float64, torch.float32)


Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Operator:
    """A case of a function of batched tensors.

    Attributes:
        function: takes what `example` makes, and the options.
        options: its keyword arguments. The function's Module is tested with the same.
        example: makes the input, or inputs, of a batch of n, in a dtype. That of an image is the default, which is also
            tested without and with two batch dimensions, on one pixel, and with gradients at flat, black and white
            images.
        dtypes: that the function takes.
        saves: how many tensors as large as the input its kernels keep for the backward pass; None: it has no kernel.
        out: a dtype that all results have, whatever the input's; None: the input's.
        skip: the checks that the function cannot pass, by name ("gradients"), each with its reason.
    """

    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    example: Callable[[int, torch.dtype], Tensor | Inputs] = noise_image
    dtypes: tuple[torch.dtype, ...] = PIXELS
    saves: int | None = None
    out: torch.dtype | None = None
    skip: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> Callable[..., Any]:
        return partial(self.function, **self.options)

    def inputs(self, n: int, dtype: torch.dtype) -> Inputs:
        made = self.example(n, dtype)
        return made if isinstance(made, tuple) else (made,)

    @property
    def is_of_images(self) -> bool:
        return self.example is noise_image

    @property
    def is_smooth(self) -> bool:
        return "gradients" not in self.skip


@dataclass(frozen=True)
class Geometry(Operator):
    """A case of a function of points, matrices and the like, which takes any batch dimensions.

    Attributes:
        singular: inputs, by name, where value and gradient must be finite: the answer is not unique, or has a kink.
        regular: inputs, by name, that look singular and are not: the gradient must be that of finite differences.
        solves: whether NaN, in a sample or in one of its points, must give no NaN gradient, as solvers promise, and so
            do maps that points share. Of all functions it must leave the other samples alone.
    """

    dtypes: tuple[torch.dtype, ...] = DOUBLES
    singular: Mapping[str, Callable[[], Inputs]] = field(default_factory=dict)
    regular: Mapping[str, Callable[[], Inputs]] = field(default_factory=dict)
    solves: bool = False


@dataclass(frozen=True)
class Loss(Geometry):
    """A case of a loss of (*batch, ...) tensors with `mask`, `weight` and `reduction`; that is "none" in other checks.

    Attributes:
        masks: of the inputs, the shape of a mask, whose dimensions go with the first ones of every input that it hides
            parts of; None: that of the values.
        means: whether "mean" and "sum" are those of the values, as of any loss that has one for each element.
    """

    masks: Callable[..., Sequence[int]] | None = None
    means: bool = True

    @property
    def call(self) -> Callable[..., Any]:
        return partial(self.function, **self.options, reduction="none")

    def mask_shape(self, x: Inputs) -> tuple[int, ...]:
        return tuple(self.call(*x).shape if self.masks is None else self.masks(*x))


def check_dtypes(case: Operator) -> None:
    """The result has the input's dtype, and agrees with float64 up to it."""
    for dtype in case.dtypes:
        x = case.inputs(2, dtype)
        out = listed(case.call(*x))
        kind = case.out or dtype
        assert all(o.dtype in (kind, torch.bool) for o in out), f"{dtype} became {out[0].dtype}, not {kind}"
        if "values" in case.skip:
            continue
        expected = listed(case.call(*(t.double() / 255 if dtype == torch.uint8 else t.double() for t in x)))
        rounded = [(e * 255).clamp(0, 255) if kind == torch.uint8 else e for e in expected]
        close(out, rounded, dtype, scale=_size(expected))


def _size(values: list[Tensor]) -> float:
    return max(1.0, *(float(v.double().abs().max()) for v in values if v.numel()))


def check_mixed_dtypes(case: Operator) -> None:
    """An input in another precision than the others works, or is refused with a clear error."""
    if not isinstance(case, Geometry):
        return
    x = case.inputs(2, torch.float32)
    for k in range(len(x)):
        mixed = [t.double() if i == k else t for i, t in enumerate(x)]
        try:
            out = listed(case.call(*mixed))
        except ValueError as e:
            assert "dtype" in str(e), f"unclear error {str(e)!r}"
            continue
        close(out, case.call(*x), torch.float32, scale=_size(out))


def check_leaves_input(case: Operator) -> None:
    x = case.inputs(2, torch.float32)
    before = [t.clone() for t in x]
    case.call(*x)
    assert all(map(torch.equal, x, before)), "an input was modified"


def check_batches(case: Operator) -> None:
    """A batch equals its samples one by one, and an empty batch gives an empty result."""
    x = case.inputs(3, torch.float32)
    together = listed(case.call(*x))
    alone = [listed(case.call(*(t[i : i + 1] for t in x))) for i in range(3)]
    for k, whole in enumerate(together):
        close(whole, torch.cat([one[k] for one in alone]), torch.float32, scale=_size([whole]))
        empty = listed(case.call(*(t[:0] for t in x)))[k]
        assert empty.shape == (0, *whole.shape[1:]), f"an empty batch gave {tuple(empty.shape)}"


def check_batch_dims(case: Operator) -> None:
    """A sample alone and samples in two batch dimensions give what they give in one."""
    if not (case.is_of_images or isinstance(case, Geometry)):
        return
    x = case.inputs(4, torch.float32)
    together = listed(case.call(*x))
    for k, whole in enumerate(together):
        scale = _size([whole])
        close(listed(case.call(*(t[0] for t in x)))[k], whole[0], torch.float32, scale=scale)
        square = listed(case.call(*(t.unflatten(0, (2, 2)) for t in x)))[k]
        close(square, whole.unflatten(0, (2, 2)), torch.float32, scale=scale)
        empty = listed(case.call(*(t.new_empty(0, 2, *t.shape[1:]) for t in x)))[k]
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
    """Gradients are finite where formulas divide by zero: at black, white, grey and flat images, or given inputs."""
    if not case.is_smooth:
        return
    places: dict[str, Inputs] = {}
    if case.is_of_images:
        flat = torch.tensor([0.2, 0.5, 0.7])[:, None, None].expand(1, 3, 9, 8)
        greys = {f"grey {v}": (torch.full((1, 3, 9, 8), v),) for v in (0.0, 0.5, 1.0)}
        places = {"a flat colour": (flat,), **greys}
    if isinstance(case, Geometry):
        places = {name: make() for name, make in {**case.singular, **case.regular}.items()}
    for place, x in places.items():
        for dtype in DOUBLES:
            leaves = [t.to(dtype, copy=True).requires_grad_() for t in x]
            out = listed(case.call(*leaves))
            assert all(o.isfinite().all() for o in out), f"not finite at {place}"
            grads = _gradients(out, leaves)
            assert all(g.isfinite().all() for g in grads), f"the gradient is not finite at {place}"


def check_nan(case: Operator) -> None:
    """A sample that is not finite leaves the others alone, values and gradients; a solver's gradient stays finite."""
    if not isinstance(case, Geometry):
        return
    x = case.inputs(3, torch.float64)
    # A sample, one of its points, a number.
    depths = [sorted({0, min(1, t.ndim - 1), t.ndim - 1}) if t.numel() else [0] for t in x]
    for k, place in [(k, (1, *(0,) * n)) for k, several in enumerate(depths) for n in several]:
        bad = [t.clone() for t in x]
        bad[k][place] = float("nan")
        found, expected = (_value_and_gradients(case, values) for values in (bad, x))
        for a, b in zip(found, expected, strict=True):
            close(a[::2], b[::2], torch.float64, scale=_size([b[::2]]))
        if isinstance(case, Loss) and k == 0 and len(place) == 1:  # a target that is NaN may be unknown
            assert found[0][1].isnan().any(), "a prediction of NaN has a loss"
        if case.solves:
            gradients = found[-len(x) :]
            assert all(g.isfinite().all() for g in gradients), f"NaN in input {k} came back as a gradient"


def _value_and_gradients(case: Operator, x: Sequence[Tensor]) -> list[Tensor]:
    leaves = [t.clone().requires_grad_(case.is_smooth) for t in x]
    out = listed(case.call(*leaves))
    return _detached(out) + (list(_gradients(out, leaves)) if case.is_smooth else [])


def _gradients(out: Any, leaves: Sequence[Tensor], **options: Any) -> tuple[Tensor, ...]:
    """Returns the gradients of the sum of fourth powers."""
    return torch.autograd.grad(_energy(out), leaves, materialize_grads=True, **options)


def check_strides(case: Operator) -> None:
    """A view that is not contiguous gives what its copy gives."""
    x = [t[::2] for t in case.inputs(4, torch.float32)]
    x = [t.transpose(-1, -2).contiguous().transpose(-1, -2) if t.ndim > 2 else t for t in x]
    expected = case.call(*(t.contiguous() for t in x))
    close(case.call(*x), expected, torch.float32, scale=_size(listed(expected)))


def check_gradients(case: Operator) -> None:
    places = {"the example": case.inputs(2, torch.float64)}
    if isinstance(case, Geometry):
        places.update({name: make() for name, make in case.regular.items()})
    for x in places.values():
        leaves = tuple(t.double().clone().requires_grad_() for t in x)
        torch.autograd.gradcheck(_smooth(case), leaves, fast_mode=True)
        torch.autograd.gradcheck(_smooth(case), leaves, fast_mode=True, check_forward_ad=True, check_backward_ad=False)


def _smooth(case: Operator) -> Callable[..., Inputs]:
    """Returns the function without those of its results that are not numbers."""
    return lambda *x: tuple(o for o in listed(case.call(*x)) if o.is_floating_point())


def check_second_order(case: Operator) -> None:
    """Second derivatives are right in double precision, and those of float32's kernels are the same."""
    x = case.inputs(2, torch.float64)
    torch.autograd.gradgradcheck(_smooth(case), tuple(t.clone().requires_grad_() for t in x), fast_mode=True)
    exact = _second_order(case, x)
    close(_second_order(case, [t.float() for t in x]), exact, torch.float32, scale=10 * _size(list(exact)))


def _second_order(case: Operator, x: Sequence[Tensor]) -> Inputs:
    """Returns the gradient of the squared gradient of a sum of fourth powers."""
    leaves = [t.clone().requires_grad_() for t in x]
    first = _gradients(case.call(*leaves), leaves, create_graph=True)
    return torch.autograd.grad(torch.stack([g.square().sum() for g in first]).sum(), leaves, materialize_grads=True)


def _energy(result: Any) -> Tensor:
    return sum(o.pow(4).sum() for o in listed(result) if o.is_floating_point())  # type: ignore[return-value]


def check_transforms(case: Operator) -> None:
    """vmap over a new dimension, torch.func.grad and vmap of it work, in double precision and by kernels."""
    for dtype in (torch.float64, torch.float32):
        x = case.inputs(2, dtype)
        others = [t.flip(0) if isinstance(case, Geometry) else t * 0.9 for t in x]
        both = [torch.stack(pair) for pair in zip(x, others, strict=True)]
        one_by_one = zip(*(listed(case.call(*b)) for b in (x, others)), strict=True)
        close(torch.vmap(case.call)(*both), [torch.stack(p) for p in one_by_one], dtype, scale=1e3)
        if not case.is_smooth:
            continue

        def energy(*t: Tensor) -> Tensor:
            return _energy(case.call(*t))

        expected = []
        for b in (x, others):
            eager = [t.clone().requires_grad_() for t in b]
            expected.append(torch.autograd.grad(energy(*eager), eager, materialize_grads=True))
        places = tuple(range(len(x)))
        scale = 10 * _size([g for one in expected for g in one])
        close(torch.func.grad(energy, places)(*x), expected[0], dtype, scale=scale)
        stacked = [torch.stack(pair) for pair in zip(*expected, strict=True)]
        close(torch.vmap(torch.func.grad(energy, places))(*both), stacked, dtype, scale=scale)


def check_compiles(case: Operator) -> None:
    """torch.compile takes the whole of it, forward and backward."""
    x = [t.requires_grad_(case.is_smooth) for t in case.inputs(2, torch.float32)]
    torch.compiler.reset()
    out = torch.compile(case.call, fullgraph=True, backend="aot_eager")(*x)
    expected = case.call(*x)
    close(_detached(out), _detached(expected), torch.float32, scale=_size(_detached(out)))
    if not case.is_smooth:
        return
    grads = [list(_gradients(o, x)) for o in (out, expected)]
    close(grads[0], grads[1], torch.float32, scale=10 * _size(grads[1]))


def _detached(value: Any) -> list[Tensor]:
    return [v.detach() for v in listed(value)]


def check_saves(case: Operator) -> None:
    """Its kernels keep for the backward pass what the gradient needs, and no more."""
    if case.saves is None or not native.active():
        return
    (x,) = (t.requires_grad_() for t in case.inputs(2, torch.float32))
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


def check_reductions(case: Operator) -> None:
    """Sum and mean are those of the values that count, and weights count by their proportions."""
    if not isinstance(case, Loss):
        return
    x = case.inputs(3, torch.float64)
    generator = torch.Generator().manual_seed(3)
    shape = case.mask_shape(x)
    weight = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(shape, generator=generator) < 0.7
    run = partial(case.function, *x, **case.options)
    with_all = run(mask=torch.ones_like(mask), reduction="none")
    close(with_all, run(reduction="none"), torch.float64)
    close(run(weight=3 * weight, mask=mask), run(weight=weight, mask=mask), torch.float64)
    for options in ({}, {"mask": mask}, {"mask": mask, "weight": weight}):
        close(run(**options, reduction="sum"), run(**options, reduction="none").sum(), torch.float64)
    if not case.means or shape != tuple(with_all.shape):
        return
    close(run(mask=mask, weight=weight, reduction="none"), torch.where(mask, weight * with_all, 0), torch.float64)
    close(run(), with_all.mean(), torch.float64)
    close(run(mask=mask), with_all[mask].mean(), torch.float64)
    expected = (with_all * weight)[mask].sum() / weight[mask].sum()
    close(run(mask=mask, weight=weight), expected, torch.float64)


def check_masked(case: Operator) -> None:
    """NaN that is masked reaches neither loss nor gradient, and where all is masked both are 0."""
    if not isinstance(case, Loss):
        return
    x = case.inputs(3, torch.float64)
    shape = case.mask_shape(x)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(4)) < 0.7
    mask[1] = False
    bad = [_poisoned(t, mask) for t in x]
    assert any(t.isnan().any() for t in bad), "the mask hides no input: give `masks`"
    for reduction in ("none", "sum", "mean"):
        found, expected = (_loss_and_gradients(case, v, mask, reduction) for v in (bad, x))
        for a, b in zip(found, expected, strict=True):
            assert a.isfinite().all(), f"NaN that is masked came through {reduction!r}"
            close(a, b, torch.float64)
        if reduction == "none":
            assert not found[0][1].any(), "a sample that is all masked has a loss"
        nothing = _loss_and_gradients(case, bad, torch.zeros_like(mask), reduction)
        assert not any(t.any() for t in nothing), f"where all is masked, {reduction!r} is not 0"


def _poisoned(x: Tensor, mask: Tensor) -> Tensor:
    """Returns an input with NaN where a mask is False, if the mask's dimensions are the input's first."""
    mask = mask.reshape(*mask.shape, *(1,) * (x.ndim - mask.ndim))
    fits = mask.ndim == x.ndim and all(m in (1, n) for m, n in zip(mask.shape, x.shape, strict=True))
    return torch.where(mask, x, float("nan")) if fits else x


def _loss_and_gradients(case: Loss, x: Sequence[Tensor], mask: Tensor, reduction: str) -> list[Tensor]:
    leaves = [t.clone().requires_grad_(case.is_smooth) for t in x]
    loss = case.function(*leaves, **case.options, mask=mask, reduction=reduction)
    grads = torch.autograd.grad(loss.sum(), leaves, materialize_grads=True) if case.is_smooth else ()
    return [loss.detach(), *grads]


def check_module(module: type[OperatorModule], case: Operator) -> None:
    """The Module does what the function does, pickles, and shows its arguments."""
    x = case.inputs(2, torch.float32)
    built = module(**case.options)
    again = pickle.loads(pickle.dumps(built))
    close(again(*x), case.call(*x), torch.float32)
    assert repr(again) == repr(built)


CHECKS = {
    "dtypes": check_dtypes,
    "mixed_dtypes": check_mixed_dtypes,
    "leaves_input": check_leaves_input,
    "batches": check_batches,
    "batch_dims": check_batch_dims,
    "strides": check_strides,
    "edges": check_edges,
    "gradients": check_gradients,
    "singular": check_singular,
    "nan": check_nan,
    "second_order": check_second_order,
    "transforms": check_transforms,
    "compiles": check_compiles,
    "saves": check_saves,
    "reductions": check_reductions,
    "masked": check_masked,
}
