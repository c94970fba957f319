"""Polar, elastic and spline warps, patches and volumes, against OpenCV, SciPy and torch."""

import cv2
import numpy as np
import pytest
import scipy.interpolate
import scipy.ndimage
import torch

from visionops.resample import (
    combine_patches,
    elastic_transform,
    extract_patches,
    remap,
    resize3d,
    thin_plate_spline,
    warp_affine3d,
    warp_perspective3d,
    warp_polar,
)  # fmt: skip


class TestPolar:
    @pytest.mark.parametrize("scaling", ["linear", "log"])
    @pytest.mark.parametrize("inverse", [False, True])
    def test_against_opencv(self, photo, apply, scaling, inverse):
        flags = cv2.INTER_LINEAR | (cv2.WARP_POLAR_LOG if scaling == "log" else 0)
        center, radius = (71.0, 58.5), 55.0
        image = cv2.GaussianBlur(photo, (0, 0), 2)
        if inverse:
            image = cv2.warpPolar(image, (150, 121), center, radius, flags)
            flags |= cv2.WARP_INVERSE_MAP
        got = apply(warp_polar, image, (121, 150), center=center, radius=radius, scaling=scaling, inverse=inverse)
        want = cv2.warpPolar(image, (150, 121), center, radius, flags)
        difference = np.abs(got - want)
        # OpenCV rounds positions, and leaves what reads beyond its last column as memory was.
        inside = np.ones((121, 150), bool)
        if inverse:
            v, u = np.mgrid[:121, :150]
            r = np.hypot(u - center[0], v - center[1])
            inside = (r < radius - 5) & (r > 3)
        assert difference[inside].mean() < 3e-3 and np.quantile(difference[inside], 0.99) < 0.03

    def test_back_again(self, photo, apply):
        image = cv2.GaussianBlur(photo[:120, :120], (0, 0), 3)
        polar = apply(warp_polar, image, (720, 400), radius=60.0)
        back = apply(warp_polar, polar, (120, 120), radius=60.0, inverse=True)
        v, u = np.mgrid[:120, :120] - 59.5
        inside = np.hypot(u, v) < 58
        assert np.abs(back - image)[inside].max() < 0.01


class TestDisplacements:
    def test_elastic_is_a_map_of_smoothed_noise(self, photo):
        image = torch.from_numpy(photo).permute(2, 0, 1).double()
        noise = torch.rand(2, 121, 150, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
        got = elastic_transform(image, alpha=30.0, sigma=4.0, noise=noise, border="reflect")
        shift = [30 * scipy.ndimage.gaussian_filter(n, 4, mode="mirror", truncate=4) for n in noise.numpy()]
        v, u = np.mgrid[:121, :150]
        want = [scipy.ndimage.map_coordinates(p, (v + shift[1], u + shift[0]), order=1, mode="mirror") for p in image.numpy()]
        np.testing.assert_allclose(got, want, atol=1e-6)

    def test_elastic_repeats_with_its_generator(self, photo):
        image = torch.from_numpy(photo).permute(2, 0, 1)
        one, two = (
            elastic_transform(image, alpha=9.0, sigma=3.0, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5)
        )
        assert torch.equal(one, two) and not torch.equal(one, image)

    @pytest.mark.parametrize("smoothing", [0.0, 0.05])
    def test_spline_is_scipys(self, photo, smoothing):
        image = torch.from_numpy(photo).permute(2, 0, 1).double()
        rng = np.random.default_rng(0)
        target = rng.uniform([5, 5], [145, 115], (9, 2))
        source = target + rng.uniform(-9, 9, (9, 2))
        v, u = np.mgrid[:121, :150]
        pixels = np.stack([u.ravel(), v.ravel()], -1).astype(np.float64)
        # Smoothing is in units of the kernel, whose lengths are those of half the extent here.
        half = np.ptp(target, axis=0).max() / 2
        middle = (target.min(0) + target.max(0)) / 2
        spline = scipy.interpolate.RBFInterpolator(
            (target - middle) / half, source, kernel="thin_plate_spline", smoothing=smoothing
        )
        places = torch.from_numpy(spline((pixels - middle) / half).reshape(121, 150, 2))
        got = thin_plate_spline(image, torch.from_numpy(source), torch.from_numpy(target), smoothing=smoothing)
        np.testing.assert_allclose(got, remap(image, places), atol=1e-6)


class TestPatches:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
    @pytest.mark.parametrize(("size", "stride", "padding"), [(16, None, 0), ((9, 14), (5, 3), (2, 3)), (121, 1, 0)])
    def test_against_torch(self, grey_levels, dtype, size, stride, padding):
        image = torch.from_numpy(grey_levels).permute(2, 0, 1)[None].to(dtype)
        got = extract_patches(image, size, stride=stride, padding=padding)
        pair = padding[::-1] if isinstance(padding, tuple) else padding
        want = torch.nn.functional.unfold(image.double(), size, stride=stride or size, padding=pair)
        assert got.dtype == dtype and torch.equal(got[0].flatten(1).double(), want[0].T)

    @pytest.mark.parametrize(("size", "stride"), [(16, None), ((9, 14), (5, 3)), (4, 6)])
    def test_gradient_is_torchs(self, photo, size, stride):
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].requires_grad_()
        patches = extract_patches(image, size, stride=stride)
        want = torch.nn.functional.unfold(image, size, stride=stride or size)
        weights = torch.rand(patches.shape, generator=torch.Generator().manual_seed(0)).to(image)
        (got,) = torch.autograd.grad(patches, image, weights)
        torch.testing.assert_close(got, torch.autograd.grad(want, image, weights.flatten(2).mT)[0], rtol=0, atol=1e-4)

    def test_means_of_overlaps(self, photo):
        image = torch.from_numpy(photo).permute(2, 0, 1)
        patches = extract_patches(image, 11, stride=5)
        back = combine_patches(patches, (121, 150), stride=5)
        np.testing.assert_allclose(back[:, :121, :146], image[:, :121, :146], atol=1e-6)
        assert not back[:, :, 146:].any()


class TestVolumes:
    def test_resize_is_torchs_trilinear(self):
        x = torch.rand(2, 3, 7, 9, 8, generator=torch.Generator().manual_seed(0))
        for size in ((5, 20, 3), (14, 9, 8)):
            want = torch.nn.functional.interpolate(x, size, mode="trilinear", align_corners=False)
            np.testing.assert_allclose(resize3d(x, size, antialias=False), want, atol=1e-6)

    @pytest.mark.parametrize(("border", "mode"), [("constant", "grid-constant"), ("reflect", "mirror"),
                                                  ("replicate", "nearest"), ("circular", "grid-wrap")])  # fmt: skip
    def test_warps_are_scipys(self, border, mode):
        x = torch.rand(1, 7, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        matrix = np.array([[0.9, 0.2, 0.1, 0.7], [-0.1, 1.1, 0.1, -1.2], [0.1, -0.2, 0.9, 0.4]])
        z, y, u = np.mgrid[:6, :10, :8].astype(np.float64)
        ones = np.ones(z.size)
        for operator, full in (
            (warp_affine3d, np.vstack([matrix, [0, 0, 0, 1]])),
            (warp_perspective3d, np.vstack([matrix, [0.01, -0.02, 0.015, 1]])),
        ):
            at = np.linalg.inv(full) @ np.stack([u.ravel(), y.ravel(), z.ravel(), ones])
            places = (at[:3] / at[3])[::-1].reshape(3, 6, 10, 8)
            want = scipy.ndimage.map_coordinates(x[0].numpy(), places, order=1, mode=mode, cval=0.3)
            given = torch.from_numpy(full if operator is warp_perspective3d else matrix)
            got = operator(x, given, (6, 10, 8), border=border, fill=0.3)
            np.testing.assert_allclose(got[0], want, atol=1e-10)
