"""The page "Coming from": what it says of other libraries is what they do."""

import inspect
import math
import warnings

import numpy as np
import pytest
import torch

from visionops.color import rgb_to_lab, rgb_to_yuv, rgb_to_yuv420
from visionops.morphology import dilation

cv2 = pytest.importorskip("cv2")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # theirs, on import
    K = pytest.importorskip("kornia")
    A = pytest.importorskip("albumentations")

pytestmark = pytest.mark.filterwarnings("ignore")

BLUE = np.array([[[0, 0, 1]]], np.float32)
BLUE8 = (BLUE * 255).astype(np.uint8)
BLUE_T = torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1)
RAMP = torch.arange(8.0).expand(1, 1, 8, 8)


def default(function, argument):
    return inspect.signature(function).parameters[argument].default


def turned_to(image):
    """Returns where the pixel right of the middle of 5x5 went."""
    at = np.unravel_index(np.asarray(image).reshape(5, 5).argmax(), (5, 5))
    return {(0, 2): "counter-clockwise", (4, 2): "clockwise"}[tuple(map(int, at))]


def arm():
    image = np.zeros((5, 5), np.float32)
    image[2, 4] = 1
    return image


class TestOpenCV:
    def test_hue(self):
        assert cv2.cvtColor(BLUE, cv2.COLOR_RGB2HSV)[0, 0, 0] == 240
        assert cv2.cvtColor(BLUE8, cv2.COLOR_RGB2HSV)[0, 0, 0] == 120
        assert cv2.cvtColor(BLUE8, cv2.COLOR_RGB2HSV_FULL)[0, 0, 0] in (170, 171)

    def test_lab(self):
        exact = cv2.cvtColor(BLUE, cv2.COLOR_RGB2LAB)[0, 0]
        scaled = cv2.cvtColor(BLUE8, cv2.COLOR_RGB2LAB)[0, 0]
        np.testing.assert_allclose(scaled, exact * (2.55, 1, 1) + (0, 128, 128), atol=1)

        ours = rgb_to_lab(torch.from_numpy(BLUE8).permute(2, 0, 1)).flatten()
        np.testing.assert_allclose(ours, scaled, atol=1)

    def test_i420_has_limited_range(self):
        for level, luma in ((0, 16), (255, 235)):
            assert cv2.cvtColor(np.full((2, 2, 3), level, np.uint8), cv2.COLOR_RGB2YUV_I420)[0, 0] == luma
            ours = rgb_to_yuv420(torch.full((3, 2, 2), level, dtype=torch.uint8))
            assert ours[0].flatten()[0] == level

    def test_order_of_cr_and_cb(self):
        luma, cr, cb = cv2.cvtColor(BLUE, cv2.COLOR_RGB2YCrCb)[0, 0]
        assert luma < cr < 0.5 < cb

    def test_shift_of_u_and_v(self):
        grey = np.full((1, 1, 3), 0.3, np.float32)
        np.testing.assert_allclose(cv2.cvtColor(grey, cv2.COLOR_RGB2YUV)[0, 0], (0.3, 0.5, 0.5), atol=1e-6)
        theirs = cv2.cvtColor(BLUE8, cv2.COLOR_RGB2YUV)[0, 0]
        ours = rgb_to_yuv(torch.from_numpy(BLUE8).permute(2, 0, 1)).flatten()
        np.testing.assert_allclose(ours, theirs, atol=1)

    def test_sizes_are_width_first(self):
        assert cv2.resize(arm(), (7, 3)).shape == (3, 7)

    def test_rotation_is_counter_clockwise(self):
        turn = cv2.getRotationMatrix2D((2, 2), 90, 1)
        assert turned_to(cv2.warpAffine(arm(), turn, (5, 5))) == "counter-clockwise"

    def test_matrix_maps_source_to_output(self):
        move = np.float32([[1, 0, -2], [0, 1, 0]])
        assert cv2.warpAffine(arm(), move, (5, 5))[2, 2] == 1

    @pytest.mark.parametrize(
        ("code", "expected"),
        [(cv2.BORDER_REFLECT_101, 2), (cv2.BORDER_REFLECT, 1), (cv2.BORDER_REPLICATE, 1), (cv2.BORDER_WRAP, 4)],
    )
    def test_borders(self, code, expected):
        row = np.array([[1, 2, 3, 4]], np.float32)
        assert cv2.copyMakeBorder(row, 0, 0, 1, 0, code)[0, 0] == expected

    def test_linear_never_filters(self):
        row = np.tile(np.float32([0, 0, 0, 1]), 8)[None]
        assert set(cv2.resize(row, (8, 1))[0]) <= {0.0, 0.5}  # the mean is 1/4

    def test_derivatives_are_not_normalised(self):
        assert cv2.Sobel(RAMP[0, 0].numpy(), cv2.CV_32F, 1, 0)[4, 4] == 8

    def test_canny_is_l1(self):
        y, x = np.mgrid[:32, :32]
        image = (x + y > 31).astype(np.uint8) * 10  # a diagonal step: |gx| = |gy| = 30, so L1 is 60 and L2 is 42
        assert cv2.Canny(image, 50, 50).any()
        assert not cv2.Canny(image, 50, 50, L2gradient=True).any()

    def test_sigma_color_is_in_grey_levels(self):
        step = np.repeat(np.uint8([[50] * 4 + [60] * 4]), 8, 0)
        kept, blurred = (cv2.bilateralFilter(step, 5, sigma, 3.0)[4, 4] for sigma in (0.1, 100.0))
        assert kept == 60 > blurred

    def test_distances_are_exact_only_with_the_precise_mask(self):
        image = np.ones((7, 7), np.uint8)
        image[3, 3] = 0
        precise, approximate = (cv2.distanceTransform(image, cv2.DIST_L2, m)[0, 0] for m in (cv2.DIST_MASK_PRECISE, 3))
        assert precise == pytest.approx(3 * math.sqrt(2))
        assert approximate != pytest.approx(3 * math.sqrt(2), rel=0.01)

    def test_outside_counts_for_nothing_in_morphology(self):
        ones = np.ones((3, 3), np.float32)
        assert cv2.erode(ones, np.ones((3, 3))).min() == 1
        assert cv2.dilate(-ones, np.ones((3, 3))).max() == -1


class TestKornia:
    def test_hue_is_in_radians(self):
        assert K.color.rgb_to_hsv(BLUE_T).flatten()[0] == pytest.approx(4 * math.pi / 3)
        yellow = K.enhance.adjust_hue(BLUE_T, math.pi).flatten()
        torch.testing.assert_close(yellow, torch.tensor([1.0, 1.0, 0.0]), atol=1e-5, rtol=0)

    def test_brightness_adds(self):
        assert K.enhance.adjust_brightness(0.4 * torch.ones(1, 3, 1, 1), 0.5).flatten()[0] == pytest.approx(0.9)

    def test_contrast_multiplies(self):
        grey = torch.tensor([0.2, 0.6]).expand(1, 3, 1, 2)
        assert K.enhance.adjust_contrast(grey, 0.5)[0, 0, 0].tolist() == pytest.approx([0.1, 0.3])

    def test_saturation_multiplies_that_of_hsv(self):
        colour = torch.tensor([0.8, 0.4, 0.2]).reshape(1, 3, 1, 1)
        before, after = (K.color.rgb_to_hsv(c).flatten() for c in (colour, K.enhance.adjust_saturation(colour, 0.5)))
        torch.testing.assert_close(after, before * torch.tensor([1, 0.5, 1]), atol=1e-5, rtol=0)

    def test_align_corners(self):
        for name in ("warp_affine", "rotate", "translate", "scale"):
            assert default(getattr(K.geometry, name), "align_corners") is True
        assert default(K.geometry.shear, "align_corners") is False
        row = torch.arange(4.0).reshape(1, 1, 1, 4)
        np.testing.assert_allclose(K.geometry.resize(row, (1, 8))[0, 0], cv2.resize(row[0, 0].numpy(), (8, 1)))
        double = np.float32([[2, 0, 0], [0, 1, 0]])
        theirs = K.geometry.warp_affine(row, torch.from_numpy(double)[None], (1, 8))[0, 0, :, :7]
        np.testing.assert_allclose(theirs, cv2.warpAffine(row[0, 0].numpy(), double, (8, 1))[:, :7], atol=1e-6)

    def test_resize_does_not_filter_by_default(self):
        assert default(K.geometry.resize, "antialias") is False

    def test_shear_is_a_factor_about_the_corner(self):
        sheared = K.geometry.shear(torch.from_numpy(arm())[None, None], torch.tensor([[-1.0, 0.0]]))
        assert sheared[0, 0, 2, 2] > 0.9  # x - 1 * y

    def test_boxes_are_inclusive_corners(self):
        image = torch.arange(16.0).reshape(1, 1, 4, 4)
        corners = torch.tensor([[[1.0, 1], [2, 1], [2, 2], [1, 2]]])
        theirs = K.geometry.crop_and_resize(image, corners, (2, 2))
        torch.testing.assert_close(theirs, image[..., 1:3, 1:3], atol=1e-4, rtol=0)

    def test_derivatives_are_normalised(self):
        assert K.filters.spatial_gradient(RAMP)[0, 0, 0, 4, 4] == pytest.approx(1)
        assert K.filters.sobel(RAMP)[0, 0, 4, 4] == pytest.approx(1, abs=1e-4)
        assert default(K.filters.laplacian, "normalized") is True

    def test_ssim_loss_is_half(self):
        x, y = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        similarity = K.metrics.ssim(x, y, 11).mean()
        assert K.losses.ssim_loss(x, y, 11).item() == pytest.approx((1 - similarity.item()) / 2, abs=1e-5)
        assert default(K.losses.ssim_loss, "padding") == "same"

    def test_distances_lead_to_what_is_not_0_and_are_approximate(self):
        image = torch.zeros(1, 1, 7, 7)
        image[..., 3, 3] = 1
        far = K.contrib.distance_transform(image)[0, 0]
        assert far[3, 3] == 0
        assert far[3, 0] == pytest.approx(3, abs=0.5)
        assert abs(far[3, 0] - 3) > 0.1

    def test_floats_of_an_element_are_heights_here_alone(self):
        kernel = torch.ones(3, 3)
        image = torch.rand(1, 1, 6, 7)
        theirs = K.morphology.dilation(image, kernel)
        torch.testing.assert_close(dilation(image, element=kernel > 0), theirs)
        torch.testing.assert_close(dilation(image, element=kernel), theirs + 1)

    def test_clip_limit(self):
        assert default(K.enhance.equalize_clahe, "clip_limit") == 40


class TestAlbumentations:
    def test_rotation_is_counter_clockwise(self):
        for step in (A.Rotate(limit=(90, 90), p=1), A.Affine(rotate=(90, 90), p=1)):
            assert turned_to(step(image=arm()[..., None])["image"]) == "counter-clockwise"

    def test_p_is_a_half(self):
        assert A.Rotate().p == A.GaussianBlur().p == A.Affine().p == A.HorizontalFlip().p == 0.5


@pytest.fixture(scope="class")
def functional():
    return pytest.importorskip("torchvision.transforms.v2.functional")


class TestTorchvision:
    def test_rotate_and_affine_turn_opposite_ways(self, functional):
        image = torch.from_numpy(arm())[None]
        assert turned_to(functional.rotate(image, 90.0)) == "counter-clockwise"
        assert turned_to(functional.affine(image, 90.0, [0, 0], 1.0, [0.0, 0.0])) == "clockwise"

    def test_moves_are_nearest_by_default(self, functional):
        for function in (functional.rotate, functional.affine):
            assert default(function, "interpolation").value == "nearest"

    def test_kernel_size_is_width_first(self, functional):
        image = torch.zeros(1, 9, 9)
        image[0, 4, 4] = 1
        wide = functional.gaussian_blur(image, [5, 1], [1.0, 1.0])
        assert (wide[0] > 0).sum(1).tolist() == [0, 0, 0, 0, 5, 0, 0, 0, 0]
