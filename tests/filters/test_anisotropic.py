"""Perona-Malik diffusion against its equations pixel by pixel, the heat equation, and what it promises."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from visionops.filters import anisotropic_diffusion


def photo(size=(48, 40)):
    return data.camera()[100 : 100 + size[0], 200 : 200 + size[1]] / 255.0


def reference(u, kappa, iterations, step, conductance):
    """The scheme of the paper, over a frame that repeats the edge: no flow across it."""
    for _ in range(iterations):
        framed = np.pad(u, 1, mode="edge")
        change = 0
        for neighbour in (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]):
            d = neighbour - u
            change = change + d * (np.exp(-((d / kappa) ** 2)) if conductance == "exponential" else 1 / (1 + (d / kappa) ** 2))
        u = u + step * change
    return u


class TestAnisotropicDiffusion:
    @pytest.mark.parametrize("conductance", ["exponential", "rational"])
    @pytest.mark.parametrize(("iterations", "step"), [(1, 0.25), (7, 0.2), (30, 0.1)])
    def test_is_its_equations(self, conductance, iterations, step):
        want = reference(photo(), 0.08, iterations, step, conductance)
        got = anisotropic_diffusion(
            torch.from_numpy(photo())[None], kappa=0.08, iterations=iterations, step=step, conductance=conductance
        )
        np.testing.assert_allclose(got[0], want, atol=1e-13)

    def test_is_a_gaussian_blur_where_nothing_is_an_edge(self):
        image = photo()
        got = anisotropic_diffusion(torch.from_numpy(image)[None], kappa=1e6, iterations=100, step=0.05)
        want = gaussian_filter(image, np.sqrt(2 * 100 * 0.05), mode="reflect")
        assert np.abs(got[0].numpy() - want).max() < 0.01  # differences on a grid against derivatives

    def test_keeps_the_mean_and_the_range(self):
        image = torch.from_numpy(photo())[None]
        out = anisotropic_diffusion(image, kappa=0.1, iterations=40, step=0.25)
        assert out.mean() == pytest.approx(float(image.mean()), abs=1e-12)
        assert out.min() >= image.min() and out.max() <= image.max()

    def test_kappa_of_each_sample_and_gradient(self):
        image = torch.from_numpy(photo((6, 7))).expand(2, 1, 6, 7).clone().requires_grad_()
        kappa = torch.tensor([0.05, 0.3], dtype=torch.float64, requires_grad=True)
        for conductance in ("exponential", "rational"):
            call = lambda i, k: anisotropic_diffusion(i, kappa=k, iterations=3, conductance=conductance)  # noqa: B023, E731
            torch.autograd.gradcheck(call, (image, kappa))
            torch.testing.assert_close(
                call(image, kappa)[0], anisotropic_diffusion(image[0], kappa=0.05, iterations=3, conductance=conductance)
            )

    def test_bytes_are_rounded_once(self):
        levels = torch.from_numpy(data.camera()[100:140, 200:230].copy())[None]
        want = reference(levels[0].numpy() / 255, 0.1, 10, 0.2, "exponential") * 255
        assert np.abs(anisotropic_diffusion(levels, kappa=0.1)[0].numpy() - want).max() < 0.5 + 1e-3

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"kappa": 0.0}, "anisotropic_diffusion: kappa must be above 0, got 0.0"),
            ({"kappa": np.array([0.1, -1.0])}, "anisotropic_diffusion: kappa must be above 0, got -1"),
            ({"kappa": 0.1, "iterations": 0}, "anisotropic_diffusion: iterations must be an integer of at least 1, got 0"),
            ({"kappa": 0.1, "iterations": 2.0}, "anisotropic_diffusion: iterations must be"),
            ({"kappa": 0.1, "step": 0.3}, "anisotropic_diffusion: step must be above 0 and at most 1/4, got 0.3"),
            ({"kappa": 0.1, "conductance": "exponentail"}, "anisotropic_diffusion: conductance must be .* Did you mean 'exponential'"),
        ],
        ids=range(6),
    )  # fmt: skip
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            anisotropic_diffusion(torch.zeros(2, 1, 5, 5), **options)
