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
HEAVY = (
    "PIL",
    "yaml",
    "rich",
    "cv2",
    "scipy",
    "skimage",
    "matplotlib",
    "albumentations",
    "kornia",
    "torchvision",
    "jupytext",
)


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
    MODULES = ("visionops", "visionops.augment", "visionops.geometry", "visionops.filters", "visionops.kernels")

    def test_loads_nothing_that_only_files_tables_or_peers_need(self):
        """Neither does running a pipeline, or reading one from data: only what is asked for is imported."""
        code = f"""
import sys
def heavy(): return sorted(set({HEAVY!r}) & {{m.partition('.')[0] for m in sys.modules}})
import {", ".join(self.MODULES)}
print(heavy())
import numpy, visionops as vo, visionops.augment as va
pipe = vo.Pipeline(va.RandomResizedCrop(8), va.ColorJitter(.4, .4, .4, .1), va.Normalize(.5, .5))
pipe(numpy.zeros((9, 9, 3), 'u1'))
vo.Pipeline.from_json(pipe.to_json())
print(heavy())
"""
        assert python(code).split("\n") == ["[]", "[]"]

    def test_starts_no_thread_opens_no_socket_and_sets_nothing(self):
        code = """
import socket, threading, os, torch
def refuse(*args, **options): raise AssertionError("network at import")
socket.socket.connect = refuse; socket.getaddrinfo = refuse
def state():
    return torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed(), dict(os.environ), threading.active_count()
before = state()
import visionops, visionops.augment, visionops.geometry
print(before == state())
"""
        assert python(code) == "True"

    def test_a_pipeline_is_read_without_importing_the_steps(self):
        assert python("import visionops as vo; print(len(vo.Pipeline.from_yaml('steps: [Rotate]').steps))") == "1"

    @pytest.mark.parametrize("name", [*MODULES, "visionops.io", "visionops.plot"])
    def test_public_names_are_what_all_says(self, name):
        module = importlib.import_module(name)
        assert list(module.__all__) == sorted(set(module.__all__))
        assert all(hasattr(module, public) for public in module.__all__)

    def test_the_modules_of_the_issue_are_imported_as_written(self):
        import visionops as vo
        import visionops.augment as va

        assert vo.Pipeline(va.HorizontalFlip()).explain().startswith("warp")

    def test_is_typed(self):
        assert (Path(visionops.__file__).parent / "py.typed").exists()


class TestKernels:
    @staticmethod
    def fresh(value, monkeypatch):
        """Returns the module that looks for the kernels, loaded anew under a value of the switch."""
        if value is None:
            monkeypatch.delenv("VISIONOPS_KERNELS", raising=False)
        else:
            monkeypatch.setenv("VISIONOPS_KERNELS", value)
        spec = importlib.util.spec_from_file_location("native_again", native.__file__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @pytest.mark.parametrize("value", [None, "on", "1"])
    def test_are_active_where_they_were_built(self, value, monkeypatch):
        again = self.fresh(value, monkeypatch)
        if importlib.util.find_spec("visionops._native") is None:
            assert not again.active() and "missing" in again.why_not
            pytest.skip("a build without a compiler")
        assert again.active() and again.why_not == ""

    @pytest.mark.parametrize("value", ["off", "0", "false", "OFF", "no"])
    def test_are_off_when_the_environment_says_so(self, value, monkeypatch):
        again = self.fresh(value, monkeypatch)
        assert (not again.active() and "VISIONOPS_KERNELS" in again.why_not) or again.module is None

    def test_definitions_only_is_undone_even_by_an_error(self):
        before = native.active()
        with pytest.raises(KeyError), native.definitions_only():
            assert not native.active()
            raise KeyError
        assert native.active() == before
