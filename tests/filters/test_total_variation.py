"""Total-variation denoising against scikit-image, closed solutions, and the energy that it lowers."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from visionops.filters import total_variation_denoise


def photo(size=(48, 56)):
    return data.astronaut()[50 : 50 + size[0], 200 : 200 + size[1]] / 255.0


def energy(u, image, weight):
    down, right = np.zeros_like(u), np.zeros_like(u)
    down[..., :-1, :], right[..., :-1] = np.diff(u, axis=-2), np.diff(u, axis=-1)
    return weight * np.hypot(down, right).sum() + 0.5 * ((u - image) ** 2).sum()


class TestTotalVariationDenoise:
    @pytest.mark.parametrize("weight", [0.02, 0.1, 0.7])
    @pytest.mark.parametrize("iterations", [1, 2, 10, 60])
    def test_iterates_are_scikit_images(self, weight, iterations):
        image = photo()
        want = denoise_tv_chambolle(image, weight, eps=0, max_num_iter=iterations, channel_axis=-1)
        got = total_variation_denoise(torch.from_numpy(image).permute(2, 0, 1), weight=weight, iterations=iterations)
        np.testing.assert_allclose(got.permute(1, 2, 0), want, atol=1e-12)

    def test_a_spike_in_a_row_loses_twice_the_weight(self):
        # u = spike - 2 weight, and what it lost is spread over its two flat sides.
        row = torch.zeros(1, 1, 9, dtype=torch.float64)
        row[..., 4] = 1
        out = total_variation_denoise(row, weight=0.1, iterations=3000)
        np.testing.assert_allclose(out.flatten(), [0.025] * 4 + [0.8] + [0.025] * 4, atol=1e-3)

    def test_more_iterations_lower_the_energy(self):
        image = photo().transpose(2, 0, 1)
        energies = [
            energy(total_variation_denoise(torch.from_numpy(image), weight=0.1, iterations=n).numpy(), image, 0.1)
            for n in (1, 5, 20, 80, 320)
        ]
        assert energies == sorted(energies, reverse=True)

    def test_weight_of_each_sample_and_gradient(self):
        image = torch.rand(2, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        weight = torch.tensor([0.05, 0.4], dtype=torch.float64, requires_grad=True)
        call = lambda i, w: total_variation_denoise(i, weight=w, iterations=6)  # noqa: E731
        torch.autograd.gradcheck(call, (image, weight))
        torch.testing.assert_close(call(image, weight)[0], total_variation_denoise(image[0], weight=0.05, iterations=6))

    def test_bytes_are_rounded_once(self):
        levels = data.camera()[100:140, 200:230]
        want = denoise_tv_chambolle(levels / 255, 0.1, eps=0, max_num_iter=50) * 255
        got = total_variation_denoise(torch.from_numpy(levels.copy())[None])[0].numpy()
        assert got.dtype == np.uint8 and np.abs(got - want).max() < 0.5 + 1e-3

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"weight": 0.0}, "total_variation_denoise: weight must be above 0, got 0.0"),
            ({"weight": np.ones(3)}, "total_variation_denoise: weight must be a number or of shape"),
            ({"iterations": 0}, "total_variation_denoise: iterations must be an integer of at least 1, got 0"),
        ],
        ids=range(3),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            total_variation_denoise(torch.zeros(2, 1, 5, 5), **options)
