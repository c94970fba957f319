"""`visionops.plot`: what is painted where, read off the pixels."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

from visionops.plot import IGNORE, PAGE, PALETTE, draw, grid

ORANGE, BLUE, GREEN = (np.array(colour) for colour in PALETTE[:3])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def grey(h=40, w=60, value=128):
    return np.full((h, w, 3), value, np.uint8)


def where(picture, colour):
    """Returns the edges (x0, y0, x1, y1) of the pixels of exactly this colour."""
    ys, xs = np.nonzero((picture == colour).all(-1))
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def changed(picture, image):
    return (picture != image).any(-1)


class TestDrawImage:
    def test_a_plain_image_is_itself_and_a_copy(self):
        image = noise(5, 7, 3)
        got = draw(image)
        np.testing.assert_array_equal(got, image)
        got[:] = 0
        assert image.any()

    def test_layouts(self):
        image = noise(5, 7, 3)
        chw = torch.from_numpy(image).permute(2, 0, 1)
        frozen = image.copy()
        frozen.setflags(write=False)
        unit = image / 255
        for same in (chw, chw / 255, (chw / 255).requires_grad_(), unit, frozen, np.asfortranarray(image)):
            np.testing.assert_array_equal(draw(same, boxes=[]), image)
        np.testing.assert_array_equal(draw(image[:, :, 0]), image[:, :, :1].repeat(3, 2))
        np.testing.assert_array_equal(draw(chw[:1]), image[:, :, :1].repeat(3, 2))
        assert draw(grey(1, 1), boxes=[[0, 0, 1, 1]], box_labels=["a"], keypoints=[[0, 0]], mask=[[1]]).shape == (
            1,
            1,
            3,
        )

    def test_alpha_is_laid_over_white(self):
        rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 51]]], np.uint8)
        assert draw(rgba).tolist() == [[[255] * 3, [10, 20, 30], [204] * 3]]

    def test_floats_clamp_near_the_unit_range_and_stretch_beyond(self):
        assert draw(np.array([[-0.04, 0.5, 0.9, 1.04]]))[0, :, 0].tolist() == [0, 128, 230, 255]
        assert draw(np.array([[-2.0, 0.0, 2.0]]))[0, :, 0].tolist() == [0, 128, 255]
        assert draw(np.array([[0.0, 51.0, 255.0]]))[0, :, 0].tolist() == [0, 51, 255]
        assert draw(np.full((1, 2), 7.0))[0, :, 0].tolist() == [0, 0]

    def test_mean_and_std_undo_a_normalisation(self):
        image = noise(6, 5, 3)
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        normalised = (image / 255 - mean) / std
        np.testing.assert_array_equal(draw(normalised, mean=mean, std=std), image)
        chw = torch.from_numpy(normalised).permute(2, 0, 1)
        shaped = torch.from_numpy(mean)[:, None, None]
        np.testing.assert_array_equal(draw(chw, mean=shaped, std=std.tolist()), image)
        np.testing.assert_array_equal(draw((image / 255 - 0.5) / 0.25, mean=0.5, std=0.25), image)

    def test_nan_shows_and_stays(self):
        image = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
        image[1, 2, 3] = torch.nan
        image[0, 0, 0] = torch.inf
        before = image.clone()
        got = draw(image)
        assert np.argwhere((got == (255, 0, 255)).all(-1)).tolist() == [[0, 0], [2, 3]]
        expected = (before * 255).round().numpy().transpose(1, 2, 0)
        np.testing.assert_array_equal(got[1], expected[1])
        torch.testing.assert_close(image, before, equal_nan=True, rtol=0, atol=0)
        assert (draw(np.full((2, 2), np.nan)) == (255, 0, 255)).all()

    def test_scale(self):
        image = noise(4, 5, 3)
        np.testing.assert_array_equal(draw(image, scale=4), image.repeat(4, 0).repeat(4, 1))
        assert draw(grey(100, 50), scale=0.5).shape == (50, 25, 3)
        assert draw(grey(2, 2), scale=0.01).shape == (1, 1, 3)

    def test_title(self):
        image = noise(40, 60, 3)
        got = draw(image, title="A title")
        np.testing.assert_array_equal(got[-40:], image)
        bar = got[:-40]
        assert bar.shape == (20, 60, 3) and (bar[0] == PAGE).all() and bar.min() < 60
        ink = np.nonzero((bar < 150).any((0, 2)))[0]
        assert abs((ink[0] + ink[-1]) / 2 - 29.5) < 2.5
        long = draw(image, title="A title of no particular length " * 5)[:-40]
        assert (long[:, :2] == PAGE).all() and (long[:, -2:] == PAGE).all() and long.min() < 60
        assert draw(grey(3, 3), title="wide").shape == (23, 3, 3)


class TestDrawBoxes:
    def test_the_outer_side_of_the_line_is_the_box(self):
        got = draw(grey(), boxes=[[10, 5, 30, 20]])
        assert where(got, ORANGE) == (10, 5, 30, 20)
        line = (got == ORANGE).all(-1)
        assert line.sum() == 2 * (20 + 15) - 4
        assert not changed(got, grey())[6:19, 11:29].any()
        outside = changed(got, grey())
        outside[4:21, 9:31] = False
        assert not outside.any()

    def test_half_pixels_are_covered_by_half(self):
        got = draw(np.zeros((9, 9, 3), np.uint8), boxes=[[2.5, 2, 7, 7]])
        np.testing.assert_allclose(got[4, 3], ORANGE / 2, atol=1)
        assert (got[2:7, 6] == ORANGE).all()

    def test_line_width_grows_with_the_image(self):
        got = draw(grey(600, 600), boxes=[[100, 100, 500, 500]])
        assert (got[300, 100:104] == ORANGE).all() and (got[300, 104] == 128).all()

    def test_a_box_on_the_image_is_seen_whole(self):
        got = draw(grey(), boxes=np.array([[0, 0, 60, 40]], np.float32))
        for side in (got[0], got[-1], got[:, 0], got[:, -1]):
            assert (side == ORANGE).all()

    def test_boxes_partly_or_wholly_outside_are_cut_off(self):
        got = draw(grey(), boxes=[[-10, -10, 20, 20], [100, 100, 120, 120], [-50, 5, -20, 9]])
        assert where(got, ORANGE) == (0, 0, 20, 20)
        assert not changed(got, grey())[:, 22:].any()
        outside = draw(grey(), boxes=[[100, 20, 120, 30]], box_labels=["far"])
        np.testing.assert_array_equal(outside, grey())

    def test_thin_boxes_are_still_seen(self):
        assert where(draw(grey(), boxes=[[30.5, 10, 30.5, 20]]), ORANGE) == (30, 10, 31, 20)
        assert where(draw(grey(), boxes=[[5, 10.5, 25, 10.5]]), ORANGE) == (5, 10, 25, 11)

    def test_empty_boxes(self):
        for none in ([], np.zeros((0, 4)), torch.zeros(0, 4), None):
            np.testing.assert_array_equal(
                draw(noise(5, 6, 3), boxes=none, box_labels=None if none is None else []), noise(5, 6, 3)
            )

    def test_colours_follow_class_numbers_and_strings(self):
        boxes = [[2, 22, 12, 32], [16, 22, 26, 32], [30, 22, 40, 32]]

        def colours(labels):
            picture = draw(grey(), boxes=boxes, box_labels=labels)
            return [picture[30, x].tolist() for x in (2, 16, 30)]

        b, g = BLUE.tolist(), GREEN.tolist()
        assert colours(None) == [ORANGE.tolist(), b, g]
        for labels in ([1, 2, 1], np.array([1, 2, 1]), torch.tensor([1, 2, 1])):
            assert colours(labels) == [b, g, b]
        assert colours(["cat", "dog", "cat"]) == [ORANGE.tolist(), b, ORANGE.tolist()]
        assert len({tuple(c) for labels in ([0, 7, 14], [1, 8, 15]) for c in colours(labels)}) == 6

    def test_tags_are_above_the_box_or_inside_it(self):
        image = grey(200, 200)
        above = draw(image, boxes=[[50, 80, 120, 150]], box_labels=["cat"])
        tag = above[60:79, 50:60]
        assert (tag == ORANGE).all(-1).mean() > 0.4 and not changed(above, image)[81:149, 52:118].any()
        inside = draw(image, boxes=[[50, 2, 120, 150]], box_labels=["cat"])
        assert (inside[1:14, 51:60] == ORANGE).all(-1).mean() > 0.4
        right = draw(image, boxes=[[190, 80, 200, 150]], box_labels=["a long name"])
        assert changed(right, image)[70, 135:200].all()

    def test_text_stands_out_from_its_tag(self):
        for label in range(21):
            picture = draw(grey(200, 200), boxes=[[50, 80, 120, 150]], box_labels=[label], class_names=["MMMM"] * 21)
            tag = picture[66:78, 52:80].reshape(-1, 3) @ np.array([0.299, 0.587, 0.114])
            assert tag.max() - tag.min() > 90, label

    def test_class_names(self):
        def tagged(label, names=None):
            return draw(grey(100, 100), boxes=[[9, 40, 90, 90]], box_labels=[label], class_names=names)

        np.testing.assert_array_equal(tagged(1, ["dog", "cat"]), tagged(1, ["", "cat", "cow"]))
        np.testing.assert_array_equal(tagged(5, ["dog", "cat"]), tagged(5))
        assert changed(tagged(1, ["dog", "cat"]), tagged(1)).any()


class TestDrawKeypoints:
    def test_integers_are_pixel_centres(self):
        got = draw(np.zeros((21, 31, 3), np.uint8), keypoints=[[12, 8]])
        near = got[3:14, 7:18].astype(int)
        np.testing.assert_array_equal(near, near[::-1])
        np.testing.assert_array_equal(near, near[:, ::-1])
        np.testing.assert_array_equal(near, near.transpose(1, 0, 2))
        assert (got[8, 12] == ORANGE).all() and (got[8, [9, 15]] == 255).all()

    def test_scale_keeps_the_place(self):
        got = draw(np.zeros((21, 31, 3), np.uint8), keypoints=[[12, 8]], scale=4)
        x0, y0, x1, y1 = where(got, ORANGE)
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == (12.5 * 4, 8.5 * 4)

    def test_invalid_points_are_left_out(self):
        points = torch.tensor([[[5.0, 5], [15, 5]], [[25, 5], [torch.nan, 0]]])
        valid = torch.tensor([[True, False], [True, False]])
        got = draw(grey(), keypoints=points, keypoints_valid=valid)
        assert (got[5, 5] == ORANGE).all() and (got[5, 25] == GREEN).all()
        assert not changed(got, grey())[:, 10:20].any()
        np.testing.assert_array_equal(draw(grey(), keypoints=np.zeros((0, 2)), keypoints_valid=[]), grey())
        np.testing.assert_array_equal(draw(grey(), keypoints=[[500, 5], [-90, 1]]), grey())


class TestDrawMask:
    def test_classes_are_tinted_and_background_is_clear(self):
        image, mask = noise(30, 40, 3), np.zeros((30, 40), np.int64)
        mask[5:20, 10:30] = 1
        got = draw(image, mask=mask)
        np.testing.assert_array_equal(changed(got, image) | (mask > 0), mask > 0)
        np.testing.assert_allclose(got[6:19, 11:29], (image[6:19, 11:29] + BLUE) / 2, atol=1)
        np.testing.assert_allclose(got[5, 10:30], 0.05 * image[5, 10:30] + 0.95 * BLUE, atol=1)

    def test_255_and_negative_numbers_are_hatched(self):
        for value, dtype in ((IGNORE, np.uint8), (-1, np.int64), (-100, np.int32)):
            got = draw(grey(20, 20, 0), mask=np.full((20, 20), value, dtype))
            assert {tuple(p) for p in got.reshape(-1, 3)} == {(66, 66, 66), (135, 135, 135)}

    def test_kinds_of_mask(self):
        mask = noise(6, 7) % 3
        expected = draw(grey(6, 7), mask=mask)
        for same in (mask.astype(np.int16), torch.from_numpy(mask), torch.from_numpy(mask).long()[None], mask.tolist()):
            np.testing.assert_array_equal(draw(grey(6, 7), mask=same), expected)
        np.testing.assert_array_equal(draw(grey(6, 7), mask=mask > 0), draw(grey(6, 7), mask=(mask > 0).astype(int)))

    def test_enlarged_by_nearest(self):
        mask = np.array([[0, 1], [2, 0]])
        got = draw(grey(2, 2, 0), mask=mask, scale=20)
        hue = got.argmax(-1) * (got.max(-1) > 0) + (got.max(-1) > 0)
        np.testing.assert_array_equal(hue, np.array([[0, 3], [2, 0]]).repeat(20, 0).repeat(20, 1))


class TestDrawMistakes:
    @pytest.mark.parametrize(
        ("labels", "kind", "match"),
        [
            ({"boxes": [[1, 2, 3]]}, ValueError, r"^draw: boxes must be \(N, 4\), got shape \(1, 3\)"),
            ({"boxes": [[5, 2, 3, 4]]}, ValueError, r"x1 <= x2 and y1 <= y2, got \[5.0, 2.0, 3.0, 4.0\].*xywh"),
            ({"boxes": [[5, 2, np.nan, 4]]}, ValueError, r"boxes must be finite"),
            (
                {"boxes": [[1, 2, 3, 4]], "box_labels": []},
                ValueError,
                r"box_labels must be one for each of 1 boxes, got 0",
            ),
            ({"keypoints": [[1, 2, 3]]}, ValueError, r"keypoints must be \(\.\.\., 2\), got shape \(1, 3\)"),
            ({"keypoints": [[1, np.inf]]}, ValueError, r"keypoints must be finite"),
            ({"keypoints": [[1, 2]], "keypoints_valid": [1, 0]}, ValueError, r"of shape \(1,\), got \(2,\)"),
            ({"mask": np.zeros((40, 60))}, TypeError, r"^draw: mask must be integer or bool, got float64"),
            ({"mask": np.zeros((4, 6), int)}, ValueError, r"mask must be of the image's size \(40, 60\), got \(4, 6\)"),
            ({"mean": 0.5}, ValueError, r"mean and std must be given together, got only one"),
            ({"scale": 0}, ValueError, r"scale must be positive, got 0"),
        ],
    )
    def test_labels(self, labels, kind, match):
        with pytest.raises(kind, match=match):
            draw(grey(), **labels)

    def test_images(self):
        with pytest.raises(ValueError, match=r"^draw: image must be \(H, W, C\).*not a batch"):
            draw(noise(2, 4, 4, 3))
        with pytest.raises(TypeError, match=r"^draw: image must be a numpy array .* got Image.*numpy.asarray"):
            draw(Image.new("RGB", (4, 4)))
        with pytest.raises(ValueError, match=r"one number, or one for each of 1 channels, got 3 and 3"):
            draw(np.zeros((4, 4)), mean=[0, 0, 0], std=[1, 1, 1])


class TestGrid:
    def test_images_lie_where_the_gaps_say(self):
        images = [noise(20, 20, 3, seed=s) for s in range(3)]
        page = grid(images, columns=2, cell=20, gap=4)
        assert page.shape == (4 * 3 + 40, 4 * 3 + 40, 3)
        clear = np.ones(page.shape[:2], bool)
        for image, (y, x) in zip(images, ((4, 4), (4, 28), (28, 4)), strict=True):
            np.testing.assert_array_equal(page[y : y + 20, x : x + 20], image)
            clear[y : y + 20, x : x + 20] = False
        assert (page[clear] == PAGE).all()

    def test_cells_keep_the_aspect(self):
        page = grid([grey(10, 40, 1), grey(40, 10, 1)], cell=(80, 60), gap=5)
        dark = (page == 1).all(-1)
        below = grid([grey(10, 40, 1), grey(40, 10, 2)], columns=1, cell=(80, 60), gap=5)
        assert where(below, 1) == (5, 5, 65, 20) and where(below, 2) == (25, 25, 45, 105)
        assert dark.sum() == 15 * 60 + 80 * 20 and page.shape == (90, 5 + 60 + 5 + 20 + 5, 3)

    @pytest.mark.parametrize(("n", "columns"), [(1, 1), (4, 4), (5, 5), (6, 3), (9, 3), (10, 4)])
    def test_default_columns(self, n, columns):
        page = grid([grey(8, 8)] * n, cell=8, gap=1)
        assert page.shape[1] == 9 * columns + 1

    def test_a_batch_is_its_samples(self):
        generator = torch.Generator().manual_seed(0)
        batch = {
            "image": torch.rand(3, 3, 30, 40, generator=generator),
            "boxes": torch.tensor(
                [[[2, 3, 20, 20], [0, 0, 0, 0]], [[5, 5, 9, 9], [1, 1, 8, 20]], [[0, 0, 0, 0]] * 2]
            ).float(),
            "boxes_valid": torch.tensor([[1, 0], [1, 1], [0, 0]]).bool(),
            "box_labels": torch.tensor([[1, 0], [2, 3], [0, 0]]),
            "keypoints": torch.rand(3, 4, 2, generator=generator) * 30,
            "keypoints_valid": torch.tensor([[1, 0, 1, 1]] * 3).bool(),
            "mask": torch.randint(0, 3, (3, 30, 40), generator=generator),
            "id": ["a", "b", "c"],
        }
        before = copy.deepcopy(batch)
        page = grid(batch, cell=(30, 40), gap=3)
        keep = [[0], [0, 1], []]
        for i in range(3):
            sample = {
                "boxes": batch["boxes"][i][keep[i]],
                "box_labels": [batch["box_labels"][i][j] for j in keep[i]],
                **{key: batch[key][i] for key in ("keypoints", "keypoints_valid", "mask")},
            }
            alone = draw(batch["image"][i], **sample)
            np.testing.assert_array_equal(page[3:33, 3 + 43 * i : 43 + 43 * i], alone)
        for key in ("image", "boxes", "keypoints", "mask"):
            assert torch.equal(batch[key], before[key])
        one = {key: value[0] for key, value in batch.items()}
        np.testing.assert_array_equal(grid(one, cell=(30, 40), gap=3)[:, :43], page[:, :43])
        np.testing.assert_array_equal(grid(batch["image"]), grid(list(batch["image"])))
        np.testing.assert_array_equal(grid({"image": batch["image"], "mask": None}), grid(batch["image"]))
        assert grid(noise(2, 8, 9, 3), cell=9, gap=0).shape == (8, 18, 3)

    def test_one_string_has_one_colour_on_the_page(self):
        a = {"image": grey(), "boxes": [[0, 0, 60, 40]], "box_labels": ["cat"]}
        b = {"image": grey(), "boxes": [[0, 0, 60, 40], [9, 9, 20, 20]], "box_labels": ["dog", "cat"]}
        page = grid([a, b], cell=(40, 60), gap=1)
        assert (page[40, 2] == ORANGE).all() and (page[40, 63] == BLUE).all() and (page[20, 71] == ORANGE).all()

    def test_labels_are_drawn_at_the_size_of_the_cell(self):
        sample = {"image": grey(10, 10), "boxes": [[2, 2, 8, 8]]}
        page = grid([sample], cell=100, gap=0)
        assert where(page, ORANGE) == (20, 20, 80, 80) and (page[50, 21] == 128).all()

    def test_titles(self):
        images = [grey(20, 90, 255)] * 4
        plain = grid(images, columns=2, cell=90)
        heads = grid(images, columns=2, cell=90, titles=["left", "right"])
        every = grid(images, columns=2, cell=90, titles=list("abcd"))
        rows = grid(images, columns=2, cell=90, row_titles=["first", "second"])
        bar = heads.shape[0] - plain.shape[0]
        assert bar == 19 and every.shape[0] == plain.shape[0] + 2 * bar and heads.shape[1] == plain.shape[1]
        assert rows.shape[0] == plain.shape[0] and rows.shape[1] > plain.shape[1] + 20
        ink = (heads < 100).all(-1)
        assert ink[: 16 + bar].any() and not ink[16 + bar :].any()
        left = rows.shape[1] - plain.shape[1]
        ink = (rows < 100).all(-1)
        assert ink[16:36, :left].any() and ink[52:72, :left].any() and not ink[:, left + 16 :].any()
        np.testing.assert_array_equal(rows[:, left + 16 :], plain[:, 16:])
        tall = grid([grey(90, 90, 255)] * 2, columns=1, cell=90, row_titles=["ooo", "ooo"])
        ys = np.nonzero((tall < 100).all(-1).any(1))[0]
        assert abs(ys[ys < 110].mean() - 61) < 4 and abs(ys[ys > 110].mean() - 167) < 4

    def test_mistakes(self):
        image = grey()
        for empty in ([], {"image": torch.zeros(0, 3, 4, 4)}, torch.zeros(0, 3, 4, 4)):
            with pytest.raises(ValueError, match=r"^grid: samples must be at least one image, got none"):
                grid(empty)
        with pytest.raises(ValueError, match=r"^grid: samples must be a sequence or a batch, got ndarray of shape"):
            grid(image)
        for wrong in ({"img": image}, [{"img": image}]):
            with pytest.raises(ValueError, match=r"dicts with the key 'image', got the keys \['img'\]"):
                grid(wrong)
        with pytest.raises(ValueError, match=r"^grid: titles must be 4 or 2 strings, got 3"):
            grid([image] * 4, columns=2, titles=["a", "b", "c"])
        with pytest.raises(ValueError, match=r"^grid: row_titles must be 2 strings, got 1"):
            grid([image] * 4, columns=2, row_titles=["a"])
        with pytest.raises(ValueError, match=r"^grid: columns must be at least 1, got 0"):
            grid([image], columns=0)
        with pytest.raises(ValueError, match=r"^grid: cell and gap must be positive, got 0 and 16"):
            grid([image], cell=0)
        with pytest.raises(ValueError, match=r"^grid: boxes must be"):
            grid([{"image": image, "boxes": [[3, 3, 1, 1]]}])
