"""Whole pipelines through the Triton twins, as `VISIONOPS_TRITON=1` runs them: see `test_triton.py`, which runs this."""

import os

import numpy as np
import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs inside test_triton.py, with TRITON_INTERPRET=1", allow_module_level=True)

import visionops.augment as va
from visionops import Pipeline
from visionops.kernels import filter_separable, native, warp
from visionops.kernels.filter import cuda as filters
from visionops.kernels.warp import cuda as warps


@pytest.fixture
def calls(monkeypatch):
    """Counts what Triton's twins are asked for."""
    counts = {}

    def count(key, run):
        def counted(*args):
            counts[key] = counts.get(key, 0) + 1
            with np.errstate(all="ignore"):
                return run(*args)

        return counted

    for kind, module in (("warp", warps), ("filter", filters)):
        for name in ("forward", "backward"):
            monkeypatch.setattr(module, name, count((kind, name), getattr(module, name)))
    return counts


def grads(pipe, image):
    leaf = image.clone().requires_grad_()
    out = pipe(image=leaf, index=[3, 4])["image"]
    weights = torch.rand(out.shape, generator=torch.Generator().manual_seed(0))
    return out.detach(), torch.autograd.grad((out * weights).sum(), [leaf, *pipe.parameters()])


def test_a_whole_pipeline_and_its_gradients(calls):
    angle = torch.nn.Parameter(torch.tensor(20.0))
    pipe = Pipeline(va.Affine(rotate=va.Symmetric(angle)), va.Perspective(0.2), va.ColorJitter(0.4, 0.4, 0.4, 0.1),
                    va.GaussianBlur(1.0, 3), va.Normalize(0.5, 0.2))  # fmt: skip
    image = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    out, found = grads(pipe, image)
    assert calls == {("warp", "forward"): 2, ("warp", "backward"): 2, ("filter", "forward"): 1, ("filter", "backward"): 1}
    with native.definitions_only():
        expected, wanted = grads(pipe, image)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=2e-3 * float(wanted[0].abs().max()))
    torch.testing.assert_close(found[1], wanted[1], rtol=2e-2, atol=0)


def test_a_linear_pipeline_saves_no_image_and_nearest_moves_nothing(calls):
    inverse = torch.eye(3)[None].requires_grad_()
    image = torch.rand(1, 3, 8, 8).requires_grad_()
    by_image, by_matrix = torch.autograd.grad(warp(image, inverse, (6, 7), interpolation="nearest").sum(), (image, inverse))
    assert by_matrix.count_nonzero() == 0 and by_image.sum() == 3 * 6 * 7
    pipe = Pipeline(va.Crop((1, 1, 7, 7)), va.Normalize(0.5, 0.25))
    (by_image,) = torch.autograd.grad(pipe(image=image)["image"].sum(), image)
    assert by_image.sum() == 4 * 3 * 36
    assert calls["warp", "backward"] == 2


def test_bytes_and_halves(calls):
    bytes_in = torch.randint(0, 256, (2, 3, 9, 11), dtype=torch.uint8)
    pipe = Pipeline(va.Affine((-20, 20)), va.Brightness((0.8, 1.2)), antialias=False)
    for image in (bytes_in, (bytes_in / 255.0).half(), (bytes_in / 255.0).bfloat16()):
        out = pipe(image=image, index=[1, 2])["image"]
        with native.definitions_only():
            expected = pipe(image=image, index=[1, 2])["image"]
        assert out.dtype == image.dtype
        atol = {torch.uint8: 1, torch.float16: 2e-3, torch.bfloat16: 1e-2}[image.dtype]
        torch.testing.assert_close(out.float(), expected.float(), rtol=0, atol=atol)
    assert calls["warp", "forward"] == 3


def test_second_derivatives_come_from_the_definition(calls):
    taps = torch.tensor([[0.2, 0.5, 0.3]])
    image = torch.rand(1, 1, 6, 7).requires_grad_()
    (first,) = torch.autograd.grad(filter_separable(image, taps, taps).pow(4).sum(), image, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), image)
    with native.definitions_only():
        (first,) = torch.autograd.grad(filter_separable(image, taps, taps).pow(4).sum(), image, create_graph=True)
        (wanted,) = torch.autograd.grad(first.square().sum(), image)
    torch.testing.assert_close(second, wanted, rtol=1e-4, atol=1e-5)
