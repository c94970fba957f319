"""Linear light, XYZ, Lab, Luv and Oklab against OpenCV, scikit-image and published values."""

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.data
import torch

from visionops.color import (
    lab_to_rgb,
    linear_rgb_to_rgb,
    luv_to_rgb,
    oklab_to_rgb,
    rgb_to_lab,
    rgb_to_linear_rgb,
    rgb_to_luv,
    rgb_to_oklab,
    rgb_to_xyz,
    xyz_to_rgb,
)

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[::3, ::3])
UNIT = PHOTO / 255.0
PAIRS = [
    (rgb_to_linear_rgb, linear_rgb_to_rgb),
    (rgb_to_xyz, xyz_to_rgb),
    (rgb_to_lab, lab_to_rgb),
    (rgb_to_luv, luv_to_rgb),
    (rgb_to_oklab, oklab_to_rgb),
]


def run(function, image):
    return function(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("to", "back"), PAIRS)
class TestThereAndBack:
    # float32: powers to 1e-6, and the cube root's slope near black.
    @pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-9), (np.float32, 2e-5)])
    def test_gives_the_photo(self, to, back, dtype, atol):
        image = UNIT.astype(dtype)
        np.testing.assert_allclose(run(back, run(to, image)), image, rtol=0, atol=atol)

    def test_gives_colours_out_of_range(self, to, back):
        image = np.random.default_rng(0).uniform(0.0, 2.0, (20, 20, 3))
        np.testing.assert_allclose(run(back, run(to, image)), image, rtol=0, atol=1e-9)


class TestLinear:
    def test_is_the_standards(self):
        got = run(rgb_to_linear_rgb, UNIT)
        want = np.where(UNIT <= 0.04045, UNIT / 12.92, ((UNIT + 0.055) / 1.055) ** 2.4)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-14)
        assert got.max() <= 1

    def test_xyz_after_it_is_scikit_images(self):
        got = run(rgb_to_xyz, run(rgb_to_linear_rgb, UNIT))
        np.testing.assert_allclose(got, skimage.color.rgb2xyz(UNIT), rtol=0, atol=1e-14)


class TestXyz:
    def test_is_opencvs(self):
        image = UNIT.astype(np.float32)
        got = run(rgb_to_xyz, image)
        np.testing.assert_allclose(got, cv2.cvtColor(image, cv2.COLOR_RGB2XYZ), rtol=0, atol=1e-6)
        np.testing.assert_allclose(run(xyz_to_rgb, got), cv2.cvtColor(got, cv2.COLOR_XYZ2RGB), rtol=0, atol=4e-6)

    def test_bytes_are_opencvs(self):
        want = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2XYZ)
        assert np.abs(run(rgb_to_xyz, PHOTO).astype(int) - want).max() <= 1
        back = cv2.cvtColor(want, cv2.COLOR_XYZ2RGB)
        assert np.abs(run(xyz_to_rgb, want).astype(int) - back).max() <= 1


class TestLab:
    def test_is_scikit_images(self):
        # Its white has five digits: 1.5e-5 of X and 7e-5 of Z, times 500 / 3 and 200 / 3.
        np.testing.assert_allclose(run(rgb_to_lab, UNIT), skimage.color.rgb2lab(UNIT), rtol=0, atol=6e-3)

    def test_back_is_scikit_images(self):
        lab = skimage.color.rgb2lab(UNIT)
        np.testing.assert_allclose(run(lab_to_rgb, lab), skimage.color.lab2rgb(lab), rtol=0, atol=1e-3)

    def test_is_opencvs_of_linear_light(self):
        image = UNIT.astype(np.float32)
        want = cv2.cvtColor(run(rgb_to_linear_rgb, image), cv2.COLOR_LRGB2Lab)
        assert np.abs(run(rgb_to_lab, image) - want).max() <= 1.0
        assert np.abs(run(rgb_to_lab, image) - want).mean() <= 0.1

    def test_bytes_are_opencvs(self):
        got = run(rgb_to_lab, PHOTO).astype(int)
        difference = np.abs(got - cv2.cvtColor(PHOTO, cv2.COLOR_RGB2Lab))
        assert difference.max() <= 2  # OpenCV's tables in the dark, which are 2.3 off
        assert (difference > 1).mean() <= 5e-3
        exact = skimage.color.rgb2lab(PHOTO) * [2.55, 1, 1] + [0, 128, 128]
        assert np.abs(got - exact).max() <= 0.5 + 6e-3

    def test_greys_have_no_chroma(self):
        grey = np.linspace(0, 1, 256).repeat(3).reshape(1, 256, 3)
        lab = run(rgb_to_lab, grey)
        np.testing.assert_allclose(lab[..., 1:], 0, atol=1e-12)
        np.testing.assert_allclose(lab[0, [0, -1], 0], [0, 100], atol=1e-12)
        assert (np.diff(lab[0, :, 0]) > 0).all()


class TestLuv:
    def test_is_scikit_images(self):
        # Its white has five digits, and it adds a rounding's worth to what it divides by.
        np.testing.assert_allclose(run(rgb_to_luv, UNIT), skimage.color.rgb2luv(UNIT), rtol=0, atol=1.5e-2)

    def test_back_is_scikit_images(self):
        luv = skimage.color.rgb2luv(UNIT)
        np.testing.assert_allclose(run(luv_to_rgb, luv), skimage.color.luv2rgb(luv), rtol=0, atol=1e-3)

    def test_bytes_are_opencvs(self):
        got = run(rgb_to_luv, PHOTO).astype(int)
        difference = np.abs(got - cv2.cvtColor(PHOTO, cv2.COLOR_RGB2Luv))
        assert difference.max() <= 2  # OpenCV's table of chromaticities near black
        assert (difference > 1).mean() <= 1e-3
        exact = (skimage.color.rgb2luv(PHOTO) + np.array([0, 134, 140])) * [2.55, 255 / 354, 255 / 262]
        assert np.abs(got - exact).max() <= 0.5 + 1.5e-2

    def test_black_is_black_both_ways(self):
        black = np.zeros((2, 2, 3))
        assert (run(rgb_to_luv, black) == 0).all()
        assert (run(luv_to_rgb, black) == 0).all()


class TestOklab:
    # XYZ and Oklab, from the table of Ottosson's article, to its three digits.
    @pytest.mark.parametrize(
        ("xyz", "lab"),
        [
            ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
            ((1.000, 0.000, 0.000), (0.450, 1.236, -0.019)),
            ((0.000, 1.000, 0.000), (0.922, -0.671, 0.263)),
            ((0.000, 0.000, 1.000), (0.153, -1.415, -0.449)),
        ],
    )
    def test_is_the_articles(self, xyz, lab):
        got = run(rgb_to_oklab, run(linear_rgb_to_rgb, run(xyz_to_rgb, np.array([[xyz]]))))
        np.testing.assert_allclose(got[0, 0], lab, rtol=0, atol=1.5e-3)

    # The first three are CSS Color 4's examples.
    @pytest.mark.parametrize(
        ("rgb", "lab"),
        [
            ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
            ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
            ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
            ((1, 1, 1), (1.0, 0.0, 0.0)),
        ],
    )
    def test_primaries(self, rgb, lab):
        got = run(rgb_to_oklab, np.array([[rgb]], dtype=np.float64))
        np.testing.assert_allclose(got[0, 0], lab, rtol=0, atol=2e-5)


class TestGradients:
    @pytest.mark.parametrize("to", [rgb_to_lab, rgb_to_luv, rgb_to_oklab])
    def test_are_float64s_near_black(self, to):
        image = torch.tensor([1e-3, 2e-3, 5e-4]).reshape(3, 1, 1)
        grads = []
        for x in (image, image.double()):
            x = x.requires_grad_()
            grads.append(torch.autograd.grad(to(x).sum(), x)[0].double())
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)

    def test_black_has_the_slope_of_the_straight_part(self):
        image = torch.zeros(3, 1, 1, dtype=torch.float64).requires_grad_()
        (grad,) = torch.autograd.grad(rgb_to_lab(image)[0].sum(), image)
        assert grad.sum().item() == pytest.approx(24389 / 27 / 12.92)
