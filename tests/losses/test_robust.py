"""Robust losses and kernels against the papers' formulas, SciPy's and Kornia's."""

import numpy as np
import pytest
import torch
from scipy import optimize
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses
from visionops.losses.blocks import BLOCK
from visionops.losses.robust import KERNELS, robust_kernel
from visionops.testing import saved_bytes

NAMES = ("charbonnier", "cauchy", "welsch", "geman_mcclure")
# Of x / c, as Barron 2019 prints them.
PRINTED = {
    "charbonnier": lambda x: np.sqrt(x**2 + 1) - 1,
    "cauchy": lambda x: np.log(x**2 / 2 + 1),
    "welsch": lambda x: 1 - np.exp(-(x**2) / 2),
    "geman_mcclure": lambda x: 2 * x**2 / (x**2 + 4),
}


def pair(*shape, dtype=torch.float64, spread=3.0):
    generator = torch.Generator().manual_seed(len(shape))
    return tuple((spread * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype) for _ in range(2))


@pytest.mark.parametrize("name", NAMES)
class TestLosses:
    def test_is_the_printed_formula(self, name):
        p, t = pair(4, 5)
        out = getattr(losses, name)(p, t, scale=0.7, reduction="none")
        wanted = PRINTED[name]((p - t).numpy() / 0.7)
        np.testing.assert_allclose(out, wanted, rtol=1e-12)
        assert getattr(losses, name)(p, t, scale=0.7).item() == pytest.approx(wanted.mean(), rel=1e-12)

    def test_is_kornias(self, name):
        kornia = pytest.importorskip("kornia")
        p, t = pair(2, 3, 5, 4)
        theirs = getattr(kornia.losses, f"{name}_loss")
        for reduction in ("none", "sum", "mean"):
            torch.testing.assert_close(getattr(losses, name)(p, t, reduction=reduction), theirs(p, t, reduction))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_an_infinite_residual_is_an_outlier(self, name, dtype):
        x = torch.tensor([0.5, 1e20, torch.inf, -torch.inf], dtype=dtype).requires_grad_()
        wanted = PRINTED[name](np.array([0.5, 1e18, 1e18, 1e18]))
        loss = getattr(losses, name)
        out = loss(x, torch.zeros(4, dtype=dtype), reduction="none")
        np.testing.assert_allclose(out.detach(), wanted, rtol=1e-6)
        total = loss(x, torch.zeros(4, dtype=dtype), reduction="sum")
        np.testing.assert_allclose(total.item(), wanted.sum(), rtol=1e-6)
        for value in (out.sum(), total):
            (gradient,) = torch.autograd.grad(value, x)
            assert gradient.isfinite().all() and gradient[0] > 0 and gradient.abs().max() <= 1
        nan = torch.tensor([torch.nan, 1.0], dtype=dtype)
        assert loss(nan, torch.zeros(2, dtype=dtype)).isnan()

    def test_small_residuals_keep_their_digits(self, name):
        x = torch.tensor([1e-6, 1e-4])
        out = getattr(losses, name)(x, torch.zeros(2), reduction="none")
        np.testing.assert_allclose(out, x.double() ** 2 / 2, rtol=1e-6)

    @pytest.mark.parametrize("reduction", ["sum", "none"])
    def test_blocks_give_what_the_whole_gives(self, name, reduction):
        p, t = pair(2, BLOCK // 4 + 5, dtype=torch.float32)
        p, t = p.t().requires_grad_(), t.t().requires_grad_()  # not contiguous either
        wanted = PRINTED[name]((p - t).detach().double().numpy())
        loss = getattr(losses, name)(p, t, reduction=reduction)
        np.testing.assert_allclose(loss.detach(), wanted if reduction == "none" else wanted.sum(), rtol=1e-4, atol=1e-6)
        loss.sum().backward()
        d = p.detach().double().requires_grad_()
        getattr(losses, name)(d, t.detach().double(), reduction="sum").backward()
        np.testing.assert_allclose(p.grad, d.grad, atol=1e-5)
        assert torch.equal(t.grad, -p.grad)

    def test_keeps_nothing_but_the_images(self, name):
        p, t = pair(3, 40, 50, dtype=torch.float32)
        p.requires_grad_()
        kept = saved_bytes(lambda: getattr(losses, name)(p, t))
        assert sum(kept) <= 2 * p.numel() * 4 + 64

    def test_gradients(self, name):
        p, t = pair(3, 4)
        p[0] = t[0]
        scale = torch.tensor([[0.5], [1.0], [2.0]], dtype=torch.float64)
        weight = torch.rand(4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        inputs = [v.requires_grad_() for v in (p, t, scale, weight)]
        mask = torch.ones(3, 4, dtype=torch.bool)
        mask[1, 2] = False

        def loss(p, t, scale, weight):
            return getattr(losses, name)(p, t, scale=scale, mask=mask, weight=weight)

        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)
        plain = lambda p, t: getattr(losses, name)(p, t, reduction="sum")  # noqa: E731
        assert gradcheck(plain, inputs[:2]) and gradgradcheck(plain, inputs[:2])
        assert gradcheck(plain, inputs[:2], check_batched_grad=True)

    def test_a_scale_under_the_mask_is_hidden(self, name):
        p, t = pair(3, 4)
        scale, mask = torch.ones(3, 1, dtype=torch.float64), torch.tensor([[True], [True], [False]])
        scale[2] = torch.nan
        p.requires_grad_(), scale.requires_grad_()
        loss = getattr(losses, name)(p, t, scale=scale, mask=mask)
        torch.testing.assert_close(loss, getattr(losses, name)(p[:2], t[:2]))
        grads = torch.autograd.grad(loss, (p, scale))
        assert all(g.isfinite().all() and not g[2].any() for g in grads)

    def test_refusals(self, name):
        p, t = pair(3, 4)
        run = getattr(losses, name)
        for options, match in (
            ({"scale": 0.0}, f"{name}: scale must be above 0, got 0.0"),
            ({"scale": "1"}, f"{name}: scale must be a number"),
            ({"scale": torch.ones(3)}, rf"{name}: scale must be a number or broadcastable to \(3, 4\), got \(3,\)"),
            ({"mask": torch.ones(3, 4)}, f"{name}: mask must be boolean"),
            ({"reduction": "max"}, f"{name}: reduction must be one of those known"),
        ):
            with pytest.raises(ValueError, match=match):
                run(p, t, **options)
        with pytest.raises(ValueError, match=f"{name}: target must be of the shape and dtype of prediction"):
            run(p, t[:, :2])
        with pytest.raises(ValueError, match=f"{name}: prediction must be a floating tensor"):
            run(p.int(), t.int())


class TestKernel:
    @pytest.mark.parametrize("name", KERNELS)
    def test_a_wide_kernel_leaves_squares_alone(self, name):
        s = torch.linspace(0, 4, 9, dtype=torch.float64)
        out = robust_kernel("f", name, s, 1e4)
        torch.testing.assert_close(out, s.sqrt() if name == "l1" else s, rtol=1e-7, atol=1e-12)

    def test_are_those_of_scipys_least_squares(self):
        # least_squares minimises c^2 rho(x^2 / c^2) / 2 of names that differ.
        x, c = np.linspace(-4, 4, 9), 1.3
        for name, theirs in (("huber", "huber"), ("charbonnier", "soft_l1")):
            cost = [optimize.least_squares(lambda v: v, [a], loss=theirs, f_scale=c, max_nfev=1).cost for a in x]
            # One step was taken, and cost is that of its start: of no more than the start's.
            out = robust_kernel("f", name, torch.from_numpy(x) ** 2, c)
            assert (np.array(cost) <= out.numpy() / 2 + 1e-12).all()
        rho = {
            "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(z) - 1),
            "charbonnier": lambda z: 2 * (np.sqrt(1 + z) - 1),
        }
        for name, f in rho.items():
            np.testing.assert_allclose(robust_kernel("f", name, torch.from_numpy(x) ** 2, c), c**2 * f(x**2 / c**2))

    @pytest.mark.parametrize("name", NAMES)
    def test_are_the_losses_in_the_unit_of_squares(self, name):
        x, c = torch.linspace(-4, 4, 9, dtype=torch.float64), torch.tensor(1.3, dtype=torch.float64)
        loss = getattr(losses, name)(x, torch.zeros_like(x), scale=1.3, reduction="none")
        torch.testing.assert_close(robust_kernel("f", name, x * x, c), 2 * 1.3**2 * loss)

    @pytest.mark.parametrize("name", KERNELS)
    def test_gradients(self, name):
        x = torch.tensor([-3.0, -0.2, 0.4, 1.7], dtype=torch.float64).requires_grad_()
        c = torch.tensor(1.3, dtype=torch.float64).requires_grad_()

        def run(x, c):
            return robust_kernel("f", name, x * x, c)

        assert gradcheck(run, (x, c)) and gradgradcheck(run, (x, c))
        zero = torch.zeros(2, dtype=torch.float64).requires_grad_()
        assert not torch.autograd.grad(run(zero, 1.3).sum(), zero)[0].any()

    def test_refusals(self):
        with pytest.raises(ValueError, match="f: kernel must be one of those known, got 'lorentz'"):
            robust_kernel("f", "lorentz", torch.ones(1), 1.0)
        with pytest.raises(ValueError, match=r"f: scale must be above 0, got -1.0"):
            robust_kernel("f", "cauchy", torch.ones(1), -1.0)
