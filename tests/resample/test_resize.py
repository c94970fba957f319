"""Resize against OpenCV, Pillow and torch."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from visionops.resample import Resize, rescale, resize

SIZES = [(60, 75), (57, 91), (121, 150), (242, 300), (200, 150), (31, 260), (1, 1), (7, 5)]
OPENCV = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4, "area": cv2.INTER_AREA}
PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}

# Where one axis grows and the other shrinks, OpenCV's area leaves pixels out.
CASES = [(i, s) for i in OPENCV for s in SIZES if i != "area" or (s[0] - 121) * (s[1] - 150) >= 0]


def pillow(image, size, kind):
    return np.stack([np.asarray(Image.fromarray(p).resize(size[::-1], kind)) for p in image.transpose(2, 0, 1)], -1)


class TestAgainstOpenCV:
    @pytest.mark.parametrize(("interpolation", "size"), CASES)
    def test_float(self, photo, apply, interpolation, size):
        got = apply(resize, photo, size, interpolation=interpolation, antialias=False)
        want = cv2.resize(photo, size[::-1], interpolation=OPENCV[interpolation])
        # OpenCV's weights are float32, and its area drops slivers under a thousandth of a pixel.
        np.testing.assert_allclose(got, want, atol=2e-3 if interpolation == "area" else 2e-5)

    @pytest.mark.parametrize(("interpolation", "size"), CASES)
    def test_bytes(self, grey_levels, apply, interpolation, size):
        got = apply(resize, grey_levels, size, interpolation=interpolation, antialias=False)
        want = cv2.resize(grey_levels, size[::-1], interpolation=OPENCV[interpolation])
        assert got.dtype == np.uint8 and np.abs(got.astype(int) - want).max() <= 1
        assert (got != want).mean() < 0.25  # its weights have 11 bits, and it cuts bits off between the axes

    @pytest.mark.parametrize("size", [*SIZES, (120, 149), (3, 400), (363, 450)])
    def test_nearest(self, grey_levels, apply, size):
        want = cv2.resize(grey_levels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        for image in (grey_levels, grey_levels.astype(np.float64), grey_levels.astype(np.int64)):
            got = apply(resize, image, size, interpolation="nearest")
            assert got.dtype == image.dtype and (got == want).all()


class TestAgainstPillowAndTorch:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("interpolation", PILLOW)
    def test_pillow_float(self, photo, apply, interpolation, size):
        got = apply(resize, photo, size, interpolation=interpolation)
        np.testing.assert_allclose(got, pillow(photo, size, PILLOW[interpolation]), atol=1e-6)

    @pytest.mark.parametrize("size", [s for s in SIZES if s != (31, 260)])  # where it begins with the rows
    @pytest.mark.parametrize("interpolation", PILLOW)
    def test_pillow_bytes(self, grey_levels, apply, interpolation, size):
        got = apply(resize, grey_levels, size, interpolation=interpolation)
        want = pillow(grey_levels, size, PILLOW[interpolation])
        assert np.abs(got.astype(int) - want).max() <= 1 and (got != want).mean() < 2e-3

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_torch_bytes(self, grey_levels, interpolation, size):
        image = torch.from_numpy(grey_levels).permute(2, 0, 1)[None]
        want = torch.nn.functional.interpolate(image, size, mode=interpolation, antialias=True)
        difference = (resize(image, size, interpolation=interpolation).int() - want.int()).abs()
        # Its weights have 16 bits or fewer.
        assert difference.max() <= 1 and (difference > 0).double().mean() < 0.05

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest-exact"])
    @pytest.mark.parametrize("antialias", [False, True])
    def test_torch(self, photo, interpolation, size, antialias):
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].double()
        if interpolation == "nearest-exact" and antialias:
            pytest.skip("torch has none")
        want = torch.nn.functional.interpolate(image, size, mode=interpolation, antialias=antialias)
        got = resize(image, size, interpolation=interpolation.partition("-")[0], antialias=antialias)
        torch.testing.assert_close(got, want, rtol=0, atol=1e-12)

    def test_gradient_is_torchs(self, photo):
        image = torch.from_numpy(photo).permute(2, 0, 1)[None]
        grads = []
        for run in (
            lambda x: resize(x, (50, 200), interpolation="bicubic"),
            lambda x: torch.nn.functional.interpolate(x, (50, 200), mode="bicubic", antialias=True),
        ):
            x = image.clone().requires_grad_()
            run(x).square().sum().backward()
            grads.append(x.grad)
        torch.testing.assert_close(*grads, rtol=0, atol=1e-5)


class TestSizes:
    def test_a_side_keeps_the_aspect(self):
        image = torch.zeros(3, 40, 61)
        sizes = {side: tuple(resize(image, 20, side=side).shape[-2:]) for side in ("shortest", "longest", "height", "width")}
        assert sizes == {"shortest": (20, 31), "longest": (13, 20), "height": (20, 31), "width": (13, 20)}

    def test_rescale(self):
        image = torch.rand(2, 3, 9, 10)
        assert rescale(image, 0.5).shape == (2, 3, 5, 5)
        assert rescale(image, (2, 0.01)).shape == (2, 3, 18, 1)
        assert torch.equal(rescale(image, 2.0, antialias=False), resize(image, (18, 20), antialias=False))

    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "area"])
    def test_the_same_size_is_the_same_image(self, interpolation):
        image = torch.rand(2, 3, 7, 8)
        out = resize(image, (7, 8), interpolation=interpolation)
        assert torch.equal(out, image) and out.data_ptr() != image.data_ptr()

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "area"])
    @pytest.mark.parametrize("antialias", [False, True])
    def test_flat_images_stay_flat(self, interpolation, antialias):
        for size in ((3, 4), (50, 1), (9, 11)):
            out = resize(torch.full((1, 9, 11), 0.3), size, interpolation=interpolation, antialias=antialias)
            torch.testing.assert_close(out, torch.full((1, *size), 0.3), rtol=0, atol=1e-6)

    def test_module(self):
        image = torch.rand(2, 3, 8, 9)
        for module in (Resize(4), Resize(size=4), Resize((4, 5), antialias=False)):
            assert torch.equal(module(image), resize(image, **{n: getattr(module, n) for n in module.option_names}))
        assert repr(Resize((4, 5), antialias=False)) == "Resize(size=(4, 5), antialias=False)"
        with pytest.raises(TypeError, match="Resize: argument 'size' is missing"):
            Resize()
        with pytest.raises(TypeError, match="Resize: 2 arguments without a name are too many"):
            Resize(4, "bilinear")

    @pytest.mark.parametrize(
        ("call", "match"),
        [
            (lambda x: resize(x, (0, 4)), r"resize: size must be positive whole numbers \(height, width\), got \(0, 4\)"),
            (lambda x: resize(x, (4, 4, 4)), "resize: size must be positive whole numbers"),
            (lambda x: resize(x, -2), "resize: size must be positive whole pixels"),
            (lambda x: resize(x, 4, side="short"), "resize: side must be .* Did you mean 'shortest'"),
            (lambda x: resize(x, 4, interpolation="linear"), "resize: interpolation must be .* Did you mean 'bilinear'"),
            (lambda x: resize(x[..., :0], 4), "resize: image must be of shape .* not without pixels"),
            (lambda x: resize(x.long(), 4), "resize: image must be floating or uint8, got torch.int64"),
            (lambda x: resize(x.numpy(), 4), "resize: image must be a tensor .* got ndarray. torch.from_numpy"),
            (lambda x: rescale(x, 0.0), "rescale: factor must be above 0"),
            (lambda x: rescale(x, (1.0, 2.0, 3.0)), "rescale: factor must be above 0"),
        ],
        ids=range(10),
    )
    def test_refusals(self, call, match):
        with pytest.raises(ValueError, match=match):
            call(torch.zeros(3, 8, 9))
