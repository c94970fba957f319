"""The compiled lens against its definition in plain torch: values, what is valid, and gradients."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry.cameras import BrownConradyCamera
from visionops.kernels import brown_conrady, native

pytestmark = pytest.mark.skipif(not native.active(), reason=native.why_not)

D = torch.float64
# Any invertible matrix: skew, a horizon, and a last entry that is not 1.
K = torch.tensor([[500.0, 7, 320], [-3, 510, 240], [1e-5, 2e-5, 1.3]], dtype=D)
LENS = [-0.28, 0.08, 0.001, -0.002, 0.01, 0.05, 0.02, 0.003, 0.002, -0.001, 0.0015, 0.001, 0.03, -0.05]
NAN = float("nan")

# Samples, points of each, rows of K and of the coefficients: lanes are cameras, or points of one, in several stretches.
LAYOUTS = [(20, 10, 20, 20), (8, 1, 8, 8), (3, 100, 3, 3), (5, 10, 1, 5), (5, 9, 5, 1), (5, 7, 1, 1), (2, 9001, 2, 2)]


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def cameras(matrices, distortions, count, dtype=D):
    matrix = K * (1 + 0.01 * random(matrices, 3, 3, seed=1))
    distortion = torch.tensor(LENS[:count], dtype=D) * (1 + 0.1 * random(distortions, count, seed=2))
    return matrix.to(dtype), distortion.to(dtype)


def points(b, n, dtype=D):
    """In front, and of the first sample behind, at the centre, on the edge of what is held, and not finite."""
    p = 2 * random(b, n, 3, seed=3) - torch.tensor([1.0, 1, -2], dtype=D)
    some = torch.tensor([[1.0, 2, -1], [0, 0, 0], [0.3, 0, 0], [NAN, 1, 1], [1, float("inf"), 2]], dtype=D)
    p[0, : min(n, 5)] = some[:n]
    return p.to(dtype)


def pixels(b, n, dtype=D):
    """In an image, and of the first sample far outside of it, and not finite."""
    p = random(b, n, 2, seed=4) * torch.tensor([640.0, 480], dtype=D)
    p[0, : min(n, 4)] = torch.tensor([[1e5, 2e3], [NAN, 1], [-1e9, 0], [1, -float("inf")]], dtype=D)[:n]
    return p.to(dtype)


def project(places, matrix, distortion):
    return BrownConradyCamera(matrix, distortion).project(places, return_valid=True)


def unproject(places, matrix, distortion):
    return BrownConradyCamera(matrix, distortion).unproject(places, return_valid=True)


def undistort(places, matrix, distortion):
    """Of normalised coordinates, on which K has no bearing."""
    return BrownConradyCamera(matrix, distortion).undistort((places - 320) / 500, return_valid=True)


def results(function, *values):
    """Returns the value, what is valid, and the gradients of a weighted sum of what is a number."""
    leaves = [v.clone().requires_grad_() for v in values]
    out, valid = function(*leaves)
    weights = random(*out.shape, seed=5).to(out.dtype)
    return out.detach(), valid, *torch.autograd.grad((out * weights).nansum(), leaves, materialize_grads=True)


def by_definition(function, *values):
    with native.definitions_only():
        return results(function, *values)


def assert_same(found, expected, tolerance):
    assert torch.equal(found[1], expected[1])
    for a, b in zip(found[:1] + found[2:], expected[:1] + expected[2:], strict=True):
        assert a.dtype == b.dtype or b.dtype == D
        scale = float(b.nan_to_num().abs().amax())
        torch.testing.assert_close(a.to(D), b.to(D), rtol=0, atol=tolerance * scale, equal_nan=True)


FUNCTIONS = [(project, points), (unproject, pixels), (undistort, pixels)]
each_function = pytest.mark.parametrize(("function", "places"), FUNCTIONS, ids=lambda f: f.__name__)


class TestBrownConrady:
    @pytest.mark.parametrize("layout", LAYOUTS, ids=str)
    @pytest.mark.parametrize("count", BrownConradyCamera.lengths)
    @each_function
    def test_is_the_definition(self, function, places, count, layout):
        b, n, matrices, distortions = layout
        given = (places(b, n), *cameras(matrices, distortions, count))
        found = results(function, *given)
        # Of points that are held, whose radius to the seventh power is 1e14, digits cancel in both.
        assert_same(found, by_definition(function, *given), 1e-9 if function is project else 1e-12)
        assert n < 5 or (found[1].any() and not found[1].all() and found[0].isnan().any())

    @pytest.mark.parametrize("count", [5, 14])
    @each_function
    def test_float32_is_the_definition_of_its_values_in_float64(self, function, places, count):
        given = [t.float() for t in (places(6, 10), *cameras(6, 6, count))]
        found = results(function, *given)
        assert all(t.dtype in (torch.float32, torch.bool) for t in found)
        assert_same(found, by_definition(function, *(t.double() for t in given)), 1e-6)

    @pytest.mark.parametrize("k", [[-0.3, 0, 0, 0], [-1, 0.2, 0, 0], [0, 0, 0, 0, 0, -0.25, 0, 0]], ids=str)
    def test_domain_ends_where_the_definitions_does(self, k):
        """At a fold, before a lens rises again, and at a pole."""
        given = (torch.eye(3, dtype=D), torch.tensor(k, dtype=D))
        r = torch.linspace(0, 40, 2001, dtype=D)
        turned = torch.stack([r * r.cos(), r * r.sin()], -1)
        ahead = torch.cat([turned, torch.ones_like(r)[:, None]], -1)
        for function, places in ((project, ahead), (unproject, turned)):
            found = results(function, places, *given)
            assert found[1].any() and not (function is project and found[1].all())
            assert torch.equal(found[1], by_definition(function, places, *given)[1])
        expected = by_definition(unproject, turned, *given)
        torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(found[2], expected[2], rtol=1e-6, atol=1e-9)
        assert (found[2][~found[1]] == 0).all()

    @pytest.mark.parametrize("n", [3, 100])
    @each_function
    def test_a_camera_that_is_not_finite_is_alone(self, function, places, n):
        at = places(9, n)
        at[0] = places(2, n)[1]
        for which in (0, 1):
            camera = cameras(9, 9, 14)
            camera[which].flatten(1)[4, 2] = NAN
            found = results(function, at, *camera)
            assert_same(found, by_definition(function, at, *camera), 1e-12)
            assert found[0][4].isnan().all() and not found[1][4].any()
            assert found[0][[3, 5]].isfinite().all()
            assert all((g[4] == 0).all() and g.isfinite().all() for g in found[2:])

    @pytest.mark.parametrize("shape", [(300, 300), (40000, 5)])
    @each_function
    def test_threads_change_no_bit(self, function, places, shape):
        for rows in (shape[0], 1):
            given = (places(*shape), *cameras(rows, rows, 8))
            threads = torch.get_num_threads()
            try:
                torch.set_num_threads(3)
                several = results(function, *given)
                torch.set_num_threads(1)
                one = results(function, *given)
            finally:
                torch.set_num_threads(threads)
            assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(several, one, strict=True))

    @each_function
    def test_lanes_do_not_know_each_other(self, function, places):
        at, camera = places(19, 10), cameras(19, 19, 14)
        together = function(at, *camera)
        for i in (0, 7, 18):
            alone = function(at[i], camera[0][i], camera[1][i])
            assert torch.equal(alone[1], together[1][i])
            torch.testing.assert_close(alone[0], together[0][i], rtol=1e-14, atol=1e-14, equal_nan=True)

    @each_function
    def test_views_and_batches(self, function, places):
        at, (matrix, distortion) = places(6, 10), cameras(6, 6, 14)
        whole = results(function, at, matrix, distortion)
        views = (at.mT.contiguous().mT, matrix.mT.contiguous().mT, distortion.T.contiguous().T)
        for one, other in zip(results(function, *views), whole, strict=True):
            assert torch.equal(one.nan_to_num(), other.nan_to_num())
        given = (at.unflatten(0, (2, 3)), matrix[:3], distortion[:2, None])
        crossed = results(function, *given)
        assert crossed[0].shape[:3] == (2, 3, 10)
        assert_same(crossed, by_definition(function, *given), 1e-12)

    @each_function
    def test_derivatives(self, function, places):
        """Of both orders, of cameras in lanes, and where one serves all."""
        at = places(2, 9)[1:, :3].expand(3, 3, -1) + 0.01 * random(3, 3, places(1, 1).shape[-1], seed=6)
        for rows in (3, 1):
            leaves = [t.requires_grad_() for t in (at.clone(), *cameras(rows, rows, 14))]
            run = lambda *t: function(*t)[0]  # noqa: E731
            gradcheck(run, leaves, atol=1e-4)  # pixels are in hundreds
            gradgradcheck(run, leaves, fast_mode=True, atol=1e-2)

    @each_function
    def test_transforms(self, function, places):
        at, camera = places(2, 9)[1:].expand(4, 9, -1) * (1 + 0.01 * random(4, 9, 1)), cameras(4, 4, 8)
        loss = lambda p, m, d: function(p, m, d)[0].square().sum()  # noqa: E731
        found = torch.vmap(torch.func.grad(loss, (0, 1, 2)))(at, *camera)
        with native.definitions_only():
            expected = torch.vmap(torch.func.grad(loss, (0, 1, 2)))(at, *camera)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        mapped = torch.vmap(function, (0, None, None))(at, camera[0][0], camera[1][0])
        torch.testing.assert_close(mapped, function(at, camera[0][0], camera[1][0]))

    def test_what_it_does_not_take_goes_to_the_definition(self, monkeypatch):
        for name in ("project", "undistort", "see"):
            monkeypatch.setattr(native.module, f"brown_conrady_{name}", None)
        matrix, distortion = cameras(1, 1, 5)
        assert BrownConradyCamera(matrix.float(), distortion).project(points(1, 9)).dtype == D
        assert BrownConradyCamera(matrix, distortion).project(points(1, 0)).shape == (1, 0, 2)
        assert BrownConradyCamera(matrix, distortion).unproject(pixels(1, 9), grad="unroll").shape == (1, 9, 3)
        tangents = torch.func.jvp(lambda p: project(p, matrix, distortion)[0], (points(1, 9),), (points(1, 9),))[1]
        assert tangents.shape == (1, 9, 2)
        with pytest.raises(TypeError):
            brown_conrady.project(points(1, 9), matrix, distortion)

    def test_refuses_cameras_of_another_batch(self):
        with pytest.raises(ValueError, match="cameras must be one, or one for each sample"):
            brown_conrady.project(points(4, 2), *cameras(3, 4, 5))
        with pytest.raises(ValueError, match="a lens must have 4 to 14 coefficients"):
            brown_conrady.undistort(pixels(4, 2), *cameras(4, 4, 3))
