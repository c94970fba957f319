"""Draws against NumPy's Philox, and what they may and may not depend on."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch.utils.data import DataLoader

import visionops as vo
import visionops.augment as va
from visionops.kernels import native


def STEPS():
    return (
        va.Rotate((-30, 30)),
        va.Brightness((0.5, 1.5), p=0.7),
        va.GaussianBlur((0.1, 2.0)),
        va.HorizontalFlip(p=0.5),
    )


def words(seed, epoch, index, view, step, n):
    """The uniforms of one step: key (seed, epoch), counter (block, step, index, view), as architecture.md has it."""
    counter = np.array([0, step, index % 2**64, view % 2**64], np.uint64)
    key = np.array([seed % 2**64, epoch % 2**64], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key)).random(n)


class TestPhilox:
    @pytest.mark.parametrize("key", [(0, 0, 0, 0), (7, 3, 12345, 2), (2**40, 10**6, 2**61, 1), (-1, 0, 5, 0)])
    def test_values_are_numpys(self, key):
        seed, epoch, index, view = key
        pipe = vo.Pipeline(*STEPS(), seed=seed)
        steps = pipe.sample((10, 12), index=index, epoch=epoch, view=view)["steps"]
        assert steps[0]["degrees"] == -30 + 60 * words(seed, epoch, index, view, 0, 1)[0]
        gate, factor = words(seed, epoch, index, view, 1, 2)
        assert steps[1]["active"] == (gate < 0.7) and steps[1]["brightness"] == 0.5 + factor
        assert steps[2]["sigma"] == pytest.approx(0.1 + 1.9 * words(seed, epoch, index, view, 2, 1)[0], rel=1e-15)
        assert steps[3]["active"] == (words(seed, epoch, index, view, 3, 1)[0] < 0.5)

    def test_a_step_of_many_draws_goes_on_through_the_blocks(self):
        steps = vo.Pipeline(va.Invert(), va.Perspective(0.5), seed=4).sample((10, 12), index=9)["steps"]
        corners = [steps[1][f"corner{i}_{a}"] for i in range(4) for a in "xy"]
        np.testing.assert_allclose(corners, 0.5 * words(4, 0, 9, 0, 1, 8), rtol=1e-15)

    def test_is_uniform_over_indices_epochs_and_views(self):
        pipe = vo.Pipeline(va.Rotate((0.0, 1.0)))
        for options in ({"index": range(3000)}, {"index": range(10**12, 10**12 + 3000)}):
            values = pipe.sample([(4, 4)] * 3000, **options)["steps"][0]["degrees"]
            assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3
        by_epoch = [pipe.sample((4, 4), index=1, epoch=e)["steps"][0]["degrees"] for e in range(2000)]
        by_view = [pipe.sample((4, 4), index=1, view=v)["steps"][0]["degrees"] for v in range(2000)]
        assert scipy.stats.kstest(by_epoch, "uniform").pvalue > 1e-3
        assert scipy.stats.kstest(by_view, "uniform").pvalue > 1e-3

    @pytest.mark.parametrize("lag", [1, 2, 64])
    def test_neighbouring_indices_are_not_correlated(self, lag):
        values = np.array(
            vo.Pipeline(va.Rotate((0.0, 1.0))).sample([(4, 4)] * 8000, index=range(8000))["steps"][0]["degrees"]
        )
        # 3.5 deviations of a correlation of 8000 independent pairs.
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 3.5 / np.sqrt(8000)

    def test_steps_of_one_sample_are_not_correlated(self):
        pipe = vo.Pipeline(va.Rotate((0.0, 1.0)), va.Rotate((0.0, 1.0)), va.Brightness((0.0, 1.0)))
        steps = pipe.sample([(4, 4)] * 8000, index=range(8000))["steps"]
        table = np.corrcoef([steps[0]["degrees"], steps[1]["degrees"], steps[2]["brightness"]])
        assert np.abs(table - np.eye(3)).max() < 3.5 / np.sqrt(8000)


class TestWhatMatters:
    @pytest.mark.parametrize(
        "other", [{"index": 6}, {"epoch": 1}, {"view": 1}, {"index": -5}, {"index": 5 + 2**32}], ids=str
    )
    def test_index_epoch_and_view(self, other):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        base = {"index": 5, "epoch": 0, "view": 0}
        one, two = (pipe.sample((8, 8), **key)["steps"][0]["degrees"] for key in (base, {**base, **other}))
        assert one != two

    def test_seed(self):
        one, two = (
            vo.Pipeline(va.Rotate((-30, 30)), seed=s).sample((8, 8), index=5)["steps"][0]["degrees"] for s in (0, 1)
        )
        assert one != two

    def test_step(self):
        steps = vo.Pipeline(va.Rotate((-30, 30)), va.Rotate((-30, 30))).sample((8, 8), index=5)["steps"]
        assert steps[0]["degrees"] != steps[1]["degrees"]

    def test_no_two_coordinates_stand_for_each_other(self):
        pipe = vo.Pipeline(va.Rotate((0.0, 1.0)))
        seen = {
            pipe.sample((4, 4), index=i, epoch=e, view=v)["steps"][0]["degrees"]
            for i in range(4)
            for e in range(4)
            for v in range(4)
        }
        assert len(seen) == 64

    def test_set_epoch_is_the_default_epoch(self):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        pipe.set_epoch(3)
        assert pipe.epoch == 3
        assert (
            pipe.sample((8, 8), index=5)
            == pipe.sample((8, 8), index=5, epoch=3)
            != pipe.sample((8, 8), index=5, epoch=0)
        )


class TestWhatDoesNotMatter:
    def test_batch_size_and_order(self):
        pipe = vo.Pipeline(*STEPS())
        together = pipe.sample([(10, 12)] * 5, index=[3, 9, 4, 100, 0])["steps"]
        for k, i in enumerate([3, 9, 4, 100, 0]):
            alone = pipe.sample((10, 12), index=i)["steps"]
            for one, many in zip(alone, together, strict=True):
                for name, value in one.items():
                    batch = many[name]
                    assert value == (batch[k] if isinstance(batch, list) else batch), name

    def test_image_dtype_and_form(self):
        pipe = vo.Pipeline(va.RandomResizedCrop(8), *STEPS())
        image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        tensor = torch.from_numpy(image).permute(2, 0, 1)
        reference = pipe(tensor.double() / 255, index=7)
        for form in (tensor.float() / 255, tensor.half() / 255):
            torch.testing.assert_close(
                pipe(form, index=7).double(), reference, atol=5e-3, rtol=0
            )  # half's own rounding
        for form in (image, tensor, tensor[None]):
            index = [7] if getattr(form, "ndim", 3) == 4 else 7
            out = pipe(form, index=index).reshape(3, 8, 8).double() / 255
            torch.testing.assert_close(out, reference, atol=0.51 / 255, rtol=0)

    def test_kernels_on_or_off(self):
        pipe = vo.Pipeline(*STEPS())
        image = torch.rand(3, 3, 16, 20, generator=torch.Generator().manual_seed(0))
        on, drawn = pipe(image, index=[1, 2, 3]), pipe.sample([(16, 20)] * 3, index=[1, 2, 3])
        with native.definitions_only():
            assert pipe.sample([(16, 20)] * 3, index=[1, 2, 3]) == drawn
            torch.testing.assert_close(pipe(image, index=[1, 2, 3]), on, atol=1e-5, rtol=0)

    def test_the_global_generators(self):
        pipe = vo.Pipeline(*STEPS())
        before = torch.get_rng_state()
        np.random.seed(1)  # noqa: NPY002
        one = pipe.sample((8, 8), index=2)
        np.random.seed(2)  # noqa: NPY002
        assert pipe.sample((8, 8), index=2) == one and torch.equal(torch.get_rng_state(), before)

    def test_a_step_added_at_the_end(self):
        one = vo.Pipeline(*STEPS()).sample((8, 8), index=2)["steps"]
        assert vo.Pipeline(*STEPS(), va.Gamma()).sample((8, 8), index=2)["steps"][:-1] == one

    def test_what_a_closed_gate_hides(self):
        """A step that does not run still takes its draws, so that nothing after it changes."""
        closed, opened = (
            vo.Pipeline(va.OneOf(va.Perspective(), va.Invert(), weights=w), va.Rotate()).sample((8, 8), index=2)[
                "steps"
            ][-1]
            for w in ((1, 0), (0, 1))
        )
        assert closed == opened


class TestWithoutIndex:
    def test_manual_seed_reproduces(self):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        torch.manual_seed(3)
        one = pipe.sample((8, 8))["steps"], pipe.sample((8, 8))["steps"]
        torch.manual_seed(3)
        two = pipe.sample((8, 8))["steps"], pipe.sample((8, 8))["steps"]
        assert one == two and one[0] != one[1]

    def test_samples_of_a_batch_differ(self):
        assert len(set(vo.Pipeline(va.Rotate((-30, 30))).sample([(8, 8)] * 100)["steps"][0]["degrees"])) == 100

    def test_the_drawn_index_is_kept_for_replay(self):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        params = pipe.sample((8, 8))
        assert pipe.sample((8, 8), index=params["index"]) == params


class Angles(torch.utils.data.Dataset):
    def __init__(self, pipe):
        self.pipe = pipe

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return self.pipe.sample((8, 8), index=i)["steps"][0]["degrees"]


class TestWorkers:
    @pytest.mark.parametrize("batch", [1, 5])
    def test_worker_count_and_batch_size_do_not_matter(self, batch):
        pipe = vo.Pipeline(va.Rotate((-30, 30)))
        expected = [pipe.sample((8, 8), index=i)["steps"][0]["degrees"] for i in range(12)]
        for workers in (0, 2):
            loader = DataLoader(
                Angles(pipe), batch_size=batch, num_workers=workers, multiprocessing_context="fork" if workers else None
            )
            assert torch.cat(list(loader)).tolist() == expected


class TestRefusals:
    @pytest.mark.parametrize(
        ("shapes", "index", "rule"),
        [
            ((8, 8), 1.5, "an int"),
            ((8, 8), "3", "an int"),
            ((8, 8), [1, 2], "an int"),
            ((8, 8), True, "an int"),
            ([(8, 8)] * 2, 1, "one int for each of 2 samples"),
            ([(8, 8)] * 2, [1, 2, 3], "one int for each of 2 samples"),
        ],
    )
    def test_index(self, shapes, index, rule):
        with pytest.raises(ValueError, match=f"Pipeline: index must be {rule}, got"):
            vo.Pipeline(va.Rotate()).sample(shapes, index=index)

    @pytest.mark.parametrize("shape", [(0, 8), (8, -1)])
    def test_shapes(self, shape):
        with pytest.raises(ValueError, match="sample: shapes must be .*at least one pixel"):
            vo.Pipeline(va.Rotate()).sample(shape)
