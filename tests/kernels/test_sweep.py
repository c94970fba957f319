"""`warp` and `pixel`: compiled sweep against definition, and both against OpenCV, colorsys and exact cases."""

import colorsys
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from scipy import stats

from visionops.kernels import Instruction, Op, native, pixel, warp

needs_module = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")
needs_kernels = pytest.mark.skipif(not native.active(), reason="no compiled kernel runs")

# Positions are right to 5e-5 pixels (float32 increments over a run, at scales up to 3); the images are noise, where a
# pixel changes a value by up to 1 along each axis, and twice that between bicubic weights.
ATOL = 2e-4
LAYOUTS = ("planar", "hwc", "wide", "strided")
OPENCV_BORDERS = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
}
BORDERS = ("constant", "replicate", "reflect", "circular")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def make_image(rng, dtype, c, h, w, layout="planar"):
    shape = {"planar": (c, h, w), "hwc": (h, w, c), "wide": (h, w, c + 1), "strided": (c, h + 2, 2 * w)}[layout]
    if dtype.is_floating_point:
        image = torch.from_numpy(rng.random(shape)).to(dtype)
    else:
        image = torch.from_numpy(rng.integers(0, 256 if dtype == torch.uint8 else 100, shape)).to(dtype)
    if layout in ("hwc", "wide"):
        return image.permute(2, 0, 1)[:c]
    return image[:, 1:-1, ::2] if layout == "strided" else image


def make_matrix(rng, kind, h, w):
    x, y = rng.random(2) * (w, h)
    if kind == "whole":
        return np.array([[-1, 0, rng.integers(0, w + 3)], [0, 1, rng.integers(-3, h)], [0, 0, 1.0]])
    if kind == "quarter":
        return np.array([[0, 1, rng.integers(-2, 3)], [-1, 0, rng.integers(0, h + 2)], [0, 0, 1.0]])
    if kind == "aligned":
        return np.array([[1.7 * rng.normal(), 0, x], [0, 1.7 * rng.normal(), y], [0, 0, 1]])
    bend = rng.normal(size=2) * (0.004 if kind == "perspective" else 0)
    return np.array([[*rng.normal(size=2), x], [*rng.normal(size=2), y], [*bend, 1]])


def check(function, *args, exact=False, atol=ATOL, **options):
    """Returns what the function makes of its arguments, compared with what its definition makes of them."""
    got = function(*args, **options)
    if got.dtype == torch.uint8 and not exact:
        # Means of bytes are often halves, which may round either way: the definition is asked for fractions.
        options["dtype"], atol = torch.float32, 0.5 + 255 * atol
    with native.definitions_only():
        want = function(*args, **options)
    assert got.shape == want.shape
    if exact:
        assert got.dtype == want.dtype and torch.equal(got, want)
    else:
        got_, want = (got.float(), want.clamp(0, 1) * 255) if got.dtype == torch.uint8 else (got, want)
        torch.testing.assert_close(got_, want, rtol=0, atol=atol, equal_nan=True)
    return got


@needs_module
class TestWarpAgainstDefinition:
    def test_kernels_run_where_they_should(self):
        assert native.module.features() in ("baseline", "avx2", "avx512", "avx512vbmi")

    @pytest.mark.parametrize("kind", ["whole", "quarter", "aligned", "affine", "perspective"])
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_layouts_and_channels(self, kind, interpolation, border, dtype):
        rng = np.random.default_rng(len(kind) * 100 + len(border) + len(interpolation))
        for layout in LAYOUTS:
            for c in (1, 2, 3, 4, 5):
                h, w = rng.integers(2, 60), rng.integers(2, 90)
                images = [make_image(rng, dtype, c, h, w, layout), make_image(rng, dtype, c, w, h, layout)]
                inverse = np.stack([make_matrix(rng, kind, *image.shape[1:]) for image in images])
                fill = list(rng.integers(0, 256, c) if dtype == torch.uint8 else rng.random(c))
                check(warp, images, inverse, (19, 141), interpolation=interpolation, border=border, fill=fill,
                      exact=interpolation == "nearest")  # fmt: skip

    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 65)])
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("border", BORDERS)
    def test_small_sources(self, size, interpolation, border):
        rng = np.random.default_rng(3)
        for dtype, layout in [(torch.uint8, "hwc"), (torch.uint8, "planar"), (torch.float32, "planar")]:
            image = make_image(rng, dtype, 3, *size, layout)
            inverse = np.stack([make_matrix(rng, "affine", *size)])
            check(warp, [image], inverse, (9, 70), interpolation=interpolation, border=border, fill=1)

    def test_empty_batch_and_empty_output(self):
        assert check(warp, torch.zeros(0, 3, 5, 5), np.zeros((0, 3, 3)), (4, 4)).shape == (0, 3, 4, 4)
        assert warp(torch.zeros(1, 3, 5, 5), np.eye(3)[None], (0, 4)).shape == (1, 3, 0, 4)

    def test_one_matrix_serves_a_batch(self):
        rng = np.random.default_rng(4)
        batch = torch.from_numpy(rng.random((3, 3, 20, 30), dtype=np.float32))
        inverse = make_matrix(rng, "affine", 20, 30)[None]
        check(warp, batch, inverse, (20, 30))
        assert torch.equal(warp(batch, inverse, (20, 30)), warp(batch, inverse.repeat(3, 0), (20, 30)))

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.float32,
                                       torch.float64, torch.float16, torch.bool])  # fmt: skip
    @pytest.mark.parametrize("border", BORDERS)
    def test_nearest_of_any_dtype_is_exact(self, dtype, border):
        rng = np.random.default_rng(5)
        image = make_image(rng, dtype if dtype != torch.bool else torch.uint8, 2, 40, 50, "hwc")[None].to(dtype)
        planes = np.array([[[[1, 0.1, -5], [-1, 0, 60], [0, 1, -2.0], [0, -1, 25]]]])
        for kind in ("whole", "aligned", "perspective"):
            inverse = np.stack([make_matrix(rng, kind, 40, 50)])
            check(warp, image, inverse, (31, 70), interpolation="nearest", border=border, fill=1, planes=planes,
                  fills=[3], exact=True)  # fmt: skip

    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("border", BORDERS)
    def test_maps_with_lost_positions(self, interpolation, border):
        rng = np.random.default_rng(6)
        image = make_image(rng, torch.float32, 3, 30, 40)[None]
        xy = torch.from_numpy((rng.random((1, 17, 67, 2)) * (56, 46) - 8).astype(np.float32))
        xy[0, 3, 5], xy[0, 4, 66, 0], xy[0, 5, 64, 1] = torch.nan, torch.inf, -torch.inf
        xy[0, 6] = xy[0, 6].round()
        got = check(warp, image, None, (17, 67), coordinates=xy, interpolation=interpolation, border=border, fill=2.5)
        assert (got[0, :, 3, 5] == 2.5).all() and (got[0, :, 4, 66] == 2.5).all() and (got[0, :, 5, 64] == 2.5).all()

    def test_matrices_without_positions(self):
        image = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
        pole = np.array([[[1, 0, 0], [0, 1, 0], [0.1, 0, -1.0]]])  # column 10 is the horizon
        for inverse in (np.full((1, 3, 3), np.nan), np.zeros((1, 3, 3)), pole, np.eye(3)[None] * [1e30, 1, 1]):
            check(warp, image, inverse, (5, 130), fill=0.5)

    def test_domains_take_their_own_fill(self):
        rng = np.random.default_rng(7)
        for kind in ("aligned", "affine", "map"):
            image = make_image(rng, torch.float32, 3, 40, 50)[None].repeat(2, 1, 1, 1)
            planes = rng.normal(size=(2, 3, 4, 3)) * (1, 1, 20) + (0, 0, 60)
            planes[0, 0, 1] = (0, 1, -4)
            where = {"inverse": np.stack([make_matrix(rng, kind, 40, 50)] * 2)}
            if kind == "map":
                where = {"inverse": None, "coordinates": torch.rand(2, 50, 150, 2) * 40}
            fills = [0.1, (0.2, 0.3, 0.4), 0.5]
            got = check(warp, image, size=(50, 150), planes=planes, fills=fills, **where)
            assert (got == 0.1).any() and (got[:, 1] == 0.3).any()

    @pytest.mark.parametrize("level", [(0, 1), (1, 0), (1, 1), (3, 2)])
    @pytest.mark.parametrize("border", BORDERS)
    def test_levels_reduce_first(self, level, border):
        rng = np.random.default_rng(8)
        for dtype, layout in [(torch.uint8, "hwc"), (torch.uint8, "strided"), (torch.float32, "planar")]:
            for c in (1, 3, 4):
                images = [make_image(rng, dtype, c, *rng.integers(1, 99, 2), layout) for _ in range(2)]
                levels = np.array([level, (0, 0)], np.int32)
                for kind in ("aligned", "perspective"):
                    inverse = np.stack([make_matrix(rng, kind, *image.shape[1:]) for image in images])
                    check(warp, images, inverse, (21, 70), border=border, levels=levels, fill=1)
        images = [make_image(rng, torch.uint8, 3, 60, 80, "hwc")]
        xy = torch.from_numpy((rng.random((1, 9, 70, 2)) * (80, 60)).astype(np.float32))
        check(warp, images, None, (9, 70), coordinates=xy, border=border, levels=np.array([level], np.int32))

    def test_level_beyond_sixteen_bit_sums(self):
        image = torch.full((1, 1, 700, 3), 255, dtype=torch.uint8)
        got = warp(image, np.eye(3)[None], (1, 3), levels=np.array([[9, 0]], np.int32))
        assert (got == 255).all()

    def test_dtypes_cross(self):
        rng = np.random.default_rng(9)
        inverse = np.stack([make_matrix(rng, "affine", 30, 40)])
        for dtype, out in [(torch.uint8, torch.float32), (torch.float32, torch.uint8)]:
            image = make_image(rng, dtype, 3, 30, 40)[None]
            check(warp, image, inverse, (30, 70), dtype=out)

    def test_nearest_ignores_levels(self):
        image = make_image(np.random.default_rng(13), torch.uint8, 3, 40, 50, "hwc")[None]
        inverse = np.array([[[2.3, 0, 0], [0, 2.1, 0], [0, 0, 1]]])
        levels = np.array([[1, 1]], np.int32)
        got = check(warp, image, inverse, (15, 20), interpolation="nearest", levels=levels, exact=True)
        assert torch.equal(got, warp(image, inverse, (15, 20), interpolation="nearest"))

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
    def test_fractional_fills_round(self, dtype):
        image = torch.zeros(1, 1, 4, 4, dtype=dtype)
        away = np.eye(3)[None] + [[0, 0, 90], [0, 0, 0], [0, 0, 0]]
        for fill, want in ((1.6, 2), (2.4, 2)):
            got = check(warp, image, away, (3, 3), interpolation="nearest", border="constant", fill=fill, exact=True)
            assert (got == want).all()

    def test_a_window_of_bytes_may_end_with_the_source(self):
        """Crops of every width up to the last byte of the buffer, so that no load leaves it."""
        rng = np.random.default_rng(14)
        for width in (2, 3, 17, 21, 22, 43, 44, 60):
            image = make_image(rng, torch.uint8, 3, 3, width, "hwc")[None]
            for zoom in (0.3, 1.0, 1.31, 2.6, 4.0):
                inverse = np.array([[[-zoom, 0, width - 1], [0, 1, 0.5], [0, 0, 1.0]]])
                check(warp, image, inverse, (3, 37), border="constant", fill=9, dtype=torch.float32)

    def test_writes_into_out(self):
        out = torch.full((2, 3, 8, 8), 7.0)
        image = torch.rand(1, 3, 8, 8)
        assert warp(image, np.eye(3)[None], (8, 8), out=out[1:]).data_ptr() == out[1].data_ptr()
        assert (out[0] == 7).all() and torch.equal(out[1], image[0])

    @pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
    def test_lower_instruction_sets(self, isa):
        """The sweeps that this machine would not choose give the same."""
        code = (
            "import sys, numpy as np, torch\n"
            "from visionops.kernels import native, warp, pixel, Instruction, Op\n"
            "torch.manual_seed(0)\n"
            "image = (torch.rand(1, 40, 50, 3) * 255).byte().permute(0, 3, 1, 2)\n"
            "turned = np.array([[[0.9, -0.3, 5], [0.2, 1.1, 3], [1e-3, 0, 1]]])\n"
            "aligned = np.array([[[-0.9, 0, 45], [0, 1.1, 3], [0, 0, 1]]])\n"
            "noise = Instruction(Op.NOISE, np.array([[0.1, 5, 6, 0, 1]], np.float32))\n"
            "hue = Instruction(Op.HUE, np.array([[0.2]], np.float32))\n"
            "for how in ('nearest', 'bilinear', 'bicubic'):\n"
            "    for inverse in (turned, aligned):\n"
            "        call = lambda: warp(image, inverse, (40, 130), interpolation=how, program=[hue, noise],\n"
            "                            dtype=torch.float32)\n"
            "        got = call()\n"
            "        with native.definitions_only():\n"
            "            torch.testing.assert_close(got, call(), rtol=0, atol=1e-4)\n"
            "print(native.module.features())\n"
        )
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "VISIONOPS_ISA": isa},
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert done.stdout.strip() in (isa, "baseline")


class TestWarpExact:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    def test_whole_pixel_moves_are_bit_exact(self, dtype, interpolation):
        rng = np.random.default_rng(1)
        image = make_image(rng, dtype, 3, 30, 71, "hwc")[None]
        flip = np.array([[[-1, 0, 70], [0, 1, 0], [0, 0, 1.0]]])
        turn = np.array([[[0, 1, 0], [-1, 0, 29], [0, 0, 1.0]]])
        assert torch.equal(warp(image, flip, (30, 71), interpolation=interpolation), image.flip(3))
        turned = warp(image, turn, (71, 30)[::-1], interpolation=interpolation)
        rows, columns = np.mgrid[:30, :71]
        index = image[0, :, np.clip(29 - columns, 0, 29), np.clip(rows, 0, 70)]
        assert torch.equal(turned[0], index)

    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("poison", [float("nan"), float("inf")])
    def test_a_tap_of_weight_zero_is_not_read(self, interpolation, poison):
        image = torch.rand(1, 2, 12, 70, generator=torch.Generator().manual_seed(1))
        image[0, :, 5, 6] = poison
        got = warp(image, np.eye(3)[None], (12, 70), interpolation=interpolation)
        assert torch.equal(got.isfinite(), image.isfinite())
        assert torch.equal(got[got.isfinite()], image[image.isfinite()])

    def test_nearest_ties_go_up(self):
        image = torch.arange(8.0).reshape(1, 1, 1, 8)
        half = np.array([[[2, 0, 0.5], [0, 1, 0], [0, 0, 1.0]]])
        assert warp(image, half, (1, 4), interpolation="nearest").flatten().tolist() == [1, 3, 5, 7]
        short = half - [[0, 0, 1e-9], [0, 0, 0], [0, 0, 0]]
        assert warp(image, short, (1, 4), interpolation="nearest").flatten().tolist() == [1, 3, 5, 7]

    def test_positions_stay_exact_far_from_the_origin(self):
        ramp = torch.arange(4000.0).expand(1, 1, 3, 4000).contiguous()
        inverse = np.array([[[1, 0, 0.25], [0, 1, 0], [0, 0, 1.0]]])
        got = warp(ramp, inverse, (3, 3990))
        torch.testing.assert_close(got, ramp[..., :3990] + 0.25, rtol=0, atol=4000 * 2.0**-23)
        # Along a projective row the source column is (u + 5) / (1 + 1e-4 u), here in double.
        inverse = np.array([[[1, 0, 5], [0, 1, 0], [1e-4, 0, 1.0]]])
        u = np.arange(3000.0)
        want = np.float32((u + 5) / (1 + 1e-4 * u))
        assert np.abs(warp(ramp, inverse, (1, 3000)).numpy().ravel() - want).max() < 3e-4  # the ramp rounds to 1.2e-4


class TestWarpAgainstOpenCV:
    """Smooth images, so that OpenCV's own rounding of positions stays below the tolerance."""

    @staticmethod
    def smooth():
        y, x = np.mgrid[:90, :120].astype(np.float32)
        return np.stack([np.sin(x / 40) * np.cos(y / 50), x / 120, y / 90 * x / 120], -1).astype(np.float32)

    @pytest.mark.parametrize("border", ["constant", "replicate", "reflect"])
    def test_remap(self, border):
        image = self.smooth()
        rng = np.random.default_rng(0)
        # Positions on OpenCV's grid of 1/32 pixel.
        xy = np.round(rng.random((60, 80, 2)) * (150, 110) * 32 - 15 * 32).astype(np.float32) / 32
        want = cv2.remap(image, xy, None, cv2.INTER_LINEAR, borderMode=OPENCV_BORDERS[border], borderValue=(0.5,) * 3)
        got = warp(torch.from_numpy(image).permute(2, 0, 1)[None], None, (60, 80),
                   coordinates=torch.from_numpy(xy)[None], border=border, fill=0.5)  # fmt: skip
        assert np.abs(got[0].permute(1, 2, 0).numpy() - want).max() <= 1e-4

    @pytest.mark.parametrize("flag", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
    def test_affine_and_perspective(self, flag):
        image = self.smooth()
        matrix = np.array([[0.9, -0.2, 25.3], [0.15, 0.8, 9.7], [0, 0, 1]])
        how = {cv2.INTER_LINEAR: "bilinear", cv2.INTER_CUBIC: "bicubic"}[flag]
        inside = np.s_[2:-2, 2:-2]
        for bend in (0, 2e-4):
            matrix[2, 0] = bend
            got = warp(torch.from_numpy(image).permute(2, 0, 1)[None], matrix[None], (70, 80), interpolation=how)
            got = got[0].permute(1, 2, 0).numpy()
            options = {"flags": flag | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
            want = cv2.warpPerspective(image, matrix, (80, 70), **options)
            # The steepest slope is 1/40 a pixel, and OpenCV may round positions to 1/32 pixel.
            assert np.abs(got - want)[inside].max() <= 1 / 40 / 32
            if not bend:
                want = cv2.warpAffine(image, matrix[:2], (80, 70), **options)
                assert np.abs(got - want)[inside].max() <= 1 / 40 / 32


def instruction(op, *params):
    return Instruction(op, np.array([params], np.float32))


INF = float("inf")
# Elementwise float32: a few roundings of values up to 2; noise adds its own bound of 1e-5 sigma.
PIXEL_ATOL = 4e-6
PROGRAMS = {
    "none": [instruction(Op.NONE)],
    "scale": [instruction(Op.SCALE, 1.5, 0.5, 2, -0.1, 0.2, 0.3, -INF, INF)],
    "clamp": [instruction(Op.SCALE, 3, 3, 3, -1, -1, -1, 0, 1)],
    "matrix": [instruction(Op.MATRIX, 0.3, 0.6, 0.1, 0, 0.5, -0.2, 1, 0.1, 1, 0, -1, 0.2, 0, 1)],
    "contrast": [instruction(Op.CONTRAST, 1.7)],
    "hue": [instruction(Op.HUE, 0.3)],
    "hue back": [instruction(Op.HUE, -0.45)],
    "gamma": [instruction(Op.GAMMA, 2.2, 0.9)],
    "root": [instruction(Op.GAMMA, 0.4, 1)],
    "lut": [Instruction(Op.LUT, np.linspace(1, 0, 256, dtype=np.float32)[None] ** 2)],
    "solarize": [instruction(Op.SOLARIZE, 0.6)],
    "noise": [instruction(Op.NOISE, 0.2, 123, 2**24 - 1, -INF, INF)],
    "erase": [instruction(Op.ERASE, 3.5, 2, 66, 8.5, 0.1, 0.2, 0.3)],
    "chain": [
        instruction(Op.CONTRAST, 0.6),
        instruction(Op.GAMMA, 1.3, 1),
        instruction(Op.CONTRAST, 1.4),
        instruction(Op.HUE, 0.1),
        instruction(Op.CONTRAST, 1.1),
    ],
}


class TestPixelAgainstDefinition:
    @needs_module
    @pytest.mark.parametrize("name", PROGRAMS)
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize("out", [torch.uint8, torch.float32])
    def test_operations(self, name, dtype, out):
        rng = np.random.default_rng(11)
        for layout in LAYOUTS:
            image = make_image(rng, dtype, 3, 35, 131, layout)[None]
            if name == "lut" and dtype == torch.float32:  # away from ties, which a last bit decides
                image = (image * 255).round() / 255
            check(pixel, image, PROGRAMS[name], dtype=out, atol=PIXEL_ATOL)

    @needs_module
    @pytest.mark.parametrize("c", [1, 2, 4, 5])
    def test_other_channels(self, c):
        image = torch.rand(2, c, 20, 70, generator=torch.Generator().manual_seed(2))
        program = [
            instruction(Op.SCALE, *[1.2] * c, *[-0.1] * c, 0, 1),
            instruction(Op.CONTRAST, 1.3),
            instruction(Op.NOISE, 0.1, 7, 9, 0, 1),
            instruction(Op.ERASE, 1, 1, 5, 5, *np.arange(c) / 9),
        ]
        check(pixel, image, program, atol=PIXEL_ATOL)

    @needs_module
    def test_each_sample_runs_its_own_codes(self):
        image = torch.rand(5, 3, 40, 70, generator=torch.Generator().manual_seed(3))
        params = np.zeros((5, 14), np.float32)
        params[0, :8] = (2, 2, 2, 0, 0, 0, 0, 1)
        params[1, 0] = params[2, 0] = 0.2
        params[4] = PROGRAMS["matrix"][0].params
        codes = np.array([Op.SCALE, Op.HUE, Op.CONTRAST, Op.NONE, Op.MATRIX])
        backwards = Instruction(codes[::-1].copy(), params[::-1].copy())
        program = [Instruction(codes, params), *PROGRAMS["chain"][:2], backwards]
        for out in (torch.float32, torch.uint8):
            check(pixel, image, program, dtype=out, atol=PIXEL_ATOL)

    @needs_module
    def test_in_place(self):
        image = torch.rand(2, 3, 33, 65, generator=torch.Generator().manual_seed(4))
        want = pixel(image, PROGRAMS["chain"])
        assert pixel(image, PROGRAMS["chain"], out=image) is image
        assert torch.equal(image, want)

    @needs_module
    def test_gamma_reaches_its_error_bound(self):
        x = torch.linspace(2.0**-12, 1, 100_001).reshape(1, 1, 1, -1)
        for gamma in (0.3, 0.9, 1.0, 1.8, 3.0):
            got = pixel(x, [instruction(Op.GAMMA, gamma, 1)]).double()
            want = x.double() ** float(np.float32(gamma))
            big = want > 2.0**-20
            assert ((got - want).abs() / want)[big].max() < 2e-6

    @needs_kernels
    def test_refuses_what_does_not_fit(self):
        image = torch.rand(1, 2, 4, 4)
        with pytest.raises(ValueError, match="three channels"):
            pixel(image, [instruction(Op.HUE, 0.1)])
        with pytest.raises(ValueError, match="params"):
            pixel(image, [instruction(Op.SCALE, 1)])


class TestPixelOracles:
    def test_hue_is_that_of_colorsys(self):
        colours = np.random.default_rng(0).random((3, 200))
        for shift in (-0.4, 0.15, 0.5, 2.3):
            hsv = [colorsys.rgb_to_hsv(*colour) for colour in colours.T]
            want = [colorsys.hsv_to_rgb((h + shift) % 1, s, v) for h, s, v in hsv]
            got = pixel(torch.from_numpy(colours).float().reshape(1, 3, 10, 20), [instruction(Op.HUE, shift)])
            assert np.abs(got.reshape(3, -1).numpy().T - want).max() < 2e-6  # sextants to 6 in float32

    def test_hue_leaves_greys(self):
        grey = torch.linspace(0, 1, 70).expand(1, 3, 2, 70).contiguous()
        assert torch.equal(pixel(grey, [instruction(Op.HUE, 0.37)]), grey)

    def test_contrast_keeps_the_mean_of_the_luma(self):
        image = torch.rand(1, 3, 50, 60, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
        luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        got = pixel(image, [instruction(Op.CONTRAST, 1.5)])
        assert abs((got * luma).sum(1).mean() - (image * luma).sum(1).mean()) < 1e-6
        torch.testing.assert_close(got.std(), image.std() * 1.5, rtol=0.02, atol=0)

    def test_bytes_survive_a_round_trip(self):
        image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 4, 64)
        assert torch.equal(pixel(pixel(image, [], dtype=torch.float32), [], dtype=torch.uint8), image)
        assert torch.equal(pixel(image, []), image)

    def test_bytes_round_and_saturate(self):
        x = torch.tensor([-1.0, 0.49 / 255, 0.51 / 255, 2.0, 254.6 / 255]).reshape(1, 1, 1, 5)
        assert pixel(x, [], dtype=torch.uint8).flatten().tolist() == [0, 0, 1, 255, 255]

    def test_noise_is_normal_and_independent(self):
        field = pixel(torch.zeros(2, 3, 128, 200), [Instruction(Op.NOISE, np.array(
            [[1, 5, 6, -INF, INF], [1, 5, 7, -INF, INF]], np.float32))]).double()  # fmt: skip
        for channel in field.flatten(0, 1):
            assert stats.kstest(channel.flatten().numpy(), "norm").pvalue > 1e-3
        # Correlations of n = 25600 pairs have a deviation of 1 / sqrt(n).
        correlation = np.corrcoef(field.flatten(0, 1).flatten(1).numpy())
        assert np.abs(correlation - np.eye(6)).max() < 5 / 160
        assert abs((field[..., 1:] * field[..., :-1]).mean()) < 5 / 390

    def test_noise_depends_on_its_pixel_alone(self):
        noise = [instruction(Op.NOISE, 1, 5, 6, -INF, INF)]
        whole, part = pixel(torch.zeros(1, 3, 20, 100), noise), pixel(torch.zeros(1, 3, 9, 33), noise)
        assert torch.equal(whole[..., :9, :33], part)


@needs_kernels
class TestThreads:
    def test_results_do_not_depend_on_the_number(self):
        rng = np.random.default_rng(12)
        before = torch.get_num_threads()
        program = PROGRAMS["chain"]
        cases = []
        for batch in (1, 5):
            image = make_image(rng, torch.uint8, 3, 300, 400, "hwc")[None].expand(batch, -1, -1, -1)
            inverse = np.stack([make_matrix(rng, "perspective", 300, 400) for _ in range(batch)])
            levels = np.ones((batch, 2), np.int32)
            cases.append(lambda image=image, inverse=inverse: warp(
                image, inverse, (301, 333), program=program, dtype=torch.float32))  # fmt: skip
            cases.append(lambda image=image, inverse=inverse, levels=levels: warp(
                image, inverse, (301, 333), levels=levels, program=program))  # fmt: skip
            cases.append(lambda image=image, inverse=inverse: warp(
                image.to(torch.int64), inverse, (301, 333), interpolation="nearest"))  # fmt: skip
        try:
            for case in cases:
                results = []
                for threads in (1, 2, 3):
                    torch.set_num_threads(threads)
                    results.append(case())
                assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
        finally:
            torch.set_num_threads(before)
