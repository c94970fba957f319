"""Structural similarity, as metric and as loss, against scikit-image and SciPy on photos."""

import functools

import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops import losses, metrics
from visionops.kernels import native

skimage = pytest.importorskip("skimage")
from skimage import data  # noqa: E402
from skimage.metrics import structural_similarity  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """Images of 20 pixels: on a busy machine torch's threads wait for each other a hundred times longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def pair(name="astronaut", dtype=torch.float64):
    """Returns a photo's middle and a noisy, darker one, (1, c, h, w)."""
    photo = np.atleast_3d(getattr(data, name)())[100:228, 140:280] / 255
    worse = (0.9 * photo + np.random.default_rng(0).normal(0, 0.05, photo.shape)).clip(0, 1)
    return tuple(torch.from_numpy(im).permute(2, 0, 1)[None].to(dtype) for im in (photo, worse))


def reference(x, y, **options):
    """Returns scikit-image's mean and map (c, h, w)."""
    x, y = (t[0].permute(1, 2, 0).double().numpy() for t in (x, y))
    options = {"sigma": 1.5, "data_range": 1.0} | options
    mean, full = structural_similarity(
        x, y, gaussian_weights=True, use_sample_covariance=False, channel_axis=2, full=True, **options
    )
    return mean, full.transpose(2, 0, 1)


def mirrored(x, y, sigma, radius, data_range=1.0):
    """Returns the map by Wang's equation 13 with SciPy's Gaussian, mirrored at the edge without repeating it."""
    x, y = x[0].numpy(), y[0].numpy()
    blur = functools.partial(
        scipy.ndimage.gaussian_filter, sigma=(0, sigma, sigma), mode="mirror", radius=(0, radius, radius)
    )
    mx, my = blur(x), blur(y)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variances, both = blur(x * x) - mx**2 + blur(y * y) - my**2, blur(x * y) - mx * my
    return (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (variances + c2))


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class TestMetric:
    @pytest.mark.parametrize("name", ["astronaut", "coffee", "brick", "moon"])
    def test_is_scikit_images(self, name):
        x, y = pair(name)
        mean, full = reference(x, y)
        assert 0.2 < mean < 0.95
        assert metrics.ssim(x, y).item() == pytest.approx(mean, abs=1e-12)
        whole = metrics.ssim(x, y, reduction="none")
        np.testing.assert_allclose(whole[0], full[:, 5:-5, 5:-5], atol=1e-11)
        assert metrics.ssim(x, y, reduction="sum").item() == pytest.approx(whole.sum().item(), rel=1e-12)

    def test_other_windows_and_ranges(self):
        x, y = pair()
        mean, _ = reference(255 * x, 255 * y, sigma=2.5, data_range=255.0)
        options = {"window_size": 2 * int(3.5 * 2.5 + 0.5) + 1, "sigma": 2.5, "data_range": 255.0}
        assert metrics.ssim(255 * x, 255 * y, **options).item() == pytest.approx(mean, abs=1e-12)

    @pytest.mark.parametrize("size", [3, 7])
    def test_box_windows_are_scikit_images(self, size):
        x, y = pair()
        options = {"win_size": size, "gaussian_weights": False}
        a, b = (t[0].permute(1, 2, 0).numpy() for t in (x, y))
        mean = structural_similarity(a, b, data_range=1.0, channel_axis=2, use_sample_covariance=False, **options)
        assert metrics.ssim(x, y, window="box", window_size=size).item() == pytest.approx(mean, abs=1e-12)

    def test_monodepth2s_is_half_the_loss(self):
        x, y = pair()
        pad = torch.nn.ReflectionPad2d(1)
        a, b = pad(x), pad(y)
        mean = torch.nn.AvgPool2d(3, 1)
        sa, sb = mean(a**2) - mean(a) ** 2, mean(b**2) - mean(b) ** 2
        both = mean(a * b) - mean(a) * mean(b)
        n = (2 * mean(a) * mean(b) + 0.01**2) * (2 * both + 0.03**2)
        theirs = ((1 - n / ((mean(a) ** 2 + mean(b) ** 2 + 0.01**2) * (sa + sb + 0.03**2))) / 2).clamp(0, 1)
        ours = losses.ssim(x, y, window="box", window_size=3, padding="reflect", reduction="none")
        torch.testing.assert_close(ours / 2, theirs)

    def test_reflect_has_a_window_at_every_pixel(self):
        x, y = pair()
        out = metrics.ssim(x, y, padding="reflect", reduction="none")
        np.testing.assert_allclose(out[0], mirrored(x, y, 1.5, 5), atol=1e-11)
        small = metrics.ssim(x, y, padding="reflect", window_size=5, sigma=0.8, reduction="none")
        np.testing.assert_allclose(small[0], mirrored(x, y, 0.8, 2), atol=1e-11)

    def test_float32_on_photos(self):
        # A bright flat window loses the digits of its variance, 1e-7 beside C2 = 9e-4; the mean does not show it.
        for name in ("astronaut", "coffee"):
            x, y = pair(name, torch.float32)
            exact = metrics.ssim(x.double(), y.double(), reduction="none")
            assert (metrics.ssim(x, y, reduction="none") - exact).abs().max() < 1e-3
            assert metrics.ssim(x, y).item() == pytest.approx(exact.mean().item(), abs=2e-6)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_computes_in_float32(self, dtype):
        x, y = pair(dtype=dtype)
        assert metrics.ssim(x, y).item() == metrics.ssim(x.float(), y.float()).to(dtype).item()

    def test_equal_images_are_1_and_flat_ones_compare_their_means(self):
        x, _ = pair()
        assert metrics.ssim(x, x).item() == pytest.approx(1, abs=1e-12)
        dark, light = (
            torch.full((1, 12, 12), 0.25, dtype=torch.float64),
            torch.full((1, 12, 12), 0.75, dtype=torch.float64),
        )
        wanted = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
        assert metrics.ssim(dark, light).item() == pytest.approx(wanted, abs=1e-9)

    def test_any_batch_dimensions(self):
        x, y = noise(2, 3, 4, 12, 13), noise(2, 3, 4, 12, 13, seed=1)
        out = metrics.ssim(x, y, reduction="none")
        assert out.shape == (2, 3, 4, 2, 3)
        torch.testing.assert_close(out[1, 2], metrics.ssim(x[1, 2], y[1, 2], reduction="none"))
        assert metrics.ssim(x[:, :0], y[:, :0], reduction="none").shape == (2, 0, 4, 2, 3)


class TestLoss:
    @pytest.mark.parametrize("padding", ["valid", "reflect"])
    def test_is_1_minus_the_metric(self, padding):
        x, y = pair()
        for reduction in ("none", "mean"):
            a = losses.ssim(x, y, padding=padding, reduction=reduction)
            torch.testing.assert_close(a, 1 - metrics.ssim(x, y, padding=padding, reduction=reduction))

    @pytest.mark.parametrize("padding", ["valid", "reflect"])
    def test_a_window_counts_if_all_its_pixels_do(self, padding):
        x, y = noise(2, 3, 17, 20), noise(2, 3, 17, 20, seed=1)
        mask = torch.ones(2, 1, 17, 20, dtype=torch.bool)
        mask[0, 0, 2, 3] = mask[1, 0, 15:, 12] = False
        r = 2
        whole = scipy.ndimage.minimum_filter(mask.numpy(), size=(1, 1, 5, 5), mode="nearest")
        options = {"window_size": 5, "sigma": 1.0, "padding": padding}
        full = losses.ssim(x, y, reduction="none", **options)
        whole = torch.from_numpy(whole if padding == "reflect" else whole[..., r:-r, r:-r]).expand(full.shape)
        out = losses.ssim(x, y, mask=mask, reduction="none", **options)
        assert torch.equal(out[~whole], torch.zeros_like(out[~whole])) and not whole.all()
        torch.testing.assert_close(out[whole], full[whole])
        torch.testing.assert_close(losses.ssim(x, y, mask=mask, **options), full[whole].mean())
        torch.testing.assert_close(losses.ssim(x, y, mask=mask, reduction="sum", **options), full[whole].sum())

    def test_what_is_masked_reaches_nothing(self):
        x, y = noise(2, 1, 14, 15), noise(2, 1, 14, 15, seed=1)
        mask = torch.ones(2, 1, 14, 15, dtype=torch.bool)
        mask[0, :, :2] = mask[1, :, :, -1] = False
        clean = x.clone().requires_grad_()
        losses.ssim(clean, y, mask=mask).backward()
        dirty = torch.where(mask, x, torch.nan).requires_grad_()
        loss = losses.ssim(dirty, torch.where(mask, y, torch.inf), mask=mask)
        loss.backward()
        assert loss.item() == losses.ssim(clean, y, mask=mask).item()
        assert torch.equal(dirty.grad, clean.grad) and (dirty.grad[~mask] == 0).all() and dirty.grad.abs().max() > 0

    def test_all_masked_is_0_with_gradient_0(self):
        x = noise(2, 3, 12, 12).mul(torch.nan).requires_grad_()
        for weight in (None, torch.full((12, 12), torch.nan)):
            for reduction in ("mean", "sum"):
                loss = losses.ssim(
                    x, x.detach(), mask=torch.zeros(12, 12, dtype=torch.bool), weight=weight, reduction=reduction
                )
                (gradient,) = torch.autograd.grad(loss, x)
                assert loss.item() == 0 and (gradient == 0).all()
        assert losses.ssim(x[:0], x[:0]).item() == 0

    def test_a_weight_is_of_the_window_around_its_pixel(self):
        x, y = noise(2, 3, 14, 15), noise(2, 3, 14, 15, seed=1)
        weight, mask = noise(2, 1, 14, 15, seed=2), noise(2, 3, 14, 15, seed=3) > 0.005
        full = losses.ssim(x, y, reduction="none")
        inner = weight[..., 5:-5, 5:-5].expand(full.shape)
        torch.testing.assert_close(losses.ssim(x, y, weight=weight), (full * inner).sum() / inner.sum())
        torch.testing.assert_close(losses.ssim(x, y, weight=weight, reduction="sum"), (full * inner).sum())
        counts = losses.ssim(x, y, mask=mask, reduction="none") != 0
        assert 0 < counts.sum() < counts.numel()
        wanted = (full * inner)[counts].sum() / inner[counts].sum()
        torch.testing.assert_close(losses.ssim(x, y, weight=weight, mask=mask), wanted)

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("padding", ["valid", "reflect"])
    def test_gradients_of_both_orders(self, padding, reduction):
        x, y = (noise(2, 1, 5, 4, seed=s).requires_grad_() for s in (0, 1))
        weight = noise(1, 5, 4, seed=2).requires_grad_()
        mask = torch.ones(1, 5, 4, dtype=torch.bool)
        mask[0, 0, 0] = False

        def loss(x, y, weight):
            return losses.ssim(x, y, window_size=3, padding=padding, mask=mask, weight=weight, reduction=reduction)

        assert torch.autograd.gradcheck(loss, (x, y, weight))
        assert torch.autograd.gradgradcheck(loss, (x, y, weight), fast_mode=True)
        assert torch.autograd.gradcheck(loss, (x, y, weight), check_forward_ad=True, check_backward_ad=False)

    @pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
    def test_gradients_at_equal_flat_images(self, level):
        x, y = (torch.full((1, 1, 6, 6), level, dtype=torch.float64, requires_grad=True) for _ in range(2))
        assert torch.autograd.gradcheck(lambda x, y: losses.ssim(x, y, window_size=3), (x, y), atol=1e-4)
        single = torch.full((1, 1, 12, 12), level, requires_grad=True)
        loss = losses.ssim(single, single.detach())
        loss.backward()
        # Two terms of size 1 / C2 = 1e3 cancel up to their roundings.
        assert loss.item() == pytest.approx(0, abs=1e-6) and single.grad.abs().max() < 1e-4

    def test_transforms_see_the_formula(self):
        x, y = noise(3, 1, 12, 13), noise(3, 1, 12, 13, seed=1)
        mask = noise(3, 1, 12, 13, seed=2) > 0.01
        one = functools.partial(losses.ssim, window_size=5)

        def masked(x, y, mask):
            return one(x, y, mask=mask)

        many = torch.vmap(torch.func.grad(masked))(x, y, mask)
        for k in range(3):
            alone = x[k].clone().requires_grad_()
            masked(alone, y[k], mask[k]).backward()
            torch.testing.assert_close(many[k], alone.grad)

    def test_compiles_whole_with_mask_and_weight(self):
        x, y, weight = noise(2, 1, 12, 13), noise(2, 1, 12, 13, seed=1), noise(2, 1, 12, 13, seed=2)
        mask = noise(2, 1, 12, 13, seed=3) > 0.01

        def loss(x):
            return losses.ssim(x, y, window_size=5, mask=mask, weight=weight)

        torch.compiler.reset()
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.compile(loss, fullgraph=True, backend="aot_eager")(a).backward()
        loss(b).backward()
        torch.testing.assert_close(a.grad, b.grad)

    def test_few_maps_are_kept_for_the_gradient(self):
        x = noise(2, 3, 64, 64, dtype=torch.float32).requires_grad_()
        y = noise(2, 3, 64, 64, seed=1, dtype=torch.float32)
        kept = {}

        def pack(t):
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with native.definitions_only(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            losses.ssim(x, y)
        # Four means, and the padded copies that torch's convolution keeps of the three that need a gradient.
        images = sum(size for at, size in kept.items() if at not in (x.data_ptr(), y.data_ptr())) / (x.numel() * 4)
        assert images < 4 + 3 * 2 * (74 / 64) ** 2 + 0.1

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"window_size": 4}, "ssim: window_size must be odd and positive, got 4. Add 1"),
            (
                {"window_size": 13},
                r"ssim: prediction must be at least as large as the window of 13x13, got \(1, 12, 12\)",
            ),
            ({"sigma": 0.0}, "ssim: sigma must be above 0"),
            ({"data_range": float("nan")}, "ssim: data_range must be above 0"),
            ({"padding": "same"}, "ssim: padding must be one of those known, got 'same'"),
            ({"window": "hann"}, "ssim: window must be one of those known, got 'hann'"),
            ({"reduction": "max"}, "ssim: reduction must be one of those known, got 'max'"),
            ({"mask": torch.ones(12, 12)}, "ssim: mask must be boolean, got torch.float32. Compare it: mask > 0"),
            (
                {"mask": torch.ones(3, 3, dtype=torch.bool)},
                r"ssim: mask must be a tensor broadcastable to \(1, 12, 12\)",
            ),
            ({"weight": torch.ones(2, 1, 12, 12)}, r"ssim: weight must be a tensor broadcastable to \(1, 12, 12\)"),
            ({"target": torch.zeros(1, 12, 13)}, "ssim: target must be of the shape and dtype of prediction"),
            ({"target": torch.zeros(1, 12, 12).double()}, "ssim: target must be of the shape and dtype of prediction"),
            ({"prediction": torch.zeros(1, 12, 12).byte()}, "ssim: prediction must be a floating tensor, got torch.uint8"),
            ({"prediction": torch.zeros(12, 12)}, r"ssim: prediction must be of shape \(\*batch, c, h, w\)"),
        ],
        ids=range(14),
    )
    def test_refusals(self, options, match):
        both = {"prediction": torch.zeros(1, 12, 12), "target": torch.zeros(1, 12, 12)}
        with pytest.raises(ValueError, match=match):
            losses.ssim(**(both | options))
