"""The pages: the code on them runs, from top to bottom, and what they ask the build for exists."""

import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("skimage")

PAGES = sorted((Path(__file__).parents[2] / "docs" / "pages").glob("*.md"))
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return FENCE.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_code_runs(page):
    names = {}
    with torch.compiler.set_stance("force_eager"):  # what compiles is the contract's business
        for number, block in enumerate(blocks(page)):
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_every_page_is_in_the_navigation():
    config = (PAGES[0].parents[1] / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"(\S+\.md)$", config, re.MULTILINE)
    assert sorted(named) == [page.name for page in PAGES]
