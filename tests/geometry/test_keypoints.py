"""Heat maps against SciPy and OpenCV."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import torch
from torch.autograd import gradcheck

from visionops.geometry.keypoints import heatmap_to_points, points_to_heatmap

D = torch.float64
NAN = float("nan")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestHeatmapToPoints:
    def test_is_scipys_centre_of_mass(self):
        maps = normal(3, 9, 12)
        found = heatmap_to_points(maps, temperature=0.3)
        for one, point in zip(maps.numpy(), found, strict=True):
            share = scipy.special.softmax(one / 0.3)
            np.testing.assert_allclose(point, scipy.ndimage.center_of_mass(share)[::-1], atol=1e-12)

    def test_little_temperature_is_the_maximum(self):
        maps = torch.zeros(2, 5, 7)
        maps[0, 3, 6] = maps[1, 0, 2] = 1
        np.testing.assert_allclose(heatmap_to_points(maps, temperature=0.01), [[6, 3], [2, 0]], atol=1e-5)

    def test_flat_is_the_middle(self):
        maps = torch.zeros(1, 5, 7, dtype=D, requires_grad=True)
        torch.testing.assert_close(heatmap_to_points(maps), torch.tensor([[3.0, 2.0]], dtype=D))
        gradcheck(heatmap_to_points, (maps,))

    def test_finds_a_gaussian(self):
        points = torch.tensor([[10.3, 7.8], [15.0, 9.5]], dtype=D)
        maps = points_to_heatmap(points, (20, 26), sigma=1.5)
        np.testing.assert_allclose(heatmap_to_points(maps.log()), points, atol=1e-3)

    def test_nan_is_alone(self):
        maps = normal(3, 4, 5)
        whole = heatmap_to_points(maps)
        maps[1, 2, 2] = NAN
        maps.requires_grad_()
        points, valid = heatmap_to_points(maps, return_valid=True)
        assert (
            valid.tolist() == [True, False, True] and points[1].isnan().all() and torch.equal(points[::2], whole[::2])
        )
        assert (torch.autograd.grad(points.nansum(), maps)[0][1] == 0).all()

    def test_gradients(self):
        temperature = torch.tensor(0.7, dtype=D, requires_grad=True)
        gradcheck(
            lambda h, t: heatmap_to_points(h, temperature=t),
            (normal(2, 3, 4).requires_grad_(), temperature),
            check_forward_ad=True,
        )

    def test_errors(self):
        with pytest.raises(ValueError, match=r"heatmap_to_points: heatmap must be of shape \(\*batch, n, h, w\)"):
            heatmap_to_points(torch.ones(3, 4))
        with pytest.raises(ValueError, match="heatmap_to_points: temperature must be above 0, got 0.0"):
            heatmap_to_points(torch.ones(1, 3, 4), temperature=0)


class TestPointsToHeatmap:
    def test_is_opencvs_kernel(self):
        kernel = cv2.getGaussianKernel(11, 1.7)
        expected = kernel @ kernel.T / kernel.max() ** 2
        found = points_to_heatmap(torch.tensor([[7.0, 5.0]], dtype=D), (20, 20), sigma=1.7)[0, :11, 2:13]
        np.testing.assert_allclose(found, expected, atol=1e-12)

    def test_between_pixels_and_outside(self):
        points = torch.tensor([[1.25, 2.5], [-3.0, 90.0]], dtype=D)
        y, x = np.mgrid[:4, :5]
        for one, (px, py) in zip(points_to_heatmap(points, (4, 5), sigma=0.8), points.tolist(), strict=True):
            np.testing.assert_allclose(one, np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 0.64)), atol=1e-12)

    def test_nan_is_alone(self):
        points = torch.tensor([[1.0, 2], [NAN, 2], [2, 1]], dtype=D, requires_grad=True)
        maps = points_to_heatmap(points, (4, 5), sigma=1.0)
        assert maps[1].isnan().all() and maps[::2].isfinite().all()
        grad = torch.autograd.grad(maps.nansum(), points)[0]
        assert grad.isfinite().all() and (grad[1] == 0).all()

    def test_gradients(self):
        sigma = torch.tensor(1.1, dtype=D, requires_grad=True)
        gradcheck(
            lambda p, s: points_to_heatmap(p, (4, 5), sigma=s),
            (2 + normal(3, 2).requires_grad_(), sigma),
            check_forward_ad=True,
        )

    def test_errors(self):
        with pytest.raises(ValueError, match="points_to_heatmap: size must be positive whole numbers"):
            points_to_heatmap(torch.zeros(1, 2), (0, 4), sigma=1.0)
        with pytest.raises(ValueError, match="points_to_heatmap: sigma must be above 0"):
            points_to_heatmap(torch.zeros(1, 2), (3, 4), sigma=-1.0)
