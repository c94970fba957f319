"""Distances, components, skeletons and reconstruction against SciPy, OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import skimage.measure
import skimage.morphology
import torch

from visionops.morphology import connected_components, distance_transform, reconstruction, skeletonize


def coins():
    return (skimage.data.coins() > 110)[:150, :200]


SHAPES = {
    "coins": coins(),
    "horse": ~skimage.data.horse()[::3, ::3],
    "noise": np.random.default_rng(0).random((61, 47)) > 0.4,
    "dense": np.random.default_rng(1).random((30, 90)) > 0.05,
    "row": np.random.default_rng(2).random((1, 40)) > 0.2,
    "column": np.random.default_rng(3).random((40, 1)) > 0.2,
    "nothing": np.zeros((7, 9), bool),
    "pixel": np.ones((1, 1), bool),
}


def image_of(name, dtype=torch.float32):
    return torch.from_numpy(SHAPES[name].copy())[None].to(dtype)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
class TestShapes:
    def test_distance_is_scipys(self, name, dtype):
        if SHAPES[name].all():
            pytest.skip("SciPy's distance to no background is not defined")
        out = distance_transform(image_of(name, dtype))[0]
        assert out.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        np.testing.assert_allclose(out, scipy.ndimage.distance_transform_edt(SHAPES[name]), rtol=1e-6)

    @pytest.mark.parametrize("connectivity", [4, 8])
    def test_components_are_scipys(self, name, dtype, connectivity):
        expected, _ = scipy.ndimage.label(SHAPES[name], np.ones((3, 3)) if connectivity == 8 else None)
        out = connected_components(image_of(name, dtype), connectivity=connectivity)[0]
        np.testing.assert_array_equal(out, expected)

    def test_skeleton_is_scikit_images(self, name, dtype):
        image = image_of(name, dtype) * 3
        out = skeletonize(image)[0]
        np.testing.assert_array_equal(out != 0, skimage.morphology.thin(SHAPES[name]))
        assert torch.equal(out[out != 0], image[0][out != 0])


def test_skeleton_of_a_whole_picture_is_scikit_images():
    horse = ~skimage.data.horse()
    out = skeletonize(torch.from_numpy(horse)[None].float())[0]
    np.testing.assert_array_equal(out != 0, skimage.morphology.thin(horse))


def test_distance_is_opencvs():
    expected = cv2.distanceTransform(SHAPES["coins"].astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.testing.assert_allclose(distance_transform(image_of("coins"))[0], expected, rtol=1e-5)


def test_distance_to_no_background_is_infinite():
    assert (distance_transform(torch.ones(2, 3, 4)) == torch.inf).all()


def test_channels_and_samples_are_by_themselves():
    images = torch.stack([image_of("coins"), image_of("coins").flip(-1)]).unflatten(0, (2, 1)).repeat(1, 1, 2, 1, 1)
    images[1, 0, 1] = 0
    for function in (distance_transform, connected_components, skeletonize):
        out = function(images)
        for i, c in np.ndindex(2, 2):
            assert torch.equal(out[i, 0, c : c + 1], function(images[i, 0, c : c + 1]))
        assert function(images[:0]).shape == images[:0].shape


def test_spirals_are_one_component():
    spiral = np.zeros((41, 41), bool)
    y, x, dy, dx, step = 20, 20, 0, 1, 2
    while step < 40:
        for _ in range(2):
            for _ in range(step):
                if 0 <= y < 41 and 0 <= x < 41:
                    spiral[y, x] = True
                y, x = y + dy, x + dx
            dy, dx = dx, -dy
        step += 2
    out = connected_components(torch.from_numpy(spiral)[None].float(), connectivity=4)[0]
    np.testing.assert_array_equal(out, scipy.ndimage.label(spiral)[0])


class TestReconstruction:
    @pytest.mark.parametrize("connectivity", [4, 8])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_is_scikit_images(self, dtype, connectivity):
        photo = skimage.data.camera()[100:190, 150:261].copy()
        photo = photo if dtype == np.uint8 else (photo / 255).astype(dtype)
        footprint = np.ones((3, 3)) if connectivity == 8 else scipy.ndimage.generate_binary_structure(2, 1)
        peaks = photo - np.minimum(photo, dtype(40) if dtype == np.uint8 else dtype(0.15))
        holes = photo.copy()
        holes[1:-1, 1:-1] = photo.max()
        for method, marker in (("dilation", peaks), ("erosion", holes)):
            expected = skimage.morphology.reconstruction(marker, photo, method=method, footprint=footprint)
            out = reconstruction(
                torch.from_numpy(marker)[None], torch.from_numpy(photo)[None], method=method, connectivity=connectivity
            )
            np.testing.assert_array_equal(out[0], expected.astype(dtype))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_gradients(self, dtype):
        values = torch.rand(2, 1, 7, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)
        marker, mask = (values[0] * 0.8).requires_grad_(), values[1].clone().requires_grad_()
        if dtype == torch.float64:
            for method in ("dilation", "erosion"):
                torch.autograd.gradcheck(lambda a, b: reconstruction(a, b, method=method), (marker, mask))  # noqa: B023
        out = reconstruction(marker, mask)
        by_marker, by_mask = torch.autograd.grad(out.sum(), (marker, mask))
        assert by_marker.sum() + by_mask.sum() == out.numel() and by_marker.sum() > 0 and by_mask.sum() > 0

    def test_nan_ends(self):
        mask = torch.rand(1, 9, 9)
        mask[0, 4, 4] = torch.nan
        assert reconstruction(mask * 0.5, mask).shape == mask.shape

    def test_refusals(self):
        image = torch.zeros(1, 4, 4)
        with pytest.raises(ValueError, match="reconstruction: mask must be as the marker"):
            reconstruction(image, image.double())
        with pytest.raises(ValueError, match="reconstruction: method must be"):
            reconstruction(image, image, method="open")
        with pytest.raises(ValueError, match="connected_components: connectivity must be"):
            connected_components(image, connectivity=6)
