"""Divisive normalisation against its formula in NumPy, and its inverse against it."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.losses import divisive_normalization, inverse_divisive_normalization

D = torch.float64
# The usual pair, that of the Laplacian pyramid, and pairs whose inverse needs steps.
PAIRS = [(2.0, 0.5), (1.0, 1.0), (1.5, 0.5), (2.0, 0.45), (1.0, 0.3)]


def layer(c=3, size=(4, 5), seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(2, c, *size, generator=generator, dtype=D)
    beta = 0.2 + torch.rand(c, generator=generator, dtype=D)
    return x, beta, 0.5 * torch.rand(c, c, generator=generator, dtype=D)


class TestDivisiveNormalization:
    @pytest.mark.parametrize(("power", "exponent"), [*PAIRS, (2.0, 1.0)])
    def test_is_the_formula(self, power, exponent):
        x, beta, gamma = layer()
        pool = np.einsum("ij,bjhw->bihw", gamma, np.abs(x.numpy()) ** power) + beta.numpy()[:, None, None]
        out = divisive_normalization(x, beta, gamma, power=power, exponent=exponent)
        np.testing.assert_allclose(out, x.numpy() / pool**exponent, rtol=1e-12)

    @pytest.mark.parametrize(("power", "exponent"), PAIRS)
    def test_gradients(self, power, exponent):
        inputs = [v.requires_grad_() for v in layer(2, (2, 2))]
        run = lambda *v: divisive_normalization(*v, power=power, exponent=exponent)  # noqa: E731
        assert gradcheck(run, inputs) and gradgradcheck(run, inputs, fast_mode=True)
        zero = torch.zeros(1, 2, 2, 2, dtype=D).requires_grad_()
        assert torch.autograd.grad(run(zero, *inputs[1:]).sum(), zero)[0].isfinite().all()


class TestInverse:
    @pytest.mark.parametrize(("power", "exponent"), PAIRS)
    def test_undoes_it(self, power, exponent):
        x, beta, gamma = layer()
        x[0, :, 0, 0], x[0, 1, 1, 1] = 0, 0
        options = {"power": power, "exponent": exponent}
        y = divisive_normalization(x, beta, gamma, **options)
        torch.testing.assert_close(inverse_divisive_normalization(y, beta, gamma, **options), x, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("power", "exponent"), PAIRS)
    def test_gradients(self, power, exponent):
        options = {"power": power, "exponent": exponent}
        x, beta, gamma = layer(2, (2, 2))
        inputs = [v.requires_grad_() for v in (divisive_normalization(x, beta, gamma, **options), beta, gamma)]
        run = lambda *v: inverse_divisive_normalization(*v, **options)  # noqa: E731
        assert gradcheck(run, inputs, atol=1e-4) and gradgradcheck(run, inputs, atol=1e-3, rtol=1e-3, fast_mode=True)

    def test_of_what_no_image_gives_is_0_with_gradient_0(self):
        beta, gamma = torch.ones(2), torch.eye(2)
        y = torch.tensor([[0.6, 1.0, 1.7], [0.6, 0.0, 0.1]]).reshape(2, 1, 3).requires_grad_()
        out = inverse_divisive_normalization(y, beta, gamma)
        torch.testing.assert_close(out[:, 0, 0], torch.full((2,), 0.75))  # 0.6 / 0.8
        assert not out[:, 0, 1:].any()
        (gradient,) = torch.autograd.grad(out.sum(), y)
        assert gradient.isfinite().all() and gradient[:, 0, 0].all() and not gradient[0, 0, 1:].any()

    def test_nan_stays_in_its_pixel(self):
        x, beta, gamma = layer()
        y = divisive_normalization(x, beta, gamma)
        y[0, 0, 0, 0] = torch.nan
        out = inverse_divisive_normalization(y, beta, gamma)
        torch.testing.assert_close(out[..., 1:], x[..., 1:])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"beta": torch.ones(2, dtype=D)}, r"beta must be of shape \(3,\), got \(2,\)"),
        ({"gamma": torch.ones(3, 2)}, r"gamma must be of shape \(3, 3\), got \(3, 2\)"),
        ({"power": 0.5}, "power must be at least 1, got 0.5"),
        ({"exponent": 0.0}, "exponent must be above 0"),
    ],
)
def test_refusals(options, match):
    given = dict(zip(("image", "beta", "gamma"), layer(), strict=True)) | options
    for run in (divisive_normalization, inverse_divisive_normalization):
        with pytest.raises(ValueError, match=f"{run.__name__}: {match}"):
            run(**given)
    with pytest.raises(
        ValueError, match="inverse_divisive_normalization: exponent must be at most 1 / power, 0.5, got 1"
    ):
        inverse_divisive_normalization(*layer(), exponent=1)
