"""Compiled epipolar distances against their definition: values, gradients, shared points, odd inputs."""

import pytest
import torch

from visionops.geometry import sampson_distance, symmetric_epipolar_distance
from visionops.kernels import native

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

DISTANCES = [sampson_distance, symmetric_epipolar_distance]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def inputs(b, n, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*s, generator=generator, dtype=torch.float64).to(dtype) for s in ((b, 3, 3), (b, n, 2), (b, n, 2))]


def value_and_gradients(distance, given):
    leaves = [t.clone().requires_grad_() for t in given]
    out = distance(*leaves)
    pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(out.dtype)
    return out.detach(), *torch.autograd.grad((out * pull).sum(), leaves)


def agree(distance, given):
    found = value_and_gradients(distance, given)
    with native.definitions_only():
        expected = value_and_gradients(distance, given)
    for a, b in zip(found, expected, strict=True):
        scale = float(b.abs().max()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=TOLERANCE[b.dtype], atol=TOLERANCE[b.dtype] * scale)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", TOLERANCE)
class TestDistances:
    @pytest.mark.parametrize("n", [1, 63, 64, 65, 9000])
    def test_is_the_definition(self, distance, dtype, n):
        agree(distance, inputs(2, n, dtype))

    def test_shared_rows(self, distance, dtype):
        F, p1, p2 = inputs(5, 70, dtype)
        agree(distance, (F, p1[0], p2[:1]))
        agree(distance, (F, p1, p2[0]))
        agree(distance, (F[0], p1, p2))
        agree(distance, (F[:, None], p1[:3], p2[1]))

    def test_needs_only_some(self, distance, dtype):
        given = inputs(3, 40, dtype)
        whole = value_and_gradients(distance, given)
        for k in range(3):
            leaves = [t.clone().requires_grad_(i == k) for i, t in enumerate(given)]
            out = distance(*leaves)
            pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(dtype)
            (grad,) = torch.autograd.grad((out * pull).sum(), leaves[k])
            assert torch.equal(grad, whole[1 + k])

    def test_points_without_a_line(self, distance, dtype):
        F = torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=dtype)[None]
        F = torch.cat([F, 0 * F, torch.diag(torch.tensor([1.0, 1, 0], dtype=dtype))[None]])
        p1, p2 = (p.clone() for p in inputs(3, 10, dtype)[1:])
        p1[2], p2[2, :5] = 0, 0  # at the epipoles
        agree(distance, (F, p1, p2))
        out = distance(F, p1, p2)
        assert (out[1] == 0).all() and (out[2, :5] == 0).all() and out.isfinite().all()

    def test_nan_stays_with_its_match(self, distance, dtype):
        F, p1, p2 = inputs(2, 70, dtype)
        expected = distance(F, p1, p2)
        p1[0, 69, 1] = float("nan")
        out = distance(F, p1, p2)
        assert out[0, 69].isnan() and torch.equal(out[0, :69], expected[0, :69]) and torch.equal(out[1], expected[1])
        with native.definitions_only():
            assert distance(F, p1, p2)[0, 69].isnan()

    def test_views_and_threads(self, distance, dtype):
        F, p1, p2 = inputs(2, 20000, dtype)
        one = value_and_gradients(distance, (F, p1, p2))
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(3)
            many = value_and_gradients(distance, (F.mT.contiguous().mT, p1.mT.contiguous().mT, p2))
        finally:
            torch.set_num_threads(threads)
        assert all(map(torch.equal, one, many))
