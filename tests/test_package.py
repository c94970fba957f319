"""The package: its version, what importing it costs, what it makes public, and whether its kernels are there."""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import visionops
from visionops.kernels import native

ROOT = Path(__file__).parent.parent
HEAVY = ("PIL", "yaml", "rich", "cv2", "scipy", "skimage", "matplotlib", "albumentations", "kornia", "torchvision", "jupytext")


def python(code, **environment):
    """Returns what a fresh interpreter prints."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestVersion:
    def test_is_the_one_of_pyproject(self):
        text = (ROOT / "pyproject.toml").read_text()
        assert visionops.__version__ == re.search(r'^version = "(.+)"', text, re.M)[1]
        assert re.fullmatch(r"\d+\.\d+\.\d+", visionops.__version__)

    def test_is_the_one_installed(self):
        try:
            installed = importlib.metadata.version("visionops")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("not installed: a checkout")
        assert installed == visionops.__version__


class TestImport:
    @pytest.mark.parametrize("module", ["visionops", "visionops.augment", "visionops.geometry", "visionops.filters", "visionops.kernels"])
    def test_loads_nothing_that_only_files_tables_or_peers_need(self, module):
        code = f"import sys, {module}; print(*sorted({HEAVY!r} & {{m.partition('.')[0] for m in sys.modules}} if False else set({HEAVY!r}) & {{m.partition('.')[0] for m in sys.modules}}))"
        assert python(code) == ""

    def test_starts_no_thread_opens_no_socket_and_sets_nothing(self):
        code = """
import socket, threading, os, torch
def refuse(*args, **options): raise AssertionError("network at import")
socket.socket.connect = refuse; socket.getaddrinfo = refuse
before = (torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(), dict(os.environ), threading.active_count())
import visionops, visionops.augment, visionops.geometry
after = (torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(), dict(os.environ), threading.active_count())
print(before == after)
"""
        assert python(code) == "True"

    def test_running_a_pipeline_loads_nothing_heavy_either(self):
        code = f"""
import sys, numpy, visionops as vo, visionops.augment as va
vo.Pipeline(va.RandomResizedCrop(8), va.ColorJitter(.4, .4, .4, .1), va.Normalize(.5, .5))(numpy.zeros((9, 9, 3), 'u1'))
print(*sorted(set({HEAVY!r}) & {{m.partition('.')[0] for m in sys.modules}}))
"""
        assert python(code) == ""

    @pytest.mark.parametrize("module", ["visionops", "visionops.augment", "visionops.geometry", "visionops.filters", "visionops.kernels", "visionops.io", "visionops.plot"])
    def test_public_names_are_what_all_says(self, module):
        code = f"import {module} as m; assert len(set(m.__all__)) == len(m.__all__); print(all(hasattr(m, n) for n in m.__all__))"
        assert python(code) == "True"
        assert list(importlib.import_module(module).__all__) == sorted(importlib.import_module(module).__all__)

    def test_the_import_of_the_readme_works_alone(self):
        assert python("import visionops as vo, visionops.augment as va; print(vo.Pipeline.__name__, va.Rotate.__name__)") == "Pipeline Rotate"

    def test_a_pipeline_is_read_without_importing_the_steps(self):
        assert python("import visionops as vo; print(len(vo.Pipeline.from_yaml('steps: [Rotate]').steps))") == "1"

    def test_is_typed(self):
        assert (Path(visionops.__file__).parent / "py.typed").exists()


class TestKernels:
    def test_are_active_where_they_were_built(self):
        if importlib.util.find_spec("visionops._native") is None:
            assert not native.active() and "missing" in native.why_not
            pytest.skip("a build without a compiler")
        assert python("from visionops.kernels import native; print(native.active(), native.why_not)", VISIONOPS_KERNELS="on") == "True"

    @pytest.mark.parametrize("value", ["off", "0", "false", "OFF"])
    def test_are_off_when_the_environment_says_so(self, value):
        out = python("from visionops.kernels import native; print(native.active(), native.why_not)", VISIONOPS_KERNELS=value)
        assert out == "False VISIONOPS_KERNELS is off"

    def test_a_misspelt_switch_is_not_silently_on(self):
        """Kernels that stay on while a user believes them off would hide the difference looked for."""
        out = python("from visionops.kernels import native; print(native.active())", VISIONOPS_KERNELS="no")
        assert out == "False"
