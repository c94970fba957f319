"""Griffe's view of our docstrings: doctests become code blocks, and the words that open a paragraph stand out."""

from __future__ import annotations

import re
from typing import Any

import griffe

LEADS = re.compile(r"^(Gradient|Source|Conventions?|Note|Differs from OpenCV|OpenCV):", re.MULTILINE)


class Docstrings(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text: str) -> str:
    """Returns a docstring as Markdown: fenced doctests, bold leads.

    >>> readable("Returns.\\n\\nGradient: to all.\\n\\n>>> 1 + 1\\n2")
    'Returns.\\n\\n**Gradient:** to all.\\n\\n```python\\n>>> 1 + 1\\n2\\n```'
    """
    out: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.startswith(">>>") and not fenced:
            out.append("```python")
            fenced = True
        elif fenced and not line.strip():
            out.append("```")
            fenced = False
        # A paragraph of its own: what stands before would otherwise run into it.
        if not fenced and LEADS.match(line) and out and out[-1].strip():
            out.append("")
        out.append(line if fenced else LEADS.sub(r"**\1:**", line))
    return "\n".join([*out, "```"] if fenced else out)
