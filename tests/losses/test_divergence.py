"""Divergences of heat maps against SciPy and Kornia."""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops import losses
from visionops.losses.blocks import BLOCK
from visionops.testing import saved_bytes

BOTH = {"kl_divergence": losses.kl_divergence, "js_divergence": losses.js_divergence}


def maps(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    raw = (3 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return tuple(r.flatten(-2).softmax(-1).reshape(shape).to(dtype) for r in raw)


def test_are_scipys():
    p, t = maps(2, 3, 4, 5)
    flat = [v.flatten(-2).numpy() for v in (p, t)]
    kl = scipy.special.rel_entr(flat[1], flat[0]).sum(-1)
    np.testing.assert_allclose(losses.kl_divergence(p, t, reduction="none"), kl, rtol=1e-12)
    js = scipy.spatial.distance.jensenshannon(*flat, axis=-1) ** 2
    np.testing.assert_allclose(losses.js_divergence(p, t, reduction="none"), js, rtol=1e-12)


@pytest.mark.parametrize("name", BOTH)
class TestBoth:
    @pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
    def test_is_kornias(self, name, reduction):
        kornia = pytest.importorskip("kornia")
        p, t = (v.requires_grad_() for v in maps(2, 3, 4, 5))
        theirs = getattr(kornia.losses, name.replace("divergence", "div_loss_2d"))(p, t, reduction=reduction)
        ours = BOTH[name](p, t, reduction=reduction)
        torch.testing.assert_close(ours, theirs)
        for a, b in zip(*(torch.autograd.grad(v.sum(), (p, t)) for v in (ours, theirs)), strict=True):
            # The derivatives of two logarithms cancel in ours.
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)

    def test_is_0_where_equal_and_finite_at_0(self, name):
        for dtype in (torch.float32, torch.float64):
            p = torch.tensor([[[0.5, 0.0, 0.5, 0.0]]], dtype=dtype).requires_grad_()
            t = torch.tensor([[[0.0, 0.0, 0.5, 0.5]]], dtype=dtype).requires_grad_()
            loss = BOTH[name](p, t)
            assert loss.isfinite() and loss > 0
            assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (p, t)))
            assert BOTH[name](p, p).item() == 0

    def test_blocks_give_what_the_whole_gives(self, name):
        p, t = maps(7, 3, BLOCK // 64, 5, dtype=torch.float32)
        p, t = p.mT.requires_grad_(), t.mT.requires_grad_()
        loss = BOTH[name](p, t)
        doubles = [v.detach().double().requires_grad_() for v in (p, t)]
        exact = BOTH[name](*doubles)
        assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
        grads = zip(torch.autograd.grad(loss, (p, t)), torch.autograd.grad(exact, doubles), strict=True)
        for a, b in grads:
            torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-6)

    def test_keeps_both_maps_alone(self, name):
        p, t = maps(2, 3, 40, 50, dtype=torch.float32)
        p.requires_grad_()
        assert sum(saved_bytes(lambda: BOTH[name](p, t))) == 2 * p.numel() * 4

    def test_gradients(self, name):
        p, t = (v.requires_grad_() for v in maps(2, 2, 2, 3))
        weight = torch.tensor([0.3, 0.8], dtype=torch.float64).requires_grad_()
        mask = torch.tensor([[True, True], [False, True]])

        def loss(p, t, weight):
            return BOTH[name](p, t, mask=mask, weight=weight)

        assert gradcheck(loss, (p, t, weight)) and gradgradcheck(loss, (p, t, weight))
        assert gradcheck(BOTH[name], (p, t), check_batched_grad=True)

    def test_hidden_points_do_not_count(self, name):
        p, t = maps(2, 3, 4, 5)
        mask = torch.tensor([[True, False, True], [False, False, True]])
        bad = torch.where(mask[..., None, None], p, torch.nan).requires_grad_()
        loss = BOTH[name](bad, t, mask=mask)
        assert loss.item() == pytest.approx(BOTH[name](p, t, reduction="none")[mask].mean().item())
        (gradient,) = torch.autograd.grad(loss, bad)
        assert gradient.isfinite().all() and not gradient[~mask].any()

    def test_refusals(self, name):
        p, t = maps(2, 3, 4, 5)
        with pytest.raises(ValueError, match=rf"{name}: mask must be a tensor broadcastable to \(2, 3\)"):
            BOTH[name](p, t, mask=torch.ones(4, 5).bool())
        with pytest.raises(ValueError, match=f"{name}: target must be of the shape and dtype"):
            BOTH[name](p, t.float())


def test_js_is_at_most_log_2():
    p, t = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)
    p[0, 0, 0] = t[0, 1, 1] = 1
    assert losses.js_divergence(p, t).item() == pytest.approx(math.log(2))
