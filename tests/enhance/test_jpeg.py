"""JPEG compression against Pillow."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from visionops import enhance

from .photos import chw, grey, hwc, levels_apart, photo, unit


def pillow(image, quality, subsampling="4:4:4"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling={"4:4:4": 0, "4:2:0": 2}[subsampling])
    return np.asarray(Image.open(file))


def largest_step(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return max(max(table) for table in Image.open(file).quantization.values())


class TestJpegCompress:
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
    @pytest.mark.parametrize("quality", [1, 10, 35, 50, 75, 95, 100])
    @pytest.mark.parametrize("size", [(128, 144), (121, 139), (17, 33), (8, 3)])
    def test_is_pillows(self, size, quality, subsampling):
        image = photo(*size)
        expected = pillow(image, quality, subsampling)
        result = hwc(enhance.jpeg_compress(chw(image), quality, subsampling=subsampling))
        # A coefficient half way between two of the table's steps may go either way, which moves its whole block: such
        # blocks are rare, and move by a fraction of a step (a cosine is at most 1/4); the rest is within two levels.
        apart = np.abs(result.astype(int) - expected).max(-1)
        assert (apart > 2).mean() < 0.02
        assert apart.max() <= max(5, largest_step(image, quality) / 4)
        assert np.abs(result.astype(int) - expected).mean() < 0.25

    @pytest.mark.parametrize("quality", [20, 75, 92])
    def test_grey_is_pillows(self, quality):
        image = grey()
        expected = pillow(image, quality)
        result = hwc(enhance.jpeg_compress(chw(image), quality))[..., 0]
        assert (np.abs(result.astype(int) - expected) > 1).mean() < 0.01

    def test_floats_have_the_values_of_levels(self):
        image = photo()
        expected = hwc(enhance.jpeg_compress(chw(image), 60))
        for rounding in ("hard", "straight_through"):
            result = hwc(enhance.jpeg_compress(chw(unit(image)), 60, rounding=rounding))
            np.testing.assert_allclose(result, unit(expected), atol=1e-6)

    def test_soft_is_near(self):
        image = photo()
        hard = hwc(enhance.jpeg_compress(chw(unit(image)), 90))
        soft = hwc(enhance.jpeg_compress(chw(unit(image)), 90, rounding="soft"))
        assert np.abs(soft - hard).mean() < 1.5 / 255
        assert np.abs(soft - unit(image)).mean() < np.abs(hard - unit(image)).mean()

    @pytest.mark.parametrize("quality", [75, 92.5])
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
    def test_gradients_of_soft(self, subsampling, quality):
        x = torch.from_numpy(photo(9, 17).transpose(2, 0, 1) / 255)[None].requires_grad_()
        q = torch.tensor([float(quality)], dtype=torch.float64, requires_grad=True)

        def run(a, b):
            return enhance.jpeg_compress(a, b, subsampling=subsampling, rounding="soft")

        torch.autograd.gradcheck(run, (x, q), fast_mode=True)

    def test_straight_through_passes_gradients(self):
        x = chw(unit(photo(32, 32)))[None].requires_grad_()
        q = torch.tensor([40.0], requires_grad=True)
        out = enhance.jpeg_compress(x, q)
        error = (out - x.detach()).square().mean()
        by_image, by_quality = torch.autograd.grad(error, (x, q))
        assert by_image.abs().max() > 0 and by_quality.item() < 0  # better quality, smaller error
        hard = enhance.jpeg_compress(x, 40, rounding="hard")
        assert (torch.autograd.grad(hard.sum(), x)[0] == 0).all()

    def test_a_quality_for_each_sample(self):
        image = torch.stack([chw(photo(20, 30))] * 2)
        result = enhance.jpeg_compress(image, torch.tensor([10, 90]))
        for i, q in enumerate((10, 90)):
            assert levels_apart(result[i], enhance.jpeg_compress(image[i], q)) <= 1

    def test_refuses(self):
        with pytest.raises(ValueError, match="jpeg_compress: quality must be from 1 to 100, got 0"):
            enhance.jpeg_compress(torch.zeros(3, 8, 8), 0)
        with pytest.raises(ValueError, match="jpeg_compress: image must be of 1 or 3 channels, got 2"):
            enhance.jpeg_compress(torch.zeros(2, 8, 8), 50)
