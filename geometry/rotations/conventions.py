"""The twelve sequences of axes that Euler angles go by."""

from __future__ import annotations

from itertools import product
from typing import Any

from visionops.arguments import check_choice

CONVENTIONS = tuple(a + b + c for a, b, c in product("xyz", repeat=3) if a != b and b != c)


def check_convention(function: str, convention: Any) -> None:
    """Raises unless three axes are named, in lower case, of which neighbours differ."""
    check_choice(function, "convention", convention, CONVENTIONS)
