"""The contract of a step, and the case of every step."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

import visionops.augment as va
from visionops import Pipeline
from visionops.pipeline.steps import Mix, Step

from .images import close, noise_image, smooth_image


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


def step_pipeline(case: StepCase, **options: Any) -> Pipeline:
    return Pipeline(case.make(), seed=3, **options)


def step_targets(case: StepCase, n: int, dtype: torch.dtype, size: tuple[int, int] = (24, 24)) -> dict[str, Any]:
    """Returns a batch that the step can run on."""
    targets: dict[str, Any] = {"image": noise_image(n, dtype, size=size)}
    if isinstance(case.make(), Mix):
        targets["label"] = torch.arange(n) % 4
    return targets


def check_arguments(case: StepCase) -> None:
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


def check_replays(case: StepCase) -> None:
    """Parameters survive JSON, and replay what was drawn, bit for bit."""
    pipe = step_pipeline(case)
    targets = step_targets(case, 3, torch.float32)
    drawn = pipe.sample([(24, 24)] * 3, index=[7, 8, 9], epoch=2, view=1)
    replayed = pipe.apply(json.loads(json.dumps(drawn)), **targets)
    assert torch.equal(replayed["image"], pipe(**targets, index=[7, 8, 9], epoch=2, view=1)["image"])


def check_batches(case: StepCase) -> None:
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


def check_edges(case: StepCase) -> None:
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


def check_dtypes(case: StepCase) -> None:
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


def check_compiles(case: StepCase) -> None:
    """Compiled whole, the step draws what it draws in eager mode, and makes the same of it."""
    pipe = step_pipeline(case)
    targets = step_targets(case, 2, torch.float32)
    torch.compiler.reset()
    run = torch.compile(lambda targets, index: pipe(targets, index=index), fullgraph=True, backend="aot_eager")
    out = run(targets, torch.tensor([13, 14]))
    expected = pipe(targets, index=[13, 14])
    for name in ("image", *(("label",) if "label" in targets else ())):
        close(out[name], expected[name], torch.float32)


def check_gradients(case: StepCase) -> None:
    """Gradients to the image and to every continuous value pass gradcheck in double precision."""
    if not case.smooth:
        return
    # Antialiasing chooses whole levels, and a domain's edge is hard: neither has a derivative.
    pipe = step_pipeline(case, antialias=False)
    image = smooth_image((24, 24)).double()[None].repeat(2, 1, 1, 1)
    targets = {**step_targets(case, 2, torch.float64), "image": image}
    params = pipe.sample([(24, 24)] * 2, index=[11, 12])

    def by_image(x: torch.Tensor) -> torch.Tensor:
        return pipe.apply(params, **{**targets, "image": x})["image"]

    torch.autograd.gradcheck(by_image, (image.clone().requires_grad_(),), fast_mode=True)
    for name in case.continuous:
        values = torch.tensor(params["steps"][0][name], dtype=torch.float64, requires_grad=True)

        def by_value(v: torch.Tensor, name: str = name) -> torch.Tensor:
            step = {**params["steps"][0], name: v}
            out = pipe.apply({**params, "steps": [step]}, **targets)["image"]
            return out[..., 9:15, 9:15]  # the fill's hard edge stays outside

        torch.autograd.gradcheck(by_value, (values,), fast_mode=True, atol=1e-4)


CHECKS = {
    "arguments": check_arguments,
    "replays": check_replays,
    "batches": check_batches,
    "edges": check_edges,
    "dtypes": check_dtypes,
    "gradients": check_gradients,
    "compiles": check_compiles,
}
