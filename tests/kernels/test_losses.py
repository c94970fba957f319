"""Compiled loops of losses against their definitions: values, gradients, odd sizes and inputs."""

import pytest
import torch

from visionops import losses, metrics
from visionops.kernels import losses as kernels
from visionops.kernels import native

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

ROBUST = ("charbonnier", "cauchy", "welsch", "geman_mcclure")


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def value_and_gradients(function, *given):
    leaves = [t.clone().requires_grad_() for t in given]
    out = function(*leaves)
    pull = random(*out.shape, seed=9).to(out.dtype)
    return out.detach(), *torch.autograd.grad((out * pull).sum(), leaves)


def agree(function, *given, rtol=2e-6):
    """The kernels give what the definitions do in double precision."""
    found = value_and_gradients(function, *given)
    expected = value_and_gradients(function, *(t.double() for t in given))
    for a, b in zip(found, expected, strict=True):
        scale = float(b.abs().max()) if b.numel() else 0.0
        torch.testing.assert_close(a.double(), b, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", ROBUST)
class TestRobust:
    @pytest.mark.parametrize("n", [1, 15, 16, 17, 1024, 70001])
    def test_is_the_definition(self, name, n):
        agree(lambda a, b: getattr(losses, name)(a, b, scale=0.7, reduction="sum"), random(n), random(n, seed=1))

    @pytest.mark.parametrize("size", [1e-6, 1e-3, 30.0, 1e6])
    def test_small_and_large_residuals(self, name, size):
        x = size * random(1000)
        found = [value_and_gradients(lambda a: getattr(losses, name)(a, 0 * a), t) for t in (x, x.double())]
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-37)

    def test_views_and_equal_images(self, name):
        x = random(6, 5, 8).transpose(0, 2)
        agree(lambda a, b: getattr(losses, name)(a, b), x, random(8, 5, 6, seed=1))
        value, by_x, by_y = value_and_gradients(getattr(losses, name), x, x)
        assert value == 0 and not by_x.any() and not by_y.any()

    def test_nan_stays(self, name):
        x = random(100)
        x[70] = torch.nan
        assert getattr(losses, name)(x, 0 * x).isnan()

    def test_does_not_depend_on_threads(self, name):
        x, y = random(300_000), random(300_000, seed=1)
        threads = torch.get_num_threads()
        found = []
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(value_and_gradients(getattr(losses, name), x, y))
        torch.set_num_threads(threads)
        assert all(map(torch.equal, *found))


def test_squares_of_rows():
    agree(lambda a, b: metrics.psnr(a, b, reduction="none"), random(3, 2, 9, 7), random(3, 2, 9, 7, seed=1))
    agree(lambda a: metrics.psnr(a, a + 1), random(1, 4, 4))


class TestJaccard:
    @pytest.mark.parametrize("n", [1, 2, 65, 5000])
    def test_is_the_definition(self, n):
        errors, there = random(3, 2, 1, n), (random(3, 2, 1, n, seed=1) > 0.3).float()
        agree(lambda x: losses.lovasz_hinge(x, there.to(x.dtype), reduction="none"), errors, rtol=1e-5)
        p = errors.sigmoid()
        agree(lambda p: losses.lovasz_softmax(p, there.to(p.dtype), reduction="none"), p, rtol=1e-5)

    def test_what_does_not_count(self):
        labels = torch.randint(4, (2, 20, 30), generator=torch.Generator().manual_seed(1))
        labels[:, 3:7] = 255
        mask = random(2, 1, 20, 30, seed=2) > -1
        agree(lambda p: losses.lovasz_softmax(p, labels, mask=mask), random(2, 4, 20, 30).softmax(1), rtol=1e-5)

    def test_ties_come_in_their_order(self):
        errors, there = torch.tensor([[0.5, -3.0, 0.5, 0.0]]), torch.tensor([[0.0, 1.0, 1.0, 0.0]])
        counts = torch.tensor([[True, True, True, False]])
        # In order: 0 (wrongly there), 2, 1, and at last what does not count. J of 2 there: 1/3, 2/3, 1.
        steps = kernels.jaccard_steps(errors, there, counts)
        torch.testing.assert_close(steps, torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0.0]]))


class TestErosion:
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (23, 18)])
    def test_is_the_definition(self, size):
        p = torch.nn.functional.avg_pool2d(random(2, 3, *(n + 4 for n in size)), 5, 1).mul(3).sigmoid()
        target = (torch.nn.functional.avg_pool2d(random(2, 3, *(n + 4 for n in size), seed=1), 5, 1) > 0).float()
        assert not losses.hausdorff(p, target, iterations=0, reduction="none").any()
        for iterations in (1, 4):
            agree(
                lambda p, t, k=iterations: losses.hausdorff(p, t, iterations=k, alpha=1.5, reduction="none"),
                p, target, rtol=1e-5,
            )  # fmt: skip

    def test_nothing_and_everything_is_wrong(self):
        zero = torch.zeros(1, 1, 6, 6)
        agree(losses.hausdorff, zero, zero)
        agree(losses.hausdorff, zero, zero + 1, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
class TestFocal:
    @pytest.mark.parametrize("size", [(1, 1), (3, 5), (19, 23)])
    def test_of_classes_is_the_definition(self, gamma, size):
        logits = 3 * random(2, 4, *size)
        labels = torch.randint(4, (2, *size), generator=torch.Generator().manual_seed(1))
        agree(lambda x: losses.focal(x, labels, gamma=gamma, reduction="none"), logits)
        alpha = torch.tensor([0.1, 0.2, 0.3, 0.4])
        labels[0, 0, 0] = -1
        agree(lambda x: losses.focal(x, labels, gamma=gamma, alpha=alpha.to(x.dtype)), logits)

    @pytest.mark.parametrize("size", [(1, 1), (3, 5), (19, 23)])
    def test_of_labels_is_the_definition(self, gamma, size):
        logits, labels = 3 * random(2, 3, *size), random(2, 3, *size, seed=1).sigmoid()
        agree(lambda x, y: losses.focal(x, y, gamma=gamma, reduction="none"), logits, labels)
        for alpha in (0.25, torch.tensor([0.1, 0.5, 0.9])):
            agree(lambda x, y, a=alpha: losses.focal(x, y, gamma=gamma, alpha=a, reduction="none"), logits, labels)

    def test_certain_predictions(self, gamma):
        x = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])[None, None].requires_grad_()
        for y in (0.0, 1.0):
            loss = losses.focal(x, torch.full_like(x, y), gamma=gamma, reduction="none")
            exact = losses.focal(x.double(), torch.full_like(x, y).double(), gamma=gamma, reduction="none")
            torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-12)
            (grad,) = torch.autograd.grad(loss.sum(), x)
            torch.testing.assert_close(grad, torch.autograd.grad(exact.sum(), x)[0], rtol=1e-5, atol=1e-12)
        both = torch.stack([x[0], -x[0]])[None].detach()[0].requires_grad_()  # (2, 1, 7)
        loss = losses.focal(both, torch.zeros(1, 7, dtype=torch.long), gamma=gamma, reduction="none")
        assert loss.isfinite().all() and torch.autograd.grad(loss.sum(), both)[0].isfinite().all()
