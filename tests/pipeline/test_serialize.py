"""Pipelines as YAML and JSON: what is written is read back, and nothing else is."""

import json

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import visionops as vo
import visionops.augment as va
from visionops.kernels.pixel import Instruction, Op
from visionops.pipeline.steps import STEPS, Color

READERS = {
    "yaml": (vo.Pipeline.to_yaml, vo.Pipeline.from_yaml),
    "json": (vo.Pipeline.to_json, vo.Pipeline.from_json),
    "dict": (vo.Pipeline.to_dict, vo.Pipeline.from_dict),
}


def photo():
    return np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)


PIPELINES = {
    "empty": lambda: vo.Pipeline(),
    "distributions": lambda: vo.Pipeline(
        va.Affine(va.Normal(0, 10), (va.Uniform(-3, 3), va.Constant(2)), va.LogUniform(0.5, 2), ((-3, 3), (1, 2))),
        va.Rotate(va.Choice([0, 90])), va.Brightness(va.Uniform(0.5, 1.5)), va.GaussianBlur(va.Symmetric(0)),
    ),
    "options": lambda: vo.Pipeline(
        va.Rotate((-10, 10)), seed=7, fuse=False, output="same", antialias=False, interpolation="bicubic",
        fill={"image": (0.1, 0.2, 0.3), "mask": 255, "right": 0.5}, targets={"right": "image"}, passthrough=["id", "path"],
        box_format="yolo", box_hull="ellipse", box_min_area=4.5, box_min_visibility=0.1, keypoint_swap=[(1, 2), (3, 4)],
    ),
    "groups": lambda: vo.Pipeline(
        va.OneOf(va.Rotate((5, 10)), va.SomeOf(va.Invert(), va.Sequential(va.Gamma(), va.HorizontalFlip(p=0.3)), n=(1, 2)), weights=(1, 2), p=0.9),
        va.OneOf([va.Invert(), va.VerticalFlip()]),
    ),
    "all arguments": lambda: vo.Pipeline(
        va.RandomResizedCrop(20, (0.5, 1), (0.9, 1.1), p=0.9), va.Crop((1, 2, 18, 19), fill=0.2), va.CenterCrop((15, 16)), va.RandomCrop(14),
        va.Resize(20, side="longest"), va.Pad((1, 2, 3, 4), border="reflect"), va.Perspective((0.1, 0.3), border="circular", fill=(0, 1, 0)),
        va.Elastic(2, 10), va.Rasterize(), va.ColorJitter(0.1, (0.5, 1.5), va.Uniform(0.5, 0.6), 0.1, p=0.5), va.Erase(value=(0, 0.5, 1)),
        va.GaussianNoise((0, 0.1), clip=False), va.GaussianBlur((0.1, 1), 5, border="replicate"), va.Posterize((3, 5)), va.Solarize((0.4, 0.6)),
        va.Normalize(np.array([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.2, 0.2])),
    ),
}  # fmt: skip


class TestRoundTrip:
    @pytest.mark.parametrize("form", READERS)
    @pytest.mark.parametrize("name", PIPELINES)
    def test_everything(self, name, form):
        pipe = PIPELINES[name]()
        write, read = READERS[form]
        again = read(write(pipe))
        assert again.explain() == pipe.explain()
        if name in ("empty", "distributions", "options"):  # arrays and lists become tuples
            assert repr(again) == repr(pipe)
            assert again.to_dict() == pipe.to_dict()
        targets = {"image": photo(), "right": photo()} if name == "options" else {"image": photo()}
        for index in range(4):
            a, b = (p(**targets, index=index)["image"] for p in (pipe, again))
            assert (a == b).all() and type(a) is type(b)

    def test_is_plain_data(self):
        for make in PIPELINES.values():
            data = make().to_dict()
            assert json.loads(json.dumps(data)) == yaml.safe_load(yaml.safe_dump(data)) == data

    def test_is_short_and_readable(self):
        pipe = vo.Pipeline(
            va.RandomResizedCrop((224, 224)), va.HorizontalFlip(p=0.5), va.Affine(rotate=(-30, 30)), va.ToFloat()
        )
        assert yaml.safe_load(pipe.to_yaml()) == {
            "steps": [{"RandomResizedCrop": {"size": [224, 224]}}, {"HorizontalFlip": {"p": 0.5}}, {"Affine": {"rotate": [-30, 30]}}, "ToFloat"]
        }  # fmt: skip

    def test_hand_written_forms(self):
        text = """
        seed: 3
        steps:
          - RandomResizedCrop: {size: 16}
          - HorizontalFlip
          - Affine: {rotate: [-30, 30], scale: {LogUniform: {low: 0.8, high: 1.25}}}
          - OneOf:
              steps: [Invert, {Gamma: {gamma: 2}}]
              p: 0.5
        """
        by_hand = vo.Pipeline(
            va.RandomResizedCrop(16),
            va.HorizontalFlip(),
            va.Affine((-30, 30), scale=va.LogUniform(0.8, 1.25)),
            va.OneOf(va.Invert(), va.Gamma(2), p=0.5),
            seed=3,
        )
        assert torch.equal(vo.Pipeline.from_yaml(text)(photo(), index=1), by_hand(photo(), index=1))

    @pytest.mark.parametrize("form", READERS)
    def test_parameters_stay_parameters_with_their_values(self, form):
        width = nn.Parameter(torch.tensor(12.0))
        pipe = vo.Pipeline(
            va.Rotate(va.Symmetric(width)),
            va.Brightness((0.9, nn.Parameter(torch.tensor(1.1)))),
            va.Rotate(torch.tensor([1.0, 2.0])),
        )
        with torch.no_grad():
            width.fill_(17.0)
        write, read = READERS[form]
        again = read(write(pipe))
        assert [p.item() for p in again.parameters()] == pytest.approx([17, 1.1])
        assert all(isinstance(p, nn.Parameter) for p in again.parameters())
        assert torch.equal(again.steps[2].drawn["degrees"].values, torch.tensor([1.0, 2.0]))

    def test_params_of_a_draw_survive_json(self):
        pipe = PIPELINES["all arguments"]()
        params = pipe.sample([(24, 30)] * 2, index=[1, 2], epoch=3, view=1)
        again = json.loads(json.dumps(params))
        batch = np.stack([photo(), photo()])
        assert again == params and torch.equal(pipe.apply(again, batch), pipe(batch, index=[1, 2], epoch=3, view=1))


class Halve(Color):
    """Divides colours, as a user's own step would.

    Args:
        by: the divisor.
        p: the probability that it runs.
    """

    def __init__(self, by=2.0, *, p=1.0):
        super().__init__(p=p, by=by)

    def program(self, values, channels):
        from visionops.pipeline.numbers import row

        return [Instruction(Op.SCALE, row(*(1 / values["by"],) * channels, *(0.0,) * channels, 0.0, 1.0))]


class TestOwnStep:
    def test_runs_merges_and_is_read_back(self):
        pipe = vo.Pipeline(va.Rotate(0), Halve((2.0, 4.0)), va.Invert())
        assert pipe.explain().startswith("warp (1 step) + colour sweep\n") and STEPS["Halve"] is Halve
        again = vo.Pipeline.from_yaml(pipe.to_yaml())
        assert isinstance(again.steps[1], Halve) and repr(again) == repr(pipe)
        image = np.random.default_rng(0).random((5, 6, 3))
        by = pipe.sample((5, 6), index=3)["steps"][1]["by"]
        np.testing.assert_allclose(again(image, index=3).permute(1, 2, 0), 1 - image / by, atol=1e-6)

    def test_a_misspelt_argument_of_it_is_refused(self):
        with pytest.raises(ValueError, match="Halve: argument 'bye' is unknown. Did you mean 'by'"):
            Halve(bye=3)

    def test_defining_it_again_replaces_it(self):
        """As when a notebook's cell runs twice."""
        first = type("Redefined", (Halve,), {"__module__": "notebook"})
        second = type("Redefined", (Halve,), {"__module__": "notebook"})
        try:
            assert STEPS["Redefined"] is second and first is not second
        finally:
            STEPS.pop("Redefined", None)

    def test_a_step_of_the_library_is_not_replaced(self):
        type("Rotate", (Halve,), {"__module__": "notebook"})
        assert STEPS["Rotate"] is va.Rotate


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("steps:\n- Rotat: {degrees: 3}", "Pipeline: step 'Rotat' is unknown. Did you mean 'Rotate'"),
            ("steps:\n- Rotate: {degres: 3}", "Rotate: argument 'degres' is unknown. Did you mean 'degrees'"),
            ("steps:\n- Rotate: {degrees: {Unifrm: {low: 1, high: 2}}}", "Unifrm.* Did you mean 'Uniform'"),
            ("steps:\n- Rotate: {degrees: {Uniform: {lo: 1, high: 2}}}", "Uniform: .*lo"),
            ("steps:\n- Rotate: {degrees: {Uniform: {low: 1}}}", "Uniform: .*high"),
            ("steps:\n- Rotate: {degrees: {Uniform: {low: 3, high: 2}}}", "Uniform: low must be at most high"),
            ("steps:\n- Rotate: {degrees: {Uniform: 3}}", "Uniform"),
            ("steps:\n- Rotate: {degrees: {low: 1, high: 2}}", "is no distribution"),
            ("steps:\n- Rotate: {degrees: [1, 2, 3]}", "Rotate: degrees must be"),
            ("steps:\n- Rotate: {degrees: {Parameter: x}}", "Parameter"),
            ("steps:\n- Rotate: 3", r"Rotate: arguments must be a mapping"),
            ("steps:\n- Rotate: [3]", r"Rotate: arguments must be a mapping"),
            (
                "steps:\n- {Rotate: {degrees: 3}, Invert: {}}",
                "Pipeline: a step must be a name, or one name with its arguments",
            ),
            ("steps:\n- 3", "Pipeline: a step must be"),
            ("steps:\n- Resize: {}", "Resize: .*'size'"),
            ("steps:\n- Resize: {size: a}", "Resize: size must be"),
            ("steps:\n- Crop: {box: [1, 2]}", "Crop: box must be"),
            (
                "steps:\n- OneOf: {steps: [Rotate, Invertt]}",
                "OneOf: steps must be steps, got 'Invertt'|Did you mean 'Invert'",
            ),
            ("steps:\n- OneOf: {steps: [{Rotat: {}}]}", "Did you mean 'Rotate'"),
            ("steps:\n- OneOf: {}", "OneOf: steps must be at least one step"),
            ("seeds: 3\nsteps: []", "Pipeline: option 'seeds' is unknown. Did you mean 'seed'"),
            ("seed: x\nsteps: []", "Pipeline: seed must be an int, got 'x'"),
            ("targets: [a]\nsteps: []", "Pipeline: targets must be a mapping"),
            ("passthrough: 3\nsteps: []", "Pipeline: "),
            ("keypoint_swap: [1, 2]\nsteps: []", "Pipeline: keypoint_swap must be pairs"),
            ("box_min_area: x\nsteps: []", "Pipeline: "),
            ("steps: {Rotate: 3}", "Pipeline: data must be a mapping with a list of steps"),
            ("stps: []", "Pipeline: data must be a mapping with a list of steps"),
            ("- Rotate", "Pipeline: data must be a mapping with a list of steps"),
            ("", "Pipeline: data must be a mapping with a list of steps"),
            ("steps: [", "Pipeline.from_yaml: text must be YAML"),
            ("steps: [\x00]", "Pipeline.from_yaml: text must be YAML"),
        ],
        ids=range(32),
    )
    def test_say_what_is_wrong(self, text, match):
        with pytest.raises(ValueError, match=match):
            vo.Pipeline.from_yaml(text)

    def test_json(self):
        with pytest.raises(ValueError, match="Pipeline.from_json: text must be JSON"):
            vo.Pipeline.from_json("{steps: []}")
        with pytest.raises(ValueError, match="step 'Rotat' is unknown"):
            vo.Pipeline.from_json('{"steps": ["Rotat"]}')

    @pytest.mark.parametrize(
        "text",
        [
            '!!python/object/apply:os.system ["touch {path}"]',
            'steps:\n- !!python/object/apply:os.system ["touch {path}"]',
            "steps:\n- Rotate: {{degrees: !!python/object/new:os.system ['touch {path}']}}",
            "steps:\n- Rotate: {{degrees: !!python/name:os.system }}",
        ],
    )
    def test_nothing_is_executed(self, text, tmp_path):
        path = tmp_path / "executed"
        with pytest.raises(ValueError, match="YAML without tags"):
            vo.Pipeline.from_yaml(text.format(path=path))
        assert not path.exists()

    @pytest.mark.parametrize(
        "name", ["os.system", "Step", "Pipeline", "Module", "__init__", "visionops.augment.Rotate", "_Window"]
    )
    def test_only_steps_are_built(self, name):
        with pytest.raises(ValueError, match="is unknown"):
            vo.Pipeline.from_dict({"steps": [{name: {}}]})
