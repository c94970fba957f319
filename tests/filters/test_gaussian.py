"""Gaussian blur against OpenCV, SciPy and scikit-image."""

import math

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.filters
import torch

from visionops.filters import GaussianBlur, gaussian_blur, gaussian_kernel1d

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}


def photo(h=31, w=40, c=3, dtype=np.float32):
    values = np.random.default_rng(0).random((h, w, c))
    return (values * 255).astype(dtype) if dtype == np.uint8 else values.astype(dtype)


def blur(image, **options):
    return gaussian_blur(torch.from_numpy(image).permute(2, 0, 1), **options).permute(1, 2, 0).numpy()


class TestKernel:
    @pytest.mark.parametrize("size", [1, 3, 5, 9, 31])
    @pytest.mark.parametrize("sigma", [0.3, 0.8, 1.7, 5.0])
    def test_is_opencvs(self, sigma, size):
        expected = cv2.getGaussianKernel(size, sigma, cv2.CV_64F).ravel()
        np.testing.assert_allclose(gaussian_kernel1d(sigma, size)[0], expected, atol=1e-15)
        tensor = gaussian_kernel1d(torch.tensor([sigma], dtype=torch.float64), size)[0]
        np.testing.assert_allclose(tensor, expected, atol=1e-15)

    @pytest.mark.parametrize("sigma", [0.0, 0.1, 0.25, 0.26, 1.0, 2.3])
    def test_default_size_is_four_sigma_each_way(self, sigma):
        taps = gaussian_kernel1d(sigma)
        assert taps.shape == (1, 2 * math.ceil(4 * sigma) + 1)
        np.testing.assert_allclose(gaussian_kernel1d(torch.tensor([sigma], dtype=torch.float64)), taps, atol=1e-15)

    def test_each_row_ends_at_its_own_four_sigma(self):
        for sigmas in (np.array([0.3, 2.0]), torch.tensor([0.3, 2.0], dtype=torch.float64)):
            rows = np.asarray(gaussian_kernel1d(sigmas))
            assert rows.shape == (2, 17)
            np.testing.assert_allclose(rows[0, 6:11], np.asarray(gaussian_kernel1d(0.3))[0], atol=1e-15)
            assert (rows[0, :6] == 0).all() and (rows[0, 11:] == 0).all()

    def test_sums_to_one_and_is_symmetric(self):
        for sigma in (0.0, 1e-9, 0.4, 3.0, 100.0):
            taps = gaussian_kernel1d(sigma, 7)[0]
            assert taps.sum() == pytest.approx(1, abs=1e-15) and (taps == taps[::-1]).all()

    def test_no_sigmas(self):
        assert gaussian_kernel1d(np.zeros(0), 5).shape == (0, 5) and gaussian_kernel1d(torch.zeros(0), 5).shape == (
            0,
            5,
        )


class TestGaussianBlur:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize(("sigma", "size"), [(0.5, 3), (1.3, 7), (2.0, (5, 11)), (4.0, 31), (1.0, 1)])
    def test_is_opencvs(self, sigma, size, border):
        image = photo()
        h, w = (size, size) if isinstance(size, int) else size
        expected = cv2.GaussianBlur(image, (w, h), sigma, sigmaY=sigma, borderType=BORDERS[border])
        np.testing.assert_allclose(blur(image, sigma=sigma, kernel_size=size, border=border), expected, atol=2e-6)

    @pytest.mark.parametrize(
        ("border", "mode"),
        [("reflect", "mirror"), ("replicate", "nearest"), ("circular", "wrap"), ("constant", "constant")],
    )
    @pytest.mark.parametrize("sigma", [0.4, 1.5, 4.0])
    def test_is_scipys_in_double(self, sigma, border, mode):
        image = photo(dtype=np.float64)
        radius = math.ceil(4 * sigma)
        expected = scipy.ndimage.gaussian_filter(image, (sigma, sigma, 0), mode=mode, radius=(radius, radius, 0))
        np.testing.assert_allclose(blur(image, sigma=sigma, border=border), expected, atol=1e-14)

    def test_default_is_near_scikit_image(self):
        image = photo(dtype=np.float64)
        expected = skimage.filters.gaussian(image, 1.5, mode="nearest", truncate=4, channel_axis=-1)
        np.testing.assert_allclose(blur(image, sigma=1.5, border="replicate"), expected, atol=1e-12)

    @pytest.mark.parametrize("sigma", [0.6, 1.5, 3.2])
    def test_uint8_is_rounded(self, sigma):
        image = photo(dtype=np.uint8)
        expected = scipy.ndimage.gaussian_filter(
            image.astype(float), (sigma, sigma, 0), mode="mirror", radius=(math.ceil(4 * sigma),) * 2 + (0,)
        )
        out = blur(image, sigma=sigma)
        assert out.dtype == np.uint8 and np.abs(out - expected).max() < 0.5 + 1e-3

    @pytest.mark.parametrize("border", ["reflect", "replicate", "circular"])
    def test_a_kernel_wider_than_the_image(self, border):
        mode = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap"}[border]
        for size in ((1, 1), (2, 3), (5, 1)):
            image = photo(*size, 1, np.float64)
            expected = scipy.ndimage.gaussian_filter(image, (3, 3, 0), mode=mode, radius=(12, 12, 0))
            np.testing.assert_allclose(blur(image, sigma=3.0, border=border), expected, atol=1e-13)

    def test_sigma_of_each_sample(self):
        images = torch.from_numpy(np.stack([photo()] * 4)).permute(0, 3, 1, 2)
        sigmas = [0.0, 0.5, 1.5, 3.0]
        for given in (np.array(sigmas), torch.tensor(sigmas)):
            out = gaussian_blur(images, sigma=given)
            for k, sigma in enumerate(sigmas):
                torch.testing.assert_close(out[k], gaussian_blur(images[k], sigma=sigma), atol=2e-6, rtol=0)
        assert torch.equal(gaussian_blur(images, sigma=np.zeros(4)), images)

    def test_any_batch_dimensions(self):
        images = torch.rand(2, 3, 1, 8, 9, generator=torch.Generator().manual_seed(0))
        out = gaussian_blur(images, sigma=np.arange(6).reshape(2, 3) / 2)
        torch.testing.assert_close(out[1, 2], gaussian_blur(images[1, 2], sigma=2.5), atol=1e-6, rtol=0)
        assert gaussian_blur(images[:, :0], sigma=1.0).shape == (2, 0, 1, 8, 9)

    @pytest.mark.parametrize("sigma", [0.4, 1.3])
    def test_gradient_to_sigma(self, sigma):
        image = torch.from_numpy(photo(9, 10, 1, np.float64)).permute(2, 0, 1)
        at = torch.tensor(sigma, dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda s: gaussian_blur(image, sigma=s, kernel_size=7), (at,))

    def test_gradient_to_sigma_is_zero_at_zero(self):
        sigma = torch.zeros((), dtype=torch.float64, requires_grad=True)
        gaussian_blur(torch.rand(1, 5, 5, dtype=torch.float64), sigma=sigma, kernel_size=5).square().sum().backward()
        assert sigma.grad == 0

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"sigma": -1.0}, "gaussian_blur: sigma must be at least 0 and finite, got -1"),
            ({"sigma": float("nan")}, "gaussian_blur: sigma must be at least 0 and finite, got nan"),
            ({"sigma": float("inf")}, "gaussian_blur: sigma must be at least 0 and finite, got inf"),
            ({"sigma": torch.tensor(float("nan"))}, "gaussian_blur: sigma must be finite, got nan"),
            ({"sigma": np.array([1.0, -2.0])}, r"gaussian_blur: sigma must be"),
            ({"sigma": 1.0, "kernel_size": 4}, "gaussian_blur: kernel_size must be odd and positive, .*, got 4"),
            ({"sigma": 1.0, "kernel_size": 0}, "gaussian_blur: kernel_size must be odd"),
            ({"sigma": 1.0, "kernel_size": (3, 4)}, "gaussian_blur: kernel_size must be odd"),
            ({"sigma": 1.0, "kernel_size": (3, 3, 3)}, r"kernel_size must be odd and positive, one number or \(height, width\), got"),
            ({"sigma": 1.0, "kernel_size": 3.0}, "gaussian_blur: kernel_size must be"),
            ({"sigma": np.ones(3)}, r"gaussian_blur: sigma must be a number or of shape \(2,\)"),
            ({"sigma": 1.0, "border": "reflct"}, "gaussian_blur: border must be .* got 'reflct'. Did you mean 'reflect'"),
        ],
        ids=range(12),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            gaussian_blur(torch.zeros(2, 1, 5, 5), **options)

    def test_an_image_without_channels_is_refused(self):
        with pytest.raises(ValueError, match="gaussian_blur: image must be of shape"):
            gaussian_blur(torch.zeros(5, 5), sigma=1.0)

    def test_module(self):
        image = torch.rand(1, 3, 8, 9)
        assert torch.equal(
            GaussianBlur(sigma=1.2, kernel_size=5)(image), gaussian_blur(image, sigma=1.2, kernel_size=5)
        )
        learned = GaussianBlur(sigma=torch.nn.Parameter(torch.tensor(1.0)), kernel_size=5)
        learned(image).square().sum().backward()
        assert len(list(learned.parameters())) == 1 and learned.sigma.grad != 0
        with pytest.raises(TypeError, match="GaussianBlur: argument 'sigmas' is unknown"):
            GaussianBlur(sigmas=1.0)
        with pytest.raises(TypeError, match="GaussianBlur: argument 'sigma' is missing"):
            GaussianBlur(kernel_size=3)


def test_a_tensor_below_zero_counts_as_zero():
    x = torch.rand(3, 5, 6)
    assert torch.equal(gaussian_blur(x, sigma=torch.tensor(-1.0)), x)


class TestFast:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("sigma", [8.0, 13.7, 40.0])
    def test_is_exact_to_two_in_ten_thousand(self, sigma, border):
        step = np.zeros((120, 131, 3), np.float32)
        step[50:, 60:] = 1
        for image in (step, photo(120, 131), np.round(photo(120, 131))):
            exact = blur(image, sigma=sigma, border=border)
            fast = blur(image, sigma=sigma, border=border, method="fast")
            assert 0 < np.abs(fast - exact).max() < 2e-4

    def test_uint8_is_at_most_one_level_from_opencvs(self):
        image = photo(120, 131, dtype=np.uint8)
        want = cv2.GaussianBlur(image, (161, 161), 20.0)
        assert np.abs(blur(image, sigma=20.0, method="fast").astype(int) - want).max() <= 1

    def test_below_eight_it_is_exact(self):
        image = photo()
        assert np.array_equal(blur(image, sigma=7.9, method="fast"), blur(image, sigma=7.9))

    def test_each_sample_its_own(self):
        x = torch.rand(4, 2, 30, 40, generator=torch.Generator().manual_seed(0))
        for sigma in (np.array([9.0, 1.0, 20.0, 0.0]), torch.tensor([8.0, 9.0, 10.0, 11.0]), torch.tensor([1.0, 2, 3, 4])):
            got = gaussian_blur(x, sigma=sigma, method="fast")
            for i in range(4):
                one = gaussian_blur(x[i], sigma=float(sigma[i]), method="fast")
                torch.testing.assert_close(got[i], one, rtol=0, atol=4e-6)

    def test_gradients(self):
        sigma = np.array([9.0, 2.0, 8.5])
        x = torch.rand(3, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda t: gaussian_blur(t, sigma=sigma, method="fast"), x)
        torch.autograd.gradgradcheck(lambda t: gaussian_blur(t, sigma=sigma, method="fast").square(), x)
        # The kernel's gradient is that of the definition; of sigma, that of exact.
        single = x.detach().float().requires_grad_()
        grads = [
            torch.autograd.grad(gaussian_blur(t, sigma=sigma, method="fast").pow(3).sum(), t)[0].double()
            for t in (x, single)
        ]
        torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=1e-5)
        width = torch.tensor(9.0, requires_grad=True)
        slopes = [
            torch.autograd.grad(gaussian_blur(single, sigma=width, method=m).pow(3).sum(), width)[0]
            for m in ("fast", "exact")
        ]
        assert slopes[0] == slopes[1] != 0

    def test_transforms(self):
        x = torch.rand(2, 3, 1, 20, 21, generator=torch.Generator().manual_seed(0))

        def run(t):
            return gaussian_blur(t, sigma=9.0, method="fast")

        torch.testing.assert_close(torch.vmap(run)(x), run(x), rtol=0, atol=1e-5)
        leaf = x[0].clone().requires_grad_()
        want = torch.autograd.grad(run(leaf).pow(2).sum(), leaf)[0]
        torch.testing.assert_close(torch.func.grad(lambda t: run(t).pow(2).sum())(x[0]), want, rtol=0, atol=1e-5)
        compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
        again = x[0].clone().requires_grad_()
        got = torch.autograd.grad(compiled(again).pow(2).sum(), again)[0]
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)

    def test_refuses(self):
        with pytest.raises(ValueError, match="gaussian_blur: kernel_size must be None"):
            gaussian_blur(torch.zeros(1, 4, 4), sigma=9.0, kernel_size=5, method="fast")
        with pytest.raises(ValueError, match="gaussian_blur: method must be"):
            gaussian_blur(torch.zeros(1, 4, 4), sigma=9.0, method="quick")
        for sigma in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="gaussian_blur: sigma must be at least 0"):
                gaussian_blur(torch.zeros(1, 4, 4), sigma=sigma, method="fast")
