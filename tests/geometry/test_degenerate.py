"""Data that determine no answer, but for rounding: not valid, without a gradient; and narrow data that do."""

import functools

import pytest
import torch

from visionops import geometry as vg

D = torch.float64


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


def line(n, d, seed=0):
    """Returns 100 sets of points on a line each."""
    along = 100 * noise(100, n, 1, seed=seed) * noise(100, 1, d, seed=seed + 1)
    return 300 * torch.rand(100, 1, d, generator=torch.Generator().manual_seed(seed), dtype=D) + along


def no_answer(function, *inputs):
    """Asserts that nothing is valid, and that gradients are 0."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    value, valid = function(*leaves, return_valid=True)
    assert value.isfinite().all() and not valid.any()
    assert not any(g.any() for g in torch.autograd.grad(value.sum() + 0 * sum(x.sum() for x in leaves), leaves))


@pytest.mark.parametrize("dtype", [D, torch.float32])
@pytest.mark.parametrize(
    ("function", "n", "d"),
    [
        (vg.get_affine_transform, 3, 2),
        (vg.get_perspective_transform, 4, 2),
        (vg.find_affine, 8, 2),
        (vg.find_rigid, 8, 3),
        (vg.find_similarity3d, 8, 3),
        (vg.find_homography, 8, 2),
    ],
)
def test_points_on_a_line(function, n, d, dtype):
    """Their coordinates are rounded in their own precision."""
    no_answer(function, line(n, d).to(dtype), (100 * noise(100, n, d, seed=3)).to(dtype))


@pytest.mark.parametrize("dtype", [D, torch.float32])
@pytest.mark.parametrize("function", [vg.find_affine, vg.find_similarity, vg.find_rigid])
def test_points_in_one_place(function, dtype):
    place = 300 * torch.rand(100, 1, 2, generator=torch.Generator().manual_seed(0), dtype=D)
    no_answer(function, place.expand(100, 3, 2).to(dtype), noise(100, 3, 2, seed=1).to(dtype))


class TestRefinePnP:
    @pytest.mark.parametrize("noisy", [0, 1e-3])
    @pytest.mark.parametrize("n", [3, 4, 6, 10])
    def test_points_on_a_line_determine_no_pose(self, n, noisy):
        x = 0.3 * noise(100, 1, 3) * torch.rand(100, n, 1, dtype=D) + torch.tensor([0.5, 0.5, 4.5], dtype=D)
        pixels = x[..., :2] / x[..., 2:] + noisy * noise(100, n, 2)
        start = torch.eye(3, dtype=D), torch.zeros(3, dtype=D)
        leaf = pixels.clone().requires_grad_()
        pose = vg.refine_pnp(x, leaf, *start)
        assert not pose.valid.any()
        assert not torch.autograd.grad(pose.R.sum() + pose.t.sum() + 0 * leaf.sum(), leaf)[0].any()
        assert not vg.refine_pnp(x, pixels, *start).valid.any()

    def test_is_as_valid_without_a_gradient(self):
        x = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=D) + torch.tensor([0, 0, 4.0], dtype=D)
        pixels = x[:, :2] / x[:, 2:]
        start = torch.eye(3, dtype=D), torch.tensor([0.01, 0, 0], dtype=D)
        for weights, expected in ((torch.ones(6, dtype=D), True), (torch.tensor([1.0, 1, 0, 0, 0, 0], dtype=D), False)):
            for given in (pixels, pixels.clone().requires_grad_()):
                for grad in ("implicit", "none"):
                    assert vg.refine_pnp(x, given, *start, weights=weights, grad=grad).valid.item() == expected


@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4])
def test_three_points_at_a_narrow_angle(size):
    n = 300
    y = 10 * size * noise(n, 3, 3) + torch.tensor([0, 0, 10.0], dtype=D)
    R, t = vg.so3.exp(noise(n, 3, seed=1)), noise(n, 3, seed=2)
    found = vg.solve_p3p((y - t[:, None]) @ R, y)
    error = (found.R - R[:, None]).abs().amax((-1, -2)) + (found.t - t[:, None]).abs().amax(-1)
    assert (torch.where(found.valid, error, 9).amin(-1) < 1e-4).all()


@pytest.mark.parametrize(
    "function", [vg.find_homography, vg.find_affine, vg.transform_points, vg.triangulate], ids=lambda f: f.__name__
)
def test_compiles_for_sizes_that_are_not_known(function):
    torch._dynamo.reset()
    inputs = {
        "transform_points": lambda n: (torch.eye(3), torch.rand(2, n, 2)),
        "triangulate": lambda n: (torch.rand(2, 3, 4), torch.rand(2, 3, 4), torch.rand(2, n, 2), torch.rand(2, n, 2)),
    }.get(function.__name__, lambda n: (torch.rand(2, n, 2), torch.rand(2, n, 2)))
    compiled = torch.compile(functools.partial(function), fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (6, 9):
        given = inputs(n)
        # Float32 results of random, ill-conditioned problems, by formulas instead of kernels.
        torch.testing.assert_close(compiled(*given), function(*given), rtol=1e-3, atol=1e-4)


class TestRefusals:
    @pytest.mark.parametrize("camera", [vg.PinholeCamera(torch.eye(3)), vg.OrthographicCamera(torch.eye(3))])
    def test_depth(self, camera):
        with pytest.raises(ValueError, match=r"unproject: depth must be of shape .* depth.squeeze\(-1\)"):
            camera.unproject(torch.rand(4, 2), torch.ones(4, 1))
        with pytest.raises(ValueError, match=r"unproject: depth must be a tensor \(\*batch, n\)"):
            camera.unproject(torch.rand(4, 2), 2.0)
        assert camera.unproject(torch.rand(4, 2), torch.ones(3, 4)).shape == (3, 4, 3)

    def test_alpha(self):
        with pytest.raises(ValueError, match="stereo_rectify: alpha must be from 0 to 1, got -1"):
            vg.stereo_rectify(torch.eye(3), torch.eye(3), torch.eye(3), torch.tensor([1.0, 0, 0]), (4, 5), alpha=-1)

    def test_weights_of_a_mean(self):
        with pytest.raises(ValueError, match="average_rotation: weights must be floating"):
            vg.average_rotation(torch.eye(3).expand(4, 3, 3), weights=torch.ones(4, dtype=torch.bool))
