"""The benchmarks run, compare like with like, and keep what they measured; no test depends on how fast it is."""

import os
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch

from visionops.bench import (
    Report,
    Table,
    accuracy,
    compiled,
    decode,
    fusing,
    importing,
    loader,
    machine,
    reduced,
    rounds,
    sides,
    training,
)
from visionops.bench.photos import PHOTOS, load_photos
from visionops.bench.report import cell, spread
from visionops.kernels import native


def without(monkeypatch, *modules):
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(scope="module")
def small():
    threads, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    report = loader.run(photos=1, seconds=0.01, rounds=2, batch=2)
    assert (torch.get_num_threads(), os.sched_getaffinity(0)) == (threads, cores)
    return report


class TestLoader:
    def test_every_side_of_every_pipeline_is_in_the_table(self, small):
        speed, exact = small.tables
        # visionops twice, two peers, there or not, and Albumentations a second time if it is.
        sides_each = 2 + 2 + sides.installed("albumentations")
        assert len(speed.rows) == sides_each * len(sides.PIPELINES)
        assert [r[0] for r in speed.rows if r[0]] == list(sides.PIPELINES.values())
        assert len(exact.rows) == 2 * len(accuracy.MOTIONS)
        assert all(len(row) == len(table.columns) for table in small.tables for row in table.rows)

    def test_raw_rounds_are_kept(self, small):
        for found in small.results["pipelines"].values():
            for forms in found["sides"].values():
                for one in forms.values():
                    assert len(one["images_per_second"]) == 2
                    assert min(one["images_per_second"]) > 0

    def test_one_thread_is_reported(self, small):
        assert small.environment["threads"] == 1
        assert small.environment["cores"] == 1

    def test_json_round_trip(self, small, tmp_path):
        small.save(tmp_path / "new" / "loader.json")
        assert asdict(Report.load(tmp_path / "new" / "loader.json")) == asdict(small)

    def test_is_exact(self, small):
        for name in accuracy.MOTIONS:
            found = small.results["accuracy"][name]
            assert found["mask_wrong"] == 0
            assert found["inside"] > 0.3
            for against in ("float64", "opencv"):
                if found[against] is not None:
                    assert found[against]["largest"] <= accuracy.LIMIT

    def test_without_peers_the_rest_still_runs(self, monkeypatch):
        without(monkeypatch, "albumentations", "kornia", "cv2", "skimage")
        report = loader.run(photos=1, seconds=0.01, rounds=1, batch=1)
        text = [" ".join(row) for table in report.tables for row in table.rows]
        assert sum(machine.NOT_INSTALLED in row for row in text) == 2 * len(sides.PIPELINES) + len(accuracy.MOTIONS)
        assert not report.results["real_photos"]
        assert set(report.environment["peers"].values()) == {None}

    def test_a_ratio_under_the_floor_is_called_missed(self):
        found = {"floor": 2.0, "aim": 4.0}
        forms = lambda r: {"single": {"times_albumentations": [r]}, "batch": {"times_albumentations": [9]}}  # noqa: E731
        said = [loader._verdict(found, forms(r)).removeprefix("2x / 4x: alone ") for r in (1.9, 2.0, 4.0)]
        assert said == ["MISSED, batch aim met", "floor met, batch aim met", "aim met, batch aim met"]
        assert loader._verdict(found, {"batch": {}}) == "2x / 4x: batch not compared"


class TestCompiled:
    def test_both_sides_are_measured_and_equal(self):
        threads = torch.get_num_threads()
        report = compiled.run(seconds=0.01, rounds=2, batch=1, size=(24, 20), which=("jitter",), backend="aot_eager")
        assert torch.get_num_threads() == threads
        (table,) = report.tables
        assert [row[1] for row in table.rows] == list(compiled.WORK)
        assert all(len(row) == len(table.columns) for row in table.rows)
        for work in compiled.WORK:
            found = report.results["pipelines"]["jitter"][work]
            assert all(len(found[side]["images_per_second"]) == 2 for side in ("eager", "compiled"))
            assert found["recompiled"] == 0
            assert found["image_differs"] < 1e-4
        assert found["gradient_differs"] < 1e-4


class TestSides:
    @pytest.mark.parametrize("which", sides.PIPELINES)
    def test_all_do_the_same_work(self, which):
        pytest.importorskip("albumentations")
        photo = load_photos(1)[0]["astronaut"]
        ours, theirs = sides.visionops_pipeline(which, antialias=False), sides.albumentations_pipeline(which)
        torch.manual_seed(0)
        images = [[f(image=photo)["image"] for _ in range(60)] for f in (ours, theirs)]
        for one in images:
            assert all(i.shape == (3, 224, 224) and i.dtype == torch.float32 for i in one)
        mine, other = (torch.stack(one) for one in images)
        if which != "full":  # the fill of a perspective darkens one side only
            assert abs(mine.mean() - other.mean()) < 0.2
        assert 0.7 < mine.std() / other.std() < 1.4

    def test_work_that_is_not_the_same_is_refused(self):
        with pytest.raises(AssertionError, match="not normalised"):
            sides._check(torch.rand(3, 224, 224), sides.SIZE)
        with pytest.raises(AssertionError, match="float64"):
            sides._check(torch.randn(3, 224, 224).double(), sides.SIZE)


class TestMeasure:
    def test_sides_take_turns_and_turn_round(self):
        order = []
        each = [rounds.Side(name, "single", lambda name=name: order.append(name) or 5) for name in "abc"]
        rates = rounds.measure(each, rounds=2, seconds=0.0)
        assert "".join(order) == "abc" + "abc" + "cba"
        assert [len(r) for r in rates] == [2, 2, 2]

    def test_one_core_is_given_back_after_an_error(self):
        before = os.sched_getaffinity(0), torch.get_num_threads()
        with pytest.raises(KeyError), rounds.one_core() as core:
            assert os.sched_getaffinity(0) == {core}
            assert torch.get_num_threads() == 1
            raise KeyError
        assert (os.sched_getaffinity(0), torch.get_num_threads()) == before


class TestAccuracy:
    def test_bilinear_between_and_beyond_pixels(self):
        image = np.array([[0.0, 1.0], [2.0, 5.0]])[:, :, None]
        x, y = np.array([0.0, 0.5, 1.0, -3.0]), np.array([0.0, 0.5, 0.25, 9.0])
        assert accuracy.bilinear(image, x, y)[:, 0].tolist() == [0.0, 2.0, 2.0, 2.0]

    def test_a_wrong_mask_pixel_is_seen_and_a_tie_may_go_either_way(self):
        numbers = np.arange(12).reshape(3, 4)
        y, x = np.indices((3, 4)).astype(float)
        x[0, 0] = 0.5 - 1e-7
        for first, expected in ((0, 0), (1, 0), (2, 1)):
            numbers[0, 0] = first
            ties, differs = accuracy._compare_mask(numbers, x, y, (3, 4))
            assert (int(ties.sum()), int(differs.sum())) == (1, expected)


class TestFusing:
    def test_gain(self, tmp_path):
        pytest.importorskip("cv2")
        pytest.importorskip("skimage")
        report = fusing.run(draws=2)
        assert report.results["summary"]["gain"]["median"] >= fusing.GAIN
        assert len(report.tables[0].rows) == 3
        report.save(tmp_path / "f.json")
        assert asdict(Report.load(tmp_path / "f.json")) == asdict(report)

    def test_without_opencv(self, monkeypatch):
        without(monkeypatch, "cv2")
        assert all(machine.NOT_INSTALLED in row for row in fusing.run(draws=1).tables[0].rows)

    def test_high_energy_is_of_the_high_band(self):
        wave = lambda f: np.sin(2 * np.pi * f * np.arange(64))[None, :, None].repeat(64, 0)  # noqa: E731
        assert fusing.high_energy(wave(0.4)) > 1e4 * fusing.high_energy(wave(0.1))


class TestImporting:
    def test_every_stage_is_timed(self):
        report = importing.run(repeats=1)
        assert {k: len(v) for k, v in report.results["seconds"].items()} == {
            "torch alone": 1, "torch": 1, "visionops": 1, "augment": 1,
        }  # fmt: skip
        assert len(report.tables[0].rows) == 3


class TestReport:
    def test_quartiles(self):
        assert spread([4, 1, 2, 3, 5]) == {"median": 3, "low": 2, "high": 4}
        assert cell([4, 1, 2, 3, 5], "{:.1f}") == "3.0 (2.0-4.0)"

    def test_show_prints_every_cell_and_note(self, capsys):
        env = machine.environment()
        Report("x", env, [Table("A title", ["one", "two"], [["[b]1", "2"]], ["a note"])], {}).show()
        out = capsys.readouterr().out
        assert all(text in out for text in ("A title", "[b]1", "2", "a note", env["torch"]))


class TestPhotos:
    def test_sizes(self):
        pytest.importorskip("skimage")
        photos, real = load_photos()
        assert real
        assert {k: v.shape for k, v in photos.items()} == {k: (*size, 3) for k, (_, size) in PHOTOS.items()}
        assert all(v.dtype == np.uint8 and v.flags.c_contiguous for v in photos.values())

    def test_stand_ins_have_the_same_sizes(self, monkeypatch):
        without(monkeypatch, "skimage")
        photos, real = load_photos(2)
        assert not real
        assert [v.shape for v in photos.values()] == [(512, 512, 3), (400, 600, 3)]
        assert all(v.dtype == np.uint8 and v.std() > 20 for v in photos.values())


class TestDecode:
    @pytest.fixture
    def cases(self, monkeypatch):
        small = {
            "small": ((75, 100), False, ("crop", "full"), 1.3),
            "large": ((600, 900), True, ("crop",), None),
        }
        monkeypatch.setattr(decode, "CASES", small)

    def test_every_side_is_in_the_table(self, cases, tmp_path):
        report = decode.run(photos=1, seconds=0.01, rounds=2)
        speed, differences = report.tables
        sides_each = 2 + (2 if sides.installed("albumentations") else 1)
        assert len(speed.rows) == 3 * sides_each and len(differences.rows) == 2
        assert all(len(row) == len(table.columns) for table in report.tables for row in table.rows)
        for case in report.results["cases"].values():
            for found in case["pipelines"].values():
                assert all(len(one["images_per_second"]) == 2 for one in found["sides"].values())
        report.save(tmp_path / "decode.json")
        assert asdict(Report.load(tmp_path / "decode.json")) == asdict(report)

    def test_missing_peers_are_told(self, cases, monkeypatch):
        monkeypatch.setattr(decode, "installed", lambda module: False)
        report = decode.run(photos=1, seconds=0.01, rounds=1)
        assert any(machine.NOT_INSTALLED in row for row in report.tables[0].rows)

    def test_photos_are_of_their_size(self):
        photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        for tiled in (True, False):
            assert decode.make_photo(photo, (75, 100), tiled=tiled).shape == (75, 100, 3)
        tiles = decode.make_photo(photo, (60, 80), tiled=True)
        np.testing.assert_array_equal(tiles[:30, 40:], photo[:, ::-1])

    def test_a_reduction_by_hand_enlarges_no_crop(self):
        assert [decode.by_hand(size) for size in ((375, 500), (1536, 2048), (2000, 3000), (8000, 8000))] == [1, 1, 2, 8]

    def test_the_reference_is_opencvs_mean_over_areas(self):
        cv2 = pytest.importorskip("cv2")
        image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
        expected = cv2.resize(image[3:35, 7:51].astype(np.float32), (13, 9), interpolation=cv2.INTER_AREA)
        found = reduced.area_mean(image, (7, 3, 44, 32), (9, 13))
        np.testing.assert_allclose(found, expected, atol=1e-3)

    def test_reduced_decoding_is_near_the_whole(self):
        photo = next(iter(load_photos(1)[0].values()))
        found = reduced.compare([decode.encode(decode.make_photo(photo, (1000, 1500), tiled=False))])
        assert found["reduced"] > 0
        pairs = {pair: one["mean"] for pair, one in found["pairs"].items()}
        assert pairs["va.read, whole decode"] < 1
        assert pairs["va.read, exact"] < 2 * pairs["whole decode, exact"] < 2 * pairs["no filter, exact"]


@pytest.fixture(scope="module")
def small_training():
    threads = torch.get_num_threads()
    report = training.run(seconds=0.01, rounds=2, batch=2, size=(40, 40))
    assert torch.get_num_threads() == threads
    return report


class TestTraining:
    def test_every_side_of_every_pipeline_is_in_the_table(self, small_training):
        (table,) = small_training.tables
        assert len(table.rows) == len(training.PIPELINES) * (2 + sides.installed("kornia"))
        assert [r[0] for r in table.rows if r[0]] == list(training.PIPELINES.values())
        assert all(len(row) == len(table.columns) for row in table.rows)

    @pytest.mark.skipif(not native.active(), reason="no compiled kernel runs")
    def test_memory_is_counted(self, small_training):
        for which, found in small_training.results["pipelines"].items():
            kept = {name: one["kept_bytes"] for name, one in found.items()}
            # Moves alone keep nothing of the images; colours need the images again, which are there anyway.
            allowed = 0 if which == "move" else small_training.results["bytes"]
            assert allowed <= kept["visionops"] <= allowed + 8192
            assert kept["visionops, definitions"] > 2 * small_training.results["bytes"]

    def test_both_sides_do_the_same_to_images(self):
        """Each pipeline has the steps that its peer has."""
        pytest.importorskip("kornia")
        for which in training.PIPELINES:
            assert len(training.steps_of(which)) == len(training.kornia_of(which))

    def test_without_kornia(self, monkeypatch):
        monkeypatch.setattr(training, "installed", lambda name: name != "kornia")
        report = training.run(seconds=0.01, rounds=1, batch=2, size=(20, 20))
        assert all(row[3] == "-" for row in report.tables[0].rows)
        assert any("Kornia" in note and "not installed" in note for note in report.tables[0].notes)
