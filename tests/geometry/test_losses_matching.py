"""Losses of matches and the dual softmax, against their authors' formulas in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import losses

D = torch.float64


def normal(*shape, seed=0, dtype=D):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D).to(dtype)


def logs_of(*shape, seed=0):
    return normal(*shape, seed=seed).log_softmax(-1)


MATCHES = torch.tensor([[2, -1, 0, 3, -1], [-1, 1, 2, -1, 0]])


def terms(logs, matches):
    """Returns log P of all true matches and of all dustbins, of one sample."""
    m, n = logs.shape[0] - 1, logs.shape[1] - 1
    found = [logs[i, j] for i, j in enumerate(matches) if j >= 0]
    lost = [logs[i, n] for i, j in enumerate(matches) if j == -1]
    lost += [logs[m, j] for j in range(n) if j not in list(matches)]
    return np.array(found), np.array(lost)


class TestMatchingNll:
    def test_is_lightglues(self):
        logs = logs_of(2, 6, 5)
        out = losses.matching_nll(logs, MATCHES, reduction="none")
        for k in range(2):
            found, lost = terms(logs[k].numpy(), MATCHES[k].numpy())
            assert len(found) and len(lost)
            assert out[k].item() == pytest.approx(-(0.5 * found.mean() + 0.5 * lost.mean()), rel=1e-12)

    def test_other_balances(self):
        logs = logs_of(6, 5)
        found, lost = terms(logs.numpy(), MATCHES[0].numpy())
        for balance, expected in ((1.0, found.mean()), (0.2, 0.2 * found.mean() + 0.8 * lost.mean())):
            assert losses.matching_nll(logs, MATCHES[0], balance=balance).item() == pytest.approx(-expected, rel=1e-12)
        together = losses.matching_nll(logs, MATCHES[0], balance=None).item()
        assert together == pytest.approx(-np.concatenate([found, lost]).mean(), rel=1e-12)

    def test_a_matrix_says_the_same(self):
        logs = logs_of(2, 6, 5)
        matrix = MATCHES[..., None] == torch.arange(4)
        for balance in (0.5, None):
            a = losses.matching_nll(logs, MATCHES, balance=balance, reduction="none")
            assert torch.equal(a, losses.matching_nll(logs, matrix, balance=balance, reduction="none"))

    def test_a_matrix_may_match_a_row_twice(self):
        logs = logs_of(3, 3)
        matrix = torch.tensor([[True, True], [False, False]])
        expected = -(logs[0, 0] + logs[0, 1]) / 4 - logs[1, 2] / 2
        torch.testing.assert_close(losses.matching_nll(logs, matrix), expected)

    def test_without_dustbins_only_matches_count(self):
        logs = logs_of(2, 5, 4)
        out = losses.matching_nll(logs, MATCHES, reduction="none")
        expected = [-np.mean([logs[k, i, j] for i, j in enumerate(MATCHES[k]) if j >= 0]) for k in range(2)]
        np.testing.assert_allclose(out, expected, rtol=1e-12)
        assert torch.equal(out, losses.matching_nll(logs, MATCHES[..., None] == torch.arange(4), reduction="none"))

    def test_rows_may_be_left_out(self):
        logs, target = logs_of(4, 4).requires_grad_(), torch.tensor([1, -2, -1])
        loss = losses.matching_nll(logs, target)
        torch.testing.assert_close(loss, -logs[0, 1] / 2 - (logs[2, 3] + logs[3, 0] + logs[3, 2]) / 6)
        assert not torch.autograd.grad(loss, logs)[0][1].any()

    def test_padding_is_as_good_as_absent(self):
        logs = logs_of(6, 5)
        rows, columns = torch.arange(5) < 4, torch.arange(4) < 3
        target = torch.tensor([2, -1, 0, -1, -1])
        keep1, keep2 = [0, 1, 2, 3, 5], [0, 1, 2, 4]
        expected = losses.matching_nll(logs[keep1][:, keep2], target[:4])
        bad = logs.clone()
        bad[4], bad[:, 3] = torch.nan, -torch.inf
        bad.requires_grad_()
        loss = losses.matching_nll(bad, target, mask1=rows, mask2=columns)
        torch.testing.assert_close(loss, expected)
        matrix = target[:, None] == torch.arange(4)
        torch.testing.assert_close(losses.matching_nll(bad, matrix, mask1=rows, mask2=columns), expected)
        (grad,) = torch.autograd.grad(loss, bad)
        assert grad.isfinite().all() and not grad[4].any() and not grad[:, 3].any()

    def test_a_match_with_what_is_masked_does_not_count(self):
        logs, target = logs_of(4, 4), torch.tensor([2, 0, -1])
        columns = torch.tensor([True, True, False])
        expected = -logs[1, 0] / 2 - (logs[2, 3] + logs[3, 1]) / 4
        for form in (target, target[:, None] == torch.arange(3)):
            torch.testing.assert_close(losses.matching_nll(logs, form, mask2=columns), expected)

    def test_samples_without_anything_do_not_count(self):
        logs = logs_of(3, 4, 4)
        target = torch.tensor([[0, 1, 2], [-2, -2, -2], [1, -1, -1]])
        mask2 = torch.tensor([[True], [False], [True]])
        out = losses.matching_nll(logs, target, mask2=mask2, reduction="none")
        assert out[1] == 0
        torch.testing.assert_close(losses.matching_nll(logs, target, mask2=mask2), out[[0, 2]].mean())
        # All of the first are matched: its dustbins' mean is 0.
        torch.testing.assert_close(out[0], -logs[0].diagonal()[:3].mean() / 2)

    def test_no_rows_or_columns(self):
        for m, n, dustbins in ((3, 0, 0), (0, 4, 0), (3, 0, 1), (0, 4, 1), (0, 0, 1)):
            logs = normal(2, m + dustbins, n + dustbins).requires_grad_()
            target = torch.full((2, m), -1)
            out = losses.matching_nll(logs, target, reduction="none")
            expected = -logs[:, :m, n:].mean((1, 2)) / 2 if m and dustbins else torch.zeros(2, dtype=D)
            expected = -logs[:, m:, :n].mean((1, 2)) / 2 if n and dustbins else expected
            torch.testing.assert_close(out, expected)
            assert torch.equal(out, losses.matching_nll(logs, torch.zeros(2, m, n, dtype=torch.bool), reduction="none"))
            assert torch.autograd.grad(out.sum(), logs)[0].isfinite().all()

    def test_gradients(self):
        logs = logs_of(2, 6, 5).requires_grad_()
        assert gradcheck(lambda x: losses.matching_nll(x, MATCHES), (logs,))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"target": torch.zeros(3)}, r"matching_nll: target must be of integers \(\*batch, m\), or boolean"),
            ({"target": torch.zeros(2, dtype=torch.long)}, "matching_nll: target must be of as many rows"),
            ({"target": torch.zeros(3, 2, dtype=torch.bool)}, "matching_nll: target must be of as many rows"),
            (
                {"target": torch.zeros(2, 3, dtype=torch.long)},
                r"matching_nll: target must be of a batch that goes with \(3,\)",
            ),
            (
                {"log_assignment": torch.zeros(4, dtype=torch.long)},
                "matching_nll: log_assignment must be a floating tensor",
            ),
            ({"balance": 1.5}, r"matching_nll: balance must be from 0 to 1, got 1.5"),
            ({"mask1": torch.ones(4, dtype=torch.bool)}, r"matching_nll: mask1 must be .* to \(3, 3\)"),
            ({"mask2": torch.ones(3, dtype=torch.bool)}, r"matching_nll: mask2 must be .* to \(3, 4\)"),
        ],
        ids=range(8),
    )
    def test_refusals(self, options, match):
        given = {"log_assignment": torch.zeros(3, 4, 5), "target": torch.zeros(3, 3, dtype=torch.long)}
        with pytest.raises(ValueError, match=match):
            losses.matching_nll(**(given | options))


class TestDualSoftmax:
    @pytest.mark.parametrize("temperature", [1.0, 0.1, torch.tensor([0.1, 0.7])])
    def test_is_loftrs(self, temperature):
        scores = normal(2, 5, 4)
        per = temperature[:, None, None] if isinstance(temperature, torch.Tensor) else temperature
        x = (scores / per).numpy()
        out = losses.dual_softmax(scores, temperature=temperature).exp()
        np.testing.assert_allclose(out, softmax(x, 1) * softmax(x, 2), rtol=1e-11)

    def test_is_lightglues(self):
        scores, z1, z2 = normal(2, 5, 4), normal(2, 5, seed=1), normal(2, 4, seed=2)
        out = losses.dual_softmax(scores, matchability1=z1, matchability2=z2)
        x, p1, p2 = scores.numpy(), expit(z1.numpy()), expit(z2.numpy())
        inner = softmax(x, 1) * softmax(x, 2) * p1[:, :, None] * p2[:, None, :]
        np.testing.assert_allclose(out[:, :5, :4].exp(), inner, rtol=1e-12)
        np.testing.assert_allclose(out[:, :5, 4].exp(), 1 - p1, rtol=1e-12)
        np.testing.assert_allclose(out[:, 5, :4].exp(), 1 - p2, rtol=1e-12)
        assert (out[:, 5, 4] == 0).all()

    @pytest.mark.parametrize("with_bins", [False, True])
    def test_padding_is_as_good_as_absent(self, with_bins):
        scores = normal(5, 4)
        z1, z2 = normal(5, seed=1), normal(4, seed=2)
        bad = torch.where((torch.arange(5) < 3)[:, None] & (torch.arange(4) < 2), scores, torch.nan).requires_grad_()
        bins = {"matchability1": z1, "matchability2": z2} if with_bins else {}
        out = losses.dual_softmax(bad, mask1=torch.arange(5) < 3, mask2=torch.arange(4) < 2, **bins)
        bins = {"matchability1": z1[:3], "matchability2": z2[:2]} if with_bins else {}
        small = losses.dual_softmax(scores[:3, :2], **bins)
        torch.testing.assert_close(out[:3, :2], small[:3, :2])
        assert (out[3:5] == -torch.inf).all() and (out[:, 2:4] == -torch.inf).all()
        if with_bins:
            torch.testing.assert_close(out[:3, 4], small[:3, 2])
            torch.testing.assert_close(out[5, :2], small[3, :2])
        (grad,) = torch.autograd.grad(out[:3, :2].square().sum(), bad)
        assert grad.isfinite().all() and grad[:3, :2].all() and not grad[3:].any()

    def test_what_is_masked_does_not_reach_the_temperature(self):
        scores, temperature = normal(3, 4), torch.tensor(0.5, dtype=D, requires_grad=True)
        expected = torch.autograd.grad(losses.dual_softmax(scores[:2], temperature=temperature).sum(), temperature)
        scores[2] = torch.nan
        out = losses.dual_softmax(scores, temperature=temperature, mask1=torch.tensor([True, True, False]))
        torch.testing.assert_close(torch.autograd.grad(out[:2].sum(), temperature), expected)

    def test_all_masked_is_confident_of_nothing(self):
        scores = normal(3, 4).requires_grad_()
        out = losses.dual_softmax(scores, mask1=torch.zeros(3, dtype=torch.bool))
        assert (out.exp() == 0).all() and not torch.autograd.grad(out.exp().sum(), scores)[0].any()

    @pytest.mark.parametrize("size", [(0, 4), (3, 0), (0, 0)])
    def test_no_rows_or_columns(self, size):
        m, n = size
        assert losses.dual_softmax(normal(2, m, n)).shape == (2, m, n)
        logits = normal(2, m, seed=1), normal(2, n, seed=2)
        out = losses.dual_softmax(normal(2, m, n), matchability1=logits[0], matchability2=logits[1])
        assert out.shape == (2, m + 1, n + 1) and out.isfinite().all()

    def test_its_loss_trains(self):
        scores, target = normal(6, 6).requires_grad_(), torch.tensor([3, 1, -1, 0, 5, -1])
        optimiser = torch.optim.Adam([scores], lr=0.3)
        for _ in range(60):
            optimiser.zero_grad()
            losses.matching_nll(losses.dual_softmax(scores, temperature=0.5), target).backward()
            optimiser.step()
        confidence = losses.dual_softmax(scores.detach(), temperature=0.5).exp()
        assert all(confidence[i, j] > 0.9 for i, j in enumerate(target) if j >= 0)

    def test_gradients_of_both_orders(self):
        inputs = [
            x.requires_grad_()
            for x in (normal(2, 3, 2), normal(2, 3, seed=1), normal(2, 2, seed=2), normal(2, seed=3).exp())
        ]

        def run(scores, z1, z2, tau):
            mask = torch.tensor([True, True, False])
            out = losses.dual_softmax(scores, matchability1=z1, matchability2=z2, temperature=tau, mask1=mask)
            return torch.where(out > -torch.inf, out, 0)

        assert gradcheck(run, inputs) and gradgradcheck(run, inputs)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"scores": torch.zeros(3, 4).byte()}, "dual_softmax: scores must be a floating tensor"),
            ({"temperature": 0.0}, "dual_softmax: temperature must be above 0"),
            ({"matchability1": torch.zeros(3)}, "dual_softmax: matchability2 must be given with the other one"),
            (
                {"matchability1": torch.zeros(3), "matchability2": torch.zeros(3)},
                r"dual_softmax: matchability2 must be of shape \(4,\), got \(3,\)",
            ),
            ({"mask1": torch.zeros(4, dtype=torch.bool)}, "dual_softmax: mask1 must be"),
        ],
        ids=range(5),
    )
    def test_refusals(self, options, match):
        with pytest.raises(ValueError, match=match):
            losses.dual_softmax(**({"scores": torch.zeros(3, 4)} | options))
