"""Mean average precision against the evaluation of pycocotools, written in NumPy."""

import math

import numpy as np
import pytest
import torch

from visionops.geometry import convert_boxes, rotated_box_iou
from visionops.geometry.metrics import mean_average_precision

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


def iou_of(a, b):
    w = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    h = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / (area_of(a) + area_of(b) - shared)


def area_of(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def evaluate_image(boxes, scores, targets, low, high, most, iou):
    """evaluateImg of pycocotools.cocoeval, without crowds."""
    ignored = np.array([not low <= area_of(t) <= high for t in targets], dtype=bool)
    order = np.argsort(ignored, kind="mergesort")
    targets, ignored = [targets[i] for i in order], ignored[order]
    best = np.argsort(-scores, kind="mergesort")[:most]
    boxes, scores = [boxes[i] for i in best], scores[best]
    met = np.full((len(THRESHOLDS), len(boxes)), -1)
    taken = np.zeros((len(THRESHOLDS), len(targets)), bool)
    left = np.zeros(met.shape, bool)
    for i, t in enumerate(THRESHOLDS):
        for d, box in enumerate(boxes):
            reached, m = min(t, 1 - 1e-10), -1
            for g, target in enumerate(targets):
                if taken[i, g]:
                    continue
                if m > -1 and not ignored[m] and ignored[g]:
                    break
                value = iou(box, target)
                if value < reached:
                    continue
                reached, m = value, g
            if m == -1:
                left[i, d] = not low <= area_of(box) <= high
                continue
            left[i, d], met[i, d], taken[i, m] = ignored[m], m, True
    return scores, met > -1, left, int((~ignored).sum())


def coco(images, classes, area=(0, math.inf), most=100, iou=iou_of):
    """Returns the precisions (T, R, K) and recalls (T, K) of accumulate of pycocotools.cocoeval; -1 without targets."""
    precision, recall = -np.ones((len(THRESHOLDS), len(RECALLS), classes)), -np.ones((len(THRESHOLDS), classes))
    for k in range(classes):
        parts = []
        for boxes, scores, labels, targets, target_labels in images:
            mine, true = labels == k, target_labels == k
            if mine.any() or true.any():
                parts.append(evaluate_image(boxes[mine], scores[mine], targets[true], *area, most, iou))
        number = sum(part[3] for part in parts)
        if not number:
            continue
        order = np.argsort(-np.concatenate([p[0] for p in parts]), kind="mergesort")
        met, left = (np.concatenate([p[i] for p in parts], axis=1)[:, order] for i in (1, 2))
        for i, (tp, fp) in enumerate(zip(np.cumsum(met & ~left, 1), np.cumsum(~met & ~left, 1), strict=True)):
            rc, pr = tp / number, tp / (fp + tp + np.spacing(1))
            recall[i, k] = rc[-1] if len(tp) else 0
            for j in range(len(tp) - 1, 0, -1):
                pr[j - 1] = max(pr[j - 1], pr[j])
            q = np.zeros(len(RECALLS))
            for j, at in enumerate(np.searchsorted(rc, RECALLS, side="left")):
                if at < len(tp):
                    q[j] = pr[at]
            precision[i, :, k] = q
    return precision, recall


def scene(seed=0, images=6, classes=4, spread=0.08):
    """Returns images as (boxes, scores, labels, targets, target_labels): true boxes, most of them found, and others."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(images):
        m, extra = rng.integers(0, 9), rng.integers(0, 6)
        low = rng.uniform(0, 100, (m + extra, 2))
        boxes = np.concatenate([low, low + rng.uniform(4, 60, (m + extra, 2))], 1)
        labels = rng.integers(0, classes, m + extra)
        size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        near = boxes + spread * size * rng.normal(size=boxes.shape)
        kept = rng.uniform(size=m + extra) < 0.85
        # Some boxes twice, and scores in steps, so that some are equal.
        twice = np.concatenate([np.flatnonzero(kept), np.flatnonzero(kept)[:2]])
        scores = np.round(rng.uniform(size=len(twice)), 1)
        found.append((near[twice], scores, labels[twice], boxes[:m], labels[:m]))
    return found


def listed(images):
    return [[torch.from_numpy(one[k]) for one in images] for k in range(5)]


def padded(images):
    """Returns tensors with NaN and wrong labels in their padding, and the masks."""
    values = listed(images)
    fill = [torch.nan, torch.nan, 0, torch.nan, 0]
    out = [
        torch.nn.utils.rnn.pad_sequence(v, batch_first=True, padding_value=f) for v, f in zip(values, fill, strict=True)
    ]
    masks = [
        torch.stack([torch.arange(o.shape[1]) < len(one) for one in v])
        for o, v in ((out[0], values[0]), (out[3], values[3]))
    ]
    return out, {"mask": masks[0], "target_mask": masks[1]}


def check(found, precision, recall):
    there = recall[0] > -1
    assert found.map.item() == pytest.approx(precision[precision > -1].mean(), abs=1e-12)
    np.testing.assert_allclose(found.by_threshold, precision[:, :, there].mean((1, 2)), atol=1e-12)
    np.testing.assert_allclose(found.by_class[there], precision[:, :, there].mean((0, 1)), atol=1e-12)
    assert found.by_class[~there].isnan().all()
    assert found.recall.item() == pytest.approx(recall[:, there].mean(), abs=1e-12)


class TestMeanAveragePrecision:
    @pytest.mark.parametrize("seed", range(4))
    def test_as_pycocotools(self, seed):
        images = scene(seed)
        expected = coco(images, 4)
        assert 0.1 < expected[0].mean() < 0.9
        check(mean_average_precision(*listed(images), classes=4), *expected)
        boxes, masks = padded(images)
        check(mean_average_precision(*boxes, classes=4, **masks), *expected)

    @pytest.mark.parametrize("area", [(0, 32**2), (32**2, 1e10)])
    def test_areas(self, area):
        images = scene(5, images=10)
        expected = coco(images, 4, area)
        assert expected[0].max() > 0 and abs(expected[0] - coco(images, 4)[0]).max() > 0.01
        check(mean_average_precision(*listed(images), classes=4, area=area), *expected)

    def test_a_target_that_counts_goes_before_a_nearer_one_that_does_not(self):
        targets = np.array([[0.0, 0, 9, 10], [0, 0, 10, 10.5]])
        boxes, label = np.array([[0.0, 0, 10, 10]]), np.zeros(1, int)
        image = (boxes, np.ones(1), label, targets, np.zeros(2, int))
        area = (0, 100)
        assert iou_of(boxes[0], targets[1]) > iou_of(boxes[0], targets[0]) > 0.85 and area_of(targets[1]) > area[1]
        found = mean_average_precision(*listed([image]), classes=1, area=area)
        check(found, *coco([image], 1, area))
        assert found.by_threshold.tolist() == [1.0] * 9 + [0.0]

    def test_most_detections_of_each_class(self):
        images = scene(6, classes=2)
        expected = coco(images, 2, most=2)
        assert abs(expected[0] - coco(images, 2)[0]).max() > 0.01
        check(mean_average_precision(*listed(images), classes=2, max_detections=2), *expected)

    def test_recalls_that_meet_the_grid(self):
        """A recall of 7 / 100 reaches the threshold 0.07, in float64 as NumPy has it."""
        boxes = torch.arange(100.0, dtype=torch.float64)[:, None] * 10 + torch.tensor([0, 0, 5, 5])
        right = torch.rand(100, generator=torch.Generator().manual_seed(0)) < 0.6
        found = torch.where(right[:, None], boxes, boxes + 2000)
        labels = torch.zeros(100, dtype=torch.int64)
        scores = torch.linspace(1, 0, 100, dtype=torch.float64)
        image = (found.numpy(), scores.numpy(), labels.numpy(), boxes.numpy(), labels.numpy())
        result = mean_average_precision(*listed([image]), classes=1)
        check(result, *coco([image], 1))

    def test_formats(self):
        images = scene(1)
        values = listed(images)
        expected = mean_average_precision(*values, classes=4)
        for box_format in ("xywh", "cxcywh", "cxcywha"):
            turned = [[convert_boxes(b, "xyxy", box_format) for b in values[k]] for k in (0, 3)]
            found = mean_average_precision(
                turned[0], *values[1:3], turned[1], values[4], classes=4, box_format=box_format
            )
            for a, b in zip(found, expected, strict=True):
                torch.testing.assert_close(a, b, equal_nan=True)

    def test_turned_boxes_overlap_exactly(self):
        target = torch.tensor([[[0.0, 0, 10, 2, 0]]], dtype=torch.float64)
        boxes = torch.tensor([[[0.0, 0, 10, 2, 4]]], dtype=torch.float64)
        reached = int((rotated_box_iou(boxes, target).item() >= torch.from_numpy(THRESHOLDS)).sum())
        assert 0 < reached < 10
        label = torch.zeros(1, 1, dtype=torch.int64)
        found = mean_average_precision(
            boxes, torch.ones(1, 1).double(), label, target, label, classes=1, box_format="cxcywha"
        )
        assert found.by_threshold.tolist() == [1.0] * reached + [0.0] * (10 - reached)

    def test_nothing(self):
        empty = [torch.zeros(2, 0, 4), torch.zeros(2, 0), torch.zeros(2, 0).long()]
        boxes = [torch.tensor([[[0.0, 0, 5, 5]]] * 2), torch.ones(2, 1), torch.zeros(2, 1).long()]
        none = mean_average_precision(*boxes, empty[0], empty[2], classes=2)
        assert all(v.isnan().all() for v in none)
        missed = mean_average_precision(*empty, boxes[0], boxes[2], classes=2)
        assert missed.map.item() == missed.recall.item() == 0 and missed.by_class[1].isnan()

    @pytest.mark.parametrize("area", [None, (0, 1e4)])
    def test_nan_in_a_box_or_score_is_wrong(self, area):
        box = torch.tensor([[[0.0, 0, 10, 10]]])
        label = torch.zeros(1, 1, dtype=torch.int64)
        both = torch.cat([box, torch.full_like(box, torch.nan)], 1), torch.tensor([[0.5, 0.9]])
        unsure = torch.cat([box, box], 1), torch.tensor([[0.5, torch.nan]])
        for boxes, scores in (both, unsure):
            found = mean_average_precision(boxes, scores, label.expand(1, 2), box, label, classes=1, area=area)
            assert found.map.item() == 0.5 and found.recall.item() == 1
            last = [v[:, 1:] for v in (boxes, scores)]
            found = mean_average_precision(*last, label, box, label, classes=1, area=area)
            assert found.map.item() == found.recall.item() == 0

    @pytest.mark.parametrize(
        ("name", "match"),
        [
            ("scores", r"scores must be of as many elements in each image as boxes, \[2, 3\], got \[3, 2\]"),
            ("labels", r"labels must be of as many elements in each image as boxes, \[2, 3\], got \[3, 2\]"),
            ("target_labels", r"target_labels must be of as many elements in each image as target_boxes, \[2, 3\]"),
        ],
    )
    def test_lists_are_as_long_in_each_image(self, name, match):
        one = {"boxes": [torch.zeros(2, 4), torch.zeros(3, 4)], "scores": [torch.zeros(2), torch.zeros(3)]}
        one["labels"] = [torch.zeros(n, dtype=torch.int64) for n in (2, 3)]
        one |= {"target_boxes": one["boxes"], "target_labels": one["labels"]}
        mean_average_precision(**one, classes=1)
        for other in (one[name][::-1], torch.stack([one[name][1]] * 2), one[name][:1]):
            with pytest.raises(ValueError, match="mean_average_precision: " + match.partition(", got")[0]):
                mean_average_precision(**(one | {name: other}), classes=1)
        with pytest.raises(ValueError, match=match):
            mean_average_precision(**(one | {name: one[name][::-1]}), classes=1)

    def test_unknown_labels_do_not_count(self):
        images = scene(2)
        boxes, scores, labels, targets, target_labels = listed(images)
        more = [torch.cat([a, a]) for a in boxes], [torch.cat([a, a + 1]) for a in scores]
        odd = [torch.cat([a, torch.full_like(a, -1)]) for a in labels]
        found = mean_average_precision(*more, odd, targets, target_labels, classes=4)
        for a, b in zip(found, mean_average_precision(*listed(images), classes=4), strict=True):
            torch.testing.assert_close(a, b, equal_nan=True)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"classes": 0}, "mean_average_precision: classes must be an integer of at least 1"),
            ({"max_detections": 0}, "mean_average_precision: max_detections must be an integer of at least 1"),
            ({"box_format": "quad"}, "mean_average_precision: box_format must be one of those known, got 'quad'"),
            (
                {"iou_thresholds": (0.5, 2)},
                "mean_average_precision: iou_thresholds must be numbers above 0 and at most 1",
            ),
            (
                {"iou_thresholds": 0.5},
                r"mean_average_precision: iou_thresholds must be numbers above 0 and at most 1, got 0.5. Give \(0.5,\)",
            ),
            ({"area": (2, 1)}, r"mean_average_precision: area must be \(low, high\), got \(2, 1\)"),
            ({"area": 5}, r"mean_average_precision: area must be \(low, high\), got 5"),
            (
                {"scores": [0.5, 0.5]},
                "mean_average_precision: scores must be a tensor, or a list of one for each image, got list",
            ),
            ({"boxes": torch.zeros(3, 4)}, r"mean_average_precision: boxes must be of shape \(b, n, box\)"),
            ({"boxes": torch.zeros(1, 3, 5)}, r"mean_average_precision: boxes must be of shape \(\*batch, n, 4\)"),
            ({"boxes": []}, "mean_average_precision: boxes must be of one image at least"),
            (
                {"target_boxes": torch.zeros(2, 3, 4)},
                r"mean_average_precision: target_boxes must be of shape \(1, m, box\)",
            ),
            ({"scores": torch.zeros(1, 2)}, r"mean_average_precision: scores must be of shape \(1, 3\), got \(1, 2\)"),
            ({"labels": torch.zeros(1, 3)}, "mean_average_precision: labels must be a tensor of integers"),
            ({"mask": torch.ones(2, dtype=torch.bool)}, "mean_average_precision: mask must be a tensor broadcastable"),
            (
                {"boxes": [torch.zeros(3, 4)], "mask": torch.ones(1, 3, dtype=torch.bool)},
                "mean_average_precision: mask must be None where boxes is a list",
            ),
        ],
    )
    def test_refusals(self, options, match):
        labels = torch.zeros(1, 3, dtype=torch.int64)
        one = {"boxes": torch.zeros(1, 3, 4), "scores": torch.zeros(1, 3), "labels": labels, "classes": 1,
               "target_boxes": torch.zeros(1, 3, 4), "target_labels": labels}  # fmt: skip
        with pytest.raises(ValueError, match=match):
            mean_average_precision(**(one | options))
