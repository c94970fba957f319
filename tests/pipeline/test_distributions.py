"""Distributions against scipy.stats, their gradients against finite differences, and how arguments become one."""

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

import visionops as vo
import visionops.augment as va
from visionops.pipeline.distributions import as_distribution, bound_values

N = 4000

CONTINUOUS = {
    "Uniform": (lambda: va.Uniform(-3, 5), scipy.stats.uniform(-3, 8)),
    "Uniform of one point": (lambda: va.Uniform(-3, -3 + 1e-9), scipy.stats.uniform(-3, 1e-9)),
    "Symmetric": (lambda: va.Symmetric(7.5), scipy.stats.uniform(-7.5, 15)),
    "LogUniform": (lambda: va.LogUniform(0.25, 8), scipy.stats.loguniform(0.25, 8)),
    "Normal": (lambda: va.Normal(-2, 0.5), scipy.stats.norm(-2, 0.5)),
}


def uniforms(distribution, n=N):
    return np.random.Generator(np.random.Philox(key=np.array([1, 2], np.uint64))).random((distribution.draws, n))


def drawn(step, name, n=N, **options):
    """Returns n values as the pipeline draws them."""
    params = vo.Pipeline(step, **options).sample([(20, 30)] * n, index=range(n))
    return np.asarray(params["steps"][0][name], float)


class TestDraw:
    @pytest.mark.parametrize("name", CONTINUOUS)
    def test_follows_scipys_distribution(self, name):
        make, expected = CONTINUOUS[name]
        values = make().draw(uniforms(make()))
        assert values.shape == (N,)
        # The draw is fixed, so this either holds for good or not at all.
        assert scipy.stats.kstest(values, expected.cdf).pvalue > 1e-3

    @pytest.mark.parametrize("name", CONTINUOUS)
    def test_follows_it_through_a_pipeline(self, name):
        make, expected = CONTINUOUS[name]
        assert scipy.stats.kstest(drawn(va.Rotate(make()), "degrees", 2000), expected.cdf).pvalue > 1e-3

    @pytest.mark.parametrize("name", ["Uniform", "Symmetric", "LogUniform"])
    def test_is_the_quantile_function(self, name):
        make, expected = CONTINUOUS[name]
        u = np.linspace(0, 1, 101)
        np.testing.assert_allclose(make().draw([u]), expected.ppf(u), rtol=1e-13)

    def test_normal_is_finite_at_the_ends_of_the_uniforms(self):
        values = va.Normal(0, 1).draw([np.array([0.0, 1 - 2.0**-53]), np.array([0.0, 0.5])])
        assert np.isfinite(values).all() and values[0] == 0

    def test_normal_of_many_is_not_cut_off(self):
        """Box-Muller of 53 bits reaches 8.5 deviations; a table or a sum of uniforms would not."""
        assert va.Normal().draw([1 - 2.0**-53, 0.0]) > 8

    def test_choice_is_even_and_covers_the_ends(self):
        values = va.Choice([3, 1, 4]).draw(uniforms(va.Choice([3, 1, 4])))
        counts = [int((values == v).sum()) for v in (3, 1, 4)]
        assert sum(counts) == N and scipy.stats.chisquare(counts).pvalue > 1e-3
        assert va.Choice([3, 1, 4]).draw([1 - 2.0**-53]) == 4 and va.Choice([3, 1, 4]).draw([0.0]) == 3

    def test_constant_takes_no_draw(self):
        assert va.Constant(2.5).draws == 0 and va.Constant(2.5).draw([]) == 2.5

    @pytest.mark.parametrize("name", CONTINUOUS)
    def test_one_sample_draws_what_a_batch_does(self, name):
        distribution = CONTINUOUS[name][0]()
        u = uniforms(distribution, 20)
        one_by_one = [distribution.draw(u[:, i].tolist()) for i in range(20)]
        np.testing.assert_allclose(one_by_one, distribution.draw(u), rtol=1e-14)


class TestLearnedBounds:
    @pytest.mark.parametrize(
        ("make", "start", "derivative"),
        [
            (lambda p: va.Uniform(p, 5.0), 2.0, lambda u, p: 1 - u[0]),
            (lambda p: va.Uniform(1.0, p), 2.0, lambda u, p: u[0]),
            (lambda p: va.Symmetric(p), 2.0, lambda u, p: 2 * u[0] - 1),
            (lambda p: va.LogUniform(p, 5.0), 2.0, lambda u, p: (1 - u[0]) * 5 ** u[0] * p ** -u[0]),
            (lambda p: va.LogUniform(1.0, p), 2.0, lambda u, p: u[0] * p ** (u[0] - 1)),
            (lambda p: va.Normal(p, 1.0), 2.0, lambda u, p: np.ones_like(u[0])),
            (lambda p: va.Normal(0.0, p), 2.0, lambda u, p: np.sqrt(-2 * np.log1p(-u[0])) * np.cos(2 * np.pi * u[1])),
            (lambda p: va.Constant(p), 2.0, lambda u, p: np.ones(50)),
        ],
    )
    def test_gradient_is_the_derivative_of_the_quantile(self, make, start, derivative):
        bound = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        distribution = make(bound)
        u = uniforms(distribution, 50)
        value = distribution.draw([torch.from_numpy(row) for row in u]).expand(50)
        for i in range(50):
            (gradient,) = torch.autograd.grad(value[i], bound, retain_graph=True)
            assert gradient.item() == pytest.approx(derivative(u, start)[i], rel=1e-10, abs=1e-12)

    def test_values_are_those_of_plain_bounds(self):
        plain = drawn(va.Rotate(va.Uniform(-10, 20)), "degrees", 50)
        low, high = (nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (-10.0, 20.0))
        params = vo.Pipeline(va.Rotate(va.Uniform(low, high))).sample([(20, 30)] * 50, index=range(50))
        np.testing.assert_allclose(params["steps"][0]["degrees"].detach().numpy(), plain, rtol=1e-14)

    def test_parameters_are_found_by_an_optimiser(self):
        width = nn.Parameter(torch.tensor(10.0))
        pipe = vo.Pipeline(
            va.OneOf(va.Rotate(va.Symmetric(width)), va.Brightness()), va.RandomResizedCrop(8, va.Uniform(0.1, width))
        )
        assert [p is width for p in pipe.parameters()] == [True]

    def test_state_dict_loads(self):
        pipe, other = (vo.Pipeline(va.Rotate(va.Symmetric(nn.Parameter(torch.tensor(v))))) for v in (10.0, 30.0))
        other.load_state_dict(pipe.state_dict())
        assert (
            other.sample((4, 4), index=3)["steps"][0]["degrees"].item()
            == pipe.sample((4, 4), index=3)["steps"][0]["degrees"].item()
        )

    @pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
    def test_a_copy_has_a_parameter_of_its_own(self, copy_of):
        width = nn.Parameter(torch.tensor(10.0))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)))
        other = copy_of(pipe)
        with torch.no_grad():
            next(other.parameters()).fill_(20.0)
        assert width.item() == 10
        ratio = (
            other.sample((4, 4), index=3)["steps"][0]["degrees"] / pipe.sample((4, 4), index=3)["steps"][0]["degrees"]
        )
        assert ratio.item() == pytest.approx(2)
        assert "Parameter(20)" in repr(other)

    @pytest.mark.parametrize("make", [va.Symmetric, lambda b: va.Uniform(b, 3), lambda b: va.Normal(0, b), va.Constant])
    def test_a_tensor_of_a_graph_is_refused(self, make):
        with pytest.raises(
            ValueError, match=r"a number or an nn.Parameter, got a non-leaf.*pass the nn.Parameter itself"
        ):
            make(nn.Parameter(torch.tensor(3.0)) * 2)

    def test_a_tensor_of_a_graph_is_refused_as_an_argument(self):
        with pytest.raises(ValueError, match="Rotate: degrees"):
            va.Rotate(nn.Parameter(torch.tensor(3.0)) * 2)
        with pytest.raises(ValueError, match="PerSample"):
            va.Rotate(nn.Parameter(torch.tensor([3.0, 1.0])) * 2)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: va.Uniform(2, 1), r"Uniform: low must be at most high, got \(2, 1\)"),
            (lambda: va.Symmetric(-1), "Symmetric: width must be at least 0"),
            (lambda: va.LogUniform(0, 1), "LogUniform: low must be over 0"),
            (lambda: va.LogUniform(2, 1), "LogUniform: low must be over 0 and at most high"),
            (lambda: va.Normal(0, -1), "Normal: std must be at least 0"),
            (lambda: va.Choice([]), "Choice: values must be a sequence of numbers"),
            (lambda: va.Choice([1, nn.Parameter(torch.tensor(1.0))]), "Choice: values must be plain numbers"),
            (lambda: va.Uniform(math.nan, 1), "Uniform: low must be a finite number"),
            (lambda: va.Uniform(0, math.inf), "Uniform: high must be a finite number"),
            (lambda: va.Uniform("0", 1), "Uniform: low must be a finite number"),
            (lambda: va.Uniform(nn.Parameter(torch.zeros(2)), 1), "Uniform: low must be one number"),
            (lambda: va.PerSample(torch.zeros(2, 2)), r"PerSample: values must be of shape \(batch,\)"),
            (
                lambda: va.Rotate((1, 2, 3)),
                r"Rotate: degrees must be a finite number, a \(low, high\) pair, .*, got \(1, 2, 3\)",
            ),
            (lambda: va.Rotate((20, 10)), "Rotate: .*low must be at most high"),
            (lambda: va.Rotate(None), "Rotate: .*finite number"),
            (lambda: va.Rotate("10"), "Rotate: .*finite number"),
            (lambda: va.Rotate({"low": 1}), "Rotate: .*finite number"),
            (lambda: va.Rotate(math.nan), "Rotate: .*finite number"),
        ],
    )
    def test_says_what_is_wrong(self, make, match):
        with pytest.raises(ValueError, match=match):
            make()


class TestAsDistribution:
    @pytest.mark.parametrize(
        ("value", "kind", "arguments"),
        [
            (3, va.Constant, {"value": 3.0}),
            (np.float32(0.5), va.Constant, {"value": 0.5}),
            (torch.tensor(0.5), va.Constant, {"value": 0.5}),
            ((1, 2), va.Uniform, {"low": 1.0, "high": 2.0}),
            ([1, 2], va.Uniform, {"low": 1.0, "high": 2.0}),
        ],
    )
    def test_number_and_pair(self, value, kind, arguments):
        made = as_distribution("f", "x", value)
        assert type(made) is kind and made.arguments == arguments

    def test_distribution_is_itself(self):
        given = va.Normal(1, 2)
        assert as_distribution("f", "x", given) is given

    def test_tensor_is_per_sample(self):
        angles = torch.tensor([10.0, -20.0, 30.0])
        params = vo.Pipeline(va.Rotate(angles)).sample([(8, 8)] * 3, index=[5, 6, 7])
        assert list(params["steps"][0]["degrees"]) == [10, -20, 30]

    def test_tensor_per_sample_turns_each_image_by_its_own(self):
        image = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0))
        out = vo.Pipeline(va.Rotate(torch.tensor([90.0, 180.0])))(image)
        torch.testing.assert_close(out[0], image[0].rot90(1, (1, 2)), atol=1e-6, rtol=0)
        torch.testing.assert_close(out[1], image[1].rot90(2, (1, 2)), atol=1e-6, rtol=0)

    def test_tensor_of_another_batch_is_refused(self):
        with pytest.raises(ValueError, match="3"):
            vo.Pipeline(va.Rotate(torch.tensor([90.0, 180.0])))(torch.rand(3, 1, 9, 9))

    def test_a_pair_may_hold_a_parameter(self):
        high = nn.Parameter(torch.tensor(2.0))
        made = as_distribution("f", "x", (1, high))
        assert made.learnable and made.high is high and bound_values(made) == []


class TestPerAxis:
    """`translate`, `scale`, `shear`: a number or range goes to both axes (shear: x only), pairs by axis."""

    SIZE = [(21, 31)] * 400

    def values(self, **options):
        step = vo.Pipeline(va.Affine(**options)).sample(self.SIZE, index=range(400))["steps"][0]
        return {k: np.broadcast_to(np.asarray(v, float), 400) for k, v in step.items() if k not in ("step", "active")}

    def test_translate_range_draws_each_axis_for_itself(self):
        v = self.values(translate=(-4, 4))
        assert abs(np.corrcoef(v["translate_x"], v["translate_y"])[0, 1]) < 0.15
        for axis in "xy":
            assert scipy.stats.kstest(v[f"translate_{axis}"], scipy.stats.uniform(-4, 8).cdf).pvalue > 1e-3

    def test_translate_number_goes_to_both(self):
        v = self.values(translate=3)
        assert (v["translate_x"] == 3).all() and (v["translate_y"] == 3).all()

    def test_translate_by_axis(self):
        v = self.values(translate=((1, 2), (-9, -8)))
        assert (v["translate_x"] >= 1).all() and (v["translate_x"] < 2).all()
        assert (v["translate_y"] >= -9).all() and (v["translate_y"] < -8).all()

    def test_scale_range_is_one_draw_for_both(self):
        pipe = vo.Pipeline(va.Affine(scale=(0.5, 2)))
        for i in range(20):
            m = pipe.matrix(pipe.sample((21, 31), index=i))
            assert m[0, 0].item() == pytest.approx(m[1, 1].item(), rel=1e-12) and m[0, 1] == m[1, 0] == 0

    def test_scale_by_axis(self):
        pipe = vo.Pipeline(va.Affine(scale=((0.5, 0.6), (2, 3))))
        m = pipe.matrix(pipe.sample((21, 31), index=1))
        assert 0.5 <= m[0, 0] <= 0.6 and 2 <= m[1, 1] <= 3

    def test_shear_is_along_x(self):
        m = (pipe := vo.Pipeline(va.Affine(shear=30))).matrix(pipe.sample((21, 31), index=1))
        np.testing.assert_allclose(m[:2, :2], [[1, math.tan(math.radians(30))], [0, 1]], atol=1e-15)

    def test_shear_by_axis(self):
        m = (pipe := vo.Pipeline(va.Affine(shear=((0, 0), (20, 20))))).matrix(pipe.sample((21, 31), index=1))
        np.testing.assert_allclose(m[:2, :2], [[1, 0], [math.tan(math.radians(20)), 1]], atol=1e-15)

    def test_pair_of_distributions_is_by_axis(self):
        v = self.values(translate=(va.Constant(3), va.Constant(-4)))
        assert (v["translate_x"] == 3).all() and (v["translate_y"] == -4).all()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"scale": 0}, "Affine: scale must be above 0"),
            ({"scale": (-1, 1)}, "Affine: scale must be above 0"),
            ({"scale": ((1, 2), (0, 1))}, "Affine: scale must be above 0"),
            ({"shear": 90}, "Affine: shear must be under 90"),
            ({"shear": ((0, 0), (-95, 0))}, "Affine: shear must be under 90"),
            ({"border": "wrap"}, "Affine: border must be .*reflect.*, got 'wrap'"),
            ({"p": 1.5}, "Affine: p must be a probability"),
            ({"p": math.nan}, "Affine: p must be a probability"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            va.Affine(**options)
