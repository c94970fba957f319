"""What a chain of steps means: its passes, and its pixels against the planner's rules written out in NumPy and SciPy."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch

import visionops as vo
import visionops.augment as va
from visionops.pipeline.steps import Local
from visionops.testing import smooth_image

H, W = 24, 30


def photo(h=H, w=W, c=3, seed=0):
    return np.random.default_rng(seed).random((h, w, c), dtype=np.float32)


def run(pipe, image, **options):
    return pipe(image, **{"index": 0, **options}).permute(1, 2, 0).numpy()


def passes(*steps, **options):
    return vo.Pipeline(*steps, **options).explain().splitlines()[0].split(" | ")


def reference(image, moves, size, fill=0.0, nearest=False):
    """The rule of architecture.md, pixel by pixel.

    A pixel of the output is followed back, step by step, in double precision. Where it leaves the domain of a step it
    gets that step's fill, that of the step nearest the output if it left several; elsewhere it is interpolated once,
    with taps that clamp to the source.

    Args:
        moves: of each step its matrix from input to output, its domain (x0, y0, x1, y1) in pixel edges, and its fill.
        size: of the output.
    """
    h, w = size
    v, u = np.mgrid[:h, :w].astype(float)
    at = np.stack([u, v, np.ones((h, w))])
    colour = np.full((h, w), np.nan)
    for matrix, (x0, y0, x1, y1), own in reversed(moves):
        at = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), at)
        at = at / at[2]
        x, y = at[0] + 0.5, at[1] + 0.5
        left = (x < x0 - 1e-4) | (x > x1 + 1e-4) | (y < y0 - 1e-4) | (y > y1 + 1e-4)
        colour = np.where(np.isnan(colour) & left, fill if own is None else own, colour)
    x, y = at[0], at[1]
    if nearest:
        rows, columns = (
            np.clip(np.floor(p + 0.5 + 1e-6), 0, n - 1).astype(int)
            for p, n in ((y, image.shape[0]), (x, image.shape[1]))
        )
        return np.where(np.isnan(colour), image[rows, columns], np.nan_to_num(colour).astype(image.dtype))
    sampled = np.stack(
        [
            scipy.ndimage.map_coordinates(image[..., c].astype(float), [y, x], order=1, mode="nearest")
            for c in range(image.shape[2])
        ],
        -1,
    )
    return np.where(np.isnan(colour)[..., None], sampled, colour[..., None])


def moves_of(pipe, size, index=0):
    """Each step's matrix, by a pipeline of its own, with its domain, fill, and the output's size."""
    params = pipe.sample(size, index=index)
    moves = []
    for step, values in zip(pipe.steps, params["steps"], strict=True):
        alone = vo.Pipeline(step)
        one = alone.sample(size, index=0)
        one["steps"] = [values]
        m = alone.matrix(one).numpy()
        h, w = size
        domain = (0, 0, w, h)
        size = tuple(alone.apply(one, np.zeros((*size, 1), np.float32)).shape[1:])
        if isinstance(step, va.Crop | va.RandomCrop | va.RandomResizedCrop):
            corners = np.linalg.inv(m) @ [[-0.5, size[1] - 0.5], [-0.5, size[0] - 0.5], [1, 1]] + 0.5
            domain = (max(corners[0, 0], 0), max(corners[1, 0], 0), min(corners[0, 1], w), min(corners[1, 1], h))
        moves.append((m, domain, None if step.fill is None else step.fill[0]))
    return params, moves, size


FAR = 1e6  # a fill that shows in every pixel it had a part in


def assert_close_inside(one, two):
    """Raises unless two results agree to 2/255 wherever no fill had a part in either."""
    touched = ((np.abs(one) > 2) | (np.abs(two) > 2)).any(-1)
    assert touched.mean() < 0.7
    assert np.abs(one - two)[~touched].max() < 2 / 255


class TestPasses:
    NORMALIZE = lambda self=None: va.Normalize(0.5, 0.25)  # noqa: E731

    def test_the_pipeline_of_the_issue(self):
        pipe = vo.Pipeline(
            va.RandomResizedCrop((224, 224)), va.HorizontalFlip(p=0.5), va.Affine(rotate=(-30, 30), shear=(-10, 10)),
            va.Perspective(0.2), va.ColorJitter(0.4, 0.4, 0.4, 0.1), va.GaussianBlur(sigma=(0.1, 2.0), p=0.5),
            va.Normalize((0.5,) * 3, (0.2,) * 3), seed=0,
        )  # fmt: skip
        assert pipe.explain() == (
            "warp (4 steps, 224x224) + colour sweep | blur | normalise\n"
            "  1. warp (4 steps, 224x224) + colour sweep: RandomResizedCrop > HorizontalFlip (p=0.5) > Affine > "
            "Perspective > ColorJitter\n"
            "  2. blur: GaussianBlur (p=0.5)\n"
            "  3. normalise: Normalize\n"
            "  labels follow one motion composed of 4 steps"
        )

    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            ([], ["nothing to do"]),
            ([va.Rasterize()], ["nothing to do"]),
            ([va.Rotate()], ["warp (1 step)"]),
            ([va.Rotate(), va.Crop((0, 0, 5, 6)), va.Pad(2)], ["warp (3 steps, 6x5)"]),
            ([va.Resize((8, 9)), va.Rasterize(), va.Resize((16, 16))], ["warp (1 step, 8x9)", "warp (1 step, 16x16)"]),
            ([va.Rotate(), va.Invert(), va.Gamma()], ["warp (1 step) + colour sweep"]),
            ([va.Invert(), va.Gamma()], ["colour sweep"]),
            ([va.Invert(), va.Rotate()], ["Invert", "warp (1 step)"]),
            ([va.Rotate(), va.Invert(), va.Rotate()], ["warp (1 step) + colour sweep", "warp (1 step)"]),
            ([va.Rotate(), va.Contrast(), va.Gamma()], ["warp (1 step) + colour sweep"]),
            ([va.GaussianBlur(), va.GaussianBlur()], ["blur", "blur"]),
            ([va.Rotate(), va.GaussianBlur(), va.Rotate()], ["warp (1 step)", "blur", "warp (1 step)"]),
            ([va.Pad(2, border="reflect"), va.Rotate()], ["warp (2 steps)"]),
            ([va.Rotate(), va.Pad(2, border="reflect")], ["warp (1 step)", "warp (1 step)"]),
            ([va.Pad(2, border="reflect"), va.Pad(2, border="reflect")], ["warp (1 step)", "warp (1 step)"]),
            ([va.Rotate(border="circular"), va.Crop((0, 0, 2, 2)), va.Rotate()], ["warp (3 steps, 2x2)"]),
            ([va.Elastic(), va.Rotate()], ["warp (2 steps)"]),
            ([va.Rotate(), va.Elastic(), va.Elastic()], ["warp (3 steps)"]),
            ([va.Elastic(), va.Rotate(fill=0.5)], ["warp (1 step)", "warp (1 step)"]),
            ([va.Rotate(fill=0.5), va.Rotate(fill=0.1)], ["warp (2 steps)"]),
            ([va.Rotate(), va.MixUp(), va.Rotate()], ["warp (1 step)", "MixUp", "warp (1 step)"]),
            ([va.OneOf(va.Rotate(), va.Sequential(va.HorizontalFlip(), va.VerticalFlip()))], ["warp (3 steps)"]),
            ([va.OneOf(va.Rotate(), va.Invert(), va.GaussianBlur())], ["warp (1 step) + colour sweep", "blur"]),
        ],
        ids=lambda v: " ".join(type(s).__name__ for s in v) if v and not isinstance(v[0], str) else "",
    )
    def test_merge_as_their_kinds_say(self, steps, expected):
        assert passes(*steps) == expected

    def test_unfused_has_a_pass_a_step(self):
        assert passes(va.Rotate(), va.Rotate(), va.Invert(), va.Gamma(), fuse=False) == [
            "warp (1 step)",
            "warp (1 step)",
            "Invert",
            "Gamma",
        ]

    def test_labels_line_counts_motions(self):
        assert vo.Pipeline(va.Invert()).explain().count("labels") == 0
        assert "one motion composed of 2 steps" in vo.Pipeline(va.Rotate(), va.Rasterize(), va.Rotate()).explain()
        assert "2 motions composed of 2 steps" in vo.Pipeline(va.Rotate(), va.CutMix(), va.Rotate()).explain()

    def test_a_step_may_be_used_twice(self):
        step = va.Rotate((10, 20))
        steps = vo.Pipeline(step, step).sample((8, 8), index=1)["steps"]
        assert steps[0]["degrees"] != steps[1]["degrees"]

    @pytest.mark.parametrize("wrong", [va.Rotate, "Rotate", [va.Rotate()], None])
    def test_what_is_no_step_is_refused(self, wrong):
        with pytest.raises(ValueError, match="Pipeline: steps must be steps of visionops.augment, got"):
            vo.Pipeline(wrong)

    def test_options_are_checked(self):
        for options, match in [
            ({"outputs": "same"}, "argument 'outputs' is unknown. Did you mean 'output'"),
            ({"output": "numpy"}, "output must be one of tensor, same, got 'numpy'"),
            ({"interpolation": "linear"}, "interpolation must be one of .* Did you mean 'bilinear'"),
            ({"box_format": "xyhw"}, "box_format must be one of"),
            ({"box_hull": "circle"}, "box_hull must be one of"),
            ({"targets": {"right": "img"}}, "Did you mean 'image'"),
            ({"fill": {"msk": 1}}, "Did you mean 'mask'"),
            ({"fill": "black"}, "fill must be a finite number"),
            ({"fill": float("nan")}, "fill must be a finite number"),
            ({"seed": "x"}, "seed must be"),
        ]:
            with pytest.raises(ValueError, match=f"Pipeline: .*{match}"):
                vo.Pipeline(**options)


class TestDomains:
    def test_a_crop_hides_the_source_from_a_rotation(self):
        image = np.ones((40, 40, 1), np.float32)
        out = run(vo.Pipeline(va.Crop((10, 10, 30, 30)), va.Rotate(45)), image)
        assert out[0, 0] == 0 and out[10, 10] == 1
        np.testing.assert_array_equal(
            out, run(vo.Pipeline(va.Crop((10, 10, 30, 30)), va.Rasterize(), va.Rotate(45)), image)
        )

    def test_crop_then_pad_is_numpys(self):
        image = photo()
        out = run(vo.Pipeline(va.Crop((5, 6, 20, 18)), va.Pad((1, 2, 3, 4)), fill=0.25), image)
        np.testing.assert_array_equal(out, np.pad(image[6:18, 5:20], ((2, 4), (1, 3), (0, 0)), constant_values=0.25))

    def test_a_shift_out_and_back_loses_what_left(self):
        image = photo()
        out = run(vo.Pipeline(va.Affine(translate=((7, 7), (0, 0))), va.Affine(translate=((-7, -7), (0, 0)))), image)
        expected = image.copy()
        expected[:, -7:] = 0
        np.testing.assert_array_equal(out, expected)

    def test_the_fill_is_that_of_the_first_step_left(self):
        """From the output: the last step's fill where its own input ends, else the earlier one's."""
        image = photo()
        out = run(vo.Pipeline(va.Pad(2, fill=0.25), va.Pad(3, fill=0.5), va.Pad(1, fill=0.75)), image)
        expected = image
        for n, fill in ((2, 0.25), (3, 0.5), (1, 0.75)):
            expected = np.pad(expected, ((n, n), (n, n), (0, 0)), constant_values=fill)
        np.testing.assert_array_equal(out, expected)

    def test_the_edge_is_hard(self):
        out = run(vo.Pipeline(va.Rotate(30), fill=0.5), np.ones((40, 50, 1), np.float32))
        assert set(np.unique(out.round(5))) == {0.5, 1}

    @pytest.mark.parametrize("index", range(6))
    @pytest.mark.parametrize(
        "steps",
        [
            lambda: (va.Rotate((-90, 90)), va.Rotate((-90, 90))),
            lambda: (va.RandomCrop((14, 15)), va.Rotate((-90, 90), fill=0.25), va.Pad(5, fill=0.75)),
            lambda: (va.Perspective(0.5, fill=0.1), va.Rotate((-90, 90)), va.RandomResizedCrop((20, 26), (0.3, 0.9)), va.Affine(shear=(-30, 30), fill=0.9)),
            lambda: (va.Pad(6, fill=0.3), va.Affine((-40, 40), (-9, 9), (0.6, 1.2), fill=0.6), va.CenterCrop((25, 21)), va.HorizontalFlip(), va.Perspective(0.4)),
            lambda: (va.Crop((-5, -4, 20, 22), fill=0.2), va.Rotate90(1), va.Resize((30, 31)), va.Rotate((-90, 90), fill=0.8), va.VerticalFlip()),
        ],
        ids=range(5),
    )  # fmt: skip
    def test_pixels_follow_the_rule(self, steps, index):
        image = photo(seed=index)
        pipe = vo.Pipeline(*steps(), antialias=False, fill={"image": 0.4, "mask": 7})
        params, moves, size = moves_of(pipe, (H, W), index)
        mask = np.arange(H * W).reshape(H, W)
        out = pipe.apply(params, image=image, mask=mask)
        expected = reference(image, moves, size, 0.4)
        # Positions of perspectives are float32 in the kernel: noise changes by up to 1 a pixel.
        np.testing.assert_allclose(out["image"].permute(1, 2, 0), expected, atol=2e-5)
        masks = reference(mask, [(m, d, None) for m, d, _ in moves], size, 7, nearest=True)
        np.testing.assert_array_equal(out["mask"], masks)

    @pytest.mark.parametrize("index", range(4))
    def test_the_same_rule_unfused(self, index):
        """One step at a time on an image without detail: interpolation differs, which pixel is whose fill does not."""
        image = smooth_image((H * 3, W * 3)).permute(1, 2, 0).numpy()
        steps = (
            va.Crop((8, 9, 80, 64)),
            va.Rotate((-90, 90), fill=-FAR),
            va.Pad(5, fill=FAR),
            va.Affine((-40, 40), fill=-FAR),
        )
        one, two = (run(vo.Pipeline(*steps, antialias=False, fuse=f), image, index=index) for f in (True, False))
        for sign in (-1, 1):
            # Which fill a pixel has differs only along an edge, where steps blend: nothing is left of a 3x3 opening.
            differs = (sign * one > FAR / 2).any(-1) != (sign * two > FAR / 2).any(-1)
            assert not scipy.ndimage.binary_opening(differs, np.ones((3, 3))).any()
        assert_close_inside(one, two)


class TestRasterize:
    def test_resizes_merge_into_the_identity(self):
        image = photo(64, 64)
        np.testing.assert_allclose(run(vo.Pipeline(va.Resize(16), va.Resize(64)), image), image, atol=1e-6)

    def test_a_rasterize_between_degrades(self):
        import cv2

        image = photo(64, 64)
        out = run(vo.Pipeline(va.Resize(16), va.Rasterize(), va.Resize(64)), image)
        small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(out, cv2.resize(small, (64, 64)), atol=1e-5)  # OpenCV's weights are float32

    def test_antialias_is_of_the_pass(self):
        """Minifying and enlarging again in one pass does not minify; the reverse neither."""
        image = photo(64, 64)
        for steps in ((va.Resize(16), va.Resize(64)), (va.Resize(256), va.Resize(64))):
            np.testing.assert_allclose(run(vo.Pipeline(*steps), image), image, atol=1e-6)

    def test_labels_do_not_notice(self):
        with_, without = (
            vo.Pipeline(va.Resize((8, 10)), *between, va.Resize((40, 50)))(
                image=photo(), mask=np.arange(H * W).reshape(H, W), keypoints=[[3.0, 4.0]]
            )
            for between in ((va.Rasterize(),), ())
        )
        assert torch.equal(with_["mask"], without["mask"]) and torch.equal(with_["keypoints"], without["keypoints"])


class TestBorders:
    @pytest.mark.parametrize(("border", "mode"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
    def test_a_reflection_of_a_reflection(self, border, mode):
        image = photo(7, 9)
        pads = [(5, 4, 3, 6), (11, 9, 10, 12), (2, 3, 1, 4)]
        mask = np.arange(63).reshape(7, 9)
        out = vo.Pipeline(*(va.Pad(p, border=border) for p in pads))(image=image, mask=mask)
        for left, top, right, bottom in pads:
            image = np.pad(image, ((top, bottom), (left, right), (0, 0)), mode)
            mask = np.pad(mask, ((top, bottom), (left, right)), mode)
        np.testing.assert_array_equal(out["image"].permute(1, 2, 0), image)
        np.testing.assert_array_equal(out["mask"], mask)

    def test_kinds_of_borders_in_one_chain(self):
        image, mask = photo(7, 9), np.arange(63).reshape(7, 9)
        steps = [
            va.Pad(3, border="reflect"),
            va.Pad(2, fill=0.5),
            va.Pad(4, border="circular"),
            va.HorizontalFlip(),
            va.Pad(3, border="replicate"),
            va.Pad(1),
        ]
        out = vo.Pipeline(*steps, fill={"mask": 99})(image=image, mask=mask)
        for n, mode in ((3, "reflect"), (2, "constant"), (4, "wrap"), (None, "flip"), (3, "edge"), (1, "constant")):
            if mode == "flip":
                image, mask = image[:, ::-1], mask[:, ::-1]
                continue
            fill = {"constant_values": 0.5 if n == 2 else 0} if mode == "constant" else {}
            image = np.pad(image, ((n, n), (n, n), (0, 0)), mode, **fill)
            mask = np.pad(mask, n, mode, **({"constant_values": 99} if fill else {}))
        np.testing.assert_array_equal(out["image"].permute(1, 2, 0), image)
        np.testing.assert_array_equal(out["mask"], mask)

    def test_a_border_that_does_not_run_changes_nothing(self):
        image = photo()
        expected = run(vo.Pipeline(va.Rotate(20), va.Rasterize(), va.Rotate(20)), image)
        for p in (0.0, 0.5):
            pipe = vo.Pipeline(va.Rotate(20), va.Affine(rotate=10, border="reflect", p=p), va.Rotate(20))
            active = np.broadcast_to(pipe.sample([(H, W)] * 8, index=range(8))["steps"][1]["active"], 8)
            out = pipe(np.stack([image] * 8), index=range(8)).permute(0, 2, 3, 1).numpy()
            assert active.any() == (p > 0) and not active.all()
            for k in range(8):
                np.testing.assert_array_equal(out[k], run(pipe, image, index=k))
                if not active[k]:
                    np.testing.assert_array_equal(out[k], expected)


class TestFusedAgainstSteps:
    WHOLE = (va.HorizontalFlip, va.VerticalFlip, lambda: va.Rotate90(1), lambda: va.Pad((2, 1, 4, 3)), lambda: va.Crop((2, 3, 17, 19)), lambda: va.Affine(translate=((3, 3), (-2, -2))))  # fmt: skip

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize("order", list(itertools.permutations(range(6), 4))[::24])
    def test_whole_pixels_are_exact(self, order, dtype):
        steps = [self.WHOLE[i]() for i in order]
        image = torch.rand(3, H, W, generator=torch.Generator().manual_seed(0))
        image = (image * 255).to(dtype) if dtype == torch.uint8 else image.to(dtype)
        mask = torch.arange(H * W).reshape(H, W)
        one, two = (
            vo.Pipeline(*steps, fuse=f, fill={"image": 0.5, "mask": -1})(image=image, mask=mask) for f in (True, False)
        )
        assert torch.equal(one["image"], two["image"]) and torch.equal(one["mask"], two["mask"])

    @pytest.mark.parametrize("index", range(8))
    def test_colour_chains(self, index):
        steps = (va.Brightness((0.5, 2)), va.Gamma(), va.Solarize(0.7, p=0.5), va.ColorJitter(0.4, 0.4, 0.4, 0.1), va.Invert(p=0.5), va.Erase(), va.GaussianNoise(), va.Saturation(), va.Hue(), va.Normalize(0.5, 0.25))  # fmt: skip
        one, two = (run(vo.Pipeline(*steps, fuse=f), photo(), index=index) for f in (True, False))
        np.testing.assert_allclose(one, two, atol=4e-6)  # 1e-6 in [0, 1], and Normalize multiplies by 4

    @pytest.mark.parametrize("index", range(8))
    def test_resampling_chains(self, index):
        """2/255 on an image without detail under 3 pixels, away from fill; labels within 1e-3 of a pixel."""
        image = smooth_image((90, 120)).permute(1, 2, 0).numpy()
        steps = (
            va.RandomResizedCrop((80, 90), (0.5, 1)),
            va.Rotate((-30, 30)),
            va.Perspective(0.2),
            va.HorizontalFlip(p=0.5),
            va.Affine((-10, 10), (-5, 5), (0.9, 1.1)),
        )
        one, two = (
            vo.Pipeline(*steps, antialias=False, fuse=f, fill=FAR)(
                image=image,
                mask=np.arange(90 * 120).reshape(90, 120),
                keypoints=[[60.0, 45.0], [30.0, 20.0]],
                boxes=[[40, 30, 70, 60]],
                index=index,
            )
            for f in (True, False)
        )
        assert_close_inside(*(r["image"].permute(1, 2, 0).numpy() for r in (one, two)))
        assert torch.equal(one["mask"], two["mask"])
        torch.testing.assert_close(one["keypoints"], two["keypoints"], atol=1e-3, rtol=0)
        torch.testing.assert_close(one["boxes"], two["boxes"], atol=1e-3, rtol=0)

    def test_through_a_deformation(self):
        image = smooth_image((90, 120)).permute(1, 2, 0).numpy()
        steps = (va.Rotate(10), va.Elastic(3.0, 20.0), va.Affine(translate=3, scale=1.1), va.Elastic(2.0, 15.0))
        assert_close_inside(
            *(run(vo.Pipeline(*steps, antialias=False, fuse=f, fill=FAR), image) for f in (True, False))
        )

    def test_fusing_keeps_detail(self):
        """Nearer to the one resampling in double precision than five are."""
        image = photo(64, 64)
        steps = [va.Affine(a, translate=1.3) for a in (7, -11, 5, 8, -9)]
        pipe = vo.Pipeline(*steps, antialias=False)
        _, moves, size = moves_of(pipe, (64, 64))
        expected = reference(image, moves, size)
        fused, unfused = (
            np.abs(run(vo.Pipeline(*steps, antialias=False, fuse=f), image) - expected).mean() for f in (True, False)
        )
        assert fused < 1e-6 < 0.05 < unfused


class TestOrder:
    @pytest.mark.parametrize(
        ("steps", "formula"),
        [
            ((va.Brightness(0.5), va.Invert()), lambda x: 1 - 0.5 * x),
            ((va.Invert(), va.Brightness(0.5)), lambda x: 0.5 * (1 - x)),
            ((va.Gamma(2.0), va.Brightness(0.5)), lambda x: 0.5 * x**2),
            ((va.Brightness(0.5), va.Gamma(2.0)), lambda x: (0.5 * x) ** 2),
            ((va.Brightness(2.0), va.Brightness(0.5)), lambda x: 0.5 * np.minimum(2 * x, 1)),
            ((va.Brightness(3.0), va.Gamma(2.0), va.Invert(), va.Brightness(2.0)), lambda x: np.minimum(2 * (1 - np.minimum(3 * x, 1) ** 2), 1)),
            ((va.Normalize(0.5, 0.25), va.Invert()), lambda x: 1 - (x - 0.5) / 0.25),
        ],
        ids=lambda v: " ".join(map(str, v)) if isinstance(v, tuple) else "",
    )  # fmt: skip
    def test_colours_run_in_the_order_given_with_their_clamps(self, steps, formula):
        image = photo().astype(np.float64)
        for fuse in (True, False):
            np.testing.assert_allclose(run(vo.Pipeline(*steps, fuse=fuse), image), formula(image), atol=1e-6)

    def test_uint8_stays_float_between_colours(self):
        """Dividing by 50 and multiplying again would lose all but six levels of 8-bit colours."""
        levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
        for steps in (
            (va.Brightness(0.02), va.Brightness(50.0)),
            (va.Brightness(0.02), va.GaussianBlur(0.0), va.Brightness(50.0)),
            (va.Brightness(0.02), va.HorizontalFlip(), va.Brightness(50.0), va.HorizontalFlip()),
        ):
            for fuse in (True, False):
                np.testing.assert_array_equal(vo.Pipeline(*steps, fuse=fuse)(levels)[0], levels[..., 0])

    def test_posterize_quantises_first(self):
        image = photo().astype(np.float64)
        expected = np.rint(255 * np.minimum(1.3 * image, 1)).astype(int) // 32 * 32 / 255
        out = run(vo.Pipeline(va.Brightness(1.3), va.Posterize(3)), image)
        assert (np.abs(out - expected) > 1e-6).mean() < 1e-3  # a colour at a half may round either way in float32

    @pytest.mark.parametrize("before", [(), (va.Rotate(20),)], ids=["source", "warped"])
    def test_a_statistic_is_of_the_image_so_far(self, before):
        """Contrast in the middle: its mean is of what came before it, fill included, and of nothing after it."""
        image = photo().astype(np.float64)
        x = run(vo.Pipeline(*before), image)
        x = np.clip(1.4 * x, 0, 1) ** 1.5
        mean = (x @ [0.299, 0.587, 0.114]).mean()
        x = 1 - np.clip(0.6 * x + 0.4 * mean, 0, 1)
        mean = (x @ [0.299, 0.587, 0.114]).mean()
        x = np.clip(1.7 * x - 0.7 * mean, 0, 1)
        for fuse in (True, False):
            out = run(
                vo.Pipeline(
                    *before,
                    va.Brightness(1.4),
                    va.Gamma(1.5),
                    va.Contrast(0.6),
                    va.Invert(),
                    va.Contrast(1.7),
                    fuse=fuse,
                ),
                image,
            )
            np.testing.assert_allclose(out, x, atol=2e-6)  # a float64 image, parameters in float32

    def test_a_statistic_in_uint8_and_across_a_batch_of_gates(self):
        images = (np.stack([photo(seed=i) for i in range(8)]) * 255).astype(np.uint8)
        pipe = vo.Pipeline(va.RandomResizedCrop((H, W)), va.Contrast(0.5, p=0.5), va.Brightness(1.2))
        active = pipe.sample([(H, W)] * 8, index=range(8))["steps"][1]["active"]
        assert 0 < sum(active) < 8
        plain = (
            vo.Pipeline(va.RandomResizedCrop((H, W)))(images.astype(np.float64) / 255, index=range(8))
            .permute(0, 2, 3, 1)
            .numpy()
        )
        mean = (plain @ [0.299, 0.587, 0.114]).mean((1, 2))[:, None, None, None]
        expected = np.where(np.array(active)[:, None, None, None], np.clip(0.5 * plain + 0.5 * mean, 0, 1), plain)
        out = pipe(images, index=range(8)).permute(0, 2, 3, 1).numpy()
        assert np.abs(out - 255 * np.clip(1.2 * expected, 0, 1)).max() < 0.51

    def test_geometry_and_colour_do_not_change_places(self):
        image = photo()
        out = run(vo.Pipeline(va.Invert(), va.Pad(2)), image)
        np.testing.assert_array_equal(out, np.pad(1 - image, ((2, 2), (2, 2), (0, 0))))
        out = run(vo.Pipeline(va.Pad(2), va.Invert()), image)
        np.testing.assert_array_equal(out, 1 - np.pad(image, ((2, 2), (2, 2), (0, 0))))


class TestGates:
    N = 3000

    def active(self, *steps, n=N):
        steps = vo.Pipeline(*steps).sample([(8, 8)] * n, index=range(n))["steps"]
        return np.array([np.broadcast_to(s["active"], n) for s in steps])

    @pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
    def test_probability(self, p):
        count = int(self.active(va.Rotate(p=p))[0].sum())
        assert scipy.stats.binomtest(count, self.N, p).pvalue > 1e-3 and (count == p * self.N or 0 < p < 1)

    def test_gates_are_independent(self):
        a = self.active(va.Rotate(p=0.5), va.Invert(p=0.5), va.GaussianBlur(p=0.5)).astype(float)
        assert np.abs(np.corrcoef(a) - np.eye(3)).max() < 3.7 / np.sqrt(self.N)

    def test_a_gate_does_not_depend_on_the_value(self):
        pipe = vo.Pipeline(va.Rotate((0.0, 1.0), p=0.5)).sample([(8, 8)] * self.N, index=range(self.N))["steps"][0]
        values = np.array(pipe["degrees"])[np.array(pipe["active"])]
        assert scipy.stats.kstest(values, "uniform").pvalue > 1e-3

    @pytest.mark.parametrize("weights", [None, (1, 2, 3), (0, 1, 0)])
    def test_one_of(self, weights):
        a = self.active(va.OneOf(va.Rotate(), va.Invert(), va.GaussianBlur(), weights=weights))
        assert (a.sum(0) == 1).all()
        share = np.array(weights or (1, 1, 1), float)
        share /= share.sum()
        counts = a.sum(1)
        assert (counts[share == 0] == 0).all()
        if (share > 0).sum() > 1:
            assert scipy.stats.chisquare(counts, share * self.N).pvalue > 1e-3

    def test_one_of_with_probabilities(self):
        a = self.active(va.OneOf(va.Rotate(p=0.5), va.Invert(), p=0.6))
        assert (a.sum(0) <= 1).all()
        for count, p in zip(a.sum(1), (0.15, 0.3), strict=True):
            assert scipy.stats.binomtest(int(count), self.N, p).pvalue > 1e-3

    @pytest.mark.parametrize("n", [0, 1, 2, 4])
    def test_some_of_takes_every_subset_evenly(self, n):
        a = self.active(va.SomeOf(va.Rotate(), va.Invert(), va.GaussianBlur(), va.HorizontalFlip(), n=n))
        assert (a.sum(0) == n).all()
        subsets = np.unique(a, axis=1, return_counts=True)[1]
        assert len(subsets) == len(list(itertools.combinations(range(4), n)))
        assert len(subsets) == 1 or scipy.stats.chisquare(subsets).pvalue > 1e-3

    def test_some_of_a_range(self):
        a = self.active(va.SomeOf(va.Rotate(), va.Invert(), va.GaussianBlur(), n=(1, 3)))
        counts = np.bincount(a.sum(0), minlength=4)
        assert counts[0] == 0 and scipy.stats.chisquare(counts[1:]).pvalue > 1e-3

    def test_some_of_keeps_the_order(self):
        image = photo().astype(np.float64)
        out = run(vo.Pipeline(va.SomeOf(va.Brightness(0.5), va.Invert(), n=2)), image)
        np.testing.assert_allclose(out, 1 - 0.5 * image, atol=1e-6)

    def test_sequential_is_all_or_none(self):
        a = self.active(va.Sequential(va.Rotate(), va.Invert(), p=0.3))
        assert (a[0] == a[1]).all() and scipy.stats.binomtest(int(a[0].sum()), self.N, 0.3).pvalue > 1e-3

    def test_nested(self):
        """One of (a, all of (b, one of (c, some of (d, e)))): counts by the product of the probabilities."""
        a = self.active(
            va.OneOf(
                va.Rotate(),
                va.Sequential(
                    va.Invert(), va.OneOf(va.Gamma(), va.SomeOf(va.HorizontalFlip(), va.VerticalFlip(), n=1))
                ),
            )
        )
        assert (a[0] ^ a[1]).all() and (a[1] == (a[2] | a[3] | a[4])).all() and (a[2:].sum(0) <= 1).all()
        for count, p in zip(a.sum(1), (1 / 2, 1 / 2, 1 / 4, 1 / 8, 1 / 8), strict=True):
            assert scipy.stats.binomtest(int(count), self.N, p).pvalue > 1e-3

    def test_pixels_of_a_batch_follow_their_own_gates(self):
        """Every sample of a batch is what its active steps alone make of it."""
        n = 24
        images = np.stack([photo(12, 12, seed=i) for i in range(n)])
        several = va.Sequential(va.Rotate90(1), va.Gamma(2.0))
        one_of = va.OneOf(va.HorizontalFlip(), va.Invert(), va.GaussianBlur(1.0), several)
        pipe = vo.Pipeline(one_of, va.Contrast(0.5, p=0.5))
        active = [np.broadcast_to(s["active"], n) for s in pipe.sample([(12, 12)] * n, index=range(n))["steps"]]
        leaves = (
            va.HorizontalFlip(),
            va.Rotate90(1),
            va.Invert(),
            va.Gamma(2.0),
            va.GaussianBlur(1.0),
            va.Contrast(0.5),
        )
        order = (0, 3, 1, 4, 2, 5)  # of the leaves among the steps
        out = pipe(images, index=range(n)).permute(0, 2, 3, 1).numpy()
        for k in range(n):
            expected = run(
                vo.Pipeline(*(leaf for leaf, i in zip(leaves, order, strict=True) if active[i][k])), images[k]
            )
            np.testing.assert_allclose(out[k], expected, atol=1e-6)

    def test_a_step_that_no_sample_drew_is_not_run(self):
        class Explodes(va.GaussianBlur):
            def taps(self, values):
                raise AssertionError("it ran")

        image = photo()
        np.testing.assert_array_equal(run(vo.Pipeline(Explodes(p=0.0)), image), image)
        np.testing.assert_array_equal(
            run(vo.Pipeline(va.OneOf(Explodes(), va.HorizontalFlip(), weights=(0, 1))), image), image[:, ::-1]
        )

    def test_a_step_runs_on_the_samples_that_drew_it_only(self):
        seen = []

        class Counts(Local):
            def __init__(self, p=1.0):
                super().__init__(p=p)

            def run(self, image, values):
                seen.append(len(image))
                return image

        pipe = vo.Pipeline(Counts(p=0.3))
        active = pipe.sample([(12, 12)] * 20, index=range(20))["steps"][0]["active"]
        pipe(np.stack([photo(12, 12)] * 20), index=range(20))
        assert sum(seen) == sum(active) and 0 < sum(active) < 20

    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: va.OneOf(), "OneOf: steps must be at least one step"),
            (lambda: va.OneOf(va.Rotate), "OneOf: steps must be steps"),
            (lambda: va.OneOf(va.Rotate(), weights=(1, 2)), "OneOf: weights must be 1 numbers"),
            (lambda: va.OneOf(va.Rotate(), va.Invert(), weights=(0, 0)), "OneOf: weights must be"),
            (lambda: va.OneOf(va.Rotate(), va.Invert(), weights=(-1, 2)), "OneOf: weights must be"),
            (lambda: va.SomeOf(va.Rotate(), n=2), "SomeOf: n must be from 0 to 1"),
            (lambda: va.SomeOf(va.Rotate(), n=(1, 0)), "SomeOf: n must be"),
            (lambda: va.SomeOf(va.Rotate()), "SomeOf: .*'n'"),
            (lambda: va.SomeOf(va.Rotate(), n=0.5), "SomeOf: n must be"),
        ],
    )
    def test_refusals(self, make, match):
        with pytest.raises(ValueError, match=match):
            make()


class TestAutocast:
    """Autocast is off inside: bfloat16 has 8 bits, and moves pixel 511 to 512."""

    @pytest.mark.parametrize("grad", [False, True])
    @pytest.mark.parametrize(
        "steps",
        [
            lambda: (va.Elastic(3.0, 10.0),),
            lambda: (va.Rotate((-30, 30)), va.ColorJitter(0.4, 0.4, 0.4, 0.1), va.GaussianBlur(1.0)),
            lambda: (va.Rotate(va.Symmetric(torch.nn.Parameter(torch.tensor(30.0)))), va.Perspective(0.3)),
        ],
        ids=["deform", "colour and blur", "learned"],
    )
    def test_changes_nothing(self, steps, grad):
        pipe = vo.Pipeline(*steps())
        image = torch.rand(2, 3, 60, 80, generator=torch.Generator().manual_seed(0)).requires_grad_(grad)
        targets = {
            "image": image,
            "keypoints": torch.tensor([[[3.0, 4.0]]]).expand(2, 1, 2),
            "boxes": torch.tensor([[[3.0, 4.0, 50, 40]]]).expand(2, 1, 4),
        }
        plain = pipe(**targets, index=[1, 2])
        params = pipe.sample([(60, 80)] * 2, index=[1, 2])
        back = pipe.inverse(params, keypoints=plain["keypoints"], image=plain["image"])
        with torch.autocast("cpu", torch.bfloat16):
            inside = pipe(**targets, index=[1, 2])
            back_inside = pipe.inverse(params, keypoints=plain["keypoints"], image=plain["image"])
        for name, value in {**plain, **back}.items():
            assert torch.equal({**inside, **back_inside}[name], value), name
