"""What the shared checks of arguments say, in eager mode and under the compiler."""

import pytest
import torch

from visionops import enhance, filters, morphology, resample

IMAGE = torch.zeros(2, 3, 8, 9)
MISTAKES = {
    "border": (lambda x: filters.box_blur(x, kernel_size=3, border="mirror"), "border must be one of those known"),
    "kind": (lambda x: enhance.threshold(x, 0.5, kind="otsu"), "kind must be .* got 'otsu'. Known: binary"),
    "side": (lambda x: resample.resize(x, 4, side="short"), "Did you mean 'shortest'"),
    "size": (lambda x: filters.box_blur(x, kernel_size=0), "kernel_size must be positive"),
    "sigma": (lambda x: filters.gaussian_blur(x, sigma=-1.0), "sigma must be at least 0"),
    "unsharp": (lambda x: filters.unsharp_mask(x, sigma=-1.0), "unsharp_mask: sigma must be at least 0"),
    "bands": (lambda x: filters.difference_of_gaussians(x, sigma_low=-1.0), "difference_of_gaussians: sigma must be"),
    "elastic": (lambda x: resample.elastic_transform(x, alpha=1.0, sigma=-1.0), "elastic_transform: sigma must be"),
    "list": (lambda x: filters.gaussian_blur(x, sigma=[1.0, 2.0]), "sigma must be a number, or an array or tensor"),
    "text": (lambda x: enhance.adjust_gamma(x, "a"), "gamma must be a number"),
}


@pytest.mark.parametrize(("call", "match"), MISTAKES.values(), ids=MISTAKES)
class TestMistakes:
    def test_eager(self, call, match):
        with pytest.raises(ValueError, match=match):
            call(IMAGE)

    def test_compiled(self, call, match):
        torch._dynamo.reset()
        with pytest.raises(Exception, match=match):
            torch.compile(call, fullgraph=True, backend="eager")(IMAGE)


def test_a_size_that_nobody_can_know():
    call = torch.compile(lambda x, s: filters.gaussian_blur(x, sigma=s), fullgraph=True, backend="eager")
    for run in (call, torch.vmap(lambda x, s: filters.gaussian_blur(x, sigma=s))):
        with pytest.raises(Exception, match="kernel_size must be given where a compiled or mapped sigma"):
            run(IMAGE, torch.ones(2))


def test_mapped_elements():
    images, elements = torch.rand(2, 3, 8, 9), torch.rand(2, 3, 3) > 0.3
    out = torch.vmap(lambda x, e: morphology.erosion(x, element=e))(images, elements)
    assert all(torch.equal(o, morphology.erosion(x, element=e)) for o, x, e in zip(out, images, elements, strict=True))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: resample.Resize((3, 4), size=(5, 5)), "Resize: argument 'size' is given twice"),
        (lambda: filters.GaussianBlur(sigma=1.0, size=3), "GaussianBlur: argument 'size' is unknown"),
        (lambda: filters.GaussianBlur(), "GaussianBlur: argument 'sigma' is missing"),
    ],
)
def test_modules_refuse_arguments_when_made(make, match):
    with pytest.raises(TypeError, match=match):
        make()
