"""All lines of the table, by family, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence

from visionops.errors import mistake

from . import color, enhance, filters, resample
from .line import Line

LINES: dict[str, Line] = {
    line.name: line for family in (color, filters, enhance, resample) for line in family.LINES
}  # fmt: skip


def choose(only: Sequence[str] | None) -> list[Line]:
    """Returns the lines of the given operators ("median_blur") or settings ("median_blur 5x5"), all for None."""
    if only is None:
        return list(LINES.values())
    known = {line.operator for line in LINES.values()} | set(LINES)
    for name in only:
        if name not in known:
            operators = ", ".join(sorted({line.operator for line in LINES.values()}))
            raise mistake("visionops bench operators", "--only", f"names of {operators}", name)
    return [line for line in LINES.values() if line.operator in only or line.name in only]
