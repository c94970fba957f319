"""Boxes, keypoints, masks and intrinsics follow the image: against brute force, and against the pixels themselves."""

import itertools

import numpy as np
import pytest
import torch

import visionops as vo
import visionops.augment as va
from visionops.kernels import native

H, W = 60, 80
INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.bool_)


def image(h=H, w=W):
    return np.zeros((h, w, 3), np.uint8)


def projective():
    return (va.Rotate((-60, 60)), va.Perspective(0.4), va.Affine(scale=(0.8, 1.2), shear=(-15, 15), translate=(-5, 5)))


def project(matrix, points):
    p = np.c_[np.asarray(points, float), np.ones(len(points))] @ np.asarray(matrix).T
    return p[:, :2] / p[:, 2:]


def outline(box, n=400):
    """Points along the sides of an xyxy box, in pixel centres."""
    x0, y0, x1, y1 = np.asarray(box, float) - 0.5
    t = np.linspace(0, 1, n)
    return np.concatenate(
        [np.c_[x0 + t * (x1 - x0), np.full(n, y)] for y in (y0, y1)]
        + [np.c_[np.full(n, x), y0 + t * (y1 - y0)] for x in (x0, x1)]
    )


def ellipse(box, n=20000):
    x0, y0, x1, y1 = np.asarray(box, float) - 0.5
    a = np.linspace(0, 2 * np.pi, n)
    return np.c_[(x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(a), (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(a)]


def hull(points):
    return np.r_[points.min(0), points.max(0)] + 0.5


def clip(box, h=H, w=W):
    return np.clip(box, 0, [w, h, w, h])


def pair(pipe, index=0, size=(H, W)):
    """Returns a draw and its matrix."""
    params = pipe.sample(size, index=index)
    return params, pipe.matrix(params).numpy()


BOXES = np.array(
    [[20, 15, 45, 40], [0, 0, 80, 60], [60.25, 40.5, 79.75, 59.25], [30, 30, 31, 31], [2, 50, 70, 55]], float
)


class TestBoxes:
    @pytest.mark.parametrize("index", range(5))
    @pytest.mark.parametrize(("kind", "points"), [("corners", outline), ("ellipse", ellipse)])
    def test_hull_is_that_of_brute_force(self, kind, points, index):
        pipe = vo.Pipeline(va.Pad(150), *projective(), va.Pad(60), box_hull=kind)  # room, so that nothing is clipped
        params, m = pair(pipe, index)
        expected = np.array([hull(project(m, points(b))) for b in BOXES])
        out = pipe.apply(params, image=image(), boxes=BOXES)["boxes"].numpy()
        # 20000 points of an ellipse miss its extremes by 1e-8 of its size.
        np.testing.assert_allclose(out, expected, atol=1e-5)

    @pytest.mark.parametrize("index", range(5))
    def test_are_clipped_to_what_the_output_shows(self, index):
        """To the output, and to the bounds of each step's own input as it lies in the output."""
        steps = projective()
        pipe = vo.Pipeline(*steps)
        params = pipe.sample((H, W), index=index)
        window = np.array([0, 0, W, H], float)
        for k in range(3):
            rest = vo.Pipeline(*steps[k:])
            m = rest.matrix({**params, "steps": params["steps"][k:]}).numpy()
            seen = hull(project(m, outline([0, 0, W, H], 2)))
            window = np.r_[np.maximum(window[:2], seen[:2]), np.minimum(window[2:], seen[2:])]
        whole = np.array([hull(project(m, outline(b))) for b, m in ((b, pipe.matrix(params).numpy()) for b in BOXES)])
        expected = np.c_[np.maximum(whole[:, :2], window[:2]), np.minimum(whole[:, 2:], window[2:])]
        kept = (expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])
        out = pipe.apply(params, image=image(), boxes=BOXES)["boxes"]
        np.testing.assert_allclose(out, expected[kept], atol=1e-9)

    def test_ellipse_is_never_looser_and_exact_for_a_disc(self):
        disc = [[30, 20, 50, 40]]
        for angle in (10, 45, 77):
            tight, loose = (
                vo.Pipeline(va.Rotate(angle), box_hull=k)(image=image(), boxes=disc)["boxes"][0].numpy()
                for k in ("ellipse", "corners")
            )
            assert (tight[:2] >= loose[:2] - 1e-6).all() and (tight[2:] <= loose[2:] + 1e-6).all()
            np.testing.assert_allclose(tight[2:] - tight[:2], 20, atol=1e-4)

    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            (va.HorizontalFlip(), [80 - 45, 15, 80 - 20, 40]),
            (va.VerticalFlip(), [20, 60 - 40, 45, 60 - 15]),
            (va.Rotate90(1), [15, 80 - 45, 40, 80 - 20]),
            (va.Rotate90(2), [80 - 45, 60 - 40, 80 - 20, 60 - 15]),
            (va.Crop((10, 5, 70, 50)), [10, 10, 35, 35]),
            (va.Pad((3, 4, 5, 6)), [23, 19, 48, 44]),
            (va.Resize((120, 40)), [10, 30, 22.5, 80]),
            (va.Crop((30, 20, 40, 30)), [0, 0, 10, 10]),
        ],
        ids=repr,
    )
    def test_whole_moves_are_exact_in_pixel_edges(self, step, expected):
        out = vo.Pipeline(step)(image=image(), boxes=[[20, 15, 45, 40]])["boxes"]
        assert out.tolist() == [expected]

    @pytest.mark.parametrize("form", ["xyxy", "xywh", "cxcywh", "yolo"])
    @pytest.mark.parametrize("index", range(3))
    def test_formats_say_the_same(self, form, index):
        def write(b, h, w):
            x0, y0, x1, y1 = np.asarray(b, float).T
            if form == "xyxy":
                return np.stack([x0, y0, x1, y1], 1)
            if form == "xywh":
                return np.stack([x0, y0, x1 - x0, y1 - y0], 1)
            c = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], 1)
            return c / [w, h, w, h] if form == "yolo" else c

        steps = (*projective(), va.Resize((90, 50)))
        expected = vo.Pipeline(*steps)(image=image(), boxes=BOXES, index=index)["boxes"].numpy()
        out = vo.Pipeline(*steps, box_format=form)(image=image(), boxes=write(BOXES, H, W), index=index)["boxes"]
        np.testing.assert_allclose(out, write(expected, 90, 50), atol=1e-9)

    def test_formats_of_images_of_different_sizes(self):
        pipe = vo.Pipeline(va.Resize((50, 50)), box_format="yolo")
        out = pipe.collate(
            [
                {"image": image(40, 100), "boxes": [[0.5, 0.25, 0.2, 0.1]]},
                {"image": image(90, 30), "boxes": [[0.5, 0.25, 0.2, 0.1]]},
            ]
        )
        for boxes in out["boxes"]:
            np.testing.assert_allclose(boxes, [[0.5, 0.25, 0.2, 0.1]], atol=1e-7)

    def test_are_clipped_once_at_the_end(self):
        """A box that leaves the image and comes back is whole again; clipping between steps would have cut it."""
        pipe = vo.Pipeline(va.Affine(translate=((50, 50), (0, 0))), va.Affine(translate=((-50, -50), (0, 0))))
        params = pipe.sample((H, W), index=0)
        out = pipe.apply(params, image=image(), boxes=[[10, 10, 75, 40]])["boxes"]
        # What the first shift pushed out is fill: the box is cut to what is left to see, 30 columns.
        assert out.tolist() == [[10, 10, 30, 40]]

    def test_clip_to_what_a_crop_left_under_a_later_pad(self):
        pipe = vo.Pipeline(va.Crop((20, 20, 40, 40)), va.Pad(10))
        assert pipe(image=image(), boxes=[[0, 25, 80, 30]])["boxes"].tolist() == [[10, 15, 30, 20]]

    @pytest.mark.parametrize(("area", "kept"), [(0, 3), (99, 3), (100, 3), (101, 2), (401, 1), (2000, 0)])
    def test_min_area(self, area, kept):
        pipe = vo.Pipeline(va.Crop((0, 0, 40, 40)), box_min_area=area)
        out = pipe(
            image=image(), boxes=[[30, 30, 70, 50], [0, 0, 30, 30], [10, 10, 30, 30]], box_labels=["a", "b", "c"]
        )
        sizes = {"a": 100, "b": 900, "c": 400}
        assert len(out["boxes"]) == kept and out["box_labels"] == [k for k in "abc" if sizes[k] >= area]

    @pytest.mark.parametrize(
        ("visibility", "kept"), [(0.0, "abc"), (0.249, "abc"), (0.26, "bc"), (0.51, "c"), (1.0, "c")]
    )
    def test_min_visibility_is_of_the_moved_box(self, visibility, kept):
        pipe = vo.Pipeline(va.Resize((120, 160)), va.Crop((0, 0, 80, 80)), box_min_visibility=visibility)
        out = pipe(image=image(), boxes=[[30, 30, 50, 50], [30, 0, 50, 20], [10, 10, 30, 30]], box_labels=list("abc"))
        assert out["box_labels"] == list(kept)

    def test_boxes_outside_are_dropped(self):
        out = vo.Pipeline(va.Crop((0, 0, 20, 20)))(
            image=image(), boxes=[[20, 0, 30, 10], [40, 40, 50, 50], [19, 19, 21, 21]], box_labels=[1, 2, 3]
        )
        assert out["boxes"].tolist() == [[19, 19, 20, 20]] and list(out["box_labels"]) == [3]

    @pytest.mark.parametrize(("kind", "points"), [("corners", outline), ("ellipse", ellipse)])
    def test_a_box_behind_the_horizon_is_dropped(self, kind, points):
        pipe = vo.Pipeline(va.Perspective(0.95), box_hull=kind)
        seen = []
        for index in range(40):
            params, m = pair(pipe, index)
            wide = np.array([[-80, -60, 160, 120]], float)
            around = points(wide[0])
            seen.append((np.c_[around, np.ones(len(around))] @ m[2] > 0).all())
            out = pipe.apply(params, image=image(), boxes=wide)["boxes"]
            assert len(out) == seen[-1], index
        assert 0 < sum(seen) < 40

    @pytest.mark.parametrize("kind", ["corners", "ellipse"])
    def test_a_box_wholly_behind_the_horizon_is_no_ghost_in_front(self, kind):
        """Where w is negative throughout, the projection lands somewhere in the output all the same."""
        pipe = vo.Pipeline(va.Perspective(0.95), box_hull=kind)
        ghosts = 0
        for index in range(40):
            params, m = pair(pipe, index)
            target = np.linalg.inv(m) @ [40.0, 30.0, 1.0]
            side = m[2, :2] / np.linalg.norm(m[2, :2])
            far = target[:2] / target[2] - side * 3 * abs(1 / np.linalg.norm(m[2, :2]))
            box = np.r_[far - 40, far + 40] + 0.5
            around = outline(box)
            if (np.c_[around, np.ones(len(around))] @ m[2] >= 0).any():
                continue
            ghosts += 1
            assert len(pipe.apply(params, image=image(), boxes=box[None])["boxes"]) == 0, index
        assert ghosts > 5

    @pytest.mark.parametrize(
        "box", [[-0.002, 0, 10, 10], [0, 0, 80.003, 60.002], [5, 5, 4.998, 8], [-30, -20, 200, 300]]
    )
    def test_rounding_and_overhang_are_no_errors(self, box):
        vo.Pipeline(va.HorizontalFlip())(image=image(), boxes=[box])

    def test_yolo_at_1_003_is_no_error(self):
        out = vo.Pipeline(va.HorizontalFlip(), box_format="yolo")(image=image(), boxes=[[0.5, 0.5, 1.003, 1.003]])[
            "boxes"
        ]
        np.testing.assert_allclose(out, [[0.5, 0.5, 1, 1]], atol=1e-6)

    @pytest.mark.parametrize(
        ("boxes", "match"),
        [
            (
                [[10, 10, 5, 20]],
                r"boxes must be ordered, x2 >= x1 and y2 >= y1, got \[10.0, 10.0, 5.0, 20.0\]. .*box_format",
            ),
            ([[10, 10, 20, 5]], "boxes must be ordered"),
            ([[1, 2, 3]], r"boxes must be of shape \(n, 4\), got \(1, 3\)"),
            ([[1, 2, 3, 4, 5]], r"boxes must be of shape \(n, 4\)"),
            ([1, 2, 3, 4], r"boxes must be of shape \(n, 4\), got \(4,\)"),
            ([[np.nan, 0, 1, 1]], "boxes must be finite"),
            ([[0, 0, np.nan, 1]], "boxes must be finite"),
            ([[0, 0, 1, np.inf]], "boxes must be finite"),
            ([["a", 0, 1, 1]], "boxes must be numbers"),
            ([[1, 2, 3], [1, 2, 3, 4]], "boxes must be rows of 4 numbers"),
            (None, "boxes must be numbers"),
        ],
    )
    def test_refusals(self, boxes, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(va.HorizontalFlip())(image=image(), boxes=boxes)

    def test_negative_extent_of_other_formats_is_refused(self):
        for form in ("xywh", "cxcywh"):
            with pytest.raises(ValueError, match=f"read as '{form}'"):
                vo.Pipeline(box_format=form)(image=image(), boxes=[[10, 10, -5, 3]])

    @pytest.mark.parametrize(
        "empty",
        [[], np.zeros((0, 4)), np.zeros((0, 4), np.float32), torch.zeros(0, 4), np.zeros(0)],
        ids=["list", "float64", "float32", "tensor", "flat"],
    )
    def test_empty(self, empty):
        out = vo.Pipeline(*projective())(image=image(), boxes=empty, box_labels=[])
        assert out["boxes"].shape == (0, 4) and len(out["box_labels"]) == 0

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (np.float64, torch.float64),
            (np.float32, torch.float32),
            (np.float16, torch.float16),
            (np.int64, torch.float32),
            (np.uint8, torch.float32),
        ],
    )
    def test_dtype(self, given, expected):
        out = vo.Pipeline(va.HorizontalFlip())(image=image(), boxes=np.array([[20, 15, 45, 40]], given))["boxes"]
        assert out.dtype == expected and out.tolist() == [[35, 15, 60, 40]]

    def test_box_labels_of_every_form(self):
        boxes = [[0, 0, 10, 10], [50, 50, 60, 60], [5, 5, 15, 15]]
        for values, expected in [
            (["a", "b", "c"], ["a", "c"]),
            ((1, 2, 3), (1, 3)),
            (np.array([1, 2, 3]), [1, 3]),
            (torch.tensor([[1, 1], [2, 2], [3, 3]]), [[1, 1], [3, 3]]),
        ]:
            out = vo.Pipeline(va.Crop((0, 0, 20, 20)))(image=image(), boxes=boxes, box_labels=values)["box_labels"]
            assert type(out) is type(values)
            assert (out.tolist() if hasattr(out, "tolist") else out) == expected

    def test_box_labels_of_another_length_are_refused(self):
        with pytest.raises(ValueError, match="box_labels must be one for each of 2 boxes, got 1"):
            vo.Pipeline(va.HorizontalFlip())(image=image(), boxes=[[0, 0, 1, 1]] * 2, box_labels=[1])

    def test_of_a_batch_keep_their_shape_with_boxes_valid(self):
        boxes = torch.tensor([[[0.0, 0, 10, 10], [50, 50, 60, 60]], [[5, 5, 30, 30], [0, 0, 80, 60]]])
        out = vo.Pipeline(va.Crop((0, 0, 20, 20)))(
            image=torch.zeros(2, 3, H, W), boxes=boxes, box_labels=torch.tensor([[1, 2], [3, 4]])
        )
        assert out["boxes"].tolist() == [[[0, 0, 10, 10], [0, 0, 0, 0]], [[5, 5, 20, 20], [0, 0, 20, 20]]]
        assert out["boxes_valid"].tolist() == [[True, False], [True, True]]
        assert out["box_labels"].tolist() == [[1, 2], [3, 4]]

    def test_of_a_batch_as_lists_are_dropped(self):
        boxes = [[[0.0, 0, 10, 10], [50, 50, 60, 60]], [], [[0, 0, 80, 60]]]
        out = vo.Pipeline(va.Crop((0, 0, 20, 20)))(
            image=torch.zeros(3, 3, H, W), boxes=boxes, box_labels=[["a", "b"], [], ["c"]]
        )
        assert [b.tolist() for b in out["boxes"]] == [[[0, 0, 10, 10]], [], [[0, 0, 20, 20]]]
        assert out["box_labels"] == [["a"], [], ["c"]] and "boxes_valid" not in out

    def test_each_sample_of_a_batch_has_its_own_motion(self):
        pipe = vo.Pipeline(*projective(), va.HorizontalFlip(p=0.5))
        out = pipe(image=torch.zeros(4, 3, H, W), boxes=torch.from_numpy(BOXES).expand(4, -1, -1), index=[3, 4, 5, 6])
        for k in range(4):
            alone = pipe(image=image(), boxes=BOXES, index=3 + k)["boxes"]
            torch.testing.assert_close(out["boxes"][k][out["boxes_valid"][k]], alone, atol=1e-9, rtol=0)

    @pytest.mark.parametrize("index", range(3))
    def test_through_a_deformation_bound_its_outline(self, index):
        pipe = vo.Pipeline(va.Elastic(3.0, 15.0))
        params = pipe.sample((H, W), index=index)
        out = pipe.apply(params, image=image(), boxes=[[20, 15, 50, 40]], keypoints=np.zeros((0, 2)))["boxes"][
            0
        ].numpy()
        dense = pipe.apply(params, image=image(), keypoints=outline([20, 15, 50, 40]))["keypoints"].numpy()
        # Sixteen points follow the outline; between them a field of 15 pixels bends by a fraction of a pixel.
        np.testing.assert_allclose(out, hull(dense), atol=0.25)

    def test_two_targets_of_boxes(self):
        pipe = vo.Pipeline(va.HorizontalFlip(), targets={"other": "boxes"})
        out = pipe(image=image(), boxes=[[0, 0, 10, 10]], other=[[20, 0, 30, 10]])
        assert out["boxes"].tolist() == [[70, 0, 80, 10]] and out["other"].tolist() == [[50, 0, 60, 10]]


def blob(points, h, w, sigma=1.2):
    """Gaussian spots at points, one a channel: so small that a bend of the map hardly shifts their centre of mass."""
    y, x = np.mgrid[:h, :w]
    return np.stack([np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points], -1)


def centroids(image):
    """The centre of mass of each channel (c, h, w)."""
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    total = image.sum((1, 2))
    return np.stack([(image * x).sum((1, 2)) / total, (image * y).sum((1, 2)) / total], -1)


class TestKeypoints:
    POINTS = np.array([[60.3, 55.6], [75.0, 40.25], [52.5, 68.75], [80.1, 71.9]])

    @pytest.mark.parametrize("index", range(4))
    @pytest.mark.parametrize(
        "steps",
        [
            lambda: (va.Rotate((-40, 40)),),
            lambda: (va.Affine((-30, 30), (-9, 9), (0.9, 1.3), (-15, 15)), va.HorizontalFlip(p=0.5)),
            lambda: (va.Perspective(0.2), va.Rotate90()),
            lambda: (va.RandomResizedCrop((150, 140), (0.8, 1.0)), va.VerticalFlip(p=0.5), va.Resize((130, 170))),
            lambda: (va.Pad((10, 5), border="reflect"), va.Rotate((-20, 20)), va.Pad(4, border="circular")),
            lambda: (va.Elastic(4.0, 40.0),),
            lambda: (va.Rotate((-20, 20)), va.Elastic(2.0, 35.0), va.Affine(scale=(1.0, 1.2)), va.Elastic(3.0, 40.0)),
        ],
        ids=["rotate", "affine", "perspective", "crop", "borders", "elastic", "elastic chain"],
    )
    def test_follow_the_spots_they_mark(self, steps, index):
        pipe = vo.Pipeline(*steps(), antialias=False)
        spots = blob(self.POINTS, 130, 140)
        out = pipe(image=spots, keypoints=self.POINTS, index=index)
        picture = out["image"].numpy()
        inside = out["keypoints_valid"].numpy() & (out["keypoints"].numpy() > 8).all(1)
        inside &= (out["keypoints"].numpy() < np.array(picture.shape[:0:-1]) - 9).all(1)
        assert inside.sum() >= 2
        # Weigh only around the point: reflections and wraps show a spot twice.
        y, x = np.mgrid[: picture.shape[1], : picture.shape[2]]
        for k in np.flatnonzero(inside):
            px, py = out["keypoints"][k].numpy()
            near = picture[k] * (np.hypot(x - px, y - py) < 6)
            np.testing.assert_allclose(centroids(near[None])[0], (px, py), atol=0.05)

    @pytest.mark.parametrize("index", range(4))
    @pytest.mark.parametrize(
        "steps",
        [
            lambda: (va.Elastic(4.0, 12.0),),
            lambda: (va.Perspective(0.5), va.Elastic(5.0, 15.0), va.Rotate(30), va.Elastic(3.0, 9.0)),
        ],
    )
    def test_are_where_a_strong_deformation_shows_their_place(self, steps, index):
        """The image is its own coordinates; read at a moved point it must give the point back."""
        import scipy.ndimage

        y, x = np.mgrid[:130, :140].astype(float)
        pipe = vo.Pipeline(*steps(), antialias=False)
        points = np.random.default_rng(0).uniform((20, 20), (119, 109), (40, 2))
        out = pipe(image=np.stack([x, y], -1), keypoints=points, index=index)
        at = out["keypoints"].numpy()
        picture = out["image"].numpy()
        seen = out["keypoints_valid"].numpy() & (at > 3).all(1) & (at < (136, 126)).all(1)
        read = np.stack([scipy.ndimage.map_coordinates(channel, at.T[::-1], order=1) for channel in picture], -1)
        assert seen.sum() > 20
        # Bilinear reading bends by 1/8 of the second derivative, 5 / 15^2; next to fill it reads some.
        assert np.quantile(np.abs(read - points)[seen].max(1), 0.9) < 0.02

    @pytest.mark.parametrize("index", range(4))
    def test_are_the_matrix_times_them(self, index):
        pipe = vo.Pipeline(*projective())
        params, m = pair(pipe, index)
        out = pipe.apply(params, image=image(), keypoints=self.POINTS)
        np.testing.assert_allclose(out["keypoints"], project(m, self.POINTS), atol=1e-10)

    def test_visibility_column_is_kept_and_points_never_drop(self):
        out = vo.Pipeline(va.Crop((0, 0, 20, 20)))(image=image(), keypoints=[[5, 6, 2], [40, 40, 1], [19.4, 0, 0]])
        assert out["keypoints"].tolist() == [[5, 6, 2], [40, 40, 1], [pytest.approx(19.4), 0, 0]]
        assert out["keypoints_valid"].tolist() == [True, False, True]

    def test_validity_through_crops_and_pads(self):
        """A point that a crop cut off is not seen, even where a later pad makes room for it."""
        pipe = vo.Pipeline(va.Crop((10, 10, 30, 30)), va.Pad(20))
        out = pipe(image=image(), keypoints=[[15, 15], [9.4, 15], [9.6, 15], [29.4, 29.4], [29.6, 20], [50, 50]])
        expected = [[25, 25], [19.4, 25], [19.6, 25], [39.4, 39.4], [39.6, 30], [60, 60]]
        np.testing.assert_allclose(out["keypoints"], expected, rtol=1e-6)  # a list of numbers is float32
        assert out["keypoints_valid"].tolist() == [True, False, True, True, False, False]

    def test_points_outside_the_source_are_not_valid(self):
        out = vo.Pipeline(va.Pad(10))(image=image(), keypoints=[[-3.0, 5.0], [85.0, 5.0], [79.4, 59.4]])
        assert out["keypoints_valid"].tolist() == [False, False, True]

    def test_validity_agrees_with_the_pixels(self):
        """A point is seen exactly where the mask shows something else than fill at its pixel."""
        y, x = np.mgrid[2:H:7, 2:W:7]
        points = np.c_[x.ravel(), y.ravel()].astype(float)
        ids = np.arange(1, H * W + 1).reshape(H, W)
        for index in range(6):
            pipe = vo.Pipeline(va.RandomCrop((40, 50)), va.Rotate((-90, 90)), va.Pad(3), va.Perspective(0.3))
            out = pipe(image=image(), mask=ids, keypoints=points, index=index)
            moved, seen, mask = out["keypoints"].numpy(), out["keypoints_valid"].numpy(), out["mask"].numpy()
            h, w = mask.shape
            for (px, py), ok, (sx, sy) in zip(moved, seen, points, strict=True):
                u, v = int(np.floor(px + 0.5)), int(np.floor(py + 0.5))
                if not (0 <= u < w and 0 <= v < h):
                    assert not ok
                elif mask[v, u] and ok:
                    found = np.array(divmod(mask[v, u] - 1, W))[::-1]
                    assert np.abs(found - (sx, sy)).max() <= 2
                # Where exactly one of the two says fill, the pixel must lie at the edge of what is shown.
                elif bool(mask[v, u]) != ok:
                    around = mask[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
                    assert (around == 0).any() and ((around > 0).any() or not ok)

    @pytest.mark.parametrize(
        ("steps", "mirrored"),
        [
            ((va.HorizontalFlip(),), True),
            ((va.VerticalFlip(),), True),
            ((va.HorizontalFlip(), va.VerticalFlip()), False),
            ((va.HorizontalFlip(), va.HorizontalFlip()), False),
            ((va.Rotate90(1),), False),
            ((va.Rotate(170), va.HorizontalFlip(), va.Perspective(0.3)), True),
            ((va.HorizontalFlip(), va.Rasterize(), va.GaussianBlur(1.0), va.VerticalFlip(), va.HorizontalFlip()), True),
            ((va.HorizontalFlip(p=0.0),), False),
            ((va.Elastic(1.0), va.HorizontalFlip()), True),
        ],
        ids=repr,
    )
    def test_left_and_right_swap_when_mirrored(self, steps, mirrored):
        points = np.array([[40, 30, 0], [50, 30, 1], [30, 30, 2], [45, 40, 3], [35, 40, 4.0]])
        plain = vo.Pipeline(*steps)(image=image(), keypoints=points, index=0)["keypoints"]
        out = vo.Pipeline(*steps, keypoint_swap=[(1, 2), (3, 4)])(image=image(), keypoints=points, index=0)["keypoints"]
        order = [0, 2, 1, 4, 3] if mirrored else [0, 1, 2, 3, 4]
        assert torch.equal(out, plain[order])

    def test_swap_sample_by_sample(self):
        pipe = vo.Pipeline(va.HorizontalFlip(p=0.5), keypoint_swap=[(0, 1)])
        active = pipe.sample([(H, W)] * 12, index=range(12))["steps"][0]["active"]
        points = torch.tensor([[10.0, 5.0], [60.0, 7.0]]).expand(12, 2, 2)
        out = pipe(image=torch.zeros(12, 3, H, W), keypoints=points, index=range(12))["keypoints"]
        assert 0 < sum(active) < 12
        for k in range(12):
            assert out[k].tolist() == ([[19, 7], [69, 5]] if active[k] else [[10, 5], [60, 7]])

    def test_swap_of_ragged_points_and_of_none(self):
        pipe = vo.Pipeline(va.HorizontalFlip(), keypoint_swap=[(0, 1)])
        out = pipe(image=torch.zeros(2, 3, H, W), keypoints=[[[10.0, 5], [60, 7], [0, 0]], []])["keypoints"]
        assert out[0].tolist() == [[19, 7], [69, 5], [79, 0]] and len(out[1]) == 0

    @pytest.mark.parametrize(
        ("options", "points", "match"),
        [
            ({}, [[1, 2, 3, 4]], r"keypoints must be of shape \(n, 2\) or \(n, 3\), got \(1, 4\)"),
            ({}, [1, 2], r"keypoints must be of shape"),
            ({}, [[np.nan, 1]], "keypoints must be finite"),
            ({"keypoint_swap": [(0, 3)]}, [[1, 2], [3, 4]], "keypoint_swap must be pairs of the 2 keypoints"),
            ({"keypoint_swap": [(0, 1, 2)]}, [[1, 2]], "keypoint_swap must be pairs"),
            ({"keypoint_swap": [(0, 0.5)]}, [[1, 2]], "keypoint_swap must be pairs"),
        ],
    )
    def test_refusals(self, options, points, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(va.HorizontalFlip(), **options)(image=image(), keypoints=points)

    def test_an_absent_point_may_have_any_visibility(self):
        out = vo.Pipeline(va.HorizontalFlip())(image=image(), keypoints=np.array([[1, 2, np.nan]]))["keypoints"]
        assert out[0, 2].isnan()

    @pytest.mark.parametrize(
        "empty",
        [[], np.zeros((0, 2)), np.zeros((0, 3), np.float32), torch.zeros(0, 2)],
        ids=["list", "two", "three", "tensor"],
    )
    def test_empty(self, empty):
        out = vo.Pipeline(*projective(), va.Elastic(1.0))(image=image(), keypoints=empty)
        assert out["keypoints"].shape == (0, 2 if not hasattr(empty, "shape") else empty.shape[1]) and out[
            "keypoints_valid"
        ].shape == (0,)

    def test_points_alone_under_a_draw(self):
        pipe = vo.Pipeline(*projective())
        params, m = pair(pipe, 3)
        out = pipe.apply(params, keypoints=self.POINTS, boxes=BOXES)
        np.testing.assert_allclose(out["keypoints"], project(m, self.POINTS), atol=1e-10)
        with pytest.raises(ValueError, match="image or a mask"):
            pipe(keypoints=self.POINTS)


class TestMasks:
    @pytest.mark.parametrize("kernels", [True, False])
    @pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.__name__)
    def test_values_are_moved_and_never_made(self, dtype, kernels):
        rng = np.random.default_rng(0)
        if dtype is np.bool_:
            mask, fill = rng.random((H, W)) < 0.5, 1
        else:
            info = np.iinfo(dtype)
            mask, fill = rng.choice(np.array([info.min, info.min + 3, 5, 77, info.max - 1, info.max], dtype), (H, W)), 9
        ids = np.arange(H * W).reshape(H, W)
        steps = (va.RandomResizedCrop((50, 70)), *projective(), va.Elastic(2.0, 15.0), va.HorizontalFlip())
        pipe = vo.Pipeline(*steps, fill={"mask": fill})
        params = pipe.sample((H, W), index=1)
        moved = vo.Pipeline(*steps, fill={"mask": -1}).apply(params, image=image(), mask=ids)["mask"].numpy()
        expected = np.where(moved < 0, dtype(fill), mask.ravel()[np.maximum(moved, 0)])
        assert (moved < 0).any()
        if kernels:
            out = pipe.apply(params, image=image(), mask=mask)["mask"]
        else:
            with native.definitions_only():
                out = pipe.apply(params, image=image(), mask=mask)["mask"]
        assert out.numpy().dtype == dtype
        np.testing.assert_array_equal(out.numpy(), expected)

    def test_floating_masks_are_nearest_too(self):
        mask = np.random.default_rng(0).random((H, W))
        out = vo.Pipeline(*projective())(image=image(), mask=mask, index=0)["mask"].numpy()
        assert np.isin(out, np.append(mask, 0)).all() and out.dtype == np.float64

    @pytest.mark.parametrize(
        ("dtype", "fill"), [(np.uint8, 256), (np.uint8, -1), (np.int8, 200), (np.bool_, 2), (np.int64, 0.5)]
    )
    def test_a_fill_that_the_dtype_has_not_is_refused(self, dtype, fill):
        with pytest.raises(
            ValueError, match=f"fill must be a value of a torch.{np.dtype(dtype).name} mask, got {fill}"
        ):
            vo.Pipeline(va.Rotate(30), fill={"mask": fill})(image=image(), mask=np.zeros((H, W), dtype))

    def test_ids_are_those_of_the_pixels(self):
        """Where image and mask are the same numbers, nearest, they stay so: the two follow one motion."""
        ids = (np.arange(H * W) % 251).astype(np.uint8).reshape(H, W)
        out = vo.Pipeline(*projective(), va.RandomCrop((30, 40)), interpolation="nearest")(image=ids, mask=ids, index=2)
        assert torch.equal(out["image"][0], out["mask"])

    def test_channels_and_batches(self):
        masks = np.random.default_rng(0).integers(0, 9, (3, H, W, 2), dtype=np.int16)
        out = vo.Pipeline(va.HorizontalFlip())(image=np.zeros((3, H, W, 3), np.uint8), mask=masks)["mask"]
        np.testing.assert_array_equal(out.permute(0, 2, 3, 1), masks[:, :, ::-1])
        out = vo.Pipeline(va.HorizontalFlip())(image=np.zeros((3, H, W, 3), np.uint8), mask=masks[..., 0])["mask"]
        np.testing.assert_array_equal(out, masks[:, :, ::-1, 0])

    def test_a_batch_of_narrow_masks(self):
        masks = np.arange(24).reshape(3, 4, 2)
        out = vo.Pipeline(va.HorizontalFlip())(image=np.zeros((3, 4, 2, 3), np.uint8), mask=masks)["mask"]
        np.testing.assert_array_equal(out, masks[:, :, ::-1])

    def test_one_hot_masks_of_many_channels(self):
        mask = np.eye(7, dtype=np.uint8)[np.random.default_rng(0).integers(0, 7, (H, W))]
        out = vo.Pipeline(va.HorizontalFlip())(image=image(), mask=mask)["mask"]
        np.testing.assert_array_equal(out.permute(1, 2, 0), mask[:, ::-1])

    def test_a_mask_alone(self):
        ids = np.arange(H * W).reshape(H, W)
        np.testing.assert_array_equal(vo.Pipeline(va.VerticalFlip())(mask=ids)["mask"], ids[::-1])

    def test_colours_leave_masks_alone(self):
        ids = np.arange(H * W).reshape(H, W)
        steps = (
            va.ColorJitter(0.4, 0.4, 0.4, 0.1),
            va.GaussianBlur(2.0),
            va.Normalize(0.5, 0.5),
            va.GaussianNoise(),
            va.Erase(),
        )
        np.testing.assert_array_equal(vo.Pipeline(*steps)(image=image(), mask=ids)["mask"], ids)


class TestIntrinsics:
    K = np.array([[90.0, 0.3, 38.2], [0, 95.0, 31.7], [0, 0, 1]])
    SCENE = np.random.default_rng(0).uniform((-1, -1, 3), (1, 1, 6), (50, 3))

    @staticmethod
    def pixels(k, scene):
        p = scene @ np.asarray(k, float).T
        return p[:, :2] / p[:, 2:]

    @pytest.mark.parametrize("index", range(5))
    def test_project_to_where_the_points_went(self, index):
        pipe = vo.Pipeline(*projective(), va.HorizontalFlip(p=0.5), va.RandomResizedCrop((50, 70)), va.Pad((3, 1)))
        points = self.pixels(self.K, self.SCENE)
        out = pipe(image=image(), intrinsics=torch.from_numpy(self.K), keypoints=points, index=index)
        np.testing.assert_allclose(self.pixels(out["intrinsics"], self.SCENE), out["keypoints"], atol=1e-9)

    def test_a_flip_makes_a_focal_length_negative(self):
        out = vo.Pipeline(va.HorizontalFlip())(image=image(), intrinsics=self.K)["intrinsics"]
        np.testing.assert_allclose(out, [[-90, -0.3, W - 1 - 38.2], [0, 95, 31.7], [0, 0, 1]], atol=1e-4)

    def test_resizing_keeps_half_pixels(self):
        out = vo.Pipeline(va.Resize((2 * H, 2 * W)))(image=image(), intrinsics=self.K)["intrinsics"]
        assert out[0, 2].item() == pytest.approx(2 * (38.2 + 0.5) - 0.5, abs=1e-4)

    def test_a_deformation_is_refused(self):
        with pytest.raises(ValueError, match="intrinsics must be used without a deformation"):
            vo.Pipeline(va.Elastic())(image=image(), intrinsics=self.K)

    def test_a_reflected_border_between_is_no_deformation(self):
        """Pad and reflect are matrices, wherever they stand in the chain."""
        pipe = vo.Pipeline(va.Rotate(10), va.Pad(5, border="reflect"), va.Rotate(10))
        expected = pipe(image=image(), keypoints=self.pixels(self.K, self.SCENE))["keypoints"]
        out = pipe(image=image(), intrinsics=torch.from_numpy(self.K))["intrinsics"]
        np.testing.assert_allclose(self.pixels(out, self.SCENE), expected, atol=1e-9)

    def test_of_a_batch(self):
        pipe = vo.Pipeline(*projective())
        for given in (torch.from_numpy(self.K), torch.from_numpy(self.K).expand(3, 3, 3)):
            out = pipe(image=torch.zeros(3, 3, H, W), intrinsics=given, index=[0, 1, 2])["intrinsics"]
            assert out.shape == (3, 3, 3)
            for k in range(3):
                torch.testing.assert_close(
                    out[k], pipe(image=image(), intrinsics=torch.from_numpy(self.K), index=k)["intrinsics"]
                )

    @pytest.mark.parametrize(
        ("given", "dtype"),
        [
            (K.tolist(), torch.float32),
            (K, torch.float64),
            (torch.from_numpy(K).float(), torch.float32),
            (torch.from_numpy(K), torch.float64),
        ],
    )
    def test_forms(self, given, dtype):
        out = vo.Pipeline(va.Crop((5, 6, 50, 50)))(image=image(), intrinsics=given)["intrinsics"]
        assert out.dtype == dtype
        np.testing.assert_allclose(out, self.K - [[0, 0, 5], [0, 0, 6], [0, 0, 0]], atol=1e-5)

    @pytest.mark.parametrize(
        "wrong", [np.eye(4), np.eye(3)[:2], [1, 2, 3], np.full((3, 3), np.nan)], ids=["4x4", "2x3", "flat", "nan"]
    )
    def test_refusals(self, wrong):
        with pytest.raises(ValueError, match="Pipeline: intrinsics must be"):
            vo.Pipeline(va.HorizontalFlip())(image=image(), intrinsics=wrong)


class TestOtherTargets:
    def test_right_image_moves_and_colours_as_the_image(self):
        pair_ = np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)
        pipe = vo.Pipeline(
            *projective(),
            va.ColorJitter(0.4, 0.4, 0.4, 0.1),
            va.GaussianNoise(0.1),
            va.Erase(),
            targets={"right_image": "image"},
        )
        out = pipe(image=pair_, right_image=pair_, index=3)
        assert torch.equal(out["image"], out["right_image"])

    def test_targets_of_every_kind(self):
        pipe = vo.Pipeline(
            va.HorizontalFlip(),
            targets={"m2": "mask", "k2": "keypoints", "K2": "intrinsics", "y2": "label"},
            fill={"m2": 3},
        )
        out = pipe(image=image(), m2=np.arange(H * W).reshape(H, W), k2=[[0, 0]], K2=np.eye(3), y2=5)
        assert out["m2"][0, 0] == W - 1 and out["k2"].tolist() == [[79, 0]] and out["K2"][0, 0] == -1 and out["y2"] == 5

    def test_fill_by_target(self):
        pipe = vo.Pipeline(
            va.Pad(1), targets={"m2": "mask", "right": "image"}, fill={"image": 0.5, "mask": 7, "m2": 3, "right": 1.0}
        )
        z = np.zeros((2, 2), np.uint8)
        out = pipe(image=z, right=z, mask=z, m2=z)
        assert [int(out[k].flatten()[0]) for k in ("image", "right", "mask", "m2")] == [128, 255, 7, 3]

    def test_passthrough_is_untouched(self):
        thing = object()
        out = vo.Pipeline(va.HorizontalFlip(), passthrough=["id", "path"])(image=image(), id=thing, path="a/b.png")
        assert out["id"] is thing and out["path"] == "a/b.png"

    def test_unknown_targets_are_refused_with_the_closest(self):
        with pytest.raises(ValueError, match="argument 'maks' is unknown. Did you mean 'mask'.*passthrough="):
            vo.Pipeline(va.HorizontalFlip())(image=image(), maks=image())
        with pytest.raises(ValueError, match="argument 'idx' is unknown. Did you mean 'index'"):
            vo.Pipeline(va.HorizontalFlip())(image=image(), idx=3)

    def test_label_is_itself_without_a_mix(self):
        for label in (3, "cat", torch.tensor(3), np.int64(3), [0.1, 0.9]):
            out = vo.Pipeline(va.HorizontalFlip())(image=image(), label=label)["label"]
            assert out is label or out == label

    def test_order_of_the_targets_does_not_matter(self):
        targets = {"image": image(), "mask": np.arange(H * W).reshape(H, W), "boxes": BOXES, "keypoints": [[3.0, 4.0]]}
        results = []
        for names in itertools.permutations(targets):
            out = vo.Pipeline(*projective())(**{n: targets[n] for n in names}, index=1)
            assert [k for k in out if k in targets] == list(names)
            results.append([out[n] for n in sorted(targets)])
        assert all(torch.equal(a, b) for r in results[1:] for a, b in zip(r, results[0], strict=True))


class TestInverse:
    AFFINE = (
        va.Rotate((-30, 30)),
        va.Affine(scale=(0.8, 1.2), shear=(-10, 10)),
        va.HorizontalFlip(p=0.5),
        va.Resize((90, 70)),
    )
    PERSPECTIVE = (*AFFINE, va.Perspective(0.3))
    ELASTIC = (va.Rotate((-20, 20)), va.Elastic(3.0, 15.0), va.HorizontalFlip())
    CHAINS = pytest.mark.parametrize("steps", [AFFINE, PERSPECTIVE, ELASTIC], ids=["affine", "perspective", "elastic"])

    @CHAINS
    @pytest.mark.parametrize("index", range(3))
    def test_keypoints_come_back(self, steps, index):
        pipe = vo.Pipeline(*steps, keypoint_swap=[(0, 1)])
        params = pipe.sample((H, W), index=index)
        points = np.array([[30.0, 20.0, 2], [45.5, 33.25, 1], [50, 25, 0], [38, 40, 2]])
        there = pipe.apply(params, keypoints=points)
        back = pipe.inverse(params, keypoints=there["keypoints"])
        # A deformation is inverted by iteration; 0.01 pixels is where it calls itself converged.
        np.testing.assert_allclose(back["keypoints"], points, atol=0.01 if steps is self.ELASTIC else 1e-9)
        assert back["keypoints_valid"].all()

    @CHAINS
    def test_keypoints_that_come_from_outside_the_source(self, steps):
        pipe = vo.Pipeline(*steps)
        params = pipe.sample((H, W), index=1)
        size = pipe.apply(params, image=image())["image"].shape[1:]
        y, x = np.mgrid[0 : size[0] : 5, 0 : size[1] : 5]
        points = np.c_[x.ravel(), y.ravel()].astype(float)
        back = pipe.inverse(params, keypoints=points)
        seen = pipe.apply(params, mask=np.ones((H, W), np.uint8))["mask"].numpy()[y, x].ravel()
        assert 0 < seen.sum() < len(seen)
        np.testing.assert_array_equal(back["keypoints_valid"], seen == 1)

    @CHAINS
    @pytest.mark.parametrize("index", range(3))
    def test_images_come_back(self, steps, index):
        from visionops.testing import smooth_image

        photo = smooth_image((H, W)) + 0.1
        pipe = vo.Pipeline(*steps, antialias=False)
        params = pipe.sample((H, W), index=index)
        there = pipe.apply(params, image=photo)["image"]
        back = pipe.inverse(params, image=there)["image"]
        shown = pipe.inverse(params, image=(there != 0).float())["image"] == 1
        assert back.shape == photo.shape and shown.float().mean() > 0.4
        assert (back - photo)[shown].abs().max() < 0.02  # interpolated twice, detail of 12 pixels

    @CHAINS
    def test_masks_come_back(self, steps):
        """Blocks of 8 pixels: away from their edges a nearest mask there and back is itself."""
        blocks = np.kron(np.arange(1, 81).reshape(8, 10), np.ones((8, 8), int))[:H, :W]
        pipe = vo.Pipeline(*steps)
        params = pipe.sample((H, W), index=2)
        there = pipe.apply(params, mask=blocks)["mask"]
        back = pipe.inverse(params, mask=there)["mask"].numpy()
        inner = np.zeros((H, W), bool)
        inner[np.ix_(np.arange(H) % 8 > 2, np.arange(W) % 8 > 2)] = True
        inner[np.ix_(np.arange(H) % 8 > 5, np.arange(W))] = inner[:, np.arange(W) % 8 > 5] = False
        assert set(np.unique(back[inner])) <= {*blocks[inner].tolist(), 0}
        assert (back == blocks)[inner & (back > 0)].all() and (back[inner] > 0).mean() > 0.4

    def test_boxes_of_whole_moves_come_back(self):
        pipe = vo.Pipeline(
            va.Crop((10, 5, 70, 55)), va.HorizontalFlip(), va.Resize((100, 30)), va.Rotate90(1), box_format="cxcywh"
        )
        params = pipe.sample((H, W), index=0)
        boxes = [[40, 30, 20, 10], [50.5, 20.25, 10, 30]]
        back = pipe.inverse(params, boxes=pipe.apply(params, boxes=boxes)["boxes"])["boxes"]
        np.testing.assert_allclose(back, boxes, atol=1e-4)  # a list of numbers is float32

    def test_boxes_are_bounded_and_clipped_to_the_source(self):
        pipe = vo.Pipeline(*self.PERSPECTIVE)
        params, m = pair(pipe, 4)
        box = [20, 30, 50, 60]
        back = pipe.inverse(params, boxes=np.array([box], float))["boxes"]
        np.testing.assert_allclose(back[0], clip(hull(project(np.linalg.inv(m), outline(box)))), atol=1e-6)
        assert pipe.inverse(params, boxes=[[-500, -500, 600, 600]])["boxes"].tolist()[0][2:] <= [W, H]

    def test_intrinsics_come_back(self):
        pipe = vo.Pipeline(*self.PERSPECTIVE)
        params = pipe.sample((H, W), index=4)
        k = torch.from_numpy(TestIntrinsics.K)
        back = pipe.inverse(params, intrinsics=pipe.apply(params, image=image(), intrinsics=k)["intrinsics"])[
            "intrinsics"
        ]
        torch.testing.assert_close(back / back[2, 2], k, atol=1e-9, rtol=0)

    def test_of_a_batch(self):
        pipe = vo.Pipeline(*self.PERSPECTIVE)
        params = pipe.sample([(H, W)] * 3, index=[4, 5, 6])
        logits = torch.rand(3, 5, 90, 70, generator=torch.Generator().manual_seed(0))
        points = torch.tensor([[30.0, 20.0], [40.0, 30.0]]).expand(3, 2, 2)
        back = pipe.inverse(params, image=logits, keypoints=points, mask=logits.argmax(1))
        for k in range(3):
            one = pipe.inverse(
                pipe.sample((H, W), index=4 + k), image=logits[k], keypoints=points[k], mask=logits.argmax(1)[k]
            )
            for name in one:
                torch.testing.assert_close(back[name][k], one[name], atol=1e-5, rtol=0)

    def test_of_sources_of_different_sizes(self):
        pipe = vo.Pipeline(va.RandomResizedCrop((32, 32)), va.HorizontalFlip(p=0.5))
        sizes = [(40, 60), (70, 30)]
        params = pipe.sample(sizes, index=[4, 5])
        back = pipe.inverse(
            params, image=torch.rand(2, 1, 32, 32), keypoints=torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]]])
        )
        assert [tuple(t.shape) for t in back["image"]] == [(1, 40, 60), (1, 70, 30)]
        for k, size in enumerate(sizes):
            one = pipe.sample(size, index=4 + k)
            np.testing.assert_allclose(
                back["keypoints"][k], project(np.linalg.inv(pipe.matrix(one)), [[3, 4]]), atol=1e-4
            )

    def test_what_the_augmented_image_does_not_show_is_fill(self):
        pipe = vo.Pipeline(va.Crop((10, 10, 30, 30)), fill={"image": 0.5, "mask": 9})
        back = pipe.inverse(
            pipe.sample((H, W), index=0), image=torch.ones(1, 20, 20), mask=torch.ones(20, 20, dtype=torch.uint8)
        )
        expected = np.zeros((H, W), bool)
        expected[10:30, 10:30] = True
        np.testing.assert_array_equal(back["image"][0], np.where(expected, 1, 0.5).astype(np.float32))
        np.testing.assert_array_equal(back["mask"], np.where(expected, 1, 9))

    def test_of_another_size_is_refused(self):
        pipe = vo.Pipeline(va.Resize((20, 30)))
        with pytest.raises(
            ValueError, match=r"inverse: image must be of the augmented size \(20, 30\), got \(10, 15\)"
        ):
            pipe.inverse(pipe.sample((H, W), index=0), image=torch.ones(1, 10, 15))


class TestParams:
    def test_of_another_pipeline_are_refused(self):
        params = vo.Pipeline(va.Rotate()).sample((H, W), index=0)
        with pytest.raises(
            ValueError, match=r"apply: params must be drawn by this pipeline \(HorizontalFlip\), got Rotate"
        ):
            vo.Pipeline(va.HorizontalFlip()).apply(params, image())
        with pytest.raises(ValueError, match="apply: params must be what pipe.sample returned"):
            vo.Pipeline(va.HorizontalFlip()).apply({"steps": []}, image())

    def test_of_another_size_or_batch_are_refused(self):
        pipe = vo.Pipeline(va.Rotate())
        with pytest.raises(ValueError, match="apply: params must be drawn for images of"):
            pipe.apply(pipe.sample((H, W + 1), index=0), image())
        with pytest.raises(ValueError, match="apply: params must be drawn for"):
            pipe.apply(pipe.sample([(H, W)] * 2, index=[0, 1]), image())

    @pytest.mark.parametrize("value", ["30", None, [1.0, 2.0], {}], ids=str)
    def test_of_a_wrong_value_are_refused(self, value):
        pipe = vo.Pipeline(va.Rotate())
        params = pipe.sample((H, W), index=0)
        params["steps"][0]["degrees"] = value
        with pytest.raises(ValueError, match=r"apply: params\['degrees'\] must be"):
            pipe.apply(params, image())

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_that_are_not_finite_are_refused(self, value):
        for step, name in ((va.Rotate(), "degrees"), (va.Affine(), "scale_x")):
            pipe = vo.Pipeline(step)
            params = pipe.sample((H, W), index=0)
            params["steps"][0][name] = value
            with pytest.raises(ValueError, match="finite"):
                pipe.apply(params, image())

    def test_a_scale_of_zero_is_refused(self):
        pipe = vo.Pipeline(va.Affine())
        params = pipe.sample((H, W), index=0)
        params["steps"][0]["scale_x"] = 0.0
        with pytest.raises(ValueError, match="Pipeline: matrix must be finite and invertible"):
            pipe.apply(params, image())

    def test_matrix_of_a_deformation_is_refused(self):
        pipe = vo.Pipeline(va.Elastic())
        with pytest.raises(ValueError, match="matrix: pipeline must be without a deformation"):
            pipe.matrix(pipe.sample((H, W), index=0))
