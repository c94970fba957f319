"""Rank filters against SciPy, and the soft one against its limits."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from visionops.filters import rank_filter
from visionops.filters.rank import _network

MODES = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}


def camera(dtype):
    image = skimage.data.camera()[200:260, 210:291]
    return image.copy() if dtype == np.uint8 else (image / 255).astype(dtype)


def filtered(image, **options):
    return rank_filter(torch.from_numpy(image)[None], **options)[0].numpy()


class TestRankFilter:
    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize(("size", "rank"), [((3, 3), 0), ((5, 5), 3), ((3, 5), -1), ((4, 2), 5), ((9, 9), 17), ((1, 1), 0)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_is_scipys(self, dtype, size, rank, border):
        image = camera(dtype)
        expected = scipy.ndimage.rank_filter(image, rank, size, mode=MODES[border])
        np.testing.assert_array_equal(filtered(image, kernel_size=size, rank=rank, border=border), expected)

    def test_quantile_is_the_nearest_rank(self):
        image = camera(np.float32)
        for quantile, rank in ((0.0, 0), (1.0, 8), (0.5, 4), (0.3, 2)):
            out = filtered(image, kernel_size=3, quantile=quantile)
            np.testing.assert_array_equal(out, filtered(image, kernel_size=3, rank=rank))

    def test_soft_becomes_hard(self):
        image = camera(np.float64)
        for rank in (0, 4, 7):
            hard = filtered(image, kernel_size=3, rank=rank)
            assert np.abs(filtered(image, kernel_size=3, rank=rank, soft=1e-6) - hard).max() < 1e-5
            assert np.abs(filtered(image, kernel_size=3, rank=rank, soft=0.05) - hard).max() > 1e-3

    def test_soft_rises_with_every_pixel(self):
        image = torch.from_numpy(camera(np.float64)[:6, :7])[None].requires_grad_()
        for rank in (0, 3, 4, 8):
            jacobian = torch.autograd.functional.jacobian(lambda x: rank_filter(x, kernel_size=3, rank=rank, soft=0.1), image)  # noqa: B023
            assert jacobian.min() >= -1e-15
            torch.testing.assert_close(jacobian.sum((-1, -2)), torch.ones_like(image)[..., None].double())

    def test_soft_keeps_flat_images(self):
        image = torch.full((1, 5, 5), 0.3, dtype=torch.float64)
        torch.testing.assert_close(rank_filter(image, kernel_size=3, rank=1, soft=0.2), image)

    def test_temperature_of_each_sample_and_its_gradient(self):
        images = torch.from_numpy(np.stack([camera(np.float64)[:7, :8]] * 2))[:, None]
        soft = torch.tensor([0.02, 0.3], dtype=torch.float64, requires_grad=True)
        out = rank_filter(images, kernel_size=3, rank=2, soft=soft)
        for i in range(2):
            torch.testing.assert_close(out[i], rank_filter(images[i], kernel_size=3, rank=2, soft=soft[i].item()))
        torch.autograd.gradcheck(lambda s: rank_filter(images, kernel_size=3, rank=2, soft=s), (soft,))

    @pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 9, 12])
    def test_network_sorts(self, n):
        for bits in itertools.product((0, 1), repeat=n):  # the zero-one principle
            values = list(bits)
            for layer in _network(n):
                assert len({i for pair in layer for i in pair}) == 2 * len(layer)
                for low, high in layer:
                    values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
            assert values == sorted(values)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({}, "rank_filter: rank must be given, or quantile, one of them"),
            ({"rank": 1, "quantile": 0.5}, "rank_filter: rank must be given, or quantile"),
            ({"rank": 9}, r"rank_filter: rank must be an integer in \[-9, 8\]"),
            ({"quantile": 1.5}, r"rank_filter: quantile must be a number in \[0, 1\]"),
            ({"rank": 1, "soft": 0.0}, "rank_filter: soft must be None or above 0"),
            ({"rank": 1, "border": "wrap"}, "rank_filter: border must be"),
        ],
        ids=range(6),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            rank_filter(torch.zeros(1, 5, 5), kernel_size=3, **options)


def test_a_tensor_of_no_temperature_selects():
    image = torch.rand(1, 6, 7)
    hard = rank_filter(image, kernel_size=3, rank=4)
    torch.testing.assert_close(rank_filter(image, kernel_size=3, rank=4, soft=torch.tensor(0.0)), hard, rtol=0, atol=1e-4)
