"""Normalisation, whitening and weighted sums against OpenCV and closed formulas."""

import cv2
import numpy as np
import pytest
import torch

from visionops import enhance
from visionops.enhance.whitening import inverse_sqrt

from .photos import chw, hwc, levels_apart, photo, unit

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TestNormalize:
    def test_is_the_formula(self):
        image = photo()
        expected = (image / 255 - MEAN) / STD
        for given in (chw(image), chw(unit(image))):
            result = enhance.normalize(given, MEAN, STD)
            assert result.dtype == torch.float32
            np.testing.assert_allclose(hwc(result), expected, atol=1e-6)
        np.testing.assert_allclose(hwc(enhance.denormalize(result, MEAN, torch.tensor(STD))), image / 255, atol=1e-6)

    def test_by_sample(self):
        x = torch.stack([chw(unit(photo(9, 8)))] * 2)
        mean = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
        result = enhance.normalize(x, mean, 0.5)
        torch.testing.assert_close(result, (x - mean[..., None, None]) / 0.5)

    def test_gradients(self):
        x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        mean = torch.tensor(MEAN, dtype=torch.float64, requires_grad=True)
        std = torch.tensor([STD, MEAN], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(enhance.normalize, (x, mean, std))
        torch.autograd.gradcheck(enhance.denormalize, (x, mean, std))

    def test_refuses(self):
        for std in (0.0, np.float32(0), np.array([1.0, 0.0, 1.0]), (1.0, 0.0, 1.0), float("nan")):
            with pytest.raises(ValueError, match="normalize: std must be above 0, got"):
                enhance.normalize(torch.zeros(3, 2, 2), 0.5, std)
        with pytest.raises(ValueError, match="normalize: mean must be for all, for each channel"):
            enhance.normalize(torch.zeros(3, 2, 2), (0.1, 0.2), 1.0)

    def test_min_max_is_opencvs(self):
        image = (photo() // 2 + 40).astype(np.uint8)
        each = [np.ascontiguousarray(image[..., c]) for c in range(3)]
        expected = np.stack([cv2.normalize(x, None, 51, 204, cv2.NORM_MINMAX) for x in each], -1)
        result = hwc(enhance.min_max_normalize(chw(image), low=0.2, high=0.8))
        assert levels_apart(result, expected) <= 1
        floats = np.stack([cv2.normalize(unit(x), None, 0.2, 0.8, cv2.NORM_MINMAX) for x in each], -1)
        result = hwc(enhance.min_max_normalize(chw(unit(image)), low=0.2, high=0.8))
        np.testing.assert_allclose(result, floats, atol=1e-6)


class TestWhitening:
    def test_colours_have_no_covariance_left(self):
        x = chw(unit(photo())).double()
        white = enhance.zca_whitening(x, eps=1e-12)
        np.testing.assert_allclose(np.cov(white.flatten(1).numpy(), bias=True), np.eye(3), atol=1e-6)
        # ZCA is the whitening of least change: its matrix is symmetric and positive.
        centred = x.flatten(1) - x.flatten(1).mean(1, keepdim=True)
        matrix = torch.linalg.lstsq(centred.T, white.flatten(1).T).solution
        torch.testing.assert_close(matrix, matrix.T, atol=1e-6, rtol=0)
        assert (torch.linalg.eigvalsh(matrix) > 0).all()

    def test_images_have_no_covariance_left(self):
        x = torch.rand(200, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        white = enhance.zca_whitening(x, of="images", eps=1e-9).flatten(1)
        np.testing.assert_allclose(np.cov(white.numpy().T, bias=True), np.eye(18), atol=1e-6)

    @pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (2.0, 2.0, 2.0), (1.0, 1.0, 5.0), (1e-3, 1e-3, 1.0)])
    def test_root_has_right_derivatives_at_equal_eigenvalues(self, values):
        turn = torch.linalg.qr(torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
        half = turn @ torch.diag(torch.tensor(values, dtype=torch.float64).sqrt()) @ turn.T
        half = half.requires_grad_()

        def root(h):
            return inverse_sqrt(h @ h.T)

        inverse = root(half)
        torch.testing.assert_close(inverse @ (half @ half.T) @ inverse, torch.eye(3, dtype=torch.float64))
        if min(values) > 0.1:
            torch.autograd.gradcheck(root, (half,), atol=1e-6)
            torch.autograd.gradgradcheck(root, (half,), atol=1e-5)

    def test_gradient_is_finite_at_grey(self):
        x = torch.full((3, 4, 4), 0.5, requires_grad=True)
        enhance.zca_whitening(x).sum().backward()
        assert x.grad.isfinite().all()

    def test_linear_transform(self):
        x = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        colours = torch.rand(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        whole = torch.rand(60, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        mean = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
        expected = torch.einsum("dc,bchw->bdhw", colours, x - mean[:, None, None])
        torch.testing.assert_close(enhance.linear_transform(x, colours, mean=mean), expected)
        expected = (x.flatten(1) @ whole.T).reshape(x.shape)
        torch.testing.assert_close(enhance.linear_transform(x, whole), expected)
        with pytest.raises(ValueError, match=r"linear_transform: matrix must be \(d, 3\) or \(60, 60\)"):
            enhance.linear_transform(x, whole[:4, :4])


class TestAddWeighted:
    def test_is_opencvs(self):
        a, b = photo(), photo()[::-1].copy()
        for weights in ((0.3, 0.7, 0.0), (1.5, 0.5, 10.0), (-0.5, 1.0, 3.5)):
            options = dict(zip(("alpha", "beta", "gamma"), weights, strict=True))
            expected = cv2.addWeighted(a, weights[0], b, weights[1], weights[2])
            assert levels_apart(hwc(enhance.add_weighted(chw(a), chw(b), **options)), expected) <= 1
            expected = cv2.addWeighted(unit(a), weights[0], unit(b), weights[1], weights[2])
            result = hwc(enhance.add_weighted(chw(unit(a)), chw(unit(b)), **options))
            np.testing.assert_allclose(result, expected, atol=2e-6)

    def test_gradients(self):
        x, y = torch.rand(2, 2, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        w = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.3, 0.4], [0.5, 0.1], [0.1, 0.0])]

        def run(a, b, alpha, beta, gamma):
            return enhance.add_weighted(a, b, alpha=alpha, beta=beta, gamma=gamma)

        torch.autograd.gradcheck(run, (x.requires_grad_(), y.requires_grad_(), *w))

    def test_refuses(self):
        with pytest.raises(ValueError, match="add_weighted: image2 must be torch.float32 of shape"):
            enhance.add_weighted(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))
