"""What points share: one that is not finite leaves the gradient of a matrix, a line, a camera or a pose to the others."""

import pytest
import torch

from visionops import geometry as vg

D = torch.float64


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=D)


K = torch.tensor([[300.0, 2, 160], [0, 310, 120], [0, 0, 1]], dtype=D)
TURN = vg.axis_angle_to_matrix(torch.tensor([0.1, -0.2, 0.3], dtype=D))
SHIFT = torch.tensor([0.1, 0.2, 4.0], dtype=D)
# Of what is shared, and of points (n, d) with their partners.
CALLS = {
    "transform_points": (vg.transform_points, (torch.eye(3, dtype=D) + 0.1 * rand(3, 3),), (rand(6, 2),)),
    "transform_points, linear": (vg.transform_points, (rand(2, 2),), (rand(6, 2),)),
    "transform_points, affine": (vg.transform_points, (rand(2, 3),), (rand(6, 2),)),
    "transfer_error": (vg.transfer_error, (rand(3, 3),), (rand(6, 2), rand(6, 2, seed=1))),
    "symmetric_transfer_error": (vg.symmetric_transfer_error, (rand(3, 3),), (rand(6, 2), rand(6, 2, seed=1))),
    "sampson_distance": (vg.sampson_distance, (rand(3, 3),), (rand(6, 2), rand(6, 2, seed=1))),
    "symmetric_epipolar_distance": (
        vg.symmetric_epipolar_distance,
        (rand(3, 3),),
        (rand(6, 2), rand(6, 2, seed=1)),
    ),
    "epilines": (vg.epilines, (rand(3, 3),), (rand(6, 2),)),
    "point_line_distance": (lambda line, p: vg.point_line_distance(p, line), (rand(3),), (rand(6, 2),)),
    "point_plane_distance": (lambda plane, p: vg.point_plane_distance(p, plane), (rand(4),), (rand(6, 3),)),
    "ray_plane_intersection": (
        lambda plane, p, q: vg.ray_plane_intersection(p, q, plane),
        (rand(4),),
        (rand(6, 3), rand(6, 3, seed=1)),
    ),
    "project_points": (
        lambda K, R, t, p: vg.project_points(p, K, R, t),
        (K, TURN, SHIFT),
        (rand(6, 3),),
    ),
    "quaternion_rotate": (vg.quaternion_rotate, (rand(4),), (rand(6, 3),)),
}


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", CALLS)
class TestShared:
    def test_one_point(self, name, value):
        function, shared, points = CALLS[name]
        rest = torch.arange(6) != 2
        for k in range(len(points)):
            bad = [p.clone() for p in points]
            bad[k][2, 0] = value
            bad = [p.requires_grad_() for p in bad]
            leaves = [s.clone().requires_grad_() for s in shared]
            out = function(*leaves, *bad)
            assert out[2].isnan().any() and out[rest].isfinite().all()
            alone = function(*leaves, *(p[rest] for p in points))
            torch.testing.assert_close(out[rest], alone)
            expected = torch.autograd.grad(alone.square().sum(), leaves)
            found = torch.autograd.grad(out[rest].square().sum(), (*leaves, *bad), retain_graph=True)
            for a, b in zip(found, expected, strict=False):
                torch.testing.assert_close(a, b)
            assert all(g.isfinite().all() and not g[2].any() for g in found[len(leaves) :])
            # Also where a NaN is not left out before it is summed.
            assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), (*leaves, *bad)))

    def test_what_is_shared(self, name, value):
        function, shared, points = CALLS[name]
        for k in range(len(shared)):
            both = [torch.stack([s, s]) for s in shared]
            both[k][0].view(-1)[0] = value
            both = [s.requires_grad_() for s in both]
            given = [torch.stack([p, p]).requires_grad_() for p in points]
            out = function(*both, *given)
            torch.testing.assert_close(out[1], function(*shared, *points))
            for g in torch.autograd.grad(out[1].sum(), (*both, *given), retain_graph=True):
                assert g.isfinite().all() and not g[0].any() and g[1].any()
            assert out[0].isnan().all() and not torch.autograd.grad(out[0].sum(), both[k])[0].any()


@pytest.mark.parametrize("solver", ["solve_pnp", "solve_p3p"])
def test_a_camera_shared_by_views(solver):
    points = torch.randn(3, 9, 3, generator=torch.Generator().manual_seed(0), dtype=D) + torch.tensor([0, 0, 6.0], dtype=D)
    pixels = vg.project_points(points, K)
    n = 9 if solver == "solve_pnp" else 3
    bad = pixels[:, :n].clone()
    bad[1, 2, 0] = torch.nan
    matrix = K.clone().requires_grad_()

    def loss(points, pixels):
        return getattr(vg, solver)(points, pixels, matrix).t.nan_to_num().square().sum()

    (found,) = torch.autograd.grad(loss(points[:, :n], bad), matrix)
    (expected,) = torch.autograd.grad(loss(points[::2, :n], pixels[::2, :n]), matrix)
    torch.testing.assert_close(found, expected)
    assert found.any()
    # A camera without focal length sees nothing.
    nothing = torch.zeros(3, 3, dtype=D).requires_grad_()
    pose = getattr(vg, solver)(points[:, :n], pixels[:, :n].requires_grad_(), nothing)
    assert not pose.valid.any()
    (gradient,) = torch.autograd.grad(pose.t.nan_to_num().sum() + 0 * nothing.sum(), nothing)
    assert not gradient.any()


def test_remedies():
    with pytest.raises(ValueError, match=r"transform_points: points must be .* Transpose it: points.mT"):
        vg.transform_points(torch.eye(3), torch.rand(2, 9))
    with pytest.raises(ValueError, match=r"find_homography: points1 .* Transpose it: points1.mT"):
        vg.find_homography(torch.rand(2, 9), torch.rand(2, 9))
    with pytest.raises(ValueError, match=r"points1.squeeze\(-2\)"):
        vg.find_homography(torch.rand(9, 1, 2), torch.rand(9, 1, 2))
