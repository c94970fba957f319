"""The GPU's benchmark: its code runs on the CPU, at sizes that measure nothing; without a GPU it says that it did not run."""

from dataclasses import asdict

import pytest
import torch

from visionops.bench import Report, gpu, machine
from visionops.cli import main


@pytest.fixture(scope="module")
def small():
    return gpu.run(device="cpu", batch=1, source=40, seconds=0.001, rounds=1, compiler=lambda pipe: pipe, copied=2**16)


class TestGpu:
    def test_every_side_in_both_forms(self, small, tmp_path):
        sides = 2 + (2 if machine.installed("kornia") else 1)
        (table,) = small.tables
        assert len(table.rows) == sides * len(gpu.PIPELINES)
        assert all(len(row) == len(table.columns) for row in table.rows)
        for found in small.results["pipelines"].values():
            for forms in found["sides"].values():
                assert set(forms) == set(gpu.FORMS)
                assert all(len(one["images_per_second"]) == 1 for one in forms.values())
        small.save(tmp_path / "gpu.json")
        assert asdict(Report.load(tmp_path / "gpu.json")) == asdict(small)

    def test_share_of_the_bound(self):
        assert gpu.least_bytes(512) == (3 * 512**2 + 12 * 224**2, 24 * 512**2 + 24 * 224**2)
        forms = {form: {"images_per_second": [50.0]} for form in gpu.FORMS}
        found = {"bytes_per_image": dict.fromkeys(gpu.FORMS, 10), "bytes_per_second_of_a_copy": 2000.0,
                 "pipelines": {"crop": {"sides": {"a": forms}, "missing": {"b": "why"}}}}  # fmt: skip
        rows = gpu._rows("crop", found)
        assert rows[0][3] == "25.0% (25.0-25.0)"
        assert rows[1][:3] == ["", "b", "why"]

    def test_a_side_that_cannot_be_compiled_is_told(self, monkeypatch):
        pytest.importorskip("kornia")
        real = gpu._both

        def fail(name, run, images):
            if "compiled" in name:
                raise RuntimeError("no")
            return real(name, run, images)

        monkeypatch.setattr(gpu, "_both", fail)
        images = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
        (why,) = gpu.make_sides("crop", images, lambda pipe: pipe)[1].values()
        assert why == "fails: RuntimeError"

    def test_without_kornia(self, monkeypatch):
        monkeypatch.setattr(gpu, "installed", lambda name: False)
        images = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
        sides, missing = gpu.make_sides("crop", images, lambda pipe: pipe)
        assert len(sides) == 4 and missing == {"Kornia": machine.NOT_INSTALLED}

    def test_says_that_it_was_not_run(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert main(["bench", "gpu", "--json", str(tmp_path / "gpu.json")]) == 0
        out = capsys.readouterr().out
        assert out.startswith("visionops bench gpu: not run, no figures: torch ") and out.count("\n") == 1
        assert not (tmp_path / "gpu.json").exists()
