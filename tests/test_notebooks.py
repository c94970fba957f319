"""The notebooks: their source runs, and the .ipynb that is shown is that source, executed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("skimage")

FOLDER = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))


def cells_of_source(path):
    """Returns (kind, text) of each cell of a py:percent file."""
    _, *parts = re.split(r"(?m)^# %%(.*)\n", path.read_text(encoding="utf-8"))
    cells = []
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        text = text.strip("\n")
        if mark.strip() == "[markdown]":
            cells.append(("markdown", re.sub(r"(?m)^# ?", "", text)))
        else:
            assert mark == ""
            cells.append(("code", text))
    return cells


def notebook(path):
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
class TestNotebook:
    def test_the_source_runs(self, path, tmp_path):
        # The same visionops as here, whatever the folder.
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, path]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_the_notebook_is_in_step_with_its_source(self, path):
        shown = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook(path)["cells"]]
        assert shown == cells_of_source(path)

    def test_every_cell_was_executed_in_order_without_an_error(self, path):
        code = [cell for cell in notebook(path)["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell["outputs"]]
        assert all(output["output_type"] in ("stream", "execute_result", "display_data") for output in outputs)
        assert not any(output.get("name") == "stderr" for output in outputs)

    def test_it_is_small(self, path):
        assert path.with_suffix(".ipynb").stat().st_size < 1.5 * 2**20
