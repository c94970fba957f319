"""The peak signal-to-noise ratio, as metric and as loss, against scikit-image."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses, metrics


def pair(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.to(dtype), (x + 0.1 * noise * torch.linspace(0.5, 2, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))).to(
        dtype
    )


class TestMetric:
    def test_is_scikit_images(self):
        metric = pytest.importorskip("skimage.metrics").peak_signal_noise_ratio
        x, y = pair(3, 3, 8, 9)
        for data_range in (1.0, 255.0):
            wanted = [metric(a.numpy(), b.numpy(), data_range=data_range) for a, b in zip(x, y, strict=True)]
            out = metrics.psnr(x, y, data_range=data_range, reduction="none")
            torch.testing.assert_close(out, torch.tensor(wanted, dtype=torch.float64))
            assert metrics.psnr(x, y, data_range=data_range).item() == pytest.approx(sum(wanted) / 3)

    def test_equal_images_are_infinite_with_gradient_0(self):
        x = torch.rand(2, 3, 4, 5).requires_grad_()
        out = metrics.psnr(x, x.detach(), reduction="none")
        assert out.tolist() == [math.inf, math.inf]
        assert not torch.autograd.grad(out.sum(), x)[0].any()

    def test_half_precision_computes_in_float32(self):
        x, y = pair(2, 3, 8, 9, dtype=torch.float16)
        assert metrics.psnr(x, y) == metrics.psnr(x.float(), y.float()).half()

    def test_gradients(self):
        x, y = (t.requires_grad_() for t in pair(2, 1, 3, 4))
        assert gradcheck(metrics.psnr, (x, y)) and gradgradcheck(metrics.psnr, (x, y))

    def test_refusals(self):
        x = torch.zeros(1, 3, 4)
        with pytest.raises(ValueError, match="psnr: image2 must be of the shape and dtype of image1"):
            metrics.psnr(x, x[..., :2])
        with pytest.raises(ValueError, match="psnr: data_range must be above 0, got 0"):
            metrics.psnr(x, x, data_range=0)
        with pytest.raises(ValueError, match="psnr: reduction must be one of those known"):
            metrics.psnr(x, x, reduction="max")


class TestLoss:
    def test_is_minus_the_metric(self):
        x, y = pair(3, 3, 8, 9)
        for reduction in ("none", "sum", "mean"):
            out = losses.psnr(x, y, data_range=2.0, reduction=reduction)
            torch.testing.assert_close(out, -metrics.psnr(x, y, data_range=2.0, reduction=reduction))

    def test_is_kornias_of_one_image(self):
        kornia = pytest.importorskip("kornia")
        x, y = pair(1, 3, 8, 9)
        torch.testing.assert_close(losses.psnr(x, y), kornia.losses.psnr_loss(x, y, max_val=1.0))

    def test_masks_and_weights_average_squares(self):
        x, y = pair(3, 3, 8, 9)
        weight = torch.rand(8, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        mask = torch.rand(3, 1, 8, 9, generator=torch.Generator().manual_seed(2)) < 0.7
        mask[2] = False
        out = losses.psnr(torch.where(mask, x, torch.nan), y, mask=mask, weight=weight, reduction="none")
        portion = (mask * weight).expand(x.shape)
        squares = ((x - y) ** 2 * portion).sum((1, 2, 3)) / portion.sum((1, 2, 3))
        torch.testing.assert_close(out[:2], 10 * squares[:2].log10())
        assert out[2] == 0
        loss = losses.psnr(x, y, mask=mask, weight=weight)
        assert loss.item() == pytest.approx(out[:2].mean().item())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_equal_images_are_finite_with_gradient_0(self, dtype):
        x = torch.rand(2, 3, 4, 5, dtype=dtype).requires_grad_()
        loss = losses.psnr(x, x.detach())
        loss.backward()
        assert loss.item() == pytest.approx(20 * math.log10(torch.finfo(dtype).eps)) and not x.grad.any()

    def test_gradients(self):
        x, y = (t.requires_grad_() for t in pair(2, 1, 3, 4))
        weight = torch.rand(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        mask = torch.ones(3, 4, dtype=torch.bool)
        mask[1, 2] = False

        def loss(x, y, weight):
            return losses.psnr(x, y, mask=mask, weight=weight)

        assert gradcheck(loss, (x, y, weight)) and gradgradcheck(loss, (x, y, weight))
