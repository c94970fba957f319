"""White balance against published chromaticities and NumPy."""

import numpy as np
import pytest
import skimage.color
import skimage.data
import torch

from visionops.color import gray_world_balance, planckian_balance
from visionops.color.balance import black_body

PHOTO = skimage.data.astronaut()[::4, ::4].copy()


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)


class TestBlackBody:
    # Kelvin, x and y on the Planckian locus: illuminant A, and Wyszecki and Stiles.
    @pytest.mark.parametrize(
        ("kelvin", "x", "y"),
        [(2000, 0.5267, 0.4133), (2856, 0.4476, 0.4074), (4000, 0.3805, 0.3768), (6500, 0.3135, 0.3237),
         (10000, 0.2807, 0.2884)],
    )  # fmt: skip
    def test_has_the_published_chromaticity(self, kelvin, x, y):
        rgb = black_body(torch.full((1, 1, 1), kelvin, dtype=torch.float64)).flatten().numpy()
        xyz = skimage.color.colorconv.xyz_from_rgb @ rgb
        np.testing.assert_allclose(xyz[:2] / xyz.sum(), [x, y], rtol=0, atol=4e-4)


class TestPlanckianBalance:
    def test_the_reference_changes_nothing(self):
        image = planes(PHOTO / 255.0)
        torch.testing.assert_close(planckian_balance(image, temperature=6500.0), image, rtol=0, atol=1e-12)
        assert torch.equal(planckian_balance(planes(PHOTO), temperature=5000.0, reference=5000.0), planes(PHOTO))

    def test_is_a_gain_in_linear_light(self):
        image = PHOTO / 255.0
        old, new = (black_body(torch.full((1, 1, 1), t, dtype=torch.float64)).flatten().numpy() for t in (6500, 3000))
        linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4) * (new / old)
        want = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        got = planckian_balance(planes(image), temperature=3000.0).permute(1, 2, 0).numpy()
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-7)
        assert new[0] / old[0] > 1 > new[2] / old[2]

    def test_there_and_back(self):
        image = planes(PHOTO / 255.0)
        warm = planckian_balance(image, temperature=3500.0)
        back = planckian_balance(warm, temperature=6500.0, reference=3500.0)
        torch.testing.assert_close(back, image, rtol=0, atol=1e-7)

    def test_each_sample_has_its_temperature(self):
        image = torch.rand(2, 3, 4, 5)
        got = planckian_balance(image, temperature=torch.tensor([3000.0, 9000.0]))
        for i, t in enumerate((3000.0, 9000.0)):
            torch.testing.assert_close(got[i], planckian_balance(image[i], temperature=t))

    def test_temperature_has_a_gradient(self):
        image = torch.rand(2, 3, 3, 3, dtype=torch.float64).requires_grad_()
        kelvin = torch.tensor([3000.0, 9000.0], dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda x, t: planckian_balance(x, temperature=t), (image, kelvin), eps=1e-4, rtol=1e-3)

    def test_refuses_what_no_formula_covers(self):
        for options in ({"temperature": 500.0}, {"temperature": 5000.0, "reference": 20000.0}):
            with pytest.raises(ValueError, match="from 1000 to 15000 kelvin"):
                planckian_balance(torch.rand(3, 2, 2), **options)


class TestGrayWorld:
    def test_the_means_become_equal(self):
        image = PHOTO / 255.0
        means = image.mean((0, 1))
        got = gray_world_balance(planes(image)).permute(1, 2, 0).numpy()
        np.testing.assert_allclose(got, image * (means.mean() / means), rtol=0, atol=1e-12)
        np.testing.assert_allclose(got.mean((0, 1)), means.mean(), rtol=1e-12)

    def test_bytes(self):
        means = PHOTO.mean((0, 1))
        want = np.clip(PHOTO * (means.mean() / means), 0, 255)
        got = gray_world_balance(planes(PHOTO)).permute(1, 2, 0).numpy()
        assert np.abs(got - want).max() <= 0.5 + 1e-3

    def test_a_black_channel_stays(self):
        image = torch.rand(3, 4, 5, dtype=torch.float64)
        image[1] = 0
        image.requires_grad_()
        out = gray_world_balance(image)
        assert (out[1] == 0).all()
        assert torch.autograd.grad(out.square().sum(), image)[0].isfinite().all()
