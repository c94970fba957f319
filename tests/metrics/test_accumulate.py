"""Metrics that accumulate: as of everything at once, in a MetricCollection, over ranks, through pickles."""

import importlib.util
import inspect
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


def seen(n, noise=0.0):
    image, _ = images(n, D)
    return image, image + noise * torch.linspace(-1, 1, 16, dtype=D) ** 3


def detections(first, n):
    """Returns one image of a target and n boxes, the last of which is right."""
    box, zero = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.zeros(1, n, dtype=torch.int64)
    boxes = torch.cat([box + 50] * (n - 1) + [box])
    return boxes[None], torch.linspace(first, 0.1, n)[None], zero, box[None], zero[:, :1]


def turned(t):
    R, target = torch.eye(3).expand(2, 3, 3), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return R, t * target, R, target


DEPTH = cases._depths(2, D)[1]
# Two metrics, and two batches: perfect, and one that both see otherwise.
APART = {
    "SSIM": (lambda: (metrics.SSIM(window_size=5), metrics.SSIM(window_size=7)), seen(2), seen(2, 1.0)),
    "MSSSIM": (
        lambda: (metrics.SSIM(window_size=5), metrics.MSSSIM(window_size=5, weights=(0.4, 0.6))),
        seen(2),
        seen(2, 1.0),
    ),
    "DepthErrors": (lambda: (metrics.DepthErrors(), metrics.DepthErrors(scaling="median")), (DEPTH, DEPTH), (2 * DEPTH, DEPTH)),
    "PoseAUC": (lambda: (geometry_metrics.PoseAUC(), geometry_metrics.PoseAUC(signed=True)), turned(1), turned(-1)),
    "MeanAveragePrecision": (
        lambda: [geometry_metrics.MeanAveragePrecision(classes=1, max_detections=most) for most in (1, 2)],
        detections(0.1, 1),
        detections(0.9, 2),
    ),
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


class TestPrecision:
    @pytest.mark.parametrize("name", ["SSIM", "MSSSIM", "PSNR", "EndpointError", "DisparityErrors", "DepthErrors", "PoseAUC"])
    def test_half_beside_single_and_autocast(self, name):
        """A network's half output is compared with a truth in float32."""
        torchmetrics()
        make, inputs, whole = METRICS[name]
        first, *rest = inputs(2, torch.float32)
        plain, mixed, around = make(), make(), make()
        plain.update(first.half().float(), *rest)
        mixed.update(first.half(), *rest)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            around.update(first.half().float(), *rest)
            value = whole(first, *rest)
        for a, b, c in zip(*(map(listed, (plain.compute(), mixed.compute(), around.compute()))), strict=True):
            assert torch.equal(a, b) and torch.equal(a, c)
        assert all(torch.equal(a, b) for a, b in zip(listed(value), listed(whole(first, *rest)), strict=True))


def listed(value):
    return list(value.values()) if isinstance(value, dict) else [value]


def test_classes_are_found():
    assert "SSIM" in dir(metrics) and "PoseAUC" in dir(geometry_metrics)
    assert "window_size" in str(inspect.signature(metrics.SSIM))


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

    def test_the_two_labels_of_the_highest_scores(self):
        """After the first batch both have 2 of 2 right."""
        tm = torchmetrics()
        together = tm.MetricCollection({"one": metrics.Accuracy(), "two": metrics.Accuracy(top_k=2)})
        theirs = tm.Accuracy(task="multiclass", num_classes=3, average="micro", top_k=2)
        scores = torch.tensor([[3.0, 2, 1], [2.0, 3, 1]]), torch.tensor([[3.0, 2, 1]] * 2)
        for part in zip(scores, torch.tensor([[0, 1], [1, 1]]), strict=True):
            together.update(*part)
            theirs.update(*part)
        assert together.compute() == {"one": 0.5, "two": 1.0} and theirs.compute() == 1

    @pytest.mark.parametrize("name", APART)
    def test_other_settings_share_no_state(self, name):
        """Their states are equal after the first batch and differ after the second."""
        tm = torchmetrics()
        make, *parts = APART[name]
        together, alone = tm.MetricCollection(dict(zip("ab", make(), strict=True))), make()
        for part in parts:
            together.update(*part)
            for metric in alone:
                metric.update(*part)
        assert len(together.compute_groups) == 2
        found = [metric.compute() for metric in together.values()]
        for one, expected in zip(found, [metric.compute() for metric in alone], strict=True):
            close(one, expected)
        with pytest.raises(AssertionError):
            close(*found)

    def test_the_same_settings_share_their_state(self):
        tm = torchmetrics()
        areas = {"near": geometry_metrics.PoseAUC(thresholds=(1, 5)), "far": geometry_metrics.PoseAUC(thresholds=(20,))}
        together = tm.MetricCollection(areas)
        for part in batches("PoseAUC"):
            together.update(*part)
        assert len(together.compute_groups) == 1 and set(together.compute()) == {"auc@1", "auc@5", "auc@20"}

    def test_states_are_saved_by_names_that_stay(self):
        torchmetrics()
        one, same, other = metrics.Accuracy(top_k=2), metrics.Accuracy(top_k=2), metrics.Accuracy()
        for metric in (one, same, other):
            metric.persistent(True)
        one.update(*batches("Accuracy")[0])
        assert list(one.state_dict()) == ["total", "count", "of_Accuracy_ec0e6c5e"]
        same.load_state_dict(one.state_dict())
        close(same.compute(), one.compute())
        with pytest.raises(RuntimeError, match="of_Accuracy_ec0e6c5e"):
            other.load_state_dict(one.state_dict())

    def test_errors_by_name(self):
        tm = torchmetrics()
        flow = tm.MetricCollection([metrics.EndpointError()], prefix="val/")
        flow.update(*batches("EndpointError")[0])
        assert set(flow.compute()) == {f"val/{k}" for k in ("epe", "bad1", "bad3", "bad5", "fl_all")}


class TestAverages:
    def test_accuracy_is_of_counts(self):
        """A share of a batch in float32 would lose digits."""
        generator = torch.Generator().manual_seed(0)
        prediction, target = (torch.randint(3, (999,), generator=generator) for _ in range(2))
        metric = metrics.Accuracy()
        for part in zip(prediction.split(7), target.split(7), strict=True):
            metric.update(*part)
        assert metric.compute().item() == (prediction == target).sum().item() / 999

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

    @pytest.mark.parametrize("name", ["PSNR", "SSIM", "MSSSIM", "EndpointError", "DisparityErrors", "DepthErrors"])
    def test_no_prediction_of_nan_is_good(self, name):
        torchmetrics()
        metric, (prediction, *rest) = METRICS[name][0](), batches(name)[0]
        metric.update(torch.full_like(prediction, torch.nan), *rest)
        found = metric.compute()
        for key, value in found.items() if isinstance(found, dict) else [("", found)]:
            if key.startswith("delta"):
                assert value == 0
            else:
                assert value == 1 if key[:3] in ("bad", "fl_", "d1_") else value.isnan()

    @pytest.mark.parametrize("name", ["PSNR", "SSIM", "MSSSIM"])
    def test_a_batch_without_images(self, name):
        torchmetrics()
        metric, parts = METRICS[name][0](), batches(name)
        metric.update(*(v[:0] for v in parts[0]))
        metric.update(*parts[1])
        close(metric.compute(), METRICS[name][2](*parts[1]))

    def test_poses_that_cannot_be_told_have_failed(self):
        torchmetrics()
        metric, (R, t, target_R, target_t) = geometry_metrics.PoseAUC(), cases._poses(4, D)
        target_t[0], R[1], mask = torch.nan, torch.nan, torch.tensor([True, True, True, False])
        metric.update(R, t, target_R, target_t, mask)
        errors = torch.tensor([torch.inf, torch.inf, geometry_metrics.pose_errors(R, t, target_R, target_t).largest[2]])
        close(list(metric.compute().values()), list(geometry_metrics.auc_from_errors(errors.double())))


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: metrics.MeanIoU(classes=0), "MeanIoU: classes must be an integer of at least 1"),
            (lambda: metrics.MeanIoU(classes=2, reduction="sum"), "MeanIoU: reduction must be one of those known"),
            (lambda: metrics.Accuracy(top_k=0), "Accuracy: top_k must be an integer of at least 1"),
            (lambda: metrics.EndpointError(average="image"), "EndpointError: average must be one of those known"),
            (lambda: metrics.DepthErrors(scale="median"), "Unexpected keyword arguments: `scale`"),
            (
                lambda: metrics.DepthErrors(scaling="mean"),
                "DepthErrors: scaling must be one of those known, got 'mean'",
            ),
            (lambda: metrics.DepthErrors(min_depth=0), "DepthErrors: min_depth must be above 0"),
            (lambda: metrics.DepthErrors(max_depth=1e-4), "DepthErrors: max_depth must be above min_depth"),
            (lambda: metrics.PSNR(data_range=-1), "psnr: data_range must be above 0, got -1"),
            (lambda: metrics.SSIM(window_size=4), "ssim: window_size must be odd and positive, got 4"),
            (lambda: metrics.SSIM(sigma=0), "ssim: sigma must be above 0"),
            (lambda: metrics.SSIM(padding="zero"), "ssim: padding must be one of those known"),
            (lambda: metrics.MSSSIM(weights=()), "ms_ssim: weights must be exponents of at least one level"),
            (lambda: metrics.MSSSIM(window="round"), "ms_ssim: window must be one of those known"),
            (lambda: geometry_metrics.PoseAUC(thresholds=()), "PoseAUC: thresholds must be numbers above 0"),
            (lambda: geometry_metrics.PoseAUC(thresholds=5.0), "PoseAUC: thresholds must be numbers above 0, got 5.0"),
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
        # One rank has all and the other none.
        metric.reset()
        for part in parts if rank == 0 else []:
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
