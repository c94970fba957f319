"""Affine and perspective warps and maps, against SciPy's exact positions and OpenCV."""

import cv2
import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops.resample import remap, warp_affine, warp_perspective

AFFINE = np.array([[0.86, 0.31, -12.3], [-0.27, 1.1, 20.7]])
HOMOGRAPHY = np.vstack([AFFINE, [4e-4, -7e-4, 1.0]])
MODES = {"constant": "grid-constant", "reflect": "mirror", "replicate": "nearest", "circular": "grid-wrap"}
BORDERS = {"constant": cv2.BORDER_CONSTANT, "reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE,
           "circular": cv2.BORDER_WRAP}  # fmt: skip
FLAGS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def positions(matrix, size):
    v, u = np.mgrid[: size[0], : size[1]].astype(np.float64)
    x, y, w = np.linalg.inv(matrix) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
    return (x / w).reshape(size), (y / w).reshape(size)


def scipy_sample(image, xy, border, fill=0.0):
    x, y = xy
    return np.stack(
        [scipy.ndimage.map_coordinates(p, (y, x), order=1, mode=MODES[border], cval=fill) for p in image.transpose(2, 0, 1)],
        -1,
    )


class TestAgainstSciPy:
    @pytest.mark.parametrize("border", MODES)
    @pytest.mark.parametrize("size", [(121, 150), (40, 201)])
    def test_bilinear(self, photo, apply, border, size):
        exact = photo.astype(np.float64)
        square = np.vstack([AFFINE, [0, 0, 1]])
        for dtype, atol in ((np.float64, 1e-10), (np.float32, 2e-5)):
            image = photo.astype(dtype)
            got = apply(warp_affine, image, AFFINE, size, border=border, fill=0.4)
            np.testing.assert_allclose(got, scipy_sample(exact, positions(square, size), border, 0.4), atol=atol)
            got = apply(warp_perspective, image, HOMOGRAPHY, size, border=border, fill=0.4)
            np.testing.assert_allclose(got, scipy_sample(exact, positions(HOMOGRAPHY, size), border, 0.4), atol=atol)
            x, y = positions(HOMOGRAPHY, size)
            got = apply(remap, image, torch.from_numpy(np.stack([x, y], -1)), border=border, fill=0.4)
            # Maps are float32 there: positions up to 256 are known to 1.5e-5 of a pixel.
            np.testing.assert_allclose(got, scipy_sample(exact, (x, y), border, 0.4), atol=3 * atol)

    @pytest.mark.parametrize("border", MODES)
    def test_bytes_are_rounded(self, grey_levels, apply, border):
        got = apply(warp_perspective, grey_levels, HOMOGRAPHY, border=border, fill=40)
        want = scipy_sample(grey_levels.astype(np.float64), positions(HOMOGRAPHY, (121, 150)), border, 40)
        assert got.dtype == np.uint8 and np.abs(got - want).max() <= 0.5 + 5e-3

    def test_nearest_of_masks(self, grey_levels, apply):
        x, y = positions(HOMOGRAPHY, (121, 150))
        mask = grey_levels.astype(np.int64) * 1_000_003
        inside = (np.floor(x + 0.5) >= 0) & (np.floor(x + 0.5) < 150) & (np.floor(y + 0.5) >= 0) & (np.floor(y + 0.5) < 121)
        want = mask[np.floor(y + 0.5).clip(0, 120).astype(int), np.floor(x + 0.5).clip(0, 149).astype(int)]
        want = np.where(inside[..., None], want, 7)
        got = apply(warp_perspective, mask, HOMOGRAPHY, interpolation="nearest", fill=7)
        assert got.dtype == np.int64 and (got == want).all()


class TestAgainstOpenCV:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_float(self, photo, apply, interpolation, border):
        if border == "circular" or interpolation == "bicubic":
            atol = 0.06  # positions rounded to 1/32 pixel, and slopes up to 1 a pixel
        else:
            atol = 0.06
        options = {"flags": FLAGS[interpolation], "borderMode": BORDERS[border], "borderValue": (0.4, 0.4, 0.4)}
        mine = {"interpolation": interpolation, "border": border, "fill": 0.4}
        x, y = (v.astype(np.float32) for v in positions(HOMOGRAPHY, (121, 150)))
        pairs = [
            (apply(warp_affine, photo, AFFINE, **mine), cv2.warpAffine(photo, AFFINE, (150, 121), **options)),
            (apply(warp_perspective, photo, HOMOGRAPHY, **mine), cv2.warpPerspective(photo, HOMOGRAPHY, (150, 121), **options)),
            (
                apply(remap, photo, torch.from_numpy(np.stack([x, y], -1)), **mine),
                cv2.remap(photo, x, y, options["flags"], borderMode=options["borderMode"], borderValue=options["borderValue"]),
            ),
        ]
        for got, want in pairs:
            assert np.abs(got - want).max() < atol and np.abs(got - want).mean() < 2e-3

    def test_fill_of_each_channel(self, photo, apply):
        got = apply(warp_affine, photo, AFFINE, fill=[0.1, 0.5, 0.9])
        want = cv2.warpAffine(photo, AFFINE, (150, 121), borderValue=(0.1, 0.5, 0.9))
        assert np.abs(got - want).mean() < 2e-3 and np.allclose(got[0, 0], (0.1, 0.5, 0.9))


class TestExactness:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int16, torch.bool, torch.float32, torch.float64, torch.float16])
    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
    def test_whole_pixels_move_bit_for_bit(self, dtype, interpolation):
        if interpolation != "nearest" and not (dtype.is_floating_point or dtype == torch.uint8):
            pytest.skip("integers are only moved")
        image = (torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0)) * 255).to(dtype)
        got = warp_affine(image, [[1.0, 0, 3], [0, 1, -2]], interpolation=interpolation)
        want = torch.zeros_like(image)
        want[..., :7, 3:] = image[..., 2:, :-3]
        assert torch.equal(got, want)
        flipped = warp_affine(image, [[-1.0, 0, 10], [0, 1, 0]], interpolation=interpolation)
        assert torch.equal(flipped, image.flip(-1))

    def test_a_singular_matrix_gives_fill(self):
        for matrix in ([[0.0, 0, 1], [0, 1, 0]], [[1.0, 1, 0], [1, 1, 0]]):
            assert (warp_affine(torch.rand(1, 5, 5), matrix, fill=0.25) == 0.25).all()
        assert (warp_perspective(torch.rand(1, 5, 5), torch.zeros(3, 3), fill=0.25) == 0.25).all()

    def test_a_scaled_homography_is_the_same(self):
        image = torch.rand(1, 20, 20)
        torch.testing.assert_close(
            warp_perspective(image, HOMOGRAPHY * -3), warp_perspective(image, HOMOGRAPHY), rtol=0, atol=1e-5
        )


class TestSamples:
    def test_a_matrix_of_each_sample(self):
        images = torch.rand(2, 3, 1, 8, 9, generator=torch.Generator().manual_seed(0))
        shifts = torch.eye(3).repeat(2, 3, 1, 1)
        shifts[..., 0, 2] = torch.arange(6.0).reshape(2, 3) / 2
        for operator, matrices in ((warp_affine, shifts[..., :2, :]), (warp_perspective, shifts)):
            out = operator(images, matrices)
            for i in range(2):
                for j in range(3):
                    torch.testing.assert_close(out[i, j], operator(images[i, j], matrices[i, j]), rtol=0, atol=1e-6)

    def test_gradients_to_matrix_and_map(self):
        generator = torch.Generator().manual_seed(1)
        image = torch.rand(2, 1, 7, 8, generator=generator, dtype=torch.float64, requires_grad=True)
        matrix = torch.tensor(AFFINE * [1, 1, 0.05], requires_grad=True)
        square = torch.tensor(HOMOGRAPHY * [1, 1, 0.05] + [[0, 0, 0], [0, 0, 0], [0, 0, 0.95]], requires_grad=True)
        places = (torch.rand(2, 4, 5, 2, generator=generator, dtype=torch.float64) * 9 - 1).requires_grad_()
        for interpolation in ("bilinear", "bicubic"):
            options = {"interpolation": interpolation, "fill": 0.3}
            torch.autograd.gradcheck(lambda x, m: warp_affine(x, m, (6, 6), **options), (image, matrix))  # noqa: B023
            torch.autograd.gradcheck(lambda x, m: warp_perspective(x, m, **options), (image, square))  # noqa: B023
            torch.autograd.gradcheck(lambda x, m: remap(x, m, **options), (image, places))  # noqa: B023

    def test_gradients_of_float32_are_those_of_float64(self):
        generator = torch.Generator().manual_seed(2)
        found = []
        for dtype in (torch.float32, torch.float64):
            x = torch.rand(2, 3, 30, 31, generator=generator.manual_seed(2), dtype=torch.float64).to(dtype).requires_grad_()
            m = torch.tensor(HOMOGRAPHY, dtype=dtype).repeat(2, 1, 1).requires_grad_()
            warp_perspective(x, m).square().mean().backward()
            found.append((x.grad.double(), m.grad.double()))
        torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=1e-6)
        torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize(
        ("call", "match"),
        [
            (lambda x: warp_affine(x, torch.eye(3)), r"warp_affine: matrix must be of shape \(2, 3\) or \(2, 2, 3\), got \(3, 3\)"),
            (lambda x: warp_affine(x, torch.zeros(3, 2, 3)), "warp_affine: matrix must be"),
            (lambda x: warp_affine(x, AFFINE, (0, 3)), "warp_affine: size must be positive whole numbers"),
            (lambda x: warp_affine(x, AFFINE, border="wrap"), "warp_affine: border must be one of those known"),
            (lambda x: warp_affine(x, AFFINE, interpolation="cubic"), "warp_affine: interpolation must be .* Did you mean 'bicubic'"),
            (lambda x: warp_affine(x, AFFINE, fill=[1, 2]), "warp_affine: fill must be a number or 3 of them"),
            (lambda x: warp_affine(x.int(), AFFINE), "warp_affine: image must be floating or uint8, got torch.int32"),
            (lambda x: warp_perspective(x, AFFINE), "warp_perspective: matrix must be of shape"),
            (lambda x: remap(x, np.zeros((4, 4, 2))), "remap: map_xy must be a tensor"),
            (lambda x: remap(x, torch.zeros(4, 4, 3)), r"remap: map_xy must be of shape \(\*batch, n, n, 2\)"),
            (lambda x: remap(x, torch.zeros(3, 4, 4, 2)), "remap: map_xy must be"),
        ],
        ids=range(11),
    )
    def test_refusals(self, call, match):
        with pytest.raises(ValueError, match=match):
            call(torch.zeros(2, 3, 8, 9))
