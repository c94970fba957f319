"""A measurement as tables for a person and as JSON for whoever compares later."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .machine import summary


@dataclass
class Table:
    """Rows of text under a title; the first `labels` columns are words, the others numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    labels: int = 1


@dataclass
class Report:
    """What one benchmark found.

    Attributes:
        name: of the benchmark.
        environment: what `machine.environment` returned.
        tables: to be printed.
        results: plain data, raw rounds included.
    """

    name: str
    environment: dict[str, Any]
    tables: list[Table]
    results: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes everything as JSON; folders on the way are made."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Report:
        """Returns what `save` wrote."""
        data = json.loads(Path(path).read_text())
        return Report(data["name"], data["environment"], [Table(**t) for t in data["tables"]], data["results"])

    def show(self) -> None:
        """Prints the tables to the terminal."""
        from rich.console import Console
        from rich.table import Table as Drawn
        from rich.text import Text

        console = Console()
        if not console.is_terminal:  # a file has no width: let no column be cut
            console = Console(width=180)
        for table in self.tables:
            drawn = Drawn(title=table.title, title_justify="left", caption_justify="left")
            drawn.caption = Text("\n".join([summary(self.environment), *table.notes]))
            for i, column in enumerate(table.columns):
                drawn.add_column(column, justify="left" if i < table.labels else "right")
            for i, row in enumerate(table.rows):
                ends = i + 1 < len(table.rows) and table.rows[i + 1][0] != ""
                drawn.add_row(*map(Text, row), end_section=ends and table.labels > 1)
            console.print(drawn)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Returns the median and the quartiles."""
    low, middle, high = np.percentile(np.asarray(values, np.float64), (25, 50, 75)).tolist()
    return {"median": middle, "low": low, "high": high}


def geometric_mean(values: Any) -> float:
    """Returns the mean of the logarithms, as a ratio."""
    return float(np.exp(np.mean(np.log(list(values)))))


def cell(values: Sequence[float], form: str = "{:.2f}", unit: str = "") -> str:
    """Returns the median with the interquartile range behind it."""
    s = spread(values)
    return f"{form.format(s['median'])}{unit} ({form.format(s['low'])}-{form.format(s['high'])})"


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Shows a bar on the terminal while the block runs; calls of what it yields move it on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
