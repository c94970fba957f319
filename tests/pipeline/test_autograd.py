"""Gradients of whole pipelines against finite differences, and that none is ever NaN."""

import pytest
import torch
from torch import nn

import visionops as vo
import visionops.augment as va
from visionops.testing import smooth_image

H, W = 20, 24
INNER = (..., slice(6, 14), slice(7, 16))  # away from the hard edge of a fill


def photo(n=None):
    image = smooth_image((H, W)).double() * 0.8 + 0.05
    return image if n is None else torch.stack([image * (0.7 + 0.1 * k) for k in range(n)])


def difference(function, at, step=1e-5):
    """The central difference of a scalar function at a number."""
    return (function(at + step) - function(at - step)) / (2 * step)


def weights(like):
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(5), dtype=like.dtype)


class TestImage:
    CHAINS = {
        "geometry": lambda: (va.RandomResizedCrop((18, 16), (0.5, 0.9)), va.Rotate((-20, 20)), va.Perspective(0.3)),
        "colour": lambda: (va.Brightness((0.8, 1.1)), va.Contrast(), va.Saturation(), va.Hue(), va.Gamma(), va.Normalize(0.4, 0.3)),
        "local": lambda: (va.Rotate((-20, 20)), va.GaussianBlur((0.5, 1.5), p=0.5), va.ColorJitter(0.2, 0.2, 0.2, 0.1)),
        "deform": lambda: (va.Elastic(1.0, 8.0), va.Rotate(10), va.GaussianNoise(0.01, clip=False)),
        "gates": lambda: (va.OneOf(va.Rotate((-20, 20)), va.Gamma(), va.GaussianBlur(1.0)), va.Brightness((0.8, 1.1), p=0.5)),
        "antialias": lambda: (va.Resize((7, 8)), va.Invert()),
        "unfused borders": lambda: (va.Rotate((-20, 20)), va.Pad(3, border="reflect"), va.Rotate((-20, 20), border="circular", p=0.5)),
    }  # fmt: skip

    @pytest.mark.parametrize("chain", CHAINS)
    def test_passes_gradcheck(self, chain):
        pipe = vo.Pipeline(*self.CHAINS[chain]())
        x = photo(3).requires_grad_()
        torch.autograd.gradcheck(lambda t: pipe(t, index=[0, 1, 2]), (x,), fast_mode=True)

    @pytest.mark.parametrize("chain", CHAINS)
    def test_the_result_under_autograd_is_the_same(self, chain):
        pipe = vo.Pipeline(*self.CHAINS[chain]())
        x = photo(3).float()
        torch.testing.assert_close(
            pipe(x.clone().requires_grad_(), index=[0, 1, 2]).detach(), pipe(x, index=[0, 1, 2]), atol=2e-5, rtol=0
        )

    def test_through_collate_and_one_sample(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20)), va.Brightness(0.5))
        x = photo().requires_grad_()
        pipe(x, index=1).sum().backward()
        one, x.grad = x.grad.clone(), None
        pipe.collate([{"image": x, "index": 1}])["image"].sum().backward()
        torch.testing.assert_close(x.grad, one)
        assert one.abs().sum() > 0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_of_half_precision_is_near_that_of_double(self, dtype):
        pipe = vo.Pipeline(*self.CHAINS["geometry"](), va.Brightness(0.9))
        grads = []
        for kind in (torch.float64, dtype):
            x = photo(2).to(kind).requires_grad_()
            out = pipe(x, index=[0, 1])
            assert out.dtype == kind
            (out.double() * weights(out.double())).sum().backward()
            assert x.grad.dtype == kind
            grads.append(x.grad.double())
        # Weights of bilinear taps are computed in float32; a gradient of some 1 is rounded to 8 or 11 bits.
        torch.testing.assert_close(grads[1], grads[0], atol=0.03, rtol=0)


class TestValues:
    """Values of a draw given as tensors: an angle, a brightness, a corner, a window."""

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda: va.Rotate((-20, 20)), "degrees"),
            (lambda: va.Affine((-20, 20), (-2, 2), (0.9, 1.2), (-8, 8)), "scale_x"),
            (lambda: va.Affine((-20, 20), (-2, 2), (0.9, 1.2), (-8, 8)), "translate_y"),
            (lambda: va.Perspective(0.3), "corner2_x"),
            (lambda: va.RandomResizedCrop((H, W), (0.5, 0.9)), "left"),
            (lambda: va.Brightness((0.5, 0.9)), "brightness"),
            (lambda: va.Contrast((0.5, 0.9)), "contrast"),
            (lambda: va.Saturation((0.5, 0.9)), "saturation"),
            (lambda: va.Hue((0.02, 0.1)), "hue"),
            (lambda: va.Gamma((0.7, 1.5)), "gamma"),
            (lambda: va.GaussianBlur((0.5, 1.5), 7), "sigma"),
            (lambda: va.GaussianNoise((0.01, 0.02), clip=False), "sigma"),
            (lambda: va.Elastic((0.5, 1.0), 8.0), "alpha"),
        ],
    )
    def test_one_sample_against_finite_differences(self, make, name):
        pipe = vo.Pipeline(va.Resize((H, W)), make(), va.Invert(), antialias=False)
        params = pipe.sample((H, W), index=3)

        def loss(value):
            steps = [params["steps"][0], {**params["steps"][1], name: value}, params["steps"][2]]
            out = pipe.apply({**params, "steps": steps}, photo())[INNER]
            return (out * weights(out)).sum()

        value = torch.tensor(params["steps"][1][name], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(value), value)
        numeric = difference(lambda v: loss(torch.tensor(v, dtype=torch.float64)).item(), value.item())
        # Some fields and taps are float32: finite differences of 1e-5 see their rounding.
        assert gradient.item() == pytest.approx(numeric, rel=2e-2, abs=2e-3)
        assert abs(numeric) > 1e-3

    def test_a_tensor_of_each_sample_gets_its_own(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20)), va.Brightness((0.5, 0.9)))
        params = pipe.sample([(H, W)] * 3, index=[0, 1, 2])
        angle = torch.tensor(params["steps"][0]["degrees"], dtype=torch.float64, requires_grad=True)
        steps = [{**params["steps"][0], "degrees": angle}, params["steps"][1]]
        out = pipe.apply({**params, "steps": steps}, photo(3))
        torch.testing.assert_close(out.detach(), pipe.apply(params, photo(3)), atol=1e-9, rtol=0)
        jacobian = torch.stack(
            [torch.autograd.grad(out[k][INNER].sum(), angle, retain_graph=True)[0] for k in range(3)]
        )
        assert (jacobian.diagonal() != 0).all() and (jacobian - torch.diag(jacobian.diagonal()) == 0).all()

    def test_through_a_gate_only_the_samples_that_ran(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20), p=0.5))
        params = pipe.sample([(H, W)] * 8, index=range(8))
        active = torch.tensor(params["steps"][0]["active"])
        angle = torch.tensor(params["steps"][0]["degrees"], dtype=torch.float64, requires_grad=True)
        pipe.apply({**params, "steps": [{**params["steps"][0], "degrees": angle}]}, photo(8))[INNER].sum().backward()
        assert torch.equal(angle.grad != 0, active) and 0 < active.sum() < 8


class TestBounds:
    """Bounds of distributions given as nn.Parameter."""

    @pytest.mark.parametrize(
        ("make", "at"),
        [
            (lambda b: va.Rotate(va.Symmetric(b)), 15.0),
            (lambda b: va.Rotate(va.Uniform(-10, b)), 15.0),
            (lambda b: va.Rotate(va.Normal(0.0, b)), 5.0),
            (lambda b: va.Affine(scale=va.LogUniform(0.8, b)), 1.3),
            (lambda b: va.Affine(shear=((b, 20), (0, 0))), 3.0),
            (lambda b: va.Perspective(va.Uniform(0.0, b)), 0.3),
            (lambda b: va.RandomResizedCrop((H, W), va.Uniform(0.4, b)), 0.8),
            (lambda b: va.Brightness(va.Uniform(0.5, b)), 0.9),
            (lambda b: va.ColorJitter(va.Uniform(0.5, b), va.Uniform(0.8, 1.1), (0.8, 1.2), (-0.05, 0.05)), 0.9),
            (lambda b: va.ColorJitter((0.7, 0.9), va.Uniform(0.8, 1.1), va.Uniform(b, 1.0), (-0.05, 0.05)), 0.9),
            (lambda b: va.Gamma(va.Uniform(0.7, b)), 1.4),
            (lambda b: va.GaussianBlur(va.Uniform(0.5, b), 7), 1.2),
            (lambda b: va.Elastic(va.Uniform(0.2, b), 8.0), 0.7),
            (lambda b: va.GaussianNoise(va.Uniform(0.0, b), clip=False), 0.05),
            (lambda b: va.OneOf(va.Rotate(b), va.Affine(translate=3, rotate=b)), 9.0),
        ],
        ids=range(15),
    )
    @pytest.mark.parametrize("batch", [None, 3])
    def test_gradient_against_finite_differences_of_the_same_draw(self, make, at, batch):
        bound = nn.Parameter(torch.tensor(at, dtype=torch.float64))
        pipe = vo.Pipeline(make(bound), va.Invert(), antialias=False)
        index = 4 if batch is None else [4, 5, 6]

        def loss():
            out = pipe(photo(batch), index=index)[INNER]
            return (out * weights(out)).sum()

        loss().backward()
        gradient = bound.grad.item()

        def moved(value):
            with torch.no_grad():
                bound.fill_(value)
                return loss().item()

        # float32 parameters of colours and fields: a step of 1e-3 stays above their rounding.
        assert gradient == pytest.approx(difference(moved, at, 1e-3), rel=2e-2, abs=2e-3)

    def test_reaches_it_from_uint8(self):
        width = nn.Parameter(torch.tensor(20.0))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)), va.ToFloat())
        pipe((photo() * 255).to(torch.uint8), index=2)[INNER].sum().backward()
        assert width.grad.isfinite() and width.grad != 0

    def test_an_optimiser_changes_what_is_drawn(self):
        """Descent on the distance to the unrotated image makes the rotation smaller."""
        width = nn.Parameter(torch.tensor(12.0))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)))
        optimiser = torch.optim.Adam(pipe.parameters(), lr=0.5)
        before = pipe.sample([(H, W)] * 8, index=range(8))["steps"][0]["degrees"].detach()
        for _ in range(15):
            optimiser.zero_grad()
            loss = (pipe(photo(8), index=range(8)) - photo(8))[INNER].square().mean()
            loss.backward()
            optimiser.step()
        after = pipe.sample([(H, W)] * 8, index=range(8))["steps"][0]["degrees"].detach()
        assert 0 < width.item() < 8
        torch.testing.assert_close(after, before * (width.item() / 12), rtol=1e-5, atol=0)

    def test_params_keep_the_graph(self):
        width = nn.Parameter(torch.tensor(12.0))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)))
        params = pipe.sample((H, W), index=1)
        assert params["steps"][0]["degrees"].requires_grad
        pipe.matrix(params)[0, 1].backward()
        assert width.grad.isfinite() and width.grad != 0


class TestLabels:
    def test_points_boxes_and_intrinsics(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20)), va.Perspective(0.3), va.Resize((30, 31)))
        targets = {
            "keypoints": torch.tensor([[5.0, 6.0], [12.5, 9.0]], dtype=torch.float64),
            "boxes": torch.tensor([[8.0, 7.0, 14.0, 12.0]], dtype=torch.float64),
            "intrinsics": torch.tensor([[30.0, 0.1, 11.0], [0.0, 29.0, 9.0], [0.0, 0.0, 1.0]], dtype=torch.float64),
        }
        for name, value in targets.items():
            torch.autograd.gradcheck(
                lambda v, n=name: pipe(image=photo(), index=3, **{n: v})[n], (value.requires_grad_(),)
            )

    def test_points_through_a_deformation(self):
        pipe = vo.Pipeline(va.Rotate(10), va.Elastic(1.0, 8.0))
        points = torch.tensor([[9.3, 8.4], [12.6, 9.7]], dtype=torch.float64, requires_grad=True)
        out = pipe(image=photo(), keypoints=points, index=3)["keypoints"]
        moved = pipe(image=photo(), keypoints=points.detach() + torch.tensor([1e-4, 0]), index=3)["keypoints"]
        (gradient,) = torch.autograd.grad(out.sum(), points)
        # The field is read bilinearly: across an edge of its cells the slope jumps a little.
        torch.testing.assert_close(gradient[:, 0], ((moved - out.detach()) / 1e-4).sum(1), rtol=2e-3, atol=2e-3)

    def test_points_to_the_strength_of_a_deformation(self):
        pipe = vo.Pipeline(va.Elastic((1.0, 2.0), 8.0))
        params = pipe.sample((H, W), index=3)
        points = torch.tensor([[9.3, 8.4], [12.6, 9.7], [4.2, 15.5]], dtype=torch.float64)

        def where(alpha):
            steps = [{**params["steps"][0], "alpha": alpha}]
            return pipe.apply({**params, "steps": steps}, keypoints=points)["keypoints"]

        alpha = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
        jacobian = torch.autograd.functional.jacobian(where, alpha)
        step = 1e-3
        numeric = (where(torch.tensor(0.9 + step)) - where(torch.tensor(0.9 - step))) / (2 * step)
        torch.testing.assert_close(
            jacobian.reshape(numeric.shape), numeric, rtol=1e-2, atol=1e-2
        )  # the field is float32

    def test_points_to_the_bound_of_a_distribution(self):
        width = nn.Parameter(torch.tensor(12.0, dtype=torch.float64))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)))

        def where():
            return pipe(image=photo(), keypoints=torch.tensor([[3.0, 4.0]], dtype=torch.float64), index=1)[
                "keypoints"
            ].sum()

        where().backward()

        def moved(v):
            with torch.no_grad():
                width.fill_(v)
                return where().item()

        assert width.grad.item() == pytest.approx(difference(moved, 12.0), rel=1e-6)


class TestNeverNaN:
    FLAT = {"black": 0.0, "grey": 0.5, "white": 1.0}
    STEPS = {
        "Hue": (lambda: va.Hue(0.1), "hue", 0.0),
        "Saturation": (va.Saturation, "saturation", 1.0),
        "Contrast": (va.Contrast, "contrast", 1.0),
        "Brightness": (va.Brightness, "brightness", 0.0),
        "Gamma 0": (va.Gamma, "gamma", 0.0),
        "Gamma 0.5": (va.Gamma, "gamma", 0.5),
        "GaussianBlur 0": (lambda: va.GaussianBlur(1.0, 5), "sigma", 0.0),
        "GaussianNoise 0": (va.GaussianNoise, "sigma", 0.0),
        "Elastic 0": (lambda: va.Elastic(1.0, 5.0), "alpha", 0.0),
        "Rotate 0": (va.Rotate, "degrees", 0.0),
        "Affine 1": (va.Affine, "scale_x", 1.0),
        "Perspective 0": (lambda: va.Perspective(0.0), "corner0_x", 0.0),
    }

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
    @pytest.mark.parametrize("level", FLAT)
    @pytest.mark.parametrize("name", STEPS)
    def test_at_identity_values_on_flat_images(self, name, level, dtype):
        make, key, value = self.STEPS[name]
        pipe = vo.Pipeline(make())
        params = pipe.sample([(H, W)] * 2, index=[0, 1])
        given = torch.full((2,), value, dtype=torch.float64, requires_grad=True)
        params = {**params, "steps": [{**params["steps"][0], key: given}]}
        x = torch.full((2, 3, H, W), self.FLAT[level], dtype=dtype, requires_grad=True)
        out = pipe.apply(params, x)
        out.double().sum().backward()
        assert out.isfinite().all() and x.grad.isfinite().all() and given.grad.isfinite().all()

    @pytest.mark.parametrize("level", FLAT)
    def test_of_the_whole_chain(self, level):
        pipe = vo.Pipeline(
            va.RandomResizedCrop((16, 16)),
            va.Rotate(0),
            va.ColorJitter(0.4, 0.4, 0.4, 0.1),
            va.Gamma(0.3),
            va.Solarize(),
            va.Erase(),
            va.GaussianNoise(0.0),
            va.GaussianBlur(0.0),
            va.Normalize(0.5, 0.5),
        )
        x = torch.full((4, 3, H, W), self.FLAT[level], requires_grad=True)
        pipe(x, index=range(4)).sum().backward()
        assert x.grad.isfinite().all()

    def test_at_zero_width(self):
        for make in (va.Symmetric, lambda w: va.Uniform(0.0, w), lambda w: va.Normal(0.0, w)):
            width = nn.Parameter(torch.tensor(0.0))
            vo.Pipeline(va.Rotate(make(width)))(photo(2), index=[0, 1]).sum().backward()
            assert width.grad.isfinite()


class TestNaNBound:
    def test_a_learned_bound_that_became_nan_is_named(self):
        pipe = vo.Pipeline(va.Rotate(torch.nn.Parameter(torch.tensor(float("nan")))))
        with pytest.raises(ValueError, match="matrix must be finite, got NaN"):
            pipe(image=torch.rand(1, 3, 8, 8))
