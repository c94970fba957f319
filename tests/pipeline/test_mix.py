"""MixUp and CutMix against NumPy and scipy.stats."""

import numpy as np
import pytest
import scipy.stats
import torch

import visionops as vo
import visionops.augment as va

B, H, W, K = 16, 20, 30, 5


def batch(dtype=torch.float64, b=B):
    images = torch.rand(b, 3, H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ((images * 255).to(dtype) if dtype == torch.uint8 else images.to(dtype)), torch.arange(b) % K


def drawn(pipe, b=B, index=None):
    params = pipe.sample([(H, W)] * b, index=range(b) if index is None else index)
    return params, {k: np.asarray(v) for k, v in params["steps"][0].items() if k not in ("step",)}


def one_hot(labels):
    return np.eye(K)[np.asarray(labels)]


def rectangle(share, x, y):
    """The box of the paper: sides by the root of the share given away, about a uniform pixel, cut to the image."""
    side = np.sqrt(1 - share)
    cx, cy, w, h = np.floor(x * W), np.floor(y * H), np.floor(side * W), np.floor(side * H)
    x0, x1 = np.clip(np.floor(cx - w / 2), 0, W), np.clip(np.floor(cx + w / 2), 0, W)
    y0, y1 = np.clip(np.floor(cy - h / 2), 0, H), np.clip(np.floor(cy + h / 2), 0, H)
    return int(x0), int(y0), int(x1), int(y1)


class TestShare:
    @pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 2.0, 8.0])
    def test_quantiles_are_scipys_beta(self, alpha):
        u = np.linspace(0, 1, 1001)
        values = va.MixUp(alpha).sample((u, u, u, u), (H, W))["share"]
        expected = scipy.stats.beta(alpha, alpha).ppf(u)
        np.testing.assert_allclose(values[5:-5], expected[5:-5], atol=1e-4)
        # Towards the ends the quantile of a large alpha is steep: within a table's interval it bends.
        np.testing.assert_allclose(values, expected, atol=5e-3)

    @pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
    @pytest.mark.parametrize("step", [va.MixUp, va.CutMix])
    def test_draws_follow_it(self, step, alpha):
        _, v = drawn(vo.Pipeline(step(alpha)), 4000)
        assert scipy.stats.kstest(v["share"], scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-3

    def test_partners_are_everyone_once_and_nobody_oneself(self):
        for b in (2, 3, 16, 101):
            _, v = drawn(vo.Pipeline(va.MixUp()), b)
            partner = v["partner"].astype(int)
            assert sorted(partner) == list(range(b)) and (partner != np.arange(b)).all()

    def test_every_partner_is_as_likely(self):
        pipe = vo.Pipeline(va.MixUp())
        seen = np.array([drawn(pipe, 5, range(5 * i, 5 * i + 5))[1]["partner"][0] for i in range(2000)], int)
        counts = np.bincount(seen, minlength=5)
        assert counts[0] == 0 and scipy.stats.chisquare(counts[1:]).pvalue > 1e-3

    def test_a_batch_of_one_is_itself(self):
        images, labels = batch(b=1)
        for step in (va.MixUp(num_classes=K), va.CutMix(num_classes=K)):
            out = vo.Pipeline(step)(image=images, label=labels)
            torch.testing.assert_close(out["image"], images)
            np.testing.assert_allclose(out["label"], one_hot(labels))


class TestMixUp:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.uint8], ids=str)
    def test_formula(self, dtype):
        images, labels = batch(dtype)
        pipe = vo.Pipeline(va.MixUp(1.0, num_classes=K))
        params, v = drawn(pipe)
        out = pipe.apply(params, image=images, label=labels)
        share, partner = v["share"][:, None, None, None], v["partner"].astype(int)
        x = images.double().numpy()
        expected = share * x + (1 - share) * x[partner]
        assert out["image"].dtype == dtype
        tolerance = {torch.float64: 1e-7, torch.float32: 1e-6, torch.float16: 1e-3, torch.uint8: 0.501}[
            dtype
        ]  # the share is float32
        np.testing.assert_allclose(out["image"].double(), expected, atol=tolerance)
        np.testing.assert_allclose(
            out["label"],
            share[:, :, 0, 0] * one_hot(labels) + (1 - share[:, :, 0, 0]) * one_hot(labels)[partner],
            atol=1e-6,
        )

    def test_labels_that_are_soft_already(self):
        images, _labels = batch()
        soft = torch.rand(B, K, generator=torch.Generator().manual_seed(1)).softmax(1)
        pipe = vo.Pipeline(va.MixUp(1.0))
        params, v = drawn(pipe)
        out = pipe.apply(params, image=images, label=soft)["label"]
        share = v["share"][:, None]
        np.testing.assert_allclose(
            out, share * soft.numpy() + (1 - share) * soft.numpy()[v["partner"].astype(int)], atol=1e-6
        )
        torch.testing.assert_close(out.sum(1), torch.ones(B))

    def test_gates_leave_image_and_label_together(self):
        images, labels = batch()
        pipe = vo.Pipeline(va.MixUp(1.0, num_classes=K, p=0.5))
        params, v = drawn(pipe)
        out = pipe.apply(params, image=images, label=labels)
        still = [torch.equal(a, b) for a, b in zip(out["image"], images, strict=True)]
        assert still == (~v["active"]).tolist() and 0 < sum(still) < B
        np.testing.assert_array_equal(out["label"][still], one_hot(labels)[still])

    def test_a_step_before_and_after(self):
        """What is mixed is what came out of the steps before; draws of single steps are each sample's own."""
        images, _ = batch()
        pipe = vo.Pipeline(va.HorizontalFlip(p=0.5), va.MixUp(1.0), va.Invert())
        params = pipe.sample([(H, W)] * B, index=range(B))
        flipped = vo.Pipeline(va.HorizontalFlip(p=0.5))(images, index=range(B)).numpy()
        share, partner = (
            np.array(params["steps"][1]["share"])[:, None, None, None],
            np.array(params["steps"][1]["partner"], int),
        )
        np.testing.assert_allclose(
            pipe.apply(params, images), 1 - (share * flipped + (1 - share) * flipped[partner]), atol=1e-6
        )

    def test_gradient_reaches_both(self):
        images, _ = batch()
        pipe = vo.Pipeline(va.MixUp(1.0))
        params, v = drawn(pipe)
        x = images.clone().requires_grad_()
        pipe.apply(params, image=x)["image"][3].sum().backward()
        rows = x.grad.flatten(1).mean(1).numpy()
        expected = np.zeros(B)
        expected[3] += v["share"][3]
        expected[int(v["partner"][3])] += 1 - v["share"][3]
        np.testing.assert_allclose(rows, expected, atol=1e-6)

    def test_two_images_of_one_sample_are_mixed_alike(self):
        images, _ = batch()
        out = vo.Pipeline(va.MixUp(1.0), targets={"right": "image"})(image=images, right=images, index=range(B))
        assert torch.equal(out["image"], out["right"])


class TestCutMix:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.uint8], ids=str)
    def test_pastes_the_partners_rectangle_and_shares_by_its_area(self, dtype):
        images, labels = batch(dtype)
        masks = torch.arange(B)[:, None, None].expand(B, H, W).contiguous()
        pipe = vo.Pipeline(va.CutMix(1.0, num_classes=K))
        params, v = drawn(pipe)
        out = pipe.apply(params, image=images, mask=masks, label=labels)
        for k in range(B):
            x0, y0, x1, y1 = rectangle(v["share"][k], v["x"][k], v["y"][k])
            partner = int(v["partner"][k])
            expected, mask = images[k].clone(), masks[k].clone()
            expected[:, y0:y1, x0:x1] = images[partner, :, y0:y1, x0:x1]
            mask[y0:y1, x0:x1] = partner
            assert torch.equal(out["image"][k], expected) and torch.equal(out["mask"][k], mask)
            own = (mask == k).double().mean().item()
            np.testing.assert_allclose(
                out["label"][k], own * one_hot(labels)[k] + (1 - own) * one_hot(labels)[partner], atol=1e-6
            )

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.uint64, torch.bool], ids=str)
    def test_masks_of_every_integer_dtype(self, dtype):
        masks = (torch.arange(B)[:, None, None].expand(B, H, W) % 2).to(dtype)
        out = vo.Pipeline(va.CutMix(1.0, p=0.5))(image=batch()[0], mask=masks, index=range(B))["mask"]
        assert out.dtype == dtype and set(out.to(torch.int64).unique().tolist()) == {0, 1}

    def test_kept_area_has_the_mean_of_the_share(self):
        """Of rectangles that lie inside; those cut by the edge keep more, which the label follows."""
        _, v = drawn(vo.Pipeline(va.CutMix(1.0)), 4000)
        boxes = np.array([rectangle(*z) for z in zip(v["share"], v["x"], v["y"], strict=True)])
        kept = 1 - (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (H * W)
        assert (kept >= v["share"] - 1e-9).all()
        inside = (boxes[:, :2] > 0).all(1) & (boxes[:, 2:] < (W, H)).all(1)
        np.testing.assert_allclose(kept[inside], v["share"][inside], atol=0.09)  # a pixel of each side of 20 by 30

    def test_after_a_flip_of_the_mask(self):
        masks = torch.arange(B * H * W).reshape(B, H, W)
        pipe = vo.Pipeline(va.HorizontalFlip(), va.CutMix(1.0), va.VerticalFlip())
        params = pipe.sample([(H, W)] * B, index=range(B))
        out = pipe.apply(params, image=masks[:, None].double(), mask=masks)
        assert torch.equal(out["image"][:, 0].long(), out["mask"])


class TestLabels:
    @pytest.mark.parametrize("step", [va.MixUp, va.CutMix])
    def test_sum_to_one(self, step):
        images, labels = batch()
        for index in range(3):
            out = vo.Pipeline(step(0.7, num_classes=K))(
                image=images, label=labels, index=range(index * B, index * B + B)
            )["label"]
            assert out.shape == (B, K) and (out >= 0).all()
            torch.testing.assert_close(out.sum(1), torch.ones(B))

    def test_mix_after_mix(self):
        images, labels = batch()
        out = vo.Pipeline(va.MixUp(1.0, num_classes=K), va.CutMix(1.0))(image=images, label=labels, index=range(B))[
            "label"
        ]
        torch.testing.assert_close(out.sum(1), torch.ones(B))

    def test_one_of_the_two(self):
        images, labels = batch()
        out = vo.Pipeline(va.OneOf(va.MixUp(1.0, num_classes=K), va.CutMix(1.0, num_classes=K)))(
            image=images, label=labels, index=range(B)
        )["label"]
        torch.testing.assert_close(out.sum(1), torch.ones(B))

    @pytest.mark.parametrize(
        "form",
        [lambda y: y, lambda y: y.numpy(), lambda y: y.tolist(), lambda y: y.to(torch.uint8)],
        ids=["tensor", "numpy", "list", "uint8"],
    )
    def test_forms(self, form):
        images, labels = batch()
        out = vo.Pipeline(va.MixUp(1.0, num_classes=K))(image=images, label=form(labels), index=range(B))["label"]
        assert out.shape == (B, K) and out.is_floating_point()


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "targets", "match"),
        [
            (lambda: va.MixUp(0), {}, "MixUp: alpha must be above 0"),
            (lambda: va.CutMix(-1), {}, "CutMix: alpha must be above 0"),
            (lambda: va.MixUp(num_classes=0), {}, "MixUp: num_classes must be a positive int"),
            (
                lambda: va.MixUp(),
                {"label": torch.arange(B) % K},
                "MixUp: num_classes must be given where labels are integers",
            ),
            (
                lambda: va.MixUp(num_classes=3),
                {"label": torch.arange(B) % K},
                r"MixUp: label must be \(b,\) integers under 3",
            ),
            (lambda: va.MixUp(num_classes=K), {"label": torch.arange(B) - 1}, "MixUp: label must be"),
            (lambda: va.MixUp(), {"label": torch.rand(B)}, "MixUp: label must be integers .* or soft labels"),
            (lambda: va.MixUp(), {"label": ["a"] * B}, "MixUp: label must be|label"),
            (lambda: va.MixUp(), {"mask": torch.zeros(B, H, W)}, "MixUp: targets must be without masks"),
            (
                lambda: va.MixUp(),
                {"boxes": torch.zeros(B, 1, 4)},
                "MixUp: targets must be images, masks and labels, got boxes",
            ),
            (
                lambda: va.CutMix(),
                {"keypoints": torch.zeros(B, 1, 2)},
                "CutMix: targets must be images, masks and labels, got keypoints",
            ),
            (
                lambda: va.CutMix(),
                {"intrinsics": torch.eye(3)},
                "CutMix: targets must be images, masks and labels, got intrinsics",
            ),
        ],
        ids=range(12),
    )
    def test_say_why(self, make, targets, match):
        with pytest.raises(ValueError, match=match):
            vo.Pipeline(make())(image=batch()[0], **targets)
