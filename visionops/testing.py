"""The contract that every public name must pass, and the cases it is run on.

`tests/test_contract.py` walks `public_names()` and fails on a name that has no case. Add yours to `OPERATORS`, `STEPS`
or, with the file that tests it, to `ELSEWHERE`. Every check raises; none returns a verdict.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import visionops.augment as va
from visionops import Pipeline, losses, metrics
from visionops.filters import GaussianBlur, gaussian_blur, gaussian_kernel1d
from visionops.geometry import split_intrinsics
from visionops.kernels import native
from visionops.kernels.filter import filter_separable
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.warp import warp
from visionops.pipeline.steps import Mix, Step

PACKAGES = (
    "visionops",
    "visionops.augment",
    "visionops.filters",
    "visionops.geometry",
    "visionops.io",
    "visionops.kernels",
    "visionops.losses",
    "visionops.metrics",
    "visionops.plot",
)

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.uint8: 1.0}
"""How far two ways to compute a value in [0, 1] may differ, by dtype: some tens of roundings; uint8 one grey level."""

ELSEWHERE = {
    "visionops.Pipeline": "tests/pipeline",
    "visionops.__version__": "tests/test_package.py",
    "visionops.io.read_image": "tests/test_io.py",
    "visionops.io.write_image": "tests/test_io.py",
    "visionops.plot.draw": "tests/test_plot.py",
    "visionops.plot.grid": "tests/test_plot.py",
    "visionops.kernels.Instruction": "tests/kernels",
    "visionops.kernels.Op": "tests/kernels",
    "visionops.augment.read": "tests/pipeline/test_read.py",
    **{
        f"visionops.augment.{name}": "tests/pipeline/test_distributions.py"
        for name in ("Choice", "Constant", "Distribution", "LogUniform", "Normal", "PerSample", "Symmetric", "Uniform")
    },
}


@dataclass(frozen=True)
class Operator:
    """A case of a function of one batched tensor.

    Attributes:
        call: the function with its options bound; it takes what `example` makes.
        example: makes the input of a batch of n, in a dtype.
        dtypes: that the function takes.
        module: the Module, if that is what is called.
        saves: how many tensors as large as the input its kernels keep for the backward pass; None: it has no kernel.
    """

    call: Callable[[Tensor], Any]
    example: Callable[[int, torch.dtype], Tensor]
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)
    module: nn.Module | None = None
    saves: int | None = None


def noise_image(n: int, dtype: torch.dtype, *, channels: int = 3, size: tuple[int, int] = (9, 8)) -> Tensor:
    """Returns a batch (n, c, h, w) of repeatable noise in [0, 1], or in 0 to 255 for uint8."""
    values = torch.rand(n, channels, *size, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    return (values * 255).to(torch.uint8) if dtype == torch.uint8 else values.to(dtype)


def smooth_image(size: tuple[int, int], *, channels: int = 3) -> Tensor:
    """Returns (c, h, w) without detail under 12 pixels, in [0, 1]: what resampling twice should not change much."""
    h, w = size
    y, x = torch.meshgrid(torch.arange(h) / 12.0, torch.arange(w) / 12.0, indexing="ij")
    return torch.stack([0.5 + 0.2 * torch.sin(x + c) + 0.2 * torch.cos(y * 0.7 - c) for c in range(channels)])


def _intrinsics(n: int, dtype: torch.dtype) -> Tensor:
    turn = torch.tensor([[0.8, 0.6, 3.0], [-0.6, 0.8, 2.0], [0.0, 0.0, 1.0]], dtype=dtype)
    k = torch.tensor([[100.0, 0.5, 60.0], [0.0, 110.0, 50.0], [0.0, 0.0, 1.0]], dtype=dtype)
    return (turn @ k).expand(n, 3, 3) + 0.01 * torch.arange(n, dtype=dtype)[:, None, None]


_MATRIX = np.array([[[0.9, 0.2, 0.3], [-0.1, 1.1, 0.2], [0.002, 0.001, 1.0]]])
_PROGRAM = (
    Instruction(Op.SCALE, (1.2,) * 3 + (-0.05,) * 3 + (0.0, 1.0)),
    Instruction(Op.HUE, (0.2,)),
    Instruction(Op.GAMMA, (1.3, 1.0)),
)
_BLUR = GaussianBlur(sigma=0.8)
_TAPS = np.array([[0.2, 0.5, 0.3]])
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_PIXELS = (*_FLOATS, torch.uint8)

OPERATORS: Mapping[str, Operator] = {
    "visionops.filters.gaussian_blur": Operator(lambda x: gaussian_blur(x, sigma=0.8), noise_image, _PIXELS, saves=0),
    "visionops.filters.GaussianBlur": Operator(
        _BLUR,
        noise_image,
        _PIXELS,
        _BLUR,
    ),
    "visionops.filters.gaussian_kernel1d": Operator(
        lambda x: gaussian_kernel1d(x, 7), lambda n, dtype: torch.arange(1, n + 1).to(dtype) / 2
    ),
    "visionops.geometry.split_intrinsics": Operator(split_intrinsics, _intrinsics),
    "visionops.kernels.warp": Operator(lambda x: warp(x, _MATRIX, (7, 6)), noise_image, _PIXELS, saves=0),
    "visionops.kernels.pixel": Operator(lambda x: pixel(x, _PROGRAM), noise_image, _PIXELS, saves=1),
    "visionops.kernels.filter_separable": Operator(
        lambda x: filter_separable(x, _TAPS, _TAPS), noise_image, _PIXELS, saves=0
    ),
    "visionops.losses.ssim": Operator(
        lambda x: losses.ssim(x, 0.8 * x.flip(-1), window_size=5, reduction="none"), noise_image, _FLOATS
    ),
    "visionops.metrics.ssim": Operator(
        lambda x: metrics.ssim(x, 0.8 * x.flip(-1), window_size=5, padding="reflect", reduction="none"),
        noise_image,
        _FLOATS,
    ),
}


@dataclass(frozen=True)
class StepCase:
    """A case of a step.

    Attributes:
        make: builds it, random where it can be.
        continuous: its values that the result depends on smoothly, and gets a gradient to.
        exact: whether it moves whole pixels only.
        smooth: whether gradcheck holds for the image.
    """

    make: Callable[[], Step]
    continuous: tuple[str, ...] = ()
    exact: bool = False
    smooth: bool = True


_CORNERS = tuple(f"corner{i}_{axis}" for i in range(4) for axis in "xy")

STEPS: Mapping[str, StepCase] = {
    "Affine": StepCase(
        lambda: va.Affine((-20, 20), (-2, 2), (0.9, 1.2), (-8, 8)),
        ("rotate", "translate_x", "translate_y", "scale_x", "shear_x", "shear_y"),
    ),
    "Brightness": StepCase(va.Brightness, ("brightness",)),
    "CenterCrop": StepCase(lambda: va.CenterCrop((20, 22)), exact=True),
    "ColorJitter": StepCase(
        lambda: va.ColorJitter(0.3, 0.3, 0.3, 0.1), ("brightness", "contrast", "saturation", "hue")
    ),
    "Contrast": StepCase(va.Contrast, ("contrast",)),
    "Crop": StepCase(lambda: va.Crop((2, 3, 20, 24)), exact=True),
    "CutMix": StepCase(lambda: va.CutMix(num_classes=4)),
    "Elastic": StepCase(lambda: va.Elastic(2.0, 8.0), ("alpha",)),
    "Erase": StepCase(va.Erase),
    "Gamma": StepCase(va.Gamma, ("gamma",)),
    "GaussianBlur": StepCase(lambda: va.GaussianBlur((0.5, 1.5), 5), ("sigma",)),
    "GaussianNoise": StepCase(lambda: va.GaussianNoise((0.01, 0.02)), ("sigma",)),
    "Grayscale": StepCase(va.Grayscale),
    "HorizontalFlip": StepCase(va.HorizontalFlip, exact=True),
    "Hue": StepCase(va.Hue, ("hue",)),
    "Invert": StepCase(va.Invert),
    "MixUp": StepCase(lambda: va.MixUp(num_classes=4)),
    "Normalize": StepCase(lambda: va.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))),
    "OneOf": StepCase(lambda: va.OneOf(va.Affine((5, 10)), va.Invert(), va.GaussianBlur(1.0))),
    "Pad": StepCase(lambda: va.Pad((2, 1, 3, 4)), exact=True),
    "Perspective": StepCase(lambda: va.Perspective(0.3), _CORNERS),
    "Posterize": StepCase(lambda: va.Posterize(3), smooth=False),
    "RandomCrop": StepCase(lambda: va.RandomCrop((20, 18)), exact=True),
    "RandomResizedCrop": StepCase(
        lambda: va.RandomResizedCrop((18, 20), scale=(0.4, 0.8)), ("left", "top", "width", "height")
    ),
    "Rasterize": StepCase(va.Rasterize),
    "Resize": StepCase(lambda: va.Resize((20, 17))),
    "Rotate": StepCase(lambda: va.Rotate((-30, 30)), ("degrees",)),
    "Rotate90": StepCase(va.Rotate90, exact=True),
    "Saturation": StepCase(va.Saturation, ("saturation",)),
    "Sequential": StepCase(lambda: va.Sequential(va.Rotate((5, 10)), va.Invert(), p=0.5)),
    "Solarize": StepCase(va.Solarize, smooth=False),
    "SomeOf": StepCase(lambda: va.SomeOf(va.Rotate((5, 10)), va.Invert(), va.HorizontalFlip(), n=2)),
    "ToFloat": StepCase(va.ToFloat),
    "VerticalFlip": StepCase(va.VerticalFlip, exact=True),
}


def public_names() -> Iterator[tuple[str, Any]]:
    """Yields every public name of the library with what it names."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)


def has_case(name: str, value: Any) -> bool:
    """Returns whether a public name is tested by the contract, or says where else it is."""
    is_step = isinstance(value, type) and issubclass(value, Step)
    return name in OPERATORS or name in ELSEWHERE or (is_step and name.rpartition(".")[2] in STEPS)


def close(actual: Any, expected: Any, dtype: torch.dtype, *, scale: float = 1.0) -> None:
    """Raises unless two results agree to their dtype's tolerance."""
    for a, b in zip(_listed(actual), _listed(expected), strict=True):
        torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=TOLERANCE[dtype] * scale)


def _listed(value: Any) -> list[Tensor]:
    return [v for one in value for v in _listed(one)] if isinstance(value, tuple | list) else [torch.as_tensor(value)]


# Operators.


def check_operator_dtypes(case: Operator) -> None:
    """The result has the input's dtype, and agrees with float64 up to it."""
    for dtype in case.dtypes:
        x = case.example(2, dtype)
        out = case.call(x)
        assert all(o.dtype == dtype for o in _listed(out)), f"{dtype} became {_listed(out)[0].dtype}"
        exact = x.double() / 255 if dtype == torch.uint8 else x.double()
        expected = _listed(case.call(exact))
        close(out, [e * 255 if dtype == torch.uint8 else e for e in expected], dtype, scale=_size(expected))


def _size(values: list[Tensor]) -> float:
    return max(1.0, *(float(v.abs().max()) for v in values))


def check_operator_leaves_input(case: Operator) -> None:
    x = case.example(2, torch.float32)
    before = x.clone()
    case.call(x)
    assert torch.equal(x, before), "the input was modified"


def check_operator_batches(case: Operator) -> None:
    """A batch equals its samples one by one, and an empty batch gives an empty result."""
    x = case.example(3, torch.float32)
    together = _listed(case.call(x))
    alone = [_listed(case.call(x[i : i + 1])) for i in range(3)]
    for k, whole in enumerate(together):
        close(whole, torch.cat([one[k] for one in alone]), torch.float32, scale=_size([whole]))
        empty = _listed(case.call(x[:0]))[k]
        assert empty.shape == (0, *whole.shape[1:]), f"an empty batch gave {tuple(empty.shape)}"


def check_operator_strides(case: Operator) -> None:
    """A view that is not contiguous gives what its copy gives."""
    x = case.example(4, torch.float32)[::2]
    x = x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.ndim > 2 else x
    close(case.call(x), case.call(x.contiguous()), torch.float32, scale=_size(_listed(case.call(x))))


def check_operator_gradients(case: Operator) -> None:
    x = case.example(2, torch.float64).clone().requires_grad_()
    torch.autograd.gradcheck(case.call, (x,), fast_mode=True)
    torch.autograd.gradcheck(case.call, (x,), fast_mode=True, check_forward_ad=True, check_backward_ad=False)


def check_operator_second_order(case: Operator) -> None:
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
    return sum(o.pow(4).sum() for o in _listed(result))  # type: ignore[return-value]


def check_operator_transforms(case: Operator) -> None:
    """vmap over a new dimension, torch.func.grad and vmap of it work, in double precision and by kernels."""
    for dtype in (torch.float64, torch.float32):
        x = case.example(2, dtype)
        both = torch.stack([x, x * 0.9])
        one_by_one = zip(*(_listed(case.call(b)) for b in both), strict=True)
        close(torch.vmap(case.call)(both), [torch.stack(p) for p in one_by_one], dtype, scale=1e3)

        def energy(t: Tensor) -> Tensor:
            return _energy(case.call(t))

        expected = []
        for b in both:
            eager = b.clone().requires_grad_()
            expected += torch.autograd.grad(energy(eager), eager)
        scale = 10 * _size(expected)
        close(torch.func.grad(energy)(x), expected[0], dtype, scale=scale)
        close(torch.vmap(torch.func.grad(energy))(both), torch.stack(expected), dtype, scale=scale)


def check_operator_compiles(case: Operator) -> None:
    """torch.compile takes the whole of it, forward and backward."""
    x = case.example(2, torch.float32).requires_grad_()
    torch.compiler.reset()
    out = torch.compile(case.call, fullgraph=True, backend="aot_eager")(x)
    expected = case.call(x)
    close(_detached(out), _detached(expected), torch.float32, scale=_size(_detached(out)))
    grads = [torch.autograd.grad(_energy(o), x)[0] for o in (out, expected)]
    close(grads[0], grads[1], torch.float32, scale=10 * _size(grads))


def _detached(value: Any) -> list[Tensor]:
    return [v.detach() for v in _listed(value)]


def check_operator_saves(case: Operator) -> None:
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


def check_module(case: Operator) -> None:
    """The Module pickles and shows its arguments."""
    assert case.module is not None
    x = case.example(2, torch.float32)
    again = pickle.loads(pickle.dumps(case.module))
    assert torch.equal(again(x), case.module(x))
    assert repr(again) == repr(case.module)


def check_docs(name: str, value: Any) -> None:
    """The docstring opens with a sentence, and names every argument that is not obvious from it."""
    doc = inspect.getdoc(value) or ""
    first = doc.partition("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), f"{name}: the docstring must open with a sentence"
    if inspect.isfunction(value):
        parameters = [p for p in inspect.signature(value).parameters.values() if p.kind is not p.VAR_KEYWORD]
        missing = [p.name for p in parameters if not re.search(rf"\b{p.name}\b", doc)]
        assert len(parameters) < 2 or not missing, f"{name}: the docstring says nothing of {missing}"
        assert "Gradient" in doc or "gradient" in doc or not _takes_tensor(value), f"{name}: say what the gradient is"
    if isinstance(value, type) and issubclass(value, Step):
        missing = [p for p in inspect.signature(value).parameters if not re.search(rf"\b{p}\b", doc)]
        assert not missing, f"{name}: the docstring says nothing of {missing}"


def _takes_tensor(function: Callable[..., Any]) -> bool:
    return "Tensor" in str(next(iter(inspect.signature(function).parameters.values())).annotation)


# Steps.


def step_pipeline(case: StepCase, **options: Any) -> Pipeline:
    return Pipeline(case.make(), seed=3, **options)


def step_targets(case: StepCase, n: int, dtype: torch.dtype, size: tuple[int, int] = (24, 24)) -> dict[str, Any]:
    """Returns a batch that the step can run on."""
    targets: dict[str, Any] = {"image": noise_image(n, dtype, size=size)}
    if isinstance(case.make(), Mix):
        targets["label"] = torch.arange(n) % 4
    return targets


def check_step_arguments(case: StepCase) -> None:
    """A misspelt argument raises with its name; a pipeline can be built again from its YAML and JSON, and pickles."""
    step = case.make()
    try:
        type(step)(mispelt=1)
    except ValueError as error:
        assert "mispelt" in str(error)
    else:
        raise AssertionError("an unknown argument was accepted")
    pipe = step_pipeline(case)
    for again in (
        Pipeline.from_yaml(pipe.to_yaml()),
        Pipeline.from_json(pipe.to_json()),
        pickle.loads(pickle.dumps(pipe)),
    ):
        assert repr(again) == repr(pipe)
        targets = step_targets(case, 2, torch.float32)
        assert torch.equal(again(**targets, index=[5, 6])["image"], pipe(**targets, index=[5, 6])["image"])


def check_step_replays(case: StepCase) -> None:
    """Parameters survive JSON, and replay what was drawn, bit for bit."""
    pipe = step_pipeline(case)
    targets = step_targets(case, 3, torch.float32)
    drawn = pipe.sample([(24, 24)] * 3, index=[7, 8, 9], epoch=2, view=1)
    replayed = pipe.apply(json.loads(json.dumps(drawn)), **targets)
    assert torch.equal(replayed["image"], pipe(**targets, index=[7, 8, 9], epoch=2, view=1)["image"])


def check_step_batches(case: StepCase) -> None:
    """A sample's result does not depend on its batch, nor on whether it came as numpy, a tensor or through collate."""
    pipe = step_pipeline(case)
    targets = step_targets(case, 3, torch.uint8)
    together = pipe(**targets, index=[1, 2, 3])["image"]
    if isinstance(case.make(), Mix):
        samples = [
            {"image": i, "label": y, "index": k}
            for i, y, k in zip(targets["image"], targets["label"], (1, 2, 3), strict=True)
        ]
        assert torch.equal(pipe.collate(samples)["image"], together)
        return
    hwc = [image.permute(1, 2, 0).numpy() for image in targets["image"]]
    for i, image in enumerate(hwc):
        close(pipe(image=image, index=i + 1)["image"], together[i], together.dtype)
    close(pipe.collate([{"image": im, "index": i + 1} for i, im in enumerate(hwc)])["image"], together, together.dtype)


def check_step_edges(case: StepCase) -> None:
    """An empty batch, one pixel, one channel where it makes sense, and a view that is not contiguous all work."""
    pipe = step_pipeline(case)
    full = pipe(**step_targets(case, 2, torch.float32))["image"]
    empty = pipe(**step_targets(case, 0, torch.float32))["image"]
    assert empty.shape == (0, *full.shape[1:])
    one = pipe(**step_targets(case, 2, torch.float32, (1, 1)), index=[0, 1])["image"]
    assert one.isfinite().all()
    if type(case.make()).__name__ != "Normalize":
        grey = {
            **step_targets(case, 2, torch.float32),
            "image": noise_image(2, torch.float32, channels=1, size=(24, 24)),
        }
        assert pipe(**grey)["image"].shape[1] == 1
    targets = step_targets(case, 2, torch.float32)
    view = targets["image"].flip(-1).transpose(-1, -2).contiguous().transpose(-1, -2).flip(-1)
    before = targets["image"].clone()
    out = pipe(**targets, index=[0, 1])["image"]
    assert torch.equal(targets["image"], before), "the input was modified"
    assert torch.equal(out, pipe(**{**targets, "image": view}, index=[0, 1])["image"])


def check_step_dtypes(case: StepCase) -> None:
    """The image keeps its dtype, unless the step normalises; half precision and uint8 agree with float64."""
    pipe = step_pipeline(case)
    to_float = getattr(case.make(), "to_float", False)
    exact = pipe(**step_targets(case, 2, torch.float64), index=[4, 5])["image"]
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.uint8):
        targets = step_targets(case, 2, dtype)
        out = pipe(**targets, index=[4, 5])["image"]
        assert out.dtype == (torch.float32 if to_float and dtype == torch.uint8 else dtype)
        if case.smooth and dtype != torch.uint8:
            close(out, exact, dtype, scale=10 if to_float else 2)


def check_step_compiles(case: StepCase) -> None:
    """Compiled whole, the step draws what it draws in eager mode, and makes the same of it."""
    pipe = step_pipeline(case)
    targets = step_targets(case, 2, torch.float32)
    torch.compiler.reset()
    run = torch.compile(lambda targets, index: pipe(targets, index=index), fullgraph=True, backend="aot_eager")
    out = run(targets, torch.tensor([13, 14]))
    expected = pipe(targets, index=[13, 14])
    for name in ("image", *(("label",) if "label" in targets else ())):
        close(out[name], expected[name], torch.float32)


def check_step_gradients(case: StepCase) -> None:
    """Gradients to the image and to every continuous value pass gradcheck in double precision."""
    if not case.smooth:
        return
    # Antialiasing chooses whole levels, and a domain's edge is hard: neither has a derivative.
    pipe = step_pipeline(case, antialias=False)
    image = smooth_image((24, 24)).double()[None].repeat(2, 1, 1, 1)
    targets = {**step_targets(case, 2, torch.float64), "image": image}
    params = pipe.sample([(24, 24)] * 2, index=[11, 12])

    def by_image(x: Tensor) -> Tensor:
        return pipe.apply(params, **{**targets, "image": x})["image"]

    torch.autograd.gradcheck(by_image, (image.clone().requires_grad_(),), fast_mode=True)
    for name in case.continuous:
        values = torch.tensor(params["steps"][0][name], dtype=torch.float64, requires_grad=True)

        def by_value(v: Tensor, name: str = name) -> Tensor:
            step = {**params["steps"][0], name: v}
            out = pipe.apply({**params, "steps": [step]}, **targets)["image"]
            return out[..., 9:15, 9:15]  # the fill's hard edge stays outside

        torch.autograd.gradcheck(by_value, (values,), fast_mode=True, atol=1e-4)
