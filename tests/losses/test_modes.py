"""What may be around a loss, and what its inputs may be: autocast, half beside single precision, batched gradients."""

import pytest
import torch

from visionops import losses
from visionops.geometry import losses as geometry_losses

D = torch.float64


def images(c=3, n=24, dtype=D, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(2, c, n, n, generator=generator, dtype=D).to(dtype) for _ in range(2))


def calls(dtype=D):
    """Losses of a tensor, and the tensor."""
    (x, y), (d, e), (u, v) = images(dtype=dtype), images(1, dtype=dtype), images(2, dtype=dtype)
    labels = torch.randint(3, (2, 24, 24), generator=torch.Generator().manual_seed(1))
    p = x.softmax(1)
    weight = y[:, :1]
    return {
        "cauchy": (lambda x: losses.cauchy(x, y), x),
        "confusion_matrix": (lambda p: losses.confusion_matrix_loss(p, labels, metric="f1"), p),
        "dice": (lambda p: losses.dice(p, labels), p),
        "focal": (lambda x: losses.focal(x, labels), x),
        "mutual_information": (lambda x: losses.mutual_information(x, y, bins=8, weight=weight), x),
        "ssim": (lambda x: losses.ssim(x, y), x),
        "total_variation": (losses.total_variation, x),
        "photometric": (lambda x: geometry_losses.photometric(x, y), x),
        "min_reprojection": (lambda x: geometry_losses.min_reprojection([x, y.flip(-1)], y), x),
        "sequence_loss": (lambda u: geometry_losses.sequence_loss([u, 2 * u], v), u),
        "census": (lambda x: geometry_losses.census(x, y), x),
        "scale_invariant_depth": (lambda d: geometry_losses.scale_invariant_depth(d, e), d),
        "smoothness": (lambda d: geometry_losses.edge_aware_smoothness(d, y), d),
    }


@pytest.mark.parametrize("name", calls())
class TestModes:
    def test_gradients_in_batches(self, name):
        loss, x = calls()[name]
        x = x.clone().requires_grad_()
        value = loss(x)
        directions = torch.tensor([1.0, -2.0], dtype=D)
        (together,) = torch.autograd.grad(value, x, directions, is_grads_batched=True, retain_graph=True)
        (one,) = torch.autograd.grad(value, x)
        torch.testing.assert_close(together, directions[:, None, None, None, None] * one, rtol=1e-10, atol=1e-12)

    def test_autocast_changes_nothing(self, name):
        loss, x = calls(torch.float32)[name]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = loss(x)
        assert found.dtype == torch.float32
        assert torch.equal(found, loss(x))

    def test_half_precision_beside_single(self, name):
        """The first decides."""
        loss, x = calls(torch.float32)[name]
        half = x.half()
        assert torch.equal(loss(half), loss(half.float()).to(loss(half).dtype))

    def test_a_scaler_leaves_gradients_finite(self, name):
        """Under autocast losses are float32, as torch's are: 65536 is no float16."""
        loss, x = calls(torch.float32)[name]
        x = x.clamp(min=0.1).half().requires_grad_()
        with torch.autocast("cpu", dtype=torch.float16):
            value = loss(x)
        assert value.dtype == torch.float32
        (torch.amp.GradScaler("cpu", init_scale=2.0**16).scale(value)).backward()
        assert x.grad.isfinite().all()


def test_a_half_weight_does_not_make_the_result_half():
    far = losses.charbonnier(torch.tensor([1e5]), torch.zeros(1), weight=torch.ones(1).half())
    assert far.dtype == torch.float32 and far.item() == pytest.approx(1e5, rel=1e-4)
    near = losses.charbonnier(torch.ones(1).half(), torch.zeros(1), weight=torch.ones(1))
    assert near.dtype == torch.float16


def test_modules_are_what_functions_are_under_autocast():
    image = images(dtype=torch.float32)[0]
    beta, gamma = torch.full((3,), 0.5), torch.rand(3, 3, generator=torch.Generator().manual_seed(0))
    for module in (losses.DivisiveNormalization, losses.InverseDivisiveNormalization):
        layer = module(beta, gamma)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = layer(image)
        torch.testing.assert_close(found, layer(image), rtol=0, atol=0, equal_nan=True)


def test_half_sums_do_not_overflow_on_the_way():
    # 262144 hits are no float16.
    p = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 512, 512)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = losses.confusion_matrix_loss(p, torch.zeros(1, 512, 512, dtype=torch.long), metric="accuracy")
    assert loss.item() == 0


@pytest.mark.parametrize("scale", [100, 300, 1000])
def test_sinkhorn_in_single_precision_of_large_scores(scale):
    def gradient(dtype, grad):
        generator = torch.Generator().manual_seed(2)
        scores = (scale * torch.randn(6, 9, generator=generator)).to(dtype).requires_grad_()
        weights = torch.rand(7, 10, generator=generator).to(dtype)
        log_p = geometry_losses.sinkhorn_assignment(scores, dustbin=0.0, iterations=1000, grad=grad)
        return torch.autograd.grad((log_p.exp() * weights).sum(), scores)[0].double()

    exact = gradient(D, "unroll")
    torch.testing.assert_close(gradient(torch.float32, "implicit"), exact, rtol=0, atol=1e-3)
