"""The Chamfer distance, against SciPy's tree of points."""

import sys

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import losses
from visionops.testing import saved_bytes

D = torch.float64


def normal(*shape, seed=0, dtype=D):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D).to(dtype)


def oracle(p, q, squared=True):
    power = 2 if squared else 1
    p, q = p.double().numpy(), q.double().numpy()
    return (cKDTree(q).query(p)[0] ** power).mean() + (cKDTree(p).query(q)[0] ** power).mean()


class TestChamfer:
    @pytest.mark.parametrize("squared", [True, False])
    @pytest.mark.parametrize("dims", [1, 2, 3, 7])
    def test_is_that_of_a_tree(self, dims, squared):
        p, q = normal(2, 40, dims), normal(2, 23, dims, seed=1)
        out = losses.chamfer(p, q, squared=squared, reduction="none")
        np.testing.assert_allclose(out, [oracle(p[i], q[i], squared) for i in range(2)], rtol=1e-12)

    def test_blocks_do_not_show(self, monkeypatch):
        p, q = normal(3, 50, 3), normal(3, 37, 3, seed=1)
        whole = losses.chamfer(p, q, reduction="none")
        monkeypatch.setattr(sys.modules["visionops.geometry.losses.chamfer"], "ON_HOST", 3 * 37 * 4)
        assert torch.equal(losses.chamfer(p, q, reduction="none"), whole)
        np.testing.assert_allclose(whole, [oracle(p[i], q[i]) for i in range(3)], rtol=1e-12)

    def test_far_from_the_origin_nearest_points_are_still_found(self):
        p, q = normal(200, 3, dtype=torch.float32) + 1000, normal(150, 3, seed=1, dtype=torch.float32) + 1000
        assert losses.chamfer(p, q).item() == pytest.approx(oracle(p, q), rel=1e-5)

    def test_masked_points_are_as_good_as_absent(self):
        p, q = normal(2, 9, 3), normal(2, 7, 3, seed=1)
        mask1, mask2 = torch.arange(9) < torch.tensor([[9], [4]]), torch.arange(7) < torch.tensor([[3], [7]])
        bad_p, bad_q = torch.where(mask1[..., None], p, torch.nan), torch.where(mask2[..., None], q, torch.inf)
        leaves = bad_p.requires_grad_(), bad_q.requires_grad_()
        out = losses.chamfer(*leaves, mask1=mask1, mask2=mask2, reduction="none")
        np.testing.assert_allclose(out.detach(), [oracle(p[0], q[0, :3]), oracle(p[1, :4], q[1])], rtol=1e-12)
        grads = torch.autograd.grad(out.sum(), leaves)
        small = p[1, :4].clone().requires_grad_()
        losses.chamfer(small, q[1]).backward()
        torch.testing.assert_close(grads[0][1, :4], small.grad)
        assert not grads[0][~mask1].any() and not grads[1][~mask2].any() and grads[1].isfinite().all()

    def test_a_sample_with_an_empty_set_does_not_count(self):
        p, q = normal(3, 5, 2).requires_grad_(), normal(3, 4, 2, seed=1)
        mask2 = torch.tensor([True, False, True])[:, None].expand(3, 4)
        out = losses.chamfer(p, q, mask2=mask2, reduction="none")
        assert out[1] == 0 and (out[[0, 2]] > 0).all()
        mean = losses.chamfer(p, q, mask2=mask2)
        torch.testing.assert_close(mean, out[[0, 2]].mean())
        (grad,) = torch.autograd.grad(mean, p)
        assert not grad[1].any() and grad[0].any()
        for first, second in ((p[:, :0], q), (p, q[:, :0]), (p[:, :0], q[:, :0])):
            nothing = losses.chamfer(first, second)
            assert nothing.item() == 0 and not torch.autograd.grad(nothing, p)[0].any()

    @pytest.mark.parametrize("squared", [True, False])
    def test_gradients_of_both_orders(self, squared):
        p, q = normal(2, 5, 3).requires_grad_(), normal(2, 4, 3, seed=1).requires_grad_()
        mask1 = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])

        def loss(p, q):
            return losses.chamfer(p, q, squared=squared, mask1=mask1)

        assert gradcheck(loss, (p, q)) and gradgradcheck(loss, (p, q))

    @pytest.mark.parametrize("squared", [True, False])
    def test_equal_sets_are_0_with_gradient_0(self, squared):
        p = normal(6, 3).requires_grad_()
        loss = losses.chamfer(p, p.detach().flip(0), squared=squared)
        assert loss.item() == 0 and not torch.autograd.grad(loss, p)[0].any()

    def test_sets_of_one_batch_go_with_a_single_one(self):
        p, q = normal(4, 6, 3), normal(5, 3, seed=1).requires_grad_()
        out = losses.chamfer(p, q, reduction="none")
        np.testing.assert_allclose(out.detach(), [oracle(one, q.detach()) for one in p], rtol=1e-12)
        assert torch.autograd.grad(out.sum(), q)[0].shape == q.shape

    def test_no_table_of_distances_is_kept(self):
        p, q = (normal(1000, 3, seed=s, dtype=torch.float32).requires_grad_() for s in range(2))
        # Of each set: differences, indices, and which points count.
        assert sum(saved_bytes(lambda: losses.chamfer(p, q))) < 1000 * 2 * (2 * 12 + 8 + 2 * 4 + 8)

    def test_half_precision(self):
        p, q = normal(30, 3, dtype=torch.float16), normal(20, 3, seed=1, dtype=torch.float16)
        loss = losses.chamfer(p, q)
        assert loss.dtype == torch.float16 and loss.item() == losses.chamfer(p.float(), q.float()).half().item()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"points1": torch.zeros(3)}, r"chamfer: points1 must be of shape \(\*batch, n, 3\), got \(3,\)"),
            ({"points2": torch.zeros(4, 2)}, r"chamfer: points2 must be of shape \(\*batch, n, 3\), got \(4, 2\)"),
            ({"points2": torch.zeros(4, 3).double()}, "chamfer: points2 must be of the dtype of points1"),
            ({"points1": torch.zeros(2, 5, 3), "points2": torch.zeros(3, 4, 3)}, "chamfer: points2 must be of a batch"),
            (
                {"mask1": torch.ones(5)},
                r"chamfer: mask1 must be a boolean tensor broadcastable to \(5,\), got \(5,\) of torch.f",
            ),
            (
                {"mask2": torch.ones(5, dtype=torch.bool)},
                r"chamfer: mask2 must be a boolean tensor broadcastable to \(4,\)",
            ),
            ({"mask": torch.ones(5, dtype=torch.bool)}, r"chamfer: mask must be a tensor broadcastable to \(\)"),
            ({"reduction": "max"}, "chamfer: reduction must be"),
        ],
        ids=range(8),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.chamfer(**({"points1": torch.zeros(5, 3), "points2": torch.zeros(4, 3)} | options))
