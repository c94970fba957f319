"""Inside a DataLoader: forked and spawned workers, persistent or not, in a data set and as collate_fn."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import visionops as vo
import visionops.augment as va

N = 10
# What torch says of its own workers' start, not of the pipeline.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def steps():
    return (
        va.RandomResizedCrop((16, 20)),
        va.HorizontalFlip(p=0.5),
        va.Rotate((-30, 30)),
        va.ColorJitter(0.4, 0.4, 0.4, 0.1),
        va.GaussianBlur(p=0.5),
        va.Normalize(0.5, 0.25),
    )


def photo(i):
    """Photos of different sizes."""
    return np.random.default_rng(i).integers(0, 256, (30 + 3 * i, 50 - 2 * i, 3), dtype=np.uint8)


class Photos(Dataset):
    """Photos with labels; a pipeline in __getitem__, or none for collate."""

    def __init__(self, pipe=None, *, keyed=True, bad=None):
        self.pipe, self.keyed, self.bad = pipe, keyed, bad

    def __len__(self):
        return N

    def __getitem__(self, i):
        image = photo(i).astype(np.int32) if i == self.bad else photo(i)
        sample = {
            "image": image,
            "label": i,
            "boxes": [[1.0, 2, 20, 20]] * (i % 3),
            "mask": image[..., 0].astype(np.int64),
        }
        if self.keyed:
            sample["index"] = i
        if self.pipe is None:
            return sample
        out = self.pipe(sample)
        return {k: out[k] for k in ("image", "label", "mask")}


class Draws(Dataset):
    """What is drawn for each sample, and in which epoch."""

    def __init__(self, pipe, *, keyed):
        self.pipe, self.keyed = pipe, keyed

    def __len__(self):
        return N

    def __getitem__(self, i):
        return self.pipe.sample((8, 8), index=i if self.keyed else None)["steps"][0]["degrees"], self.pipe.epoch


def loader(dataset, method, **options):
    return DataLoader(dataset, num_workers=2, multiprocessing_context=method, **options)


def expected(pipe):
    return [
        pipe(image=photo(i), mask=photo(i)[..., 0].astype(np.int64), boxes=[[1.0, 2, 20, 20]] * (i % 3), index=i)
        for i in range(N)
    ]


class TestWorkers:
    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_in_a_data_set(self, method):
        pipe = vo.Pipeline(*steps())
        alone = expected(pipe)
        batches = list(loader(Photos(pipe), method, batch_size=4))
        assert torch.cat([b["label"] for b in batches]).tolist() == list(range(N))
        images, masks = torch.cat([b["image"] for b in batches]), torch.cat([b["mask"] for b in batches])
        for i in range(N):
            assert torch.equal(images[i], alone[i]["image"]) and torch.equal(masks[i], alone[i]["mask"])

    @pytest.mark.parametrize("method", ["fork", "spawn", None])
    def test_as_collate_fn(self, method):
        """Ragged photos; each pass straight into its slice of the batch; draws keyed by index as in this process."""
        pipe = vo.Pipeline(*steps())
        alone = expected(pipe)
        if method is None:
            batches = DataLoader(Photos(), batch_size=4, collate_fn=pipe.collate)
        else:
            batches = loader(Photos(), method, batch_size=4, collate_fn=pipe.collate)
        batches = list(batches)
        assert [len(b["image"]) for b in batches] == [4, 4, 2] and batches[0]["image"].dtype == torch.float32
        for i in range(N):
            batch, k = batches[i // 4], i % 4
            # Whether a sample runs in a batch or alone changes the order of some float32 operations.
            torch.testing.assert_close(batch["image"][k], alone[i]["image"], atol=1e-5, rtol=0)
            assert torch.equal(batch["mask"][k], alone[i]["mask"]) and batch["label"][k] == i
            torch.testing.assert_close(batch["boxes"][k], alone[i]["boxes"])

    def test_a_batch_from_a_worker_is_in_shared_memory(self):
        pipe = vo.Pipeline(*steps())
        for batch in loader(Photos(), "fork", batch_size=4, collate_fn=pipe.collate):
            assert batch["image"].is_shared() and batch["image"].is_contiguous()

    def test_shuffled_batches_draw_the_same(self):
        pipe = vo.Pipeline(*steps())
        alone = expected(pipe)
        order = [7, 2, 9, 0, 4, 1, 3, 8, 6, 5]
        for batch in loader(Photos(), "fork", batch_size=3, sampler=order, collate_fn=pipe.collate):
            for image, label in zip(batch["image"], batch["label"], strict=True):
                torch.testing.assert_close(image, alone[int(label)]["image"], atol=1e-5, rtol=0)

    def test_sizes_that_differ_at_the_end_are_lists(self):
        pipe = vo.Pipeline(va.HorizontalFlip())
        for batch in loader(Photos(), "fork", batch_size=4, collate_fn=pipe.collate):
            for image, label in zip(batch["image"], batch["label"], strict=True):
                np.testing.assert_array_equal(image.permute(1, 2, 0), photo(int(label))[:, ::-1])

    RAGGED = {
        "blur first": lambda: (va.GaussianBlur(1.0), va.Resize((9, 9))),
        "colour, deform, crop": lambda: (va.Brightness(), va.Elastic(1.0, 5.0), va.RandomCrop((12, 12))),
        "turns": lambda: (va.Rotate90(),),
        "one side": lambda: (va.Resize(16),),
        "one of two sizes": lambda: (va.OneOf(va.Resize((10, 12)), va.RandomCrop((9, 9))),),
        "a crop for some": lambda: (va.RandomResizedCrop(12, p=0.5), va.Contrast()),
        "a border for some": lambda: (va.RandomCrop(10), va.Rotate(border="reflect", p=0.5), va.Rotate()),
        "gates before one size": lambda: (va.Sequential(va.Pad(3), va.Rotate90(), p=0.5), va.CenterCrop(11)),
        "no size at all": lambda: (va.Rotate(), va.Erase(), va.GaussianNoise(), va.GaussianBlur(p=0.5)),
        "nothing": lambda: (),
    }

    @pytest.mark.parametrize("chain", RAGGED)
    @pytest.mark.parametrize("fuse", [True, False])
    def test_ragged_photos_together_are_what_they_are_alone(self, chain, fuse):
        pipe = vo.Pipeline(*self.RAGGED[chain](), fuse=fuse)
        samples = [
            {
                "image": photo(i),
                "mask": photo(i)[..., 0],
                "boxes": [[2.0, 3, 15, 12]] * (i % 3),
                "keypoints": [[4.0, 5]],
                "index": i,
            }
            for i in range(6)
        ]
        out = pipe.collate(samples)
        for i, sample in enumerate(samples):
            for name, value in pipe(sample).items():
                assert out[name][i].shape == value.shape
                # A batch rounds its parameters to float32 elsewhere than one sample does: one grey level.
                tolerance = 1 if name == "image" else 1e-4
                assert value.numel() == 0 or (out[name][i].double() - value.double()).abs().max() <= tolerance, name


class TestEpochs:
    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_set_epoch_reaches_persistent_workers(self, method):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        batches = loader(Draws(pipe, keyed=True), method, batch_size=5, persistent_workers=True)
        seen = []
        for epoch in (0, 3):
            pipe.set_epoch(epoch)
            angles, epochs = (torch.cat(parts) for parts in zip(*batches, strict=True))
            assert epochs.tolist() == [epoch] * N
            assert angles.tolist() == [
                pipe.sample((8, 8), index=i, epoch=epoch)["steps"][0]["degrees"] for i in range(N)
            ]
            seen.append(angles)
        assert not (seen[0] == seen[1]).any()

    def test_and_workers_that_start_anew(self):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        batches = loader(Draws(pipe, keyed=True), "fork", batch_size=5)
        for epoch in (0, 4):
            pipe.set_epoch(epoch)
            assert torch.cat([e for _, e in batches]).tolist() == [epoch] * N

    @pytest.mark.parametrize(
        "clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["deepcopy", "pickle"]
    )
    def test_a_copy_has_an_epoch_of_its_own(self, clone):
        pipe = vo.Pipeline(va.Rotate())
        pipe.set_epoch(2)
        other = clone(pipe)
        assert other.epoch == 2
        other.set_epoch(5)
        assert pipe.epoch == 2 and other._epoch.is_shared()


class TestStreams:
    """Without an index, draws come from torch's generator, which a DataLoader seeds for each worker and epoch."""

    def test_workers_and_epochs_draw_different_streams(self):
        torch.manual_seed(0)
        batches = loader(Draws(vo.Pipeline(va.Rotate((-30, 30))), keyed=False), "fork", batch_size=1)
        angles = [float(a) for _ in range(2) for a, _ in batches]
        assert len(set(angles)) == 2 * N

    def test_manual_seed_reproduces_them(self):
        pipe = vo.Pipeline(*steps())
        runs = []
        for _ in range(2):
            torch.manual_seed(7)
            runs.append(
                torch.cat(
                    [b["image"] for b in loader(Photos(keyed=False), "fork", batch_size=5, collate_fn=pipe.collate)]
                )
            )
        assert torch.equal(*runs)


class TestFailures:
    def test_a_workers_exception_names_the_sample(self):
        pipe = vo.Pipeline(*steps())
        with pytest.raises(ValueError, match=r"sample index 6: Pipeline: image must be uint8 or floating, got int32"):
            list(loader(Photos(pipe, bad=6), "fork", batch_size=2))
        with pytest.raises(ValueError, match=r"sample 0 \(index 6\): Pipeline: image must be uint8 or floating"):
            list(loader(Photos(bad=6), "fork", batch_size=2, collate_fn=pipe.collate))

    def test_an_error_while_it_runs_names_the_sample_too(self):
        """Four channels pass the door; ColorJitter is who refuses them."""
        samples = [{"image": np.zeros((8, 8, 4), np.uint8), "index": i} for i in (4, 9)]
        with pytest.raises(ValueError, match=r"ColorJitter: image must be of 1 or 3 channels, got 4"):
            vo.Pipeline(va.ColorJitter(0.4)).collate(samples)
        boxes = [
            {"image": photo(k), "mask": photo(k)[..., 0], "keypoints": [[1.0, 2]], "boxes": b, "index": i}
            for k, (i, b) in enumerate([(4, [[1, 2, 3, 4]]), (9, [[3, 3, 1, 1]]), (7, [])])
        ]
        for steps in (
            (va.HorizontalFlip(),),
            (va.RandomResizedCrop((8, 9)),),
            (va.GaussianBlur(1.0), va.RandomCrop(12)),
        ):
            with pytest.raises(ValueError, match=r"^sample 1 \(index 9\): Pipeline: boxes must be ordered"):
                vo.Pipeline(*steps).collate(boxes)


class TestMix:
    @pytest.mark.parametrize("step", [va.MixUp(num_classes=N), va.CutMix(num_classes=N)], ids=["mixup", "cutmix"])
    def test_in_collate_with_soft_labels(self, step):
        pipe = vo.Pipeline(va.RandomResizedCrop((16, 20)), step, va.Normalize(0.5, 0.25))
        data = [{"image": photo(i), "label": i, "index": i} for i in range(N)]
        for batch in loader(data, "fork", batch_size=5, collate_fn=pipe.collate):
            assert batch["label"].shape == (5, N) and batch["image"].shape == (5, 3, 16, 20)
            torch.testing.assert_close(batch["label"].sum(1), torch.ones(5))
            assert batch["image"].is_shared()

    def test_one_sample_is_refused(self):
        with pytest.raises(ValueError, match="MixUp: input must be a batch, got one sample. Use collate_fn"):
            vo.Pipeline(va.MixUp())(photo(0))


class TestLearned:
    def test_a_pipeline_with_a_parameter_pickles_and_runs_in_workers(self):
        width = nn.Parameter(torch.tensor(20.0))
        pipe = vo.Pipeline(va.RandomResizedCrop((16, 20)), va.Rotate(va.Symmetric(width)))
        again = pickle.loads(pickle.dumps(pipe))
        with torch.no_grad():
            assert torch.equal(again(photo(0), index=3), pipe(photo(0), index=3))
            for method in ("fork", "spawn"):
                for batch in loader([photo(i) for i in range(4)], method, batch_size=2, collate_fn=pipe.collate):
                    assert batch["image"].shape == (2, 3, 16, 20)
