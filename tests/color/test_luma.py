"""Grey, Y'CbCr and Y'UV against OpenCV, Pillow and scikit-image."""

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.data
import torch
from PIL import Image

from visionops import color

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[::2, ::2])
UNIT = (PHOTO / 255.0).astype(np.float32)


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)


def run(function, image, **options):
    return function(planes(image), **options).permute(1, 2, 0).numpy()


def blocks(image, down, across):
    h, w, c = image.shape
    return image.reshape(h // down, down, w // across, across, c).mean((1, 3))


class TestGrayscale:
    @pytest.mark.parametrize("order", ["rgb", "bgr"])
    def test_is_opencvs(self, order):
        function = getattr(color, f"{order}_to_grayscale")
        code = getattr(cv2, f"COLOR_{order.upper()}2GRAY")
        np.testing.assert_allclose(run(function, UNIT)[..., 0], cv2.cvtColor(UNIT, code), rtol=0, atol=3e-7)
        difference = np.abs(run(function, PHOTO)[..., 0].astype(int) - cv2.cvtColor(PHOTO, code))
        assert difference.max() <= 1
        assert difference.mean() <= 1e-3

    def test_weights_of_a_tensor_are_those_of_numbers(self):
        weights = (0.2126, 0.7152, 0.0722)
        got = color.rgb_to_grayscale(planes(UNIT), weights=torch.tensor(weights))
        torch.testing.assert_close(got, color.rgb_to_grayscale(planes(UNIT), weights=weights))
        np.testing.assert_allclose(got[0].numpy(), skimage.color.rgb2gray(UNIT), atol=3e-4)  # 0.2125, 0.7154, 0.0721
        bgr = color.bgr_to_grayscale(planes(UNIT).flip(0), weights=torch.tensor(weights))
        torch.testing.assert_close(bgr, got)

    def test_each_sample_has_its_weights(self):
        image = torch.rand(2, 3, 4, 5)
        got = color.rgb_to_grayscale(image, weights=torch.eye(3)[:2])
        assert torch.equal(got[:, 0], torch.stack([image[0, 0], image[1, 1]]))

    def test_weights_have_a_gradient(self):
        image, weights = torch.rand(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 3, dtype=torch.float64)
        torch.autograd.gradcheck(lambda x, w: color.rgb_to_grayscale(x, weights=w), (
            image.requires_grad_(), weights.requires_grad_()))  # fmt: skip

    @pytest.mark.parametrize("weights", [(0.5, 0.5), torch.ones(2), torch.ones(4, 3)])
    def test_refuses_other_weights(self, weights):
        with pytest.raises(ValueError, match="rgb_to_grayscale: weights must be"):
            color.rgb_to_grayscale(torch.rand(2, 3, 4, 5), weights=weights)

    def test_back_is_three_copies(self):
        got = run(color.grayscale_to_rgb, PHOTO[..., :1])
        np.testing.assert_array_equal(got, cv2.cvtColor(PHOTO[..., 0], cv2.COLOR_GRAY2RGB))


class TestYcbcr:
    def test_bytes_are_pillows(self):
        want = np.asarray(Image.fromarray(PHOTO).convert("YCbCr"))
        assert np.abs(run(color.rgb_to_ycbcr, PHOTO).astype(int) - want).max() <= 1

    def test_bytes_back_are_pillows(self):
        ycbcr = Image.fromarray(PHOTO).convert("YCbCr")
        got = run(color.ycbcr_to_rgb, np.array(ycbcr))
        assert np.abs(got.astype(int) - np.asarray(ycbcr.convert("RGB"))).max() <= 1

    def test_is_opencvs_to_its_three_digits(self):
        want = cv2.cvtColor(UNIT, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
        np.testing.assert_allclose(run(color.rgb_to_ycbcr, UNIT), want, rtol=0, atol=1e-3)

    def test_there_and_back(self):
        np.testing.assert_allclose(run(color.ycbcr_to_rgb, run(color.rgb_to_ycbcr, UNIT)), UNIT, rtol=0, atol=1e-6)


class TestYuv:
    def test_is_scikit_images(self):
        image = PHOTO / 255.0
        want = skimage.color.rgb2yuv(image)
        # Its factors add up to 0.43601 and 0.61498 where the norm has 0.436 and 0.615.
        np.testing.assert_allclose(run(color.rgb_to_yuv, image), want, rtol=0, atol=3e-5)
        np.testing.assert_allclose(run(color.yuv_to_rgb, want), skimage.color.yuv2rgb(want), rtol=0, atol=6e-5)

    def test_is_opencvs(self):
        want = cv2.cvtColor(UNIT, cv2.COLOR_RGB2YUV) - np.float32([0, 0.5, 0.5])
        np.testing.assert_allclose(run(color.rgb_to_yuv, UNIT), want, rtol=0, atol=1e-3)  # three digits
        want = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2YUV)
        assert np.abs(run(color.rgb_to_yuv, PHOTO).astype(int) - want).max() <= 1

    @pytest.mark.parametrize(("name", "down"), [("yuv420", 2), ("yuv422", 1)])
    def test_subsampled_is_the_mean_of_blocks(self, name, down):
        yuv = skimage.color.rgb2yuv(UNIT.astype(np.float64))
        y, uv = getattr(color, f"rgb_to_{name}")(planes(UNIT))
        np.testing.assert_allclose(y[0].numpy(), yuv[..., 0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(uv.permute(1, 2, 0).numpy(), blocks(yuv[..., 1:], down, 2), rtol=0, atol=3e-5)
        y, uv = getattr(color, f"rgb_to_{name}")(planes(PHOTO))
        want = np.clip(blocks(yuv[..., 1:], down, 2) * 255 + 128, 0, 255)
        assert np.abs(uv.permute(1, 2, 0).numpy() - want).max() <= 0.5 + 255 * 3e-5

    @pytest.mark.parametrize(("name", "down"), [("yuv420", 2), ("yuv422", 1)])
    @pytest.mark.parametrize("image", [UNIT, PHOTO], ids=["float32", "uint8"])
    def test_subsampled_back_repeats_the_chroma(self, name, down, image):
        y, uv = getattr(color, f"rgb_to_{name}")(planes(image))
        got = getattr(color, f"{name}_to_rgb")(y, uv)
        whole = np.repeat(np.repeat(uv.numpy(), down, 1), 2, 2)
        assert torch.equal(got, color.yuv_to_rgb(torch.cat([y, torch.from_numpy(whole)])))

    def test_subsampled_there_and_back_and_there(self):
        for name in ("yuv420", "yuv422"):
            to, back = getattr(color, f"rgb_to_{name}"), getattr(color, f"{name}_to_rgb")
            once = to(planes(UNIT))
            for a, b in zip(to(back(*once)), once, strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=2e-6)

    def test_refuses_odd_sizes_and_other_chroma(self):
        image = torch.rand(3, 5, 6)
        with pytest.raises(ValueError, match="rgb_to_yuv420: image must be of even height and width"):
            color.rgb_to_yuv420(image)
        assert color.rgb_to_yuv422(image)[1].shape == (2, 5, 3)
        with pytest.raises(ValueError, match="rgb_to_yuv422: image must be of even width"):
            color.rgb_to_yuv422(image[..., :5])
        for uv in (torch.rand(2, 4, 3), torch.rand(2, 2, 3, dtype=torch.float64)):
            with pytest.raises(ValueError, match="yuv420_to_rgb: uv must be"):
                color.yuv420_to_rgb(torch.rand(1, 4, 6), uv)
