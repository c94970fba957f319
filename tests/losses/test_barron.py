"""Barron's general loss against his equations in NumPy, mpmath-free integrals of SciPy, and its special cases."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses
from visionops.losses import blocks
from visionops.testing import saved_bytes

D = torch.float64
SPECIAL = {1.0: losses.charbonnier, 0.0: losses.cauchy, -2.0: losses.geman_mcclure, -math.inf: losses.welsch}


def printed(x, a):
    """Equation 13."""
    if a == 2:
        return x**2 / 2
    if a == 0:
        return np.log(x**2 / 2 + 1)
    if a == -math.inf:
        return 1 - np.exp(-(x**2) / 2)
    b = abs(a - 2)
    return b / a * ((x**2 / b + 1) ** (a / 2) - 1)


def partition(a):
    """Equation 17, by x = tan(angle)."""
    both = lambda t: math.exp(-printed(math.tan(t), a)) / math.cos(t) ** 2  # noqa: E731
    return 2 * scipy.integrate.quad(both, 0, math.pi / 2, epsabs=1e-12, epsrel=1e-12, limit=1000)[0]


def residuals(n=9):
    x = torch.linspace(-5, 6, n, dtype=D)
    return x, torch.zeros_like(x)


class TestLoss:
    @pytest.mark.parametrize("alpha", [-math.inf, -1e9, -2.0, -0.5, -1e-9, 0.0, 1e-4, 0.3, 1.0, 1.999, 2.0, 2.001, 3.0])
    @pytest.mark.parametrize("as_tensor", [False, True])
    def test_is_equation_13(self, alpha, as_tensor):
        x, zero = residuals()
        given = torch.tensor(alpha, dtype=D) if as_tensor else alpha
        out = losses.barron(x, zero, alpha=given, scale=0.8, reduction="none")
        # NumPy's powers minus 1 lose digits near shapes of 0 and -inf, which ours do not.
        np.testing.assert_allclose(
            out, printed(x.numpy() / 0.8, alpha), rtol=2e-6 if abs(alpha) in (1e-9, 1e9) else 1e-10
        )

    @pytest.mark.parametrize("alpha", SPECIAL)
    def test_has_the_other_losses_as_special_cases(self, alpha):
        x, zero = residuals()
        for shape in (alpha, torch.tensor(alpha, dtype=D)):
            torch.testing.assert_close(losses.barron(x, zero, alpha=shape), SPECIAL[alpha](x, zero))

    @pytest.mark.parametrize("alpha", [-math.inf, -2.0, 0.0, 1e-6, 1.0, 1.9999, 2.0])
    def test_float32_keeps_its_digits(self, alpha):
        x = torch.tensor([1e-3, 0.1, 3.0, 100.0])
        exact = losses.barron(x.double(), torch.zeros(4, dtype=D), alpha=alpha, reduction="none")
        for shape in (alpha, torch.tensor(alpha)):
            out = losses.barron(x, torch.zeros(4), alpha=shape, reduction="none")
            np.testing.assert_allclose(out, exact, rtol=1e-5)

    def test_keeps_a_tensor_or_two(self):
        p, t = torch.rand(3, 40, 50).requires_grad_(), torch.rand(3, 40, 50)
        for alpha in (0.3, 2.0):
            assert sum(saved_bytes(lambda a=alpha: losses.barron(p, t, alpha=a))) <= p.numel() * 4 + 64
        for alpha in (torch.tensor(0.3), torch.rand(3, 1, 1)):
            learned = alpha.requires_grad_()
            assert sum(saved_bytes(lambda a=learned: losses.barron(p, t, alpha=a))) <= 2 * p.numel() * 4 + 64

    @pytest.mark.parametrize("alpha", [-math.inf, -2.0, 0.0, 1.0])
    def test_an_infinite_residual_is_an_outlier(self, alpha):
        x = torch.tensor([0.5, torch.inf]).requires_grad_()
        for shape in (alpha, torch.tensor(alpha)):
            (gradient,) = torch.autograd.grad(losses.barron(x, torch.zeros(2), alpha=shape), x)
            assert gradient.isfinite().all() and gradient[0] > 0

    def test_blocks_are_the_whole(self, monkeypatch):
        monkeypatch.setattr(blocks, "BLOCK", 2**9)
        p, t = (torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(k), dtype=D) for k in (0, 1))
        for alpha in (torch.tensor(0.3, dtype=D), torch.rand(5, 1, dtype=D), torch.rand(4, 1, 1, dtype=D)):
            inputs = p.clone().requires_grad_(), alpha.requires_grad_()
            loss = lambda p, a: losses.barron(p, t, alpha=a, scale=0.4)  # noqa: E731
            assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)
            each = zip(p.flatten(), t.flatten(), alpha.expand(p.shape).flatten(), strict=True)
            wanted = [losses.barron(x, y, alpha=b.item(), scale=0.4) for x, y, b in each]
            torch.testing.assert_close(loss(*inputs), torch.stack(wanted).mean())

    @pytest.mark.parametrize("alpha", [-math.inf, -3.0, 0.0, 0.7, 1.0, 2.0])
    def test_gradients_of_a_shape_that_is_a_number(self, alpha):
        x, zero = residuals()
        loss = lambda x, t: losses.barron(x, t, alpha=alpha, scale=0.8)  # noqa: E731
        inputs = (x.requires_grad_(), zero.requires_grad_())
        assert gradcheck(loss, inputs) and gradgradcheck(loss, inputs)

    @pytest.mark.parametrize(
        ("alpha", "nll"),
        [
            *((a, False) for a in (-3.0, -1e-3, 0.0, 0.05, 1.0, 1.5, 2.5)),
            *((a, True) for a in (0.0, 0.05, 1.0, 1.5, 2.5)),
        ],
    )
    def test_gradients_to_shape_and_scale(self, alpha, nll):
        x, zero = residuals()
        shape = torch.tensor(alpha, dtype=D)
        scale = torch.tensor(0.8, dtype=D)

        def loss(x, shape, scale):
            return losses.barron(x, zero, alpha=shape, scale=scale, nll=nll)

        inputs = [v.requires_grad_() for v in (x, shape, scale)]
        assert gradcheck(loss, inputs, atol=1e-6) and gradgradcheck(loss, inputs, atol=1e-5)

    def test_gradients_at_the_ends_are_finite(self):
        x, zero = residuals()
        for dtype in (torch.float32, D):
            for alpha in (-math.inf, 2.0):
                shape = torch.tensor(alpha, dtype=dtype).requires_grad_()
                inputs = x.to(dtype).requires_grad_(), shape
                loss = losses.barron(inputs[0], zero.to(dtype), alpha=shape, nll=alpha == 2)
                grads = torch.autograd.grad(loss, inputs)
                assert all(g.isfinite().all() for g in grads)
                if alpha != 2:
                    assert grads[1] == 0


class TestDensity:
    @pytest.mark.parametrize("alpha", [0.0, 0.01, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0])
    def test_its_constant_is_the_integral(self, alpha):
        zero = torch.zeros((), dtype=D)
        out = losses.barron(zero, zero, alpha=alpha, scale=2.5, nll=True).exp().item()
        assert out == pytest.approx(2.5 * partition(alpha), rel=2e-8)

    def test_known_densities(self):
        x, zero = residuals()
        wanted = {
            2.0: -scipy.stats.norm.logpdf(x, scale=1.7),
            0.0: -scipy.stats.cauchy.logpdf(x, scale=1.7 * math.sqrt(2)),
        }
        for alpha, density in wanted.items():
            out = losses.barron(x, zero, alpha=alpha, scale=1.7, nll=True, reduction="none")
            np.testing.assert_allclose(out, density, rtol=1e-9)
        at_1 = losses.barron(zero, zero, alpha=1.0, nll=True).exp().item()
        assert at_1 == pytest.approx(2 * math.e * scipy.special.k1(1), rel=1e-12)

    def test_a_learned_shape_finds_heavy_tails_and_their_scale(self):
        uniform = (torch.arange(400, dtype=D) + 0.5) / 400
        heavy = torch.from_numpy(scipy.stats.cauchy.ppf(uniform)) * 0.3 * math.sqrt(2)
        light = torch.from_numpy(scipy.stats.norm.ppf(uniform)) * 0.3
        found = []
        for x in (heavy, light):
            latent = torch.zeros(2, dtype=D, requires_grad=True)
            optimiser = torch.optim.LBFGS([latent], max_iter=60, line_search_fn="strong_wolfe")

            def step(x=x, latent=latent, optimiser=optimiser):
                optimiser.zero_grad()
                shape, scale = 2 * latent[0].sigmoid(), latent[1].exp()
                loss = losses.barron(x, torch.zeros_like(x), alpha=shape, scale=scale, nll=True)
                loss.backward()
                return loss

            optimiser.step(step)
            found.append(((2 * latent[0].sigmoid()).item(), latent[1].exp().item()))
        assert found[0] == pytest.approx((0, 0.3), abs=0.02)
        assert found[1] == pytest.approx((2, 0.3), abs=0.05)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"alpha": math.inf}, "barron: alpha must be below infinity"),
        ({"alpha": math.nan}, "barron: alpha must be below infinity"),
        ({"alpha": -1.0, "nll": True}, "barron: alpha must be from 0 to 10 with nll, got -1.0"),
        ({"alpha": torch.ones(3)}, r"barron: alpha must be a number or broadcastable to \(2,\), got \(3,\)"),
        ({"scale": 0.0}, "barron: scale must be above 0"),
        ({"scale": -1.0, "nll": True}, "barron: scale must be above 0"),
    ],
)
def test_refusals(options, match):
    with pytest.raises(ValueError, match=match):
        losses.barron(torch.zeros(2), torch.zeros(2), **options)
