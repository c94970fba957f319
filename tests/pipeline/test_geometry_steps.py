"""Every geometric step against OpenCV, Pillow, NumPy and SciPy: its matrix, and the pixels it makes."""

import math

import cv2
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from PIL import Image

import visionops as vo
import visionops.augment as va
from visionops.testing import smooth_image

H, W = 23, 32
DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
# float32 against OpenCV's or SciPy's own float32: some roundings of values in [0, 1].
CLOSE = 2e-6


def photo(h=H, w=W, c=3, seed=0):
    return np.random.default_rng(seed).random((h, w, c), dtype=np.float32)


def run(step, image, index=0, **options):
    """Returns the pipeline's result of a float HWC image as float HWC."""
    out = vo.Pipeline(step, **options)(image, index=index)
    return out.permute(1, 2, 0).numpy()


def matrix_of(step, size=(H, W), index=0):
    pipe = vo.Pipeline(step)
    return pipe.matrix(pipe.sample(size, index=index)).numpy()


def warp(image, matrix, size=(H, W), border=cv2.BORDER_REPLICATE, value=0.0):
    """Bilinear resampling at a source-to-output matrix in double precision, by SciPy, which interpolates exactly."""
    h, w = size
    v, u = np.mgrid[:h, :w].astype(float)
    x, y, z = np.linalg.inv(matrix) @ np.stack([u.ravel(), v.ravel(), np.ones(h * w)])
    x, y = (x / z).reshape(h, w), (y / z).reshape(h, w)
    mode = {cv2.BORDER_REPLICATE: "nearest", cv2.BORDER_REFLECT_101: "mirror", cv2.BORDER_WRAP: "grid-wrap"}[border]
    out = np.stack(
        [
            scipy.ndimage.map_coordinates(image[..., c].astype(float), [y, x], order=1, mode=mode)
            for c in range(image.shape[2])
        ],
        -1,
    )
    inside = (
        (x >= -0.5 - 1e-4)
        & (x <= image.shape[1] - 0.5 + 1e-4)
        & (y >= -0.5 - 1e-4)
        & (y <= image.shape[0] - 0.5 + 1e-4)
    )
    return np.where(inside[..., None] | (border != cv2.BORDER_REPLICATE), out, value)


def any_dtype(dtype, c=3):
    image = torch.rand(c, H, W, generator=torch.Generator().manual_seed(0))
    return (image * 255).to(dtype) if dtype == torch.uint8 else image.to(dtype)


EXACT = {
    "HorizontalFlip": (lambda: va.HorizontalFlip(), lambda a: np.fliplr(a)),
    "VerticalFlip": (lambda: va.VerticalFlip(), lambda a: np.flipud(a)),
    **{f"Rotate90({k})": (lambda k=k: va.Rotate90(k), lambda a, k=k: np.rot90(a, k)) for k in range(-1, 6)},
    "Crop": (lambda: va.Crop((3, 4, 20, 15)), lambda a: a[4:15, 3:20]),
    "Crop of one pixel": (lambda: va.Crop((31, 22, 32, 23)), lambda a: a[22:, 31:]),
    "CenterCrop even": (lambda: va.CenterCrop((11, 20)), lambda a: a[6:17, 6:26]),
    "Pad": (lambda: va.Pad((1, 2, 3, 4)), lambda a: np.pad(a, ((2, 4), (1, 3), (0, 0)))),
    "Pad x and y": (lambda: va.Pad((5, 2)), lambda a: np.pad(a, ((2, 2), (5, 5), (0, 0)))),
    "Pad all": (lambda: va.Pad(3), lambda a: np.pad(a, ((3, 3), (3, 3), (0, 0)))),
    "Pad reflect": (
        lambda: va.Pad((9, 8, 7, 6), border="reflect"),
        lambda a: np.pad(a, ((8, 6), (9, 7), (0, 0)), "reflect"),
    ),
    "Pad replicate": (
        lambda: va.Pad((9, 8, 7, 6), border="replicate"),
        lambda a: np.pad(a, ((8, 6), (9, 7), (0, 0)), "edge"),
    ),
    "Pad circular": (
        lambda: va.Pad((9, 8, 7, 6), border="circular"),
        lambda a: np.pad(a, ((8, 6), (9, 7), (0, 0)), "wrap"),
    ),
    "Pad reflect, far": (
        lambda: va.Pad((70, 50), border="reflect"),
        lambda a: np.pad(a, ((50, 50), (70, 70), (0, 0)), "reflect"),
    ),
    "Pad circular, far": (
        lambda: va.Pad((70, 50), border="circular"),
        lambda a: np.pad(a, ((50, 50), (70, 70), (0, 0)), "wrap"),
    ),
    "Affine by whole pixels": (
        lambda: va.Affine(translate=((5, 5), (-3, -3))),
        lambda a: np.pad(a[3:, :-5], ((0, 3), (5, 0), (0, 0))),
    ),
    "Rotate by 180": (lambda: va.Rotate(180), lambda a: a[::-1, ::-1]),
    "Resize to itself": (lambda: va.Resize((H, W)), lambda a: a),
    "Resize by a third": (lambda: va.Resize((H * 3, W * 3)), lambda a: a),
}


class TestWholePixels:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("name", [n for n in EXACT if "third" not in n])
    def test_bit_exact_in_every_dtype(self, name, dtype):
        step, expected = EXACT[name]
        image = any_dtype(dtype)
        if (name, dtype) == ("Rotate by 180", torch.float64):
            pytest.skip("the sine of pi is 1e-16: float64 sees it, the other dtypes do not")
        # NumPy has no bfloat16: its numbers are exact in float64.
        array = image.permute(1, 2, 0).double().numpy()
        out = vo.Pipeline(step())(image, index=0)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out.permute(1, 2, 0).double().numpy(), expected(array))

    @pytest.mark.parametrize("interpolation", ["nearest", "bicubic"])
    @pytest.mark.parametrize("name", [n for n in EXACT if "third" not in n])
    def test_bit_exact_by_every_interpolation(self, name, interpolation):
        step, expected = EXACT[name]
        image = photo()
        np.testing.assert_array_equal(run(step(), image, interpolation=interpolation), expected(image))

    def test_nothing_bleeds_out_of_a_bad_pixel(self):
        """A tap of weight zero is not read: NaN and infinity stay where they are."""
        image = photo()
        image[3, 5], image[7, 9] = np.nan, np.inf
        for name in ("HorizontalFlip", "Rotate90(1)", "Crop", "Pad"):
            step, expected = EXACT[name]
            np.testing.assert_array_equal(run(step(), image), expected(image))

    def test_a_quarter_turn_by_affine_of_a_square_is_numpys(self):
        image = photo(21, 21)
        np.testing.assert_allclose(run(va.Rotate(90), image), np.rot90(image), atol=CLOSE)
        np.testing.assert_allclose(run(va.Affine(rotate=-90), image), np.rot90(image, -1), atol=CLOSE)

    @pytest.mark.parametrize(
        "step",
        [va.Crop((-4, -3, 10, 9)), va.Crop((25, 20, 40, 30)), va.Crop((100, 100, 105, 104)), va.CenterCrop((40, 50))],
        ids=repr,
    )
    def test_crop_beyond_the_image_is_fill(self, step):
        image = photo()
        m = matrix_of(step)
        left, top = -int(m[0, 2]), -int(m[1, 2])
        out = run(step, image, fill=0.25)
        padded = np.pad(image, ((200, 200), (200, 200), (0, 0)), constant_values=0.25)
        np.testing.assert_array_equal(
            out, padded[200 + top : 200 + top + out.shape[0], 200 + left : 200 + left + out.shape[1]]
        )

    def test_random_crop_reaches_every_place_evenly(self):
        step = vo.Pipeline(va.RandomCrop((20, 28))).sample([(H, W)] * 4000, index=range(4000))["steps"][0]
        for name, places in (("left", 5), ("top", 4)):
            counts = np.bincount(np.array(step[name], int), minlength=places)
            assert len(counts) == places and scipy.stats.chisquare(counts).pvalue > 1e-3

    def test_random_quarter_turns_are_even(self):
        turns = vo.Pipeline(va.Rotate90()).sample([(H, H)] * 4000, index=range(4000))["steps"][0]["turns"]
        assert scipy.stats.chisquare(np.bincount(np.array(turns, int), minlength=4)).pvalue > 1e-3

    def test_quarter_turns_sample_by_sample(self):
        image = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        pipe = vo.Pipeline(va.Rotate90())
        turns = pipe.sample([(8, 8)] * 16, index=range(16))["steps"][0]["turns"]
        out = pipe(image, index=range(16))
        assert len(set(turns)) == 4
        for one, k, result in zip(image, turns, out, strict=True):
            assert torch.equal(one.rot90(int(k), (1, 2)), result)

    def test_half_turned_batch_of_two_shapes_is_refused(self):
        with pytest.raises(ValueError, match="of one size"):
            vo.Pipeline(va.Rotate90())(torch.rand(16, 1, 8, 9), index=range(16))


class TestAffine:
    @pytest.mark.parametrize("angle", [-170, -90, -13.5, 0, 30, 45, 90, 135])
    def test_rotation_is_opencvs_counter_clockwise(self, angle):
        expected = cv2.getRotationMatrix2D(((W - 1) / 2, (H - 1) / 2), angle, 1.0)
        for step in (va.Rotate(angle), va.Affine(rotate=angle)):
            np.testing.assert_allclose(matrix_of(step)[:2], expected, atol=1e-12)

    def test_rotation_with_scale_is_opencvs(self):
        expected = cv2.getRotationMatrix2D(((W - 1) / 2, (H - 1) / 2), 25, 0.7)
        np.testing.assert_allclose(matrix_of(va.Affine(rotate=25, scale=0.7))[:2], expected, atol=1e-12)

    def test_counter_clockwise_on_the_screen(self):
        """What is right of the centre goes up, as in Pillow's Image.rotate."""
        image = np.zeros((21, 21, 1), np.float32)
        image[10, 18] = 1
        assert np.unravel_index(run(va.Rotate(90), image).argmax(), (21, 21)) == (2, 10)
        turned = np.asarray(Image.fromarray(image[..., 0]).rotate(90))
        assert np.unravel_index(turned.argmax(), (21, 21)) == (2, 10)

    @pytest.mark.parametrize("index", range(4))
    def test_is_the_product_it_says(self, index):
        """T(c + t) R Shear S T(-c), each factor written out."""
        step = va.Affine((-60, 60), ((-5, 5), (-3, 3)), ((0.5, 2), (0.5, 2)), ((-30, 30), (-30, 30)))
        pipe = vo.Pipeline(step)
        v = pipe.sample((H, W), index=index)["steps"][0]
        a, kx, ky = (math.radians(v[k]) for k in ("rotate", "shear_x", "shear_y"))
        move = lambda x, y: np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])  # noqa: E731
        c = ((W - 1) / 2, (H - 1) / 2)
        turn = np.array([[math.cos(a), math.sin(a), 0], [-math.sin(a), math.cos(a), 0], [0, 0, 1]])
        shear = np.array([[1, math.tan(kx), 0], [math.tan(ky), 1, 0], [0, 0, 1]])
        scale = np.diag([v["scale_x"], v["scale_y"], 1])
        expected = move(c[0] + v["translate_x"], c[1] + v["translate_y"]) @ turn @ shear @ scale @ move(-c[0], -c[1])
        np.testing.assert_allclose(matrix_of(step, index=index), expected, atol=1e-12)

    def test_positive_shear_moves_the_lower_half_right(self):
        m = matrix_of(va.Affine(shear=20))
        assert (m @ [W / 2, H - 1, 1])[0] > W / 2 and (m @ [W / 2, 0, 1])[0] < W / 2

    @pytest.mark.parametrize("border", ["constant", "replicate", "reflect", "circular"])
    @pytest.mark.parametrize("index", range(3))
    def test_pixels(self, border, index):
        step = va.Affine((-60, 60), (-5, 5), (0.8, 1.5), (-20, 20), border=border)
        image = photo()
        mode = {"reflect": cv2.BORDER_REFLECT_101, "circular": cv2.BORDER_WRAP}.get(border, cv2.BORDER_REPLICATE)
        expected = warp(image, matrix_of(step, index=index), border=mode, value=0.3)
        if border == "replicate":
            v, u = np.mgrid[:H, :W]
            x, y, _ = np.einsum(
                "ij,jhw->ihw", np.linalg.inv(matrix_of(step, index=index)), np.stack([u, v, np.ones((H, W))])
            )
            expected = np.stack(
                [
                    scipy.ndimage.map_coordinates(image[..., c].astype(float), [y, x], order=1, mode="nearest")
                    for c in range(3)
                ],
                -1,
            )
        np.testing.assert_allclose(run(step, image, index, fill=0.3, antialias=False), expected, atol=CLOSE)

    def test_inside_agrees_with_opencv_float32(self):
        step = va.Affine(20, (3, 3), 1.3, 8)
        image = photo(200, 260)
        expected = cv2.warpAffine(
            image, matrix_of(step, (200, 260))[:2], (260, 200), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        out = run(step, image, antialias=False)
        inside = warp(np.ones_like(image), matrix_of(step, (200, 260)), (200, 260)) == 1
        inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) == 1
        # OpenCV's own positions are float32 (5) or in steps of 1/32 (4): the issue asks for 1e-4 of float remap.
        v, u = np.mgrid[:200, :260].astype(np.float64)
        x, y, _ = np.einsum(
            "ij,jhw->ihw", np.linalg.inv(matrix_of(step, (200, 260))), np.stack([u, v, np.ones_like(u)])
        )
        assert inside.mean() > 0.5
        assert np.abs(out - expected)[inside].max() < 1 / 32
        exact = np.stack([scipy.ndimage.map_coordinates(image[..., c], [y, x], order=1) for c in range(3)], -1)
        assert np.abs(out - exact)[inside].max() < 1e-4

    def test_fill_by_channel_and_by_step(self):
        image = photo()
        out = run(va.Affine(translate=((W / 2, W / 2), (0, 0))), image, fill=(0.1, 0.2, 0.3))
        np.testing.assert_array_equal(out[:, :10], np.broadcast_to(np.float32([0.1, 0.2, 0.3]), (H, 10, 3)))
        out = run(va.Affine(translate=((W / 2, W / 2), (0, 0)), fill=(0.4, 0.5, 0.6)), image, fill=(0.1, 0.2, 0.3))
        np.testing.assert_array_equal(out[:, :10], np.broadcast_to(np.float32([0.4, 0.5, 0.6]), (H, 10, 3)))

    def test_fill_of_uint8_is_a_fraction_of_white(self):
        image = (photo() * 255).astype(np.uint8)
        out = vo.Pipeline(va.Affine(translate=((W / 2, W / 2), (0, 0))), fill=0.5)(image)
        assert out.dtype == torch.uint8 and (out[:, :, :10] == 128).all()

    @pytest.mark.parametrize("options", [{"fill": 128}, {"fill": (0, 0, 255)}], ids=str)
    def test_fill_of_uint8_in_grey_levels_is_refused(self, options):
        image = (photo() * 255).astype(np.uint8)
        step = {"translate": ((W / 2, W / 2), (0, 0))}
        with pytest.raises(ValueError, match=r"fill must be in \[0, 1\]"):
            vo.Pipeline(va.Affine(**step), **options)(image)
        with pytest.raises(ValueError, match=r"fill must be in \[0, 1\]"):
            vo.Pipeline(va.Affine(**step, **options))(image)

    @pytest.mark.parametrize("fill", [(0.1, 0.2), (0.1, 0.2, 0.3, 0.4)])
    def test_fill_of_another_channel_count_is_refused(self, fill):
        with pytest.raises(ValueError, match="fill"):
            run(va.Affine(translate=W / 2), photo(), fill=fill)


class TestRandomResizedCrop:
    def apply(self, image, size, **window):
        pipe = vo.Pipeline(va.RandomResizedCrop(size), antialias=False)
        params = pipe.sample(image.shape[:2], index=0)
        params["steps"][0].update(window)
        return pipe.apply(params, image).permute(1, 2, 0).numpy()

    @pytest.mark.parametrize("size", [(20, 30), (33, 17), (9, 14)])
    def test_of_a_window_of_whole_pixels_is_opencvs_resize_of_the_crop(self, size):
        image = photo(60, 80)
        x0, y0, w, h = 10, 20, 30, 25
        out = self.apply(image, size, left=x0, top=y0, width=w, height=h)
        expected = cv2.resize(image[y0 : y0 + h, x0 : x0 + w], size[::-1], interpolation=cv2.INTER_LINEAR)
        # At its edge OpenCV repeats the crop; a pipeline still has the source there. Compare where no tap leaves the crop.
        ys, xs = (((np.arange(n) + 0.5) * m / n - 0.5) for n, m in ((size[0], h), (size[1], w)))
        inside = ((ys >= 0) & (ys <= h - 1))[:, None] & ((xs >= 0) & (xs <= w - 1))
        assert inside.mean() > 0.8
        np.testing.assert_allclose(out[inside], expected[inside], atol=1e-5)  # OpenCV computes weights in float32

    def test_at_its_edge_it_reads_the_source(self):
        image = photo(60, 80)
        out = self.apply(image, (50, 60), left=10, top=20, width=30, height=25)
        scale = np.array([[2, 0, 0.5 * 2 - 0.5 - 20], [0, 2, 0.5 * 2 - 0.5 - 40], [0, 0, 1.0]])
        np.testing.assert_allclose(out, warp(image, scale, (50, 60)), atol=CLOSE)

    def test_of_the_whole_image_is_opencvs_resize(self):
        image = photo(60, 80)
        out = self.apply(image, (45, 100), left=0, top=0, width=80, height=60)
        np.testing.assert_allclose(out, cv2.resize(image, (100, 45)), atol=1e-5)

    def test_area_and_aspect_are_distributed_as_asked(self):
        step = vo.Pipeline(va.RandomResizedCrop(8, (0.1, 0.5), (0.75, 4 / 3))).sample(
            [(100, 100)] * 4000, index=range(4000)
        )["steps"][0]
        v = {k: np.array(step[k]) for k in ("left", "top", "width", "height")}
        # On a square every proposal with area under 3/4 fits: nothing is rejected.
        assert scipy.stats.kstest(v["width"] * v["height"] / 1e4, scipy.stats.uniform(0.1, 0.4).cdf).pvalue > 1e-3
        assert (
            scipy.stats.kstest(
                np.log(v["width"] / v["height"]), scipy.stats.uniform(math.log(0.75), 2 * math.log(4 / 3)).cdf
            ).pvalue
            > 1e-3
        )
        for start, extent in (("left", "width"), ("top", "height")):
            assert (v[start] >= 0).all() and (v[start] + v[extent] <= 100 + 1e-9).all()
            assert scipy.stats.kstest(v[start] / (100 - v[extent]), "uniform").pvalue > 1e-3

    @pytest.mark.parametrize(("h", "w"), [(60, 100), (100, 60)])
    def test_proposals_are_accepted_as_torchvision_does(self, h, w):
        """Defaults on a wide and a high image, against the algorithm run with NumPy's own draws."""
        rng = np.random.default_rng(0)
        areas = []
        for _ in range(4000):
            for _ in range(10):
                area, ratio = rng.uniform(0.08, 1) * h * w, math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
                if math.sqrt(area * ratio) <= w and math.sqrt(area / ratio) <= h:
                    areas.append(area)
                    break
            else:
                areas.append(min(h, w * 4 / 3) * min(w, h * 4 / 3))
        step = vo.Pipeline(va.RandomResizedCrop(8)).sample([(h, w)] * 4000, index=range(4000))["steps"][0]
        assert scipy.stats.ks_2samp(np.array(step["width"]) * np.array(step["height"]), areas).pvalue > 1e-3

    @pytest.mark.parametrize(
        ("size", "window"),
        [((10, 200), (200 / 2 - 20 / 3, 0, 40 / 3, 10)), ((200, 10), (0, 200 / 2 - 20 / 3, 10, 40 / 3))],
    )
    def test_where_none_fits_the_centre_is_taken(self, size, window):
        step = vo.Pipeline(va.RandomResizedCrop(8, scale=(0.9, 1.0))).sample(size, index=3)["steps"][0]
        np.testing.assert_allclose([step[k] for k in ("left", "top", "width", "height")], window, atol=1e-9)

    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: va.RandomResizedCrop(0), "RandomResizedCrop: size must be a positive int"),
            (lambda: va.RandomResizedCrop((3, 4, 5)), "RandomResizedCrop: size must be"),
            (lambda: va.RandomResizedCrop(8.0), "RandomResizedCrop: size must be"),
            (lambda: va.RandomResizedCrop(8, ratio=(2, 1)), "RandomResizedCrop: ratio must be positive"),
            (lambda: va.RandomResizedCrop(8, scale=(0, 0.5)), "RandomResizedCrop: scale must be"),
            (lambda: va.RandomResizedCrop(8, scale=(-0.5, 0.5)), "RandomResizedCrop: scale must be"),
            (lambda: va.Crop((0, 0, 0, 5)), "Crop: box must be whole pixels"),
            (lambda: va.Crop((0, 0, 1.5, 5)), "Crop: box must be whole pixels"),
            (lambda: va.Crop((0, 0, 5)), "Crop: box must be whole pixels"),
            (lambda: va.Pad(-1), "Pad: padding must be whole pixels"),
            (lambda: va.Pad((1, 2, 3)), "Pad: padding must be whole pixels"),
            (lambda: va.Resize(8, side="short"), "Resize: side must be"),
            (lambda: va.Perspective(1.0), "Perspective: distortion must be"),
            (lambda: va.Perspective((-0.1, 0.5)), "Perspective: distortion must be"),
            (lambda: va.Elastic(-1), "Elastic: alpha must be at least 0"),
            (lambda: va.Elastic(1, 0), "Elastic: sigma must be above 0"),
            (lambda: va.Rotate90(1.5), "Rotate90: turns must be"),
        ],
    )
    def test_refusals(self, make, match):
        with pytest.raises(ValueError, match=match):
            make()


class TestPerspective:
    @pytest.mark.parametrize("index", range(6))
    def test_matrix_is_opencvs_of_the_four_corners(self, index):
        pipe = vo.Pipeline(va.Perspective(0.6))
        params = pipe.sample((H, W), index=index)
        v = params["steps"][0]
        source = np.float64([(0, 0), (W, 0), (W, H), (0, H)])
        inwards = np.float64([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        moved = source + inwards * [[v[f"corner{i}_x"] * W / 2, v[f"corner{i}_y"] * H / 2] for i in range(4)]
        expected = cv2.getPerspectiveTransform(np.float32(source - 0.5), np.float32(moved - 0.5))
        m = pipe.matrix(params).numpy()
        np.testing.assert_allclose(
            m / m[2, 2], expected / expected[2, 2], rtol=1e-4, atol=1e-4
        )  # OpenCV's corners are float32
        corners = np.c_[source - 0.5, np.ones(4)] @ m.T
        np.testing.assert_allclose(corners[:, :2] / corners[:, 2:], moved - 0.5, atol=1e-9)

    def test_corners_are_uniform_up_to_the_distortion(self):
        step = vo.Pipeline(va.Perspective(0.6)).sample([(H, W)] * 2000, index=range(2000))["steps"][0]
        for i in range(4):
            for axis in "xy":
                assert scipy.stats.kstest(step[f"corner{i}_{axis}"], scipy.stats.uniform(0, 0.6).cdf).pvalue > 1e-3

    @pytest.mark.parametrize("index", range(3))
    def test_pixels(self, index):
        step = va.Perspective(0.5)
        image = photo()
        m = matrix_of(step, index=index)
        # The kernel divides by w in float32: positions err by 1e-5 pixels, and noise changes by up to 1 a pixel.
        np.testing.assert_allclose(run(step, image, index, antialias=False), warp(image, m), atol=2e-5)

    def test_nothing_at_zero(self):
        np.testing.assert_allclose(matrix_of(va.Perspective(0)), np.eye(3), atol=1e-13)


class TestResize:
    @pytest.mark.parametrize("size", [(46, 64), (31, 40), (23, 33), (100, 17)])
    def test_is_opencvs(self, size):
        image = photo()
        # OpenCV computes its weights in float32.
        np.testing.assert_allclose(
            run(va.Resize(size), image, antialias=False), cv2.resize(image, size[::-1]), atol=1e-5
        )

    @pytest.mark.parametrize("size", [(46, 64), (31, 40), (20, 30), (100, 17)])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_is_torchs_interpolate(self, size, interpolation):
        image = photo()
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].double()
        expected = torch.nn.functional.interpolate(tensor, size, mode=interpolation, align_corners=False)[0].permute(
            1, 2, 0
        )
        out = run(va.Resize(size), image, antialias=False, interpolation=interpolation)
        # A bicubic weight in float32 errs by some 1e-7, and there are 16 of them, some negative.
        np.testing.assert_allclose(out, expected, atol=CLOSE if interpolation == "bilinear" else 6e-6)

    @pytest.mark.parametrize("size", [(46, 64), (31, 40), (70, 97)])
    def test_enlarging_is_pillows(self, size):
        image = photo()[..., :1]
        expected = np.asarray(Image.fromarray(image[..., 0]).resize(size[::-1], Image.Resampling.BILINEAR))
        np.testing.assert_allclose(run(va.Resize(size), image)[..., 0], expected, atol=CLOSE)

    @pytest.mark.parametrize(("factor", "size"), [(2, (32, 48)), (4, (16, 24)), (8, (8, 12))])
    def test_minifying_by_a_power_of_two_averages_areas(self, factor, size):
        image = photo(64, 96)
        expected = image.reshape(size[0], factor, size[1], factor, 3).mean((1, 3))
        np.testing.assert_allclose(run(va.Resize(size), image), expected, atol=CLOSE)
        np.testing.assert_allclose(
            run(va.Resize(size), image), cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), atol=1e-5
        )

    @pytest.mark.parametrize("size", [(50, 70), (33, 47), (21, 20)])
    def test_minifying_otherwise_is_near_pillow_on_a_smooth_image(self, size):
        """Area levels and then bilinear taps are not Pillow's triangle, but nothing there is to alias."""
        image = smooth_image((160, 210), channels=1)[0].numpy()
        expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
        out = run(va.Resize(size), image[..., None])[..., 0]
        assert np.abs(out - expected)[1:-1, 1:-1].max() < 0.02

    def test_antialias_removes_what_would_alias(self):
        image = np.indices((256, 256)).sum(0) % 2 * np.ones((1, 1), np.float32)
        out = run(va.Resize((60, 60)), image[..., None].astype(np.float32))
        assert abs(out - 0.5).max() < 0.05
        assert abs(run(va.Resize((60, 60)), image[..., None].astype(np.float32), antialias=False) - 0.5).max() > 0.3

    @pytest.mark.parametrize(
        ("size", "side", "shape", "expected"),
        [(16, "shortest", (32, 64), (16, 32)), (16, "longest", (32, 64), (8, 16)), (16, "shortest", (64, 32), (32, 16)),
         (16, "longest", (5, 500), (1, 16)), (10, "shortest", (30, 40), (10, 13)), (7, "shortest", (7, 9), (7, 9))],
    )  # fmt: skip
    def test_one_side_keeps_the_aspect(self, size, side, shape, expected):
        out = vo.Pipeline(va.Resize(size, side=side))(np.zeros((*shape, 3), np.uint8))
        assert out.shape == (3, *expected)

    def test_matrix_is_the_half_pixel_convention(self):
        m = matrix_of(va.Resize((46, 96)))
        edges = m @ np.array([[-0.5, W - 0.5], [-0.5, H - 0.5], [1, 1]])
        np.testing.assert_allclose(edges[:2], [[-0.5, 95.5], [-0.5, 45.5]], atol=1e-12)


class TestMaskOfAResize:
    @pytest.mark.parametrize("size", [(46, 64), (13, 17), (12, 16), (23, 33), (46, 33), (100, 17), (1, 1), (69, 96)])
    def test_nearest_is_exact(self, size):
        """Against whole numbers: output pixel u reads floor((2 u + 1) n / (2 m)); at a tie that goes up."""
        mask = np.random.default_rng(0).integers(0, 200, (H, W), dtype=np.uint8)
        out = vo.Pipeline(va.Resize(size))(image=photo(), mask=mask)["mask"].numpy()
        y, x = (np.array([(2 * u + 1) * n // (2 * m) for u in range(m)]) for m, n in zip(size, (H, W), strict=True))
        np.testing.assert_array_equal(out, mask[y][:, x])
        if size[1] != 33:  # 33 pixels out of 32 have a tie, where OpenCV's fixed point goes down
            np.testing.assert_array_equal(out, cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


class TestElastic:
    def field(self, alpha, sigma, size=(200, 220), n=40):
        step = va.Elastic(alpha, sigma)
        drawn = vo.Pipeline(step).sample([size] * n, index=range(n))["steps"][0]
        values = {k: np.broadcast_to(np.asarray(drawn[k], float), n).copy() for k in ("alpha", "key")}
        return step.displacement(values, size, torch.empty(0)).double().numpy()

    @pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 10.0), (4.0, 20.0), (0.5, 6.5)])
    def test_deviation_is_alpha(self, alpha, sigma):
        field = self.field(alpha, sigma)
        assert abs(field.mean()) < 0.1 * alpha
        # Effective samples: 40 fields, 2 axes and the correlated areas in each; 5% is over 3 deviations of the estimate.
        assert field.std() == pytest.approx(alpha, rel=0.05)
        ends = np.concatenate(
            [field[:, :, 0].ravel(), field[:, :, -1].ravel(), field[..., 0].ravel(), field[..., -1].ravel()]
        )
        assert ends.std() == pytest.approx(alpha, rel=0.15)  # fewer samples along the edge

    @pytest.mark.parametrize("sigma", [8.0, 15.0])
    def test_is_as_smooth_as_noise_under_that_gaussian(self, sigma):
        field = self.field(0.5, sigma)
        noise = scipy.ndimage.gaussian_filter(
            np.random.default_rng(0).normal(size=(40, 2, 200, 220)), (0, 0, sigma, sigma)
        )
        for lag in (sigma / 2, sigma, 2 * sigma, 4 * sigma):
            lag = int(lag)
            for axis in (2, 3):
                ours, theirs = (self.correlation(f, lag, axis) for f in (field, noise))
                expected = math.exp(-(lag**2) / (4 * sigma**2))
                assert abs(theirs - expected) < 0.06  # the estimate's own error
                assert abs(ours - expected) < 0.06

    @staticmethod
    def correlation(field, lag, axis):
        n = field.shape[axis]
        a, b = np.take(field, range(n - lag), axis), np.take(field, range(lag, n), axis)
        return (a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())

    def test_axes_are_independent(self):
        field = self.field(1.0, 10.0)
        assert abs(np.corrcoef(field[:, 0].ravel(), field[:, 1].ravel())[0, 1]) < 0.05

    @pytest.mark.parametrize(("alpha", "sigma"), [(50.0, 5.0), (500.0, 2.0), (30.0, 30.0), (5.0, 0.4)])
    def test_never_folds(self, alpha, sigma):
        field = self.field(alpha, sigma, (64, 80), 20)
        dy, dx = np.diff(field, axis=2)[..., :-1], np.diff(field, axis=3)[:, :, :-1]
        jacobian = np.stack([np.stack([dx[:, 0], dy[:, 0]], -1), np.stack([dx[:, 1], dy[:, 1]], -1)], -2)
        assert np.abs(jacobian).sum(-1).max() < 0.9 + 1e-5
        assert np.linalg.det(np.eye(2) + jacobian).min() > 0

    @pytest.mark.parametrize("index", range(4))
    def test_is_scaled_down_no_more_than_it_must(self, index):
        field = self.field(50.0, 6.0, (64, 80), index + 1)[index]
        steepest = np.abs(np.diff(field, axis=2))[:, 1:].max(0) + np.abs(np.diff(field, axis=1))[:, :, 1:].max(0)
        assert 0.85 < steepest.max() < 0.9 + 1e-5

    def test_pixels_are_read_at_the_displacement(self):
        image = photo(60, 70)
        pipe = vo.Pipeline(va.Elastic(3.0, 8.0), antialias=False, fill=0.7)
        params = pipe.sample((60, 70), index=4)
        values = {k: np.array([params["steps"][0][k]]) for k in ("alpha", "key")}
        dx, dy = pipe.steps[0].displacement(values, (60, 70), torch.empty(0))[0].double().numpy()
        v, u = np.mgrid[:60, :70]
        x, y = u + dx, v + dy
        expected = np.stack(
            [
                scipy.ndimage.map_coordinates(image[..., c].astype(float), [y, x], order=1, mode="nearest")
                for c in range(3)
            ],
            -1,
        )
        outside = (x < -0.5) | (x > 69.5) | (y < -0.5) | (y > 59.5)
        assert outside.any()
        expected[outside] = 0.7
        out = pipe.apply(params, image).permute(1, 2, 0).numpy()
        # Positions are float32: they err by 4e-6 pixels, and noise changes by up to 1 a pixel.
        np.testing.assert_allclose(out, expected, atol=2e-5)

    def test_nothing_at_zero(self):
        image = photo()
        np.testing.assert_array_equal(run(va.Elastic(0.0), image), image)
