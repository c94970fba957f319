"""Whole pixels moved, and moves about a centre, against NumPy and OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.resample import (
    center_crop,
    crop,
    crop_and_resize,
    crop_by_boxes,
    hflip,
    pad,
    rot90,
    rotate,
    scale,
    shear,
    translate,
    vflip,
)  # fmt: skip

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
DTYPES = [torch.uint8, torch.bool, torch.int16, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]


def pixels(dtype, shape=(2, 3, 5, 40)):
    return torch.randint(0, 120, shape, generator=torch.Generator().manual_seed(0)).to(dtype)


class TestFlips:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_against_numpy(self, dtype):
        image = pixels(dtype)
        array = image.double().numpy()
        for got, want in (
            (hflip(image), array[..., ::-1]), (vflip(image), array[..., ::-1, :]),
            *((rot90(image, k), np.rot90(array, k, (-2, -1))) for k in (-1, 0, 1, 2, 5)),
        ):  # fmt: skip
            assert got.dtype == dtype
            np.testing.assert_array_equal(got.double().numpy(), want)


class TestPad:
    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_against_numpy(self, border, dtype):
        image = pixels(dtype)
        for sides in ((1, 2, 3, 0), (0, 0, 4, 0), (0, 3, 0, 0), (57, 13, 90, 9), (0, 0, 0, 0)):
            left, top, right, bottom = sides
            want = np.pad(image.double().numpy(), ((0, 0), (0, 0), (top, bottom), (left, right)), MODES[border])
            layouts = [image, image.to(memory_format=torch.channels_last), image.mT.contiguous().mT]
            for compiled in (True, False):
                for x in layouts:
                    if compiled:
                        got = pad(x, sides, border=border)
                    else:
                        with native.definitions_only():
                            got = pad(x, sides, border=border)
                    assert got.dtype == dtype
                    np.testing.assert_array_equal(got.double().numpy(), want)

    @pytest.mark.parametrize("border", MODES)
    def test_gradient_counts_the_copies(self, border):
        weight = torch.rand(1, 1, 4 + 9, 5 + 8, generator=torch.Generator().manual_seed(0))
        grads = []
        for dtype in (torch.float32, torch.float64):
            x = torch.zeros(1, 1, 4, 5, dtype=dtype, requires_grad=True)
            (pad(x, (3, 2, 5, 7), border=border) * weight.to(dtype)).sum().backward()
            grads.append(x.grad)
        places = np.pad(np.arange(20).reshape(4, 5), ((2, 7), (3, 5)), MODES[border], **(
            {"constant_values": 20} if border == "constant" else {}
        ))
        want = np.bincount(places.ravel(), weight.double().numpy().ravel(), 21)[:20].reshape(4, 5)
        for grad, atol in zip(grads, (1e-5, 1e-12), strict=True):
            np.testing.assert_allclose(grad[0, 0].numpy(), want, atol=atol)

    def test_bits_are_kept(self):
        image = torch.tensor([[[-0.0, float("nan"), float("inf")]]])
        got = pad(image, (2, 1), border="replicate")
        assert got.view(torch.int32).tolist() == image[:, [0] * 3][..., [0, 0, 0, 1, 2, 2, 2]].view(torch.int32).tolist()

    def test_refusals(self):
        for padding in (-1, (1, 2, 3), 0.5):
            with pytest.raises(ValueError, match="pad: padding must be whole pixels"):
                pad(torch.zeros(1, 2, 2), padding)
        with pytest.raises(ValueError, match="border"):
            pad(torch.zeros(1, 2, 2), 1, border="wrap")


class TestCrops:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("window", [(1, 2, 3, 7), (-3, -2, 4, 5), (3, 38, 4, 9), (-9, 2, 3, 3), (7, 50, 2, 2)])
    def test_crop_is_a_window_of_the_padded(self, dtype, window):
        top, left, height, width = window
        image = pixels(dtype)
        wide = np.pad(image.double().numpy(), ((0, 0), (0, 0), (60, 60), (60, 60)), constant_values=1)
        got = crop(image, top=top, left=left, height=height, width=width, fill=1)
        np.testing.assert_array_equal(got.double(), wide[..., top + 60 : top + 60 + height, left + 60 : left + 60 + width])

    def test_center_crop(self):
        image = pixels(torch.uint8)
        assert torch.equal(center_crop(image, (2, 7)), image[..., 1:3, 16:23])
        assert torch.equal(center_crop(image, 7), torch.nn.functional.pad(image[..., 16:23], (0, 0, 1, 1)))

    def test_a_box_is_resized_as_the_crop_it_is(self, photo, apply):
        got = apply(crop_and_resize, photo, [20.0, 30.0, 90.0, 70.0], (57, 101))
        want = cv2.resize(photo[30:70, 20:90], (101, 57), interpolation=cv2.INTER_LINEAR)
        # Beyond its first and last centres the crop repeats its edge, the box reads its neighbours.
        np.testing.assert_allclose(got[2:-2, 2:-2], want[2:-2, 2:-2], atol=2e-5)

    def test_a_quadrilateral_is_a_homography(self, photo, apply):
        corners = np.array([[22.3, 10.1], [120.7, 25.2], [101.9, 103.4], [8.8, 90.6]], np.float32)
        h, w = 60, 70
        edges = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        inverse = cv2.getPerspectiveTransform(edges - 0.5, corners - 0.5)
        want = cv2.warpPerspective(photo.astype(np.float32), inverse, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        got = apply(crop_by_boxes, photo, torch.from_numpy(corners), (h, w))
        # OpenCV's positions are rounded.
        np.testing.assert_allclose(got, want, atol=0.02)
        assert np.abs(got - want).mean() < 1e-3


class TestAboutACentre:
    @pytest.mark.parametrize("center", [None, (30.5, 71.0)])
    def test_rotation_and_scale(self, photo, apply, center):
        h, w = photo.shape[:2]
        middle = center or ((w - 1) / 2, (h - 1) / 2)
        for operator, value, matrix in (
            (rotate, 33.0, cv2.getRotationMatrix2D(middle, 33.0, 1)),
            (scale, 1.7, cv2.getRotationMatrix2D(middle, 0, 1.7)),
        ):
            got = apply(operator, photo, value, center=center)
            want = cv2.warpAffine(photo, matrix, (w, h), flags=cv2.INTER_LINEAR)
            np.testing.assert_allclose(got, want, atol=0.03)
            assert np.abs(got - want).mean() < 1e-3

    def test_shear_and_translation(self, photo, apply):
        h, w = photo.shape[:2]
        tx, ty = np.tan(np.radians([20.0, -8.0]))
        x, y = (w - 1) / 2, (h - 1) / 2
        for operator, value, matrix in (
            (shear, (20.0, -8.0), [[1, tx, -tx * y], [ty, 1, -ty * x]]),
            (translate, (3.25, -7.5), [[1, 0, 3.25], [0, 1, -7.5]]),
        ):
            got = apply(operator, photo, value, border="replicate")
            want = cv2.warpAffine(photo, np.array(matrix), (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            np.testing.assert_allclose(got, want, atol=0.03)
            assert np.abs(got - want).mean() < 1e-3

    def test_quarters_are_exact_and_samples_their_own(self):
        image = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
        got = rotate(image, torch.tensor([0.0, 90.0, 180.0, -90.0]))
        for i, turns in enumerate((0, 1, 2, -1)):
            assert torch.equal(got[i], rot90(image[i], turns))


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor])
def test_borders_of_a_colour(kind):
    image = torch.rand(2, 3, 4, 5)
    around = ((0, 0), (1, 1), (2, 2))
    want = np.stack([np.pad(image[:, i], around, constant_values=0.1 * (i + 1)) for i in range(3)], 1)
    fill = kind([0.1, 0.2, 0.3])
    np.testing.assert_allclose(pad(image, (2, 1), fill=fill), want, atol=1e-7)
    np.testing.assert_allclose(crop(image, top=-1, left=-2, height=6, width=9, fill=fill), want, atol=1e-7)
    assert torch.equal(rotate(torch.rand(3, 15, 15), 45.0, fill=fill)[:, 0, 0], torch.tensor([0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: pad(x, 1, fill=(1.0, 0.0)), "pad: fill must be a number or 3 of them"),
        (lambda x: rot90(x, 1.5), "rot90: turns must be a whole number .* rotate takes degrees"),
        (lambda x: crop(x, top=-1, left=0, height=3, width=3, fill="white"), "crop: fill must be"),
    ],
)
def test_refused_colours_and_turns(call, match):
    with pytest.raises(ValueError, match=match):
        call(torch.zeros(3, 4, 5))
