"""Edge-aware smoothness, against monodepth2's formula in NumPy and Kornia's."""

import sys

import numpy as np
import pytest
import torch

from visionops.geometry import losses
from visionops.testing import saved_bytes

D = torch.float64


def scene(n=3, size=(12, 15), channels=1, dtype=D, seed=0):
    """Returns fields (n, channels, h, w) and images (n, 3, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    field = 0.2 + torch.rand(n, channels, *size, generator=generator, dtype=D)
    return field.to(dtype), torch.rand(n, 3, *size, generator=generator, dtype=D).to(dtype)


def sides(field, image, order=1, factor=1.0):
    """Returns the weighted absolute differences along x (n, h, w') and y (n, h', w)."""
    out = []
    for axis in (-1, -2):
        first, last = (
            np.take(image, range(*r), axis) for r in ((0, image.shape[axis] - order), (order, image.shape[axis]))
        )
        excuse = np.exp(-factor * np.abs(last - first).mean(1))
        out.append(np.abs(np.diff(field, order, axis)).mean(1) * excuse)
    return out


def normalized(field):
    return field / (field.mean((1, 2, 3), keepdims=True) + 1e-7)


class TestEdgeAwareSmoothness:
    def test_is_monodepth2s(self):
        d, image = scene()
        x, y = sides(normalized(d.numpy()), image.numpy())
        assert losses.edge_aware_smoothness(d, image).item() == pytest.approx(x.mean() + y.mean(), rel=1e-12)
        total = losses.edge_aware_smoothness(d, image, reduction="sum").item()
        assert total == pytest.approx(x.sum() + y.sum(), rel=1e-12)
        maps = losses.edge_aware_smoothness(d, image, reduction="none")
        assert maps.shape == (3, 2, 12, 15) and not maps[:, 0, :, -1].any() and not maps[:, 1, -1].any()
        np.testing.assert_allclose(maps[:, 0, :, :-1], x, rtol=1e-12)
        np.testing.assert_allclose(maps[:, 1, :-1], y, rtol=1e-12)

    def test_is_kornias_without_the_mean(self):
        kornia = pytest.importorskip("kornia")
        d, image = scene()
        theirs = kornia.losses.inverse_depth_smoothness_loss(d, image)
        torch.testing.assert_close(losses.edge_aware_smoothness(d, image, normalize=False), theirs)

    def test_second_order_is_0_on_planes(self):
        d, image = scene()
        x, y = sides(normalized(d.numpy()), image.numpy(), order=2, factor=3.0)
        out = losses.edge_aware_smoothness(d, image, order=2, edge_factor=3.0)
        assert out.item() == pytest.approx(x.mean() + y.mean(), rel=1e-12)
        maps = losses.edge_aware_smoothness(d, image, order=2, edge_factor=3.0, reduction="none")
        np.testing.assert_allclose(maps[:, 0, :, 1:-1], x, rtol=1e-12)
        assert not maps[:, 0, :, [0, -1]].any() and not maps[:, 1, [0, -1]].any()
        plane = (1 + 0.5 * torch.arange(12, dtype=D)[:, None] + 0.25 * torch.arange(15, dtype=D)).expand(3, 1, 12, 15)
        assert losses.edge_aware_smoothness(plane, image, order=2).item() == pytest.approx(0, abs=1e-12)
        assert losses.edge_aware_smoothness(plane, image).item() > 0.02

    def test_no_scale_counts(self):
        d, image = scene()
        near, far = (losses.edge_aware_smoothness(s * d, image).item() for s in (1.0, 0.01))
        assert far == pytest.approx(near, rel=1e-4)  # the 1e-7 beside the mean
        raw = losses.edge_aware_smoothness(0.01 * d, image, normalize=False).item()
        assert raw == pytest.approx(0.01 * losses.edge_aware_smoothness(d, image, normalize=False).item())

    @pytest.mark.parametrize("order", [1, 2])
    def test_a_difference_counts_if_all_its_pixels_do(self, order):
        d, image = scene()
        mask = torch.rand(3, 1, 12, 15, generator=torch.Generator().manual_seed(1)) < 0.8
        weight = torch.rand(3, 1, 12, 15, generator=torch.Generator().manual_seed(2), dtype=D)
        m, w = mask[:, 0].numpy(), weight[:, 0].numpy()
        means = (d * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))
        x, y = sides((d / (means[:, None, None, None] + 1e-7)).numpy(), image.numpy(), order)
        px = (
            np.stack([m[:, :, k : 15 - order + k] for k in range(order + 1)]).all(0)
            * w[:, :, order // 2 :][:, :, : 15 - order]
        )
        py = np.stack([m[:, k : 12 - order + k] for k in range(order + 1)]).all(0) * w[:, order // 2 :][:, : 12 - order]
        dirty = [torch.where(mask, t, torch.nan).requires_grad_() for t in (d, image)]
        out = losses.edge_aware_smoothness(*dirty, order=order, mask=mask, weight=weight)
        assert out.item() == pytest.approx((x * px).sum() / px.sum() + (y * py).sum() / py.sum(), rel=1e-12)
        out.backward()
        assert all(t.grad.isfinite().all() and not (t.grad * ~mask).any() for t in dirty)
        # As the Function that keeps one map computes it, for an image without gradient.
        again = dirty[0].detach().requires_grad_()
        losses.edge_aware_smoothness(again, dirty[1].detach(), order=order, mask=mask, weight=weight).backward()
        torch.testing.assert_close(again.grad, dirty[0].grad)

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    @pytest.mark.parametrize("order", [1, 2])
    def test_the_gradient_kept_is_that_of_the_maps(self, order, reduction, monkeypatch):
        monkeypatch.setattr(sys.modules["visionops.geometry.losses.variation"], "BLOCK", 2 * 12 * 15 * 8)
        d, image = scene()
        found = []
        for needs in (False, True):  # with a gradient of the image the maps are differentiated
            leaf = d.clone().requires_grad_()
            side = image.clone().requires_grad_(needs)
            options = {"order": order, "edge_factor": 2.0, "reduction": reduction}
            out = losses.edge_aware_smoothness(leaf, side, **options)
            found.append((out, *torch.autograd.grad(out, leaf)))
        torch.testing.assert_close(*found)
        leaf = d.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda t: losses.edge_aware_smoothness(t, image, **options), leaf, fast_mode=True
        )

    def test_one_map_is_kept(self):
        d, image = scene(4, (64, 64), dtype=torch.float32)
        leaf = d.requires_grad_()
        kept = saved_bytes(lambda: losses.edge_aware_smoothness(leaf, image))
        assert sum(kept) < 1.1 * d.numel() * 4

    def test_lines_and_no_edges(self):
        row = torch.tensor([[[1.0, 1.0, 4.0, 4.0]]])
        image = torch.zeros(3, 1, 4)
        image[:, :, 2:] = 1
        assert losses.edge_aware_smoothness(row, image, normalize=False).item() == pytest.approx(np.exp(-1))
        assert losses.edge_aware_smoothness(row, image, normalize=False, edge_factor=0.0).item() == pytest.approx(1)
        assert losses.edge_aware_smoothness(row[..., :1], image[..., :1]).item() == 0

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"order": 3}, "edge_aware_smoothness: order must be one of those known, got 3"),
            ({"edge_factor": -1.0}, "edge_factor must be at least 0, got -1.0"),
            ({"disparity": torch.zeros(3, 4, 4)}, r"disparity must be of shape \(\*batch, 1, h, w\)"),
            ({"disparity": torch.zeros(1, 1, 4), "order": 2}, "disparity must be of at least 2x2 pixels"),
            ({"image": torch.zeros(3, 4, 5)}, "image must be of the batch, size and dtype of disparity"),
            ({"image": torch.zeros(3, 4, 4).double()}, "image must be of the batch, size and dtype of disparity"),
            ({"mask": torch.ones(4, 4)}, "edge_aware_smoothness: mask must be boolean"),
            ({"reduction": "max"}, "reduction must be one of those known"),
        ],
        ids=range(8),
    )
    def test_refusals(self, options, match):
        both = {"disparity": torch.zeros(1, 4, 4), "image": torch.zeros(3, 4, 4)}
        with pytest.raises(ValueError, match=match):
            losses.edge_aware_smoothness(**(both | options))


class TestFlowSmoothness:
    @pytest.mark.parametrize("order", [1, 2])
    def test_is_arflows_up_to_its_factor(self, order):
        flow, image = scene(channels=2)
        x, y = sides(flow.numpy(), image.numpy(), order, 10.0)
        assert losses.flow_smoothness(flow, image, order=order).item() == pytest.approx(x.mean() + y.mean(), rel=1e-12)
        if order == 1:
            dx, dy = (flow.diff(dim=axis).abs() for axis in (-1, -2))
            wx, wy = ((-10 * image.diff(dim=axis).abs().mean(1, keepdim=True)).exp() for axis in (-1, -2))
            theirs = (wx * dx / 2).mean() / 2 + (wy * dy / 2).mean() / 2
            torch.testing.assert_close(losses.flow_smoothness(flow, image), 4 * theirs)

    def test_masked_and_uniform(self):
        flow, image = scene(channels=2)
        mask = torch.rand(3, 1, 12, 15, generator=torch.Generator().manual_seed(1)) < 0.8
        dirty = torch.where(mask, flow, torch.nan).requires_grad_()
        losses.flow_smoothness(dirty, image, mask=mask).backward()
        assert dirty.grad.isfinite().all() and dirty.grad.any()
        assert losses.flow_smoothness(torch.ones_like(flow), image).item() == 0

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"flow_smoothness: flow must be of shape \(\*batch, 2, h, w\)"):
            losses.flow_smoothness(torch.zeros(1, 4, 4), torch.zeros(3, 4, 4))
        with pytest.raises(ValueError, match="flow_smoothness: order must be one of those known"):
            losses.flow_smoothness(torch.zeros(2, 4, 4), torch.zeros(3, 4, 4), order=0)
