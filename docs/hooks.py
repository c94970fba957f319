"""What `mkdocs build` makes besides the pages: pictures by the gallery, references, tables of benchmarks.

Pages ask for them by lines of their own:

    <!-- gallery visionops.filters -->             every picture of the family, in its groups
    <!-- reference visionops.filters -->           every public function and class, for mkdocstrings
    <!-- benchmark operators -->                   the tables of benchmarks/results/operators.json, where it exists
    <!-- strip filters.canny color.sepia -->       pictures that lead to their pages
    <!-- diagram camera -->                        a drawing of `diagrams.py`
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from diagrams import diagram
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from visionops.demo.gallery import TABLES, Picture, render
from visionops.module import OperatorModule

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "build" / "docs" / "visionops"
RESULTS = ROOT / "benchmarks" / "results"
MARK = re.compile(r"^<!-- (gallery|reference|benchmark|strip|diagram) (.+) -->$", re.MULTILINE)
FETCHED = re.compile(r"""(<link(?![^>]*rel="?canonical)[^>]*href|src|url)["'=(\s]{1,3}(https?:)?//[^"')\s]+""")

_made: dict[tuple[str, str], tuple[tuple[int, int], str, str]] = {}  # size, after and before


def on_startup(**kwargs: Any) -> None:
    """Lays the package out as a wheel does: mkdocstrings reads files, and follows no path tricks."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    only_python = shutil.ignore_patterns("__pycache__", "*.cpp", "*.h", "*.so")
    shutil.copytree(ROOT / "visionops", SOURCE, ignore=only_python)
    for part in ("augment", "geometry"):
        shutil.copytree(ROOT / part, SOURCE / part, ignore=only_python)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the gallery's pictures: what came out of each operator, and the photo that went in, once each."""
    torch.set_num_threads(1)  # the pictures are small
    befores: dict[bytes, str] = {}
    for family, groups in TABLES.items():
        for name, picture in pictures(groups):
            shown = render(family, picture)
            after = f"pictures/{family.rpartition('.')[2]}/{name}.webp"
            files.append(File.generated(config, after, content=shown.after))
            before = befores.get(shown.before)
            if before is None:
                before = befores[shown.before] = f"pictures/before/{len(befores)}.webp"
                files.append(File.generated(config, before, content=shown.before))
            _made[family, name] = shown.size, after, before
    for path in RESULTS.glob("*.svg"):
        files.append(File.generated(config, f"pictures/benchmarks/{path.name}", content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    makers = {"gallery": gallery, "reference": reference, "benchmark": benchmark, "strip": strip, "diagram": diagram}
    return MARK.sub(lambda found: makers[found[1]](found[2]), markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuses a site that fetches anything from elsewhere, or whose own links and pictures lead nowhere."""
    site = Path(config.site_dir)
    texts = {path: path.read_text(encoding="utf-8") for path in [*site.rglob("*.html"), *site.rglob("*.css")]}
    for path, text in texts.items():
        found = FETCHED.search(text)
        if found:
            raise PluginError(f"{path.relative_to(site)} fetches {found[0]}")
    # 404.html is served from anywhere, so its links start at the root.
    pages = {path.resolve(): text for path, text in texts.items() if path.suffix == ".html" and path.name != "404.html"}
    ids = {path: set(re.findall(r'\sid="([^"]+)"', text)) for path, text in pages.items()}
    dead = set()
    for path, text in pages.items():
        for link in re.findall(r'\s(?:href|src)="([^"]+)"', text):
            url = urlsplit(unescape(link))
            if url.scheme or url.netloc:
                continue
            to = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not to.exists() or (url.fragment and to in ids and unquote(url.fragment) not in ids[to]):
                dead.add(f"{path.name}: {link}")
    if dead:
        raise PluginError("links that lead nowhere:\n  " + "\n  ".join(sorted(dead)))


def pictures(groups: dict[str, dict[str, Picture]]) -> list[tuple[str, Picture]]:
    return [pair for group in groups.values() for pair in group.items()]


def gallery(family: str) -> str:
    """Returns the cards of a family, a heading for each group."""
    parts = []
    for title, group in TABLES[family].items():
        cards = "".join(card(family, name, picture) for name, picture in group.items())
        parts.append(f'### {title}\n\n<div class="gallery">{cards}</div>\n')
    return "\n".join(parts)


def card(family: str, name: str, picture: Picture) -> str:
    (w, h), after, before = _made[family, name]
    was = f'<img class="before" src="{before}" alt="" loading="lazy">'
    wide = "" if (w, h) == (320, 240) else " fit"
    given = "" if picture.of == "image" else f"image = {picture.of}\n"
    code = escape(given + picture.code)
    return (
        f'<figure><div class="pair{wide}" tabindex="0">'
        f'<img src="{after}" width="{w}" height="{h}" alt="{escape(name)} of a photo" loading="lazy">{was}</div>'
        f'<figcaption><a href="#{identifier(family, name)}">{name}</a><code>{code}</code></figcaption></figure>'
    )


def strip(names: str) -> str:
    """Returns a row of pictures that lead to the pages of their families."""
    links = []
    for path in names.split():
        family, _, name = path.rpartition(".")
        if (f"visionops.{family}", name) not in _made:
            raise PluginError(f"strip: {path} must have a picture in visionops/demo/gallery/tables")
        _, after, _ = _made[f"visionops.{family}", name]
        links.append(f'<a href="{family}.html"><img src="{after}" alt=""><span>{path}</span></a>')
    return f'<div class="strip">{"".join(links)}</div>'


def reference(module: str) -> str:
    """Returns a directive for each public function and class; Modules that `as_module` made have their function's."""
    found = importlib.import_module(module)
    values = {name: getattr(found, name) for name in found.__all__}
    directives = [
        f"::: {identifier(module, name)}\n"
        for name, value in values.items()
        if inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, OperatorModule))
    ]
    modules = [f"`{name}`" for name, v in values.items() if inspect.isclass(v) and issubclass(v, OperatorModule)]
    also = f"As Modules, with the same keyword arguments: {', '.join(modules)}.\n\n" if modules else ""
    return also + "\n".join(directives)


def identifier(module: str, name: str) -> str:
    """Returns what mkdocstrings knows a public name by; its own path where a file of the package is called the same."""
    home = inspect.unwrap(getattr(importlib.import_module(module), name)).__module__
    return f"{home}.{name}" if home == f"{module}.{name}" else f"{module}.{name}"


def benchmark(name: str) -> str:
    """Returns the tables of one file of results as Markdown, with the machine they were measured on."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return f"*Not measured yet: `visionops bench {name}`.*"
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [f"![{name}](pictures/benchmarks/{drawn.name})" for drawn in sorted(RESULTS.glob(f"{name}*.svg"))]
    parts += [table(one) for one in result.get("tables", ())]
    return "\n\n".join([*parts, machine(result.get("environment", {}))])


def table(one: dict[str, Any]) -> str:
    lines = [f"**{one['title']}**\n"] if one.get("title") else []
    columns = [str(c) for c in one["columns"]]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in one["rows"]]
    return "\n".join([*lines, *(f"\n{note}" for note in one.get("notes", ()))])


def cell(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def machine(environment: dict[str, Any]) -> str:
    peers = ", ".join(f"{peer} {version}" for peer, version in environment.get("peers", {}).items() if version)
    parts = [
        f"torch {environment.get('torch')}",
        peers,
        f"{environment.get('cpu')}, {environment.get('cores')} cores, {environment.get('threads')} threads",
    ]
    return f"<small>{'; '.join(part for part in parts if part)}.</small>" if environment else ""
