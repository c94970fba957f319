"""Metrics of flow, disparity and depth against the evaluations that print them, written in NumPy."""

import functools

import numpy as np
import pytest
import torch

from visionops import metrics


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mask_of(*shape, seed=9):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.6


def flows():
    target = 30 * normal(3, 2, 9, 8, seed=1)
    return target + 4 * normal(3, 2, 9, 8, seed=2), target


def disparities():
    target = 90 + 20 * normal(3, 1, 9, 8, seed=1)
    return target + 4 * normal(3, 1, 9, 8, seed=2), target


def depths():
    target = 8 * (0.8 * normal(3, 1, 9, 8, seed=1)).exp()
    return 0.6 * target * (0.3 * normal(3, 1, 9, 8, seed=2)).exp(), target


PAIRS = {"endpoint_error": flows, "disparity_errors": disparities, "depth_errors": depths}


def raft(prediction, target, valid):
    """As evaluate.py of RAFT, but errors above instead of below, and within one image."""
    epe = np.sum((prediction - target) ** 2, axis=0) ** 0.5
    length = np.sum(target**2, axis=0) ** 0.5
    epe, length = epe[valid], length[valid]
    outlier = (epe > 3.0) & ((epe / length) > 0.05)
    return [epe.mean(), *((epe > k).mean() for k in (1, 3, 5)), outlier.mean()]


def kitti(prediction, target, valid):
    error = np.abs(prediction - target)[valid]
    outlier = (error > 3) & (error / np.abs(target[valid]) > 0.05)
    return [error.mean(), *((error > k).mean() for k in (1, 2, 3)), outlier.mean()]


def monodepth2(prediction, target, valid, *, low=1e-3, high=80.0, median=True):
    """As evaluate_depth.py of monodepth2, with log10 and silog of AdaBins."""
    valid = valid & (target > low) & (target < high)
    pred, gt = prediction[valid], target[valid]
    if median:
        pred = pred * (np.median(gt) / np.median(pred))
    pred = np.clip(pred, low, high)
    thresh = np.maximum(gt / pred, pred / gt)
    err = np.log(pred) - np.log(gt)
    return [
        np.mean(np.abs(gt - pred) / gt),
        np.mean((gt - pred) ** 2 / gt),
        np.sqrt(((gt - pred) ** 2).mean()),
        np.sqrt((err**2).mean()),
        np.mean(np.abs(np.log10(gt) - np.log10(pred))),
        np.sqrt(np.mean(err**2) - np.mean(err) ** 2),
        *((thresh < 1.25**k).mean() for k in (1, 2, 3)),
    ]


@pytest.mark.parametrize("name", PAIRS)
class TestAll:
    def test_masked_samples_are_as_alone(self, name):
        function, (prediction, target) = getattr(metrics, name), PAIRS[name]()
        mask = mask_of(3, 1, 9, 8)
        mask[1] = False
        found = torch.stack(function(prediction, target, mask=mask), -1)
        dirty = [torch.where(mask, v, torch.nan) for v in (prediction, target)]
        assert torch.equal(torch.stack(function(*dirty, mask=mask), -1)[::2], found[::2])
        assert found[1].isnan().all() and found[::2].isfinite().all()

    def test_float32_keeps_its_digits(self, name):
        function, pair = getattr(metrics, name), PAIRS[name]()
        exact = torch.stack(function(*pair), -1)
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float16, 2e-2)):
            found = torch.stack(function(*(v.to(dtype) for v in pair)), -1)
            assert found.dtype == dtype
            # In half precision some errors cross a threshold.
            torch.testing.assert_close(
                found.double(), exact, rtol=tolerance, atol=tolerance * (1 if dtype == torch.float32 else 2)
            )

    def test_no_graph_is_kept(self, name):
        prediction, target = PAIRS[name]()
        assert not any(v.requires_grad for v in getattr(metrics, name)(prediction.requires_grad_(), target))

    def test_refusals(self, name):
        function, (prediction, target) = getattr(metrics, name), PAIRS[name]()
        with pytest.raises(ValueError, match=f"{name}: target must be of the shape and dtype of prediction"):
            function(prediction, target[:2])
        with pytest.raises(ValueError, match=rf"{name}: prediction must be of shape \(\*batch, [12], h, w\)"):
            function(*(torch.cat([v, v], -3) for v in (prediction, target)))
        with pytest.raises(ValueError, match=f"{name}: mask must be a tensor broadcastable to"):
            function(prediction, target, mask=mask_of(3, 2, 9, 8))


class TestEndpointError:
    def test_as_raft(self):
        prediction, target = flows()
        mask = mask_of(3, 1, 9, 8)
        found = torch.stack(metrics.endpoint_error(prediction, target, mask=mask), -1)
        expected = [raft(p.numpy(), t.numpy(), m[0].numpy()) for p, t, m in zip(prediction, target, mask, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert 0 < expected[0][4] < expected[0][2] < 1, "no error is above 3 pixels and below 5 %"

    def test_still_truth(self):
        flow = torch.tensor([3.5, 0.0]).reshape(2, 1, 1)
        assert metrics.endpoint_error(flow, torch.zeros(2, 1, 1)).fl_all.item() == 1
        assert [v.item() for v in metrics.endpoint_error(flow, flow)] == [0] * 5

    def test_a_prediction_of_nan_is_off(self):
        flow = torch.zeros(2, 1, 2)
        bad = flow.clone()
        bad[0, 0, 0] = torch.nan
        found = metrics.endpoint_error(bad, flow)
        assert found.epe.isnan() and found.bad5.item() == found.fl_all.item() == 0.5


class TestDisparityErrors:
    def test_as_kitti(self):
        prediction, target = disparities()
        mask = mask_of(3, 1, 9, 8)
        found = torch.stack(metrics.disparity_errors(prediction, target, mask=mask), -1)
        expected = [kitti(*(v[0].numpy() for v in one)) for one in zip(prediction, target, mask, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert 0 < expected[0][4] < expected[0][3], "no error is above 3 pixels and below 5 %"

    def test_a_prediction_of_nan_is_off(self):
        target = torch.full((1, 1, 2), 9.0)
        found = metrics.disparity_errors(torch.tensor([[[torch.nan, 9.0]]]), target)
        assert found.bad3.item() == found.d1_all.item() == 0.5


class TestDepthErrors:
    @pytest.mark.parametrize("median", [False, True])
    def test_as_monodepth2(self, median):
        prediction, target = depths()
        target[0, 0, 0, :4], target[1, 0, 1, 1], target[2, 0, 0, 0] = 0, 90, torch.nan
        prediction[0, 0, 5, 0] = 500
        mask = mask_of(3, 1, 9, 8)
        mask[0, 0, 5, 0] = True
        scaling = "median" if median else "none"
        found = torch.stack(metrics.depth_errors(prediction, target, mask=mask, max_depth=80, scaling=scaling), -1)
        assert (mask.sum((1, 2, 3)) % 2).unique().numel() == 2, "medians of odd and of even numbers"
        evaluate = functools.partial(monodepth2, median=median)
        expected = [evaluate(*(v[0].numpy() for v in one)) for one in zip(prediction, target, mask, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-10)

    def test_no_cap(self):
        prediction, target = depths()
        found = torch.stack(metrics.depth_errors(1000 * prediction, 1000 * target), -1)
        expected = [
            monodepth2(1000 * p[0].numpy(), 1000 * t[0].numpy(), np.ones((9, 8), bool), high=np.inf, median=False)
            for p, t in zip(prediction, target, strict=True)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-10)

    def test_a_small_spread_keeps_its_digits_beside_a_large_bias(self):
        _, target = depths()
        prediction = 50 * target * (1e-3 * normal(3, 1, 9, 8, seed=5)).exp()
        exact = metrics.depth_errors(prediction, target).silog
        single = metrics.depth_errors(prediction.float(), target.float()).silog
        torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=0)

    def test_scale_does_not_matter_once_medians_are_one(self):
        prediction, target = depths()
        once, twice = (metrics.depth_errors(f * prediction, target, scaling="median") for f in (1, 7))
        torch.testing.assert_close(torch.stack(once), torch.stack(twice))

    def test_a_prediction_of_nan_takes_the_median_with_it(self):
        prediction, target = depths()
        prediction[0, 0, 0, 0] = torch.nan
        target[0, 0, 0, 1:] = 0
        found = torch.stack(metrics.depth_errors(prediction, target, scaling="median"), -1)
        evaluate = functools.partial(monodepth2, valid=np.ones((9, 8), bool), high=np.inf)
        expected = [evaluate(p[0].numpy(), t[0].numpy()) for p, t in zip(prediction, target, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert found[0, :6].isnan().all() and not found[0, 6:].any()

    @pytest.mark.parametrize("scaling", ["none", "median"])
    def test_images_without_pixels(self, scaling):
        found = metrics.depth_errors(torch.zeros(2, 1, 0, 8), torch.zeros(2, 1, 0, 8), scaling=scaling)
        assert all(v.shape == (2,) and v.isnan().all() for v in found)

    def test_exact(self):
        _, target = depths()
        assert [v.tolist() for v in metrics.depth_errors(target, target)] == [[0.0] * 3] * 6 + [[1.0] * 3] * 3

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"min_depth": 0.0}, "depth_errors: min_depth must be above 0, got 0.0"),
            ({"max_depth": 1e-4}, "depth_errors: max_depth must be above min_depth, 0.001, got 0.0001"),
            ({"max_depth": "80"}, "depth_errors: max_depth must be a number"),
            ({"scaling": "mean"}, "depth_errors: scaling must be one of those known, got 'mean'"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            metrics.depth_errors(*depths(), **options)
