"""Losses of segmentation against formulas in NumPy, scikit-learn, SciPy and Kornia."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import nn

from visionops import losses

D = torch.float64


def logits(b=2, c=3, h=6, w=7, seed=0):
    return 2 * torch.randn(b, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=D)


def labels(b=2, c=3, h=6, w=7, seed=1):
    return torch.randint(0, c, (b, h, w), generator=torch.Generator().manual_seed(seed))


def one_hot(t, c=3):
    return nn.functional.one_hot(t, c).movedim(-1, -3).double()


class TestFocal:
    @pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.5])
    def test_of_classes(self, gamma):
        x, t = logits(), labels()
        p = x.softmax(1).numpy()
        pt = np.take_along_axis(p, t.numpy()[:, None], 1)
        expected = -((1 - pt) ** gamma) * np.log(pt)
        np.testing.assert_allclose(losses.focal(x, t, gamma=gamma, reduction="none"), expected, rtol=1e-10)
        torch.autograd.gradcheck(lambda x: losses.focal(x, t, gamma=gamma), x.requires_grad_())
        torch.autograd.gradgradcheck(lambda x: losses.focal(x, t, gamma=gamma), x, fast_mode=True)

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    def test_of_labels(self, gamma):
        x, y, alpha = logits(), torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(2), dtype=D), 0.3
        p, v = torch.sigmoid(x).numpy(), y.numpy()
        expected = -alpha * v * (1 - p) ** gamma * np.log(p) - (1 - alpha) * (1 - v) * p**gamma * np.log(1 - p)
        np.testing.assert_allclose(losses.focal(x, y, gamma=gamma, alpha=alpha, reduction="none"), expected, rtol=1e-9)
        a = torch.tensor([0.2, 0.5, 0.9], dtype=D, requires_grad=True)
        inputs = (x.requires_grad_(), y.requires_grad_(), a)
        torch.autograd.gradcheck(lambda x, y, a: losses.focal(x, y, gamma=gamma, alpha=a), inputs, fast_mode=True)
        torch.autograd.gradgradcheck(lambda x, y, a: losses.focal(x, y, gamma=gamma, alpha=a), inputs, fast_mode=True)

    def test_gamma_0_is_cross_entropy(self):
        x, t = logits(), labels()
        w = torch.tensor([0.5, 1.0, 2.0], dtype=D)
        expected = nn.functional.cross_entropy(x, t, weight=w, reduction="none")
        torch.testing.assert_close(losses.focal(x, t, gamma=0, alpha=w, reduction="none")[:, 0], expected)
        y = one_hot(t)
        expected = nn.functional.binary_cross_entropy_with_logits(x, y)
        torch.testing.assert_close(losses.focal(x, y, gamma=0), expected)

    def test_is_kornias(self):
        kornia = pytest.importorskip("kornia")
        x, t = logits(), labels()
        theirs = kornia.losses.focal_loss(x, t, alpha=None, gamma=2.0, reduction="none")  # of each class, 0 of others
        torch.testing.assert_close(losses.focal(x, t, reduction="none"), theirs.sum(1, keepdim=True))

    @pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
    def test_certain_predictions_have_finite_gradients(self, gamma):
        for size in (50.0, 1e4):
            x = (size * torch.tensor([1.0, -1.0, 0.0])).reshape(1, 3, 1, 1).expand(1, 3, 1, 3).clone().requires_grad_()
            t = torch.tensor([[[0, 1, 2]]])
            for target in (t, one_hot(t).float()):
                (grad,) = torch.autograd.grad(losses.focal(x, target, gamma=gamma), x)
                assert grad.isfinite().all()

    def test_pixels_without_a_class(self):
        x, t = logits(), labels()
        kept = torch.rand(t.shape, generator=torch.Generator().manual_seed(3)) < 0.6
        for none in (-1, 255, -100):
            found = losses.focal(x, torch.where(kept, t, none))
            torch.testing.assert_close(found, losses.focal(x, t, mask=kept[:, None]))

    def test_errors(self):
        x, t = logits(), labels()
        with pytest.raises(ValueError, match="focal: target must be classes"):
            losses.focal(x, t[:, :3])
        with pytest.raises(ValueError, match="focal: gamma must be at least 0"):
            losses.focal(x, t, gamma=-1)
        with pytest.raises(ValueError, match="focal: alpha must be one for each of 3"):
            losses.focal(x, t, alpha=torch.ones(2))
        with pytest.raises(ValueError, match="focal: mask must be boolean"):
            losses.focal(x, t, mask=torch.ones(2, 1, 6, 7))


class TestOverlap:
    @pytest.mark.parametrize("alpha, beta, smooth", [(0.5, 0.5, 0.0), (0.3, 0.7, 1.0), (1.0, 1.0, 0.5)])
    def test_tversky(self, alpha, beta, smooth):
        p, t = logits().softmax(1), labels()
        y = one_hot(t).numpy()
        v = p.numpy()
        tp, fp, fn = ((a).sum((-1, -2)) for a in (v * y, v * (1 - y), (1 - v) * y))
        expected = 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)
        options = {"alpha": alpha, "beta": beta, "smooth": smooth, "reduction": "none"}
        np.testing.assert_allclose(losses.tversky(p, t, **options), expected, rtol=1e-12)
        np.testing.assert_allclose(losses.tversky(p, one_hot(t), **options), expected, rtol=1e-12)

    def test_dice(self):
        p, t = logits().softmax(1), labels()
        y, v = one_hot(t).numpy(), p.numpy()
        expected = 1 - (2 * (v * y).sum((-1, -2)) + 1) / ((v + y).sum((-1, -2)) + 1)
        np.testing.assert_allclose(losses.dice(p, t, reduction="none"), expected, rtol=1e-12)

    def test_is_kornias_dice(self):
        kornia = pytest.importorskip("kornia")
        x, t = logits(b=1), labels(b=1)
        theirs = kornia.losses.dice_loss(x, t, average="macro", eps=1e-12)
        torch.testing.assert_close(losses.dice(x.softmax(1), t, smooth=1e-12), theirs, rtol=1e-6, atol=1e-8)

    def test_a_class_that_is_nowhere(self):
        p = torch.zeros(1, 2, 3, 3, dtype=D)
        p[:, 0] = 1
        p.requires_grad_()
        t = torch.zeros(1, 3, 3, dtype=torch.long)
        for smooth in (0.0, 1.0):
            loss = losses.dice(p, t, smooth=smooth, reduction="none")
            (grad,) = torch.autograd.grad(loss.sum(), p)
            assert (loss == 0).all() and grad.isfinite().all()

    def test_masks_and_weights(self):
        p, t = logits().softmax(1), labels()
        mask = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(4)) < 0.7
        mask[1] = False
        bad = torch.where(mask, p, float("nan")).requires_grad_()
        weight = torch.tensor([1.0, 0.0, 3.0], dtype=D)
        loss = losses.dice(bad, t, mask=mask, weight=weight)
        (grad,) = torch.autograd.grad(loss, bad)
        alone = losses.dice(p[:1, :, mask[0, 0]][..., None], one_hot(t)[:1, :, mask[0, 0]][..., None], reduction="none")
        torch.testing.assert_close(loss, (alone * weight).sum() / 4)
        assert grad.isfinite().all() and (grad[1] == 0).all()

    def test_errors(self):
        with pytest.raises(ValueError, match="tversky: beta must be at least 0"):
            losses.tversky(logits(), labels(), beta=-1.0)
        with pytest.raises(ValueError, match="dice: weight must be a tensor broadcastable to"):
            losses.dice(logits(), labels(), weight=torch.ones(2, 1, 6, 7))


def jaccard_extension(errors, truth):
    """The loss of one class by its definition: sorted errors, and how the Jaccard loss grows with each."""
    order = np.argsort(-errors, kind="stable")
    errors, truth = errors[order], truth[order]
    total, before, loss = truth.sum(), 0.0, 0.0
    for i in range(len(errors)):
        wrong = truth[: i + 1].sum(), (1 - truth[: i + 1]).sum()
        jaccard = 1 - (total - wrong[0]) / (total + wrong[1])
        loss += errors[i] * (jaccard - before)
        before = jaccard
    return loss


class TestLovasz:
    def test_softmax(self):
        p, t = logits().softmax(1), labels()
        y = one_hot(t).numpy()
        expected = [[jaccard_extension(np.abs(y - p.numpy())[b, c].ravel(), y[b, c].ravel()) for c in range(3)] for b in range(2)]
        np.testing.assert_allclose(losses.lovasz_softmax(p, t, reduction="none"), expected, rtol=1e-10)

    def test_hinge(self):
        x, t = logits(), labels()
        y = one_hot(t).numpy()
        errors = 1 - x.numpy() * (2 * y - 1)
        expected = [[jaccard_extension(np.maximum(errors[b, c].ravel(), 0), y[b, c].ravel()) for c in range(3)] for b in range(2)]
        np.testing.assert_allclose(losses.lovasz_hinge(x, one_hot(t), reduction="none"), expected, rtol=1e-10)

    def test_hard_predictions_give_the_jaccard_loss(self):
        truth, guess = labels(seed=5), labels(seed=6)
        found = losses.lovasz_softmax(one_hot(guess), truth, reduction="none")
        a, b = one_hot(truth).bool(), one_hot(guess).bool()
        expected = 1 - (a & b).sum((-1, -2)) / (a | b).sum((-1, -2))
        torch.testing.assert_close(found, expected.double())

    def test_is_kornias(self):
        kornia = pytest.importorskip("kornia")
        x, t = logits(b=1), labels(b=1)
        torch.testing.assert_close(losses.lovasz_softmax(x.softmax(1), t), kornia.losses.lovasz_softmax_loss(x, t))
        y = (labels(b=1, c=2) > 0).long()
        theirs = kornia.losses.lovasz_hinge_loss(x[:, :1], y)
        torch.testing.assert_close(losses.lovasz_hinge(x[:, :1], y[:, None].double()), theirs)

    def test_gradients(self):
        x, t = logits().requires_grad_(), labels()
        torch.autograd.gradcheck(lambda x: losses.lovasz_softmax(x.softmax(1), t), x)
        torch.autograd.gradcheck(lambda x: losses.lovasz_hinge(x, one_hot(t)), x)

    def test_classes(self):
        p, t = logits().softmax(1), labels().clamp(max=1)  # the third class is nowhere
        present = losses.lovasz_softmax(p, t, reduction="none")
        assert (present[:, 2] == 0).all()
        torch.testing.assert_close(losses.lovasz_softmax(p, t), present[:, :2].mean())
        every = losses.lovasz_softmax(p, t, classes="all", reduction="none")
        torch.testing.assert_close(every[:, 2], p[:, 2].flatten(1).amax(1))
        torch.testing.assert_close(every[:, :2], present[:, :2])

    def test_masked_pixels_do_not_matter(self):
        p, t = logits().softmax(1), labels()
        mask = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(4)) < 0.7
        found = losses.lovasz_softmax(torch.where(mask, p, float("nan")), t, mask=mask, reduction="none")
        for b in range(2):
            kept = mask[b, 0]
            alone = losses.lovasz_softmax(p[b : b + 1, :, kept][..., None], t[b : b + 1, kept][..., None], reduction="none")
            torch.testing.assert_close(found[b], alone[0])


class TestHausdorff:
    def test_is_the_papers(self):
        p, t = logits(seed=3).softmax(1), labels()
        wrong = (p.numpy() - one_hot(t).numpy()) ** 2
        cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) / 5
        expected, eroded = 0, wrong
        for k in range(1, 4):
            eroded = scipy.ndimage.convolve(eroded, cross[None, None], mode="constant")
            eroded = np.maximum(eroded - 0.5, 0)
            most = eroded.max((-1, -2), keepdims=True)
            eroded = eroded / np.where(most > 0, most, 1)
            expected = expected + eroded * k**2
        np.testing.assert_allclose(losses.hausdorff(p, t, iterations=3, reduction="none"), expected, atol=1e-12)

    def test_is_kornias(self):
        theirs = pytest.importorskip("kornia").losses.HausdorffERLoss(alpha=2.0, k=10)
        t = torch.zeros(2, 40, 40, dtype=torch.long)
        t[:, 8:30, 5:25] = 1
        p = one_hot(t.roll(9, -1)) * 0.9 + 0.05
        close = losses.hausdorff(p, t)
        assert close > 0.1
        np.testing.assert_allclose(close, theirs(p, t[:, None]), rtol=1e-6)

    def test_a_block_costs_more_than_its_pixels_apart(self):
        t = torch.zeros(1, 1, 15, 15)
        apart, block = t.clone(), t.clone()
        apart[..., 1:14:5, 1:14:5] = 1
        block[..., 5:8, 5:8] = 1
        assert losses.hausdorff(block, t) > 0 == losses.hausdorff(apart, t)

    def test_gradient_takes_the_maximum_for_constant(self):
        x = logits(b=1, c=1).requires_grad_()
        t = one_hot(labels(b=1, c=1), 1)
        assert losses.hausdorff(x.sigmoid(), t, iterations=0) == 0
        (grad,) = torch.autograd.grad(losses.hausdorff(x.sigmoid(), t), x)
        assert grad.isfinite().all() and grad.any()

    def test_errors(self):
        with pytest.raises(ValueError, match="hausdorff: iterations must be"):
            losses.hausdorff(logits(), labels(), iterations=-1)


class TestConfusionMatrix:
    @pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "iou", "mcc"])
    def test_hard_predictions_give_scikit_learns(self, metric):
        sklearn = pytest.importorskip("sklearn.metrics")
        truth, guess = labels(h=20, w=30, seed=7), labels(h=20, w=30, seed=8)
        guess = torch.where(torch.rand(truth.shape, generator=torch.Generator().manual_seed(9)) < 0.6, truth, guess)
        theirs = {
            "accuracy": sklearn.accuracy_score,
            "balanced_accuracy": sklearn.balanced_accuracy_score,
            "f1": lambda a, b: sklearn.f1_score(a, b, average="macro"),
            "iou": lambda a, b: sklearn.jaccard_score(a, b, average="macro"),
            "mcc": sklearn.matthews_corrcoef,
        }[metric]
        expected = [1 - theirs(a.ravel(), b.ravel()) for a, b in zip(truth.numpy(), guess.numpy(), strict=True)]
        found = losses.confusion_matrix_loss(one_hot(guess), truth, metric=metric, reduction="none")
        np.testing.assert_allclose(found, expected, atol=1e-12)

    @pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "iou", "mcc"])
    def test_gradients(self, metric):
        x, t = logits().requires_grad_(), labels()
        torch.autograd.gradcheck(lambda x: losses.confusion_matrix_loss(x.softmax(1), t, metric=metric), x)
        certain = one_hot(torch.zeros_like(t)).requires_grad_()
        (grad,) = torch.autograd.grad(losses.confusion_matrix_loss(certain, torch.zeros_like(t), metric=metric), certain)
        assert grad.isfinite().all()

    @pytest.mark.parametrize("pixels", [1, 10, 40, 100])
    def test_mcc_of_a_small_object(self, pixels):
        truth = torch.zeros(512, 512, dtype=torch.long)
        truth.view(-1)[:pixels] = 1
        found = one_hot(truth[None]).float()[0, :2].requires_grad_()
        loss = losses.confusion_matrix_loss(found, truth, metric="mcc")
        assert loss.abs() < 1e-5
        guess = truth.roll(pixels // 2 + 1)
        half = losses.confusion_matrix_loss(one_hot(guess[None]).float()[0, :2], truth, metric="mcc")
        sklearn = pytest.importorskip("sklearn.metrics")
        np.testing.assert_allclose(half, 1 - sklearn.matthews_corrcoef(truth.ravel(), guess.ravel()), atol=1e-5)

    def test_a_metric_of_all_samples_together_is_refused(self):
        with pytest.raises(ValueError, match="metric must be a function from .* Sum over the last"):
            losses.confusion_matrix_loss(logits().softmax(1), labels(), metric=lambda C: C.diagonal().sum() / C.sum())

    def test_any_metric(self):
        p, t = logits().softmax(1), labels()

        def f2(C):
            hits, true, predicted = C.diagonal(dim1=-2, dim2=-1), C.sum(-1), C.sum(-2)
            return (5 * hits / (4 * true + predicted)).mean(-1)

        y, v = one_hot(t).numpy(), p.numpy()
        tp, fp, fn = ((a).sum((-1, -2)) for a in (v * y, v * (1 - y), (1 - v) * y))
        expected = 1 - (5 * tp / (5 * tp + 4 * fn + fp)).mean(-1)
        np.testing.assert_allclose(losses.confusion_matrix_loss(p, t, metric=f2, reduction="none"), expected, rtol=1e-10)

    def test_masks(self):
        p, t = logits().softmax(1), labels()
        mask = torch.ones(2, 1, 6, 7, dtype=torch.bool)
        mask[1] = False
        found = losses.confusion_matrix_loss(torch.where(mask, p, float("nan")), t, mask=mask)
        torch.testing.assert_close(found, losses.confusion_matrix_loss(p[:1], t[:1]))

    def test_errors(self):
        with pytest.raises(ValueError, match="confusion_matrix_loss: metric must be"):
            losses.confusion_matrix_loss(logits(), labels(), metric="f2")


OVERLAPS = {
    "focal": losses.focal,
    "dice": losses.dice,
    "tversky": losses.tversky,
    "lovasz_softmax": losses.lovasz_softmax,
    "lovasz_hinge": losses.lovasz_hinge,
    "confusion_matrix_loss": losses.confusion_matrix_loss,
    "hausdorff": losses.hausdorff,
}


@pytest.mark.parametrize("name", OVERLAPS)
class TestTargets:
    def test_masks_of_any_shape(self, name):
        loss, p, t = OVERLAPS[name], logits().softmax(1), labels()
        mask = torch.rand(6, 7, generator=torch.Generator().manual_seed(2)) < 0.7
        for one in (mask, mask[0], torch.tensor(True)):
            whole = one.expand(6, 7).expand(2, 1, 6, 7)
            for target in (t, one_hot(t)):
                torch.testing.assert_close(loss(p, target, mask=one), loss(p, target, mask=whole))

    def test_one_channel_is_no_choice_of_classes(self, name):
        """Kornia's Lovasz hinge takes labels like that; here nothing but 0 would be a class."""
        p, t = logits(c=1).sigmoid(), labels(c=2)
        with pytest.raises(ValueError, match=rf"{name}: target must be floating .* target\[..., None, :, :\]"):
            OVERLAPS[name](p, t)
        assert OVERLAPS[name](p, t[..., None, :, :].double()).isfinite()

    def test_remedies(self, name):
        p, t = logits().softmax(1), labels()
        with pytest.raises(ValueError, match=r"target.squeeze\(-3\)"):
            OVERLAPS[name](p, t[:, None])
        with pytest.raises(ValueError, match=r"target.float\(\)"):
            OVERLAPS[name](p, one_hot(t).long())
        with pytest.raises(ValueError, match=r"target.long\(\)"):
            OVERLAPS[name](p, t > 0)
        with pytest.raises(ValueError, match="torch.from_numpy"):
            OVERLAPS[name](p.numpy(), t)
        with pytest.raises(ValueError, match=f"{name}: mask must be a tensor broadcastable"):
            OVERLAPS[name](p, t, mask=np.ones((6, 7), bool))

    def test_no_samples(self, name):
        p = torch.rand(0, 2, 4, 4, requires_grad=True)
        loss = OVERLAPS[name](p, torch.zeros(0, 4, 4, dtype=torch.long))
        loss.backward()
        assert loss.item() == 0 and p.grad.shape == p.shape


def test_lovasz_hinge_is_kornias_of_one_channel():
    kornia = pytest.importorskip("kornia")
    x, t = logits(1, 1), labels(1, 2)
    torch.testing.assert_close(losses.lovasz_hinge(x, t[:, None].double()), kornia.losses.lovasz_hinge_loss(x, t))
