"""Channel order and opacity against OpenCV and Pillow, sepia against its matrix."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from visionops.color import bgr_to_rgb, bgr_to_rgba, rgb_to_bgr, rgb_to_rgba, rgba_to_rgb, sepia

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[::4, ::4])


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)


def run(function, image, **options):
    return function(planes(image), **options).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
class TestOrder:
    def test_is_opencvs(self, dtype):
        image = PHOTO.astype(dtype)
        opaque = image if dtype == np.uint8 else image / 255
        np.testing.assert_array_equal(run(rgb_to_bgr, image), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        np.testing.assert_array_equal(run(bgr_to_rgb, image), cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        np.testing.assert_array_equal(run(rgb_to_rgba, opaque), cv2.cvtColor(opaque, cv2.COLOR_RGB2RGBA))
        np.testing.assert_array_equal(run(bgr_to_rgba, opaque), cv2.cvtColor(opaque, cv2.COLOR_BGR2RGBA))
        four = run(rgb_to_rgba, opaque, alpha=0.5)
        np.testing.assert_array_equal(run(rgba_to_rgb, four), cv2.cvtColor(four, cv2.COLOR_RGBA2RGB))


class TestAlpha:
    def test_over_a_background_is_pillows(self):
        alpha = np.linspace(0, 255, PHOTO.shape[1]).astype(np.uint8) * np.ones((len(PHOTO), 1, 1), np.uint8).reshape(-1, 1)
        image = np.dstack([PHOTO, alpha])
        under = Image.new("RGBA", PHOTO.shape[1::-1], (51, 102, 255))
        want = np.asarray(Image.alpha_composite(under, Image.fromarray(image)))[..., :3]
        got = run(rgba_to_rgb, image, background=(0.2, 0.4, 1.0))
        assert np.abs(got.astype(int) - want).max() <= 1

    def test_of_samples_and_of_pixels(self):
        image = torch.rand(2, 3, 4, 5)
        got = rgb_to_rgba(image, alpha=torch.tensor([0.25, 0.75]))
        assert got[:, 3, 1, 2].tolist() == [0.25, 0.75]
        channel = torch.rand(2, 1, 4, 5)
        assert torch.equal(rgb_to_rgba(image, alpha=channel)[:, 3:], channel)
        assert rgb_to_rgba(image.mul(255).byte(), alpha=0.5)[0, 3, 0, 0] == 128

    def test_has_gradients(self):
        image = torch.rand(2, 4, 3, 3, dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda x: rgba_to_rgb(x, background=0.3), image)
        alpha = torch.rand(2, dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda x, a: rgb_to_rgba(x, alpha=a), (image[:, :3].detach(), alpha))

    def test_refuses_other_shapes(self):
        image = torch.rand(2, 3, 4, 5)
        for alpha in (torch.rand(2, 1, 4, 4), torch.rand(3), torch.rand(2, 1, 4, 5, dtype=torch.float64)):
            with pytest.raises(ValueError, match="rgb_to_rgba: alpha must be"):
                rgb_to_rgba(image, alpha=alpha)
        with pytest.raises(ValueError, match="rgba_to_rgb: background must be one number or three"):
            rgba_to_rgb(torch.rand(4, 2, 2), background=(0.1, 0.2))
        with pytest.raises(ValueError, match="rgb_to_bgr: image must be of shape"):
            rgb_to_bgr(torch.rand(4, 2, 2))


class TestSepia:
    TONES = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])

    def test_is_its_matrix(self):
        image = PHOTO / 255.0
        want = np.clip(image @ self.TONES.T, 0, 1)
        np.testing.assert_allclose(run(sepia, image), want, rtol=0, atol=1e-12)
        np.testing.assert_allclose(run(sepia, image.astype(np.float32)), want, rtol=0, atol=1e-6)
        assert np.abs(run(sepia, PHOTO) - 255 * want).max() <= 0.5 + 1e-3
        half = np.clip(0.5 * image + 0.5 * image @ self.TONES.T, 0, 1)
        np.testing.assert_allclose(run(sepia, image, strength=0.5), half, rtol=0, atol=1e-12)

    def test_each_sample_has_its_strength(self):
        image = torch.rand(2, 3, 5, 6)
        got = sepia(image, strength=torch.tensor([0.0, 1.0]))
        torch.testing.assert_close(got[0], image[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(got[1], sepia(image[1]))

    def test_strength_has_a_gradient(self):
        image = 0.5 * torch.rand(2, 3, 4, 4, dtype=torch.float64).requires_grad_()
        strength = torch.tensor([0.3, 0.6], dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda x, s: sepia(x, strength=s), (image, strength))
