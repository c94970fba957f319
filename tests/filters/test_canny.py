"""Canny against OpenCV, pixel for pixel."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from visionops.filters import canny, spatial_gradient
from visionops.kernels import native

LIMITS = [(100, 200), (50, 60), (0, 0), (-5, 10), (30.7, 91.2), (400, 5000)]


def photos():
    astronaut, camera = skimage.data.astronaut()[:201, 100:333], skimage.data.camera()[:160, 150:301]
    noise = np.random.default_rng(0).integers(0, 256, (40, 37, 3), dtype=np.uint8)
    levels = np.random.default_rng(1).integers(0, 3, (50, 61), dtype=np.uint8) * 60  # full of ties
    return [astronaut, camera, cv2.GaussianBlur(camera, (7, 7), 2), noise, levels, noise[:1], noise[:, :1], noise[:1, :1]]


def tensor(image):
    return torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1)


def defined(run):
    with native.definitions_only():
        return run()


class TestCanny:
    @pytest.mark.parametrize("norm", ["l1", "l2"])
    @pytest.mark.parametrize("limits", LIMITS)
    def test_edges_are_opencvs(self, limits, norm):
        low, high = limits
        for image in photos():
            want = cv2.Canny(image, low, high, L2gradient=norm == "l2")
            for run in (lambda f: f(), defined):
                edges = run(lambda image=image: canny(tensor(image), low=low, high=high, norm=norm)[1])
                assert edges.dtype == torch.uint8 and np.array_equal(edges[0], want)

    @pytest.mark.parametrize("norm", ["l1", "l2"])
    def test_floats_of_whole_numbers_are_exact_too(self, norm):
        for image in photos():
            want = cv2.Canny(image, 100, 200, L2gradient=norm == "l2")
            for dtype in (torch.float32, torch.float64):
                assert np.array_equal(canny(tensor(image).to(dtype), low=100, high=200, norm=norm)[1][0] * 255, want)

    def test_floats_up_to_one_differ_by_ties_only(self):
        for image in photos()[:3]:
            want = cv2.Canny(image, 100, 200) > 0
            got = canny(tensor(image).float() / 255, low=100.01 / 255, high=200.01 / 255)[1][0].numpy() > 0
            assert (got != want).mean() < 0.003

    def test_blurs_before(self):
        image = photos()[0]
        want = cv2.Canny(cv2.GaussianBlur(image, (17, 17), 2.0), 60, 120)
        got = canny(tensor(image), low=60, high=120, sigma=2.0)[1][0].numpy()
        # The blurs are one level apart here and there.
        assert ((got > 0) != (want > 0)).mean() < 0.01

    def test_magnitude_is_the_norm_of_sobels(self):
        image = photos()[0]
        dx, dy = (cv2.Sobel(image, cv2.CV_32F, *d, borderType=cv2.BORDER_REPLICATE) for d in ((1, 0), (0, 1)))
        for norm, want in (("l1", np.abs(dx) + np.abs(dy)), ("l2", np.hypot(dx, dy))):
            for run in (lambda f: f(), defined):
                got = run(lambda norm=norm: canny(tensor(image), low=100, high=200, norm=norm)[0])
                assert got.dtype == torch.float32
                np.testing.assert_allclose(got[0], want.max(2), rtol=1e-6)

    def test_with_a_gradient_it_finds_the_same(self):
        x = (tensor(photos()[0]).float() / 255)[None]
        plain = canny(x, low=0.3, high=0.7)
        magnitude, edges = canny(x.clone().requires_grad_(), low=0.3, high=0.7)
        assert torch.equal(edges, plain[1]) and not edges.requires_grad
        torch.testing.assert_close(magnitude.detach(), plain[0], rtol=0, atol=2e-6)

    def test_gradient_of_the_magnitude(self):
        x = torch.rand(1, 2, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for norm in ("l1", "l2"):
            torch.autograd.gradcheck(lambda t, n=norm: canny(t, low=0.1, high=0.2, norm=n)[0], x.clone().requires_grad_())
        flat = torch.ones(1, 3, 5, 5, requires_grad=True)
        canny(flat, low=0.1, high=0.2)[0].sum().backward()
        assert (flat.grad == 0).all()
        # A loss on the magnitude at an edge moves its contrast.
        step = torch.zeros(1, 1, 5, 6)
        step[..., 3:] = 1
        contrast = torch.tensor(0.5, requires_grad=True)
        (grad,) = torch.autograd.grad(canny(contrast * step, low=0.1, high=0.2)[0][0, 0, 2, 2], contrast)
        assert grad.item() == spatial_gradient(step)[0, 0, 0, 2, 2].item() == 4

    def test_limits_for_each_sample(self):
        image = tensor(photos()[0]).expand(2, 3, -1, -1)
        low, high = np.array([50, 100]), torch.tensor([80.0, 300.0])
        _, edges = canny(image, low=low, high=high)
        for i in range(2):
            assert torch.equal(edges[i], canny(image[i], low=float(low[i]), high=float(high[i]))[1])

    @pytest.mark.parametrize("norm", ["l1", "l2"])
    def test_compiled_is_defined(self, norm):
        if native.module is None:
            pytest.skip("the compiled module is missing")
        x = torch.rand(2, 3, 90, 2 * 133, generator=torch.Generator().manual_seed(0))[..., ::2]
        got, want = (r(lambda: canny(x, low=1.0, high=2.5, norm=norm)) for r in (lambda f: f(), defined))
        torch.testing.assert_close(got[0], want[0], rtol=0, atol=2e-6)
        assert torch.equal(got[1], want[1])

    def test_threads_and_nan(self):
        before, image = torch.get_num_threads(), tensor(skimage.data.astronaut())
        holed = image.float()
        holed[:, 50, 60] = torch.nan
        try:
            results = []
            for threads in (1, 3):
                torch.set_num_threads(threads)
                results.append([*canny(image, low=40, high=90), canny(holed, low=40, high=90)[1]])
            assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
        finally:
            torch.set_num_threads(before)

    def test_refuses(self):
        image = torch.zeros(1, 4, 4)
        with pytest.raises(ValueError, match="canny: low must be at most high"):
            canny(image, low=2, high=1)
        with pytest.raises(ValueError, match="canny: norm must be"):
            canny(image, low=1, high=2, norm="l3")
        with pytest.raises(ValueError, match="canny: high must be"):
            canny(image[None], low=1, high=torch.ones(3))
