"""Guided filter against its equations, solved pixel by pixel in NumPy over SciPy's windows."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, uniform_filter
from skimage import data

from visionops.filters import guided_blur

MODES = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "constant": "constant"}


def photo(c=3, size=(40, 50)):
    return data.astronaut()[50 : 50 + size[0], 200 : 200 + size[1], :c].transpose(2, 0, 1) / 255.0


def coefficients(image, guide, size, eps, mode):
    """The paper's equations 19-20, a solve for every pixel, and the means of both."""
    mean = lambda x: uniform_filter(x, (0,) * (x.ndim - 2) + tuple(size), mode=mode)  # noqa: E731
    mean_i, mean_p = mean(guide), mean(image)
    cov_ii = mean(guide[:, None] * guide[None]) - mean_i[:, None] * mean_i[None]
    cov_ip = mean(guide[:, None] * image[None]) - mean_i[:, None] * mean_p[None]
    matrix = cov_ii.transpose(2, 3, 0, 1) + eps * np.eye(len(guide))
    a = np.linalg.solve(matrix, cov_ip.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    b = mean_p - (a * mean_i[:, None]).sum(0)
    return mean(a), mean(b)


def reference(image, guide, size, eps, mode):
    a, b = coefficients(image, guide, size, eps, mode)
    return (a * guide[:, None]).sum(0) + b


class TestGuidedBlur:
    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize("size", [(3, 3), (9, 5), (17, 17)])
    def test_is_its_equations(self, border, size):
        image, guide = photo(3), photo(3)[::-1] ** 2
        for c, g in ((3, 3), (1, 3), (3, 1), (2, 2), (1, 1)):
            want = reference(image[:c], guide[:g], size, 1e-2, MODES[border])
            got = guided_blur(
                torch.from_numpy(image[:c]), torch.from_numpy(guide[:g].copy()), kernel_size=size, eps=1e-2, border=border
            )
            np.testing.assert_allclose(got, want, atol=1e-11)

    @pytest.mark.parametrize("c", [1, 3, 4])
    def test_guides_itself(self, c):
        image = np.concatenate([photo(3), photo(1) ** 2])[:c]
        want = reference(image, image, (7, 7), 4e-3, "mirror")
        got = guided_blur(torch.from_numpy(image), kernel_size=7, eps=4e-3)
        np.testing.assert_allclose(got, want, atol=1e-11)

    def test_in_single_precision_and_bytes(self):
        image = torch.from_numpy(photo())
        want = guided_blur(image, kernel_size=9, eps=1e-3)
        # The covariance is a difference of means of order 1, divided by eps.
        assert (guided_blur(image.float(), kernel_size=9, eps=1e-3) - want).abs().max() < 4 * 2.0**-24 / 1e-3
        levels = guided_blur((image * 255).round().to(torch.uint8), kernel_size=9, eps=1e-3)
        assert levels.dtype == torch.uint8 and (levels.double() - want * 255).abs().max() < 0.5 + 0.1

    def test_smooths_noise_and_keeps_an_edge(self):
        step = torch.zeros(1, 32, 32, dtype=torch.float64)
        step[..., 16:] = 1
        noisy = step + 0.05 * torch.randn(step.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        out = guided_blur(noisy, kernel_size=7, eps=0.02)
        assert (out - step).square().mean().sqrt() < 0.03
        assert (out[..., 16:] - out[..., :16]).min() > 0.7

    def test_a_flat_guide_gives_the_mean_twice_and_gradients(self):
        image = torch.rand(1, 1, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        guide = torch.full((1, 3, 12, 12), 0.5, dtype=torch.float64, requires_grad=True)
        out = guided_blur(image, guide, kernel_size=3, eps=1e-3)
        mean = uniform_filter(uniform_filter(image.detach()[0, 0].numpy(), 3, mode="mirror"), 3, mode="mirror")
        np.testing.assert_allclose(out.detach()[0, 0], mean, atol=1e-12)
        torch.autograd.gradcheck(
            lambda i, g: guided_blur(i, g, kernel_size=3, eps=1e-2), (image, guide), fast_mode=True
        )

    def test_gradient_to_everything_with_an_eps_for_each_sample(self):
        rng = torch.Generator().manual_seed(2)
        image = torch.rand(2, 1, 4, 6, dtype=torch.float64, generator=rng).requires_grad_()
        guide = torch.rand(2, 2, 4, 6, dtype=torch.float64, generator=rng).requires_grad_()
        eps = torch.tensor([0.01, 0.1], dtype=torch.float64, requires_grad=True)
        call = lambda i, g, e: guided_blur(i, g, kernel_size=(3, 5), eps=e)  # noqa: E731
        torch.autograd.gradcheck(call, (image, guide, eps))
        torch.testing.assert_close(call(image, guide, eps)[1], call(image[1], guide[1], 0.1))

    def test_kinds_of_guide_may_differ(self):
        image = torch.rand(2, 3, 8, 9)
        guide = (torch.rand(2, 1, 8, 9) * 255).to(torch.uint8)
        torch.testing.assert_close(
            guided_blur(image, guide, kernel_size=3, eps=0.01), guided_blur(image, guide / 255, kernel_size=3, eps=0.01)
        )

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"kernel_size": 4, "eps": 0.1}, "guided_blur: kernel_size must be odd"),
            ({"kernel_size": 3, "eps": 0.0}, "guided_blur: eps must be above 0, got 0.0"),
            ({"kernel_size": 3, "eps": np.ones(3)}, r"guided_blur: eps must be a number or of shape \(2,\)"),
            ({"kernel_size": 3, "eps": 0.1, "border": "wrap"}, "guided_blur: border must be"),
            ({"kernel_size": 3, "eps": 0.1, "guide": torch.zeros(2, 1, 5, 4)}, r"guided_blur: guide must be of shape \(2, g, 5, 5\), got"),
            ({"kernel_size": 3, "eps": 0.1, "guide": torch.zeros(1, 5, 5)}, "guided_blur: guide must be of shape"),
            ({"kernel_size": 3, "eps": 0.1, "guide": torch.zeros(2, 1, 5, 5, dtype=torch.int32)}, "guided_blur: guide must be a floating or uint8 tensor, got torch.int32"),
        ],
        ids=range(7),
    )  # fmt: skip
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            guided_blur(torch.zeros(2, 1, 5, 5), **options)


def bilinear(low, size):
    """Planes (..., h, w) grown: pixel i of n lies at (i + 1/2) N / n - 1/2, and edges go on."""
    places = np.meshgrid(*((np.arange(n) + 0.5) * k / n - 0.5 for n, k in zip(size, low.shape[-2:], strict=True)), indexing="ij")
    planes = [map_coordinates(p, places, order=1, mode="nearest") for p in low.reshape(-1, *low.shape[-2:])]
    return np.reshape(planes, (*low.shape[:-2], *size))


class TestSubsample:
    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize(("step", "kernel_size", "window"), [(2, (9, 5), (5, 3)), (4, (17, 17), (5, 5)), (5, 3, (3, 3))])
    def test_is_the_fast_guided_filter(self, border, step, kernel_size, window):
        size = (40, 60)
        image, guide = photo(2, size), photo(3, size)[::-1] ** 2
        blocks = lambda x: x.reshape(len(x), 40 // step, step, x.shape[2] // step, step).mean((2, 4))  # noqa: E731
        a, b = coefficients(blocks(image), blocks(guide), window, 1e-2, MODES[border])
        want = (bilinear(a, size) * guide[:, None]).sum(0) + bilinear(b, size)
        got = guided_blur(
            torch.from_numpy(image), torch.from_numpy(guide.copy()), kernel_size=kernel_size, eps=1e-2, border=border, subsample=step
        )
        np.testing.assert_allclose(got, want, atol=1e-11)

    def test_is_near_the_whole_filter_also_at_odd_sizes(self):
        image = torch.from_numpy(photo(3, (41, 51)))
        want = guided_blur(image, kernel_size=17, eps=0.04)
        assert (guided_blur(image, kernel_size=17, eps=0.04, subsample=2) - want).abs().mean() < 0.01
        single = guided_blur(image.float(), kernel_size=17, eps=0.04, subsample=2)
        assert (single - guided_blur(image, kernel_size=17, eps=0.04, subsample=2)).abs().max() < 1e-5
        assert guided_blur(image[:, :1, :2], kernel_size=17, eps=0.04, subsample=8).shape == (3, 1, 2)

    def test_gradient_to_everything(self):
        rng = torch.Generator().manual_seed(2)
        image = torch.rand(2, 1, 5, 6, dtype=torch.float64, generator=rng).requires_grad_()
        guide = torch.rand(2, 1, 5, 6, dtype=torch.float64, generator=rng).requires_grad_()
        eps = torch.tensor([0.01, 0.1], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda i, g, e: guided_blur(i, g, kernel_size=5, eps=e, subsample=2), (image, guide, eps))

    @pytest.mark.parametrize("subsample", [0, 1.5, True])
    def test_refusals(self, subsample):
        with pytest.raises(ValueError, match="guided_blur: subsample must be an integer of at least 1"):
            guided_blur(torch.zeros(1, 5, 5), kernel_size=3, eps=0.1, subsample=subsample)


class TestGradientInSinglePrecision:
    @pytest.mark.parametrize(("c", "g"), [(3, 3), (2, 1), (1, 4), (3, None)])
    def test_is_that_in_double(self, c, g):
        found = []
        for dtype in (torch.float32, torch.float64):
            image = torch.from_numpy(photo(c, (20, 23)))[None].to(dtype).requires_grad_()
            rng = torch.Generator().manual_seed(3)
            guide = None if g is None else torch.rand(1, g, 20, 23, dtype=torch.float64, generator=rng).to(dtype).requires_grad_()
            eps = torch.tensor(0.02, dtype=dtype, requires_grad=True)
            out = guided_blur(image, guide, kernel_size=5, eps=eps)
            found.append(torch.autograd.grad(out.pow(3).sum(), [t for t in (image, guide, eps) if t is not None]))
        for a, b in zip(*found, strict=True):
            # Covariances are differences of means of order 2^-24, divided by eps.
            torch.testing.assert_close(a.double(), b, rtol=0, atol=4 * 2.0**-24 / 0.02 * float(b.abs().max()))
