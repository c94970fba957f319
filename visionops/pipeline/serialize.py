"""Pipelines as plain data: YAML and JSON, read safely. Only steps and distributions of visionops are ever built.

seed: 0
steps:
  - RandomResizedCrop: {size: [224, 224]}
  - HorizontalFlip: {p: 0.5}
  - Affine: {rotate: [-30, 30], scale: {LogUniform: {low: 0.8, high: 1.25}}}
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from visionops.errors import closest, mistake

from . import distributions as dist
from .steps import STEPS, Step

if TYPE_CHECKING:
    from .pipeline import Pipeline

OPTIONS = {
    "seed": 0,
    "fuse": True,
    "output": "tensor",
    "antialias": True,
    "interpolation": "bilinear",
    "fill": 0.0,
    "targets": {},
    "passthrough": [],
    "box_format": "xyxy",
    "box_hull": "corners",
    "box_min_area": 0.0,
    "box_min_visibility": 0.0,
    "keypoint_swap": [],
}
DISTRIBUTIONS = {
    kind.__name__: kind
    for kind in (dist.Uniform, dist.Symmetric, dist.Normal, dist.LogUniform, dist.Choice, dist.PerSample, dist.Constant)
}


def options_of(pipeline: Pipeline) -> dict[str, Any]:
    """Returns the options that differ from their defaults, as plain data."""
    found = {}
    for name, default in OPTIONS.items():
        value = getattr(pipeline, name)
        if name == "fill":
            plain = {k: list(v) if len(v) > 1 else v[0] for k, v in value.items()}
            value = plain["image"] if set(plain) == {"image"} else plain
        elif isinstance(value, tuple):
            value = [list(v) if isinstance(v, tuple) else v for v in value]
        if value != default:
            found[name] = value
    return found


def to_dict(pipeline: Pipeline) -> dict[str, Any]:
    return {**options_of(pipeline), "steps": [_step_to_data(step) for step in pipeline.steps]}  # type: ignore[arg-type]


def to_json(pipeline: Pipeline) -> str:
    return json.dumps(to_dict(pipeline), indent=2)


def to_yaml(pipeline: Pipeline) -> str:
    import yaml

    return yaml.safe_dump(to_dict(pipeline), sort_keys=False, default_flow_style=None)


def from_json(text: str) -> Pipeline:
    try:
        return from_dict(json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"Pipeline.from_json: text must be JSON. {error}") from None


def from_yaml(text: str) -> Pipeline:
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"Pipeline.from_yaml: text must be YAML without tags. {error}") from None
    return from_dict(data)


def from_dict(data: Any) -> Pipeline:
    from .pipeline import Pipeline

    importlib.import_module("visionops.augment")  # its steps register themselves
    if not isinstance(data, Mapping) or not isinstance(data.get("steps"), list):
        raise mistake(
            "Pipeline",
            "data",
            "a mapping with a list of steps",
            type(data).__name__,
            "Begin with 'steps:' and one '- Step: {argument: value}' a line.",
        )
    options = {k: v for k, v in data.items() if k != "steps"}
    for name in options:
        if name not in OPTIONS:
            raise ValueError(f"Pipeline: option {name!r} is unknown. {closest(str(name), OPTIONS)}")
    return _build("Pipeline", Pipeline, [_step_from_data(entry) for entry in data["steps"]], options)


def _step_to_data(step: Step) -> Any:
    parameters = inspect.signature(type(step)).parameters
    arguments = {}
    for name, value in step.arguments.items():
        default = parameters[name].default
        if isinstance(value, Tensor) or type(value) is not type(default) or value != default:
            arguments[name] = _to_data(value)
    name = type(step).__name__
    return {name: arguments} if arguments else name


def _to_data(value: Any) -> Any:
    if isinstance(value, Step):
        return _step_to_data(value)
    if isinstance(value, dist.Distribution):
        return {type(value).__name__: {k: _to_data(v) for k, v in value.arguments.items()}}
    if isinstance(value, Tensor):
        kind = "Parameter" if isinstance(value, nn.Parameter) else "Tensor"
        return {kind: value.detach().cpu().tolist()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_to_data(v) for v in value]
    return value


def _step_from_data(entry: Any) -> Step:
    name: Any
    arguments: Any
    if isinstance(entry, str):
        name, arguments = entry, {}
    elif isinstance(entry, Mapping) and len(entry) == 1:
        ((name, arguments),) = entry.items()
    else:
        raise mistake("Pipeline", "a step", "a name, or one name with its arguments", repr(entry))
    if name not in STEPS:
        raise ValueError(f"Pipeline: step {name!r} is unknown. {closest(str(name), STEPS)}")
    if not isinstance(arguments, Mapping):
        raise mistake(name, "arguments", "a mapping {name: value}", repr(arguments))
    kind = STEPS[name]
    built = {str(k): _from_data(v) for k, v in arguments.items()}
    positional = [p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL]
    spread = built.pop(positional[0], []) if positional else []
    return _build(str(name), kind, spread, built)


def _build(name: str, kind: Any, positional: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Returns what a constructor makes; a value of a type that it did not expect is the file's mistake."""
    try:
        return kind(*positional, **keywords)
    except ValueError:
        raise
    except (TypeError, AttributeError) as error:
        given = ", ".join([*map(repr, positional), *(f"{k}={v!r}" for k, v in keywords.items())])
        raise ValueError(f"{name}: arguments must be of the right types, got {given}. {error}.") from error


def _from_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == "Parameter":
                return nn.Parameter(_build(name, torch.tensor, [inner], {}).float())
            if name == "Tensor":
                return _build(name, torch.tensor, [inner], {})
            if name in DISTRIBUTIONS and isinstance(inner, Mapping):
                return _build(name, DISTRIBUTIONS[name], (), {k: _from_data(v) for k, v in inner.items()})
            if name in STEPS:
                return _step_from_data(value)
        known = [*DISTRIBUTIONS, "Parameter", "Tensor", *STEPS]
        raise ValueError(f"Pipeline: {value!r} is no distribution. {closest(str(next(iter(value), '')), known)}")
    if isinstance(value, str) and value in STEPS:
        return _step_from_data(value)
    return tuple(_from_data(v) for v in value) if isinstance(value, list) else value
