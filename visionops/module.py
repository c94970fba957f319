"""`as_module`: an operator that maps an image to an image, as an `nn.Module` with the same arguments and doc."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class OperatorModule(nn.Module):
    """Base of what `as_module` makes: stores the arguments of one operator but the image, and applies it."""

    operator: Callable[..., Tensor]

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__()
        name = type(self).__name__
        parameters = options_of(type(self).operator)
        known = [p.name for p in parameters]
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(values) > len(positional):
            listed = ", ".join(known)
            raise TypeError(f"{name}: {len(values)} arguments without a name are too many. It takes {listed}.")
        given = dict(zip(positional, values, strict=False))
        for key in given.keys() & options.keys():
            raise TypeError(f"{name}: argument {key!r} is given twice, by place and by name.")
        options = {**given, **options}
        for key in options:
            if key not in known:
                raise TypeError(f"{name}: argument {key!r} is unknown. It takes {', '.join(known)}.")
        required = [p.name for p in parameters if p.default is p.empty and p.name not in options]
        if required:
            raise TypeError(f"{name}: argument {required[0]!r} is missing. It takes {', '.join(known)}.")
        self.option_names = tuple(options)
        for key, value in options.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(key, value)
            else:
                setattr(self, key, value)

    def forward(self, image: Tensor) -> Tensor:
        return type(self).operator(image, **{name: getattr(self, name) for name in self.option_names})

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.option_names)


def options_of(operator: Callable[..., Any]) -> list[inspect.Parameter]:
    """Returns the parameters of an operator after its image."""
    return list(inspect.signature(operator).parameters.values())[1:]


def as_module(operator: Callable[..., Tensor]) -> type[OperatorModule]:
    """Returns the Module class of an operator ``f(image, ...)``: `gaussian_blur` becomes `GaussianBlur`.

    Tensors among its arguments become buffers, Parameters stay Parameters; signature, doc and defaults are the
    function's own.

    >>> from visionops.filters import GaussianBlur
    >>> GaussianBlur(sigma=1.5)
    GaussianBlur(sigma=1.5)
    """
    name = "".join(part.capitalize() for part in operator.__name__.split("_"))
    signature = inspect.signature(operator)
    options = options_of(operator)
    return type(
        name,
        (OperatorModule,),
        {
            "operator": staticmethod(operator),
            "__doc__": operator.__doc__,
            "__module__": operator.__module__,
            "__qualname__": name,
            "__signature__": signature.replace(parameters=options, return_annotation=signature.empty),
        },
    )
