"""The loss of a sequence of flows, against RAFT's formula in NumPy."""

import numpy as np
import pytest
import torch

from visionops.geometry import losses
from visionops.testing import saved_bytes

D = torch.float64


def flows(n=3, batch=2, size=(6, 7)):
    """Returns predictions, each nearer to the target, and the target."""
    generator = torch.Generator().manual_seed(0)
    target = 5 * torch.randn(batch, 2, *size, generator=generator, dtype=D)
    return [target + torch.randn(batch, 2, *size, generator=generator, dtype=D) / (k + 1) for k in range(n)], target


def raft(predictions, target, valid, gamma=0.8, max_flow=400.0):
    """Returns the map (n, h, w) and which of its pixels count, in NumPy."""
    target = target.numpy()
    valid = valid & (np.sqrt((target**2).sum(1)) < max_flow)
    n = len(predictions)
    return sum(gamma ** (n - i - 1) * np.abs(p.numpy() - target).mean(1) for i, p in enumerate(predictions)), valid


class TestSequenceLoss:
    def test_is_rafts_over_what_counts(self):
        predictions, target = flows()
        target[0, 0, 2, 3] = 500.0
        mask = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(1)) < 0.7
        mask[0, 0, 2, 3] = True
        values, valid = raft(predictions, target, mask[:, 0].numpy())
        assert losses.sequence_loss(predictions, target, mask=mask).item() == pytest.approx(values[valid].mean())
        out = losses.sequence_loss(predictions, target, mask=mask, reduction="none")
        np.testing.assert_allclose(out[:, 0], np.where(valid, values, 0), rtol=1e-12)
        # RAFT's own mean is over all pixels.
        theirs = (values * valid).mean()
        assert losses.sequence_loss(predictions, target, mask=mask).item() * valid.mean() == pytest.approx(theirs)
        stacked = losses.sequence_loss(torch.stack(predictions), target, mask=mask)
        assert stacked.item() == pytest.approx(values[valid].mean())
        far = losses.sequence_loss(predictions, target, max_flow=None).item()
        assert far == pytest.approx(raft(predictions, target, True, max_flow=np.inf)[0].mean())

    def test_options_and_disparity(self):
        predictions, target = flows()
        values, valid = raft(predictions, target, True, gamma=0.5, max_flow=6.0)
        assert 0 < valid.sum() < valid.size
        assert losses.sequence_loss(predictions, target, gamma=0.5, max_flow=6.0).item() == pytest.approx(
            values[valid].mean()
        )
        one = [p[:, :1] for p in predictions[:1]]
        assert losses.sequence_loss(one, target[:, :1]).item() == pytest.approx(
            (one[0] - target[:, :1]).abs().mean().item()
        )

    def test_holes_of_the_target_do_not_count(self):
        predictions, target = flows()
        mask = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(1)) < 0.7
        wanted = losses.sequence_loss(predictions, target, mask=mask).item()
        for limit in (400.0, None):
            leaves = [p.clone().requires_grad_() for p in predictions]
            loss = losses.sequence_loss(leaves, torch.where(mask, target, torch.nan), max_flow=limit)
            loss.backward()
            assert loss.item() == wanted
            assert all(t.grad.isfinite().all() and not (t.grad * ~mask).any() and t.grad.any() for t in leaves)

    def test_gradients(self):
        predictions, target = flows(2, 1, (3, 4))
        leaves = tuple(t.requires_grad_() for t in (*predictions, target, torch.ones(1, 1, 3, 4, dtype=D)))

        def loss(first, second, target, weight):
            return losses.sequence_loss([first, second], target, weight=weight, reduction="none")

        assert torch.autograd.gradcheck(loss, leaves)
        assert torch.autograd.gradgradcheck(loss, leaves, fast_mode=True)

    def test_nothing_but_the_flows_is_kept(self):
        predictions, target = flows(4, 2, (32, 40))
        leaves = [p.requires_grad_() for p in predictions]
        kept = saved_bytes(lambda: losses.sequence_loss(leaves, target))
        assert sum(kept) < 1.1 * 2 * 5 * 8 * target.numel()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"predictions": []}, "sequence_loss: predictions must be at least one tensor, got list"),
            ({"predictions": [torch.zeros(2, 4, 5)]}, "predictions must be of the shape and dtype of target"),
            ({"gamma": 1.5}, "gamma must be from 0 to 1, got 1.5"),
            ({"max_flow": 0.0}, "max_flow must be above 0"),
        ],
        ids=range(4),
    )
    def test_refusals(self, options, match):
        both = {"predictions": [torch.zeros(2, 4, 4)], "target": torch.zeros(2, 4, 4)}
        with pytest.raises(ValueError, match=match):
            losses.sequence_loss(**(both | options))
