"""Whole pipelines under `torch.compile(fullgraph=True)`: the same draws give what eager mode gives, without recompiling.

Eager mode is the reference, which the other files compare with OpenCV, Pillow and closed formulas. It shares the
formulas, but neither the way the numbers take (floats and arrays there, tensors here) nor the kernels (C++ there).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import visionops as vo
import visionops.augment as va
from visionops import testing
from visionops.kernels.pixel import Instruction, Op, definition, pixel
from visionops.kernels.warp import warp

SIZE = (40, 48)
N = 6


@pytest.fixture(autouse=True)
def fresh():
    """Graphs of other tests neither help nor hinder, and a second compilation of one function is an error."""
    torch.compiler.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        yield


def compiled(function, backend="aot_eager"):
    return torch.compile(function, fullgraph=True, backend=backend)


def batch(seed=0, size=SIZE, n=N):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def rich(**options):
    """Every kind of step, gates of every kind, a random order, and a batch step in the middle."""
    return vo.Pipeline(
        va.RandomResizedCrop((32, 36), scale=(0.3, 1.0)),
        va.HorizontalFlip(p=0.5),
        va.SomeOf(va.Rotate((-20, 20), p=0.7), va.Perspective(0.3), va.Affine(scale=(0.4, 0.9), p=0.8), n=(1, 2)),
        va.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        va.OneOf(va.Invert(), va.Gamma(), va.Posterize(4), va.Solarize(0.7), va.GaussianBlur((0.3, 1.2))),
        va.CutMix(num_classes=5, p=0.5),
        va.Sequential(va.GaussianNoise((0.01, 0.03)), va.Erase(p=0.6), p=0.5),
        va.MixUp(num_classes=5, p=0.5),
        va.Normalize(0.5, 0.25),
        seed=4,
        **options,
    )


class TestRich:
    def test_inside(self):
        """Indices, epochs, images and labels change; the graph does not, and every result is eager's."""
        pipe = rich()

        @compiled
        def run(image, label, index):
            out = pipe(image=image, label=label, index=index)
            return out["image"], out["label"]

        for k in range(4):
            pipe.set_epoch(k // 2)
            image, label, index = batch(k), torch.arange(N) % (k + 2), torch.arange(N) * 7 + k
            seen, soft = run(image, label, index)
            expected = pipe(image=image, label=label, index=index)
            testing.close(seen, expected["image"], torch.float32, scale=4)  # one over the standard deviation
            testing.close(soft, expected["label"], torch.float32)

    def test_outside(self):
        pipe = rich()
        run = compiled(lambda params, image, label: pipe.apply(params, image=image, label=label)["image"])
        for k in range(4):
            params = pipe.sample([SIZE] * N, index=range(k, N + k), epoch=k, view=k % 2, device="cpu")
            image, label = batch(k), torch.arange(N) % (k + 2)
            plain = pipe.sample([SIZE] * N, index=range(k, N + k), epoch=k, view=k % 2)
            expected = pipe.apply(plain, image=image, label=label)["image"]
            assert torch.equal(pipe.apply(params, image=image, label=label)["image"], expected)
            testing.close(run(params, image, label), expected, torch.float32, scale=4)

    def test_gradients(self):
        """In double precision: where a colour lies at a clamp, rounding would decide which way its gradient goes.

        Colours' parameters are float32 for a batch in eager mode, and differ by so much.
        """
        pipe = rich()
        label, index = torch.arange(N) % 5, torch.arange(N)
        run = compiled(lambda image: (pipe(image=image, label=label, index=index)["image"] ** 2).sum())
        image = batch().double().requires_grad_()
        (seen,) = torch.autograd.grad(run(image), image)
        (expected,) = torch.autograd.grad((pipe(image=image, label=label, index=index)["image"] ** 2).sum(), image)
        testing.close(seen, expected, torch.float32, scale=float(expected.abs().max()))

    @pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # inductor's own imports
    def test_inductor(self):
        pipe = vo.Pipeline(
            va.Rotate((-20, 20), p=0.5), va.ColorJitter(0.4, hue=0.1), va.GaussianBlur((0.3, 1.2)), va.MixUp(),
            antialias=False,
        )  # fmt: skip

        def run(image, label, index):
            out = pipe(image=image, label=label, index=index)
            return out["image"], out["label"]

        fast = compiled(run, "inductor")
        for k in range(3):
            image, label, index = batch(k).requires_grad_(), torch.eye(N), torch.arange(N) + k
            seen, expected = fast(image, label, index), run(image, label, index)
            testing.close(seen, expected, torch.float32, scale=2)
            gradients = [torch.autograd.grad(out[0].square().sum(), image)[0] for out in (seen, expected)]
            testing.close(*gradients, torch.float32, scale=20)


class TestDraws:
    def test_index_epoch_and_view_key_them(self):
        pipe = vo.Pipeline(va.Brightness((0.2, 0.9)), seed=2**64 - 3)
        run = compiled(lambda image, index: torch.stack([pipe(image=image, index=index, view=v)["image"] for v in (0, 1)]))
        image = torch.full((N, 1, 1, 1), 1.0)
        seen = []
        for epoch in (0, 1, 5):
            pipe.set_epoch(epoch)
            for start in (0, 3):
                index = torch.arange(N) + start
                seen.append(run(image, index))
                expected = [pipe(image=image, index=index, view=v)["image"] for v in (0, 1)]
                testing.close(seen[-1], torch.stack(expected), torch.float32)
        assert len({round(v, 5) for one in seen for v in one.flatten().tolist()}) == 2 * 3 * (N + 3)

    def test_fresh_in_every_call(self):
        pipe = vo.Pipeline(va.Brightness((0.2, 0.9)))
        run = compiled(lambda image: pipe(image))
        image = torch.full((N, 1, 1, 1), 1.0)
        torch.manual_seed(3)
        first, second = run(image), run(image)
        assert len({round(v, 6) for v in (*first.flatten().tolist(), *second.flatten().tolist())}) == 2 * N
        torch.manual_seed(3)
        assert torch.equal(run(image), first)

    def test_training_step(self):
        """Learned bounds descend as they do in eager mode; every step has other images, indices and parameters."""

        def train(step):
            for k in range(5):
                loss = step(batch(k), torch.arange(N) + k)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return [p.item() for p in parameters]

        learned = []
        for wrap in (lambda f: f, compiled):
            parameters = [nn.Parameter(torch.tensor(v)) for v in (10.0, 0.8, 0.4)]
            pipe = vo.Pipeline(
                va.Affine(rotate=va.Symmetric(parameters[0])),
                va.ColorJitter(brightness=va.Uniform(parameters[1], 1.2), contrast=0.2),
                va.GaussianNoise(va.Uniform(0.0, parameters[2]), p=0.5),
            )
            optimizer = torch.optim.SGD(parameters, lr=0.5)
            target = batch(99)

            def loss(image, index, pipe=pipe, target=target):
                return (pipe(image=image, index=index)["image"] - target).square().mean()

            learned.append(train(wrap(loss)))
        assert all(abs(a - b) > 1e-4 for a, b in zip(learned[0], (10.0, 0.8, 0.4), strict=True))
        assert learned[1] == pytest.approx(learned[0], rel=1e-5)

    # torch looks at the gradient of what is no leaf, and hides its own warning from all but a filter of errors.
    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
    def test_gradient_to_values(self):
        """`sample` may draw what a Parameter bounds; its graph goes on through the compiled part."""
        width = nn.Parameter(torch.tensor(20.0))
        pipe = vo.Pipeline(va.Rotate(va.Symmetric(width)), va.Brightness((0.5, 1.0)), antialias=False)
        run = compiled(lambda params, image: pipe.apply(params, image=image)["image"].square().sum())
        image = testing.smooth_image(SIZE)[None].repeat(N, 1, 1, 1)
        gradients = []
        for apply in (run, lambda params, image: pipe.apply(params, image=image)["image"].square().sum()):
            params = pipe.sample([SIZE] * N, index=range(N), device="cpu")
            gradients.append(torch.autograd.grad(apply(params, image), width)[0].item())
        assert gradients[0] == pytest.approx(gradients[1], rel=1e-4) and gradients[0] != 0

    def test_plain_and_tensor_draws_are_one(self):
        pipe = rich()
        plain, tensors = (pipe.sample([SIZE] * N, index=range(N), device=d) for d in (None, "cpu"))
        for a, b in zip(plain["steps"], tensors["steps"], strict=True):
            assert a.keys() == b.keys()
            for key, value in b.items():
                if isinstance(value, torch.Tensor):
                    assert value.shape == (N,) and value.dtype == (torch.bool if key == "active" else torch.float64)
                    assert (torch.as_tensor(a[key], dtype=value.dtype) == value).all()


class TestTargets:
    def test_labels_follow(self):
        pipe = vo.Pipeline(
            va.RandomResizedCrop((32, 36)), va.HorizontalFlip(p=0.5), va.Affine((-30, 30), p=0.5), va.Perspective(0.3),
            keypoint_swap=[(0, 1)],
        )
        g = torch.Generator().manual_seed(0)
        low = torch.rand(N, 5, 2, generator=g) * 20
        targets = {
            "image": batch(),
            "mask": torch.randint(0, 9, (N, *SIZE), generator=g, dtype=torch.uint8),
            "boxes": torch.cat([low, low + 1 + torch.rand(N, 5, 2, generator=g) * 20], -1),
            "keypoints": torch.rand(N, 4, 2, generator=g) * 40,
            "intrinsics": torch.eye(3).expand(N, 3, 3) * 2,
        }
        run = compiled(lambda targets, index: pipe(targets, index=index))
        for k in range(3):
            index = torch.arange(N) + 10 * k
            seen, expected = run(targets, index), pipe(targets, index=index)
            assert seen.keys() == expected.keys()
            assert torch.equal(seen["mask"], expected["mask"])
            for name in ("boxes_valid", "keypoints_valid"):
                assert torch.equal(seen[name], expected[name])
            for name in ("image", "boxes", "keypoints", "intrinsics"):
                testing.close(seen[name], expected[name], torch.float32, scale=100)  # pixels

    def test_deformed_labels_follow(self):
        pipe = vo.Pipeline(va.Elastic(2.0, 8.0, p=0.7), va.Rotate((-20, 20)))
        targets = {"image": batch(), "keypoints": torch.rand(N, 4, 2) * 30}
        seen = compiled(lambda targets, index: pipe(targets, index=index))(targets, torch.arange(N))
        expected = pipe(targets, index=torch.arange(N))
        for name in ("image", "keypoints"):
            testing.close(seen[name], expected[name], torch.float32, scale=100)

    def test_one_sample(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20), p=0.5), va.ColorJitter(0.4, 0.4))
        run = compiled(lambda image, index: pipe(image=image, index=index)["image"])
        for k in range(4):
            image = batch(k)[0]
            testing.close(run(image, torch.tensor(k)), pipe(image=image, index=k)["image"], torch.float32)

    def test_uint8(self):
        pipe = vo.Pipeline(va.Rotate((-20, 20)), va.Brightness((0.5, 1.0)))
        image = (batch() * 255).to(torch.uint8)
        index = torch.arange(N)
        seen = compiled(lambda image, index: pipe(image=image, index=index)["image"])(image, index)
        assert seen.dtype == torch.uint8
        testing.close(seen, pipe(image=image, index=index)["image"], torch.uint8)

    def test_borders(self):
        pipe = vo.Pipeline(
            va.Rotate((-20, 20), border="reflect", p=0.5), va.Affine(translate=(-9, 9), border="circular", scale=0.3)
        )
        index = torch.arange(N)
        seen = compiled(lambda image, index: pipe(image=image, index=index)["image"])(batch(), index)
        testing.close(seen, pipe(image=batch(), index=index)["image"], torch.float32)


class TestUnseen:
    """Kernels whose operations and levels the host does not see, beside the same ones in plain sight."""

    def test_codes(self):
        ops = (Op.SCALE, Op.GAMMA, Op.HUE, Op.NOISE)
        codes = torch.tensor([int(op) for op in (*ops, Op.NONE, Op.GAMMA)], dtype=torch.int32)
        params = torch.rand(N, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        image = batch(size=(7, 6)).double().requires_grad_()
        results = []
        for step in (Instruction(codes, params, ops), Instruction(codes.numpy(), params)):
            out = definition.pixel(image, [step])
            results.append([out, *torch.autograd.grad(out.square().sum(), (image, params))])
        for seen, expected in zip(*results, strict=True):
            testing.close(seen, expected, torch.float64)

    def test_parameters_of_another_operation_spoil_no_gradient(self):
        """x ** -5000 is infinite; it belongs to the sample that runs the scale, and so does the row."""
        params = torch.tensor([[-5000.0, 1, 1, 0, 0, 0, -9, 9], [0.5, 1, 0, 0, 0, 0, 0, 0]], requires_grad=True)
        codes = torch.tensor([int(Op.SCALE), int(Op.GAMMA)], dtype=torch.int32)
        image = batch(size=(3, 3), n=2).requires_grad_()
        out = pixel(image, [Instruction(codes, params, (Op.SCALE, Op.GAMMA))])
        assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), (image, params)))

    @pytest.mark.parametrize("border", ["replicate", "constant", "reflect", "circular"])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_levels(self, border, interpolation):
        """Odd sizes, levels beyond the image, a matrix and a dense map; NumPy's levels reduce by `avg_pool2d`."""
        levels = np.array([[0, 0], [1, 0], [0, 3], [2, 1], [12, 5], [3, 3]], np.int32)
        matrix = np.array([[[4.0, 0.3, -9.0], [-0.2, 3.0, 2.5], [0.001, 0.002, 1.0]]]).repeat(N, 0)
        x = torch.rand(1, 6, 5, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 60 - 10
        image = batch(size=(37, 26)).double().requires_grad_()
        for where in ({"inverse": torch.from_numpy(matrix)}, {"inverse": None, "coordinates": x}):
            outs = [
                warp(image, size=(6, 5), levels=v, border=border, interpolation=interpolation, fill=0.4, **where)
                for v in (torch.from_numpy(levels), levels)
            ]
            testing.close(outs[0], outs[1], torch.float64)
            testing.close(*(torch.autograd.grad(o.square().sum(), image)[0] for o in outs), torch.float64)


class TestRefusals:
    @pytest.mark.parametrize(
        "call, said",
        [
            (lambda p, x: p(image=x.permute(0, 2, 3, 1).numpy()), "image must be a tensor under torch.compile"),
            (lambda p, x: p(image=x, index=3), "index must be a tensor under torch.compile"),
            (lambda p, x: p(image=x, boxes=[[0, 0, 1, 1]] * N), "boxes must be a tensor under torch.compile"),
            (lambda p, x: p.collate([x[0]]), "collate: samples must be"),
        ],
    )
    def test_targets(self, call, said):
        pipe = vo.Pipeline(va.Rotate((5, 10)))
        with pytest.raises(RuntimeError, match=rf"^ValueError: .*{said}"):
            compiled(lambda x: call(pipe, x))(batch())

    @pytest.mark.parametrize(
        "step, said",
        [
            (va.Rotate90(), "Rotate90: image must be square"),
            (va.Resize((9, 9), p=0.5), "Resize: p must be 1 under torch.compile"),
            (va.GaussianBlur(va.Normal(1.0, 0.1)), "GaussianBlur: kernel_size must be given under torch.compile"),
        ],
    )
    def test_steps(self, step, said):
        pipe = vo.Pipeline(step)
        with pytest.raises(RuntimeError, match=rf"^ValueError: {said}"):
            compiled(lambda x: pipe(x))(batch())

    def test_plain_params(self):
        pipe = vo.Pipeline(va.Rotate((5, 10)))
        params = pipe.sample([SIZE] * N)
        with pytest.raises(RuntimeError, match="^ValueError: apply: .* must be a tensor under torch.compile"):
            compiled(lambda x: pipe.apply(params, x))(batch())

    def test_sizes_that_differ(self):
        with pytest.raises(ValueError, match="^sample: shapes must be of one size"):
            vo.Pipeline(va.Rotate((5, 10))).sample([(4, 5), (6, 7)], device="cpu")
