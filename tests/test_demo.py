"""The demo's page: self-contained, well formed, what it shows is what ran, and it says what is missing or lost."""

import base64
import io
import re
import textwrap
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

import visionops as vo
from visionops import augment as va
from visionops import demo
from visionops.demo import charts, disparity, labels, page, pipelines, speed, textures

pytest.importorskip("skimage")

SECTIONS = ["classification", "boxes", "masks", "keypoints", "mixing", "inverse", "stereo", "sharpness", "speed",
            "gradients", "textures", "disparity"]  # fmt: skip
BUILDERS = [pipelines.everything, pipelines.classification, pipelines.detection, pipelines.segmentation, pipelines.pose,
            pipelines.cutmix, pipelines.many_views, pipelines.stereo_pair, pipelines.textures]  # fmt: skip
VOID = {"meta", "link", "img", "br", "input", "rect", "path", "polyline"}


class Page(HTMLParser):
    """Collects elements, and refuses tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def shortly(monkeypatch):
    monkeypatch.setattr(speed, "PIPELINES", {"crop": "crop, flip, normalise"})
    monkeypatch.setattr(speed, "ROUNDS", 2)
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    monkeypatch.setattr(textures, "SEEDS", (0,))
    monkeypatch.setattr(textures, "EPOCHS", 1)
    monkeypatch.setattr(textures, "TRAINED", 60)
    monkeypatch.setattr(textures, "TESTED", 10)
    monkeypatch.setattr(disparity, "LEVELS", ((16, 3), (8, 2)))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    threads = torch.get_num_threads()
    target = tmp_path_factory.mktemp("demo") / "new" / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        shortly(patch)
        demo.main(target)
    assert torch.get_num_threads() == threads
    return target.read_text(encoding="utf-8")


class TestMain:
    def test_the_page_loads_nothing(self, written):
        parsed = Page(written)
        assert len(written) < 8 * 2**20
        assert parsed.all("script") == []
        for image in parsed.all("img"):
            assert image["alt"] and image["src"].startswith("data:image/")
        assert all(a.get("href", "").startswith("#") for a in parsed.all("a"))
        assert not re.search(r"url\(|@import|https?://", written.split("</style>")[0])
        assert "http" not in re.sub(r'data:[^"]*', "", written)

    def test_pictures_are_of_the_size_they_claim(self, written):
        images = Page(written).all("img")
        assert len(images) > 80
        for image in images:
            picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
            assert picture.size == (int(image["width"]), int(image["height"]))
            picture.load()

    def test_every_section_is_there_and_linked(self, written):
        parsed = Page(written)
        found = [s["id"] for s in parsed.all("section")]
        assert found == SECTIONS
        assert {a["href"][1:] for a in parsed.all("a")} <= set(found)

    @pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)
    def test_the_plan_of_each_pipeline_is_shown(self, written, build):
        text = re.sub("<[^>]*>", "", re.sub(r"data:[^\"]*", "", written))
        for line in build().explain().splitlines():
            assert line in unescape(text)

    def test_wide_and_narrow_light_and_dark(self, written):
        style = re.search("<style>(.*)</style>", written, re.S).group(1)
        assert "prefers-color-scheme: dark" in style and "max-width: 640px" in style
        assert style.count("{") == style.count("}")
        used, defined = set(re.findall(r"var\((--[\w-]+)", written)), set(re.findall(r"(--[\w-]+):", written))
        assert used <= defined

    def test_a_place_that_cannot_be_written_is_told_at_once(self, tmp_path, monkeypatch):
        monkeypatch.setattr(demo, "_write", lambda *_: pytest.fail("worked first"))
        with pytest.raises(IsADirectoryError):
            demo.main(tmp_path)

    def test_without_photos_it_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setattr(labels, "load_photos", lambda: ({}, False))
        with pytest.raises(ValueError, match=r"scikit-image must be installed.*visionops\[demo\]"):
            demo.main(tmp_path / "index.html")


class TestSource:
    @pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)
    def test_what_is_shown_is_what_ran(self, build):
        names = {"vo": vo, "va": va, "MEAN": pipelines.MEAN, "STD": pipelines.STD, "PATCH": pipelines.PATCH}
        exec(page.source_of(build), names)
        assert names["pipe"].to_json() == build().to_json()

    @pytest.mark.parametrize("build", BUILDERS, ids=lambda b: b.__name__)
    def test_lines_fit_beside_the_pictures(self, build):
        assert max(map(len, page.source_of(build).splitlines())) <= 50

    def test_a_function_is_shown_without_its_annotations(self):
        text = page.text_of(disparity.dissimilarity)
        assert text.startswith("def dissimilarity(ours, left):\n    ssim =") and "fmt" not in text
        for function in (disparity.shifted, disparity.dissimilarity, disparity.roughness):
            assert max(map(len, page.text_of(function).splitlines())) <= 50
        names = {"losses": disparity.losses}
        exec(text, names)
        one, other = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
        assert names["dissimilarity"](one, other) == disparity.dissimilarity(one, other)

    def test_colours_change_no_character(self):
        source = textwrap.dedent("""\
            pipe = f(a=1.5, b="<&>")  # why

            for x in y:
                pass""")
        html = page.code(source)
        assert unescape(re.sub("<[^>]*>", "", html)) == source
        kinds = {"n": "1.5", "s": "&quot;&lt;&amp;&gt;&quot;", "c": "# why", "f": "f", "a": "a", "k": "for"}
        for kind, text in kinds.items():
            assert f'<span class="{kind}">{text}</span>' in html


class TestLabels:
    def test_boxes_and_points_lie_on_their_photos(self):
        photos = labels.photos()
        for name, boxes in labels.BOXES.items():
            h, w = photos[name].shape[:2]
            assert all(0 <= x0 < x1 <= w and 0 <= y0 < y1 <= h for x0, y0, x1, y1 in boxes.values())
        for name, points in labels.POINTS.items():
            h, w = photos[name].shape[:2]
            assert all(0 <= x < w and 0 <= y < h for x, y in points.values())

    def test_masks_hold_every_class(self):
        photos = labels.photos()
        for mask, classes in ((labels.coffee_mask(photos["coffee"]), labels.COFFEE),
                              (labels.retina_mask(photos["retina"]), labels.RETINA)):  # fmt: skip
            assert mask.dtype == np.uint8
            assert np.unique(mask).tolist() == list(range(len(classes)))

    def test_the_cup_is_where_the_photo_is_white(self):
        photo = labels.photos()["coffee"]
        white = (photo.min(2) > 170) & (np.indices(photo.shape[:2])[0] < 200) & (np.indices(photo.shape[:2])[1] < 400)
        mask = labels.coffee_mask(photo)
        assert (mask[white] == 2).mean() > 0.97

    def test_disparity_is_measured_in_pixels_of_the_left_photo(self):
        left, right, disparity = labels.stereo()
        rows, columns = np.indices(disparity.shape)
        known = np.isfinite(disparity) & (columns - disparity >= 0)
        there = np.rint(columns - np.where(known, disparity, 0)).astype(int).clip(0)
        moved = np.abs(left.astype(float) - right[rows, there])[known].mean()
        assert moved < 0.5 * np.abs(left.astype(float) - right)[known].mean()


class TestSpeed:
    def test_peers_that_are_missing_are_told(self, monkeypatch):
        shortly(monkeypatch)
        monkeypatch.setattr(speed, "installed", lambda module: False)
        text, rates = speed.speed({"noise": np.zeros((64, 64, 3), np.uint8)})
        assert "Albumentations and Kornia not measured: not installed" in text
        assert list(rates["crop"]) == ["visionops", "visionops, antialias"]

    def test_losses_are_told(self):
        text = speed._verdict({"crop": {"visionops": [10.0, 20.0], "Peer 1": [20.0, 40.0]}})
        assert "0.50×" in text and "slower with crop, flip, normalise" in text
        assert "ours 0.50×" in speed._chart("crop", {"visionops": [10.0], "Kornia 1": [20.0]})

    def test_peers_and_ours_give_the_same_kind_of_batch(self, monkeypatch):
        photos = [np.zeros((64, 80, 3), np.uint8), np.zeros((70, 60, 3), np.uint8)]
        for name, make in speed._makers("crop", photos).items():
            assert speed._side(name, make(speed.BATCH)).run() == speed.BATCH


class TestTextures:
    def test_what_trains_and_what_tests_do_not_overlap(self, monkeypatch):
        rows = np.repeat(np.arange(512.0)[:, None], 512, 1) / 512
        monkeypatch.setattr(labels, "textures", lambda: {"a": rows, "b": rows, "c": rows})
        monkeypatch.setattr(textures, "LIGHT", (1.0, 1.0))
        sets = textures.patches(0, 30, 30)
        assert sets.train.shape == (90, 1, 96, 96) and sets.moved.shape == sets.upright.shape == (90, 1, 48, 48)
        assert sets.train.max() * 512 < 320 and min(sets.moved.min(), sets.upright.min()) * 512 > 320 - 1e-3
        # Half the turns exceed 90 degrees, and then the rows run upwards.
        upwards = (sets.moved[:, 0, -1].mean(-1) < sets.moved[:, 0, 0].mean(-1)).float().mean()
        assert 0.25 < upwards < 0.75

    def test_the_pipeline_is_what_helps(self, monkeypatch):
        monkeypatch.setattr(textures, "BATCH", 30)
        sets = textures.patches(0, 60, 60)
        with demo._one_thread():
            networks = {augmented: textures.trained(sets, 0, augmented, 15) for augmented in (False, True)}
        without, with_it = (textures.score(network, sets.moved, sets.test_class) for network in networks.values())
        assert textures.score(networks[False], sets.upright, sets.test_class) > 0.85
        assert with_it > 0.7 and with_it > without + 0.15


class TestDisparity:
    def test_a_known_shift_is_found_and_the_loss_falls(self):
        photo, seen = labels.photos()["coffee"][100:196, 100:260], []
        levels = ((8, 30), (4, 20))
        with demo._one_thread():
            found = disparity.recover(photo[:, :128], photo[:, 8:136], levels, 2.0, lambda _, loss: seen.append(loss))
        inner = found[3:-3, 4:-3]
        assert found.shape == (24, 32) and (inner - 8).abs().median() < 0.5 and (inner - 8).abs().mean() < 1
        assert len(seen) == 50 and seen[29] < 0.3 * seen[0] and seen[-1] < 0.3 * seen[0]

    def test_the_right_photo_is_pulled_over_the_left(self):
        right = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(0))
        out = disparity.shifted(right, torch.full((6, 9), 2.0))
        assert torch.equal(out[..., 2:], right[..., :-2])

    def test_what_something_nearer_hides_does_not_count(self):
        far = np.full((1, 12), 2.0)
        far[0, 8:10] = 5.0  # seen on the right at 3 and 4, as are the columns 5 and 6
        far[0, 11] = np.nan
        assert disparity.visible(far)[0].tolist() == [False, False, True, True, True, False, False, True, True, True, True, False]

    def test_errors_are_of_the_whole_photo(self):
        truth = torch.full((4, 8), 3.0)
        truth[:, :4] = 9.0
        counts = torch.ones(4, 8, dtype=torch.bool)
        counts[:, :2] = False
        mean, share = disparity.errors(torch.full((2, 4), 4.0), truth, counts)
        assert mean == pytest.approx((2 * 5 + 4 * 1) / 6) and share == pytest.approx(1 / 3)


class TestCharts:
    def test_bars_are_as_long_as_their_numbers(self):
        svg = charts.bars("t", [("a", "us", 50.0, 40.0, 60.0, ""), ("b", "peer", 25.0, 20.0, 30.0, "2x")], unit="/s")
        lengths = [float(w) for w in re.findall(r'width="([\d.]+)" height="12" rx="3" class="(?:us|peer)"', svg)]
        assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.11)
        assert "25 /s · 2x" in svg

    def test_a_curve_spans_its_axis(self):
        svg = charts.curve("t", [("us", [1.0, 10.0, 100.0])], log=True)
        points = [tuple(map(float, p.split(","))) for p in re.search('points="([^"]*)"', svg).group(1).split()]
        (x0, y0), (x1, y1), (x2, y2) = points
        assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11) and y0 - y1 == pytest.approx(y1 - y2, abs=0.11)

    def test_shares_leave_out_nothing_that_counts(self):
        html = charts.shares(["a", "b", "c"], [0.25, 0.75, 0.0], [(0, 0, 0)] * 3)
        assert re.findall(r"(\w) <b>(\d+)%", html) == [("b", "75"), ("a", "25")]
