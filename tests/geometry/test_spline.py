"""Points moved by thin-plate splines against SciPy."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from torch.autograd import gradcheck

from visionops.geometry.spatial import spline_points
from visionops.resample import thin_plate_spline

D = torch.float64
NAN = float("nan")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestSplinePoints:
    @pytest.mark.parametrize("scale", [1.0, 300.0])
    def test_is_scipys(self, scale):
        source, target, points = scale * normal(8, 2), scale * normal(8, 2, seed=1), scale * normal(20, 2, seed=2)
        expected = RBFInterpolator(source, target, kernel="thin_plate_spline")(points)
        np.testing.assert_allclose(spline_points(points, source, target), expected, rtol=1e-9, atol=1e-9 * scale)

    def test_smoothing_is_scipys(self):
        source, target, points = normal(8, 2), normal(8, 2, seed=1), normal(20, 2, seed=2)
        unit = (source.amax(0) - source.amin(0)).max() / 2
        expected = RBFInterpolator(source / unit, target, smoothing=0.3, kernel="thin_plate_spline")(points / unit)
        for scale in (1, 300):
            found = spline_points(scale * points, scale * source, target, smoothing=0.3)
            np.testing.assert_allclose(found, expected, atol=1e-10)

    def test_meets_the_targets(self):
        source, target = normal(3, 8, 2), normal(3, 8, 2, seed=1)
        torch.testing.assert_close(spline_points(source, source, target), target)
        torch.testing.assert_close(spline_points(source.float(), source, target), target.float(), atol=1e-4, rtol=0)

    def test_affine_maps_and_smoothing(self):
        source, points = normal(6, 2), normal(9, 2, seed=2)
        matrix = normal(2, 2, seed=3)
        torch.testing.assert_close(spline_points(points, source, source @ matrix + 3), points @ matrix + 3)
        target = normal(6, 2, seed=1)
        straight = torch.linalg.lstsq(torch.nn.functional.pad(source, (0, 1), value=1.0), target).solution
        expected = torch.nn.functional.pad(points, (0, 1), value=1.0) @ straight
        torch.testing.assert_close(spline_points(points, source, target, smoothing=1e9), expected, atol=1e-6, rtol=0)

    def test_is_the_map_of_images(self):
        """`thin_plate_spline` reads its image at the map from target to source."""
        y, x = torch.meshgrid(torch.arange(9.0, dtype=D), torch.arange(8.0, dtype=D), indexing="ij")
        source = 4 + 3 * normal(6, 2)
        target = source + 0.3 * normal(6, 2, seed=1)
        read = thin_plate_spline(torch.stack([x, y]), source, target, border="replicate")
        places = spline_points(torch.stack([x, y], -1).reshape(1, -1, 2), target, source).reshape(9, 8, 2)
        clamped = torch.minimum(places.clamp(min=0), torch.tensor([7.0, 8.0], dtype=D))
        torch.testing.assert_close(read.movedim(0, -1), clamped, atol=1e-9, rtol=0)

    @pytest.mark.parametrize(
        "source",
        [[[0.0, 0], [1, 1], [3, 3]], [[0.0, 0], [1, 0], [0, 1], [1, 0]], [[2.0, 1]] * 3],
        ids=["collinear", "coincident", "one place"],
    )
    def test_without_a_spline(self, source):
        source = torch.tensor(source, dtype=D)
        given = [normal(4, 2), source, source + normal(len(source), 2, seed=1)]
        points, source, target = (g.requires_grad_() for g in given)
        moved, valid = spline_points(points, source, target, return_valid=True)
        assert not valid
        torch.testing.assert_close(moved, points + (target - source).mean(0))
        assert all(g.isfinite().all() for g in torch.autograd.grad(moved.square().sum(), (points, source, target)))

    def test_nan_is_alone(self):
        points, source, target = normal(3, 4, 2), normal(3, 6, 2, seed=1), normal(3, 6, 2, seed=2)
        whole = spline_points(points, source, target)
        points[2, 1, 0], target[1, 3, 1] = NAN, NAN
        given = [g.requires_grad_() for g in (points, source, target)]
        moved, valid = spline_points(*given, return_valid=True)
        assert valid.tolist() == [True, False, False]
        assert moved[1].isnan().all() and moved[2].isnan().all(-1).tolist() == [False, True, False, False]
        torch.testing.assert_close(moved[0], whole[0])
        assert all(g.isfinite().all() for g in torch.autograd.grad(moved.nansum(), given))

    def test_gradients(self):
        square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], dtype=D)
        for source in (square, normal(5, 2)):
            given = [normal(3, 2, seed=4), source.clone(), source + normal(len(source), 2, seed=1)]
            gradcheck(spline_points, [g.requires_grad_() for g in given], check_forward_ad=True)

    def test_errors(self):
        with pytest.raises(ValueError, match="spline_points: source_points must be at least 3 points"):
            spline_points(torch.zeros(4, 2), torch.zeros(2, 2), torch.zeros(2, 2))
        with pytest.raises(ValueError, match="spline_points: target_points must be 3 points, got 4"):
            spline_points(torch.zeros(4, 2), torch.zeros(3, 2), torch.zeros(4, 2))
        with pytest.raises(ValueError, match="spline_points: smoothing must be at least 0, got -1"):
            spline_points(torch.zeros(4, 2), torch.zeros(3, 2), torch.zeros(3, 2), smoothing=-1)
