"""Assignments by Sinkhorn's iterations, against NumPy's loop, SciPy's assignment and the gradient through all iterations."""

import functools

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import losses
from visionops.testing import saved_bytes

D = torch.float64
exact = functools.partial(losses.sinkhorn_assignment, iterations=3000, tolerance=1e-15)


def normal(*shape, seed=0, dtype=D):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D).to(dtype)


def scaled(kernel, a, b, iterations=3000):
    """Returns P by Sinkhorn's own iterations, without logarithms."""
    v = np.ones(len(b))
    for _ in range(iterations):
        u = a / (kernel @ v)
        v = b / (kernel.T @ u)
    return u[:, None] * kernel * v


def with_bin(scores, dustbin):
    return np.pad(scores, ((0, 1), (0, 1)), constant_values=dustbin)


class TestValues:
    @pytest.mark.parametrize("size", [(4, 4), (3, 6), (6, 3), (1, 1), (1, 5)])
    @pytest.mark.parametrize("temperature", [1.0, 0.3])
    def test_are_those_of_the_plain_iterations(self, size, temperature):
        m, n = size
        scores = normal(m, n)
        out = exact(scores, temperature=temperature).exp()
        both = min(m, n)
        kernel = np.exp(scores.numpy() / temperature)
        np.testing.assert_allclose(out, scaled(kernel, np.full(m, both / m), np.full(n, both / n)), rtol=1e-9)

    def test_are_superglues_with_a_dustbin(self):
        scores = normal(2, 4, 6)
        out = exact(scores, dustbin=torch.tensor([0.3, -1.0], dtype=D)).exp()
        for k, dustbin in enumerate((0.3, -1.0)):
            a, b = np.array([1.0] * 4 + [6]), np.array([1.0] * 6 + [4])
            np.testing.assert_allclose(out[k], scaled(np.exp(with_bin(scores[k].numpy(), dustbin)), a, b), rtol=1e-9)
        torch.testing.assert_close(exact(scores[1], dustbin=-1.0).exp(), out[1])

    def test_stop_where_superglue_does(self):
        scores = normal(5, 5, seed=3)
        out = losses.sinkhorn_assignment(scores, dustbin=1.0, iterations=3, tolerance=0.0).exp()
        ones = np.array([1.0] * 5 + [5])
        np.testing.assert_allclose(out, scaled(np.exp(with_bin(scores.numpy(), 1.0)), ones, ones, 3), rtol=1e-12)

    def test_become_the_best_assignment(self):
        scores = normal(3, 7, 7, seed=5)
        out = losses.sinkhorn_assignment(scores, temperature=0.01, iterations=5000, tolerance=1e-9).exp()
        for k in range(3):
            rows, columns = linear_sum_assignment(scores[k].numpy(), maximize=True)
            assert (out[k, rows, columns] > 0.75).all()

    def test_find_matches_and_what_has_none(self):
        scores = torch.full((4, 5), -5.0)
        scores[[0, 1, 2], [3, 0, 1]] = 5.0
        out = losses.sinkhorn_assignment(scores, dustbin=0.0, temperature=0.5).exp()
        assert (out[[0, 1, 2, 3, 4, 4], [3, 0, 1, 5, 2, 4]] > 0.9).all()

    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_huge_scores_overflow_nothing(self, dtype):
        out = losses.sinkhorn_assignment(1e4 * normal(5, 6, dtype=dtype), dustbin=0.0, temperature=0.1)
        assert (out <= 4).all() and not out.isnan().any()

    @pytest.mark.parametrize("spread", [1.0, 20.0, 500.0, 1e5])
    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_iterations_by_products_are_those_in_logarithms(self, spread, dtype):
        scores = torch.stack([spread * normal(9, 7, dtype=dtype), normal(9, 7, seed=1, dtype=dtype)])
        for iterations in (1, 2, 11, 37):
            options = {"iterations": iterations, "tolerance": 1e-4}
            products, logarithms = (
                losses.sinkhorn_assignment(scores, grad=grad, **options) for grad in ("none", "unroll")
            )
            size = logarithms.abs().max()
            assert (products - logarithms).abs().max() < 20 * torch.finfo(dtype).eps * size

    def test_a_sample_does_not_depend_on_its_batch(self):
        scores = torch.stack([normal(4, 5), 8 * normal(4, 5, seed=1)])
        for grad in ("implicit", "unroll"):
            both = losses.sinkhorn_assignment(scores, dustbin=0.0, grad=grad)
            assert all(
                torch.equal(both[k], losses.sinkhorn_assignment(scores[k], dustbin=0.0, grad=grad)) for k in range(2)
            )

    def test_parameters_may_be_of_another_precision(self):
        scores, number = normal(4, 5, dtype=torch.float32), torch.tensor(0.5, dtype=D)
        out = losses.sinkhorn_assignment(scores, dustbin=number, temperature=number)
        assert torch.equal(out, losses.sinkhorn_assignment(scores, dustbin=0.5, temperature=0.5))
        assert losses.dual_softmax(scores, temperature=number).dtype == torch.float32

    def test_half_precision(self):
        scores = normal(4, 5, dtype=torch.bfloat16)
        out = losses.sinkhorn_assignment(scores, dustbin=0.5)
        assert out.dtype == torch.bfloat16
        assert torch.equal(out, losses.sinkhorn_assignment(scores.float(), dustbin=0.5).bfloat16())


class TestMasks:
    @pytest.mark.parametrize("dustbin", [None, 0.4])
    @pytest.mark.parametrize("grad", ["implicit", "unroll"])
    def test_padding_is_as_good_as_absent(self, dustbin, grad):
        scores = normal(2, 5, 6)
        mask1, mask2 = torch.arange(5) < torch.tensor([[3], [5]]), torch.arange(6) < torch.tensor([[6], [2]])
        bad = torch.where(mask1[..., :, None] & mask2[..., None, :], scores, torch.nan).requires_grad_()
        out = exact(bad, dustbin=dustbin, mask1=mask1, mask2=mask2, grad=grad)
        inner = out[:, :5, :6].exp()
        (found,) = torch.autograd.grad(inner.square().sum(), bad, retain_graph=True)
        assert found.isfinite().all()
        for k, (m, n) in enumerate(((3, 6), (5, 2))):
            small = scores[k, :m, :n].clone().requires_grad_()
            alone = exact(small, dustbin=dustbin, grad=grad)
            torch.testing.assert_close(out[k, :m, :n], alone[:m, :n])
            if dustbin is not None:
                torch.testing.assert_close(out[k, :m, 6], alone[:m, n])
                torch.testing.assert_close(out[k, 5, :n], alone[m, :n])
                torch.testing.assert_close(out[k, 5, 6], alone[m, n])
            (expected,) = torch.autograd.grad(alone[:m, :n].exp().square().sum(), small)
            torch.testing.assert_close(found[k, :m, :n], expected)
            assert (inner[k, m:] == 0).all() and (inner[k, :, n:] == 0).all() and not found[k, m:].any()

    def test_nothing_left_is_assigned_to_nothing(self):
        scores, none = normal(3, 4).requires_grad_(), torch.zeros(3, dtype=torch.bool)
        out = losses.sinkhorn_assignment(scores, mask1=none)
        assert (out == -torch.inf).all()
        out = losses.sinkhorn_assignment(scores, dustbin=0.2, mask1=none).exp()
        torch.testing.assert_close(out, torch.cat([torch.zeros(3, 5), torch.tensor([[1.0, 1, 1, 1, 0]])]).double())
        assert not torch.autograd.grad(out.sum(), scores)[0].any()

    @pytest.mark.parametrize("size", [(0, 3), (3, 0), (0, 0)])
    def test_no_rows_or_columns(self, size):
        m, n = size
        assert losses.sinkhorn_assignment(normal(2, m, n)).shape == (2, m, n)
        out = losses.sinkhorn_assignment(normal(2, m, n), dustbin=0.3).exp()
        torch.testing.assert_close(out.sum(-1), torch.tensor([1.0] * m + [n], dtype=D).expand(2, -1))

    def test_minus_infinity_forbids(self):
        scores = normal(3, 3)
        scores[0, 1] = -torch.inf
        scores.requires_grad_()
        out = exact(scores)
        assert out[0, 1] == -torch.inf
        torch.testing.assert_close(out.exp().sum(-1), torch.ones(3, dtype=D))
        (grad,) = torch.autograd.grad(out.exp().square().sum(), scores)
        assert grad.isfinite().all() and grad[0, 1] == 0 and grad[1:].all()

    def test_a_sample_that_is_not_finite_keeps_to_itself(self):
        scores, alone = normal(2, 3, 4), normal(2, 3, 4)[1].requires_grad_()
        scores[0, 1, 1] = torch.nan
        scores.requires_grad_()
        out = exact(scores, dustbin=0.0)
        assert out[0].isnan().all()
        torch.testing.assert_close(out[1], exact(alone, dustbin=0.0))
        (grad,) = torch.autograd.grad(out[1].square().sum(), scores)
        assert not grad[0].any()
        torch.testing.assert_close(grad[1], torch.autograd.grad(exact(alone, dustbin=0.0).square().sum(), alone)[0])


class TestGradients:
    @pytest.mark.parametrize("size", [(4, 4), (3, 7), (7, 3)])
    @pytest.mark.parametrize("dustbin", [False, True])
    @pytest.mark.parametrize("temperature", [1.0, 0.2])
    def test_implicit_ones_are_those_of_the_iterations(self, size, dustbin, temperature):
        leaves = [normal(2, *size), torch.tensor([temperature] * 2, dtype=D)]
        leaves += [torch.tensor([0.3, -0.5], dtype=D)] if dustbin else []
        leaves = [x.requires_grad_() for x in leaves]
        found = []
        for grad in ("implicit", "unroll"):
            out = exact(leaves[0], temperature=leaves[1], dustbin=leaves[2] if dustbin else None, grad=grad)
            first = torch.autograd.grad((out * normal(*out.shape, seed=9)).sum(), leaves, create_graph=True)
            second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
            found.append([out, *first, *second])
        for a, b in zip(*found, strict=True):
            assert (a - b).abs().max() < 1e-8 * max(1, b.abs().max())

    @pytest.mark.parametrize("dustbin", [False, True])
    def test_of_both_orders_and_modes(self, dustbin):
        leaves = [x.requires_grad_() for x in (normal(3, 4), torch.tensor(0.4, dtype=D), torch.tensor(0.6, dtype=D))]

        def run(scores, bin, temperature):
            return exact(scores, dustbin=bin if dustbin else None, temperature=temperature, iterations=300)

        assert gradcheck(run, leaves) and gradgradcheck(run, leaves)
        assert gradcheck(run, leaves, check_forward_ad=True, check_backward_ad=False)

    def test_float32_is_as_good_as_float64(self):
        scores, weight = 3 * normal(40, 50), normal(41, 51, seed=1)
        grads = []
        for dtype in (torch.float32, D):
            x = scores.to(dtype).requires_grad_()
            out = losses.sinkhorn_assignment(x, dustbin=1.0, iterations=500, tolerance=1e-6)
            grads.append(torch.autograd.grad((out * weight.to(dtype)).sum(), x)[0].double())
        assert (grads[0] - grads[1]).abs().max() < 1e-4 * grads[1].abs().max()

    def test_at_an_assignment_they_are_finite(self):
        for dtype in (torch.float32, D):
            scores = (1e3 * torch.eye(5, dtype=dtype)).requires_grad_()
            out = losses.sinkhorn_assignment(scores, temperature=0.5)
            (grad,) = torch.autograd.grad((out.exp() * normal(5, 5, dtype=dtype)).sum(), scores)
            assert (out.exp() - torch.eye(5, dtype=dtype)).abs().max() < 1e-6 and grad.abs().max() < 1e-6

    @pytest.mark.parametrize("apart", [1e3, torch.inf])
    def test_blocks_that_exchange_nothing_have_their_own(self, apart):
        blocks = [normal(2, 2).requires_grad_(), normal(3, 3, seed=1).requires_grad_()]
        scores = torch.block_diag(*(b.detach() for b in blocks))
        scores[:2, 2:] = scores[2:, :2] = -apart
        scores.requires_grad_()

        def energy(scores):
            return exact(scores).exp().square().sum()

        (found,) = torch.autograd.grad(energy(scores), scores)
        expected = torch.autograd.grad(sum(map(energy, blocks)), blocks)
        torch.testing.assert_close(found, torch.block_diag(*expected))

    def test_before_convergence_they_are_of_the_sums_reached(self):
        scores = (5 * normal(6, 6)).requires_grad_()
        out = losses.sinkhorn_assignment(scores, iterations=2, tolerance=0.0)
        assert (out.exp().sum(-1) - 1).abs().max() > 0.01
        # A cell's own weight in rows and columns moves no sum.
        grads = [torch.autograd.grad(out.exp().sum(d)[2], scores, retain_graph=True)[0] for d in (0, 1)]
        assert all(g.abs().max() < 1e-12 for g in grads)

    def test_none_is_a_constant(self):
        assert not losses.sinkhorn_assignment(normal(3, 3).requires_grad_(), grad="none").requires_grad

    def test_iterations_are_not_kept(self):
        scores = (9 * normal(60, 60, dtype=torch.float32)).requires_grad_()

        def kept(grad):
            return sum(saved_bytes(lambda: losses.sinkhorn_assignment(scores, tolerance=0.0, grad=grad))) / (
                4 * 60 * 60
            )

        assert kept("implicit") < 8 and kept("unroll") > 150

    def test_transforms_see_them(self):
        scores = normal(3, 4, 5)

        def energy(scores, grad="implicit"):
            return losses.sinkhorn_assignment(scores, dustbin=0.2, grad=grad, iterations=50, tolerance=0.0).pow(2).sum()

        expected = torch.stack([torch.func.grad(energy)(s) for s in scores])
        for grad in ("implicit", "unroll"):
            many = torch.vmap(torch.func.grad(functools.partial(energy, grad=grad)))(scores)
            torch.testing.assert_close(many, expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scores": torch.zeros(4)}, r"sinkhorn_assignment: scores must be of shape \(\*batch, m, n\)"),
        ({"temperature": -1.0}, "sinkhorn_assignment: temperature must be above 0"),
        ({"iterations": 0}, "sinkhorn_assignment: iterations must be an integer of at least 1"),
        ({"grad": "explicit"}, "sinkhorn_assignment: grad must be one of those known, got 'explicit'"),
        ({"mask1": torch.ones(4, dtype=torch.bool)}, r"sinkhorn_assignment: mask1 must be .* to \(3,\)"),
        ({"mask2": torch.ones(4)}, r"sinkhorn_assignment: mask2 must be a boolean tensor broadcastable to \(4,\)"),
    ],
    ids=range(6),
)
def test_refusals(options, match):
    with pytest.raises(ValueError, match=match):
        losses.sinkhorn_assignment(**({"scores": torch.zeros(3, 4)} | options))
