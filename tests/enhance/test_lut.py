"""Tables against OpenCV, Pillow and SciPy."""

import cv2
import numpy as np
import pytest
import scipy.interpolate
import torch
from PIL import Image, ImageFilter

from visionops import enhance

from .photos import chw, hwc, levels_apart, photo, unit


def warm_table(n=9, dtype=torch.float64):
    """Returns (3, n, n, n) indexed by red, green, blue, in which colours mix."""
    r, g, b = torch.meshgrid(*[torch.linspace(0, 1, n, dtype=dtype)] * 3, indexing="ij")
    return torch.stack([r**0.8, 0.8 * g + 0.2 * r * b, b**1.5]).clamp(0, 1)


class TestLut1d:
    def test_of_levels_is_opencvs(self):
        image = photo()
        tables = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint8)
        assert np.array_equal(hwc(enhance.lut1d(chw(image), torch.from_numpy(tables[0]))), cv2.LUT(image, tables[0]))
        expected = cv2.LUT(image, np.ascontiguousarray(tables.T[None]))
        assert np.array_equal(hwc(enhance.lut1d(chw(image), torch.from_numpy(tables))), expected)

    @pytest.mark.parametrize("k", [2, 5, 33, 1000])
    def test_is_numpys_interp(self, k):
        table = np.random.default_rng(k).random((3, k))
        image = unit(photo()) * 1.2 - 0.1
        expected = np.stack([np.interp(image[..., c], np.linspace(0, 1, k), table[c]) for c in range(3)], -1)
        for dtype in (np.float32, np.float64):
            result = hwc(enhance.lut1d(chw(image.astype(dtype)), torch.from_numpy(table)))
            # In float32 a position among k entries is known to k 2^-24.
            np.testing.assert_allclose(result, expected, atol=1e-7 * k if dtype == np.float32 else 1e-6)

    def test_gradients(self):
        x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        for shape in ((6,), (3, 6), (2, 3, 6)):
            table = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
            torch.autograd.gradcheck(enhance.lut1d, (x, table))
            exact = torch.autograd.grad(enhance.lut1d(x, table).square().sum(), (x, table))
            single = [t.detach().float().requires_grad_() for t in (x, table)]
            grads = torch.autograd.grad(enhance.lut1d(*single).square().sum(), single)
            for a, b in zip(grads, exact, strict=True):
                torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)

    def test_refuses(self):
        with pytest.raises(ValueError, match="lut1d: table must be of shape"):
            enhance.lut1d(torch.zeros(1, 2, 2), torch.zeros(1))


class TestToneCurve:
    POINTS = ((0.0, 0.1), (0.2, 0.15), (0.5, 0.8), (0.9, 0.7), (1.0, 0.9))

    @pytest.mark.parametrize("points", [POINTS, POINTS[:2], ((0.1, 0.9), (0.6, 0.9), (0.7, 0.0))])
    def test_is_scipys(self, points):
        image = unit(photo())
        x, y = np.array(points).T
        curve = scipy.interpolate.PchipInterpolator(x, y) if len(x) > 2 else scipy.interpolate.interp1d(x, y)
        expected = curve(image.clip(x[0], x[-1]))
        result = hwc(enhance.tone_curve(chw(image), torch.tensor(points)))
        # Read from a table of 512 entries, of a curve whose second derivative is up to some hundreds.
        np.testing.assert_allclose(result, expected, atol=3e-4)
        assert levels_apart(hwc(enhance.tone_curve(chw(photo()), points)), np.rint(expected * 255)) <= 1

    def test_points_have_gradients(self):
        x = torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        points = torch.tensor(self.POINTS, dtype=torch.float64)
        points = torch.stack([points, points**2, points**0.5]).requires_grad_()
        torch.autograd.gradcheck(enhance.tone_curve, (x, points))


class TestLut3d:
    def test_is_scipys(self):
        image, table = unit(photo()), warm_table()
        grid = [np.linspace(0, 1, 9)] * 3
        values = table.permute(1, 2, 3, 0).numpy()
        expected = scipy.interpolate.interpn(grid, values, image.reshape(-1, 3).astype(float))
        for dtype in (torch.float32, torch.float64):
            result = hwc(enhance.lut3d(chw(image).to(dtype), table))
            np.testing.assert_allclose(result, expected.reshape(image.shape), atol=2e-6)

    def test_is_pillows(self):
        image, table = photo(), warm_table(17)
        flat = table.permute(3, 2, 1, 0).reshape(-1).tolist()  # red fastest
        expected = np.asarray(Image.fromarray(image).filter(ImageFilter.Color3DLUT(17, flat)))
        assert levels_apart(hwc(enhance.lut3d(chw(image), table)), expected) <= 1

    def test_tetrahedral_is_linear_in_the_six_simplices(self):
        rng = np.random.default_rng(0)
        corners = rng.random((2, 2, 2))
        table = torch.from_numpy(corners)[None]
        for order in np.stack(np.meshgrid(*[range(3)] * 3), -1).reshape(-1, 3):
            if len(set(order)) < 3:
                continue
            steps = np.zeros((4, 3), int)
            for i, axis in enumerate(order):
                steps[i + 1 :, axis] = 1
            shares = rng.dirichlet(np.ones(4), 50)
            expected = shares @ corners[tuple(steps.T)]
            image = torch.from_numpy(np.ascontiguousarray((shares @ steps).T)).reshape(3, 5, 10)
            for dtype in (torch.float32, torch.float64):
                result = enhance.lut3d(image.to(dtype), table, interpolation="tetrahedral")
                np.testing.assert_allclose(result.flatten(), expected, atol=1e-6)

    @pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
    def test_the_identity(self, interpolation):
        n = 6
        same = torch.stack(torch.meshgrid(*[torch.linspace(0, 1, n)] * 3, indexing="ij"))
        image = photo()
        assert np.array_equal(hwc(enhance.lut3d(chw(image), same, interpolation=interpolation)), image)

    @pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
    @pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (2, 1), (2, 5)])
    def test_gradients(self, shape, interpolation):
        x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        table = torch.rand(*shape, 4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        table.requires_grad_()

        def run(a, t):
            return enhance.lut3d(a, t, interpolation=interpolation)

        torch.autograd.gradcheck(run, (x, table), fast_mode=True)
        exact = torch.autograd.grad(run(x, table).square().sum(), (x, table))
        single = [t.detach().float().requires_grad_() for t in (x, table)]
        grads = torch.autograd.grad(run(*single).square().sum(), single)
        for a, b in zip(grads, exact, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)

    def test_refuses(self):
        with pytest.raises(ValueError, match="lut1d: table must be floating in .*, or uint8, got torch.int64"):
            enhance.lut1d(torch.zeros(3, 2, 2), np.arange(256))
        with pytest.raises(ValueError, match="tone_curve: points must be floating"):
            enhance.tone_curve(torch.zeros(3, 2, 2), torch.tensor([[0, 0], [255, 255]]))
        for first in (0.5, 0.7):
            with pytest.raises(ValueError, match="tone_curve: points must be of increasing inputs"):
                enhance.tone_curve(torch.zeros(3, 2, 2), [[first, 0.2], [0.5, 0.6]])
        with pytest.raises(ValueError, match=r"lut3d: table must be a tensor \(\*batch, c, n, n, n\)"):
            enhance.lut3d(torch.zeros(3, 2, 2), torch.zeros(3, 4, 4, 5))
        with pytest.raises(ValueError, match="lut3d: table must be one, or of batch"):
            enhance.lut3d(torch.zeros(2, 3, 2, 2), torch.zeros(3, 3, 4, 4, 4))
