"""Non-maximum suppression against OpenCV and a loop in NumPy."""

import cv2
import numpy as np
import pytest
import torch

from visionops.geometry.boxes import box_iou, nms, nms_mask, rotated_box_iou

D = torch.float64


def scene(n=60, seed=0):
    """Boxes in clusters, with scores."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 30, (n, 2))], 1)
    return torch.from_numpy(boxes), torch.from_numpy((1 + rng.permutation(n)) / n)


def greedy(iou, scores, threshold, labels=None):
    """The definition, one box after the other."""
    kept = []
    for i in np.argsort(-scores.numpy(), kind="stable"):
        if all(iou[i, j] <= threshold or (labels is not None and labels[i] != labels[j]) for j in kept):
            kept.append(int(i))
    return kept


class TestNms:
    @pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
    def test_is_opencvs(self, threshold):
        boxes, scores = scene()
        low_and_size = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        expected = cv2.dnn.NMSBoxes(low_and_size.tolist(), scores.tolist(), 0.0, threshold)
        assert nms(boxes, scores, iou_threshold=threshold).tolist() == list(expected)
        assert 0 < len(expected) < 60

    @pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
    def test_is_greedy(self, threshold):
        boxes, scores = scene(seed=1)
        assert nms(boxes, scores, iou_threshold=threshold).tolist() == greedy(box_iou(boxes, boxes), scores, threshold)

    def test_labels(self):
        boxes, scores = scene(seed=2)
        labels = torch.arange(60) % 3
        expected = greedy(box_iou(boxes, boxes), scores, 0.2, labels)
        assert nms(boxes, scores, iou_threshold=0.2, labels=labels).tolist() == expected

    def test_turned_boxes(self):
        rng = np.random.default_rng(3)
        boxes = torch.from_numpy(rng.uniform([0, 0, 5, 5, -90], [60, 60, 30, 20, 90], (50, 5)))
        scores = torch.from_numpy(rng.permutation(50) / 50)
        expected = greedy(rotated_box_iou(boxes, boxes), scores, 0.1)
        assert nms(boxes, scores, iou_threshold=0.1).tolist() == expected

    def test_a_chain(self):
        """Each overlaps the next alone: every second one stays, however long it is."""
        at = torch.arange(40.0)[:, None] * torch.tensor([1.0, 0, 1, 0])
        boxes = at + torch.tensor([0.0, 0, 1.5, 1])
        keep = nms_mask(boxes, -torch.arange(40.0), iou_threshold=0.1)
        assert keep.tolist() == [i % 2 == 0 for i in range(40)]

    def test_ties_nan_and_none(self):
        boxes = torch.tensor([[0.0, 0, 4, 4]] * 3 + [[float("nan"), 0, 4, 4], [20, 0, 24, 4]])
        scores = torch.tensor([0.5, 0.5, float("nan"), 0.9, float("-inf")])
        assert nms(boxes, scores, iou_threshold=0.5).tolist() == [0, 4]
        assert nms(boxes[:0], scores[:0], iou_threshold=0.5).tolist() == []
        assert nms(boxes[:1], scores[:1], iou_threshold=0.5).tolist() == [0]

    def test_boxes_kept_carry_gradients(self):
        boxes, scores = scene()
        boxes.requires_grad_()
        kept = nms(boxes, scores, iou_threshold=0.3)
        (grad,) = torch.autograd.grad(boxes[kept].sum(), boxes)
        assert grad.sum(1).nonzero()[:, 0].tolist() == sorted(kept.tolist())

    def test_errors(self):
        boxes, scores = scene()
        with pytest.raises(ValueError, match=r"nms: scores must be a floating tensor \(\*batch, 60\)"):
            nms(boxes, scores[:4], iou_threshold=0.5)
        with pytest.raises(ValueError, match=r"nms: boxes must be \(n, 4\) or \(n, 5\), got \(1, 60, 4\). nms_mask"):
            nms(boxes[None], scores[None], iou_threshold=0.5)
        with pytest.raises(ValueError, match=r"nms: boxes must be of shape \(\*batch, n, 4\)"):
            nms(boxes[:, :3], scores, iou_threshold=0.5)
        with pytest.raises(ValueError, match="nms: iou_threshold must be a number"):
            nms(boxes, scores, iou_threshold="half")


class TestNmsMask:
    def test_batch(self):
        made = [scene(seed=s) for s in range(6)]
        boxes, scores = (torch.stack(parts).unflatten(0, (2, 3)) for parts in zip(*made, strict=True))
        keep = nms_mask(boxes, scores, iou_threshold=0.2)
        for i, (b, s) in enumerate(made):
            found = keep.flatten(0, 1)[i].nonzero()[:, 0].tolist()
            assert found == sorted(nms(b, s, iou_threshold=0.2).tolist())

    def test_padding_does_not_count(self):
        boxes, scores = scene()
        keep = nms_mask(boxes, scores, iou_threshold=0.2)
        padded = (
            torch.cat([boxes, torch.zeros(5, 4, dtype=D)]),
            torch.cat([scores, torch.full((5,), float("nan"), dtype=D)]),
        )
        assert torch.equal(nms_mask(*padded, iou_threshold=0.2), torch.nn.functional.pad(keep, (0, 5)))

    def test_empty(self):
        for shape in ((0, 7), (3, 0), (0, 0)):
            assert nms_mask(torch.zeros(*shape, 4), torch.zeros(shape), iou_threshold=0.5).shape == shape
