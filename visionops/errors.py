"""How every error of the library reads: `<function>: <argument> must be <rule>, got <value>. <remedy>`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import torch


class ArgumentError(ValueError, TypeError):
    """A misspelt or missing argument: a TypeError to Python, a ValueError to whoever reads a pipeline from a file."""


class MissingFileError(FileNotFoundError, ValueError):
    """No such file: to Python a FileNotFoundError, a ValueError to whoever gave the name."""


class NotAFileError(IsADirectoryError, ValueError):
    """A folder where a file was wanted."""


def mistake(function: str, argument: str, rule: str, got: object, remedy: str = "") -> ValueError:
    """Returns the error to raise.

    >>> print(mistake("Resize", "size", "positive", (0, 4), "Give (height, width)."))
    Resize: size must be positive, got (0, 4). Give (height, width).
    """
    return ValueError(f"{function}: {argument} must be {rule}, got {got}.{' ' if remedy else ''}{remedy}")


def refuse(function: str, argument: str, rule: str, got: object, remedy: str = "") -> ValueError:
    """Returns the error to raise for what cannot be compiled.

    Under `torch.compile` it raises by itself, as a constant: an exception that is traced ends in a report on dynamo.
    """
    error = mistake(function, argument, rule, got, remedy)
    return _raise(str(error)) if torch.compiler.is_compiling() else error


def _raise(message: str) -> ValueError:
    raise ValueError(message)


def closest(name: str, known: Iterable[str]) -> str:
    """Returns a hint: the known name most like the given one, then all of them."""
    names = sorted(set(known) - {name})
    near = difflib.get_close_matches(name, names, n=1)
    return (f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(names)}."


# What torch.compiler.assume_constant_result does, whose call would import all of dynamo (0.8 s, torch 2.13).
_raise._dynamo_marked_constant = True  # type: ignore[attr-defined]
closest._dynamo_marked_constant = True  # type: ignore[attr-defined]
