"""Bayer mosaics against OpenCV."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from visionops.color import raw_to_rgb, rgb_to_raw
from visionops.kernels import native

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[::4, ::4][:101, :115])
# OpenCV names a mosaic by the block of its second row and column.
CODES = {
    "RGGB": cv2.COLOR_BayerBG2RGB,
    "BGGR": cv2.COLOR_BayerRG2RGB,
    "GRBG": cv2.COLOR_BayerGB2RGB,
    "GBRG": cv2.COLOR_BayerGR2RGB,
}
INSIDE = (slice(1, -1), slice(1, -1))


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)


def mosaic(image, pattern):
    raw = np.empty(image.shape[:2], image.dtype)
    for i, letter in enumerate(pattern):
        raw[i // 2 :: 2, i % 2 :: 2] = image[i // 2 :: 2, i % 2 :: 2, "RGB".index(letter)]
    return raw


@pytest.mark.parametrize("pattern", CODES)
class TestRaw:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_keeps_one_channel_of_each_pixel(self, pattern, dtype):
        image = PHOTO.astype(dtype)
        got = rgb_to_raw(planes(image), pattern=pattern)
        np.testing.assert_array_equal(got[0].numpy(), mosaic(image, pattern))

    def test_back_is_opencvs(self, pattern):
        raw = mosaic(PHOTO, pattern)
        want = cv2.cvtColor(raw, CODES[pattern])[INSIDE]
        got = raw_to_rgb(torch.from_numpy(raw)[None], pattern=pattern).permute(1, 2, 0).numpy()[INSIDE]
        assert np.abs(got.astype(int) - want).max() <= 1
        exact = raw_to_rgb(torch.from_numpy(raw / 255.0)[None], pattern=pattern).permute(1, 2, 0).numpy()[INSIDE]
        assert np.abs(exact * 255 - want).max() <= 0.5 + 1e-9

    def test_the_border_keeps_the_pattern(self, pattern):
        flat = np.broadcast_to(np.float32([0.2, 0.5, 0.9]), (6, 7, 3))
        got = raw_to_rgb(rgb_to_raw(planes(flat.copy()), pattern=pattern), pattern=pattern)
        np.testing.assert_allclose(got.permute(1, 2, 0).numpy(), flat, rtol=0, atol=1e-6)

    def test_what_was_seen_stays(self, pattern):
        raw = torch.rand(2, 1, 9, 8)
        torch.testing.assert_close(rgb_to_raw(raw_to_rgb(raw, pattern=pattern), pattern=pattern), raw)

    def test_back_is_linear_with_its_adjoint(self, pattern):
        raw = torch.rand(1, 1, 6, 5, dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda x: raw_to_rgb(x, pattern=pattern), raw)
        single = raw.detach().float().requires_grad_()
        grad = torch.rand(1, 3, 6, 5)
        got = torch.autograd.grad(raw_to_rgb(single, pattern=pattern), single, grad)[0]
        want = torch.autograd.grad(raw_to_rgb(raw, pattern=pattern), raw, grad.double())[0]
        torch.testing.assert_close(got.double(), want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pattern", CODES)
@pytest.mark.parametrize("size", [(2, 2), (2, 3), (3, 2), (7, 130), (300, 101)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_compiled_is_the_definition(pattern, size, dtype):
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, size[0], 2 * size[1]), dtype=np.uint8))
    image = image if dtype == torch.uint8 else image.float() / 255
    for x in (image[..., ::2].contiguous(), image[..., ::2], image[..., : size[1]]):
        got = raw_to_rgb(x, pattern=pattern)
        with native.definitions_only():
            want = raw_to_rgb(x, pattern=pattern)
        # Bytes are exact: quarters, rounded to even at a half.
        torch.testing.assert_close(got, want, rtol=0, atol=0 if dtype == torch.uint8 else 4 * 2.0**-24)


def test_results_do_not_depend_on_the_number_of_threads():
    before, image = torch.get_num_threads(), torch.rand(1, 1, 700, 501)
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(raw_to_rgb(image))
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])
    finally:
        torch.set_num_threads(before)


def test_refuses_unknown_patterns_and_single_rows():
    with pytest.raises(ValueError, match="raw_to_rgb: pattern must be one of those known"):
        raw_to_rgb(torch.rand(1, 4, 4), pattern="RGBG")
    with pytest.raises(ValueError, match="rgb_to_raw: pattern must be"):
        rgb_to_raw(torch.rand(3, 4, 4), pattern="rggb")
    with pytest.raises(ValueError, match="raw_to_rgb: image must be of at least 2 x 2 pixels"):
        raw_to_rgb(torch.rand(1, 1, 4))
