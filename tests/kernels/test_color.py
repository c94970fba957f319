"""`convert`: compiled against definition, forward and adjoint."""

import numpy as np
import pytest
import torch

from visionops.color import lab, luv, oklab, ycbcr
from visionops.kernels import native
from visionops.kernels.color import Conversion, convert
from visionops.kernels.color.definition import CONVERSIONS
from visionops.kernels.pixel.program import LUMA

pytestmark = pytest.mark.skipif(not native.active(), reason="the compiled module is missing, or off")

ALL = {
    "gray": Conversion("affine", (*LUMA, 0.0)),
    "affine": ycbcr._TO,
    "decode": Conversion("decode"),
    "encode": Conversion("encode"),
    "hsv": Conversion("hsv"),
    "from_hsv": Conversion("from_hsv"),
    "hls": Conversion("hls"),
    "from_hls": Conversion("from_hls"),
    "lab": lab._TO,
    "from_lab": lab._FROM,
    "oklab": oklab._TO,
    "from_oklab": oklab._FROM,
    "luv": luv._TO,
    "from_luv": luv._FROM,
}
BACK = {"from_lab": "lab", "from_oklab": "oklab", "from_luv": "luv", "from_hsv": "hsv", "from_hls": "hls"}
# sRGB values where formulas have kinks, or divide by nothing.
SINGULAR = [
    (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0),
    (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.5, 0.25, 0.25), (0.25, 0.5, 0.5), (-0.25, 0.5, 0.25),
    (1.5, 0.5, 0.25), (-0.5, -0.5, -0.5), (0.75, 0.25, 0.25), (1e-4, 0.0, 0.0), (0.02, 0.02, 0.03),
]  # fmt: skip


def test_every_conversion_is_here():
    assert {c.name for c in ALL.values()} == set(CONVERSIONS)


def colours(name, image):
    """Returns an image of the conversion's own colours."""
    if name not in BACK:
        return image
    with native.definitions_only():
        return convert(image, ALL[BACK[name]])


def both(call):
    got = call()
    with native.definitions_only():
        return got, call()


def exactly(call, image):
    with native.definitions_only():
        return call(image.double())


def assert_as_close(got, want, exact):
    """Raises if the kernel is farther from float64 than a few of the definition's own errors in float32."""
    roundings = 2e-6 * exact.abs().amax().clamp(min=1)
    assert (got - exact).abs().max() <= 4 * (want - exact).abs().max() + roundings


@pytest.mark.parametrize("name", ALL)
class TestConvertAgainstDefinition:
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (5, 127), (3, 1030), (160, 130)])
    @pytest.mark.parametrize("layout", ["planar", "hwc", "strided", "wide"])
    def test_sizes_and_layouts(self, name, size, layout):
        rng = np.random.default_rng(size[1])
        image = torch.from_numpy(rng.random((2, 3, *size), dtype=np.float32))
        image = lay_out(colours(name, image), layout)
        got, want = both(lambda: convert(image, ALL[name]))
        exact = exactly(lambda x: convert(x, ALL[name]), image)
        assert_as_close(got, want, exact)

    @pytest.mark.parametrize("layout", ["planar", "hwc", "strided", "wide"])
    def test_bytes(self, name, layout):
        image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 31, 130), dtype=np.uint8))
        got, want = both(lambda: convert(lay_out(image, layout), ALL[name]))
        assert got.dtype == torch.uint8
        difference = (got.int() - want.int()).abs()
        # Half of all lightnesses (max + min) / 2 are ties, which two orders of rounding break either way.
        assert difference.max() <= 1
        assert (difference > 0).double().mean() <= (0.1 if name == "hls" else 5e-3)

    @pytest.mark.parametrize("layout", ["planar", "hwc", "wide"])
    def test_adjoint(self, name, layout):
        rng = np.random.default_rng(2)
        image = colours(name, torch.from_numpy(rng.random((2, 3, 7, 130), dtype=np.float32)))
        self.compare_gradients(name, lay_out(image, layout), layout)

    def test_adjoint_where_formulas_are_singular(self, name):
        image = torch.tensor(SINGULAR).T.reshape(1, 3, 1, -1)
        self.compare_gradients(name, colours(name, image), "planar")
        self.compare_gradients(name, image, "planar")

    def compare_gradients(self, name, image, layout):
        with torch.no_grad():
            shape = convert(image, ALL[name]).shape
        grad = lay_out(torch.randn(shape, generator=torch.Generator().manual_seed(1)), layout)

        def gradient(x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad(convert(x, ALL[name]), x, grad.to(x.dtype))[0]

        got, want = both(lambda: gradient(image))
        assert got.isfinite().all()
        assert_as_close(got, want, exactly(gradient, image))

    def test_results_do_not_depend_on_the_number_of_threads(self, name):
        before = torch.get_num_threads()
        image = torch.rand(2, 3, 300, 501).requires_grad_()
        try:
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                out = convert(image, ALL[name])
                results.append((out.detach(), torch.autograd.grad(out.square().sum(), image)[0]))
            for out, grad in results[1:]:
                assert torch.equal(out, results[0][0])
                assert torch.equal(grad, results[0][1])
        finally:
            torch.set_num_threads(before)

    def test_what_is_no_number_stays_within_its_pixel(self, name):
        image = torch.rand(1, 3, 9, 40)
        broken = image.clone()
        broken[0, 0, 4, 7], broken[0, 1, 5, 8], broken[0, 2, 6, 9] = torch.nan, torch.inf, -torch.inf
        got, want = convert(broken, ALL[name]), convert(image, ALL[name])
        whole = broken.isfinite().all(1, keepdim=True).expand_as(want)
        assert torch.equal(got[whole], want[whole])

    def test_empty(self, name):
        for shape in ((0, 3, 4, 4), (2, 3, 0, 4), (2, 3, 4, 0)):
            assert convert(torch.zeros(shape), ALL[name]).shape[2:] == shape[2:]
            assert convert(torch.zeros(shape, dtype=torch.uint8), ALL[name]).shape[0] == shape[0]


def lay_out(image, layout):
    """Returns the image with its pixels laid out otherwise in memory."""
    if layout == "hwc":
        return image.contiguous(memory_format=torch.channels_last)
    if layout == "strided":
        return image.repeat_interleave(2, 3)[..., ::2]
    if layout == "wide":  # rows with a gap between them
        return torch.cat([image, image], 3)[..., : image.shape[3]]
    return image.contiguous()


def test_an_affine_conversion_keeps_no_image():
    image = torch.rand(1, 3, 8, 8).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        convert(image, ALL["affine"])
    assert not [t for t in kept if t.numel() >= image.numel()]
