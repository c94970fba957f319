"""Colour maps against matplotlib."""

import matplotlib
import numpy as np
import pytest
import skimage.data
import torch

from visionops.color import apply_colormap
from visionops.color.colormap import COLORMAPS

PHOTO = skimage.data.camera()[::4, ::4].copy()


def run(image, **options):
    return apply_colormap(torch.from_numpy(image)[None], **options).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", COLORMAPS)
class TestAgainstMatplotlib:
    def test_floats(self, name):
        values = np.concatenate([PHOTO / 255.0, np.linspace(-0.1, 1.1, PHOTO.shape[1])[None]])
        want = matplotlib.colormaps[name](values)[..., :3]
        # The table's colours are fractions of 65535.
        np.testing.assert_allclose(run(values, colormap=name), want, rtol=0, atol=1e-5)

    def test_bytes(self, name):
        want = matplotlib.colormaps[name](PHOTO)[..., :3] * 255
        assert np.abs(run(PHOTO, colormap=name) - want).max() <= 0.5 + 3e-3

    def test_soft_goes_through_the_colours(self, name):
        ends = run(np.linspace(0, 1, 256)[None], colormap=name, soft=True)[0]
        np.testing.assert_allclose(ends, matplotlib.colormaps[name](np.arange(256))[:, :3], rtol=0, atol=1e-5)
        between = run((np.arange(255)[None] + 0.5) / 255, colormap=name, soft=True)[0]
        np.testing.assert_allclose(between, (ends[1:] + ends[:-1]) / 2, rtol=0, atol=1e-12)


class TestTable:
    def test_is_interpolated_as_numpys(self):
        table, values = np.random.default_rng(0).random((7, 3)), np.random.default_rng(1).uniform(-0.2, 1.2, (9, 8))
        got = run(values, colormap=torch.from_numpy(table), soft=True)
        want = np.stack([np.interp(values, np.linspace(0, 1, 7), table[:, c]) for c in range(3)], -1)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("soft", [False, True])
    def test_has_a_gradient(self, soft):
        image = torch.rand(2, 1, 4, 5, dtype=torch.float64)
        table = torch.rand(6, 3, dtype=torch.float64).requires_grad_()
        torch.autograd.gradcheck(lambda t: apply_colormap(image, colormap=t, soft=soft), table)
        torch.autograd.gradcheck(lambda x: apply_colormap(x, colormap=table, soft=True), image.requires_grad_())

    def test_what_is_no_number_has_a_colour(self):
        broken = torch.tensor([[[torch.nan, torch.inf, -torch.inf, 0.5]]])
        assert apply_colormap(broken)[..., 1:].isfinite().all()
        assert apply_colormap(broken, soft=True)[..., 1:].isfinite().all()

    def test_refuses_unknown_names_and_other_tables(self):
        with pytest.raises(ValueError, match="apply_colormap: colormap must be one of those known, got 'virids'"):
            apply_colormap(torch.rand(1, 4, 4), colormap="virids")
        for table in (torch.rand(1, 3), torch.rand(5, 4), torch.rand(3)):
            with pytest.raises(ValueError, match="apply_colormap: colormap must be of shape"):
                apply_colormap(torch.rand(1, 4, 4), colormap=table)
