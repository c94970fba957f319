"""Steps by kind. The kind, not the operator, decides how a step merges with others and how labels follow it."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from visionops.errors import ArgumentError, closest, mistake
from visionops.kernels.filter import filter_separable
from visionops.kernels.pixel import Instruction

from .distributions import Distribution, as_distribution, show, uniforms_like
from .matrix import Matrix
from .numbers import Number, Size, logical_and

Values = Mapping[str, Any]
STEPS: dict[str, type[Step]] = {}
"""Every public step by its name, from which pipelines are read."""


class Step(nn.Module):
    """Base of all steps: named distributions, a probability, and the arguments it was built with.

    Args:
        p: the probability that a sample runs the step.
        distributions: what the step draws for a sample, by name; anything `as_distribution` takes.
    """

    kind: ClassVar[str] = ""
    arguments: dict[str, Any]
    p: float
    is_learnable: bool

    def __init__(self, *, p: float = 1.0, **distributions: Any) -> None:
        super().__init__()
        name = type(self).__name__
        if not isinstance(p, numbers.Real) or not 0 <= p <= 1:
            raise mistake(name, "p", "a probability from 0 to 1", repr(p))
        self.p = float(p)
        drawn = {key: as_distribution(name, key, value) for key, value in distributions.items()}
        for key, distribution in drawn.items():
            self.add_module(f"{key}_distribution", distribution)
        self.drawn: dict[str, Distribution] = drawn
        self.is_learnable = any(d.learnable for d in drawn.values())

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == __name__ or cls.__name__.startswith("_"):
            return
        _record_arguments(cls)
        known = STEPS.get(cls.__name__)
        if cls.__module__.startswith("visionops.") or known is None or not known.__module__.startswith("visionops."):
            STEPS[cls.__name__] = cls

    @property
    def draws(self) -> int:
        """How many uniforms one sample's values take."""
        return sum(d.draws for d in self.drawn.values())

    def sample(self, uniforms: Sequence[Number], size: Size) -> dict[str, Any]:
        """Returns the step's values for `draws` uniforms and the size of what it gets."""
        if not self.drawn:
            return {}
        if self.is_learnable:
            uniforms = uniforms_like(list(self.drawn.values()), uniforms)
        values, used = {}, 0
        for name, distribution in self.drawn.items():
            n = distribution.draws
            values[name] = distribution.draw(uniforms[used : used + n])
            used += n
        return values

    def describe(self) -> str:
        """Returns the step's name in `explain`."""
        return type(self).__name__

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        shown = []
        for name, value in self.arguments.items():
            parameter = defaults[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                shown += [show(v) for v in value]
            elif value is not parameter.default and not _same(value, parameter.default):
                shown.append(f"{name}={show(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and not isinstance(a, Tensor) and bool(np.all(a == b))


def _record_arguments(cls: type[Step]) -> None:
    """Wraps a constructor so that its instances know their arguments and a misspelt one gets a useful error."""
    construct = cls.__init__
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def __init__(self: Step, *args: Any, **kwargs: Any) -> None:
        names = list(signature.parameters)[1:]
        for name in kwargs:
            if name not in names:
                raise ArgumentError(f"{cls.__name__}: argument {name!r} is unknown. {closest(name, names)}")
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{cls.__name__}: {error}. It takes {', '.join(names)}.") from None
        if "arguments" not in self.__dict__:  # the outermost constructor's are what builds the step again
            bound.apply_defaults()
            self.__dict__["arguments"] = dict(list(bound.arguments.items())[1:])
        construct(self, *args, **kwargs)

    cls.__init__ = __init__  # type: ignore[method-assign]


class Geometric(Step):
    """Moves pixels by a matrix from source to output pixels.

    Args:
        border: "constant" fills what lies outside the step's input; "reflect", "replicate" and "circular" continue
            it, and such a step starts a pass of its own.
        fill: the fill of this step, in [0, 1] for colours; None takes the pipeline's.
    """

    kind = "geometric"
    fits: ClassVar[bool] = False
    """Whether the whole output shows the step's domain. A position then stays in the domain if it stays in the output,
    which the domain of the next step, or the edge of the image, sees to."""

    def __init__(self, *, p: float = 1.0, border: str = "constant", fill: Any = None, **distributions: Any) -> None:
        super().__init__(p=p, **distributions)
        name = type(self).__name__
        if border not in ("constant", "reflect", "replicate", "circular"):
            raise mistake(name, "border", "'constant', 'reflect', 'replicate' or 'circular'", repr(border))
        self.border = border
        self.fill = check_fill(name, fill)

    def output_size(self, values: Values, size: Size) -> Size:
        return size

    def matrix(self, values: Values, size: Size) -> Matrix:
        """Returns the map from the step's input to its output, in pixels."""
        raise NotImplementedError

    def domain(self, values: Values, size: Size) -> tuple[Any, Any, Any, Any]:
        """Returns the part of the input that the output shows, (x0, y0, x1, y1) in pixel edges."""
        return 0, 0, size[1], size[0]


class Deform(Step):
    """Moves pixels by a dense map whose displacement has a gradient under 1, so that it can be inverted."""

    kind = "deform"

    def __init__(self, *, p: float = 1.0, fill: Any = None, **distributions: Any) -> None:
        super().__init__(p=p, **distributions)
        self.border = "constant"
        self.fill = check_fill(type(self).__name__, fill)

    def displacement(self, values: Values, size: tuple[int, int], like: Tensor) -> Tensor:
        """Returns (b, 2, h, w): source minus output position of every output pixel, (x, y) in pixels.

        Args:
            like: a tensor of the dtype and device wanted.
        """
        raise NotImplementedError


class Color(Step):
    """Changes each pixel by itself, through a pixel program."""

    kind = "color"
    to_float: ClassVar[bool] = False
    """Whether integers become floats for good."""

    def program(self, values: Values, channels: int) -> list[Instruction]:
        raise NotImplementedError


class Local(Step):
    """A neighbourhood operator: it reads whole images and ends a pass."""

    kind = "local"

    def run(self, image: Tensor, values: Values) -> Tensor:
        """Returns the images (b, c, h, w) after the step; every value is a number or an array (b,)."""
        raise NotImplementedError


class Filter(Local):
    """A separable correlation. Colour steps after it run on each image while it is in cache."""

    border: str

    def taps(self, values: Values) -> tuple[Any, Any]:
        """Returns the taps (b or 1, k) along x and along y."""
        raise NotImplementedError

    def idle(self, values: Values, active: Any) -> Values:
        """Returns values with which the samples that do not run the step keep their pixels."""
        raise NotImplementedError

    def run(self, image: Tensor, values: Values) -> Tensor:
        return filter_separable(image, *self.taps(values), border=self.border)


class Mix(Step):
    """A function of the whole batch: images, masks and labels at once."""

    kind = "mix"

    def mix(self, image: Tensor, values: Values) -> Tensor:
        """Returns the images (b, c, h, w) mixed."""
        raise NotImplementedError

    def mix_mask(self, mask: Tensor, values: Values) -> Tensor:
        """Returns the masks (b, c, h, w) mixed, or raises where the step cannot."""
        raise NotImplementedError

    def soft_label(self, label: Tensor, values: Values, active: Any, size: tuple[int, int]) -> Tensor:
        """Returns the labels (b,) or (b, classes) as soft labels (b, classes), for images of that size."""
        raise NotImplementedError


class Barrier(Step):
    """Does nothing to pixels, but ends the pass."""

    kind = "barrier"


class Group(Step):
    """Steps that are gated together, in their order: OneOf, SomeOf, Sequential.

    A group is no kind of its own: the planner sees its steps, each with the gate that the group drew for it.
    """

    kind = "group"

    def __init__(self, steps: Sequence[Step], *, p: float = 1.0) -> None:
        super().__init__(p=p)
        name = type(self).__name__
        if len(steps) == 0:
            raise mistake(name, "steps", "at least one step", "none")
        for step in steps:
            if not isinstance(step, Step):
                raise mistake(name, "steps", "steps", repr(step))
        self.steps = nn.ModuleList(steps)

    def gates(self, uniforms: Sequence[Number]) -> list[Any]:
        """Returns for each step whether it runs, a bool, or a bool array or tensor (b,)."""
        raise NotImplementedError


def gate(step: Step, uniform: Number | None, parent: Any) -> Any:
    """Returns whether a step runs, given its uniform (None if p is 1) and its group's gate."""
    if uniform is None:
        return parent if step.p == 1 else False
    return logical_and(parent, uniform < step.p)


def check_fill(function: str, fill: Any) -> tuple[float, ...] | None:
    """Returns a fill as a tuple of one number or one for each channel."""
    if fill is None:
        return None
    try:
        values = tuple(float(v) for v in np.ravel(fill))
    except (TypeError, ValueError):
        values = ()
    if not values or not np.isfinite(values).all():
        raise mistake(function, "fill", "a finite number or one for each channel", repr(fill))
    return values
