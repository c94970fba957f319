"""Boxes: formats, overlap and moves against OpenCV, NumPy and closed values."""

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import boxes as vb

D = torch.float64
NAN = float("nan")


def tensor(*rows):
    return torch.tensor(rows, dtype=D)


def upright(n, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 40, (n, 2))
    return torch.from_numpy(np.concatenate([low, low + rng.uniform(1, 20, (n, 2))], 1))


def turned(n, seed=0):
    rng = np.random.default_rng(seed)
    parts = [rng.uniform(0, 20, (n, 2)), rng.uniform(1, 20, (n, 2)), rng.uniform(-400, 400, (n, 1))]
    return torch.from_numpy(np.concatenate(parts, 1))


class TestConvertBoxes:
    def test_of_one_box(self):
        box = {"xyxy": tensor([10, 20, 40, 60]), "xywh": tensor([10, 20, 30, 40]), "cxcywh": tensor([25, 40, 30, 40])}
        box["yolo"] = tensor([0.25, 0.5, 0.3, 0.5])
        box["cxcywha"] = tensor([25, 40, 30, 40, 0])
        box["quad"] = tensor([[10, 20], [40, 20], [40, 60], [10, 60]])
        for source, given in box.items():
            for target, wanted in box.items():
                found = vb.convert_boxes(given, source, target, size=(80, 100))
                torch.testing.assert_close(found, wanted, msg=f"{source} to {target}")

    def test_corners_are_opencvs(self):
        """OpenCV's angle goes the other way round, and it counts the corners from the bottom left one."""
        for box in turned(20).float():
            cx, cy, w, h, angle = box.tolist()
            expected = np.roll(cv2.boxPoints(((cx, cy), (w, h), -angle)), -1, 0)
            np.testing.assert_allclose(vb.convert_boxes(box[None], "cxcywha", "quad")[0], expected, atol=1e-4)

    def test_counter_clockwise_on_the_screen(self):
        """A quarter turn takes the top left corner to the bottom left: y points down."""
        quad = vb.convert_boxes(tensor([0, 0, 4, 2, 90]), "cxcywha", "quad")[0]
        torch.testing.assert_close(quad, tensor([-1, 2], [-1, -2], [1, -2], [1, 2]))

    def test_turned_round_trip(self):
        box = turned(30)
        again = vb.convert_boxes(vb.convert_boxes(box, "cxcywha", "quad"), "quad", "cxcywha")
        torch.testing.assert_close(again[:, :4], box[:, :4])
        whole = (again[:, 4] - box[:, 4]) / 360
        torch.testing.assert_close(whole, whole.round())

    def test_sizes_of_samples(self):
        box = upright(6).reshape(2, 3, 4)
        sizes = tensor([80, 100], [50, 60])
        found = vb.convert_boxes(box, "xyxy", "yolo", size=sizes)
        for b, size in enumerate(sizes.tolist()):
            torch.testing.assert_close(found[b], vb.convert_boxes(box[b], "xyxy", "yolo", size=size))
        torch.testing.assert_close(vb.convert_boxes(found, "yolo", "xyxy", size=sizes), box)

    @pytest.mark.parametrize("source", ["xyxy", "xywh", "cxcywh", "yolo", "cxcywha", "quad"])
    @pytest.mark.parametrize("target", ["xyxy", "yolo", "cxcywha", "quad"])
    def test_gradients(self, source, target):
        given = vb.convert_boxes(turned(3), "cxcywha", source, size=(30, 40)).clone().requires_grad_()
        gradcheck(lambda b: vb.convert_boxes(b, source, target, size=(30, 40)), (given,), check_forward_ad=True)

    def test_without_extent(self):
        flat = torch.zeros(1, 4, 2, dtype=D, requires_grad=True)
        turn = lambda quads: vb.convert_boxes(quads, "quad", "cxcywha")  # noqa: E731
        assert (turn(flat) == 0).all() and torch.autograd.grad(turn(flat).sum(), flat)[0].isfinite().all()
        assert torch.func.jvp(turn, (flat.detach(),), (torch.ones_like(flat),))[1].isfinite().all()

    def test_no_boxes(self):
        assert vb.convert_boxes(torch.zeros(2, 0, 5), "cxcywha", "xyxy").shape == (2, 0, 4)
        assert vb.convert_boxes(torch.zeros(0, 4), "xyxy", "quad").shape == (0, 4, 2)

    def test_errors(self):
        with pytest.raises(ValueError, match="convert_boxes: source must be one of those known, got 'xxyy'"):
            vb.convert_boxes(upright(1), "xxyy", "xyxy")
        with pytest.raises(ValueError, match=r"convert_boxes: boxes must be of shape \(\*batch, n, 5\), got \(1, 4\)"):
            vb.convert_boxes(upright(1), "cxcywha", "xyxy")
        with pytest.raises(ValueError, match="convert_boxes: size must be .height, width., got None"):
            vb.convert_boxes(upright(1), "xyxy", "yolo")
        with pytest.raises(ValueError, match="convert_boxes: boxes must be floating, got torch.int64"):
            vb.convert_boxes(torch.ones(1, 4, dtype=torch.int64), "xyxy", "xywh")


class TestBoxArea:
    def test_in_all_formats(self):
        box = turned(5)
        area = box[:, 2] * box[:, 3]
        torch.testing.assert_close(vb.box_area(box, box_format="cxcywha"), area)
        quad = vb.convert_boxes(box, "cxcywha", "quad")
        torch.testing.assert_close(vb.box_area(quad, box_format="quad"), area)
        expected = [cv2.contourArea(q.astype(np.float32)) for q in quad.numpy()]
        np.testing.assert_allclose(vb.box_area(quad, box_format="quad"), expected, rtol=1e-5)
        assert vb.box_area(tensor([1, 2, 4, 8], [4, 2, 1, 8])).tolist() == [18, 0]

    def test_far_away(self):
        quad = vb.convert_boxes(tensor([1.234567e6, -2.3456789e6, 3, 4, 31]), "cxcywha", "quad")
        assert vb.box_area(quad, box_format="quad").item() == pytest.approx(
            12, rel=1e-8
        )  # corners are rounded to 2e-10


class TestBoxIou:
    def test_is_numpys(self):
        a, b = upright(8).numpy(), upright(5, 1).numpy()
        side = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
        shared = np.clip(side, 0, None).prod(-1)
        areas = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)
        found = vb.box_iou(torch.from_numpy(a), torch.from_numpy(b))
        np.testing.assert_allclose(found, shared / (areas - shared), atol=1e-14)
        assert 0 < (found > 0).double().mean() < 1

    def test_by_place(self):
        a, b = upright(6), upright(6, 1)
        assert torch.equal(vb.box_iou(a, b, pairwise=False), vb.box_iou(a, b).diagonal())

    def test_identical_boxes_have_gradient_zero(self):
        a, b = (upright(4).requires_grad_() for _ in range(2))
        iou = vb.box_iou(a, b, pairwise=False)
        assert iou.tolist() == [1] * 4
        assert all(g.abs().max() < 1e-15 for g in torch.autograd.grad(iou.sum(), (a, b)))

    def test_touching_and_empty(self):
        a = tensor([0, 0, 2, 2], [1, 1, 1, 1], [3, 3, 1, 1]).requires_grad_()
        iou = vb.box_iou(a, tensor([2, 0, 4, 2], [1, 1, 1, 1], [0, 0, 9, 9]))
        assert iou[:, :2].tolist() == [[0, 0]] * 3 and iou[0, 2] > 0 and (iou[1:, 2] == 0).all()
        assert torch.autograd.grad(iou.sum(), a)[0].isfinite().all()

    def test_nan_is_alone(self):
        a, b = upright(3), upright(2, 1)
        whole = vb.box_iou(a, b)
        a[1, 2] = NAN
        a.requires_grad_()
        iou = vb.box_iou(a, b)
        assert iou[1].isnan().all() and torch.equal(iou[::2], whole[::2])
        assert (torch.autograd.grad(iou.nansum(), a)[0][1] == 0).all()

    def test_gradients(self):
        gradcheck(vb.box_iou, (upright(4).requires_grad_(), upright(3, 1).requires_grad_()), check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"box_iou: boxes2 must be of shape \(\*batch, n, 4\)"):
            vb.box_iou(upright(2), turned(2))
        with pytest.raises(ValueError, match="box_iou: boxes2 must be 2 boxes if not pairwise, got 3"):
            vb.box_iou(upright(2), upright(3), pairwise=False)


def clipped_polygon(subject, clip):
    """Sutherland and Hodgman's intersection of convex polygons, then its area, in Python's floats."""
    for p, q in zip(clip, np.roll(clip, -1, 0), strict=True):
        side = [(q[0] - p[0]) * (s[1] - p[1]) - (q[1] - p[1]) * (s[0] - p[0]) for s in subject]
        kept = []
        for i in range(len(subject)):
            j = (i + 1) % len(subject)
            if side[i] >= 0:
                kept.append(subject[i])
            if (side[i] > 0) != (side[j] > 0) and side[i] != side[j]:
                kept.append(subject[i] + side[i] / (side[i] - side[j]) * (subject[j] - subject[i]))
        subject = kept
        if not subject:
            return 0.0
    x, y = np.array(subject).T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


class TestRotatedBoxIou:
    def test_is_of_clipped_polygons(self):
        a, b = turned(25), turned(20, 1)
        corners = [vb.convert_boxes(boxes, "cxcywha", "quad").numpy() for boxes in (a, b)]
        shared = np.array([[clipped_polygon(p, q) for q in corners[1]] for p in corners[0]])
        areas = ((a[:, 2] * a[:, 3])[:, None] + b[:, 2] * b[:, 3]).numpy()
        np.testing.assert_allclose(vb.rotated_box_iou(a, b), shared / (areas - shared), atol=1e-13)
        assert 0.1 < (shared > 0).mean() < 0.9

    def test_is_opencvs(self):
        a, b = turned(12), turned(10, 1)
        expected = np.zeros((12, 10))
        for i, p in enumerate(a.tolist()):
            for j, q in enumerate(b.tolist()):
                rectangles = [((r[0], r[1]), (r[2], r[3]), -r[4]) for r in (p, q)]
                _, polygon = cv2.rotatedRectangleIntersection(*rectangles)
                shared = 0 if polygon is None else cv2.contourArea(cv2.convexHull(polygon))
                expected[i, j] = shared / (p[2] * p[3] + q[2] * q[3] - shared)
        np.testing.assert_allclose(vb.rotated_box_iou(a, b), expected, atol=1e-4)  # OpenCV's points are float32

    @pytest.mark.parametrize(
        "first, second, iou",
        [
            ([0, 0, 2, 2, 0], [0, 0, 2, 2, 45], 8 * (2**0.5 - 1) / (8 - 8 * (2**0.5 - 1))),  # an octagon
            ([0, 0, 2, 2, 0], [1, 0, 2, 2, 0], 1 / 3),
            ([0, 0, 4, 4, 30], [0, 0, 2, 2, 75], 1 / 4),
            ([0, 0, 4, 2, 0], [0, 0, 4, 2, 90], 1 / 3),
            ([0, 0, 4, 2, 0], [0, 0, 2, 4, 90], 1),
            ([0, 0, 4, 2, 10], [0, 0, 4, 2, 190], 1),
            ([0, 0, 2, 2, 0], [2, 0, 2, 2, 0], 0),
            ([0, 0, 2, 2, 0], [2, 2, 2, 2, 0], 0),
            ([0, 0, 2, 2, 0], [50, 0, 2, 2, 33], 0),
            ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0], 0),
            ([0, 0, 2, 0, 0], [0, 0, 2, 2, 0], 0),
            ([0, 0, 2, -2, 0], [0, 0, 2, 2, 0], 0),
            ([0, 0, -2, -2, 0], [0, 0, 2, 2, 0], 0),
            ([9e5, -8e5, 2, 3, 77], [9e5, -8e5, 2, 3, 77], 1),
        ],
    )
    def test_of_known_pairs(self, first, second, iou):
        a, b = (tensor(box).requires_grad_() for box in (first, second))
        for p, q in ((a, b), (b, a)):
            found = vb.rotated_box_iou(p, q)
            assert found.item() == pytest.approx(iou, abs=1e-12)
            assert all(g.isfinite().all() for g in torch.autograd.grad(found.sum(), (p, q)))

    def test_upright_boxes(self):
        a, b = upright(8), upright(6, 1)
        found = vb.rotated_box_iou(*(vb.convert_boxes(boxes, "xyxy", "cxcywha") for boxes in (a, b)))
        torch.testing.assert_close(found, vb.box_iou(a, b))

    def test_does_not_jump_at_small_angles(self):
        angles = torch.cat([torch.zeros(1, dtype=D), torch.logspace(-20, 0, 200, dtype=D)])
        a = torch.nn.functional.pad(tensor([1, 2, 3, 4]), (0, 1)).repeat(201, 1)
        a[:, 4] = angles
        a.requires_grad_()
        found = vb.rotated_box_iou(a, tensor([1, 2, 3, 4, 0]))[:, 0]
        # To first order, the IoU falls by (w / h + h / w) / 2 of the angle.
        expected = 1 - torch.deg2rad(angles) * (3 / 4 + 4 / 3) / 2
        assert (found - expected).abs()[angles < 1e-3].max() < 1e-9
        assert (found[1:] <= found[:-1] + 1e-9).all()
        # What is rounding must not be divided by an angle that is.
        (grad,) = torch.autograd.grad(found.sum(), a)
        assert grad[angles < 1e-3, :4].abs().max() < 1e-3

    def test_identical_boxes_have_gradient_zero(self):
        a, b = (turned(6).requires_grad_() for _ in range(2))
        iou = vb.rotated_box_iou(a, b, pairwise=False)
        torch.testing.assert_close(iou, torch.ones(6, dtype=D))
        grads = torch.autograd.grad(iou.sum(), (a, b))
        assert all(g.abs().max() < 1e-12 for g in grads)

    def test_gradients(self):
        a, b = turned(5).requires_grad_(), turned(4, 1).requires_grad_()
        gradcheck(vb.rotated_box_iou, (a, b), check_forward_ad=True)
        gradgradcheck(vb.rotated_box_iou, (a, b), fast_mode=True)

    def test_descent_finds_the_box(self):
        target = tensor([10, 8, 12, 5, 30])
        place, angle = tensor([12, 9, 9, 7]).requires_grad_(), tensor([10]).requires_grad_()
        # A degree is less than a pixel.
        optimiser = torch.optim.Adam([{"params": [place], "lr": 0.1}, {"params": [angle], "lr": 1.0}])
        decay = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.98)
        for _ in range(250):
            loss = 1 - vb.rotated_box_iou(torch.cat([place, angle], -1), target).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            decay.step()
        assert loss.item() < 0.02

    def test_nan_is_alone(self):
        a, b = turned(3), turned(2, 1)
        whole = vb.rotated_box_iou(a, b)
        a[1, 4] = NAN
        a.requires_grad_()
        iou = vb.rotated_box_iou(a, b)
        assert iou[1].isnan().all() and torch.equal(iou[::2], whole[::2])
        assert (torch.autograd.grad(iou.nansum(), a)[0][1] == 0).all()

    def test_by_place_and_without_boxes(self):
        a, b = turned(6), turned(6, 1)
        assert torch.equal(vb.rotated_box_iou(a, b, pairwise=False), vb.rotated_box_iou(a, b).diagonal())
        assert vb.rotated_box_iou(a[:0], b).shape == (0, 6) and vb.box_iou(
            torch.zeros(2, 3, 4), torch.zeros(2, 0, 4)
        ).shape == (2, 3, 0)


class TestClipBoxes:
    def test_values(self):
        box = tensor([-3, -2, 5, 4], [7, 1, 30, 20], [20, 3, 25, 4], [2, 2, 2, 5], [NAN, 0, 1, 1])
        found, valid = vb.clip_boxes(box, (10, 12), return_valid=True)
        assert found[:4].tolist() == [[0, 0, 5, 4], [7, 1, 12, 10], [12, 3, 12, 4], [2, 2, 2, 5]]
        assert valid.tolist() == [True, True, False, False, False] and found[4].isnan().all()

    def test_sizes_of_samples(self):
        found = vb.clip_boxes(tensor([0, 0, 9, 9]).expand(2, 1, 4), torch.tensor([[4, 5], [6, 7]]))
        assert found[:, 0].tolist() == [[0, 0, 5, 4], [0, 0, 7, 6]]

    def test_gradients(self):
        size = tensor([10.0, 12.0])[0].requires_grad_()
        gradcheck(vb.clip_boxes, (tensor([-3, -2, 5, 4], [7, 1, 30, 20]).requires_grad_(), size), check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match="clip_boxes: size must be .height, width., got 5"):
            vb.clip_boxes(upright(1), 5)


H = tensor([1.1, 0.2, 3], [-0.3, 0.9, 5], [0.002, -0.001, 1])


class TestTransformBoxes:
    def test_is_opencvs(self):
        box = upright(7)
        corners = vb.convert_boxes(box, "xyxy", "quad").numpy()
        # Pixel edges lie half a pixel from the centres that the matrix moves.
        moved = cv2.perspectiveTransform(corners.reshape(1, -1, 2) - 0.5, H.numpy()).reshape(-1, 4, 2) + 0.5
        expected = np.concatenate([moved.min(1), moved.max(1)], 1)
        np.testing.assert_allclose(vb.transform_boxes(H, box), expected, atol=1e-12)
        np.testing.assert_allclose(vb.transform_boxes(H, torch.from_numpy(corners)), moved, atol=1e-12)

    def test_follows_the_image(self):
        """What a flip and a resize of the image do to a bright rectangle, they do to its box."""
        image = np.zeros((20, 30), np.float32)
        image[4:9, 6:17] = 1
        flip = tensor([-1, 0, 29], [0, 1, 0])
        double = tensor([2, 0, 0.5], [0, 2, 0.5])  # half-pixel centres
        for matrix, warped in ((flip, image[:, ::-1]), (double, image.repeat(2, 0).repeat(2, 1))):
            y, x = np.nonzero(warped)
            found = vb.transform_boxes(matrix, tensor([6, 4, 17, 9]))
            assert found.tolist() == [[x.min(), y.min(), x.max() + 1, y.max() + 1]]

    def test_across_the_horizon(self):
        matrix = tensor([1, 0, 0], [0, 1, 0], [0.1, 0, 0]).requires_grad_()
        box = tensor([-3, 1, 4, 5], [1, 1, 4, 5], [-4, 1, -2, 5], [0.5, 1, 2, 2], [NAN, 1, 2, 2]).requires_grad_()
        found, valid = vb.transform_boxes(matrix, box, return_valid=True)
        assert valid.tolist() == [False, True, False, False, False]
        assert (found[[0, 2, 3]] == 0).all() and found[4].isnan().all()
        grads = torch.autograd.grad(found.nansum(), (matrix, box))
        assert all(g.isfinite().all() for g in grads) and (grads[1][[0, 2, 3, 4]] == 0).all()

    def test_gradients(self):
        gradcheck(vb.transform_boxes, (H.clone().requires_grad_(), upright(3).requires_grad_()), check_forward_ad=True)

    def test_batches_broadcast(self):
        found = vb.transform_boxes(torch.stack([H, torch.eye(3, dtype=D)])[:, None], upright(12).reshape(3, 4, 4))
        torch.testing.assert_close(found[1], upright(12).reshape(3, 4, 4))
        assert vb.transform_boxes(H, torch.zeros(2, 0, 4, dtype=D)).shape == (2, 0, 4)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"transform_boxes: matrix must be of shape \(\*batch, 3, 3\) or"):
            vb.transform_boxes(torch.eye(4), upright(2))
        with pytest.raises(ValueError, match=r"transform_boxes: boxes must be of shape \(\*batch, n, 4\)"):
            vb.transform_boxes(torch.eye(3), turned(2))
