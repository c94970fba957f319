"""The command line, called as the console script calls it."""

import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from visionops.bench import machine
from visionops.cli import main, preview
from visionops.io import read_image, write_image
from visionops.kernels import native

IDENTITY = "steps:\n  - Normalize: {mean: [0.4, 0.5, 0.6], std: 0.25}\n"


def fresh_python(*arguments):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, check=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a photo and a pipeline, which it works in."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:48, :64]
    write_image("photo.png", np.stack([4 * x, 5 * y, 255 - 4 * x], -1).astype(np.uint8))
    (tmp_path / "pipe.yaml").write_text(IDENTITY)
    return tmp_path


class TestMain:
    def test_help_of_every_command(self, capsys):
        for command in ([], ["info"], ["preview"], ["bench"], ["bench", "loader"], ["bench", "all"], ["demo"]):
            with pytest.raises(SystemExit) as left:
                main([*command, "--help"])
            assert left.value.code == 0
            assert "usage: visionops" in capsys.readouterr().out

    def test_imports_nothing_that_it_does_not_need(self):
        loaded = "; print([m for m in ('rich', 'PIL', 'yaml', 'visionops.augment') if m in sys.modules])"
        with_cli, without = (fresh_python("-c", f"import sys, {m}{loaded}") for m in ("visionops.cli", "torch"))
        assert with_cli.returncode == 0
        assert with_cli.stdout == without.stdout

    def test_as_a_program(self, tmp_path):
        done = fresh_python("-m", "visionops.cli", "preview", "none.yaml", "none.png", "-o", str(tmp_path / "a.png"))
        assert done.returncode == 2
        assert done.stderr == "visionops preview: none.yaml: No such file or directory\n"


class TestInfo:
    def test_text(self, capsys):
        assert main(["info"]) == 0
        out = capsys.readouterr().out
        assert all(word in out for word in ("visionops", "torch", "kernels", "albumentations", "threads"))

    def test_json(self, capsys):
        assert main(["info", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["kernels"]["active"] == native.active()
        assert set(found["peers"]) == {names[0] for names in machine.PEERS.values()}

    def test_says_why_no_kernel_runs(self, monkeypatch, capsys):
        monkeypatch.setattr(native, "_enabled", False)
        monkeypatch.setattr(native, "why_not", "VISIONOPS_KERNELS is off")
        assert main(["info"]) == 0
        assert "because VISIONOPS_KERNELS is off" in capsys.readouterr().out

    def test_without_the_compiled_module(self, monkeypatch, capsys):
        monkeypatch.setattr(native, "module", None)
        monkeypatch.setattr(native, "why_not", "the compiled module is missing")
        assert main(["info", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kernels"]["instruction_set"] is None


class TestPreview:
    def test_normalised_colours_look_as_before(self, folder, capsys):
        assert main(["preview", "pipe.yaml", "photo.png", "-o", "grid.png", "--samples", "2", "--cell", "64"]) == 0
        assert "wrote grid.png" in capsys.readouterr().out
        page, photo = read_image("grid.png").astype(int), read_image("photo.png").astype(int)
        h, w = photo.shape[:2]
        rows = np.lib.stride_tricks.sliding_window_view(page, (h, w, 3))[:, :, 0]
        far = np.abs(rows[:, :, ::8, ::8] - photo[::8, ::8]).max((2, 3, 4))
        assert (far <= 1).sum() == 3

    def test_two_normalisations_are_both_undone(self, folder):
        (folder / "pipe.yaml").write_text(IDENTITY + "  - Normalize: {mean: 0.5, std: [1, 2, 4]}\n")
        pipe = preview.read_pipeline(folder / "pipe.yaml")
        mean, std = preview.shown_as(pipe)
        photo = read_image("photo.png")
        back = pipe(photo).permute(1, 2, 0).numpy() * std + mean
        np.testing.assert_allclose(back, photo / 255, atol=1e-5)

    def test_labels_beside_the_photo(self, folder):
        (folder / "photo.json").write_text('{"boxes": [[8, 8, 30, 40]], "box_labels": ["a"], "keypoints": [[50, 20]]}')
        write_image("photo.mask.png", np.kron([[0, 1], [2, 255]], np.ones((24, 32))).astype(np.uint8))
        sample = preview.read_sample(folder / "photo.png", labels=True)
        assert set(sample) == {"image", "mask", "boxes", "box_labels", "keypoints"}
        command = ["preview", "pipe.yaml", "photo.png", "-o"]
        assert main([*command, "with.png"]) == 0
        assert main([*command, "without.png", "--no-labels"]) == 0
        changed = (read_image("with.png") != read_image("without.png")).any(-1)
        assert changed.mean() > 0.2

    def test_draws_follow_seed_and_index(self, folder):
        (folder / "pipe.json").write_text('{"steps": [{"Rotate": {"degrees": [-90, 90]}}]}')
        options = {"a": [], "b": ["--seed", "0"], "c": ["--seed", "1"], "d": ["--index", "1"]}
        for name, more in options.items():
            assert main(["preview", "pipe.json", "photo.png", "-o", f"{name}.png", *more]) == 0
        a, b, c, d = (read_image(f"{name}.png") for name in options)
        assert (a == b).all()
        assert (a != c).any()
        assert (a != d).any()

    def test_a_mix_takes_all_photos_as_a_batch(self, folder):
        (folder / "pipe.yaml").write_text("steps:\n  - Resize: {size: 32}\n  - MixUp\n")
        (folder / "photo.json").write_text('{"keypoints": [[50, 20]]}')
        assert main(["preview", "pipe.yaml", "photo.png", "photo.png", "-o", "mix.png"]) == 0

    def test_boxes_in_another_format(self, folder):
        pipe_text = "box_format: cxcywh\n" + IDENTITY
        (folder / "pipe.yaml").write_text(pipe_text)
        (folder / "photo.json").write_text('{"boxes": [[32, 24, 20, 10]]}')
        sample = preview.read_sample(folder / "photo.png", labels=True)
        shown = preview._for_grid(preview.read_pipeline(folder / "pipe.yaml"), sample)
        assert shown["boxes"].tolist() == [[22, 19, 42, 29]]

    @pytest.mark.parametrize(
        ("pipeline", "image", "output", "says"),
        [
            ("none.yaml", "photo.png", "o.png", "none.yaml: No such file"),
            ("pipe.txt", "photo.png", "o.png", "PIPELINE must be a .yaml, .yml or .json file, got 'pipe.txt'"),
            ("typo.yaml", "photo.png", "o.png", "typo.yaml: Pipeline: step 'Resise' is unknown. Did you mean 'Resize'"),
            ("broken.yaml", "photo.png", "o.png", "broken.yaml: Pipeline.from_yaml: text must be YAML"),
            ("broken.json", "photo.png", "o.png", "broken.json: Pipeline.from_json: text must be JSON"),
            ("pipe.yaml", "none.png", "o.png", "read_image: source must be a file that exists, got 'none.png'"),
            ("pipe.yaml", "pipe.yaml", "o.png", "read_image: source must be an image that Pillow knows"),
            ("pipe.yaml", "photo.png", "o.gif", "write_image: path must be a file name in .bmp"),
            ("pipe.yaml", "photo.png", "no/o.png", "write_image: path must be in a folder that exists"),
        ],
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, folder, capsys, pipeline, image, output, says):
        (folder / "typo.yaml").write_text("steps: [{Resise: {size: 4}}]")
        (folder / "broken.yaml").write_text("steps: [{")
        (folder / "broken.json").write_text("{")
        assert main(["preview", pipeline, image, "-o", output]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith("visionops preview: ")
        assert says in error

    @pytest.mark.parametrize(
        ("labels", "says"),
        [
            ("{", "photo.json must be JSON"),
            ('{"bboxes": []}', "must hold a mapping with the keys boxes, box_labels, keypoints, got ['bboxes']"),
            ('{"box_labels": ["a"]}', "box_labels must be one for each of 0 boxes, got 1"),
            ('{"boxes": [[9, 0, 3, 4]]}', "boxes must be ordered, x2 >= x1"),
        ],
    )
    def test_bad_labels_name_their_file(self, folder, capsys, labels, says):
        (folder / "photo.json").write_text(labels)
        assert main(["preview", "pipe.yaml", "photo.png", "-o", "o.png"]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert "preview: photo." in error

    def test_traceback_on_request(self, folder):
        with pytest.raises(FileNotFoundError, match="none"):
            main(["--traceback", "preview", "none.yaml", "photo.png", "-o", "o.png"])


class TestBench:
    def test_fusing_prints_and_keeps(self, tmp_path, capsys):
        pytest.importorskip("cv2")
        assert main(["bench", "fusing", "--draws", "1", "--json", str(tmp_path / "f.json")]) == 0
        assert "Rasterize after each" in capsys.readouterr().out
        assert json.loads((tmp_path / "f.json").read_text())["name"] == "fusing"

    def test_all_writes_a_file_each(self, tmp_path, monkeypatch):
        from visionops.bench import Report, decode, fusing, importing, loader

        for module in (decode, fusing, importing, loader):
            monkeypatch.setattr(module, "run", lambda **_: Report("", machine.environment(), [], {}))
        assert main(["bench", "all", "--json", str(tmp_path)]) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == ["decode.json", "fusing.json", "import.json", "loader.json"]

    @pytest.mark.parametrize("seconds", ["0", "-1", "x"])
    def test_seconds_must_be_above_0(self, seconds, capsys):
        with pytest.raises(SystemExit) as left:
            main(["bench", "loader", "--seconds", seconds])
        assert left.value.code == 2
        assert "--seconds" in capsys.readouterr().err


class TestDemo:
    def test_hands_the_place_on(self, monkeypatch):
        seen = []
        fake = types.SimpleNamespace(main=lambda output: seen.append(output))
        monkeypatch.setitem(sys.modules, "visionops.demo", fake)
        assert main(["demo", "-o", "page.html"]) == 0
        assert main(["demo"]) == 0
        assert seen == ["page.html", "demo/index.html"]
