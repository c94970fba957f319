"""split_intrinsics against SciPy's RQ decomposition and projected points."""

import numpy as np
import pytest
import scipy.linalg
import torch

import visionops as vo
import visionops.augment as va
from visionops.geometry import split_intrinsics

K = np.array([[90.0, 0.3, 38.2], [0, 95.0, 31.7], [0, 0, 1]])
SCENE = np.random.default_rng(0).uniform((-1, -1, 3), (1, 1, 6), (40, 3))


def pixels(k, scene):
    p = scene @ np.asarray(k, float).T
    return p[:, :2] / p[:, 2:]


def cases():
    rng = np.random.default_rng(1)
    yield K
    yield np.diag([-1, 1, 1]) @ K
    yield np.array([[-1, 0, 79], [0, 1, 0], [0, 0, 1.0]]) @ K
    yield np.array([[0, 1, 0], [-1, 0, 79], [0, 0, 1.0]]) @ K
    for _ in range(10):
        yield rng.normal(size=(3, 3)) @ K


class TestSplitIntrinsics:
    @pytest.mark.parametrize("a", list(cases()), ids=range(14))
    def test_is_scipys_rq_with_positive_focal_lengths(self, a):
        k, r = (t.numpy() for t in split_intrinsics(torch.from_numpy(a)))
        rq, q = scipy.linalg.rq(a)
        sign = np.diag(np.sign(np.diag(rq)))
        np.testing.assert_allclose(k, rq @ sign / (rq @ sign)[2, 2], atol=1e-9 * np.abs(k).max())
        np.testing.assert_allclose(r, sign @ q, atol=1e-10)
        assert (np.diag(k) > 0).all() and k[2, 2] == 1
        assert np.abs(np.tril(k, -1)).max() < 1e-10 * np.abs(k).max()
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
        product = k @ r
        np.testing.assert_allclose(product / np.linalg.norm(product), a / np.linalg.norm(a), atol=1e-12)

    @pytest.mark.parametrize("index", range(6))
    def test_after_an_augmentation_the_turned_scene_projects_to_the_same_pixels(self, index):
        pipe = vo.Pipeline(va.HorizontalFlip(p=0.5), va.Rotate((-90, 90)), va.RandomResizedCrop((50, 60)))
        a = pipe(image=np.zeros((60, 80, 3), np.uint8), intrinsics=torch.from_numpy(K), index=index)[
            "intrinsics"
        ].numpy()
        k, r = (t.numpy() for t in split_intrinsics(torch.from_numpy(a)))
        np.testing.assert_allclose(pixels(k, SCENE @ r.T), pixels(a, SCENE), atol=1e-9)
        flipped = pipe.sample((60, 80), index=index)["steps"][0]["active"]
        assert np.linalg.det(r) == pytest.approx(-1 if flipped else 1)

    def test_batches(self):
        a = torch.from_numpy(np.stack(list(cases())[:6])).reshape(2, 3, 3, 3)
        k, r = split_intrinsics(a)
        for i in range(2):
            for j in range(3):
                one = split_intrinsics(a[i, j])
                torch.testing.assert_close(k[i, j], one[0])
                torch.testing.assert_close(r[i, j], one[1])
        assert [t.shape for t in split_intrinsics(a[:0])] == [(0, 3, 3, 3)] * 2

    def test_gradient(self):
        a = torch.from_numpy(np.diag([-1.0, 1, 1]) @ K).requires_grad_()
        torch.autograd.gradcheck(split_intrinsics, (a,), atol=1e-4)

    @pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 2), (4, 4)])
    def test_refuses_other_shapes(self, shape):
        with pytest.raises(ValueError, match=r"split_intrinsics: intrinsics must be of shape \(\*batch, 3, 3\), got"):
            split_intrinsics(torch.zeros(shape))
