"""Metrics that accumulate: as of everything at once, in a MetricCollection, over ranks, through pickles."""

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from visionops import metrics
from visionops.geometry import metrics as geometry_metrics
from visionops.testing.cases import metrics as cases

pytestmark = pytest.mark.filterwarnings("ignore")  # of torchmetrics' own imports

D = torch.float64


def torchmetrics():
    return pytest.importorskip("torchmetrics")


def images(n, dtype):
    image = cases._normal(n, 3, 16, 16).to(dtype)
    return image, image + 0.1 * cases._normal(n, 3, 16, 16, seed=1).to(dtype)


def precision(*inputs):
    found = geometry_metrics.mean_average_precision(*inputs, classes=3)
    return {"map": found.map, "recall": found.recall, "map_50": found.by_threshold[0], "map_75": found.by_threshold[5]}


def areas(*inputs):
    found = geometry_metrics.auc_from_errors(geometry_metrics.pose_errors(*inputs).largest)
    return dict(zip(("auc@5", "auc@10", "auc@20"), found, strict=True))


def per_sample(function):
    return lambda *inputs: {k: v.mean() for k, v in function(*inputs)._asdict().items()}


# The class, its options, the inputs of a batch, and the value of everything at once.
METRICS = {
    "ConfusionMatrix": (lambda: metrics.ConfusionMatrix(classes=5), cases._labels, lambda *x: metrics.confusion_matrix(*x, classes=5)),
    "MeanIoU": (lambda: metrics.MeanIoU(classes=5), cases._labels, lambda *x: metrics.mean_iou(*x, classes=5)),
    "Accuracy": (lambda: metrics.Accuracy(top_k=2), cases._scores, lambda *x: metrics.accuracy(*x, top_k=2)),
    # All samples have as many pixels: both means are the same.
    "EndpointError": (lambda: metrics.EndpointError(), cases._flows, per_sample(metrics.endpoint_error)),
    "DisparityErrors": (lambda: metrics.DisparityErrors(average="samples"), cases._disparities, per_sample(metrics.disparity_errors)),
    "DepthErrors": (lambda: metrics.DepthErrors(scaling="median"), cases._depths, per_sample(lambda *x: metrics.depth_errors(*x, scaling="median"))),
    "SSIM": (lambda: metrics.SSIM(window_size=5), images, lambda *x: metrics.ssim(*x, window_size=5)),
    "PSNR": (lambda: metrics.PSNR(data_range=2.0), images, lambda *x: metrics.psnr(*x, data_range=2.0)),
    "MSSSIM": (
        lambda: metrics.MSSSIM(window_size=5, weights=(0.4, 0.6)),
        images,
        lambda *x: metrics.ms_ssim(*x, window_size=5, weights=(0.4, 0.6)),
    ),
    "PoseAUC": (lambda: geometry_metrics.PoseAUC(), cases._poses, areas),
    "MeanAveragePrecision": (lambda: geometry_metrics.MeanAveragePrecision(classes=3), cases._detections, precision),
}  # fmt: skip


def batches(name, sizes=(4, 3, 1)):
    return [METRICS[name][1](n, D) for n in sizes]


def together(parts):
    return [torch.cat(values) for values in zip(*parts, strict=True)]


def close(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = list(found.values()), [expected[k] for k in found]
    torch.testing.assert_close(found, expected, check_dtype=False, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", METRICS)
class TestAll:
    def test_batches_are_as_everything_at_once(self, name):
        torchmetrics()
        make, _, at_once = METRICS[name]
        metric, parts = make(), batches(name)
        for part in parts:
            metric.update(*part)
        close(metric.compute(), at_once(*together(parts)))
        metric.reset()
        metric.update(*parts[0])
        close(metric.compute(), at_once(*parts[0]))

    def test_forward_gives_the_batch_and_accumulates(self, name):
        torchmetrics()
        make, _, at_once = METRICS[name]
        metric, parts = make(), batches(name)
        for part in parts:
            close(metric(*part), at_once(*part))
        close(metric.compute(), at_once(*together(parts)))

    def test_merging_states_and_pickles(self, name):
        torchmetrics()
        make, _, at_once = METRICS[name]
        one, other, parts = make(), make(), batches(name)
        one.update(*parts[0])
        for part in parts[1:]:
            other.update(*part)
        other = pickle.loads(pickle.dumps(other))
        other.merge_state(one)
        close(other.compute(), at_once(*together(parts)))

    def test_before_any_update(self, name):
        torchmetrics()
        found = METRICS[name][0]().compute()
        for value in found.values() if isinstance(found, dict) else [found]:
            assert value.isnan().all() or name == "ConfusionMatrix"

    def test_no_gradient_is_kept(self, name):
        torchmetrics()
        metric = METRICS[name][0]()
        parts = [v.requires_grad_() if v.is_floating_point() else v for v in batches(name)[0]]
        metric.update(*parts)
        metric(*parts)
        states = [s for state in metric.metric_state.values() for s in (state if isinstance(state, list) else [state])]
        assert not any(state.requires_grad for state in states)


class TestCollection:
    def test_drops_in_beside_torchmetrics(self):
        tm = torchmetrics()
        together = tm.MetricCollection(
            {"miou": metrics.MeanIoU(classes=5), "matrix": metrics.ConfusionMatrix(classes=5),
             "theirs": tm.JaccardIndex(task="multiclass", num_classes=5, average="none")}
        )  # fmt: skip
        parts = [tuple(v.clamp(min=0) for v in part) for part in batches("MeanIoU")]
        for part in parts:
            together.update(*part)
        found = together.compute()
        close(found["miou"], found["theirs"].mean())
        assert found["matrix"].sum() == sum(part[0].numel() for part in parts)
        assert sorted(map(sorted, together.compute_groups.values()))[0] == ["matrix", "miou"], "they share one state"
        together.reset()
        together(*parts[0])
        close(together.compute()["miou"], metrics.mean_iou(*parts[0], classes=5))

    def test_errors_by_name(self):
        tm = torchmetrics()
        flow = tm.MetricCollection([metrics.EndpointError()], prefix="val/")
        flow.update(*batches("EndpointError")[0])
        assert set(flow.compute()) == {f"val/{k}" for k in ("epe", "bad1", "bad3", "bad5", "fl_all")}


class TestAverages:
    def test_pixels_and_samples(self):
        torchmetrics()
        prediction, target = cases._flows(3, D)
        mask = torch.rand(3, 1, 6, 7, generator=torch.Generator().manual_seed(0)) < torch.tensor(
            [0.9, 0.3, -1]
        ).reshape(3, 1, 1, 1)
        error = (prediction - target).square().sum(1, keepdim=True).sqrt()
        pixels, samples = metrics.EndpointError(), metrics.EndpointError(average="samples")
        for metric in (pixels, samples):
            metric.update(torch.where(mask, prediction, torch.nan), target, mask)
        torch.testing.assert_close(pixels.compute()["epe"], error[mask].mean())
        torch.testing.assert_close(samples.compute()["epe"], (error[0][mask[0]].mean() + error[1][mask[1]].mean()) / 2)

    def test_many_pixels_are_counted_exactly(self):
        """In float32 a sum stops to grow at 2^24 pixels."""
        torchmetrics()
        metric = metrics.Accuracy()
        right = torch.ones(1, dtype=torch.int64).expand(2**20)
        for _ in range(18):
            metric.update(right, right)
        metric.update(torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64))
        assert metric.count.item() == 18 * 2**20 + 1 and metric.total.item() == 18 * 2**20

    def test_samples_without_pixels_do_not_count(self):
        torchmetrics()
        metric = metrics.DepthErrors()
        prediction, target = cases._depths(2, D)
        metric.update(prediction, target * torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1))
        torch.testing.assert_close(metric.compute()["rmse"], metrics.depth_errors(prediction, target).rmse[0])

    def test_nan_that_counts_is_told(self):
        torchmetrics()
        metric = metrics.DepthErrors()
        prediction, target = cases._depths(2, D)
        prediction[0, 0, 0, 0] = torch.nan
        metric.update(prediction, target)
        assert metric.compute()["rmse"].isnan()


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: metrics.MeanIoU(classes=0), "MeanIoU: classes must be an integer of at least 1"),
            (lambda: metrics.MeanIoU(classes=2, reduction="sum"), "MeanIoU: reduction must be one of those known"),
            (lambda: metrics.Accuracy(top_k=0), "Accuracy: top_k must be an integer of at least 1"),
            (lambda: metrics.EndpointError(average="image"), "EndpointError: average must be one of those known"),
            (lambda: metrics.DepthErrors(scale="median"), "Unexpected keyword arguments: `scale`"),
            (lambda: geometry_metrics.PoseAUC(thresholds=()), "PoseAUC: thresholds must be numbers above 0"),
            (
                lambda: geometry_metrics.MeanAveragePrecision(classes=2, area=(2, 1)),
                "MeanAveragePrecision: area must be",
            ),
        ],
    )
    def test_options(self, make, match):
        torchmetrics()
        with pytest.raises(ValueError, match=match):
            make()

    def test_errors_name_the_class(self):
        torchmetrics()
        with pytest.raises(ValueError, match="EndpointError: target must be of the shape"):
            metrics.EndpointError().update(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 4))

    def test_unknown_names(self):
        for module in (metrics, geometry_metrics):
            with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Nothing'"):
                module.Nothing  # noqa: B018


def test_without_torchmetrics(monkeypatch):
    """The classes can be imported, and say what to install."""
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    spec = importlib.util.find_spec("visionops.metrics.accumulate")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(
        ModuleNotFoundError, match=r"MeanIoU: torchmetrics must be installed. pip install 'visionops\[metrics\]'"
    ):
        module.MeanIoU(classes=3)


def _rank(rank, path):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    for name, (make, _, at_once) in METRICS.items():
        parts, metric = batches(name), make()
        # Ranks have one batch and two.
        for part in parts[rank : rank * 2 + 1]:
            metric.update(*part)
        close(metric.compute(), at_once(*together(parts)))
    dist.destroy_process_group()


def test_two_ranks(tmp_path):
    torchmetrics()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", Path(__file__), str(rank), str(tmp_path / "meeting")],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], told


if __name__ == "__main__":
    _rank(int(sys.argv[1]), sys.argv[2])
