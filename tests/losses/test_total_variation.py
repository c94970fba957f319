"""Total variation against NumPy, Kornia and torchmetrics."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses
from visionops.losses.blocks import BLOCK
from visionops.testing import saved_bytes


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("kind", ["anisotropic", "isotropic"])
def test_is_the_formula(kind):
    x = noise(2, 3, 6, 7)
    down, right = np.zeros(x.shape), np.zeros(x.shape)
    down[..., :-1, :], right[..., :-1] = np.diff(x.numpy(), axis=-2), np.diff(x.numpy(), axis=-1)
    wanted = np.abs(down) + np.abs(right) if kind == "anisotropic" else np.hypot(down, right)
    np.testing.assert_allclose(losses.total_variation(x, kind=kind, reduction="none"), wanted, atol=1e-15)
    for reduction, number in (("sum", wanted.sum()), ("mean", wanted.mean())):
        assert losses.total_variation(x, kind=kind, reduction=reduction).item() == pytest.approx(number)


def test_is_kornias_and_torchmetrics():
    kornia = pytest.importorskip("kornia")
    image = pytest.importorskip("torchmetrics.functional.image")
    x = noise(2, 3, 6, 7)
    values = losses.total_variation(x, reduction="none")
    torch.testing.assert_close(values.sum((-2, -1)), kornia.losses.total_variation(x))
    torch.testing.assert_close(values.sum() / 2, image.total_variation(x, reduction="mean"))


@pytest.mark.parametrize(
    "shape", [(2, 3, 6, 7), (1, 1, 1, 5), (1, 1, 5, 1), (1, 1, 1), (0, 3, 4, 4), (5, 1, BLOCK // 16, 2)]
)
def test_sums_are_those_of_the_map(shape):
    x = noise(*shape).requires_grad_()
    if x.ndim > 3:
        x = x.transpose(-1, -2)  # not contiguous
    total, values = losses.total_variation(x, reduction="sum"), losses.total_variation(x, reduction="none")
    torch.testing.assert_close(total, values.sum())
    if x.numel():
        torch.testing.assert_close(*(torch.autograd.grad(v, x)[0] for v in (total, values.sum())))


def test_keeps_the_image_alone():
    x = noise(2, 3, 40, 50, dtype=torch.float32).requires_grad_()
    assert saved_bytes(lambda: losses.total_variation(x)) == [x.numel() * 4]


def test_a_difference_counts_if_both_its_pixels_do():
    x = noise(1, 1, 4, 4)
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[1, 1] = False
    out = losses.total_variation(torch.where(mask, x, torch.nan), mask=mask, reduction="none")
    full, u = losses.total_variation(x, reduction="none"), x[0, 0]
    wanted = full.clone()
    wanted[0, 0, 1, 1] = 0
    wanted[0, 0, 0, 1] = (u[0, 2] - u[0, 1]).abs()
    wanted[0, 0, 1, 0] = (u[2, 0] - u[1, 0]).abs()
    torch.testing.assert_close(out, wanted)
    assert losses.total_variation(x, mask=mask).item() == pytest.approx(wanted.sum().item() / 15)


@pytest.mark.parametrize("kind", ["anisotropic", "isotropic"])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_gradients(kind, reduction):
    x, weight = noise(2, 1, 4, 3).requires_grad_(), noise(4, 3, seed=1).requires_grad_()
    mask = torch.ones(2, 1, 4, 3, dtype=torch.bool)
    mask[0, 0, 1, 1] = False

    def plain(x):
        return losses.total_variation(x, kind=kind, reduction=reduction)

    def loss(x, weight):
        return losses.total_variation(x, kind=kind, mask=mask, weight=weight, reduction=reduction)

    assert gradcheck(plain, x, check_batched_grad=True) and gradgradcheck(plain, x)
    assert gradcheck(loss, (x, weight)) and gradgradcheck(loss, (x, weight))


def test_flat_images_have_gradient_0():
    for kind in ("anisotropic", "isotropic"):
        x = torch.full((1, 3, 4, 5), 0.5, requires_grad=True)
        losses.total_variation(x, kind=kind).backward()
        assert not x.grad.any()


def test_refusals():
    with pytest.raises(ValueError, match="total_variation: kind must be one of those known, got 'l1'"):
        losses.total_variation(torch.zeros(1, 3, 3), kind="l1")
    with pytest.raises(ValueError, match="total_variation: image must be a floating tensor"):
        losses.total_variation(torch.zeros(1, 3, 3).byte())
    with pytest.raises(ValueError, match=r"total_variation: image must be of shape \(\*batch, c, h, w\), got \(3, 3\)"):
        losses.total_variation(torch.zeros(3, 3))
