"""The site: it builds without a warning or a broken link, and shows what it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("skimage")
pytest.importorskip("mkdocstrings")
pytest.importorskip("material")

from visionops.demo.gallery import TABLES

CONFIG = Path(__file__).parents[2] / "docs" / "mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", CONFIG, "-d", folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("family", TABLES)
def test_every_picture_is_on_its_page(site, family):
    page = (site / f"{family.rpartition('.')[2]}.html").read_text(encoding="utf-8")
    for group in TABLES[family].values():
        for name in group:
            found = re.search(rf'<img src="(pictures/\w+/{name}\.webp)"', page)
            assert found, name
            assert (site / found[1]).stat().st_size > 200


def test_every_mark_was_replaced(site):
    for page in site.glob("*.html"):
        assert not re.search("<!-- (gallery|reference|benchmark|strip)", page.read_text(encoding="utf-8"))
