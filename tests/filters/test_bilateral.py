"""Bilateral filters against OpenCV on photos, and against their formula, written out for each pixel."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from visionops.filters import BilateralBlur, bilateral_blur, joint_bilateral_blur

BORDERS = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101,
           "circular": cv2.BORDER_WRAP}  # fmt: skip
PADS = {"constant": "constant", "replicate": "edge", "reflect": "reflect", "circular": "wrap"}


def photo(grey=False):
    levels = data.camera() if grey else data.astronaut()
    return levels[100:228, 150:294]


def tensor(image):
    image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(image))


def reference(image, guide, size, color, space, border):
    """Of (c, h, w) and (g, h, w), pixel by pixel."""
    ry, rx = size[0] // 2, size[1] // 2
    dy, dx = np.mgrid[-ry : ry + 1, -rx : rx + 1]
    near = np.exp(-(dy**2 + dx**2) / (2 * space**2)) * ((dy / max(ry, 1)) ** 2 + (dx / max(rx, 1)) ** 2 <= 1 + 1e-12)
    around, around_guide = (np.pad(x, ((0, 0), (ry, ry), (rx, rx)), PADS[border]) for x in (image, guide))
    out = np.empty_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            window = (slice(None), slice(y, y + size[0]), slice(x, x + size[1]))
            difference = np.abs(around_guide[window] - guide[:, y, x, None, None]).sum(0)
            weight = near * np.exp(-(difference**2) / (2 * color**2))
            out[:, y, x] = (around[window] * weight).sum((1, 2)) / weight.sum()
    return out


class TestBilateralBlur:
    @pytest.mark.parametrize("border", ["replicate", "reflect", "constant"])
    @pytest.mark.parametrize("grey", [False, True])
    def test_opencv_in_float32(self, border, grey):
        image = photo(grey).astype(np.float32) / 255
        for size, color, space in ((3, 0.05, 1.0), (5, 0.1, 2.0), (9, 0.4, 3.0), (15, 1.0, 4.0)):
            want = cv2.bilateralFilter(image, size, color, space, borderType=BORDERS[border])
            got = bilateral_blur(tensor(image), kernel_size=size, sigma_color=color, sigma_space=space, border=border)
            # OpenCV reads its exponentials off a table of 4096 entries a channel.
            assert np.abs(got.numpy() - tensor(want).numpy()).max() < 1e-5

    @pytest.mark.parametrize("grey", [False, True])
    def test_opencv_in_bytes(self, grey):
        for size, color, space in ((5, 20, 2.0), (9, 75, 3.0)):
            want = tensor(cv2.bilateralFilter(photo(grey), size, color, space)).int()
            options = {"kernel_size": size, "sigma_color": color / 255, "sigma_space": space}
            got = bilateral_blur(tensor(photo(grey)), **options)
            difference = (got.int() - want).abs()
            assert got.dtype == torch.uint8 and difference.max() <= 1
            # OpenCV rounds grey images down in small windows, away from the border.
            assert (grey and size < 7) or (difference > 0).double().mean() < 1e-3

    @pytest.mark.parametrize("border", BORDERS)
    def test_formula(self, border):
        image = photo()[:20, :17].transpose(2, 0, 1) / 255
        for size, color, space in (((3, 7), 0.2, 1.5), ((1, 5), 0.1, 3.0), ((9, 9), 0.5, 2.0)):
            got = bilateral_blur(
                torch.from_numpy(image), kernel_size=size, sigma_color=color, sigma_space=space, border=border
            )
            np.testing.assert_allclose(got, reference(image, image, size, color, space, border), atol=1e-13)

    def test_a_sigma_for_each_sample(self):
        image = torch.stack([tensor(photo()[:30, :40]) / 255, tensor(photo()[40:70, :40]) / 255])
        color, space = torch.tensor([0.1, 0.5]), np.array([3.0, 1.0])
        together = bilateral_blur(image, kernel_size=5, sigma_color=color, sigma_space=space)
        for i in range(2):
            alone = bilateral_blur(image[i], kernel_size=5, sigma_color=float(color[i]), sigma_space=float(space[i]))
            torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("border", ["reflect", "constant"])
    def test_gradient_to_image_and_sigmas(self, border):
        image = torch.rand(2, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
        color = torch.tensor([0.3, 0.8], dtype=torch.float64, requires_grad=True)
        space = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
        call = lambda i, c, s: bilateral_blur(i, kernel_size=(5, 3), sigma_color=c, sigma_space=s, border=border)  # noqa: E731
        torch.autograd.gradcheck(call, (image, color, space))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_flat_patches_have_the_gradient_of_a_gaussian_and_none_to_sigmas(self, dtype):
        image = torch.full((1, 3, 8, 8), 0.5, dtype=dtype, requires_grad=True)
        sigmas = [torch.tensor(0.1, dtype=dtype, requires_grad=True), torch.tensor(2.0, dtype=dtype, requires_grad=True)]
        out = bilateral_blur(image, kernel_size=3, sigma_color=sigmas[0], sigma_space=sigmas[1])
        assert torch.equal(out, image)
        by_image, *by_sigmas = torch.autograd.grad(out[0, 0, 4, 4], [image, *sigmas])
        near = float(np.exp(-1 / 8))
        cross = torch.tensor([[0, near, 0], [near, 1, near], [0, near, 0]], dtype=dtype) / (1 + 4 * near)
        torch.testing.assert_close(by_image[0, 0, 3:6, 3:6], cross)
        assert by_image[0, 1:].abs().max() == 0 and all(s == 0 for s in by_sigmas)

    def test_a_sigma_of_zero_in_a_tensor_keeps_the_image(self):
        image = torch.rand(1, 3, 6, 6, requires_grad=True)
        for name in ("sigma_color", "sigma_space"):
            sigmas = {"sigma_color": 1.0, "sigma_space": 1.0, name: torch.zeros(1, requires_grad=True)}
            out = bilateral_blur(image, kernel_size=3, **sigmas)
            torch.testing.assert_close(out, image)
            assert all(g.isfinite().all() for g in torch.autograd.grad(out.square().sum(), [image, sigmas[name]]))

    def test_module_with_a_learnt_sigma(self):
        blur = BilateralBlur(kernel_size=3, sigma_color=torch.nn.Parameter(torch.tensor(0.2)), sigma_space=1.0)
        blur(torch.rand(1, 3, 6, 6)).square().sum().backward()
        assert blur.sigma_color.grad.isfinite() and blur.sigma_color.grad != 0

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"kernel_size": 4}, "bilateral_blur: kernel_size must be odd"),
            ({"sigma_color": 0}, "bilateral_blur: sigma_color must be above 0, got 0.0"),
            ({"sigma_space": -1.0}, "bilateral_blur: sigma_space must be above 0, got -1.0"),
            ({"sigma_space": torch.ones(3)}, r"bilateral_blur: sigma_space must be a number or of shape \(2,\)"),
            ({"border": "wrap"}, "bilateral_blur: border must be"),
        ],
        ids=range(5),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            bilateral_blur(
                torch.zeros(2, 1, 5, 5), **{"kernel_size": 3, "sigma_color": 0.1, "sigma_space": 1.0} | options
            )


class TestJointBilateralBlur:
    @pytest.mark.parametrize("border", BORDERS)
    def test_formula(self, border):
        image = photo()[:20, :17].transpose(2, 0, 1) / 255
        guide = photo(grey=True)[:20, :17][None] / 255
        for a, b in ((image, guide), (guide, image), (image[:2], image[::-1])):
            want = reference(a, b, (5, 7), 0.3, 2.0, border)
            for dtype, atol in ((torch.float64, 1e-13), (torch.float32, 1e-6)):
                got = joint_bilateral_blur(
                    torch.from_numpy(a).to(dtype), torch.from_numpy(b.copy()).to(dtype), kernel_size=(5, 7),
                    sigma_color=0.3, sigma_space=2.0, border=border,
                )  # fmt: skip
                np.testing.assert_allclose(got, want, atol=atol)

    def test_guiding_itself_is_bilateral(self):
        image = tensor(photo()) / 255
        options = {"kernel_size": 5, "sigma_color": 0.2, "sigma_space": 2.0}
        torch.testing.assert_close(joint_bilateral_blur(image, image, **options), bilateral_blur(image, **options))

    def test_kinds_may_differ(self):
        image, levels = tensor(photo()) / 255, tensor(photo(grey=True))
        options = {"kernel_size": 5, "sigma_color": 0.2, "sigma_space": 2.0}
        want = joint_bilateral_blur(image, levels / 255, **options)
        torch.testing.assert_close(joint_bilateral_blur(image, levels, **options), want)
        both = joint_bilateral_blur((image * 255).round().to(torch.uint8), levels, **options)
        assert both.dtype == torch.uint8 and (both - want * 255).abs().max() < 0.5 + 1e-3

    def test_gradient_to_everything(self):
        rng = torch.Generator().manual_seed(3)
        image = torch.rand(2, 1, 5, 4, dtype=torch.float64, generator=rng).requires_grad_()
        guide = torch.rand(2, 2, 5, 4, dtype=torch.float64, generator=rng).requires_grad_()
        color, space = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.5, 0.9], [1.5, 2.0]))
        call = lambda i, g, c, s: joint_bilateral_blur(i, g, kernel_size=3, sigma_color=c, sigma_space=s)  # noqa: E731
        torch.autograd.gradcheck(call, (image, guide, color, space))

    def test_refuses_a_guide_of_another_size(self):
        with pytest.raises(ValueError, match=r"joint_bilateral_blur: guide must be of shape \(1, g, 4, 4\), got"):
            joint_bilateral_blur(
                torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5), kernel_size=3, sigma_color=1, sigma_space=1
            )
