"""The photometric loss and its minimum over views, against monodepth2's formulas in NumPy and SciPy."""

import functools
import sys

import numpy as np
import pytest
import scipy.ndimage
import torch
from skimage import data

from visionops.geometry import losses
from visionops.kernels import native
from visionops.testing import saved_bytes

D = torch.float64


@functools.cache
def photos(dtype=D):
    """Returns parts of a photo, a pixel apart, and a darker one with noise, (c, h, w)."""
    photo = torch.from_numpy(data.astronaut()[100:148, 140:204] / 255).permute(2, 0, 1)
    noise = 0.05 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0), dtype=D)
    return tuple(
        t.to(dtype) for t in (photo[:, :, :-1], photo[:, :, 1:], (0.9 * photo[:, :, :-1] + noise[:, :, 1:]).clamp(0, 1))
    )


def error(x, y, ssim_weight=0.85):
    """Returns the map (h, w) of images (c, h, w)."""
    x, y = x.double().numpy(), y.double().numpy()
    mean = functools.partial(scipy.ndimage.uniform_filter, size=(1, 3, 3), mode="mirror")
    mx, my = mean(x), mean(y)
    variances = mean(x * x) - mx**2 + mean(y * y) - my**2
    top = (2 * mx * my + 0.01**2) * (2 * (mean(x * y) - mx * my) + 0.03**2)
    ssim = top / ((mx**2 + my**2 + 0.01**2) * (variances + 0.03**2))
    structure = np.clip((1 - ssim) / 2, 0, 1).mean(0)
    return ssim_weight * structure + (1 - ssim_weight) * np.abs(x - y).mean(0)


class TestPhotometric:
    @pytest.mark.parametrize("ssim_weight", [0.85, 0.0, 1.0])
    @pytest.mark.parametrize(("dtype", "tolerance"), [(D, 1e-11), (torch.float32, 2e-4)])
    def test_is_monodepth2s(self, dtype, tolerance, ssim_weight):
        # In float32 a bright flat window loses the digits of its variance, 1e-7 beside C2 = 9e-4.
        x, y, dark = photos(dtype)
        for other in (y, dark):
            out = losses.photometric(x, other, ssim_weight=ssim_weight, reduction="none")
            np.testing.assert_allclose(out[0], error(x, other, ssim_weight), atol=tolerance)
        mean = losses.photometric(x, dark, ssim_weight=ssim_weight).item()
        assert mean == pytest.approx(error(x, dark, ssim_weight).mean(), abs=tolerance / 100) and 0.03 < mean < 0.5

    def test_ranges_from_0_to_1(self):
        x, _, _ = photos()
        assert losses.photometric(x, x).item() == pytest.approx(0, abs=1e-12)
        checks = (torch.arange(8)[:, None] + torch.arange(9)).remainder(2).to(D).expand(3, 8, 9)
        worst = losses.photometric(checks, 1 - checks, reduction="none")
        assert worst.min() > 0.8 and worst.max() <= 1

    @pytest.mark.parametrize("needs", [(True, False), (False, True), (True, True)])
    def test_compiled_kernels_have_the_definitions_gradient(self, needs, monkeypatch):
        # Two samples at a time, so that the batch comes in parts.
        monkeypatch.setattr(sys.modules["visionops.geometry.losses.photometric"], "BLOCK", 4 * 2 * 48 * 63)
        x, y = (torch.stack([t, t.flip(-1), t.flip(-2)]) for t in photos(torch.float32)[:2])
        weight = torch.rand(3, 1, 48, 63, generator=torch.Generator().manual_seed(1))
        found = []
        for dtype in (torch.float32, D):
            leaves = [t.to(dtype).detach().requires_grad_(need) for t, need in zip((x, y), needs, strict=True)]
            (losses.photometric(*leaves, reduction="none") * weight).sum().backward()
            found.append([leaf.grad for leaf in leaves if leaf.grad is not None])
        for single, double in zip(*found, strict=True):
            scale = double.abs().max().item()
            torch.testing.assert_close(single.double(), double, atol=2e-4 * scale, rtol=0)

    @pytest.mark.skipif(not native.active(), reason="nothing is compiled")
    def test_nothing_but_the_images_is_kept(self):
        x, y, _ = photos(torch.float32)
        leaf = x.clone().requires_grad_()
        kept = saved_bytes(lambda: losses.photometric(leaf, y))
        assert sum(size >= 4 * x.numel() for size in kept) <= 2

    @pytest.mark.parametrize("reduction", ["mean", "none"])
    def test_gradients(self, reduction):
        generator = torch.Generator().manual_seed(2)
        shapes = ((2, 5, 6), (2, 5, 6), (1, 5, 6))
        x, y, weight = (torch.rand(*s, dtype=D, generator=generator).requires_grad_() for s in shapes)
        mask = torch.ones(1, 5, 6, dtype=torch.bool)
        mask[0, 0, 0] = False

        def loss(x, y, weight):
            return losses.photometric(x, y, mask=mask, weight=weight, reduction=reduction)

        assert torch.autograd.gradcheck(loss, (x, y, weight))
        assert torch.autograd.gradgradcheck(loss, (x, y, weight), fast_mode=True)

    def test_a_pixel_counts_if_all_around_it_do(self):
        x, y, _ = photos()
        mask = torch.ones(1, 48, 63, dtype=torch.bool)
        mask[0, 10, 20] = mask[0, 0, 0] = mask[0, 40:, 60:] = False
        counts = scipy.ndimage.minimum_filter(mask.numpy(), size=(1, 3, 3), mode="nearest")
        dirty = torch.where(mask, x, torch.nan).requires_grad_()
        out = losses.photometric(dirty, y, mask=mask, reduction="none")
        np.testing.assert_allclose(out.detach()[counts], error(x, y)[counts[0]], atol=1e-11)
        assert not out[~torch.from_numpy(counts)].any()
        mean = losses.photometric(dirty, y, mask=mask)
        assert mean.item() == pytest.approx(error(x, y)[counts[0]].mean())
        mean.backward()
        assert dirty.grad.isfinite().all() and not dirty.grad[:, ~mask[0]].any()
        alone = losses.photometric(x, y, mask=mask, ssim_weight=0.0)
        assert alone.item() == pytest.approx((x - y).abs().mean(0)[mask[0]].mean().item())

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"ssim_weight": 1.5}, "photometric: ssim_weight must be from 0 to 1, got 1.5"),
            (
                {"image": torch.zeros(3, 4, 4).byte()},
                r"photometric: image must be a floating tensor \(\*batch, c, h, w\)",
            ),
            ({"target": torch.zeros(3, 4, 5)}, "photometric: target must be of the shape and dtype of image"),
            ({"image": torch.zeros(3, 1, 4), "target": torch.zeros(3, 1, 4)}, "image must be of at least 2x2 pixels"),
            ({"mask": torch.ones(3, 4, 4, dtype=torch.bool)}, r"mask must be a tensor broadcastable to \(1, 4, 4\)"),
            ({"weight": torch.ones(4, 4).int()}, "photometric: weight must be floating"),
            ({"reduction": "max"}, "photometric: reduction must be one of those known"),
        ],
        ids=range(7),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.photometric(**({"image": torch.zeros(3, 4, 4), "target": torch.zeros(3, 4, 4)} | options))


class TestMinReprojection:
    @pytest.mark.parametrize("argument", ["warped", "sources", "target"])
    def test_nan_that_counts_is_nan(self, argument):
        given = {"warped": [torch.rand(1, 3, 6, 7)], "sources": [torch.rand(1, 3, 6, 7)], "target": torch.rand(1, 3, 6, 7)}
        given[argument] = [torch.full_like(given["target"], torch.nan)] if argument != "target" else given["target"] * torch.nan
        assert losses.min_reprojection(**given).isnan()

    def test_is_the_least_of_the_errors(self):
        x, y, dark = photos()
        wanted = np.minimum(error(x, y), error(dark, y))
        out = losses.min_reprojection([x, dark], y, reduction="none")
        np.testing.assert_allclose(out[0], wanted, atol=1e-11)
        stacked = losses.min_reprojection(torch.stack([x, dark])[None], y[None])
        assert stacked.item() == pytest.approx(wanted.mean())
        assert 0 < (error(x, y) < error(dark, y)).mean() < 1

    def test_auto_mask_is_monodepth2s_minimum(self):
        x, y, dark = photos()
        views, sources = (x, dark), (dark.flip(-1), y * 0.98)
        combined = np.stack([error(v, y) for v in (*sources, *views)])
        out = losses.min_reprojection(views, y, sources=sources)
        assert out.item() == pytest.approx(combined.min(0).mean())

    def test_what_the_source_explains_as_well_pulls_at_nothing(self):
        x, y, _ = photos()
        moving = torch.zeros(1, 48, 63, dtype=torch.bool)
        moving[0, :, :30] = True
        # Right of it nothing moves: warped and source are the same there, a tie.
        warped = torch.where(moving, y + 0.02, x).requires_grad_()
        losses.min_reprojection([warped], y, sources=[x]).backward()
        pulled = warped.grad.abs().sum(0) > 0
        assert pulled[:, :28].float().mean() > 0.5 and not pulled[:, 32:].any()
        still = x.clone().requires_grad_()
        losses.min_reprojection([still], y, sources=[x]).backward()
        assert not still.grad.any()

    def test_views_that_do_not_see_do_not_judge(self):
        x, y, dark = photos()
        visible = torch.ones(2, 1, 48, 63, dtype=torch.bool)
        visible[0, :, :, :20] = visible[1, :, 30:] = False
        views = torch.where(visible, torch.stack([x, dark]), torch.nan).requires_grad_()
        counts = [scipy.ndimage.minimum_filter(v[0].numpy(), size=3, mode="nearest") for v in visible]
        errors = [np.where(c, error(v, y), np.inf) for v, c in zip((x, dark), counts, strict=True)]
        some = counts[0] | counts[1]
        assert 0 < some.sum() < some.size
        for given in (visible, list(visible)):
            loss = losses.min_reprojection(views, y, visible=given)
            assert loss.item() == pytest.approx(np.minimum(*errors)[some].mean())
        loss.backward()
        assert views.grad.isfinite().all() and not torch.where(visible, 0, views.grad).any() and views.grad.any()
        mask = torch.from_numpy(np.arange(63) > 40)
        loss = losses.min_reprojection(views, y, visible=visible, mask=mask)
        both = some & (np.arange(63) > 41)
        assert loss.item() == pytest.approx(np.minimum(*errors)[both].mean())
        nothing = losses.min_reprojection(views, y, visible=torch.zeros_like(visible), sources=[x])
        (gradient,) = torch.autograd.grad(nothing, views)
        assert nothing.item() == 0 and not gradient.any()

    def test_ties_are_shared(self):
        y, x = torch.zeros(1, 3, 3, dtype=D), torch.ones(1, 3, 3, dtype=D).requires_grad_()
        other = torch.ones(1, 3, 3, dtype=D).requires_grad_()
        losses.min_reprojection([x, other], y, ssim_weight=0.0, reduction="sum").backward()
        assert (x.grad == 0.5).all() and (other.grad == 0.5).all()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"warped": []}, "min_reprojection: warped must be at least one view, stacked or a list"),
            ({"warped": torch.zeros(3, 4, 4)}, r"warped must be of shape \(\*batch, v, c, h, w\), or a list"),
            ({"warped": [torch.zeros(3, 4, 5)]}, "warped must be of the shape and dtype of target"),
            ({"sources": [torch.zeros(1, 4, 4)]}, "sources must be of the shape and dtype of target"),
            ({"visible": torch.ones(3, 1, 4, 4) > 0}, "visible must be a mask for each of 2 views, got 3"),
            ({"ssim_weight": -1}, "min_reprojection: ssim_weight must be from 0 to 1"),
        ],
        ids=range(6),
    )
    def test_refusals(self, options, match):
        both = {"warped": torch.zeros(2, 3, 4, 4), "target": torch.zeros(3, 4, 4)}
        with pytest.raises(ValueError, match=match):
            losses.min_reprojection(**(both | options))
