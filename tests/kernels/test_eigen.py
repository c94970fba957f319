"""Eigenvectors of many small matrices against NumPy's."""

import numpy as np
import pytest
import torch

from visionops.kernels import native
from visionops.kernels.eigen import eigen_symmetric, least_eigenvector


def symmetric(count, n, seed=0):
    a = np.random.default_rng(seed).normal(size=(count, n, n))
    return torch.from_numpy(a + a.swapaxes(1, 2))


def check(matrix, values, vectors, scale=1.0):
    """Raises unless values are NumPy's, and vectors are orthonormal and belong to them."""
    n = matrix.shape[-1]
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix.numpy()), atol=1e-13 * n * scale)
    np.testing.assert_allclose(vectors.mT @ vectors, np.broadcast_to(np.eye(n), vectors.shape), atol=1e-13)
    np.testing.assert_allclose(matrix @ vectors, vectors * values[..., None, :], atol=1e-13 * n * scale)


class TestEigenSymmetric:
    @pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 12, 16, 20])
    @pytest.mark.parametrize("count", [1, 7, 8, 19])
    def test_is_numpys(self, count, n):
        matrix = symmetric(count, n)
        check(matrix, *eigen_symmetric(matrix), scale=4)

    def test_definition_is_numpys(self):
        matrix = symmetric(5, 6)
        with native.definitions_only():
            check(matrix, *eigen_symmetric(matrix))

    def test_special_matrices(self):
        eye = torch.eye(4, dtype=torch.float64)
        matrix = torch.stack([eye, 0 * eye, torch.ones_like(eye), torch.diag(torch.tensor([3.0, -1, 3, 0])).double()])
        check(matrix, *eigen_symmetric(matrix))

    @pytest.mark.parametrize("size", [1e-150, 1e-12, 1e12, 1e150])
    def test_scales(self, size):
        matrix = symmetric(9, 9)
        values, vectors = eigen_symmetric(matrix * size)
        check(matrix, values / size, vectors, scale=4)

    def test_small_eigenvalues_of_exact_systems(self):
        a = torch.from_numpy(np.random.default_rng(1).normal(size=(50, 8, 9)))
        values, vectors = eigen_symmetric(a.mT @ a)
        null = np.linalg.svd(a.numpy())[2][:, -1]
        assert values[:, 0].abs().max() < 1e-13
        np.testing.assert_allclose(np.abs((vectors[..., 0].numpy() * null).sum(-1)), 1, atol=1e-12)

    def test_batches_and_threads(self):
        matrix = symmetric(4000, 9)
        one = eigen_symmetric(matrix)
        batches = eigen_symmetric(matrix.unflatten(0, (40, 100)))
        assert all(torch.equal(a, b.flatten(0, 1)) for a, b in zip(one, batches, strict=True))
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1 if threads > 1 else 2)
            assert all(map(torch.equal, one, eigen_symmetric(matrix)))
        finally:
            torch.set_num_threads(threads)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_alone(self, bad):
        matrix = symmetric(9, 4)
        expected = eigen_symmetric(matrix)[0]
        matrix[3, 0, 1] = bad
        values, _ = eigen_symmetric(matrix)
        assert not values[3].isfinite().all()
        others = [i for i in range(9) if i != 3]
        torch.testing.assert_close(values[others], expected[others])

    def test_empty(self):
        assert eigen_symmetric(torch.zeros(0, 2, 3, 3, dtype=torch.float64))[1].shape == (0, 2, 3, 3)

    def test_vmap_and_compile(self):
        matrix = symmetric(6, 5)
        expected = eigen_symmetric(matrix)
        mapped = torch.vmap(eigen_symmetric)(matrix.unflatten(0, (2, 3)))
        compiled = torch.compile(eigen_symmetric, fullgraph=True, backend="aot_eager")(matrix)
        for a, b, c in zip(expected, mapped, compiled, strict=True):
            torch.testing.assert_close(a, b.flatten(0, 1))
            torch.testing.assert_close(a, c)


def check_least(matrix, found, scale=1.0):
    """Raises unless the least eigenvector and the pseudo-inverse are NumPy's."""
    h, inverse, unique = found
    values, vectors = np.linalg.eigh(matrix.numpy())
    n = matrix.shape[-1]
    first = vectors[..., 0]
    first = first * np.sign(np.take_along_axis(first, np.abs(first).argmax(-1)[..., None], -1))
    assert unique.all()
    np.testing.assert_allclose(h, first, atol=1e-11 * scale)
    shifted = matrix.numpy() - values[:, :1, None] * np.eye(n)
    np.testing.assert_allclose(inverse, np.linalg.pinv(shifted, rcond=1e-11, hermitian=True), rtol=1e-6, atol=1e-9)


class TestLeastEigenvector:
    @pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 12, 16])
    def test_of_products_is_numpys(self, n):
        a = torch.from_numpy(np.random.default_rng(2).normal(size=(203, 2 * n, n)))
        check_least(a.mT @ a, least_eigenvector(a.mT @ a), scale=10)

    @pytest.mark.parametrize("n", [3, 4, 9])
    def test_of_exact_systems_is_numpys(self, n):
        a = torch.from_numpy(np.random.default_rng(3).normal(size=(203, n - 1, n)))
        h = least_eigenvector(a.mT @ a)[0]
        null = np.linalg.svd(a.numpy())[2][:, -1]
        np.testing.assert_allclose(np.abs((h.numpy() * null).sum(-1)), 1, atol=1e-12)

    @pytest.mark.parametrize("n", [2, 3, 4, 9])
    def test_with_negative_eigenvalues_is_numpys(self, n):
        for matrix in (symmetric(203, n), -symmetric(40, n) @ symmetric(40, n, seed=1).mT):
            matrix = (matrix + matrix.mT) / 2
            check_least(matrix, least_eigenvector(matrix), scale=100)

    def test_definition_is_the_same(self):
        matrix = symmetric(50, 6)
        with native.definitions_only():
            expected = least_eigenvector(matrix)
        for a, b in zip(least_eigenvector(matrix), expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)

    @pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 3e-11])
    def test_near_the_next(self, gap):
        q = np.linalg.qr(np.random.default_rng(4).normal(size=(9, 9)))[0]
        matrix = torch.from_numpy((q * np.array([0.2, 0.2 + gap, 0.3, 0.4, 0.5, 0.5, 0.7, 0.8, 1])) @ q.T)
        h, _, unique = least_eigenvector((matrix + matrix.mT)[None] / 2)
        assert unique.all()
        assert abs((h[0].numpy() * q[:, 0]).sum()) > 1 - (1e-14 / gap) ** 2 - 1e-12

    def test_start_across_the_answer(self):
        """Every coordinate axis, and what the start is orthogonal to."""
        n = 9
        for i in range(n):
            d = torch.ones(n, dtype=torch.float64)
            d[i] = 0
            matrix = torch.diag(d + torch.arange(n) * 0.01)[None]
            assert least_eigenvector(matrix)[0][0, i] == pytest.approx(1, abs=1e-14)

    def test_not_unique(self):
        eye = torch.eye(4, dtype=torch.float64)
        a = torch.arange(4.0, dtype=torch.float64)
        matrix = torch.stack([eye, 0 * eye, torch.outer(a, a), torch.diag(torch.tensor([1.0, 2, 3, 4])).double()])
        h, inverse, unique = least_eigenvector(matrix)
        assert unique.tolist() == [False, False, False, True]
        np.testing.assert_allclose(h.square().sum(-1), 1, atol=1e-14)
        np.testing.assert_allclose((matrix @ h[..., None])[2, :, 0], 0, atol=1e-14)
        assert (inverse[:3] == 0).all()

    @pytest.mark.parametrize("size", [1e-140, 1e140])
    def test_scales(self, size):
        matrix = symmetric(9, 9)
        h, inverse, unique = least_eigenvector(matrix * size)
        check_least(matrix, (h, inverse * size, unique), scale=100)
