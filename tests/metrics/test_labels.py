"""Metrics of labels against scikit-learn."""

import numpy as np
import pytest
import torch

from visionops import metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def labels(*shape, classes=5, seed=0):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


class TestConfusionMatrix:
    @pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
    def test_as_scikit_learn(self, dtype):
        prediction, target = labels(2, 9, 8, classes=20).to(dtype), labels(2, 9, 8, classes=20, seed=1).to(dtype)
        expected = sklearn_metrics.confusion_matrix(target.flatten(), prediction.flatten(), labels=range(20))
        found = metrics.confusion_matrix(prediction, target, classes=20)
        assert found.dtype == torch.int64 and np.array_equal(found, expected)

    def test_masked_and_unknown_labels_do_not_count(self):
        prediction, target, mask = labels(4, 30), labels(4, 30, seed=1), labels(4, 1, classes=2, seed=2).bool()
        mask[0] = True
        prediction[0, :2], target[0, 2:5] = 7, torch.tensor([-1, 255, 5])
        kept = mask.expand(4, 30).clone()
        kept[0, :5] = False
        expected = sklearn_metrics.confusion_matrix(target[kept], prediction[kept], labels=range(5))
        assert np.array_equal(metrics.confusion_matrix(prediction, target, classes=5, mask=mask), expected)

    def test_nothing_counts(self):
        empty = torch.zeros(0, dtype=torch.int64)
        assert metrics.confusion_matrix(empty, empty, classes=2).tolist() == [[0, 0], [0, 0]]

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"classes": 0}, "confusion_matrix: classes must be an integer of at least 1, got 0"),
            (
                {"prediction": torch.zeros(4)},
                "confusion_matrix: prediction must be a tensor of integers, got torch.float32. Take its argmax",
            ),
            ({"target": [0, 1]}, "confusion_matrix: target must be a tensor of integers, got list"),
            (
                {"target": labels(3)},
                r"confusion_matrix: target must be of the shape of prediction, got \(3,\) beside \(4,\)",
            ),
            ({"mask": labels(4)}, "confusion_matrix: mask must be boolean"),
            (
                {"mask": torch.ones(3, dtype=torch.bool)},
                r"confusion_matrix: mask must be a tensor broadcastable to \(4,\)",
            ),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            metrics.confusion_matrix(**({"prediction": labels(4), "target": labels(4), "classes": 5} | options))


class TestMeanIoU:
    def test_as_scikit_learn(self):
        prediction, target = labels(2, 9, 8), labels(2, 9, 8, seed=1)
        expected = sklearn_metrics.jaccard_score(target.flatten(), prediction.flatten(), average=None)
        per_class = metrics.mean_iou(prediction, target, classes=5, reduction="none")
        np.testing.assert_allclose(per_class, expected, rtol=1e-6)
        assert metrics.mean_iou(prediction, target, classes=5).item() == pytest.approx(expected.mean(), rel=1e-6)

    def test_absent_classes_are_left_out(self):
        prediction, target = torch.tensor([0, 0, 3]), torch.tensor([0, 1, 1])
        per_class = metrics.mean_iou(prediction, target, classes=5, reduction="none")
        torch.testing.assert_close(per_class, torch.tensor([0.5, 0, torch.nan, 0, torch.nan]), equal_nan=True)
        assert metrics.mean_iou(prediction, target, classes=5).item() == pytest.approx(0.5 / 3)

    def test_of_nothing_is_nan(self):
        mask = torch.zeros(3, dtype=torch.bool)
        assert metrics.mean_iou(labels(3), labels(3), classes=5, mask=mask).isnan()

    def test_refusals(self):
        with pytest.raises(ValueError, match="mean_iou: reduction must be one of those known, got 'sum'"):
            metrics.mean_iou(labels(3), labels(3), classes=5, reduction="sum")
        with pytest.raises(ValueError, match="mean_iou: target must be of the shape of prediction"):
            metrics.mean_iou(labels(3), labels(4), classes=5)


class TestAccuracy:
    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_of_scores_as_scikit_learn(self, k):
        scores, target = torch.rand(50, 5, generator=torch.Generator().manual_seed(3)), labels(50)
        expected = sklearn_metrics.top_k_accuracy_score(target, scores, k=k, labels=range(5))
        assert metrics.accuracy(scores, target, top_k=k).item() == pytest.approx(expected, rel=1e-6)

    def test_of_labels(self):
        prediction, target, mask = (
            labels(4, 6, classes=2),
            labels(4, 6, classes=2, seed=1),
            labels(4, 6, classes=2, seed=2) > 0,
        )
        expected = sklearn_metrics.accuracy_score(target[mask], prediction[mask])
        assert metrics.accuracy(prediction, target, mask=mask).item() == pytest.approx(expected, rel=1e-6)

    def test_equal_scores_favour_the_first(self):
        scores = torch.zeros(4, 3)
        assert metrics.accuracy(scores, torch.tensor([0, 1, 2, 0])).item() == 0.5
        assert torch.equal(scores.argmax(-1), torch.zeros(4, dtype=torch.int64))
        assert metrics.accuracy(scores, torch.tensor([0, 1, 2, 0]), top_k=2).item() == 0.75

    def test_nan_is_above_all_and_never_right(self):
        scores = torch.tensor([[torch.nan, 1.0, 0.0], [0.0, torch.nan, 1.0]])
        assert metrics.accuracy(scores, torch.tensor([1, 1])).item() == 0
        assert metrics.accuracy(scores, torch.tensor([1, 1]), top_k=2).item() == 0.5
        assert metrics.accuracy(scores, torch.tensor([1, 1]), top_k=9).item() == 0.5

    def test_labels_beyond_the_scores_are_wrong_and_negative_ones_do_not_count(self):
        scores = torch.tensor([[1.0, 0.0]]).expand(3, 2)
        assert metrics.accuracy(scores, torch.tensor([0, 2, -100])).item() == 0.5
        assert metrics.accuracy(scores, torch.tensor([0, 2, -100]), top_k=2).item() == 0.5

    def test_of_nothing_is_nan(self):
        assert metrics.accuracy(torch.zeros(0, 3), labels(0)).isnan()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"top_k": 0}, "accuracy: top_k must be an integer of at least 1"),
            ({"prediction": torch.zeros(4)}, r"accuracy: prediction must be of shape \(4,\), or with scores"),
            ({"prediction": [1, 2]}, "accuracy: prediction must be a tensor of integers, got list"),
            ({"target": torch.zeros(4)}, "accuracy: target must be a tensor of integers, got torch.float32"),
            ({"mask": torch.ones(4, 3, dtype=torch.bool)}, r"accuracy: mask must be a tensor broadcastable to \(4,\)"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            metrics.accuracy(**({"prediction": torch.zeros(4, 3), "target": labels(4, classes=3)} | options))
