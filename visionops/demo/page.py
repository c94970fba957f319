"""HTML by small functions: pictures as data URIs, source with colours, plans, sections, the page around them."""

from __future__ import annotations

import ast
import base64
import inspect
import io
import keyword
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image

from visionops import Pipeline
from visionops.plot import draw

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>visionops: a pipeline, planned into one pass</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(body: str) -> str:
    """Returns the whole document."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return _PAGE.format(style=style, body=body)


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """Returns a section with an anchor; `lead` may hold markup."""
    return f'<section id="{name}">\n<h2>{title}</h2>\n<p class="lead">{lead}</p>\n' + "\n".join(parts) + "\n</section>"


def beside(pictures: str, *notes: str) -> str:
    """Returns pictures with notes beside them, under them on a phone."""
    return f'<div class="beside"><div>{pictures}</div><aside>{"".join(notes)}</aside></div>'


def row(figures: Iterable[str], *, columns: int, kind: str = "") -> str:
    """Returns figures in a row, which breaks where the screen is narrow."""
    return f'<div class="row {kind}" style="--n:{columns}">{"".join(figures)}</div>'


def figure(
    image: Any, caption: str = "", *, alt: str = "", under: str = "", quality: int = 84, kind: str = "", **labels: Any
) -> str:
    """Returns a picture with its labels drawn on it, see `plot.draw`. Caption and `under` may hold markup."""
    return framed(draw(image, **labels), caption, alt=alt, under=under, quality=quality, kind=kind)


def framed(
    pixels: np.ndarray, caption: str = "", *, alt: str = "", under: str = "", quality: int = 84, kind: str = ""
) -> str:
    """Returns uint8 pixels as a figure; quality 0 keeps them exact."""
    h, w = pixels.shape[:2]
    text = f"<figcaption>{caption}</figcaption>" if caption else ""
    image = f'<img src="{uri(pixels, quality)}" width="{w}" height="{h}" alt="{escape(alt)}" loading="lazy">'
    return f'<figure class="{kind}">{image}{under}{text}</figure>'


def uri(pixels: np.ndarray, quality: int) -> str:
    """Returns pixels as a data URI: a JPEG of that quality, or a PNG for 0."""
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels)
    if quality:
        picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
    else:
        picture.save(buffer, "PNG", optimize=True)
    return f"data:image/{'jpeg' if quality else 'png'};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def code(source: str) -> str:
    """Returns Python source with colours."""
    return f'<pre class="code"><code>{_coloured(source)}</code></pre>'


def source_of(function: Callable[..., Pipeline], *after: str) -> str:
    """Returns what a function returns as a statement: its own source, so that the page shows what ran."""
    text = textwrap.dedent(inspect.getsource(function))
    (body,) = ast.parse(text).body
    assert isinstance(body, ast.FunctionDef) and isinstance(body.body[-1], ast.Return)
    last = textwrap.dedent("\n".join(text.splitlines()[body.body[-1].lineno - 1 :]))
    return "\n".join([last.replace("return ", "pipe = ", 1), *after])


def text_of(function: Callable[..., Any]) -> str:
    """Returns a function's source, its annotations left out for want of room."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    names = ", ".join(argument.arg for argument in tree.args.args)
    text = textwrap.dedent(inspect.getsource(function)).replace("  # fmt: skip", "").splitlines()
    return "\n".join([f"def {tree.name}({names}):", *text[tree.body[0].lineno - 1 :]])


def plan(pipe: Pipeline) -> str:
    """Returns `explain()` as printed, the line of all passes first."""
    lines = pipe.explain().splitlines()
    passes = len(pipe.plan.passes)
    head = f"{steps(pipe)} steps, {passes} pass{'es' * (passes != 1)}"
    text = "".join(f"<span>{escape(line)}</span>" for line in lines)
    return f'<div class="plan"><div class="head"><span>pipe.explain()</span><span>{head}</span></div><pre>{text}</pre></div>'


def diagram(pipe: Pipeline) -> str:
    """Returns the plan as a picture: a frame for each pass, its steps inside."""
    frames = []
    for line in pipe.explain().splitlines()[1:]:
        number, dot, rest = line.strip().partition(". ")
        if not dot or not number.isdigit():
            continue
        title, _, names = rest.partition(": ")
        chips = "".join(f"<li>{escape(name)}</li>" for name in names.split(" > "))
        frames.append(f'<li class="pass"><span>{escape(title)}</span><ul>{chips}</ul></li>')
    return f'<ol class="diagram">{"".join(frames)}</ol>'


def steps(pipe: Pipeline) -> int:
    """Returns how many steps the passes run."""
    return sum(len(one.geometric) + len(one.color) + (one.local is not None) + (one.mix is not None)
               for one in pipe.plan.passes)  # fmt: skip


def legend(names: Sequence[str], colours: Sequence[Sequence[int]]) -> str:
    """Returns names with their colours."""
    items = (f'<span><i style="background:rgb{tuple(c)}"></i>{escape(n)}</span>' for n, c in zip(names, colours, strict=False))
    return f'<p class="legend">{"".join(items)}</p>'


def note(text: str) -> str:
    return f'<p class="note">{text}</p>'


def _coloured(source: str) -> str:
    """Returns source as HTML, its tokens in spans."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.string.strip()]
    parts, at = [], 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        kind = _kind(token, following.string if following else "")
        begin, end = (starts[r - 1] + c for r, c in (token.start, token.end))
        text = escape(source[begin:end])
        parts += [escape(source[at:begin]), f'<span class="{kind}">{text}</span>' if kind else text]
        at = end
    return "".join([*parts, escape(source[at:])])


def _kind(token: tokenize.TokenInfo, following: str) -> str:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING:
        return "s"
    if token.type == tokenize.NUMBER:
        return "n"
    if token.type != tokenize.NAME:
        return ""
    return "k" if keyword.iskeyword(token.string) else "f" if following == "(" else "a" if following == "=" else ""
