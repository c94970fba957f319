"""Multi-scale structural similarity, as metric and as loss, against pytorch-msssim."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses, metrics

SMALL = {"window_size": 3, "sigma": 1.0, "weights": (0.3, 0.7), "data_range": 2.0}


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(n=2, size=(192, 208), dtype=torch.float64):
    """Returns smooth images and noisy ones."""
    x = torch.nn.functional.interpolate(noise(n, 3, 24, 26), size=size, mode="bilinear")
    return x.to(dtype), (0.9 * x + 0.1 * noise(n, 3, *size, seed=1)).to(dtype)


class TestMetric:
    def test_is_pytorch_msssims(self):
        theirs = pytest.importorskip("pytorch_msssim")
        x, y = pair()
        wanted = theirs.ms_ssim(x, y, data_range=1.0, size_average=False)
        assert 0.3 < wanted.min() < wanted.max() < 0.99
        # Its taps and exponents are float32.
        torch.testing.assert_close(metrics.ms_ssim(x, y, reduction="none"), wanted, rtol=1e-6, atol=0)
        assert metrics.ms_ssim(x, y).item() == pytest.approx(wanted.mean().item(), rel=1e-6)
        assert metrics.ms_ssim(x, y, reduction="sum").item() == pytest.approx(wanted.sum().item(), rel=1e-6)
        options = {"weights": (0.2, 0.5, 0.3), "data_range": 255.0}
        wanted = theirs.ms_ssim(
            255 * x, 255 * y, data_range=255, size_average=False, weights=[0.2, 0.5, 0.3], win_size=7, win_sigma=2.0
        )
        out = metrics.ms_ssim(255 * x, 255 * y, window_size=7, sigma=2.0, reduction="none", **options)
        torch.testing.assert_close(out, wanted, rtol=1e-6, atol=0)

    def test_one_level_is_the_mean_similarity(self):
        x, y = pair(size=(20, 21))
        out = metrics.ms_ssim(x, y, weights=(1.0,), reduction="none")
        torch.testing.assert_close(out, metrics.ssim(x, y, reduction="none").mean((-3, -2, -1)))

    def test_a_row_without_a_partner_is_left_out(self):
        x, y = pair(size=(25, 27))
        out = metrics.ms_ssim(x, y, weights=(0.0, 1.0), reduction="none")
        torch.testing.assert_close(
            out, metrics.ms_ssim(x[..., :24, :26], y[..., :24, :26], weights=(0.0, 1.0), reduction="none")
        )

    def test_a_mean_below_0_counts_as_0(self):
        x = noise(1, 1, 20, 20).requires_grad_()
        out = metrics.ms_ssim(x, 1 - x, weights=(0.5, 0.5), window_size=3)
        out.backward()
        assert out.item() == 0 and not x.grad.any()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_computes_in_float32(self, dtype):
        x, y = pair(size=(24, 24), dtype=dtype)
        options = {"weights": (0.5, 0.5)}
        assert metrics.ms_ssim(x, y, **options) == metrics.ms_ssim(x.float(), y.float(), **options).to(dtype)


class TestLoss:
    @pytest.mark.parametrize("padding", ["valid", "reflect"])
    @pytest.mark.parametrize("window", ["gaussian", "box"])
    def test_is_1_minus_the_metric(self, padding, window):
        x, y = pair(size=(21, 24))
        options = SMALL | {"padding": padding, "window": window}
        torch.testing.assert_close(losses.ms_ssim(x, y, **options), 1 - metrics.ms_ssim(x, y, **options))

    @pytest.mark.parametrize("padding", ["valid", "reflect"])
    def test_masks_and_weights_by_hand(self, padding):
        x, y = noise(2, 3, 12, 14), noise(2, 3, 12, 14, seed=1)
        weight, mask = noise(2, 1, 12, 14, seed=2), torch.ones(2, 1, 12, 14, dtype=torch.bool)
        mask[0, 0, 5, 3] = mask[1, 0, :3] = False
        out = losses.ms_ssim(x, y, mask=mask, weight=weight, padding=padding, reduction="none", **SMALL)
        clean = [torch.where(mask, t, 0) for t in (x, y)]
        total, r = torch.ones(2, 3, dtype=torch.float64), int(padding == "valid")
        for level, exponent in enumerate(SMALL["weights"]):
            fine = [t.unfold(2, 2, 2).unfold(3, 2, 2) if level else t[..., None, None] for t in (*clean, weight, mask)]
            x_, y_, w = (t.mean((-2, -1)) for t in fine[:3])
            shown = fine[3].all(-1).all(-1).float()
            h, w_ = shown.shape[-2:]
            hidden = torch.nn.functional.max_pool2d(1 - shown, 3, 1, 1)[..., r : h - r, r : w_ - r]
            portion = w[..., r : h - r, r : w_ - r] * (hidden == 0)
            full = {k: v for k, v in SMALL.items() if k != "weights"} | {"padding": padding, "reduction": "none"}
            values = metrics.ssim(x_, y_, **full)
            if not level:
                g = torch.exp(-(torch.tensor([-1.0, 0, 1], dtype=torch.float64) ** 2) / 2)
                k = (torch.outer(g, g) / g.sum() ** 2).expand(3, 1, 3, 3)
                ends = (1 - r, 1 - r, 1 - r, 1 - r)
                mx, my = (
                    torch.nn.functional.conv2d(torch.nn.functional.pad(t, ends, mode="reflect"), k, groups=3)
                    for t in (x_, y_)
                )
                c1 = (0.01 * 2) ** 2
                values = values * (mx**2 + my**2 + c1) / (2 * mx * my + c1)
            average = (values * portion).sum((-2, -1)) / portion.sum((-2, -1))
            total *= average.clamp(min=0) ** exponent
        torch.testing.assert_close(out, 1 - total.mean(-1))
        loss = losses.ms_ssim(x, y, mask=mask, weight=weight, padding=padding, **SMALL)
        assert loss.item() == pytest.approx(out.mean().item())

    def test_a_level_without_a_window_is_left_out(self):
        x, y = noise(2, 1, 12, 14), noise(2, 1, 12, 14, seed=1)
        mask = torch.zeros(12, 14, dtype=torch.bool)
        mask[1:4, 1:4] = True
        out = losses.ms_ssim(x, y, mask=mask, **SMALL, reduction="none")
        g = torch.exp(-(torch.tensor([-1.0, 0, 1], dtype=torch.float64) ** 2) / 2)
        mean = lambda t: (t[:, 0, 1:4, 1:4] * torch.outer(g, g) / g.sum() ** 2).sum((-2, -1))  # noqa: E731
        mx, my, c2 = mean(x), mean(y), (0.03 * 2) ** 2
        cs = (2 * (mean(x * y) - mx * my) + c2) / (mean(x * x) - mx**2 + mean(y * y) - my**2 + c2)
        torch.testing.assert_close(out, 1 - cs.clamp(min=0) ** 0.3)
        assert 0 < out.min() < out.max() <= 1
        assert losses.ms_ssim(x, y, mask=torch.zeros_like(mask), **SMALL).item() == 0

    def test_samples_without_pixels_do_not_count(self):
        x, y = noise(2, 1, 12, 14), noise(2, 1, 12, 14, seed=1)
        mask = torch.tensor([True, False]).reshape(2, 1, 1, 1)
        bad = torch.where(mask, x, torch.nan).requires_grad_()
        loss = losses.ms_ssim(bad, y, mask=mask, **SMALL)
        loss.backward()
        torch.testing.assert_close(loss, losses.ms_ssim(x[:1], y[:1], **SMALL))
        assert bad.grad.isfinite().all() and not bad.grad[1].any() and bad.grad[0].any()

    def test_gradients_of_both_orders(self):
        x, y = (noise(2, 2, 7, 6, seed=s).requires_grad_() for s in (0, 1))
        weight, mask = noise(7, 6, seed=2).requires_grad_(), torch.ones(7, 6, dtype=torch.bool)
        mask[0, 0] = False

        def loss(x, y, weight):
            return losses.ms_ssim(x, 0.9 * x + 0.1 * y, mask=mask, weight=weight, **SMALL)

        assert gradcheck(loss, (x, y, weight), fast_mode=True)
        assert gradgradcheck(loss, (x, y, weight), fast_mode=True)
        plain = lambda x, y: losses.ms_ssim(x, 0.9 * x + 0.1 * y, **SMALL)  # noqa: E731
        assert gradcheck(plain, (x, y), fast_mode=True) and gradgradcheck(plain, (x, y), fast_mode=True)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({}, "ms_ssim: prediction must be at least as large as the window of 11x11 when halved 4 times"),
            ({"weights": ()}, "ms_ssim: weights must be exponents of at least one level"),
            ({"weights": (0.5, -0.5)}, "ms_ssim: weights must be exponents"),
            ({"weights": (1.0,), "window": "hann"}, "ms_ssim: window must be one of those known"),
            ({"weights": (1.0,), "mask": torch.ones(2, 2).bool()}, "ms_ssim: mask must be a tensor broadcastable"),
        ],
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.ms_ssim(torch.zeros(1, 12, 12), torch.zeros(1, 12, 12), **options)
