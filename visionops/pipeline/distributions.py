"""Distributions of parameters, drawn by reparameterisation: a value is a function of uniforms and of the bounds.

A bound can be an `nn.Parameter`; a loss on what the pipeline makes then reaches it. Draws cost float arithmetic
for one sample and one NumPy expression for a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visionops.errors import mistake

from .numbers import Number, cos, exp, floor, log, sqrt


class Distribution(nn.Module):
    """Base of all distributions. `draws` uniforms in [0, 1) make one value."""

    draws = 1

    def __init__(self, **bounds: Any) -> None:
        super().__init__()
        self.learnable = False
        for name, value in bounds.items():
            setattr(self, name, self._bound(name, value))

    def _bound(self, name: str, value: Any) -> Any:
        if isinstance(value, nn.Parameter):
            if value.numel() != 1:
                raise mistake(type(self).__name__, name, "one number", f"a Parameter of shape {tuple(value.shape)}")
            self.learnable = True
            return value
        if isinstance(value, Tensor):
            if value.requires_grad or value.numel() != 1:
                raise mistake(
                    type(self).__name__,
                    name,
                    "a number or an nn.Parameter",
                    "a non-leaf or larger tensor",
                    "It would be a snapshot that training cannot reach; pass the nn.Parameter itself.",
                )
            value = value.item()
        if not isinstance(value, int | float | np.integer | np.floating) or not math.isfinite(value):
            raise mistake(type(self).__name__, name, "a finite number or an nn.Parameter", repr(value))
        return float(value)

    def draw(self, uniforms: Sequence[Any]) -> Any:
        """Returns a value for `draws` uniforms: floats, or arrays or tensors (b,)."""
        raise NotImplementedError

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments, from which the distribution can be built again."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={show(v)}' for k, v in self.arguments.items())})"


def show(value: Any) -> str:
    """Returns a short text of an argument."""
    if isinstance(value, nn.Parameter):
        return f"Parameter({value.item():g})" if value.numel() == 1 else f"Parameter{tuple(value.shape)}"
    if isinstance(value, Tensor):
        return f"tensor{tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        inner = ", ".join(show(v) for v in value)
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    return repr(value)


class Constant(Distribution):
    """Always the same value."""

    draws = 0
    value: Any

    def __init__(self, value: float | nn.Parameter) -> None:
        super().__init__(value=value)

    def draw(self, uniforms: Sequence[Any]) -> Any:
        return self.value.reshape(1) if self.learnable else self.value

    @property
    def arguments(self) -> dict[str, Any]:
        return {"value": self.value}


class PerSample(Distribution):
    """A value for each sample of a batch, given as a tensor (b,)."""

    draws = 0

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        if values.ndim != 1:
            raise mistake("PerSample", "values", "of shape (batch,)", tuple(values.shape))
        if isinstance(values, nn.Parameter):
            self.values: Tensor = values
        elif values.requires_grad:
            raise mistake(
                "PerSample",
                "values",
                "an nn.Parameter or a tensor without gradient",
                "a non-leaf tensor",
                "It would be a stale snapshot; give it to pipe.apply as params instead.",
            )
        else:
            self.register_buffer("values", values)
        self.learnable = True  # a tensor: it is computed with where it lives

    def draw(self, uniforms: Sequence[Any]) -> Any:
        return self.values

    @property
    def arguments(self) -> dict[str, Any]:
        return {"values": self.values}


class Uniform(Distribution):
    """Uniform between two bounds.

    >>> Uniform(2, 4).draw([0.25])
    2.5
    """

    low: Any
    high: Any

    def __init__(self, low: float | nn.Parameter, high: float | nn.Parameter) -> None:
        super().__init__(low=low, high=high)
        if not self.learnable and self.low > self.high:
            raise mistake("Uniform", "low", "at most high", f"({low}, {high})", "Swap the two.")

    def draw(self, uniforms: Sequence[Any]) -> Any:
        return self.low + (self.high - self.low) * uniforms[0]

    @property
    def arguments(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class Symmetric(Distribution):
    """Uniform from -width to width; the natural form of a learnable strength.

    >>> Symmetric(10).draw([0.75])
    5.0
    """

    width: Any

    def __init__(self, width: float | nn.Parameter) -> None:
        super().__init__(width=width)
        if not self.learnable and self.width < 0:
            raise mistake("Symmetric", "width", "at least 0", width)

    def draw(self, uniforms: Sequence[Any]) -> Any:
        return self.width * (2 * uniforms[0] - 1)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"width": self.width}


class LogUniform(Distribution):
    """Uniform in the logarithm: a zoom of 1/2 is as likely as one of 2."""

    low: Any
    high: Any

    def __init__(self, low: float | nn.Parameter, high: float | nn.Parameter) -> None:
        super().__init__(low=low, high=high)
        if not self.learnable and not 0 < self.low <= self.high:
            raise mistake("LogUniform", "low", "over 0 and at most high", f"({low}, {high})")

    def draw(self, uniforms: Sequence[Any]) -> Any:
        low, high = log(self.low), log(self.high)
        return exp(low + (high - low) * uniforms[0])

    @property
    def arguments(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class Normal(Distribution):
    """Normal with a mean and a standard deviation, by Box-Muller."""

    draws = 2
    mean: Any
    std: Any

    def __init__(self, mean: float | nn.Parameter = 0.0, std: float | nn.Parameter = 1.0) -> None:
        super().__init__(mean=mean, std=std)
        if not self.learnable and self.std < 0:
            raise mistake("Normal", "std", "at least 0", std)

    def draw(self, uniforms: Sequence[Any]) -> Any:
        radius = sqrt(-2 * log(1 - uniforms[0]))  # 1 - u is in (0, 1]
        return self.mean + self.std * (radius * cos(2 * math.pi * uniforms[1]))

    @property
    def arguments(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}


class Choice(Distribution):
    """One of several numbers, all equally likely. The choice itself has no gradient.

    >>> Choice([0, 90, 180, 270]).draw([0.6])
    180.0
    """

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        if len(values) == 0:
            raise mistake("Choice", "values", "a sequence of numbers", values)
        self.values = [self._bound("values", v) for v in values]
        if self.learnable:
            raise mistake("Choice", "values", "plain numbers", "an nn.Parameter")

    def draw(self, uniforms: Sequence[Any]) -> Any:
        index = floor(uniforms[0] * len(self.values))
        if isinstance(index, Tensor):
            return index.new_tensor(self.values)[index.long()]
        return np.array(self.values)[index.astype(np.int64)] if isinstance(index, np.ndarray) else self.values[index]

    @property
    def arguments(self) -> dict[str, Any]:
        return {"values": self.values}


def as_distribution(function: str, name: str, value: Any) -> Distribution:
    """Returns the distribution an argument stands for: a number is fixed, a pair is a range, a tensor is per sample."""
    try:
        if isinstance(value, Distribution):
            return value
        if isinstance(value, nn.Parameter) and value.numel() == 1:
            return Constant(value)
        if isinstance(value, Tensor):
            return Constant(value) if value.ndim == 0 else PerSample(value)  # type: ignore[arg-type]
        if isinstance(value, list | tuple) and len(value) == 2:
            return Uniform(*value)
        return Constant(value)
    except ValueError as error:
        rule = "a finite number, a (low, high) pair, a tensor (batch,) or a distribution"
        raise mistake(function, name, rule, show(value), f"({error})") from None


def bound_values(distribution: Distribution) -> list[float]:
    """Returns the smallest and largest number among fixed bounds, to check them; empty where they are learned."""
    if distribution.learnable or isinstance(distribution, Normal):
        return []
    values = np.ravel(list(distribution.arguments.values()))
    if isinstance(distribution, Symmetric):
        values = np.array([-distribution.width, distribution.width])
    return [float(values.min()), float(values.max())]


def uniforms_like(distributions: Sequence[Distribution], uniforms: Sequence[Number]) -> Sequence[Number]:
    """Returns the uniforms as tensors beside the learnable bounds, where there are any; else as they came."""
    for distribution in distributions:
        for tensor in (*distribution.parameters(), *distribution.buffers()):
            # On a host positions keep double precision; a device computes in the bound's own.
            kind = torch.float64 if tensor.device.type == "cpu" else tensor.dtype
            return [torch.atleast_1d(torch.as_tensor(u, dtype=kind, device=tensor.device)) for u in uniforms]
    return uniforms
