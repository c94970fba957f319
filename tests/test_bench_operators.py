"""Every line of the operators' benchmark agrees with its peers; the report keeps what was measured, and says losses."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from visionops.bench import Report, machine, operators
from visionops.bench.operators import compare, curves, gpu, memory, picture, tables
from visionops.bench.operators.line import Line, Peer, kornia, opencv
from visionops.bench.operators.lines import LINES, choose
from visionops.cli import main
from visionops.kernels import native

SIZE = (72, 88)  # more than the largest window, not square


@pytest.fixture(scope="module")
def levels():
    return compare.photos(2, SIZE)


@pytest.fixture(scope="module")
def small():
    threads = torch.get_num_threads()
    report = operators.run(
        only=["box_blur 5x5", "hflip", "sobel"], batch=1, size=SIZE, rounds=2, seconds=0.0, device="cpu",
        gpu_batch=1, gpu_size=(16, 16), compiler=lambda call: call,
    )  # fmt: skip
    assert torch.get_num_threads() == threads
    return report


class TestLines:
    @pytest.mark.filterwarnings("ignore")  # of a peer's own code
    @pytest.mark.parametrize("form", compare.FORMS)
    @pytest.mark.parametrize("name", LINES)
    def test_agrees_with_its_peers(self, name, form, levels):
        line, peers = LINES[name], compare.libraries()
        works = compare.works_of(line, levels, form, peers)
        if not works:
            pytest.skip("no peer does this")
        ours = works[compare.OURS][0]()
        assert torch.isfinite(ours.double()).all()
        for peer_name, (work, peer) in works.items():
            if peer is None:
                continue
            near = peer.levels if form == "uint8" else peer.near
            apart = compare.difference(line, peer, form, ours, work())
            assert apart <= near, f"{peer_name}: {apart:g} apart, at most {near:g} allowed"

    def test_every_line_has_a_peer(self):
        assert all(line.opencv or line.kornia for line in LINES.values())

    def test_choice_by_operator_or_line(self):
        assert [line.name for line in choose(["median_blur 3x3", "hflip"])] == ["median_blur 3x3", "hflip"]
        assert {line.operator for line in choose(["box_blur"])} == {"box_blur"}
        with pytest.raises(ValueError, match=r"--only must be names of .*median_blur.*, got medain"):
            choose(["medain"])


class TestDifference:
    def test_sees_one_wrong_pixel(self):
        line, x = Line("a", lambda x: x, opencv(lambda cv, a: a)), torch.zeros(1, 3, 6, 7)
        theirs = np.zeros((6, 7, 3), np.float32)
        theirs[4, 5, 2] = 0.5
        assert compare.difference(line, Peer(max), "float32", x, [theirs]) == 0.5
        assert compare.difference(line, Peer(max, margin=2), "float32", x, [theirs]) == 0

    def test_hue_is_compared_on_the_circle(self):
        ours, theirs = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
        theirs[0, 0, 0, 1] = 0.75
        assert compare.difference(Line("a", max, turn=True), Peer(max), "float32", ours, theirs) == 0.25
        assert compare.difference(Line("a", max), Peer(max), "float32", ours, theirs) == 0.75

    def test_images_become_a_batch_again(self):
        for channels in (1, 3):
            x = torch.rand(2, channels, 4, 5, generator=torch.Generator().manual_seed(0))
            back = compare.batch_of(compare.images_of(x)).reshape(x.shape)
            assert torch.equal(back, x)


class TestCompare:
    def test_ratios_are_formed_within_a_round(self, levels):
        line = Line("a", lambda x: 2 * x, opencv(lambda cv, a: a + a))
        found = compare.side_by_side(line, levels, "float32", {"OpenCV": None}, rounds=3, seconds=0.0)
        mine, peer = found[compare.OURS], found["OpenCV"]
        assert peer["difference"] == 0 and len(peer["ratio"]) == 3
        assert peer["ratio"] == [b / a for a, b in zip(mine["milliseconds"], peer["milliseconds"], strict=True)]

    def test_what_raises_is_told(self, levels):
        def fail(*_):
            raise RuntimeError("no")

        theirs = Line("a", lambda x: x, opencv(fail), kornia(lambda k, x: x))
        found = compare.side_by_side(theirs, levels, "float32", {"OpenCV": None, "Kornia": None}, rounds=1, seconds=0.0)
        assert found["OpenCV"] == {"fails": "RuntimeError: no"} and "ratio" in found["Kornia"]
        ours = Line("a", fail, opencv(lambda cv, a: a))
        found = compare.side_by_side(ours, levels, "float32", {"OpenCV": None}, rounds=1, seconds=0.0)
        assert found == {compare.OURS: {"fails": "RuntimeError: no"}}

    def test_backward_reaches_the_image(self, levels):
        line = Line("a", lambda x: x.detach(), kornia=kornia(lambda k, x: x * 1))
        found = compare.side_by_side(line, levels, "backward", {"Kornia": None}, rounds=1, seconds=0.0)
        assert found[compare.OURS]["fails"].startswith("RuntimeError")


class TestRun:
    def test_every_line_and_side_is_kept(self, small, tmp_path):
        found = small.results["lines"]
        assert list(found) == ["box_blur 5x5", "sobel", "hflip"]
        sides = {name for name, module in (("OpenCV", "cv2"), ("Kornia", "kornia")) if machine.installed(module)}
        assert set(found["box_blur 5x5"]["float32"]) == {compare.OURS, *sides}
        assert all(len(row) == len(table.columns) for table in small.tables for row in table.rows)
        small.save(tmp_path / "operators.json")
        assert asdict(Report.load(tmp_path / "operators.json")) == asdict(small)

    def test_memory_of_both_sides(self):
        if not memory.CLEAR.exists() or not machine.installed("kornia"):
            pytest.skip("needs /proc and Kornia")
        image = 4 * 3 * 512 * 512  # large, so that the allocator's own pages do not count
        found = memory.measure(["sobel"], 1, (512, 512))["sobel"]
        assert found[compare.OURS]["kept_bytes"] >= image or not native.active()
        assert found["Kornia"]["kept_bytes"] > image
        assert all(one["peak_bytes"] > image for one in found.values())

    def test_gpu_section_runs_on_the_cpu(self, small):
        found = small.results["gpu"]["lines"]["hflip"]
        assert found[compare.OURS]["of_bandwidth"][0] > 0
        assert not machine.installed("kornia") or set(found) == {compare.OURS, "Kornia", gpu.COMPILED}

    def test_missing_peers_are_left_out_and_told(self, monkeypatch):
        monkeypatch.setattr(compare, "installed", lambda name: False)
        monkeypatch.setattr(operators, "installed", lambda name: False)
        report = operators.run(only=["hflip"], batch=1, size=(8, 8), rounds=1, seconds=0.0, quick=True)
        assert report.tables[1].columns == ["operator", "ms"] and report.tables[1].rows == []
        assert [note.split(" ")[0] for note in report.tables[0].notes if machine.NOT_INSTALLED in note] == ["OpenCV", "Kornia"]

    def test_without_a_gpu_it_says_so(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        path = tmp_path / "operators.json"
        assert main(["bench", "operators", "--quick", "--only", "hflip,vflip", "--json", str(path)]) == 0
        out = capsys.readouterr().out
        assert "not run, no figures: torch" in out and f"wrote {path}" in out
        assert list(Report.load(path).results["lines"]) == ["hflip", "vflip"]

    def test_an_unknown_name_is_refused(self, capsys):
        assert main(["bench", "operators", "--only", "nothing"]) == 2
        assert "--only must be names of" in capsys.readouterr().err


class TestTables:
    def test_losses_come_first_and_aims_are_judged(self):
        def side(ratio):
            return {"milliseconds": [1.0], "ratio": [ratio], "difference": 0.0, "near": 0.0}

        def forms(opencv, kornia):
            mine = {compare.OURS: {"milliseconds": [1.0]}}
            return {"float32": mine | {"OpenCV": side(opencv)}, "uint8": {}, "backward": mine | {"Kornia": side(kornia)}}

        lines = {"fast": forms(8.0, 4.0), "slow": forms(0.4, 9.0), "slower": forms(0.3, 9.0)}
        shown = tables.all_of({"lines": lines, "batch": [1], "quick": False, "memory": {}})
        assert [row[0] for row in shown[0].rows] == ["slower", "slow"]
        mean = (8 * 0.4 * 0.3) ** (1 / 3)
        assert f"{mean:.2f}x OpenCV" in shown[0].notes[0] and shown[0].notes[0].endswith("MISSED")
        assert shown[0].notes[1].endswith("met")
        assert shown[1].rows[-1][:3] == ["geometric mean", "", f"{mean:.2f} of 3"]

    def test_a_difference_above_the_lines_is_marked(self):
        one = {"ratio": [2.0], "difference": 0.5, "near": 0.1}
        assert tables._beside(one) == ["2.00 (2.00-2.00)", "5.0e-01!"]
        assert tables._beside(one | {"near": 0.5})[1] == "5.0e-01"

    def test_geometric_mean(self):
        assert math.isclose(tables.geometric_mean([2.0, 8.0]), 4.0)


class TestCurves:
    def test_every_curve_runs_and_is_drawn(self, levels):
        found = curves.measure(levels[:1], compare.libraries().get("OpenCV"), sizes=(3, 5), rounds=1, seconds=0.0,
                               advance=lambda: None)  # fmt: skip
        assert set(found) == set(curves.CURVES)
        assert all(set(sides[compare.OURS]) == {"3", "5"} for sides in found.values()), found
        table = curves.table(found, [1])
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert picture.draw(found, "t").count("<polyline") == len(table.rows)

    def test_the_picture_is_a_plot_of_the_numbers(self):
        found = {"box": {compare.OURS: {"10": {"median": 1.0}, "100": {"median": 10.0}, "fails": "E"}}}
        drawn = picture.draw(found, "a < b")
        assert 'points="70.0,430.0 640.0,40.0"' in drawn and "a &lt; b" in drawn
        assert "<polyline" not in picture.draw({}, "t")
