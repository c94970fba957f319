"""Colour steps against colorsys, Pillow, NumPy, OpenCV and SciPy."""

import colorsys
import itertools
import math

import cv2
import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image, ImageEnhance, ImageOps

import visionops as vo
import visionops.augment as va

LUMA = np.array([0.299, 0.587, 0.114])
CLOSE = 2e-6  # some float32 roundings of values in [0, 1]


def photo(h=19, w=26, seed=0):
    image = np.random.default_rng(seed).random((h, w, 3))
    # Pure colours, greys, black and white are where formulas branch.
    image[0, :8] = list(itertools.product((0, 1), repeat=3))
    image[1, :8] = np.linspace(0, 1, 8)[:, None]
    image[2, :3] = [(0.5, 0.5, 0.2), (0.2, 0.5, 0.5), (0.5, 0.2, 0.5)]
    return image


def run(step, image, index=0, **options):
    return vo.Pipeline(step, **options)(image, index=index).permute(1, 2, 0).numpy()


def brightness(x, f):
    return np.clip(f * x, 0, 1)


def contrast(x, f):
    return np.clip(f * x + (1 - f) * (x @ LUMA).mean(), 0, 1)


def saturation(x, f):
    return np.clip(f * x + (1 - f) * (x @ LUMA)[..., None], 0, 1)


def hue(x, shift):
    out = np.empty_like(x)
    for at in np.ndindex(x.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*x[at])
        out[at] = colorsys.hsv_to_rgb((h + shift) % 1, s, v)
    return out


PARTS = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
STEPS = {"brightness": va.Brightness, "contrast": va.Contrast, "saturation": va.Saturation, "hue": va.Hue}


class TestParts:
    @pytest.mark.parametrize("name", PARTS)
    @pytest.mark.parametrize("amount", [0.0, 0.3, 1.0, 1.7, 5.0])
    def test_formula(self, name, amount):
        image = photo()
        expected = PARTS[name](image, amount)
        np.testing.assert_allclose(run(STEPS[name](amount), image), expected, atol=1e-7)  # parameters are float32
        # A hue of 5 turns is 30 sextants: float32 has 2e-6 left of it.
        np.testing.assert_allclose(
            run(STEPS[name](amount), image.astype(np.float32)), expected, atol=CLOSE * (1 + amount)
        )

    @pytest.mark.parametrize("shift", [-3.2, -1.0, -0.5, -0.1, 1 / 6, 1 / 3, 0.5, 0.99, 2.5])
    def test_hue_by_any_turn(self, shift):
        image = photo()
        np.testing.assert_allclose(
            run(va.Hue(shift), image), hue(image, shift), atol=1e-6
        )  # float32 parameter of turns

    def test_a_third_of_a_turn_makes_red_green(self):
        np.testing.assert_allclose(run(va.Hue(1 / 3), np.float64([[[1, 0, 0]]])), [[[0, 1, 0]]], atol=1e-6)

    @pytest.mark.parametrize(
        ("step", "enhance"),
        [
            (va.Brightness, ImageEnhance.Brightness),
            (va.Contrast, ImageEnhance.Contrast),
            (va.Saturation, ImageEnhance.Color),
        ],
    )
    @pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.6])
    def test_uint8_is_pillows(self, step, enhance, factor):
        image = (photo() * 255).round().astype(np.uint8)
        out = vo.Pipeline(step(factor))(image).permute(1, 2, 0).numpy()
        expected = np.asarray(enhance(Image.fromarray(image)).enhance(factor))
        # Pillow truncates, and rounds the luma and its mean to whole levels first: |1 - f| and one more.
        assert np.abs(out.astype(int) - expected).max() <= 1 + abs(1 - factor)

    def test_hue_of_uint8_is_opencvs(self):
        image = (photo() * 255).round().astype(np.uint8)
        hls = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        hls[..., 0] = (hls[..., 0] + 72) % 360
        expected = cv2.cvtColor(hls, cv2.COLOR_HSV2RGB) * 255
        assert np.abs(vo.Pipeline(va.Hue(0.2))(image).permute(1, 2, 0).numpy() - expected).max() <= 0.51

    def test_uint8_is_rounded_not_truncated(self):
        image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
        out = vo.Pipeline(va.Brightness(0.5))(image)[0].numpy()
        expected = np.arange(256).reshape(16, 16) / 2
        assert (np.abs(out - expected) <= 0.5).all()

    @pytest.mark.parametrize("name", ["saturation", "hue"])
    def test_one_channel_stays(self, name):
        image = photo()[..., :1]
        np.testing.assert_array_equal(run(STEPS[name](0.3), image), image)

    def test_contrast_of_one_channel(self):
        image = photo()[..., :1]
        expected = np.clip(0.4 * image + 0.6 * image.mean(), 0, 1)
        np.testing.assert_allclose(run(va.Contrast(0.4), image), expected, atol=1e-7)

    def test_contrast_takes_each_images_own_mean(self):
        images = np.stack([photo(seed=1), photo(seed=2) * 0.2])
        out = vo.Pipeline(va.Contrast(0.4))(images).permute(0, 2, 3, 1).numpy()
        for one, result in zip(images, out, strict=True):
            np.testing.assert_allclose(result, contrast(one, 0.4), atol=1e-7)

    @pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
    def test_negative_factors_are_refused(self, name):
        for amount in (-0.1, (-0.5, 1.0), va.Uniform(-1, 1)):
            with pytest.raises(ValueError, match=rf"{STEPS[name].__name__}: factor must be .*at least 0"):
                STEPS[name](amount)

    @pytest.mark.parametrize("make", [va.Saturation, va.Hue, va.Grayscale, lambda: va.ColorJitter(0.1)])
    def test_four_channels_are_refused(self, make):
        with pytest.raises(ValueError, match=r"image must be of 1 or 3 channels, got 4"):
            vo.Pipeline(make())(np.zeros((4, 4, 4), np.uint8))


class TestColorJitter:
    RANGES = {"brightness": (0.6, 1.4), "contrast": (0.7, 1.3), "saturation": (0.0, 2.5), "hue": (-0.2, 0.2)}

    def pipe(self, **options):
        return vo.Pipeline(va.ColorJitter(0.4, 0.3, 1.5, 0.2), **options)

    def test_numbers_are_torchvisions_half_widths(self):
        step = self.pipe().sample([(4, 4)] * 3000, index=range(3000))["steps"][0]
        for name, (low, high) in self.RANGES.items():
            assert scipy.stats.kstest(step[name], scipy.stats.uniform(low, high - low).cdf).pvalue > 1e-3

    def test_pairs_are_the_range_itself(self):
        step = vo.Pipeline(va.ColorJitter((0.5, 0.6), hue=(0.1, 0.2))).sample([(4, 4)] * 50, index=range(50))["steps"][
            0
        ]
        assert 0.5 <= min(step["brightness"]) <= max(step["brightness"]) <= 0.6
        assert 0.1 <= min(step["hue"]) <= max(step["hue"]) <= 0.2
        assert "contrast" not in step and "saturation" not in step

    def test_all_orders_appear_evenly(self):
        order = np.array(self.pipe().sample([(4, 4)] * 4800, index=range(4800))["steps"][0]["order"], int)
        counts = np.bincount(order, minlength=24)
        assert len(counts) == 24 and scipy.stats.chisquare(counts).pvalue > 1e-3

    def test_the_result_is_the_parts_in_one_of_the_orders_and_every_order_occurs(self):
        pipe, image = self.pipe(), photo(6, 9)
        found = {}
        params = pipe.sample((6, 9), index=0)
        values = params["steps"][0]
        for order in range(24):
            values["order"] = float(order)
            out = pipe.apply(params, image).permute(1, 2, 0).numpy()
            matches = []
            for names in itertools.permutations(PARTS):
                x = image
                for name in names:
                    x = PARTS[name](x, values[name])
                if np.abs(out - x).max() < 3e-6:
                    matches.append(names)
            assert matches, f"order {order} is none of the 24"
            found[order] = matches
        # Hue commutes with some parts where nothing clips; every permutation must still be reached.
        assert {names for matches in found.values() for names in matches} == set(itertools.permutations(PARTS))

    def test_a_batch_mixes_orders_sample_by_sample(self):
        pipe = self.pipe()
        images = np.stack([photo(6, 9, seed=i) for i in range(30)])
        out = pipe(images, index=range(30))
        for i, image in enumerate(images):
            torch.testing.assert_close(out[i], pipe(image, index=i), atol=1e-6, rtol=0)  # float32 parameters in a batch

    def test_gates(self):
        pipe = vo.Pipeline(va.ColorJitter(0.4, p=0.3))
        active = pipe.sample([(4, 4)] * 3000, index=range(3000))["steps"][0]["active"]
        assert scipy.stats.binomtest(sum(active), 3000, 0.3).pvalue > 1e-3
        images = torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
        out = pipe(images, index=range(20))
        for k in range(20):
            assert torch.equal(out[k], images[k]) != active[k]

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"brightness": -0.1}, "ColorJitter: brightness must be at least 0"),
            ({"contrast": (-1, 1)}, "ColorJitter: contrast must be .*at least 0"),
            ({"hue": 0.6}, "ColorJitter: hue must be from 0 to 0.5 turns, got 0.6"),
            ({"saturation": "x"}, "ColorJitter: saturation"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            va.ColorJitter(**options)


class TestTone:
    LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)

    @pytest.mark.parametrize("bits", range(1, 9))
    def test_posterize_is_pillows(self, bits):
        expected = np.asarray(ImageOps.posterize(Image.fromarray(self.LEVELS[..., 0]), bits))
        np.testing.assert_array_equal(vo.Pipeline(va.Posterize(bits))(self.LEVELS)[0].numpy(), expected)
        out = run(va.Posterize(bits), self.LEVELS.astype(np.float32) / 255)[..., 0]
        np.testing.assert_allclose(out * 255, expected, atol=1e-4)

    def test_posterize_draws_whole_bits(self):
        pipe = vo.Pipeline(va.Posterize((2, 4)))
        grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(200, 1, 16, 16)
        seen = {len(one.unique()) for one in pipe(grey, index=range(200))}
        assert seen == {4, 8, 16}

    @pytest.mark.parametrize("level", [0, 1, 100, 128, 200, 255])
    def test_solarize_is_pillows(self, level):
        expected = np.asarray(ImageOps.solarize(Image.fromarray(self.LEVELS[..., 0]), level))
        np.testing.assert_array_equal(vo.Pipeline(va.Solarize(level / 255))(self.LEVELS)[0].numpy(), expected)

    def test_invert_is_pillows(self):
        expected = np.asarray(ImageOps.invert(Image.fromarray(self.LEVELS[..., 0])))
        np.testing.assert_array_equal(vo.Pipeline(va.Invert())(self.LEVELS)[0].numpy(), expected)

    @pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 2.2, 10.0])
    def test_gamma(self, gamma):
        image = photo()
        expected = np.where(image > 0, np.where(image > 0, image, 1) ** gamma, 0)
        np.testing.assert_allclose(run(va.Gamma(gamma), image), expected, atol=2e-7)  # float32 exponent
        levels = vo.Pipeline(va.Gamma(gamma))(self.LEVELS)[0].numpy()
        exact = np.where(self.LEVELS[..., 0] > 0, 255 * np.maximum(self.LEVELS[..., 0] / 255, 1e-9) ** gamma, 0)
        assert np.abs(levels - exact).max() <= 0.5 + 1e-3

    def test_grayscale_is_opencvs(self):
        image = photo().astype(np.float32)
        expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        out = run(va.Grayscale(), image)
        assert out.shape == image.shape
        np.testing.assert_allclose(out, np.repeat(expected[..., None], 3, 2), atol=CLOSE)
        levels = (image * 255).round().astype(np.uint8)
        out = vo.Pipeline(va.Grayscale())(levels)[0].numpy().astype(int)
        # Pillow's weights are in 1/65536.
        assert np.abs(out - np.asarray(Image.fromarray(levels).convert("L")).astype(int)).max() <= 1

    @pytest.mark.parametrize(
        ("mean", "std"),
        [
            (0.5, 0.25),
            ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)),
            (np.float32([0.4, 0.5, 0.6]), 0.5),
            (torch.tensor([0.1, 0.2, 0.3]), (1, 2, 3)),
        ],
    )
    def test_normalize(self, mean, std):
        image = (photo() * 255).round().astype(np.uint8)
        out = vo.Pipeline(va.Normalize(mean, std))(image)
        assert out.dtype == torch.float32
        expected = (image / 255 - np.asarray(mean)) / np.asarray(std, float)
        np.testing.assert_allclose(out.permute(1, 2, 0), expected, atol=2e-6)  # values up to 4

    def test_to_float(self):
        out = vo.Pipeline(va.ToFloat())(self.LEVELS)
        assert out.dtype == torch.float32
        # The kernel multiplies by 1/255, which rounds to the neighbour of the quotient for some levels.
        np.testing.assert_array_max_ulp(out[0].numpy(), self.LEVELS[..., 0].astype(np.float32) / np.float32(255), 1)

    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: va.Normalize(0.5, 0), "Normalize: std must be finite numbers above 0"),
            (lambda: va.Normalize(0.5, (1, -1, 1)), "Normalize: std must be"),
            (lambda: va.Normalize(math.nan, 1), "Normalize: "),
            (lambda: va.Normalize("a", 1), "Normalize: mean and std must be numbers"),
            (
                lambda: vo.Pipeline(va.Normalize((1, 2), 1))(np.zeros((2, 2, 3), np.uint8)),
                "Normalize: mean must be a number or 3",
            ),
            (lambda: va.Gamma(-1), "Gamma: gamma must be at least 0"),
            (lambda: va.Posterize(0), "Posterize: bits must be from 1 to 8"),
            (lambda: va.Posterize((1, 9)), "Posterize: bits must be from 1 to 8"),
            (lambda: va.GaussianNoise(-1), "GaussianNoise: sigma must be at least 0"),
            (lambda: va.Erase((0.1, 1.5)), "Erase: scale must be from 0 to 1"),
            (lambda: va.Erase(ratio=(2, 1)), "Erase: ratio must be positive"),
            (
                lambda: vo.Pipeline(va.Erase(value=(0, 1)))(np.zeros((2, 2, 3), np.uint8)),
                "Erase: value must be a number or 3",
            ),
            (lambda: va.GaussianBlur(-1), "GaussianBlur: sigma must be at least 0"),
            (lambda: va.GaussianBlur(1, 4), "GaussianBlur: kernel_size must be odd"),
        ],
    )
    def test_refusals(self, make, match):
        with pytest.raises(ValueError, match=match):
            make()


class TestGaussianNoise:
    def residual(self, sigma=0.05, index=0, size=(80, 90), c=3, clip=False):
        pipe = vo.Pipeline(va.GaussianNoise(sigma, clip=clip))
        return (pipe(torch.full((c, *size), 0.5), index=index) - 0.5).double().numpy()

    def test_is_normal_of_that_deviation(self):
        noise = self.residual()
        assert scipy.stats.kstest(noise.ravel(), scipy.stats.norm(0, 0.05).cdf).pvalue > 1e-3
        assert abs(scipy.stats.kurtosis(noise.ravel())) < 0.12  # 3.5 deviations of 21600 samples

    def test_pixels_channels_and_samples_are_independent(self):
        noise = self.residual(c=7)
        limit = 3.7 / math.sqrt(80 * 90)
        for a, b in [
            (noise[:, 1:], noise[:, :-1]),
            (noise[..., 1:], noise[..., :-1]),
            (noise[..., 4:], noise[..., :-4]),
            (noise, self.residual(c=7, index=1)),
        ]:
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < limit
        table = np.corrcoef(noise.reshape(7, -1))
        assert np.abs(table - np.eye(7)).max() < limit

    def test_every_sample_has_a_key_of_its_own(self):
        for step in (va.GaussianNoise(), va.Elastic()):
            keys = vo.Pipeline(step).sample([(8, 8)] * 2000, index=range(2000))["steps"][0]["key"]
            assert len(set(keys)) == 2000 and max(keys) < 2**48 and all(k == int(k) for k in keys)

    def test_kernel_and_definition_make_the_same_noise(self):
        from visionops.kernels import native

        compiled = self.residual()
        with native.definitions_only():
            np.testing.assert_allclose(self.residual(), compiled, atol=1e-6)

    def test_clip(self):
        assert self.residual(5.0, clip=True).min() == -0.5 and self.residual(5.0, clip=True).max() == 0.5
        assert self.residual(5.0).max() > 5

    def test_sigma_zero_changes_nothing(self):
        assert (self.residual(0.0) == 0).all()


class TestErase:
    def test_paints_one_rectangle_of_the_drawn_place(self):
        image = photo(30, 40)
        pipe = vo.Pipeline(va.Erase(value=(0.1, 0.2, 0.3)))
        for i in range(20):
            params = pipe.sample((30, 40), index=i)
            x0, y0, x1, y1 = (int(params["steps"][0][k]) for k in ("x0", "y0", "x1", "y1"))
            assert 0 <= x0 < x1 <= 40 and 0 <= y0 < y1 <= 30
            expected = image.copy()
            expected[y0:y1, x0:x1] = (0.1, 0.2, 0.3)
            np.testing.assert_allclose(
                pipe.apply(params, image).permute(1, 2, 0), expected, atol=1e-7
            )  # value is float32

    def test_area_and_place(self):
        step = vo.Pipeline(va.Erase((0.1, 0.3), (1.0, 1.0))).sample([(400, 400)] * 3000, index=range(3000))["steps"][0]
        v = {k: np.array(step[k]) for k in ("x0", "y0", "x1", "y1")}
        area = (v["x1"] - v["x0"]) * (v["y1"] - v["y0"]) / 160000
        assert scipy.stats.kstest(area, scipy.stats.uniform(0.1, 0.2).cdf).pvalue > 1e-4  # whole pixels
        assert scipy.stats.kstest(v["x0"] / (401 - (v["x1"] - v["x0"])), "uniform").pvalue > 1e-3

    def test_labels_do_not_notice(self):
        out = vo.Pipeline(va.Erase())(
            image=photo(), mask=np.arange(19 * 26).reshape(19, 26), boxes=[[1, 2, 3, 4]], index=0
        )
        assert (
            out["boxes"].tolist() == [[1, 2, 3, 4]]
            and (out["mask"].numpy() == np.arange(19 * 26).reshape(19, 26)).all()
        )


class TestGaussianBlur:
    @pytest.mark.parametrize("size", [None, 5])
    def test_is_opencvs(self, size):
        image = photo().astype(np.float32)
        taps = size or 2 * math.ceil(4 * 1.3) + 1
        expected = cv2.GaussianBlur(image, (taps, taps), 1.3, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(run(va.GaussianBlur(1.3, size), image), expected, atol=CLOSE)

    def test_each_sample_has_its_own(self):
        images = np.stack([photo(seed=i) for i in range(4)]).astype(np.float32)
        pipe = vo.Pipeline(va.GaussianBlur((0.1, 3.0), p=0.6))
        params = pipe.sample([(19, 26)] * 4, index=range(4))["steps"][0]
        out = pipe(images, index=range(4)).permute(0, 2, 3, 1).numpy()
        for i, image in enumerate(images):
            sigma = params["sigma"][i]
            taps = 2 * math.ceil(4 * sigma) + 1
            expected = (
                cv2.GaussianBlur(image, (taps, taps), sigma, borderType=cv2.BORDER_REFLECT_101)
                if params["active"][i]
                else image
            )
            np.testing.assert_allclose(out[i], expected, atol=CLOSE)
        assert 0 < sum(params["active"]) < 4
